"""What only the engine in C could get wrong: memory, objects half made, other interpreters."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import random
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from pystorage.engine._checks import POLICIES
from pystorage.testing import FakeClock
from tests.engine.implementations import CACHES, on

pytestmark = pytest.mark.skipif("c" not in CACHES, reason="the engine in C was not compiled")

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture
def cache_type() -> Any:
    return CACHES["c"]


# -------------------------------------------------------------------- objects in odd states


def test_one_that_was_never_made_is_empty_and_whole(cache_type: Any) -> None:
    cache = cache_type.__new__(cache_type)
    assert (len(cache), list(cache), cache.get("a"), cache.maxsize) == (0, [], None, None)
    assert "a" not in cache
    with pytest.raises(KeyError):
        cache["a"]
    with pytest.raises(KeyError):
        cache.popitem()
    cache._check()
    cache["a"] = 1
    assert cache._contents() == [("a", 1, 1, None, 0)]
    cache._check()


def test_one_that_is_made_anew_is_emptied_without_a_word(cache_type: Any) -> None:
    told: list[Any] = []
    cache = cache_type(3, on_evict=lambda *event: told.append(event))
    for number in range(3):
        cache[number] = number
    cache.__init__(5, weigher=lambda key, value: value, timer=FakeClock())
    assert (len(cache), cache.maxsize, cache._figures(), told) == (0, 5, (0,) * 6, [])
    cache["a"] = 4
    cache["b"] = 2
    assert (list(cache), cache.currsize) == (["b"], 2)
    cache._check()


def test_it_may_be_made_anew_in_the_middle_of_it(cache_type: Any) -> None:
    def on_evict(key: Any, value: Any, cause: str) -> None:
        cache.__init__(4, on_evict=on_evict)
        cache["new"] = key

    class Dying:
        def __del__(self) -> None:
            cache["dying"] = 1

    cache = cache_type(2, on_evict=on_evict)
    for number in range(10):
        cache[number] = Dying()
        cache._check()
    cache.__init__(2)
    cache._check()


def test_a_key_that_changes_the_table_at_each_look_is_given_up(cache_type: Any) -> None:
    class Restless:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            cache["x"] = 1
            del cache["x"]
            return False

    cache = cache_type()
    cache[Restless()] = 1
    with pytest.raises(RuntimeError, match="__eq__"):
        cache[Restless()]
    cache._check()


def test_deep_nests_are_freed_without_recursion(cache_type: Any) -> None:
    outer = cache_type()
    for _ in range(100_000):
        inner = cache_type()
        inner["outer"] = outer
        outer = inner
    del inner
    del outer


def test_values_that_die_with_it_may_look_at_what_is_left(cache_type: Any) -> None:
    seen = []

    class Dying:
        def __init__(self, ref: Any) -> None:
            self.ref = ref

        def __del__(self) -> None:
            seen.append(self.ref())

    cache = cache_type()
    for number in range(3):
        cache[number] = Dying(weakref.ref(cache))
    del cache
    assert seen == [None] * 3


def test_arguments_are_read_as_a_function_reads_them(cache_type: Any) -> None:
    cache = cache_type()
    cache["a"] = 1
    assert cache.get(key="a") == cache.get("a", default=2) == cache.pop(default=3, key="a") == 1
    for wrong in (
        lambda: cache.get(),
        lambda: cache.get("a", 1, 2),
        lambda: cache.get("a", other=1),
        lambda: cache.get("a", key="a"),
        lambda: cache.get("a", 1, default=2),
        lambda: cache.peek(default=1),
        lambda: cache_type(1, 2),
        lambda: cache_type(size=1),
        lambda: cache.resize(),
        lambda: cache._incr("a", 1.5, None),
        lambda: cache._write("a", 1, "soon"),
        lambda: cache._fill([("a",)]),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError, match="pair"):
        cache._write_many([("a", 1, 2)], None)
    cache._check()


def test_many_colliding_hashes(cache_type: Any) -> None:
    class Same:
        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return 5

        def __eq__(self, other: object) -> bool:
            return self.number == other.number  # type: ignore[attr-defined]

    cache = cache_type(200)
    for number in range(300):
        cache[Same(number)] = number
    assert [cache[Same(number)] for number in range(100, 300)] == list(range(100, 300))
    for number in range(100, 300, 3):
        del cache[Same(number)]
        cache._check()
    assert [Same(number) in cache for number in range(100, 106)] == [False, True, True] * 2


def home(hashed: int, bits: int) -> int:
    """Say in which slot of the index a probe for a hash begins."""
    return ((hashed ^ hashed >> 32) * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 64 - bits


# The smallest index, a larger one, and runs in that, also longer ones than a tag can tell.
@pytest.mark.parametrize("limit, bits, homes", [(20, 6, 64), (100, 8, 256), (100, 8, 12), (100, 8, 2)])
@pytest.mark.parametrize("policy", POLICIES)
def test_slots_that_push_each_other_on(
    cache_type: Any, policy: str, limit: int, bits: int, homes: int
) -> None:
    """Entries come and go in a full cache whose homes lie together, over the end of the index, too."""
    last = 1 << bits
    near = [number for number in range(40_000) if (home(number, bits) + homes // 2) % last < homes]
    chosen = random.Random(limit + homes)
    keys = chosen.sample(near, 3 * limit)
    cache, model = cache_type(limit, policy=policy), {}
    for turn in range(1000):
        key = chosen.choice(keys)
        if chosen.random() < 0.1:
            expected = model[key] if key in cache else None
            assert cache.pop(key, None) == expected
        else:
            cache[key] = model[key] = turn
        if turn % 20 == 0:
            cache._check()
            there = [key for key in keys if key in cache]
            assert len(there) == len(cache)
            assert [cache.peek(key) for key in there] == [model[key] for key in there]


@pytest.mark.parametrize("step", [1, 2**16, 2**30, 2**32, 2**45, 0x9E3779B97F4A7C15 >> 3, -(2**31)])
def test_patterns_of_keys_are_spread(cache_type: Any, step: int) -> None:
    """Keys at equal distances take about as long as random ones: no run of slots grows without end."""
    cache = cache_type()
    for number in range(50_000):
        cache[number * step] = number
    for number in range(50_000):
        assert cache[number * step] == number
    cache._check()


def test_a_cleared_one_gives_its_memory_back(cache_type: Any) -> None:
    import tracemalloc

    cache = cache_type()
    tracemalloc.start()
    try:
        for number in range(10_000):
            cache._write(number, None, 60)
        full = tracemalloc.get_traced_memory()[0]
        cache.clear()
        assert tracemalloc.get_traced_memory()[0] < full / 20
    finally:
        tracemalloc.stop()
    cache._check()


# -------------------------------------------------------------------- references


def every_operation(storage: Any, key: Any, other: Any, value: Any) -> None:
    """Run all there is on one storage, errors too."""
    clock = storage.timer
    for ttl in (None, 5):
        storage[key] = value
        storage[key] = other
        storage.set(key, value, ttl=ttl)
        storage[key], storage.get(key), storage.get(other, value), storage.peek(key), key in storage
        storage.add(other, value, ttl=ttl)
        storage.swap(other, value, key, ttl=ttl)
        storage.swap(other, 1, key)
        storage.set_many({key: value, other: key}, ttl=ttl)
        storage.get_many([key, other, "x"])
        list(storage), list(reversed(storage)), list(storage.items()), len(storage), bool(storage)
        storage.touch(key, 3), storage.expire(key, ttl), storage.ttl(key), storage.expires_at(key)
        storage["n"] = 1
        storage.incr("n", 2**70)
        copy.copy(storage)
        storage.pop(key), storage.pop(key, None)
        storage.popitem()
        for number in range(20):
            storage.set((number, key), value, ttl=ttl)
        clock.advance(5)
        storage.purge()
        storage[key] = value
        storage.resize(1), storage.resize(8)
        storage.delete_many([key, "x"])
        storage[key] = value
        for wrong in (
            lambda: storage["absent"],
            lambda: storage.__delitem__(("absent", key)),
            lambda: storage[[key]],
            lambda: storage.get([key]),
            lambda: storage.__setitem__([key], value),
            lambda: storage.set_many([(other, value), ([key], value)]),
            lambda: storage.set_many([(key, value, value)]),
            lambda: storage.get_many([[key]]),
            lambda: storage.delete_many([key, []]),
            lambda: storage.incr(key),
            lambda: storage.incr([]),
            lambda: storage.resize(-1),
            lambda: storage.pop(("absent", key)),
            lambda: storage._fill([(key,)]),
        ):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                wrong()
        storage.clear()


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_each_reference_is_given_back(policy: str, told: bool, weighed: bool) -> None:
    class Thing:
        pass

    def on_evict(key: Any, value: Any, cause: str) -> None:
        if cause == "cleared":
            raise ValueError(key)

    def weigher(key: Any, value: Any) -> int:
        return 1

    implementation = on("c")
    key, other, value = Thing(), Thing(), Thing()
    things = (key, other, value, on_evict, weigher, implementation.CacheStorage)

    def run() -> None:
        storage = implementation.CacheStorage(
            8,
            policy=policy,
            timer=FakeClock(),
            on_evict=on_evict if told else None,
            weigher=weigher if weighed else None,
        )
        with contextlib.suppress(ValueError, ExceptionGroup):
            every_operation(storage, key, other, value)
        storage.__init__(3)

    for _ in range(3):
        run()
    gc.collect()
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(50):
        run()
    gc.collect()
    assert [sys.getrefcount(thing) for thing in things] == before


# -------------------------------------------------------------------- in processes of their own


def run_script(name: str, *arguments: str) -> None:
    """Run a script that ends badly where something is wrong, or with 77 where it cannot run here."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    environment.pop("PYSTORAGE_PURE", None)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(SCRIPTS / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"


def test_nothing_leaks() -> None:
    run_script("leaks.py")


@pytest.mark.parametrize("settings", ["plain", "ttl", "weigher", "on_evict", *POLICIES[1:]])
def test_it_stays_whole_without_memory(settings: str) -> None:
    run_script("without_memory.py", settings)


def test_calls_leave_it_whole_without_memory() -> None:
    run_script("functions_without_memory.py")


def test_it_stays_whole_in_a_storm_of_threads() -> None:
    run_script("storm.py", "2")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters with a lock each are new in 3.12")
def test_interpreters_have_caches_of_their_own() -> None:
    run_script("interpreters.py")
