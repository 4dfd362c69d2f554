"""LatencyStorage: a storage that takes its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pystorage.storage import Capability, Storage
from pystorage.testing.around import AroundStorage, checked_operations

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class LatencyStorage(AroundStorage[K, V]):
    """A storage whose operations wait before they are done, as a slow disk or a network makes them.

    Args:
        storage: The inner storage.
        seconds: How long each operation waits, ≥ 0; or a mapping from the names of operations (see
            ``pystorage.testing.around.OPERATIONS``), where those that are not in it do not wait.
        sleep: What waits, given seconds; a test gives a function that moves its clock.

    Raises:
        TypeError: The storage is none.
        ValueError: There is no such operation, or a time is negative or not finite.

    Threads: as the inner storage, and as ``sleep``; nothing is held while it waits.
    Processes: as the inner storage.

    Example:
        >>> from pystorage import MemoryStorage
        >>> from pystorage.testing import FakeClock
        >>> clock = FakeClock(0)
        >>> storage = LatencyStorage(MemoryStorage(), {"get": 0.25}, sleep=clock.advance)
        >>> storage["a"] = 1
        >>> storage["a"], clock()
        (1, 0.25)
    """

    def __init__(
        self,
        storage: Storage[K, V],
        seconds: float | Mapping[str, float],
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._each = dict(seconds) if isinstance(seconds, Mapping) else {}
        self._all = 0.0 if isinstance(seconds, Mapping) else seconds
        checked_operations(self._each)
        for one in (self._all, *self._each.values()):
            if not 0 <= one < math.inf:
                raise ValueError(f"an operation waits for at least 0 seconds, not {one!r}")
        self._sleep = sleep
        super().__init__(storage)

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """What the inner storage does natively, except that it waits.

        Raises:
            Nothing.
        """
        return self._inner.capabilities & ~Capability.NONBLOCKING

    def _around(self, operation: str, key: object, call: Callable[[], T], **given: Any) -> T:
        seconds = self._each.get(operation, self._all)
        if seconds:
            self._sleep(seconds)
        return call()

    def _settings(self) -> Mapping[str, Any]:
        return {"seconds": self._each or self._all}
