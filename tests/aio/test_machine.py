"""Sync and async faces over one storage, mixed at random, agree with a dict that knows deadlines."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pystorage import (
    DiskLRUStorage,
    FileStorage,
    LMDBStorage,
    LRUStorage,
    MemoryStorage,
    SQLiteStorage,
    Storage,
    aio,
)
from pystorage.storage import ABSENT, Capability
from pystorage.testing import FakeClock
from pystorage.testing.blocking import BlockingStorage

keys = st.sampled_from(["a", "b", "c/d", 1, ("x", 2), None, "long" * 100])
numbers = st.integers(-5, 5)
lives = st.none() | st.integers(1, 5)
# Which of the two is used.
either = st.sampled_from([0, 1])

STORAGES: dict[str, Callable[[str, FakeClock], Storage[Any, Any]]] = {
    "memory": lambda place, clock: MemoryStorage(timer=clock),
    "lru": lambda place, clock: LRUStorage(1000, timer=clock),
    "files": lambda place, clock: FileStorage(place, timer=clock),
    "bounded": lambda place, clock: DiskLRUStorage(place, limit=1000, codec="json", timer=clock),
    "sqlite": lambda place, clock: SQLiteStorage(f"{place}/x.db", timer=clock),
    "lmdb": lambda place, clock: LMDBStorage(place, timer=clock),
    "tree": lambda place, clock: FileStorage(place, layout="tree", timer=clock),
}


def machine(make: Callable[[str, FakeClock], Storage[Any, Any]], portal: Any) -> type[RuleBasedStateMachine]:
    class BothFaces(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.place = TemporaryDirectory()
            self.clock = FakeClock()
            storage = make(self.place.name, self.clock)
            self.faces = (storage, BlockingStorage(portal, aio.wrap(storage)))
            self.model: dict[Any, tuple[int, float | None]] = {}

        def teardown(self) -> None:
            self.faces[1].close()  # and the storage behind it
            self.place.cleanup()

        def alive(self) -> dict[Any, int]:
            now = self.clock()
            return {key: value for key, (value, end) in self.model.items() if end is None or now < end}

        def deadline(self, ttl: int | None) -> float | None:
            return None if ttl is None else self.clock() + ttl

        @rule(face=either, key=keys, value=numbers, ttl=lives)
        def set(self, face: int, key: Any, value: int, ttl: int | None) -> None:
            self.faces[face].set(key, value, ttl=ttl)
            self.model[key] = (value, self.deadline(ttl))

        @rule(face=either, items=st.dictionaries(keys, numbers), ttl=lives)
        def set_many(self, face: int, items: dict[Any, int], ttl: int | None) -> None:
            self.faces[face].set_many(items, ttl=ttl)
            for key, value in items.items():
                self.model[key] = (value, self.deadline(ttl))

        @rule(face=either, key=keys)
        def delete(self, face: int, key: Any) -> None:
            assert self.faces[face].pop(key, None) == self.alive().get(key)
            self.model.pop(key, None)

        @rule(face=either, some=st.sets(keys))
        def delete_many(self, face: int, some: set[Any]) -> None:
            assert self.faces[face].delete_many(some) == len(some & set(self.alive()))
            for key in some:
                self.model.pop(key, None)

        @rule(face=either, key=keys, value=numbers, ttl=lives)
        def add(self, face: int, key: Any, value: int, ttl: int | None) -> None:
            there = key in self.alive()
            assert self.faces[face].add(key, value, ttl=ttl) is not there
            if not there:
                self.model[key] = (value, self.deadline(ttl))

        @rule(face=either, key=keys, old=numbers, new=numbers)
        def swap(self, face: int, key: Any, old: int, new: int) -> None:
            same = self.alive().get(key, ABSENT) == old
            assert self.faces[face].swap(key, old, new) is same
            if same:
                self.model[key] = (new, self.model[key][1])

        @rule(face=either, key=keys, by=numbers)
        def incr(self, face: int, key: Any, by: int) -> None:
            total = self.alive().get(key, 0) + by
            assert self.faces[face].incr(key, by) == total
            end = self.model[key][1] if key in self.alive() else None
            self.model[key] = (total, end)

        @rule(face=either, key=keys, ttl=lives)
        def touch(self, face: int, key: Any, ttl: int | None) -> None:
            there = key in self.alive()
            assert self.faces[face].touch(key, ttl) is there
            if there:
                self.model[key] = (self.model[key][0], self.deadline(ttl))

        @rule(seconds=st.integers(1, 4))
        def time_passes(self, seconds: int) -> None:
            self.clock.advance(seconds)

        @rule(face=either)
        def clear(self, face: int) -> None:
            self.faces[face].clear()
            self.model.clear()

        @rule(face=either)
        def purge(self, face: int) -> None:
            self.faces[face].purge()

        @rule(face=either, key=keys)
        def lock(self, face: int, key: Any) -> None:
            if Capability.LOCK in self.faces[0].capabilities:
                other = self.faces[1 - face].lock(key, 100, timeout=0)
                with self.faces[face].lock(key, 100), pytest.raises(TimeoutError), other:
                    pytest.fail("two hold one lock")

        @invariant()
        def both_agree_with_the_model(self) -> None:
            alive = self.alive()
            for face in self.faces:
                assert dict(face.items()) == alive
                assert len(face) == len(alive)
                assert face.get_many(alive) == alive
                for key in alive:
                    assert face.expires_at(key) == pytest.approx(self.model[key][1])

    return BothFaces


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", STORAGES)
def test_both_faces_see_the_same_data_keys_and_deadlines(name: str, backend: str) -> None:
    with start_blocking_portal(backend) as portal:
        run_state_machine_as_test(
            machine(STORAGES[name], portal), settings=settings(max_examples=15, stateful_step_count=20)
        )
