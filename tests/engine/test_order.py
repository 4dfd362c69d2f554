"""Order and limit: who is next to go, and what counts as a use."""

from __future__ import annotations

from typing import Any

import pytest

from pystorage import CapacityError
from tests.engine.whole import Act, Calls, Implementation, assert_whole


@pytest.fixture
def lru(memory: Implementation) -> Any:
    storage = memory.LRUStorage(3)
    storage.update(a=1, b=2, c=3)
    return storage


def test_a_new_entry_drops_the_one_used_longest_ago(lru: Any) -> None:
    assert lru["a"] == 1
    lru["d"] = 4
    assert list(lru.items()) == [("c", 3), ("a", 1), ("d", 4)]
    assert_whole(lru)


@pytest.mark.parametrize(
    "use",
    [
        lambda lru: lru["a"],
        lambda lru: lru.get("a"),
        lambda lru: lru.get_many(["a"]),
        lambda lru: lru.setdefault("a", 5),
        lambda lru: lru.__setitem__("a", 1),
        lambda lru: lru.set("a", 1),
        lambda lru: lru.swap("a", 1, 1),
        lambda lru: lru.incr("a", 0),
        lambda lru: lru.touch("a", None),
    ],
)
def test_these_are_uses(lru: Any, use: Any) -> None:
    use(lru)
    assert list(lru) == ["b", "c", "a"]
    assert_whole(lru)


@pytest.mark.parametrize(
    "look",
    [
        lambda lru: "a" in lru,
        lambda lru: lru.peek("a"),
        len,
        bool,
        list,
        lambda lru: list(lru.keys()),
        lambda lru: list(lru.items()),
        lambda lru: list(lru.values()),
        lambda lru: "a" in lru.keys(),  # noqa: SIM118
        lambda lru: 1 in lru.values(),
        lambda lru: lru == {"a": 1, "b": 2, "c": 3},
        lambda lru: lru.ttl("a"),
        lambda lru: lru.expires_at("a"),
        lambda lru: lru.expire("a", 60),
        lambda lru: lru.add("a", 9),
        lambda lru: lru.swap("a", 9, 9),
        lambda lru: lru.stats(),
        lambda lru: list(lru.scan("")),
        lambda lru: lru.purge(),
        lambda lru: repr(lru),
    ],
)
def test_these_are_none(lru: Any, look: Any) -> None:
    look(lru)
    assert list(lru) == ["a", "b", "c"]
    assert_whole(lru)


def test_get_many_uses_in_the_order_asked(lru: Any) -> None:
    assert list(lru.get_many(["c", "x", "a"])) == ["c", "a"]
    assert list(lru) == ["b", "c", "a"]


def test_iteration_runs_over_a_snapshot(lru: Any) -> None:
    seen = []
    for key in lru:
        seen.append(key)
        lru[f"{key}{key}"] = lru.get("c")
    assert seen == ["a", "b", "c"]
    assert list(reversed(lru)) == list(lru)[::-1]


def test_what_is_removed_meanwhile_is_left_out_of_the_items(lru: Any) -> None:
    items = iter(lru.items())
    assert next(items) == ("a", 1)
    del lru["b"]
    assert list(items) == [("c", 3)]


def test_popitem_gives_the_next_victim(lru: Any) -> None:
    lru["a"]
    assert [lru.popitem(), lru.popitem(), lru.popitem()] == [("b", 2), ("c", 3), ("a", 1)]
    with pytest.raises(KeyError, match="empty"):
        lru.popitem()
    assert_whole(lru)


def test_a_memory_storage_keeps_the_order_of_insertion(memory: Implementation) -> None:
    storage = memory.MemoryStorage()
    storage.update({key: key for key in range(10)})
    storage[3] = "three"
    storage[0]
    assert list(storage) == list(range(10))
    assert storage.popitem() == (0, 0)
    storage[0] = "again"
    del storage[1]
    assert [storage.popitem() for _ in range(3)] == [(2, 2), (3, "three"), (4, 4)]
    assert list(storage) == [5, 6, 7, 8, 9, 0]
    assert_whole(storage)
    storage.clear()
    assert storage.currsize == 0
    assert storage.maxsize is None
    assert_whole(storage)


def test_popitem_of_a_large_memory_storage_is_no_longer_search(memory: Implementation) -> None:
    storage = memory.MemoryStorage()
    storage.update({key: key for key in range(50_000)})
    assert [storage.popitem()[0] for _ in range(50_000)] == list(range(50_000))


def test_the_first_key_object_stays(memory: Implementation) -> None:
    for storage in (memory.LRUStorage(5), memory.MemoryStorage()):
        storage[1] = "a"
        storage[1.0] = "b"
        storage[True] = "c"
        assert [type(key) for key in storage] == [int]
        assert storage[1.0] == "c"
        del storage[True]
        storage[True] = "d"
        assert [type(key) for key in storage] == [bool]


class TestLimit:
    def test_weights_count_instead_of_entries(self, memory: Implementation) -> None:
        lru = memory.LRUStorage(10, weigher=lambda key, value: len(value))
        lru.update(a="aaaa", b="bbbb", c="")
        assert (lru.currsize, len(lru)) == (8, 3)
        lru["d"] = "dddd"
        assert list(lru) == ["b", "c", "d"]
        lru["b"] = "bbbbbbbbb"
        assert (list(lru), lru.currsize) == (["b"], 9)
        assert_whole(lru)

    def test_weights_beyond_all_measure_are_refused(self, memory: Implementation) -> None:
        storage = memory.LRUStorage(None, weigher=lambda key, value: value)
        storage["a"] = 2**62
        for value in (2**64, 2**63, 2**62):
            with pytest.raises(CapacityError, match=r"could not store 'b' in .*less than 2\*\*63"):
                storage["b"] = value
        storage["b"] = 2**62 - 1
        with pytest.raises(CapacityError, match="'b'"):
            storage["b"] = 2**62
        assert (dict(storage), storage.currsize) == ({"a": 2**62, "b": 2**62 - 1}, 2**63 - 1)
        assert_whole(storage)

    def test_what_is_heavier_than_all_is_refused(self, memory: Implementation) -> None:
        lru = memory.LRUStorage(4, weigher=lambda key, value: value)
        lru.update(a=1, b=2)
        writes: tuple[Act, ...] = (
            lambda: lru.__setitem__("a", 5),
            lambda: lru.set("a", 5, ttl=1),
            lambda: lru.set_many({"c": 1, "a": 5}),
            lambda: lru.swap("a", 1, 5),
            lambda: lru.incr("a", 4),
            lambda: lru.add("x", 5),
            lambda: lru.setdefault("x", 5),
            lambda: lru.incr("x", 5),
        )
        for write in writes:
            with pytest.raises(CapacityError, match=r"LRUStorage\(4, weigher=.*5.*4") as caught:
                write()
            assert caught.value.key in ("a", "x")
            assert list(lru.items()) == [("a", 1), ("b", 2)]
        assert lru.add("a", 5) is False
        assert lru.setdefault("a", 5) == 1
        assert_whole(lru)

    @pytest.mark.parametrize("weight", [-1, 1.0, "1", None, True, float("nan")])
    def test_a_weigher_gives_whole_numbers(self, memory: Implementation, weight: Any) -> None:
        weights = [1, weight]
        lru = memory.LRUStorage(4, weigher=lambda key, value: weights[value])
        lru["a"] = 0
        with pytest.raises(ValueError, match="weigher"):
            lru["a"] = 1
        with pytest.raises(ValueError, match="weigher"):
            lru["b"] = 1
        assert list(lru.items()) == [("a", 0)]
        assert_whole(lru)

    def test_zero_refuses_each_write(self, memory: Implementation) -> None:
        for lru in (memory.LRUStorage(0), memory.LRUStorage(0, weigher=lambda key, value: 0)):
            with pytest.raises(CapacityError):
                lru["a"] = 1
            with pytest.raises(CapacityError):
                lru.add("a", 1)
            with pytest.raises(CapacityError):
                lru.incr("a")
            with pytest.raises(TypeError, match="unhashable"):
                lru[[]] = 1
            assert (lru.get("a"), len(lru), lru.maxsize) == (None, 0, 0)

    @pytest.mark.parametrize("maxsize", [None, float("inf")])
    def test_no_limit(self, memory: Implementation, maxsize: Any) -> None:
        lru = memory.LRUStorage(maxsize)
        lru.update({key: key for key in range(1_000)})
        lru[0]
        assert (len(lru), lru.maxsize, lru.popitem()[0]) == (1_000, None, 1)

    def test_resize_drops_what_is_over(self, memory: Implementation) -> None:
        calls = Calls()
        lru = memory.LRUStorage(4, on_evict=calls)
        lru.update(a=1, b=2, c=3, d=4)
        lru["a"]
        lru.resize(2)
        assert calls.taken() == [("b", 2, "evicted"), ("c", 3, "evicted")]
        assert (list(lru), lru.maxsize, lru.currsize) == (["d", "a"], 2, 2)
        lru.resize(None)
        lru.update(b=2, c=3, e=5)
        assert (len(lru), lru.maxsize) == (5, None)
        lru.resize(0)
        assert (len(lru), lru.stats().evictions) == (0, 7)
        assert_whole(lru)

    def test_resize_to_nothing_drops_what_weighs_nothing_too(self, memory: Implementation) -> None:
        lru = memory.LRUStorage(4, weigher=lambda key, value: 0)
        lru.update(a=1, b=2)
        lru.resize(0)
        assert list(lru) == []
        with pytest.raises(ValueError, match="maxsize"):
            lru.resize(-1)
        assert lru.maxsize == 0


def test_missing_is_honoured(memory: Implementation) -> None:
    class Squares(memory.LRUStorage):  # type: ignore[misc, name-defined]
        def __missing__(self, key: int) -> int:
            self[key] = value = key * key
            return value

    squares = Squares(2)
    assert [squares[key] for key in (2, 3, 2, 4)] == [4, 9, 4, 16]
    assert list(squares) == [2, 4]
    assert squares.get(9) is None
    assert 9 not in squares
    assert squares.pop(9, None) is None
    assert (squares.stats().hits, squares.stats().misses) == (1, 4)
    assert squares.maxsize == 2
    with pytest.raises(AttributeError):
        squares.maxsize = 3


def test_a_subclass_that_reads_in_its_own_way_is_never_gone_past(memory: Implementation) -> None:
    class Loud(memory.LRUStorage):  # type: ignore[misc, name-defined]
        def __getitem__(self, key: Any) -> Any:
            return super().__getitem__(key).upper()

    loud = Loud(5)
    loud.update(a="a", b="b")
    assert loud.get("a") == "A"
    assert loud.get_many(["a", "b"]) == {"a": "A", "b": "B"}
    assert list(loud.items()) == [("a", "A"), ("b", "B")]
    assert loud.pop("a") == "A"
    assert loud.popitem() == ("b", "B")
    assert loud.get("a", "none") == "none"
