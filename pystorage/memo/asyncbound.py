"""AsyncBoundMemoized: a memoized async method of one object."""

from __future__ import annotations

import asyncio.coroutines
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pystorage.memo.bound import Bound, OfItsOwn
from pystorage.memo.calls import AsyncCalls
from pystorage.memo.options import each_call

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class AsyncBoundMemoized(Bound[P, R], AsyncCalls[P, R]):
    """A memoized async method, bound to an object: its methods take the arguments without the object.

    Args:
        memoized: The memoized function.
        instance: The object, its first argument.

    Raises:
        Nothing.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
        @property
        def __wrapped__(self) -> Callable[P, Awaitable[R]]: ...

    async def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
        return await super().peek(default, *args, **kwargs)  # type: ignore[no-any-return]

    async def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        await super().set(value, *args, **kwargs)

    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        return await super().invalidate(*args, **kwargs)  # type: ignore[no-any-return]

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await super().refresh(*args, **kwargs)  # type: ignore[no-any-return]

    async def prefetch(self, calls: Iterable[tuple[Any, ...]], *, tasks: int = 10) -> int:
        prefetched: int = await self.__func__.prefetch(
            ((self.__self__, *args) for args in each_call(calls)), tasks=tasks
        )
        return prefetched

    async def cache_clear(self) -> None:
        await super().cache_clear()


class AsyncObjectMemoized(OfItsOwn[P, R], AsyncBoundMemoized[P, R]):
    """A memoized async method, bound to an object that has results of its own.

    Args:
        memoized: The memoized method.
        instance: The object, its first argument.

    Raises:
        Nothing.
    """

    __slots__ = ()


def mark_async(function: object) -> None:
    """Let ``iscoroutinefunction`` be true, that of inspect and that of asyncio.

    Args:
        function: What is to be known as async.

    Raises:
        Nothing.
    """
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
        # Before Python 3.12 inspect knows an async function by its code, whatever else it is.
        wrapped = getattr(function, "__wrapped__", None)
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            if hasattr(wrapped, name):
                setattr(function, name, getattr(wrapped, name))


def _marked() -> None: ...


# The mark of a class is that of its objects, which have no place for one.
mark_async(_marked)
for _name, _mark in vars(_marked).items():
    setattr(AsyncBoundMemoized, _name, _mark)
