"""lru_cache and memoize beside functools and other memoizers: a hit, without the loop around it."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import Compare
from benchmarks.conftest import in_turns as pairs
from benchmarks.peers import CALLS, CALLS_ON_DISK, installed
from benchmarks.test_memory import empty, in_turns, put_down, shuffled
from pystorage import FileStorage, LRUStorage, RedisStorage, SQLiteStorage, engine, lru_cache, memoize
from pystorage.memo.callkey import CallKey

SIZE = 1024
KEYS = 512
ROUNDS = 40
THREADS = 4
ROUNDS_EACH = 20

pytestmark = pytest.mark.skipif(engine.IMPLEMENTATION != "c", reason="the bars are those of the engine in C")

NUMBERS = shuffled(range(KEYS))
TEXTS = [f"key:{number}" for number in NUMBERS]


def function(a: Any, b: Any = None) -> Any:
    return a


# -------------------------------------------------------------------- loops


def one(call: Any, keys: Iterable[Any]) -> None:
    for key in keys:
        call(key)


def two(call: Any, keys: Iterable[Any]) -> None:
    for key in keys:
        call(key, key)


def one_by_name(call: Any, keys: Iterable[Any]) -> None:
    for key in keys:
        call(key, b=key)


def two_by_name(call: Any, keys: Iterable[Any]) -> None:
    for key in keys:
        call(a=key, b=key)


def in_threads(call: Any, keys: list[Any]) -> None:
    """Call from four threads at once, or go round for nothing."""
    loop = empty if call is None else one
    threads = [threading.Thread(target=loop, args=(call, keys * ROUNDS_EACH)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


SHAPES: dict[str, tuple[Callable[[Any, Any], None], list[Any], float]] = {
    "one int": (one, NUMBERS, 0.5),
    "one str": (one, TEXTS, 0.5),
    "two ints": (two, NUMBERS, 0.5),
    "two strs": (two, TEXTS, 0.5),
    "one and one by name": (one_by_name, NUMBERS, 0.3),
    "two by name": (two_by_name, NUMBERS, 0.3),
}


def timed(
    bare: Callable[[], object],
    ours: Callable[[], object],
    rounds: int,
    number: int,
    clock: Callable[[], float] = time.process_time,
) -> list[tuple[float, float]]:
    return pairs(bare, ours, rounds=rounds, number=number, clock=clock)


def peers() -> dict[str, Any]:
    return {name: put_before(function, SIZE) for name, put_before in installed(CALLS).items()}


# -------------------------------------------------------------------- rows


@pytest.mark.parametrize("shape", SHAPES)
def test_hit_of_lru_cache(shape: str, compare: Compare, benchmark: Any) -> None:
    loop, keys, bar = SHAPES[shape]
    contenders = {"ours": lru_cache(SIZE)(function), **peers()}
    times = in_turns(loop, contenders, keys, ROUNDS)
    put_down(compare, f"lru_cache, {shape}", times, {"functools": bar})
    benchmark.pedantic(loop, (contenders["ours"], keys), rounds=3)


@pytest.mark.parametrize("shape", SHAPES)
def test_hit_of_memoize(shape: str, compare: Compare, benchmark: Any) -> None:
    loop, keys, bar = SHAPES[shape]
    contenders = {
        "ours": memoize(LRUStorage(SIZE))(function),
        "functools": functools.lru_cache(SIZE)(function),
    }
    times = in_turns(loop, contenders, keys, ROUNDS)
    put_down(compare, f"memoize, {shape}", times, {"functools": bar})
    benchmark.pedantic(loop, (contenders["ours"], keys), rounds=3)


@pytest.mark.parametrize("shape", ["one int", "one and one by name"])
def test_hit_with_a_ttl(shape: str, compare: Compare, benchmark: Any) -> None:
    loop, keys, _ = SHAPES[shape]
    theirs = functools.lru_cache(SIZE)(function)
    for name, ours in (("lru_cache", lru_cache(SIZE, ttl=600)), ("memoize", memoize(ttl=600))):
        times = in_turns(loop, {"ours": ours(function), "functools": theirs}, keys, ROUNDS)
        put_down(compare, f"{name} with a ttl, {shape}", times, {})
    benchmark.pedantic(loop, (lru_cache(ttl=600)(function), keys), rounds=3)


@pytest.mark.parametrize("name", ["lru_cache", "memoize"])
def test_hit_in_four_threads(name: str, compare: Compare, benchmark: Any) -> None:
    ours = lru_cache(SIZE)(function) if name == "lru_cache" else memoize(LRUStorage(SIZE))(function)
    contenders = {"ours": ours, **(peers() if name == "lru_cache" else {})}
    contenders["functools"] = functools.lru_cache(SIZE)(function)
    times = in_turns(in_threads, contenders, NUMBERS, 9, bare=in_threads)
    calls = THREADS * ROUNDS_EACH
    each = {name: [taken / calls for taken in all_of_them] for name, all_of_them in times.items()}
    put_down(compare, f"{name} in four threads", each, {"functools": 0.6})
    benchmark.pedantic(in_threads, (ours, NUMBERS), rounds=1)


def test_miss(compare: Compare, benchmark: Any) -> None:
    """Put down calls whose results were dropped again: the function does nothing."""
    keys = list(range(4 * KEYS))
    small = {name: put_before(function, KEYS) for name, put_before in installed(CALLS).items()}
    for name, ours in (("lru_cache", lru_cache(KEYS)), ("memoize", memoize(LRUStorage(KEYS)))):
        times = in_turns(one, {"ours": ours(function), **small}, keys, 10)
        put_down(compare, f"miss of {name}", times, {})
    benchmark.pedantic(one, (lru_cache(KEYS)(function), keys), rounds=3)


def test_hit_on_disk(tmp_path: Path, compare: Compare, benchmark: Any) -> None:
    keys = NUMBERS[:50]
    contenders = {"ours": memoize(FileStorage(tmp_path / "ours"))(function)}
    for name, put_before in installed(CALLS_ON_DISK).items():
        contenders[name] = put_before(function, str(tmp_path / name))
    put_down(compare, "memoize in files", in_turns(one, contenders, keys, 10), {})
    benchmark.pedantic(one, (contenders["ours"], keys), rounds=3)


def test_hit_in_files_beside_the_storage(tmp_path: Path, compare: Compare, benchmark: Any) -> None:
    storage = FileStorage(tmp_path / "results")
    kept = memoize(storage)(function)
    kept(1, 2)
    key = kept.key_for(1, 2)
    compare(
        "memoize beside a get of its storage",
        lambda: storage[key],
        lambda: kept(1, 2),
        added=5e-6,
        number=200,
    )


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.servers.redis import redis_at

    with redis_at(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(params=["files", "SQLite", "Redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    if request.param == "Redis":
        storage: Any = RedisStorage(url=request.getfixturevalue("redis_url"), prefix=f"{tmp_path.name}:")
    else:
        storage = {"files": FileStorage, "SQLite": SQLiteStorage}[request.param](tmp_path / "results")
    with storage:
        yield request.param, storage


def test_hit_beside_a_get_of_its_storage(place: tuple[str, Any], compare: Compare, benchmark: Any) -> None:
    """A hit may take 1.3 of the storage's own get and 5 µs: put down against both together."""
    name, storage = place
    ways = {
        "bare": memoize(storage)(function),
        "in an envelope": memoize(storage, ttl=600, stale=60)(function),
    }
    for at, (way, kept) in enumerate(ways.items()):
        kept(1, 2)
        key = kept.key_for(1, 2)
        times = timed(lambda key=key: storage[key], lambda kept=kept: kept(1, 2), 15, 200)
        allowed = [(1.3 * bare + 5e-6, ours) for bare, ours in times]
        hit = (lambda kept=kept: kept(1, 2)) if at == 0 else None
        compare.put_down(f"hit in {name}, {way}: beside 1.3 get + 5 µs", allowed, hit, bar=1.0)


def test_what_one_computation_at_a_time_adds_to_a_miss(
    place: tuple[str, Any], compare: Compare, benchmark: Any
) -> None:
    """Nobody else asks, and computing takes five milliseconds of waiting, as for a database."""
    name, storage = place

    def compute(number: int) -> int:
        time.sleep(0.005)
        return number

    alone = memoize(storage, version="alone", lock=False)(compute)
    led = memoize(storage, version="led")(compute)
    numbers = itertools.count()
    times = timed(lambda: alone(next(numbers)), lambda: led(next(numbers)), 15, 5, clock=time.perf_counter)
    compare.put_down(f"miss of 5 ms in {name}, with a lease", times, None, bar=1.15)
    benchmark.pedantic(lambda: led(next(numbers)), rounds=3)


def test_hit_of_an_async_function(compare: Compare, benchmark: Any) -> None:
    async def plain(number: int) -> int:
        return number

    kept = memoize(plain)

    def loop(call: Any, keys: Iterable[Any]) -> None:
        async def ask() -> None:
            for key in keys:
                await call(key)

        asyncio.run(ask())

    times = in_turns(loop, {"ours": kept, "a coroutine that does nothing": plain}, NUMBERS, 15)
    put_down(compare, "hit of an async function", times, {})
    benchmark.pedantic(loop, (kept, NUMBERS), rounds=3)


def test_key_of_a_call(compare: Compare, benchmark: Any) -> None:
    """Put down the key of three plain arguments that is made anew, beside the three µs promised."""

    def three(a: Any, b: Any, c: Any) -> None: ...

    call_key = CallKey(three)
    times = in_turns(
        lambda _, keys: [call_key((at, "text", 0.5), {}) for at in keys], {"ours": 0}, NUMBERS, 20
    )
    compare.put_down("key of three arguments", [(3e-6, taken) for taken in times["ours"]], None, bar=1.0)
    benchmark.pedantic(call_key, ((1, "text", 0.5), {}), rounds=3)


def test_all_peers_are_here(compare: Compare, benchmark: Any) -> None:
    benchmark.pedantic(lambda: None, rounds=1)
    known = {**CALLS, **CALLS_ON_DISK}
    missing = sorted(known.keys() - installed(known).keys())
    if missing:
        pytest.skip(f"left out, as they are not installed: {', '.join(missing)}")
