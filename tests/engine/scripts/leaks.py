"""Works a cache for a while and sees that the process does not grow; ends with 1 where it does."""

from __future__ import annotations

import contextlib
import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from pystorage import LRUStorage, engine
from pystorage.engine._checks import POLICIES
from pystorage.engine._engine import Cache, CachedFunction
from pystorage.memo import Memoized
from pystorage.memo.callkey import CallKey
from pystorage.memo.options import Options

#: How often a turn does each thing: enough for a leak of any of them to be far above the noise.
TIMES = 10

#: What may be held beyond what it was: more where CPython has no lock, and gives memory back some time later.
NOISE = 8_000 if getattr(sys, "_is_gil_enabled", lambda: True)() else 40_000


def turn(cache: Any, number: int) -> None:
    """Use a cache in every way; what is written is new each time."""
    for at in range(TIMES):
        key = (number, at)
        cache[key] = [at]
        cache._write(str(key), [at], 60)
        cache._write(str(key), [at], 1e-9)
        cache[key] = object()
        cache.get(key), cache.get(str(number)), cache.peek(key), key in cache
        cache._read_many([key, (), str(at)])
        cache._write_many([(key, at), ((at,), key)], 60)
        cache._incr("n", 1, None)
        cache._swap("n", 1, 2**70, 5, keep=False)
        cache._redate(key, 9, use=True)
    list(cache), list(reversed(cache)), cache._contents(), cache._settings(), cache._figures()
    for wrong in (lambda: cache[[]], lambda: cache[number, "absent"], lambda: cache._incr((0,), 1, None)):
        with contextlib.suppress(KeyError, TypeError):
            wrong()
    cache.pop((number, 0), None)
    cache._delete_many([(number, 1), (number, 2)])
    if number % 7 == 0:
        cache.resize(number % 50 + 2)
    if number % 50 == 0:
        cache.clear()


def made(kind: str) -> Any:
    """Make one of the caches that are worked."""
    if kind == "told":
        return Cache(30, on_evict=lambda key, value, cause: None)
    if kind == "weighed":
        return Cache(30, weigher=lambda key, value: 2)
    return Cache(30, policy=kind)


def call(cached: Any, number: int) -> None:
    """Call a cached function in every way."""
    for at in range(6 if isinstance(cached, Memoized) else TIMES):
        key = (number, at)
        for _ in range(2):
            cached(number * at), cached(str(key)), cached(key), cached(key, at), cached(at, a=key), cached()
            cached(a=str(at), b=len), cached(0.5 * at, at), cached(**{f"n{at}": at})
    for wrong in (lambda: cached([]), lambda: cached(1, []), lambda: cached(fail=number)):
        with contextlib.suppress(TypeError, ZeroDivisionError):
            wrong()
    cached.cache_info()
    if number % 50 == 0:
        cached.cache_clear()


def made_function(kind: str) -> Any:
    """Make one of the functions that are called."""

    def function(*args: Any, fail: int = 0, **named: Any) -> Any:
        return 1 // 0 if fail else [args]

    if kind == "memoized":
        return Memoized(
            function, LRUStorage(30), CallKey(function), options=Options(), own=True, parameters={}
        )
    cache = Cache(None if kind == "unbounded" else 30, ttl=1e-7 if kind == "mortal" else None)
    return CachedFunction(function, cache, kind == "typed", "{}".format)


def grows(kind: str, make: Callable[[str], Any], work: Callable[[Any, int], None]) -> bool:
    """Compare what is held after some turns with what is held after many more."""
    one, held = make(kind), []
    for number in range(1, 901):
        work(one, number)
        cyclic = make(kind)
        if isinstance(cyclic, CachedFunction | Memoized):
            cyclic(1), cyclic(2, a=1)
            if isinstance(cyclic, CachedFunction):
                cyclic(cyclic), cyclic(cyclic, a=cyclic)
            cyclic.me = cyclic
        else:
            cyclic["me"] = cyclic
            cyclic[(cyclic,)] = 1
        if number % 300 == 0:
            one.clear() if isinstance(one, Cache) else one.cache_clear()
            del cyclic
            gc.collect()
            held.append((tracemalloc.get_traced_memory()[0], len(gc.get_objects())))
    grown = held[2][0] - held[1][0], held[2][1] - held[1][1]
    print(kind, held)
    return grown[0] > NOISE or grown[1] > 20


def main() -> int:
    """Work each kind of cache and of cached function."""
    assert engine.IMPLEMENTATION == "c"
    leaked = False
    tracemalloc.start()
    grows("told", made, turn)  # what Python itself comes to keep, once and for all, is nobody's leak
    for kind in ("told", "weighed", *POLICIES):
        leaked |= grows(kind, made, turn)
    for kind in ("few", "unbounded", "mortal", "typed", "memoized"):
        leaked |= grows(kind, made_function, call)
    return int(leaked)


if __name__ == "__main__":
    sys.exit(main())
