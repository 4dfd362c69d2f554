"""Time to live: of a storage, of an entry, and what happens when it ends."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import pytest

from pystorage import ABSENT, KEEP
from pystorage.testing import FakeClock
from tests.engine.whole import Act, Calls, Implementation, assert_whole


@pytest.fixture
def lru(memory: Implementation, clock: FakeClock) -> Any:
    return memory.LRUStorage(10, ttl=5, timer=clock)


def test_the_ttl_of_the_storage_is_that_of_each_entry(lru: Any, clock: FakeClock) -> None:
    start = clock()
    lru["item"] = 1
    lru.set("set", 1)
    lru.set_many({"many": 1})
    lru.add("add", 1)
    lru.incr("incr")
    lru.setdefault("default", 1)
    lru.swap("swap", ABSENT, 1)
    assert {lru.ttl(key) for key in lru} == {5.0}
    assert {lru.expires_at(key) for key in lru} == {start + 5}
    clock.advance(4.9)
    assert len(lru) == 7
    clock.advance(0.1)
    assert (len(lru), list(lru), lru.stats().expirations) == (0, [], 7)


def test_an_entry_may_live_longer_or_shorter_or_for_ever(lru: Any, clock: FakeClock) -> None:
    lru.set("short", 1, ttl=1)
    lru.set("long", 1, ttl=100)
    lru.set("ever", 1, ttl=math.inf)
    lru["usual"] = 1
    assert lru.ttl("ever") is None
    assert lru.expires_at("ever") is None
    clock.advance(1)
    assert list(lru) == ["long", "ever", "usual"]
    clock.advance(4)
    assert list(lru) == ["long", "ever"]
    clock.advance(1e9)
    assert list(lru) == ["ever"]
    assert_whole(lru)


@pytest.mark.parametrize(
    "access",
    [
        lambda storage: storage.get("a"),
        lambda storage: "a" in storage,
        lambda storage: storage.peek("a"),
        lambda storage: storage.pop("a", None),
        lambda storage: storage.get_many(["a"]),
        lambda storage: storage.delete_many(["a"]),
        lambda storage: storage.touch("a", 9),
        lambda storage: storage.swap("a", 1, 2),
        len,
        list,
        bool,
        lambda storage: list(reversed(storage)),
        lambda storage: list(storage.items()),
        lambda storage: storage.currsize,
        lambda storage: storage.purge(),
        lambda storage: storage.clear(),
        lambda storage: storage.stats(),
        lambda storage: storage.resize(1),
        lambda storage: storage.__getstate__(),
    ],
)
def test_any_access_that_meets_it_removes_it(memory: Implementation, clock: FakeClock, access: Any) -> None:
    calls = Calls()
    lru = memory.LRUStorage(1, on_evict=calls, timer=clock)
    lru.set("a", 1, ttl=5)
    clock.advance(5)
    assert not isinstance(access(lru), str)
    assert calls.taken() == [("a", 1, "expired")]
    assert lru.stats().expirations == 1
    assert lru.stats().deletes == lru.stats().evictions == lru.stats().hits == 0
    assert_whole(lru)


@pytest.mark.parametrize(
    "access",
    [
        lambda storage: storage["a"],
        lambda storage: storage.__delitem__("a"),
        lambda storage: storage.pop("a"),
        lambda storage: storage.ttl("a"),
        lambda storage: storage.expires_at("a"),
        lambda storage: storage.expire("a", 5),
        lambda storage: storage.popitem(),
    ],
)
def test_it_is_absent(memory: Implementation, clock: FakeClock, access: Any) -> None:
    for storage in (memory.LRUStorage(1, timer=clock), memory.MemoryStorage(timer=clock)):
        storage.set("a", 1, ttl=5)
        clock.advance(5)
        with pytest.raises(KeyError):
            access(storage)
        assert storage.stats().expirations == 1
        assert_whole(storage)


def test_a_write_comes_after_the_end_of_the_old_entry(memory: Implementation, clock: FakeClock) -> None:
    calls = Calls()
    lru = memory.LRUStorage(3, on_evict=calls, timer=clock)
    lru.set(1, "old", ttl=5)
    clock.advance(5)
    assert lru.add(True, "new") is True
    assert calls.taken() == [(1, "old", "expired")]
    assert list(lru.items()) == [(True, "new")]
    assert [type(key) for key in lru] == [bool]
    lru.set("n", 7, ttl=5)
    clock.advance(5)
    assert lru.incr("n") == 1
    assert lru.ttl("n") is None


def test_what_has_expired_makes_room_before_what_is_alive(memory: Implementation, clock: FakeClock) -> None:
    calls = Calls()
    lru = memory.LRUStorage(2, on_evict=calls, timer=clock)
    lru["old"] = 1
    lru.set("short", 2, ttl=5)
    clock.advance(5)
    lru["new"] = 3
    assert calls.taken() == [("short", 2, "expired")]
    assert list(lru) == ["old", "new"]


def test_which_writes_keep_the_deadline(lru: Any, clock: FakeClock) -> None:
    lru.set("n", 1, ttl=50)
    clock.advance(10)
    assert lru.incr("n", 2, ttl=7) == 3
    assert lru.ttl("n") == 40
    assert lru.swap("n", 3, 4)
    assert lru.ttl("n") == 40
    assert lru.swap("n", 4, 5, ttl=KEEP)
    assert lru.ttl("n") == 40
    assert lru.swap("n", 5, 6, ttl=60)
    assert lru.ttl("n") == 60
    assert lru.swap("n", 6, 7, ttl=None)
    assert lru.ttl("n") == 5
    assert lru.swap("n", 7, 8, ttl=math.inf)
    assert lru.ttl("n") is None
    lru["n"] = 9
    assert lru.ttl("n") == 5
    assert lru.incr("new", 2, ttl=7) == 2
    assert lru.ttl("new") == 7
    assert_whole(lru)


def test_expire_and_touch(lru: Any, clock: FakeClock) -> None:
    lru.update(a=1, b=2)
    lru.expire("a", 60)
    assert list(lru) == ["a", "b"]
    assert lru.touch("a", 70) is True
    assert list(lru) == ["b", "a"]
    assert lru.touch("x", 70) is False
    with pytest.raises(KeyError):
        lru.expire("x", 70)
    lru.expire("b", None)
    assert (lru.ttl("a"), lru.ttl("b")) == (70, None)
    clock.advance(70)
    assert list(lru) == ["b"]
    assert_whole(lru)


def test_purge_says_how_many(lru: Any, clock: FakeClock) -> None:
    lru.update({key: key for key in range(4)})
    lru.set("x", 1, ttl=50)
    assert lru.purge() == 0
    clock.advance(5)
    assert lru.purge() == 4
    assert lru.purge() == 0
    assert len(lru) == 1


@pytest.mark.parametrize("ttl", [0, -1, -math.inf, math.nan])
def test_a_ttl_is_more_than_nothing(memory: Implementation, ttl: Any) -> None:
    refuse(memory, ttl, ValueError)


@pytest.mark.parametrize("ttl", ["5", True, b"", [1]])
def test_a_ttl_is_a_number(memory: Implementation, ttl: Any) -> None:
    refuse(memory, ttl, TypeError)


def refuse(memory: Implementation, ttl: Any, error: Any) -> None:
    with pytest.raises(error, match="ttl"):
        memory.LRUStorage(5, ttl=ttl)
    lru = memory.LRUStorage(5)
    lru["a"] = 1
    writes: tuple[Act, ...] = (
        lambda: lru.set("a", 2, ttl=ttl),
        lambda: lru.set_many({"a": 2}, ttl=ttl),
        lambda: lru.add("b", 2, ttl=ttl),
        lambda: lru.swap("a", 1, 2, ttl=ttl),
        lambda: lru.incr("a", ttl=ttl),
        lambda: lru.expire("a", ttl),
        lambda: lru.touch("a", ttl),
        lambda: lru.open_write("b", ttl=ttl),
        lambda: lru.lock("a", ttl),
    )
    for write in writes:
        with pytest.raises(error, match="ttl"):
            write()
    assert list(lru.items()) == [("a", 1)]


def test_a_clock_is_asked_only_where_something_may_expire(memory: Implementation) -> None:
    asked = []

    def timer() -> float:
        asked.append(1)
        return 0.0

    lru = memory.LRUStorage(2, timer=timer)
    lru.update(a=1, b=2, c=3)
    assert (lru["b"], lru.get("x"), "c" in lru, len(lru), list(lru)) == (2, None, True, 2, ["c", "b"])
    assert asked == []
    lru.set("d", 4, ttl=5)
    assert asked


def test_a_clock_that_fails_changes_nothing(memory: Implementation, clock: FakeClock) -> None:
    works = True

    def timer() -> float:
        if not works:
            raise KeyError("the clock stopped")
        return clock()

    lru = memory.LRUStorage(2, ttl=5, timer=timer)
    lru.update(a=1, b=2)
    works = False
    for access in (
        lambda: lru["a"],
        lambda: lru.get("a"),
        lambda: lru.pop("a", None),
        lambda: lru.__setitem__("c", 3),
        lambda: len(lru),
        lambda: lru.clear(),
    ):
        with pytest.raises(KeyError, match="the clock stopped"):
            access()
    works = True
    assert list(lru.items()) == [("a", 1), ("b", 2)]
    assert_whole(lru)


@pytest.mark.parametrize("access", [lambda lru: lru["a"], lambda lru: lru.get("a"), lambda lru: lru.pop("a")])
@pytest.mark.parametrize(
    "act",
    [lambda lru: lru.pop("a", None), lambda lru: lru.clear(), lambda lru: lru.update(b=1, c=2)],
)
def test_a_clock_that_comes_back(
    memory: Implementation, clock: FakeClock, access: Any, act: Callable[[Any], object]
) -> None:
    acts: list[Callable[[Any], object]] = []

    def timer() -> float:
        if acts:
            acts.pop()(lru)
        return clock()

    lru = memory.LRUStorage(2, ttl=5, timer=timer)
    lru["a"] = 1
    acts.append(act)
    with contextlib.suppress(KeyError):
        assert access(lru) is None
    assert acts == []
    assert_whole(lru)


def test_overwriting_leaves_bounded_garbage(memory: Implementation, clock: FakeClock) -> None:
    lru = memory.LRUStorage(5, timer=clock)
    for number in range(10_000):
        lru.set(number % 7, number, ttl=1_000)
        lru.touch(number % 7, 2_000)
    assert_whole(lru)
    lru.clear()
    assert_whole(lru)


def test_living_for_ever_again_leaves_bounded_garbage(memory: Implementation, clock: FakeClock) -> None:
    storage = memory.made("LRUStorage", None, timer=clock)
    for number in range(500):
        storage.set(number, number, ttl=1 + number)
    for number in reversed(range(500)):  # as what is due next goes by itself
        storage[number] = number
        assert_whole(storage)
