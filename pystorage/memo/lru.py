"""lru_cache: what ``functools.lru_cache`` is, with a time to live."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, cast, overload

from pystorage._sync import fork_safe_lock
from pystorage.engine import Cache, CachedFunction
from pystorage.memo.figures import CacheInfo
from pystorage.storage import checked_ttl

if TYPE_CHECKING:
    from typing import Self

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

#: How many results are kept where nothing is said: as many as ``functools.lru_cache`` keeps.
SIZE: Final = 128


class LRUCached(Protocol[P, R_co]):
    """What ``lru_cache`` makes of a function, for type checkers.

    Raises:
        Nothing.
    """

    @property
    def __wrapped__(self) -> Callable[P, R_co]: ...

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def cache_info(self) -> CacheInfo:
        """Give the figures since the last ``cache_clear``.

        Returns:
            Hits, misses, maxsize and currsize.

        Raises:
            Nothing.

        Cost: O(1), and what has expired is removed.
        """

    def cache_clear(self) -> None:
        """Forget all results, and the figures.

        Raises:
            Nothing.

        Cost: O(results).
        """

    def cache_parameters(self) -> dict[str, Any]:
        """Tell how the function was cached.

        Returns:
            ``maxsize`` and ``typed``, and ``ttl`` where one was given, in a new dict.

        Raises:
            Nothing.
        """

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: LRUCached[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> LRUCached[Q, R]: ...


class LRUDecorator(Protocol):
    """What ``lru_cache`` gives when it is called with options: a decorator.

    Raises:
        Nothing.
    """

    def __call__(self, function: Callable[P, R], /) -> LRUCached[P, R]: ...


class _Calls(Cache[Any, Any]):
    """A cache of calls."""

    __slots__ = ()

    def _new_lock(self) -> AbstractContextManager[Any]:
        return cast("AbstractContextManager[Any]", fork_safe_lock())


@overload
def lru_cache(
    maxsize: Callable[P, R], typed: bool = False, *, ttl: float | None = None
) -> LRUCached[P, R]: ...
@overload
def lru_cache(
    maxsize: int | None = SIZE, typed: bool = False, *, ttl: float | None = None
) -> LRUDecorator: ...
def lru_cache(maxsize: Any = SIZE, typed: bool = False, *, ttl: float | None = None) -> Any:
    """Keep the results of the most recent calls of a function: a drop-in for ``functools.lru_cache``.

    Arguments must be hashable and are known by what they equal; ``f(1)`` and ``f(a=1)`` are two calls, and
    so are ``f(a=1, b=2)`` and ``f(b=2, a=1)``. The function has ``cache_info()``, ``cache_clear()``,
    ``cache_parameters()`` and ``__wrapped__``. Exceptions are not kept. On a method all objects of the class
    share the results, and one is kept alive by those of its own calls.

    ``memoize`` knows a call by its parameters, computes it once at a time and keeps results anywhere; this is
    the smaller and faster of the two.

    Args:
        maxsize: How many results are kept; None is no limit, 0 or less keeps none. Or the function itself,
            where ``@lru_cache`` stands without parentheses.
        typed: Whether equal arguments of different types are different calls, as ``f(1)`` and ``f(1.0)``.
        ttl: Seconds that a result lives, > 0; None is for ever.

    Returns:
        The function, cached; or a decorator, where no function was given.

    Raises:
        TypeError: ``maxsize`` is no int, no function and not None, what is decorated cannot be called, or
            ``ttl`` is no number.
        ValueError: ``ttl`` is not more than 0.

    Cost: a hit costs about as much as calling a function that does nothing.
    Threads: safe. Calls that miss at the same time compute each for itself, as in ``functools``.
    Processes: each has its own.

    Example:
        >>> @lru_cache(maxsize=1000)
        ... def fib(number):
        ...     return number if number < 2 else fib(number - 1) + fib(number - 2)
        >>> fib(30), fib.cache_info()
        (832040, CacheInfo(hits=28, misses=31, maxsize=1000, currsize=31))

    Source: the documentation of ``functools.lru_cache`` in Python 3.11 to 3.13.
    """
    seconds = checked_ttl(ttl)
    if isinstance(maxsize, int):
        return functools.partial(_cached, maxsize=max(int(maxsize), 0), typed=typed, ttl=seconds)
    if callable(maxsize) and isinstance(typed, bool):
        return _cached(maxsize, maxsize=SIZE, typed=typed, ttl=seconds)
    if maxsize is not None:
        raise TypeError(f"lru_cache() takes an int, a function or None first, not {type(maxsize).__name__}")
    return functools.partial(_cached, maxsize=None, typed=typed, ttl=seconds)


def _cached(
    function: Callable[P, R], /, *, maxsize: int | None, typed: bool, ttl: float | None
) -> LRUCached[P, R]:
    # Without a limit nobody asks who was used last.
    calls = _Calls(maxsize, policy="fifo" if maxsize is None else "lru", ttl=ttl)
    cached: Any = CachedFunction(function, calls, typed, CacheInfo)
    parameters = {"maxsize": maxsize, "typed": typed} | ({} if ttl is None else {"ttl": ttl})
    cached.cache_parameters = parameters.copy
    functools.update_wrapper(cached, function)
    return cast("LRUCached[P, R]", cached)
