"""The operations that happen at one moment, and the figures."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pystorage import ABSENT, Capability, ConflictError, Stats
from pystorage.testing import FakeClock
from tests.engine.whole import Implementation, assert_whole


@pytest.fixture(params=["LRUStorage", "MemoryStorage"])
def storage(memory: Implementation, clock: FakeClock, request: pytest.FixtureRequest) -> Any:
    if request.param == "LRUStorage":
        return memory.LRUStorage(100, timer=clock)
    return memory.MemoryStorage(timer=clock)


def test_add(storage: Any) -> None:
    assert storage.add("a", 1) is True
    assert storage.add("a", 2) is False
    assert storage["a"] == 1


def test_swap(storage: Any) -> None:
    assert storage.swap("a", 1, 2) is False
    assert storage.swap("a", ABSENT, 1) is True
    assert storage.swap("a", ABSENT, 9) is False
    assert storage.swap("a", 2, 3) is False
    assert storage.swap("a", 1.0, 3) is True
    assert storage["a"] == 3
    storage["nan"] = math.nan
    assert storage.swap("nan", math.nan, "a number") is True


def test_a_swap_begins_again_where_the_comparison_lets_others_write(storage: Any) -> None:
    class Meddler:
        def __eq__(self, other: object) -> bool:
            storage["a"] = "other"
            return True

        __hash__ = None  # type: ignore[assignment]

    storage["a"] = Meddler()
    assert storage.swap("a", "old", "new") is False
    assert storage["a"] == "other"


def test_incr(storage: Any) -> None:
    assert storage.incr("n") == 1
    assert storage.incr("n", 10) == 11
    assert storage.incr("n", -12) == -1
    assert storage.incr("n", 2**70) == 2**70 - 1
    assert storage["n"] == 2**70 - 1


@pytest.mark.parametrize("value", ["1", 1.0, None, True, [1]])
def test_only_integers_count(storage: Any, value: Any) -> None:
    storage["n"] = value
    with pytest.raises(TypeError, match=type(value).__name__):
        storage.incr("n")
    assert storage["n"] is value
    with pytest.raises(TypeError, match=type(value).__name__):
        storage.incr("m", value)
    assert "m" not in storage


def test_integers_of_other_types_count_as_plain_ones(storage: Any) -> None:
    class Odd(int):
        def __add__(self, other: int) -> int:
            raise AssertionError("a sum of the storage's is its own affair")

        __radd__ = __add__

    storage["n"] = Odd(3)
    assert storage.incr("n", Odd(4)) == 7
    assert type(storage["n"]) is int
    assert storage.incr("m", Odd(4)) == 4
    assert type(storage["m"]) is int


def test_pop_and_setdefault(storage: Any) -> None:
    assert storage.setdefault("a", 1) == 1
    assert storage.setdefault("a", 2) == 1
    assert storage.pop("a") == 1
    assert storage.pop("a", 5) == 5
    assert storage.pop("a", None) is None
    with pytest.raises(KeyError) as caught:
        storage.pop("a")
    assert caught.value.args == ("a",)
    with pytest.raises(KeyError):
        del storage["a"]


def test_none_is_a_value(storage: Any) -> None:
    storage["a"] = None
    assert storage["a"] is None
    assert storage.get("a", 1) is None
    assert storage.pop("a", 1) is None


def test_bulk(storage: Any) -> None:
    storage.set_many([("a", 1), ("b", 2), ("a", 3)], ttl=60)
    storage.set_many({"c": 4})
    assert storage.get_many(iter(["c", "x", "a", "c"])) == {"c": 4, "a": 3}
    assert (storage.ttl("a"), storage.ttl("c")) == (60, None)
    assert storage.delete_many(iter(["a", "a", "x", "b"])) == 2
    storage.update({"d": 5}, e=6)
    assert dict(storage) == {"c": 4, "d": 5, "e": 6}
    assert storage == {"c": 4, "d": 5, "e": 6}
    assert_whole(storage)


def test_bulk_writes_happen_wholly_or_not(memory: Implementation) -> None:
    def weigher(key: Any, value: Any) -> int:
        if value == "bad":
            raise LookupError("cannot weigh that")
        return 1

    lru = memory.LRUStorage(10, weigher=weigher)
    with pytest.raises(LookupError):
        lru.set_many({"a": 1, "b": "bad"})
    with pytest.raises(TypeError, match="unhashable"):
        lru.set_many([("a", 1), ([], 2)])
    assert len(lru) == 0
    assert_whole(lru)


def test_unhashable_keys_are_type_errors(storage: Any) -> None:
    for access in (
        lambda: storage[[]],
        lambda: storage.__setitem__([], 1),
        lambda: storage.__delitem__([]),
        lambda: storage.get([]),
        lambda: [] in storage,
        lambda: storage.peek([]),
        lambda: storage.pop([], None),
        lambda: storage.add([], 1),
        lambda: storage.incr([]),
        lambda: storage.swap([], 1, 2),
        lambda: storage.touch([], 1),
        lambda: storage.get_many([[]]),
        lambda: storage.delete_many([[]]),
        lambda: storage.lock([], 1),
    ):
        with pytest.raises(TypeError, match="unhashable type: 'list'"):
            access()
    assert_whole(storage)


def test_stats(storage: Any) -> None:
    assert storage.stats() == Stats(0, 0, 0, 0, 0, 0, size=0)
    storage.update(a=1, b=2, c=3)
    storage["a"]
    storage.get("b")
    storage.get("x")
    with pytest.raises(KeyError):
        storage["y"]
    storage.get_many(["a", "b", "z"])
    storage.peek("a")
    assert "a" in storage
    list(storage.items())
    storage.add("a", 1)
    storage.add("d", 4)
    storage.swap("d", 4, 5)
    storage.swap("d", 4, 6)
    storage.incr("d")
    del storage["a"]
    storage.pop("b")
    storage.pop("b", None)
    assert storage.stats() == Stats(
        hits=4, misses=3, sets=6, deletes=2, evictions=0, expirations=0, size=2, bytes=None
    )
    storage.clear()
    assert storage.stats().deletes == 4


def test_locks(storage: Any, clock: FakeClock) -> None:
    with storage.lock("a", 5) as lease:
        with pytest.raises(TimeoutError), storage.lock("a", 5, timeout=0):
            raise AssertionError
        with storage.lock("b", 5), storage.lock(("a", 1), 5):
            pass
        lease.extend(10)
    with storage.lock(1, 5), pytest.raises(TimeoutError), storage.lock(True, 5, timeout=0):
        raise AssertionError
    held = storage.lock("a", 5)
    held.__enter__()
    clock.advance(5)
    with storage.lock("a", 5, timeout=0):
        pass
    with pytest.raises(ConflictError):
        held.__exit__(None, None, None)
    assert len(storage) == 0
    for ttl in (None, math.inf):
        with pytest.raises(ValueError, match="ttl"):
            storage.lock("a", ttl)


def test_streams(storage: Any) -> None:
    with storage.open_write("a", ttl=60) as file:
        file.write(b"abc")
    assert (storage["a"], storage.ttl("a")) == (b"abc", 60)
    with storage.open_read("a") as file:
        assert file.read() == b"abc"


def test_it_declares_what_it_does(memory: Implementation) -> None:
    own = Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
    own |= Capability.STATS | Capability.NONBLOCKING
    assert memory.MemoryStorage.capabilities == own
    assert memory.LRUStorage.capabilities == own | Capability.ORDERED


def test_close_does_nothing(storage: Any) -> None:
    with storage:
        storage["a"] = 1
    storage.close()
    storage.flush()
    assert storage["a"] == 1
