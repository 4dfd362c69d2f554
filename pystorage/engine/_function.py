"""CachedFunction: a function whose results are kept in a cache, by the arguments of the call."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Final

from pystorage.engine._cache import Cache
from pystorage.engine._core import Dropped
from pystorage.engine._entry import _TAME, NOTHING, WildKey

#: Begins the key of a call with keywords or types, as no argument can.
_MARK: Final = object()


class CachedFunction:
    """A function whose results are kept by the arguments of the call, as ``functools.lru_cache`` does.

    Arguments are known by what they equal, in the order in which they were passed; one that is passed by
    name is another call. Calls that miss at the same time each call the function; with a limit the first
    result stays, without one the last.

    Args:
        function: The function.
        cache: Where the results are kept: nobody else uses it, and it has no weigher and no ``on_evict``.
        typed: Whether arguments of different types are different calls.
        info: Makes what ``cache_info`` gives, of hits, misses, maxsize and currsize.

    Raises:
        TypeError: The function or ``info`` cannot be called, or the cache is none.
        ValueError: The cache has a weigher or ``on_evict``.

    Threads: any number.
    Processes: each has its own.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_cache",
        "_function",
        "_hits",
        "_info",
        "_keeps",
        "_misses",
        "_typed",
    )

    def __init__(
        self, function: Callable[..., Any], cache: Cache[Any, Any], typed: bool, info: Callable[..., Any]
    ) -> None:
        for name, given in (("function", function), ("info", info)):
            if not callable(given):
                raise TypeError(f"{name} must be a function, not {type(given).__name__}")
        if not isinstance(cache, Cache):
            raise TypeError(f"a cache of calls is a Cache, not {type(cache).__name__}")
        if cache._weigher is not None or cache._on_evict is not None:
            raise ValueError("a cache of calls has no weigher and no on_evict")
        self._function = function
        self._cache: Final = cache
        self._typed: Final = bool(typed)
        self._info: Final = info
        self._keeps: Final = cache.maxsize != 0
        self._hits = self._misses = 0

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if not self._keeps:
            self._misses += 1
            return self._function(*args, **kwargs)
        slot = _slot_of(args, kwargs, self._typed)
        value = self._cache.get(slot, NOTHING)
        if value is not NOTHING:
            self._hits += 1
            return value
        self._misses += 1
        value = self._function(*args, **kwargs)
        self._keep(slot, value)
        return value

    def _keep(self, slot: Any, value: Any) -> None:
        cache = self._cache
        now, deadline = cache._times(cache._life)
        key = slot.key if type(slot) is WildKey else slot
        dropped: Dropped = []
        try:
            cache._commit(slot, key, value, 1, deadline, cache.maxsize is not None, now, dropped)
        finally:
            cache._tell(dropped)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    # Those of functools have no annotations, and its tests look at the signatures.

    def cache_info(self):  # type: ignore[no-untyped-def]
        """Give hits, misses, maxsize and currsize.

        Returns:
            What ``info`` makes of them.

        Raises:
            Exception: What ``info`` raises.
        """
        size = len(self._cache)
        return self._info(self._hits, self._misses, self._cache.maxsize, size)

    def cache_clear(self):  # type: ignore[no-untyped-def]
        """Forget all results, and the figures.

        Raises:
            Nothing.

        Cost: O(n).
        """
        self._hits = self._misses = 0
        self._cache.clear()

    def __reduce__(self) -> str:
        name: str = self.__qualname__  # type: ignore[attr-defined]
        return name

    def __copy__(self) -> CachedFunction:
        return self

    def __deepcopy__(self, _: object) -> CachedFunction:
        return self


def _slot_of(args: tuple[Any, ...], kwargs: dict[str, Any], typed: bool) -> Any:
    """Give what a call is filed under: its arguments, hashed once, as they are where that is safe."""
    kinds = tuple(map(type, args))
    if not kwargs and not typed:
        if kinds in ((str,), (int,)):
            return args[0]
        return args if _TAME.issuperset(kinds) else WildKey(args)
    values = tuple(kwargs.values())
    kinds += tuple(map(type, values))
    key = (_MARK, args, tuple(kwargs), values, kinds if typed else None)
    return key if _TAME.issuperset((*kinds, *map(type, kwargs))) else WildKey(key)
