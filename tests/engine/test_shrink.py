"""Memory that is given back when a limit is lowered."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from typing import Any

import pytest

from pystorage.engine._checks import POLICIES
from pystorage.testing import FakeClock
from tests.engine.implementations import CACHES, on
from tests.engine.whole import Implementation, assert_whole

in_c = pytest.mark.skipif("c" not in CACHES, reason="the engine in C was not compiled")

MANY = 3_000
FEW = 50
#: What a policy of that name may keep for each entry that it once had, of keys that are no longer there.
MEMORY_OF_KEYS = {"s3fifo": 12, "tinylfu": 14}


def one_weight(key: object, value: object) -> int:
    return 1


def told(policy: str, made: Implementation, clock: FakeClock, **settings: Any) -> tuple[Any, list[Any]]:
    calls: list[Any] = []
    storage = made.made(
        policy, MANY, timer=clock, on_evict=lambda key, value, cause: calls.append((key, cause)), **settings
    )
    return storage, calls


def fill(storage: Any, rolls: random.Random) -> None:
    """Write and use many entries, some of which expire, after one life or after others."""
    for number in range(MANY):
        storage.set(number, str(number), ttl=rolls.choice([None, math.inf, 30, 40, 500 + rolls.random()]))
        if rolls.random() < 0.3:
            storage.get(rolls.randrange(number + 1))


@in_c
@pytest.mark.parametrize("weigher", [None, one_weight])
@pytest.mark.parametrize("policy", POLICIES)
def test_arrays_shrink_with_the_limit(policy: str, weigher: Any) -> None:
    storage = on("c").made(policy, MANY, weigher=weigher)
    empty = sys.getsizeof(storage)
    fill(storage, random.Random(1))
    full = sys.getsizeof(storage)
    storage.resize(FEW)
    assert_whole(storage)
    kept = sys.getsizeof(storage)
    assert kept - empty <= (full - empty) * FEW // MANY * 2 + MEMORY_OF_KEYS.get(policy, 0) * MANY
    assert {key: storage.peek(key) for key in storage} == {key: str(key) for key in storage}
    assert len(storage) == FEW
    storage.resize(MANY)
    fill(storage, random.Random(2))
    assert_whole(storage)
    assert sys.getsizeof(storage) <= full * 1.3
    storage.resize(0)
    assert not storage
    assert sys.getsizeof(storage) - empty <= MEMORY_OF_KEYS.get(policy, 0) * MANY


@in_c
def test_a_little_less_is_not_worth_the_work() -> None:
    storage = on("c").LRUStorage(MANY)
    fill(storage, random.Random(1))
    full = sys.getsizeof(storage)
    storage.resize(MANY - MANY // 10)
    assert sys.getsizeof(storage) == full


@pytest.mark.skipif(len(CACHES) < 2, reason="there is one implementation of the engine only")
@pytest.mark.parametrize("weigher", [None, one_weight])
@pytest.mark.parametrize("policy", POLICIES)
def test_all_goes_on_as_before(policy: str, weigher: Any, clock: FakeClock) -> None:
    pairs = [told(policy, on(name), clock, ttl=30, weigher=weigher) for name in sorted(CACHES)]
    for storage, _ in pairs:
        rolls = random.Random(3)
        fill(storage, rolls)
        for size in (900, 200, 70):
            storage.resize(size)
            assert_whole(storage)
            for _ in range(size):
                key = rolls.randrange(MANY)
                if storage.get(key) is None and rolls.random() < 0.5:
                    storage.set(key, str(key), ttl=rolls.choice([None, 20, 60]))
    (one, heard), (other, heard_too) = pairs
    assert list(one.items()) == list(other.items())
    assert heard == heard_too
    clock.advance(25)
    assert one.purge() == other.purge() > 0
    assert list(one.items()) == list(other.items())
    assert Counter(heard) == Counter(heard_too)  # of those with one deadline either may be the first
    clock.advance(10_000)
    assert (len(one), len(other)) == (sum(one.expires_at(key) is None for key in one),) * 2
    assert Counter(heard) == Counter(heard_too)


def test_the_dicts_of_the_one_in_python_shrink_as_they_are_written_to() -> None:
    storage = on("python").LRUStorage(MANY)
    fill(storage, random.Random(1))
    table = storage._table
    full = sys.getsizeof(table.data)
    storage.resize(FEW)
    for number in range(2 * MANY):
        storage[number] = "other"
    assert sys.getsizeof(table.data) < full / 5
    assert sys.getsizeof(table._order) < sys.getsizeof(dict.fromkeys(range(MANY))) / 2


def test_who_is_told_may_lower_the_limit_further(memory: Implementation) -> None:
    def on_evict(key: object, value: object, cause: str) -> None:
        if storage.maxsize > FEW:
            storage.resize(storage.maxsize // 2)
            assert_whole(storage)
        causes.append(cause)

    causes: list[str] = []
    storage = memory.LRUStorage(MANY, on_evict=on_evict)
    for number in range(MANY):
        storage[number] = number
    full = sys.getsizeof(storage)
    storage["one more"] = "one more"
    assert_whole(storage)
    assert len(storage) == storage.maxsize <= FEW
    assert causes == ["evicted"] * (MANY + 1 - storage.maxsize)
    assert list(storage)[-1] == "one more"
    if hasattr(storage, "_check"):
        assert sys.getsizeof(storage) < full / 10


def test_what_is_let_go_of_may_come_back(memory: Implementation) -> None:
    class Last:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            if storage.maxsize > FEW:
                storage.resize(storage.maxsize // 2)
            storage[self.number % 7] = "again"

    storage = memory.LRUStorage(MANY)
    for number in range(MANY):
        storage[number] = Last(number)
    storage.resize(MANY // 2)
    assert_whole(storage)
    assert len(storage) == storage.maxsize <= FEW
    storage.clear()
    assert_whole(storage)
