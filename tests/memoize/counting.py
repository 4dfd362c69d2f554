"""A function for the tests of results that are computed anew."""

from __future__ import annotations

import threading
from typing import Any

from pystorage import memoize
from tests.memoize.running import LONG, until


class Counting:
    """A function that counts its calls, fails when told to, and stands at a gate when there is one."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: BaseException | None = None
        self.gate: threading.Event | None = None

    def under(self, *given: Any, **options: Any) -> Any:
        @memoize(*given, **options)
        def function(a: Any = 0) -> Any:
            self.calls += 1
            if self.gate is not None:
                assert self.gate.wait(LONG)
            return self._given(a)

        return function

    def async_under(self, *given: Any, **options: Any) -> Any:
        @memoize(*given, **options)
        async def function(a: Any = 0) -> Any:
            self.calls += 1
            await until(lambda: self.gate is None or self.gate.is_set())
            return self._given(a)

        return function

    def _given(self, a: Any) -> Any:
        if self.error is not None:
            raise self.error
        return [a, self.calls]
