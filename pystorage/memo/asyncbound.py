"""AsyncBoundMemoized: a memoized async method of one object."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

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
            StorageError: The storage cannot hold the result, or refused.
            Exception: Whatever the method raises; what was kept before stays.
        """
        return await self.__func__.refresh(self.__self__, *args, **kwargs)

    def cache_info(self) -> CacheInfo:
        """Give the figures of the method, of all objects together.

        Returns:
            Hits, misses, maxsize and currsize; what is unknown is None.

        Raises:
            Nothing.
        """
        return self.__func__.cache_info()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AsyncBoundMemoized):
            return NotImplemented
        return self.__self__ is other.__self__ and self.__func__ is other.__func__

    def __hash__(self) -> int:
        return hash((id(self.__self__), id(self.__func__)))

    def __repr__(self) -> str:
        return f"<{self.__func__!r} of {type(self.__self__).__qualname__}>"
