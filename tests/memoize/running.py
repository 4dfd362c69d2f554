"""Running async functions in the tests of memoize, bounded in time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

LONG: Final = 30.0
BACKENDS: Final = ("asyncio", "trio")


def run(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        with anyio.fail_after(LONG):
            return await main()

    return anyio.run(bounded, backend=backend)


async def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        await anyio.sleep(0.0005)
