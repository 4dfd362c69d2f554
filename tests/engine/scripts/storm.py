"""Threads that do everything at once to one cache, for so many seconds; ends badly if it does not stay whole.

    python tests/engine/scripts/storm.py [seconds]

It is meant for a Python without the interpreter's lock, where threads really run at once, and must hold on
others too. Each kind of cache has its share of the time; keys collide, and compare slowly.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pystorage
from pystorage import LRUStorage, MemoryStorage, engine, lru_cache, memoize
from pystorage.engine import Cache
from pystorage.lab import POLICIES

THREADS = 8


class Slow:
    """A key whose ``__eq__`` lets other threads in; some of them have the same hash."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number % 5

    def __eq__(self, other: object) -> bool:
        time.sleep(0)
        return isinstance(other, Slow) and self.number == other.number


class Value:
    """A value that uses the cache as it dies."""

    cache: Any = None

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        if self.number % 50 == 0 and self.cache is not None:
            self.cache.get(self.number)


def key_of(rolls: random.Random) -> Any:
    number = rolls.randrange(60)
    kind = rolls.randrange(8)
    return Slow(number % 9) if kind == 0 else (number,) if kind == 1 else str(number) if kind < 5 else number


Act = Callable[[Any, Any, random.Random], object]


def writes(cache: Any, key: Any, rolls: random.Random) -> object:
    cache[key] = Value(rolls.randrange(1_000))
    return cache._write(key, Value(rolls.randrange(1_000)), rolls.choice([None, 1e-5, 1e-3, 60]))


def reads(cache: Any, key: Any, rolls: random.Random) -> object:
    return [cache.get(key) for _ in range(20)], cache.peek(key), key in cache


def deletes(cache: Any, key: Any, rolls: random.Random) -> object:
    cache.pop(key, None)
    with contextlib.suppress(KeyError):  # it is empty
        cache.popitem()
    return None


def changes(cache: Any, key: Any, rolls: random.Random) -> object:
    with contextlib.suppress(TypeError):  # where the value is no number
        cache._incr(key, 1, None)
    cache._swap(key, cache.peek(key), Value(7), 1.0, keep=rolls.random() < 0.5)
    return cache._redate(key, rolls.choice([1e-4, 60.0, float("inf")]), use=True)


def many(cache: Any, key: Any, rolls: random.Random) -> object:
    keys = [key_of(rolls) for _ in range(6)]
    cache._write_many([(one, Value(1)) for one in keys], rolls.choice([None, 1e-4]))
    cache._read_many(keys)
    return cache._delete_many(keys[:3])


def looks(cache: Any, key: Any, rolls: random.Random) -> object:
    for _ in zip(cache, reversed(cache), strict=False):
        len(cache)
    return (
        cache._contents(),
        cache._settings(),
        cache._figures(),
        cache.currsize,
        cache.maxsize,
        cache._sweep(),
    )


def resizes(cache: Any, key: Any, rolls: random.Random) -> object:
    return cache.resize(rolls.choice([3, 20, 40, 1_000]))


def clears(cache: Any, key: Any, rolls: random.Random) -> object:
    return cache.clear()


def begins_anew(cache: Any, key: Any, rolls: random.Random) -> object:
    return cache.__init__(rolls.choice([None, 30]), ttl=rolls.choice([None, 60]))


def calls(function: Any, key: Any, rolls: random.Random) -> object:
    return [function(key), function(key, other=rolls.randrange(3)), function(key, key), function.cache_info()]


def plain_calls(function: Any, key: Any, rolls: random.Random) -> object:
    number = rolls.randrange(60)
    return [
        function(number),
        function((number, "x"), other=str(number)),
        function(number),
        function.cache_info(),
    ]


def forgets(function: Any, key: Any, rolls: random.Random) -> object:
    return function.cache_clear()


def answer(one: object, other: object = None) -> Value:
    return Value(3)


#: How often each is done, out of the sum.
ACTS: dict[Act, int] = {
    writes: 40,
    reads: 30,
    deletes: 15,
    changes: 10,
    many: 8,
    looks: 8,
    resizes: 2,
    clears: 1,
}


def storm(cache: Any, seconds: float, acts: dict[Act, int]) -> Counter[str]:
    """Let threads loose on a cache; give how often each thing was done."""
    end = time.monotonic() + seconds
    errors: list[BaseException] = []
    done: list[Counter[str]] = []
    ready = threading.Barrier(THREADS)

    def run(seed: int) -> None:
        rolls, counted = random.Random(seed), Counter[str]()
        ready.wait()
        try:
            while time.monotonic() < end and not errors:
                for act in rolls.choices(list(acts), list(acts.values()), k=20):
                    act(cache, key_of(rolls), rolls)
                    counted[act.__name__] += 1
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            done.append(counted)

    threads = [threading.Thread(target=run, args=(seed,), daemon=True) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 30)
    if any(thread.is_alive() for thread in threads):
        raise TimeoutError(f"some threads did not end {30} s after their time: they wait for each other")
    if errors:
        raise errors[0]
    return sum(done, Counter())


def kinds() -> dict[str, tuple[Any, dict[Act, int]]]:
    """Give a cache of each kind, and what is done to it."""
    made: dict[str, tuple[Any, dict[Act, int]]] = {
        "plain": (LRUStorage(40), {writes: 30, reads: 30, deletes: 5}),
        "read and written": (LRUStorage(40), {writes: 5, reads: 40}),
        "all": (LRUStorage(40), ACTS),
        "without a limit": (MemoryStorage(), ACTS),
        "with a ttl": (LRUStorage(40, ttl=1e-3), ACTS),
        "weighed": (LRUStorage(100, weigher=lambda key, value: 3), ACTS),
        "told": (LRUStorage(40, on_evict=lambda key, value, cause: None), ACTS),
        "with a timer": (LRUStorage(40, ttl=1e-3, timer=time.perf_counter), ACTS),
        "made anew": (LRUStorage(40), ACTS | {begins_anew: 2}),
    }
    forgetful = {forgets: 1}
    made["lru_cache"] = lru_cache(40)(answer), {calls: 30} | forgetful
    made["lru_cache, typed, with a ttl"] = (
        lru_cache(40, typed=True, ttl=1e-3)(answer),
        {calls: 30} | forgetful,
    )
    made["memoize"] = memoize(LRUStorage(40))(answer), {plain_calls: 30} | forgetful
    choice: Any = getattr(pystorage, "CacheStorage", None)
    for policy in POLICIES if choice is not None else ():
        with contextlib.suppress(ValueError):  # there is no such policy yet
            made[policy] = choice(40, policy=policy), ACTS
            made[f"{policy}, read and written"] = choice(40, policy=policy), {writes: 5, reads: 40}
    return made


def main(seconds: float) -> int:
    """Storm each kind of cache for its share of the time."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    all_kinds = kinds()
    print(f"{engine.IMPLEMENTATION}, {THREADS} threads, lock of the interpreter: {'on' if gil else 'off'}")
    for name, (cache, acts) in all_kinds.items():
        Value.cache = cache
        counted = storm(cache, seconds / len(all_kinds), acts)
        Value.cache = None
        if isinstance(cache, Cache):
            cache._check()
            keys = list(cache)
            assert len(keys) == len(set(keys))
        print(f"{name:30} {sum(counted.values()):9,} acts: whole")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))
