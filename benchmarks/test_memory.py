"""The storages in memory beside a dict and beside other caches: one operation, without the loop around it.

All contenders of a row take turns, and what an empty loop takes is taken off. A read-through over many keys
is put down with the loop as well, as that waits for keys all over memory. Keys are asked for in another
order than the one they were put in, as the same one would show the processor's caches at their best only.
"""

from __future__ import annotations

import functools
import gc
import itertools
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from benchmarks.conftest import Compare
from benchmarks.peers import LRU, missing, present
from pystorage import CacheStorage, LRUStorage, engine

N = 10_000
ROUNDS = 60

pytestmark = pytest.mark.skipif(engine.IMPLEMENTATION != "c", reason="the bars are those of the engine in C")

KEYS: dict[str, Callable[[int], Any]] = {
    "str": lambda number: f"key:{number}",
    "int": lambda number: number * 7,
    "tuple": lambda number: (f"key:{number}", number),
}


def keys_of(kind: str, count: int, start: int = 0) -> list[Any]:
    return [KEYS[kind](number) for number in range(start, start + count)]


def shuffled(keys: Iterable[Any], seed: int = 1) -> list[Any]:
    keys = list(keys)
    random.Random(seed).shuffle(keys)
    return keys


def filled(cache: Any, keys: Iterable[Any]) -> Any:
    for key in keys:
        cache[key] = 1
    return cache


# -------------------------------------------------------------------- loops


def empty(cache: Any, keys: list[Any]) -> None:
    for _ in keys:
        cache  # noqa: B018


def read(cache: Any, keys: list[Any]) -> None:
    for key in keys:
        cache[key]


def write(cache: Any, keys: list[Any]) -> None:
    for key in keys:
        cache[key] = 1


def read_through(cache: Any, keys: list[Any]) -> int:
    """Read each key, or write it where it is absent; say how many were there."""
    hits = 0
    for key in keys:
        if cache.get(key) is None:
            cache[key] = 1
        else:
            hits += 1
    return hits


# -------------------------------------------------------------------- turns


def in_turns(
    loop: Callable[[Any, list[Any]], object],
    contenders: dict[str, Any],
    keys: list[Any],
    rounds: int,
    bare: Callable[[Any, list[Any]], object] | None = empty,
) -> dict[str, list[float]]:
    """Give the seconds of one operation in each round, by contender, without those of the bare loop."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    loops = []
    names = list(contenders)
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            if bare is not None:
                begin = time.process_time()
                bare(None, keys)
                loops.append(time.process_time() - begin)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                # Once before, as what the others left in the processor's caches is not its doing.
                loop(contenders[name], keys)
                begin = time.process_time()
                loop(contenders[name], keys)
                taken[name].append(time.process_time() - begin)
    finally:
        gc.enable()
    off = min(loops, default=0.0)
    return {name: [max(one - off, 1e-9) / len(keys) for one in times] for name, times in taken.items()}


def without_loop(times: dict[str, list[float]], keys: list[Any], rounds: int = 9) -> dict[str, list[float]]:
    """Take off what an empty loop over the keys takes, which fetches each of them, too."""
    off = min(in_turns(empty, {"loop": None}, keys, rounds, bare=None)["loop"])
    return {name: [max(one - off, 1e-9) for one in each] for name, each in times.items()}


def put_down(
    compare: Compare, what: str, times: dict[str, list[float]], bars: dict[str, float], ours: str = "ours"
) -> None:
    """Put down ours against each peer; the bar called "best peer" is that of the fastest cache here."""
    peers = [name for name in times if name not in (ours, "dict")]
    best = min(peers, key=lambda name: min(times[name]), default=None)
    for name in times:
        if name != ours:
            bar = bars.get(name, bars.get("best peer") if name == best else None)
            pairs = list(zip(times[name], times[ours], strict=True))
            compare.put_down(f"{what}, beside {name}", pairs, None, bar=bar)


def lru_contenders(limit: int, *left_out: str) -> dict[str, Any]:
    made = {name: make(limit) for name, make in present(LRU).items() if name not in left_out}
    return {"ours": LRUStorage(limit), **made}


# -------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "kind, bars",
    [
        ("str", {"dict": 1.25, "best peer": 0.75}),
        ("int", {"dict": 1.5, "best peer": 0.7}),
        ("tuple", {"best peer": 0.9}),
    ],
)
def test_hit(kind: str, bars: dict[str, float], compare: Compare, benchmark: Any) -> None:
    keys = keys_of(kind, N)
    contenders = {name: filled(cache, keys) for name, cache in lru_contenders(N).items()}
    asked = shuffled(keys)
    put_down(compare, f"hit, {kind}", in_turns(read, contenders, asked, ROUNDS), bars)
    benchmark.pedantic(read, (contenders["ours"], asked), rounds=3)


@pytest.mark.parametrize("kind", KEYS)
def test_set_existing(kind: str, compare: Compare, benchmark: Any) -> None:
    keys = keys_of(kind, N)
    contenders = {name: filled(cache, keys) for name, cache in lru_contenders(N).items()}
    asked = shuffled(keys)
    put_down(compare, f"set existing, {kind}", in_turns(write, contenders, asked, ROUNDS), {"best peer": 0.7})
    benchmark.pedantic(write, (contenders["ours"], asked), rounds=3)


@pytest.mark.parametrize("kind, bar", [("str", 0.7), ("int", 0.5), ("tuple", 0.85)])
def test_set_with_eviction(kind: str, bar: float, compare: Compare, benchmark: Any) -> None:
    contenders = {name: filled(cache, keys_of(kind, N)) for name, cache in lru_contenders(N, "dict").items()}
    new = keys_of(kind, 2 * N, N)  # each is gone again when its turn comes
    put_down(
        compare, f"set with eviction, {kind}", in_turns(write, contenders, new, ROUNDS), {"cachebox": bar}
    )
    benchmark.pedantic(write, (contenders["ours"], new), rounds=3)


def test_zipf_read_through(compare: Compare, benchmark: Any) -> None:
    names = keys_of("str", 100_000)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(names) + 1)))
    asked = random.Random(1).choices(shuffled(names), cum_weights=weights, k=1_000_000)
    # The slowest are left out for the sake of more rounds: where two others are near, a few do not tell.
    contenders = lru_contenders(N, "dict", "OrderedDict", "cachetools", "pylru")
    ratios = {name: read_through(cache, asked) / len(asked) for name, cache in contenders.items()}
    assert max(ratios.values()) - min(ratios.values()) < 0.001
    times = in_turns(read_through, contenders, asked, 9, bare=None)
    what = f"Zipf read-through ({ratios['ours']:.3f} hits)"
    put_down(compare, what, without_loop(times, asked), {"cachebox": 0.8})
    put_down(compare, f"{what} and the loop", times, {})
    benchmark.pedantic(read_through, (contenders["ours"], asked), rounds=1)


@pytest.mark.parametrize("policy, bar", [("fifo", None), ("sieve", 0.7), ("s3fifo", None), ("tinylfu", None)])
def test_zipf_read_through_by_policy(policy: Any, bar: float, compare: Compare, benchmark: Any) -> None:
    names = keys_of("str", 100_000)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(names) + 1)))
    asked = random.Random(1).choices(shuffled(names), cum_weights=weights, k=1_000_000)
    made = {name: make(N) for name, make in present(LRU).items() if name == "cachebox"}
    contenders = {"ours": CacheStorage(N, policy=policy), **made}
    ratio = [read_through(contenders["ours"], asked) / len(asked) for _ in range(2)][1]
    times = in_turns(read_through, contenders, asked, 9, bare=None)
    what = f"Zipf read-through, {policy} ({ratio:.3f} hits)"
    put_down(compare, what, without_loop(times, asked), {} if bar is None else {"cachebox": bar})
    put_down(compare, f"{what} and the loop", times, {})
    benchmark.pedantic(read_through, (contenders["ours"], asked), rounds=1)


@pytest.mark.parametrize("policy, most", [("sieve", 48), ("s3fifo", 48), ("tinylfu", 48)])
def test_bytes_of_an_entry_by_policy(policy: Any, most: int, compare: Compare, benchmark: Any) -> None:
    """Put down bytes in the place of microseconds, with what is remembered of keys that have left."""
    keys = list(range(1_100_000))
    storage = CacheStorage(1_000_000, policy=policy)
    tracemalloc.start()
    for key in keys:
        storage[key] = None
    taken = tracemalloc.get_traced_memory()[0] / len(storage) / 1e6
    tracemalloc.stop()
    compare.put_down(f"bytes an entry, {policy}, beside {most}", [(most / 1e6, taken)], None, bar=1.0)
    benchmark.pedantic(lambda: None, rounds=1)


def test_bytes_of_an_entry(compare: Compare, benchmark: Any) -> None:
    """Put down bytes in the place of microseconds; keys and values are there already."""
    keys = list(range(1_000_000))
    taken = {}
    for name, contender in lru_contenders(len(keys), "OrderedDict", "cachetools").items():
        if name == "cachebox":
            continue  # its memory is Rust's own, which Python does not see
        tracemalloc.start()
        for key in keys:
            contender[key] = None
        taken[name] = [tracemalloc.get_traced_memory()[0] / len(keys) / 1e6]
        tracemalloc.stop()
    put_down(compare, "bytes an entry at one million", taken, {"lru-dict": 0.6})
    compare.put_down("bytes an entry, beside the 48 promised", [(48e-6, taken["ours"][0])], None, bar=1.0)
    benchmark.pedantic(lambda: None, rounds=1)


@functools.cache
def at_one_thousand() -> float:
    """Give what a hit of one thousand keys takes, beside a dict's."""
    keys = keys_of("int", 1_000)
    both = {"ours": filled(LRUStorage(1_000), keys), "dict": filled({}, keys)}
    times = in_turns(read, both, random.Random(1).choices(keys, k=100_000), 20)
    return min(times["ours"]) / min(times["dict"])


@pytest.mark.parametrize("count", [10_000, 100_000, 1_000_000, 10_000_000])
def test_growth(count: int, compare: Compare, benchmark: Any) -> None:
    """Put down hits of random keys: the cost beside a dict's is to stay where it was at one thousand."""
    ours, bare = LRUStorage(count), {}
    keys = keys_of("int", count)
    filled(ours, keys), filled(bare, keys)
    asked = random.Random(1).choices(keys, k=100_000)
    rounds = 20 if count < 1_000_000 else 7
    times = in_turns(read, {"ours": ours, "dict": bare}, asked, rounds)
    put_down(compare, f"random hit of {count:,}", times, {"dict": 1.3 * at_one_thousand()})
    benchmark.pedantic(read, (ours, asked), rounds=1)


def test_all_peers_are_here(compare: Compare, benchmark: Any) -> None:
    benchmark.pedantic(lambda: None, rounds=1)
    if gone := missing():
        pytest.skip(f"left out, as they are not installed: {', '.join(gone)}")
