"""Pickles and copies: contents with the time that is left, and settings."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from typing import Any

import pytest

from pystorage.stores.memory import LRUStorage
from pystorage.testing import FakeClock
from tests.engine.whole import KINDS, Implementation, assert_whole


def length(key: Any, value: Any) -> int:
    return len(value)


class Noted(LRUStorage[Any, Any]):
    """A storage with attributes and a constructor of its own."""

    def __init__(self, note: str) -> None:
        super().__init__(5, weigher=length)
        self.note = note


def pickled(storage: Any) -> Any:
    return pickle.loads(pickle.dumps(storage))


def pickled_the_old_way(storage: Any) -> Any:
    return pickle.loads(pickle.dumps(storage, protocol=0))


COPIES = pytest.mark.parametrize("copied", [pickled, pickled_the_old_way, copy.copy, copy.deepcopy])


@COPIES
def test_contents_order_and_settings_come_along(memory: Implementation, copied: Any) -> None:
    lru = memory.LRUStorage(3, ttl=60, weigher=length)
    lru.update(a="1", b="2")
    lru["a"]
    lru.set("c", "3", ttl=1e9)
    other = copied(lru)
    assert type(other) is memory.LRUStorage
    assert repr(other) == repr(lru)
    assert list(other.items()) == [("b", "2"), ("a", "1"), ("c", "3")]
    assert 59 < other.ttl("a") <= 60
    assert 1e9 - 1 < other.ttl("c") <= 1e9
    assert other.stats() == type(other.stats())(0, 0, 0, 0, 0, 0, size=3)
    other["d"] = "4"
    assert (list(other), list(lru)) == (["a", "c", "d"], ["b", "a", "c"])
    assert other.currsize == 3
    assert_whole(other)
    assert_whole(lru)


@COPIES
def test_a_memory_storage_too(memory: Implementation, copied: Any) -> None:
    storage = memory.MemoryStorage()
    storage.update({key: [key] for key in range(10)})
    storage[0]
    other = copied(storage)
    assert (type(other), dict(other)) == (memory.MemoryStorage, dict(storage))
    assert (other[3] is storage[3]) is (copied is copy.copy)
    other.clear()
    assert (len(storage), len(other)) == (10, 0)


def test_time_goes_on_from_where_it_was(memory: Implementation, clock: FakeClock) -> None:
    lru = memory.LRUStorage(3, timer=clock)
    lru.set("a", 1, ttl=10)
    lru.set("b", 1, ttl=1)
    clock.advance(4)
    other = copy.copy(lru)
    assert list(other) == ["a"]
    assert other.ttl("a") == 6
    clock.advance(6)
    assert (len(lru), len(other)) == (0, 0)


@COPIES
def test_a_subclass_keeps_its_attributes(copied: Any) -> None:
    noted = Noted("note")
    noted["a"] = "1"
    other = copied(noted)
    assert (type(other), other.note, dict(other), other.maxsize) == (Noted, "note", {"a": "1"}, 5)


@COPIES
def test_a_storage_may_hold_itself(memory: Implementation, copied: Any) -> None:
    storage = memory.MemoryStorage()
    storage["self"] = storage
    other = copied(storage)
    assert other["self"] is (storage if copied is copy.copy else other)


def test_what_cannot_be_pickled_says_so(memory: Implementation) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(memory.LRUStorage(3, on_evict=lambda key, value, cause: None))
    storage = memory.MemoryStorage()
    storage["lock"] = threading.Lock()
    with pytest.raises(TypeError):
        pickle.dumps(storage)


def test_locks_stay_where_they_are(memory: Implementation) -> None:
    storage = memory.MemoryStorage()
    with storage.lock("a", 60):
        with pickled(storage).lock("a", 60, timeout=0):
            pass
        with copy.copy(storage).lock("a", 60, timeout=0):
            pass


class Node:
    """Something that can be part of a cycle."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts


@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_cycles_through_keys_and_values_are_collected(memory: Implementation, kind: str, ttl: Any) -> None:
    storage = memory.made(kind, 3)
    for key, value in ((Node(storage), 1), ("tame", Node(storage)), (("t", Node(storage)), Node(storage))):
        storage.set(key, value, ttl=ttl)
    alive = weakref.ref(storage)
    values = [weakref.ref(value) for value in storage.values() if isinstance(value, Node)]
    del storage, key, value
    gc.collect()
    assert alive() is None
    assert [value() for value in values] == [None, None]


@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_without_cycles_all_is_freed_at_once(memory: Implementation, kind: str, ttl: Any) -> None:
    gc.disable()
    try:
        storage = memory.made(kind, 2)
        nodes = [Node() for _ in range(5)]
        for node in nodes:
            storage.set(node, node, ttl=ttl)
        storage.set(nodes[3], None, ttl=ttl)
        for node in (*nodes[:3], nodes[4]):
            storage.pop(node, None)
        refs = [weakref.ref(node) for node in nodes]
        del nodes, node
        assert [ref() is None for ref in refs] == [True, True, True, False, True]
        storage.popitem()
        assert refs[3]() is None
        storage.set("a", node := Node(), ttl=ttl)
        ref = weakref.ref(node)
        del node, storage
        assert ref() is None
    finally:
        gc.enable()
