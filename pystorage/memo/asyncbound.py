"""AsyncBoundMemoized: a memoized async method of one object."""

from __future__ import annotations

import asyncio.coroutines
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from pystorage.memo.bound import DocOf, forwarded
from pystorage.memo.options import each_call

if TYPE_CHECKING:
    from pystorage.memo.asynchronous import AsyncMemoized
    from pystorage.memo.figures import CacheInfo

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class AsyncBoundMemoized(Generic[P, R]):
    """A memoized async method, bound to an object: its methods take the arguments without the object.

    Args:
        memoized: The memoized function.
        instance: The object, its first argument.

    Raises:
        Nothing.
    """

    __slots__ = ("__func__", "__self__")
    __doc__ = DocOf(__doc__)

    def __init__(self, memoized: AsyncMemoized[Concatenate[Any, P], R], instance: object) -> None:
        self.__func__ = memoized
        self.__self__ = instance

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self.__func__(self.__self__, *args, **kwargs)

    def key_for(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Give the key under which the result of a call is kept.

        Args:
            args: As for the method.
            kwargs: As for the method.

        Returns:
            The key in ``storage``.

        Raises:
            TypeError: The method cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
        """
        return self.__func__.key_for(self.__self__, *args, **kwargs)

    async def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
        """Give the result of a call if it is kept, without computing and without counting.

        Args:
            default: Given where it is not kept, or can't be decoded.
            args: As for the method.
            kwargs: As for the method.

        Returns:
            The result or the default.

        Raises:
            TypeError: The method cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot be read.
        """
        return await self.__func__.peek(default, self.__self__, *args, **kwargs)

    async def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep a result for a call without computing it.

        Args:
            value: The result.
            args: As for the method.
            kwargs: As for the method.

        Raises:
            TypeError: The method cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the value, or refused.
        """
        await self.__func__.set(value, self.__self__, *args, **kwargs)

    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of one call.

        Args:
            args: As for the method.
            kwargs: As for the method.

        Returns:
            Whether it was kept.

        Raises:
            TypeError: The method cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage refused.
        """
        return await self.__func__.invalidate(self.__self__, *args, **kwargs)

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute a call, whether its result is kept or not, and keep it anew.

        Args:
            args: As for the method.
            kwargs: As for the method.

        Returns:
            The result, as the next call will give it.

        Raises:
            TypeError: The method cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the result, or refused.
            Exception: Whatever the method raises; what was kept before stays.
        """
        return await self.__func__.refresh(self.__self__, *args, **kwargs)

    if not TYPE_CHECKING:
        __getattr__ = forwarded

    @property
    def _whole(self) -> AsyncMemoized[..., R]:
        return self.__func__

    @property
    def __wrapped__(self) -> Callable[P, Awaitable[R]]:
        return MethodType(self.__func__.__wrapped__, self.__self__)

    @property
    def __name__(self) -> str:
        return self.__func__.__name__

    @property
    def storage(self) -> Any:
        """Where the results are kept: those of all objects, or of this one where each has its own.

        Returns:
            The storage.

        Raises:
            Nothing.
        """
        return self._whole.storage

    @property
    def key_prefix(self) -> str:
        """What the keys of this method begin with, whatever the object.

        Returns:
            Module, qualified name and version.

        Raises:
            Nothing.
        """
        return self.__func__.key_prefix

    @property
    def undecodable(self) -> int:
        """How many results could not be decoded, of the objects that share the storage.

        Returns:
            Their number in this process.

        Raises:
            Nothing.
        """
        return self._whole.undecodable

    @property
    def unavailable(self) -> int:
        """How often the storage could not be reached and the method went on without it.

        Returns:
            The number in this process.

        Raises:
            Nothing.
        """
        return self._whole.unavailable

    @property
    def refreshes(self) -> int:
        """How many results were computed anew in the background, by this process.

        Returns:
            Their number; they are no misses.

        Raises:
            Nothing.
        """
        return self._whole.refreshes

    @property
    def failed_refreshes(self) -> int:
        """How often computing anew in the background failed, so that the old result stayed.

        Returns:
            The number, in this process.

        Raises:
            Nothing.
        """
        return self._whole.failed_refreshes

    def cache_parameters(self) -> dict[str, object]:
        """Tell how the method was memoized.

        Returns:
            The keywords of ``memoize`` with their values, and ``maxsize``.

        Raises:
            Nothing.
        """
        return self._whole.cache_parameters()

    async def prefetch(self, calls: Iterable[tuple[Any, ...]], *, tasks: int = 10) -> int:
        """Compute the results of several calls that are not kept yet, some at a time.

        Args:
            calls: The arguments of each call by position, without the object, in a tuple.
            tasks: How many are computed at the same time, at most, ≥ 1.

        Returns:
            How many were not kept.

        Raises:
            TypeError: The method cannot be called so, an argument has no fingerprint, or ``tasks`` is no int.
            ValueError: An argument holds itself, or is nested too deeply; ``tasks`` is less than 1.
            StorageError: The storage cannot be read, cannot hold a result, or refused.
            Exception: What the method raises first; the calls before are kept.
        """
        return await self.__func__.prefetch(
            ((self.__self__, *args) for args in each_call(calls)), tasks=tasks
        )

    async def cache_clear(self) -> None:
        """Forget the results and figures: of all objects, or of this one where each has its own.

        Raises:
            StorageError: The storage refused.

        Cost: as for a function.
        """
        await self._whole.cache_clear()

    def cache_info(self) -> CacheInfo:
        """Give the figures of the method: of all objects, or of this one where each has its own.

        Returns:
            Hits, misses, maxsize and currsize; what is unknown is None.

        Raises:
            Nothing.
        """
        return self._whole.cache_info()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AsyncBoundMemoized):
            return NotImplemented
        return self.__self__ is other.__self__ and self.__func__ is other.__func__

    def __hash__(self) -> int:
        return hash((id(self.__self__), id(self.__func__)))

    def __repr__(self) -> str:
        return f"<{self.__func__!r} of {type(self.__self__).__qualname__}>"


class AsyncObjectMemoized(AsyncBoundMemoized[P, R]):
    """A memoized async method, bound to an object that has results of its own.

    Args:
        memoized: The memoized method.
        instance: The object, its first argument.

    Raises:
        Nothing.
    """

    __slots__ = ()
    __doc__ = DocOf(__doc__)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self._whole(*args, **kwargs)

    @property
    def _whole(self) -> AsyncMemoized[..., R]:
        method: Any = self.__func__
        return method.of(self.__self__)  # type: ignore[no-any-return]


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
