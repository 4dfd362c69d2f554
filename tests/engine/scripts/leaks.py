"""Works a cache for a while and sees that the process does not grow; ends with 1 where it does."""

from __future__ import annotations

import contextlib
import gc
import sys
import tracemalloc
from typing import Any

from pystorage import engine
from pystorage.engine._engine import Cache


def turn(cache: Any, number: int) -> None:
    """Use a cache in every way; what is written is new each time."""
    for at in range(40):
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
    return Cache(30)


def main() -> int:
    """Compare what is held after some turns with what is held after many more."""
    assert engine.IMPLEMENTATION == "c"
    leaked = 0
    tracemalloc.start()
    for kind in ("plain", "told", "weighed"):
        cache, held = made(kind), []
        for number in range(1, 901):
            turn(cache, number)
            cyclic = made(kind)
            cyclic["me"] = cyclic
            cyclic[(cyclic,)] = 1
            if number % 300 == 0:
                cache.clear()
                del cyclic
                gc.collect()
                held.append((tracemalloc.get_traced_memory()[0], len(gc.get_objects())))
        grown = held[2][0] - held[1][0], held[2][1] - held[1][1]
        print(kind, held)
        leaked |= grown[0] > 8_000 or grown[1] > 20
    return int(leaked)


if __name__ == "__main__":
    sys.exit(main())
