"""BoundMemoized: a memoized method of one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from pystorage.memo.options import each_call

if TYPE_CHECKING:
    from pystorage.memo.figures import CacheInfo
    from pystorage.memo.memoized import Memoized

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class DocOf(str):
    """The docstring of a class, and that of their function for its objects.

    Raises:
        Nothing.
    """

    __slots__ = ()

    def __get__(self, instance: Any, owner: type | None = None) -> str | None:
        return self if instance is None else instance.__func__.__doc__


def forwarded(bound: Any, name: str) -> Any:
    """Give what a bound method does not have itself: that of its function, as every method does.

    Args:
        bound: The method.
        name: The attribute.

    Returns:
        What the function has.

    Raises:
        AttributeError: It has none.
    """
    if name in ("__func__", "__self__"):  # it is not made yet
        raise AttributeError(name)
    return getattr(bound.__func__, name)


class BoundMemoized(Generic[P, R]):
    """A memoized method, bound to an object: its methods take the arguments without the object.

    Args:
        memoized: The memoized function.
        instance: The object, its first argument.

    Raises:
        Nothing.

    Threads: as the storage.
    """

    __slots__ = ("__func__", "__self__")
    __doc__ = DocOf(__doc__)

    def __init__(self, memoized: Memoized[Concatenate[Any, P], R], instance: object) -> None:
        self.__func__ = memoized
        self.__self__ = instance

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
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

    def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
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
        return self.__func__.peek(default, self.__self__, *args, **kwargs)

    def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
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
        self.__func__.set(value, self.__self__, *args, **kwargs)

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
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
        return self.__func__.invalidate(self.__self__, *args, **kwargs)

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
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
        return self.__func__.refresh(self.__self__, *args, **kwargs)

    def prefetch(self, calls: Iterable[tuple[Any, ...]]) -> int:
        """Compute the results of several calls that are not kept yet.

        Args:
            calls: The arguments of each call by position, without the object, in a tuple.

        Returns:
            How many were not kept.

        Raises:
            TypeError: The method cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot be read, cannot hold a result, or refused.
            Exception: What the method raises; the calls before are kept.
        """
        return self.__func__.prefetch((self.__self__, *args) for args in each_call(calls))

    if not TYPE_CHECKING:
        __getattr__ = forwarded

    @property
    def _whole(self) -> Memoized[..., R]:
        return self.__func__

    @property
    def __wrapped__(self) -> Callable[P, R]:
        return MethodType(self.__func__.__wrapped__, self.__self__)

    @property
    def __name__(self) -> str:
        return self.__func__.__name__

    @property
    def storage(self) -> MutableMapping[Any, Any]:
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

    def cache_info(self) -> CacheInfo:
        """Give the figures of the method: of all objects, or of this one where each has its own.

        Returns:
            Hits, misses, maxsize and currsize; what is unknown is None.

        Raises:
            Nothing.
        """
        return self._whole.cache_info()

    def cache_parameters(self) -> dict[str, object]:
        """Tell how the method was memoized.

        Returns:
            The keywords of ``memoize`` with their values, and ``maxsize``.

        Raises:
            Nothing.
        """
        return self._whole.cache_parameters()

    def cache_clear(self) -> None:
        """Forget the results and figures: of all objects, or of this one where each has its own.

        Raises:
            StorageError: The storage refused.

        Cost: as for a function.
        """
        self._whole.cache_clear()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundMemoized):
            return NotImplemented
        return self.__self__ is other.__self__ and self.__func__ is other.__func__

    def __hash__(self) -> int:
        return hash((id(self.__self__), id(self.__func__)))

    def __repr__(self) -> str:
        return f"<{self.__func__!r} of {type(self.__self__).__qualname__}>"


class ObjectMemoized(BoundMemoized[P, R]):
    """A memoized method, bound to an object that has results of its own.

    Args:
        memoized: The memoized method.
        instance: The object, its first argument.

    Raises:
        Nothing.

    Threads: any number.
    """

    __slots__ = ()
    __doc__ = DocOf(__doc__)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._whole(*args, **kwargs)

    @property
    def _whole(self) -> Memoized[..., R]:
        method: Any = self.__func__
        return method.of(self.__self__)  # type: ignore[no-any-return]
