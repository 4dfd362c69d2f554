"""Async iterators that may be dropped at any moment.

They are no async generators: who breaks off has to close one of those, and trio warns of each that is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batched(AsyncIterator[T]):
    """What is fetched in batches, one by one.

    Args:
        fetch: Gives the next batch, and an empty one at the end.

    Raises:
        Nothing.
    """

    __slots__ = ("_batch", "_fetch")

    def __init__(self, fetch: Callable[[], Awaitable[Iterable[T]]]) -> None:
        self._fetch = fetch
        self._batch: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        for one in self._batch:
            return one
        self._batch = iter(await self._fetch())
        for one in self._batch:
            return one
        raise StopAsyncIteration


class Direct(AsyncIterator[T]):
    """What a function iterates over without ever waiting.

    Args:
        begin: Gives the iterator, when the first one is asked for.

    Raises:
        Nothing.
    """

    __slots__ = ("_begin", "_iterator")

    def __init__(self, begin: Callable[[], Iterator[T]]) -> None:
        self._begin = begin
        self._iterator: Iterator[T] | None = None

    async def __anext__(self) -> T:
        if self._iterator is None:
            self._iterator = self._begin()
        for one in self._iterator:
            return one
        raise StopAsyncIteration


class Mapped(AsyncIterator[R]):
    """What is made of each one of others.

    Args:
        others: The others.
        make: Gives what is made of one; it raises KeyError to leave it out.

    Raises:
        Nothing.
    """

    __slots__ = ("_make", "_others")

    def __init__(self, others: AsyncIterator[T], make: Callable[[T], Awaitable[R]]) -> None:
        self._others = others
        self._make = make

    async def __anext__(self) -> R:
        while True:
            one = await anext(self._others)
            try:
                return await self._make(one)
            except KeyError:
                continue
