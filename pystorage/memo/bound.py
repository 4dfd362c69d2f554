"""BoundMemoized: a memoized method of one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pystorage.memo.calls import PassedOn
from pystorage.memo.options import each_call

if TYPE_CHECKING:
    from pystorage.memo.figures import CacheInfo

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


class Bound(PassedOn[P, R]):
    """A memoized method, async or not, bound to an object: its methods take the arguments without the object.

    Args:
        memoized: The memoized function.
        instance: The object, its first argument.

    Raises:
        Nothing.

    Threads: as the storage.
    """

    __slots__ = ("__func__", "__self__")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = DocOf(cls.__doc__)

    def __init__(self, memoized: Any, instance: object) -> None:
        self.__func__ = memoized
        self.__self__ = instance

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Every method gives what its function has.
            if name in ("__func__", "__self__"):  # it is not made yet
                raise AttributeError(name)
            return getattr(self.__func__, name)

    def _target(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        return self.__func__, (self.__self__, *args)

    @property
    def _whole(self) -> Any:
        """What keeps the results of this object, and may keep those of others."""
        return self.__func__

    @property
    def __wrapped__(self) -> Callable[P, Any]:
        return MethodType(self.__func__.__wrapped__, self.__self__)

    @property
    def __name__(self) -> str:
        return self.__func__.__name__  # type: ignore[no-any-return]

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
        return self.__func__.key_prefix  # type: ignore[no-any-return]

    @property
    def undecodable(self) -> int:
        """How many results could not be decoded, of the objects that share the storage.

        Returns:
            Their number in this process.

        Raises:
            Nothing.
        """
        return self._whole.undecodable  # type: ignore[no-any-return]

    @property
    def unavailable(self) -> int:
        """How often the storage could not be reached and the method went on without it.

        Returns:
            The number in this process.

        Raises:
            Nothing.
        """
        return self._whole.unavailable  # type: ignore[no-any-return]

    @property
    def refreshes(self) -> int:
        """How many results were computed anew in the background, by this process.

        Returns:
            Their number; they are no misses.

        Raises:
            Nothing.
        """
        return self._whole.refreshes  # type: ignore[no-any-return]

    @property
    def failed_refreshes(self) -> int:
        """How often computing anew in the background failed, so that the old result stayed.

        Returns:
            The number, in this process.

        Raises:
            Nothing.
        """
        return self._whole.failed_refreshes  # type: ignore[no-any-return]

    def cache_info(self) -> CacheInfo:
        """Give the figures of the method: of all objects, or of this one where each has its own.

        Returns:
            Hits, misses, maxsize and currsize; what is unknown is None.

        Raises:
            Nothing.
        """
        return self._whole.cache_info()  # type: ignore[no-any-return]

    def cache_parameters(self) -> dict[str, object]:
        """Tell how the method was memoized.

        Returns:
            The keywords of ``memoize`` with their values, and ``maxsize``.

        Raises:
            Nothing.
        """
        return self._whole.cache_parameters()  # type: ignore[no-any-return]

    def cache_clear(self) -> Any:
        """Forget the results and figures: of all objects, or of this one where each has its own.

        Returns:
            None.

        Raises:
            StorageError: The storage refused.

        Cost: as for a function.
        """
        return self._whole.cache_clear()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bound):
            return NotImplemented
        return self.__self__ is other.__self__ and self.__func__ is other.__func__

    def __hash__(self) -> int:
        return hash((id(self.__self__), id(self.__func__)))

    def __repr__(self) -> str:
        return f"<{self.__func__!r} of {type(self.__self__).__qualname__}>"


class OfItsOwn(Bound[P, R]):
    """What makes a bound method that of an object which has results of its own.

    Args:
        memoized: The memoized method.
        instance: The object, its first argument.

    Raises:
        Nothing.
    """

    __slots__ = ()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self._whole(*args, **kwargs)

    @property
    def _whole(self) -> Any:
        return self.__func__.of(self.__self__)


class BoundMemoized(Bound[P, R]):
    """A memoized method, bound to an object: its methods take the arguments without the object.

    Args:
        memoized: The memoized function.
        instance: The object, its first argument.

    Raises:
        Nothing.

    Threads: as the storage.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D: ...
        def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None: ...
        def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool: ...
        def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        def cache_clear(self) -> None: ...
        @property
        def __wrapped__(self) -> Callable[P, R]: ...
        @property
        def storage(self) -> MutableMapping[Any, Any]: ...

    def prefetch(self, calls: Iterable[tuple[Any, ...]]) -> int:
        prefetched: int = self.__func__.prefetch((self.__self__, *args) for args in each_call(calls))
        return prefetched


class ObjectMemoized(OfItsOwn[P, R], BoundMemoized[P, R]):
    """A memoized method, bound to an object that has results of its own.

    Args:
        memoized: The memoized method.
        instance: The object, its first argument.

    Raises:
        Nothing.

    Threads: any number.
    """

    __slots__ = ()
