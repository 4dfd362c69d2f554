"""What is done without a thread under asyncio, and in worker threads elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from pystorage.aio._iteration import Batched

T = TypeVar("T")


def is_native() -> bool:
    """Tell whether this is called under asyncio, for which the client package has connections."""
    return asyncio._get_running_loop() is not None


class Chosen(AsyncIterator[T]):
    """One iterator under asyncio, another elsewhere: which is known when the first one is asked for."""

    def __init__(self, native: AsyncIterator[T], threaded: Callable[[], AsyncIterator[T]]) -> None:
        self._iterator: AsyncIterator[T] | None = None
        self._native = native
        self._threaded = threaded

    async def __anext__(self) -> T:
        if self._iterator is None:
            self._iterator = self._native if is_native() else self._threaded()
        return await anext(self._iterator)


def once(
    fetch: Callable[[], Awaitable[list[T]]], threaded: Callable[[], AsyncIterator[T]]
) -> AsyncIterator[T]:
    """Iterate over what is fetched at once under asyncio; elsewhere by an iterator."""
    fetched = False

    async def batch() -> list[T]:
        nonlocal fetched
        if fetched:
            return []
        fetched = True
        return await fetch()

    return Chosen(Batched(batch), threaded)
