"""``on_evict``: for what it is called, when, and what it may do."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pystorage.testing import FakeClock
from tests.engine.whole import Calls, Implementation, assert_whole


def test_each_cause(memory: Implementation, clock: FakeClock) -> None:
    calls = Calls()
    lru = memory.LRUStorage(2, on_evict=calls, timer=clock)
    lru.update(a=1, b=2, c=3)
    assert calls.taken() == [("a", 1, "evicted")]
    lru["b"] = 4
    assert calls.taken() == [("b", 2, "replaced")]
    lru.swap("b", 4, 5)
    lru.incr("b")
    lru.set_many({"b": 7})
    assert calls.taken() == [("b", 4, "replaced"), ("b", 5, "replaced"), ("b", 6, "replaced")]
    del lru["b"]
    lru.pop("c")
    lru["d"] = 8
    lru.popitem()
    lru["e"] = 9
    lru.delete_many(["x", "e"])
    assert calls.taken() == [
        ("b", 7, "deleted"),
        ("c", 3, "deleted"),
        ("d", 8, "deleted"),
        ("e", 9, "deleted"),
    ]
    lru.set("f", 10, ttl=5)
    lru["g"] = 11
    clock.advance(5)
    lru.clear()
    assert calls.taken() == [("f", 10, "expired"), ("g", 11, "cleared")]
    stats = lru.stats()
    assert (stats.sets, stats.deletes, stats.evictions, stats.expirations) == (11, 5, 1, 1)


def test_the_same_object_again_is_no_replacement(memory: Implementation) -> None:
    calls = Calls()
    lru = memory.LRUStorage(2, on_evict=calls)
    value = object()
    lru["a"] = value
    lru["a"] = value
    assert lru.swap("a", value, value)
    assert calls.taken() == []


def test_one_write_may_drop_many(memory: Implementation) -> None:
    calls = Calls()
    lru = memory.LRUStorage(5, weigher=lambda key, value: value, on_evict=calls)
    lru.update(a=1, b=2, c=2)
    lru["d"] = 4
    assert calls.taken() == [("a", 1, "evicted"), ("b", 2, "evicted"), ("c", 2, "evicted")]
    lru["e"] = 1
    lru["e"] = 5
    assert calls.taken() == [("e", 1, "replaced"), ("d", 4, "evicted")]


def test_the_storage_is_whole_and_free_when_it_is_called(memory: Implementation) -> None:
    seen: list[tuple[Any, Any]] = []

    def on_evict(key: Any, value: Any, cause: str) -> None:
        assert_whole(lru)
        assert key not in lru
        # Another thread gets at it while the callback runs: no lock is held.
        thread = threading.Thread(target=lambda: seen.append((key, len(lru))))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    lru = memory.LRUStorage(2, on_evict=on_evict)
    lru.update(a=1, b=2)
    lru["c"] = 3
    lru.pop("b")
    assert seen == [("a", 2), ("b", 1)]


def test_its_error_comes_after_all_is_done(memory: Implementation) -> None:
    called = []

    def on_evict(key: Any, value: Any, cause: str) -> None:
        called.append(key)
        if value:
            raise LookupError(f"lost {key}")

    lru = memory.LRUStorage(4, weigher=lambda key, value: key, on_evict=on_evict)
    lru.update({1: False, 2: True})
    with pytest.raises(LookupError, match="lost 2"):
        lru[4] = True
    assert called == [1, 2]
    assert list(lru) == [4]
    with pytest.raises(LookupError, match="lost 4"):
        del lru[4]
    assert_whole(lru)
    assert len(lru) == 0
    lru[1] = True
    lru[2] = True
    with pytest.raises(ExceptionGroup) as caught:
        lru.clear()
    assert [str(error) for error in caught.value.exceptions] == ["lost 1", "lost 2"]
    assert len(lru) == 0
    assert_whole(lru)


def test_it_may_write_back(memory: Implementation) -> None:
    order = []

    def on_evict(key: Any, value: Any, cause: str) -> None:
        order.append((key, cause))
        if cause == "evicted" and key < 3:
            lru[key + 10] = value

    lru = memory.LRUStorage(2, on_evict=on_evict)
    for key in range(4):
        lru[key] = key
    assert order[:3] == [(0, "evicted"), (1, "evicted"), (2, "evicted")]
    assert {cause for _, cause in order} == {"evicted"}
    assert sorted(lru) == sorted({*range(4), 10, 11, 12} - {key for key, _ in order})
    assert_whole(lru)


@pytest.mark.parametrize("act", ["clear", "resize", "popitem", "purge"])
def test_it_may_change_everything(memory: Implementation, act: str) -> None:
    def on_evict(key: Any, value: Any, cause: str) -> None:
        if cause == "evicted":
            if act == "resize":
                lru.resize(1)
            elif act == "popitem":
                lru.pop(next(iter(lru), None), None)
            else:
                getattr(lru, act)()
        assert_whole(lru)

    lru = memory.LRUStorage(3, on_evict=on_evict)
    for key in range(20):
        lru[key] = key
        assert_whole(lru)
    lru["last"] = 1
    assert_whole(lru)
