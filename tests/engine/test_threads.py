"""Many threads at once, and forks between them."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from pystorage.testing.parallel import Child, in_background, in_threads
from tests.engine.whole import KINDS, MARKED, Implementation, assert_whole

THREADS = 6
ROUNDS = 4_000


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Change threads as often as can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(params=KINDS)
def storage(memory: Implementation, request: pytest.FixtureRequest) -> Any:
    return memory.made(request.param, 50)


@pytest.mark.parametrize("kind", ["LRUStorage", *MARKED])
def test_nothing_is_lost_and_nothing_told_twice(memory: Implementation, kind: str) -> None:
    told: list[int] = []
    lru = memory.made(
        kind,
        20,
        weigher=lambda key, value: value[0] % 3,
        on_evict=lambda key, value, cause: told.append(value[0]),
    )

    def run(thread: int) -> list[int]:
        rolls, written = random.Random(thread), []
        for number in range(ROUNDS):
            value = [thread * ROUNDS + number]
            few = rolls.randrange(5)
            key: Any = rolls.choice([rolls.randrange(30), (few,), frozenset({few})])
            kind = rolls.randrange(10)
            if kind < 4:
                lru.set(key, value, ttl=rolls.choice([None, 1e-4, 60]))
            elif kind == 4:
                if not lru.add(key, value):
                    continue
            elif kind == 5:
                if not lru.swap(key, lru.peek(key), value):
                    continue
            elif kind == 6:
                lru.set_many({key: value})
            else:
                if kind == 7:
                    lru.pop(key, None)
                elif kind == 8 and rolls.randrange(20) == 0:
                    lru.clear()
                elif lru.get(key) is None and lru:
                    lru.delete_many([key])
                continue
            written.append(value[0])
        return written

    runs = in_threads(*[partial(run, thread) for thread in range(THREADS)])
    written = [number for numbers in runs for number in numbers]
    remaining = [value[0] for value in lru.values()]
    assert_whole(lru)
    assert Counter(told + remaining) == Counter(written)


@pytest.mark.parametrize("kind", ["LRUStorage", *MARKED])
def test_the_limit_holds_at_any_time(memory: Implementation, kind: str) -> None:
    lru = memory.made(kind, 10)

    def write() -> None:
        for _ in range(ROUNDS):
            lru[random.randrange(1_000)] = 1

    def look() -> None:
        for _ in range(ROUNDS // 3):
            assert len(lru) <= 10
            assert len(list(lru)) <= 10
            assert lru.currsize <= 10

    in_threads(*[write] * 3, *[look] * 2)
    assert_whole(lru)


def test_figures_are_exact(storage: Any) -> None:
    def run() -> None:
        for number in range(ROUNDS):
            key = number % 60
            if storage.get(key) is None:
                storage[key] = number
            try:
                storage[key]
            except KeyError:
                storage.add(key, number)

    in_threads(*[run] * THREADS)
    stats = storage.stats()
    assert stats.hits + stats.misses == 2 * THREADS * ROUNDS
    assert_whole(storage)


def test_no_addition_is_lost(storage: Any) -> None:
    def run() -> None:
        for number in range(ROUNDS):
            storage.incr(number % 3)

    in_threads(*[run] * THREADS)
    assert sum(storage.values()) == THREADS * ROUNDS


def test_no_swap_is_lost(storage: Any) -> None:
    storage["n"] = 0

    def run() -> int:
        done = 0
        for _ in range(ROUNDS):
            value = storage["n"]
            done += storage.swap("n", value, value + 1)
        return done

    assert storage["n"] < sum(in_threads(*[run] * THREADS)) == storage["n"]


def test_one_wins(storage: Any) -> None:
    def run() -> tuple[int, int, int]:
        added = popped = set_by_me = 0
        for number in range(ROUNDS):
            added += storage.add(("add", number % 10), number)
            popped += storage.pop(("add", (number + 3) % 10), None) is not None
            mine = object()
            set_by_me += storage.setdefault(("default", number), mine) is mine
        return added, popped, set_by_me

    results = in_threads(*[run] * THREADS)
    added, popped = sum(result[0] for result in results), sum(result[1] for result in results)
    left = sum(key[0] == "add" for key in storage)
    if storage.maxsize is None:
        assert added == popped + left
        assert sum(result[2] for result in results) == ROUNDS
    assert_whole(storage)


def test_each_item_is_popped_once(storage: Any) -> None:
    storage.update({number: number for number in range(50)})

    def run() -> list[int]:
        popped = []
        while storage:
            try:
                popped.append(storage.popitem()[0])
            except KeyError:
                break
        return popped

    popped = [key for keys in in_threads(*[run] * THREADS) for key in keys]
    assert sorted(popped) == list(range(50))


def test_bulk_operations_happen_at_one_moment(storage: Any) -> None:
    def write() -> None:
        for number in range(ROUNDS // 2):
            storage.set_many(dict.fromkeys("abcd", number))
            if number % 10 == 0:
                storage.delete_many("abcd")

    def read() -> None:
        for _ in range(ROUNDS // 2):
            found = storage.get_many("abcd")
            assert len(found) in (0, 4)
            assert len(set(found.values())) <= 1

    in_threads(*[write] * 2, *[read] * 3)


def test_a_lock_has_one_holder(storage: Any) -> None:
    inside = 0

    def run() -> None:
        nonlocal inside
        for _ in range(30):
            with storage.lock("key", 60, timeout=60):
                inside += 1
                assert inside == 1
                inside -= 1

    in_threads(*[run] * THREADS)


def test_reading_while_everything_goes(storage: Any) -> None:
    def write() -> None:
        for number in range(200):
            storage.set(number % 60, number, ttl=random.choice([None, 1e-5]))
        storage.clear()

    def read() -> None:
        for number in range(6_000):
            value = storage.get(number % 60)
            assert value is None or value % 60 == number % 60

    with in_background(write, 2):
        in_threads(*[read] * 3)
    assert_whole(storage)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="a lock that a waiting thread was just handed stays locked in the child, that of a dict as well",
)
def test_a_child_of_a_fork_goes_on(storage: Any) -> None:
    def hammer() -> None:
        for number in range(200):
            storage.set(number % 70, number, ttl=random.choice([None, 1e-4, 60]))
            storage.get(number % 50)
            storage.pop(number % 30, None)
        with storage.lock("key", 60):
            storage.clear()

    def child() -> bool:
        assert_whole(storage)
        storage["child"] = os.getpid()
        storage.incr("n")
        storage.update({number: number for number in range(100)})
        with storage.lock("other", 5, timeout=5):
            assert storage.pop(99) == 99
        done = threading.Thread(target=storage.clear)
        done.start()
        done.join(10)
        assert_whole(storage)
        return len(storage) == 0

    with in_background(hammer, 3):
        for _ in range(25):
            with Child(child) as running:
                assert running.result() is True
    assert "child" not in storage
    assert_whole(storage)
