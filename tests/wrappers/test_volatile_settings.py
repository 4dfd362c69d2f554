"""VolatileStorage: its settings, its clock, and what it is besides."""

from __future__ import annotations

import copy
import math
import pickle
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from pystorage import ABSENT, KEEP, Capability, LRUStorage, MemoryStorage, VolatileStorage
from pystorage.errors import StorageError, UnsupportedOperation
from pystorage.testing import FakeClock
from pystorage.wrappers._timed import Entry
from tests.wrappers.inners import ForeignStorage, Mapping, volatile

# -------------------------------------------------------------------- sliding


def test_a_read_slides_the_deadline(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock, sliding=True)
    storage["key"] = "value"
    for _ in range(3):
        clock.advance(4)
        assert storage["key"] == "value"
    clock.advance(4)
    assert storage.get("key") == "value"
    clock.advance(4)
    assert storage.get_many(["key", "absent"]) == {"key": "value"}
    clock.advance(4)
    assert storage.setdefault("key", "other") == "value"
    assert storage.ttl("key") == 5
    clock.advance(5)
    assert "key" not in storage


def test_without_sliding_a_read_leaves_the_deadline(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = "value"
    clock.advance(3)
    assert (storage["key"], storage.get("key"), storage.get_many(["key"])) == (
        "value",
        "value",
        {"key": "value"},
    )
    assert storage.ttl("key") == 2


@pytest.mark.parametrize(
    "look",
    [
        lambda storage: "key" in storage,
        list,
        len,
        bool,
        lambda storage: list(storage.keys()),
        lambda storage: list(storage.values()),
        lambda storage: dict(storage.items()),
        lambda storage: ("key", "value") in storage.items(),
        lambda storage: "value" in storage.values(),
        lambda storage: storage == {"key": "value"},
        lambda storage: storage.ttl("key"),
        lambda storage: list(storage.scan("k")),
        repr,
    ],
)
def test_looking_around_does_not_slide(look: Callable[[Any], Any], inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock, sliding=True)
    storage["key"] = "value"
    clock.advance(3)
    assert look(storage)
    assert storage.ttl("key") == 2


def test_sliding_never_shortens_a_life(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock, sliding=True)
    storage.set("long", 1, ttl=100)
    storage.set("for ever", 2, ttl=math.inf)
    storage.set("short", 3, ttl=1)
    assert [storage[key] for key in ("long", "for ever", "short")] == [1, 2, 3]
    assert [storage.ttl(key) for key in ("long", "for ever", "short")] == [100, None, 5]


def test_sliding_without_an_expiration_makes_immortal(clock: FakeClock) -> None:
    storage = volatile({}, clock, sliding=True, expiration=None)
    storage.set("key", 1, ttl=5)
    assert storage["key"] == 1
    assert storage.ttl("key") is None


def test_an_absent_key_slides_nothing(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock, sliding=True)
    with pytest.raises(KeyError):
        storage["absent"]
    assert storage.get_many(["absent"]) == {}
    assert len(storage) == 0


# -------------------------------------------------------------------- jitter


def test_jitter_shortens_lives_at_random(
    inner: Mapping, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = volatile(inner, clock, expiration=100, jitter=0.2)
    parts = iter([0.0, 0.5, 1.0, 0.25])
    monkeypatch.setattr(random, "random", lambda: next(parts))
    storage["a"] = 1
    storage.set_many({"b": 2, "c": 3})
    storage.set("d", 4, ttl=10)
    storage.set("e", 5, ttl=math.inf)
    assert [storage.ttl(key) for key in "abcde"] == pytest.approx([100, 90, 80, 9.5, None], abs=1e-6)


@pytest.mark.parametrize("jitter", [-0.1, 1, 1.5, math.nan, math.inf])
def test_jitter_is_a_part_of_a_life(jitter: float) -> None:
    with pytest.raises(ValueError, match="jitter must be at least 0 and less than 1"):
        VolatileStorage({}, 5, jitter=jitter)


# -------------------------------------------------------------------- the clock


def test_a_foreign_mapping_has_the_wall_clock() -> None:
    assert VolatileStorage({}).timer is time.time
    assert VolatileStorage(ForeignStorage()).timer is time.time


def test_a_storage_that_knows_deadlines_has_its_own_clock(clock: FakeClock) -> None:
    assert VolatileStorage(MemoryStorage(timer=clock)).timer is clock
    assert VolatileStorage(MemoryStorage()).timer is MemoryStorage().timer
    assert VolatileStorage(VolatileStorage({}, timer=clock)).timer is clock


def test_another_clock_than_its_own_is_refused(clock: FakeClock) -> None:
    for storage in (MemoryStorage(), LRUStorage(5), VolatileStorage({})):
        with pytest.raises(ValueError, match="a clock of its own"):
            VolatileStorage(storage, timer=clock)


def test_its_own_clock_may_be_said_again(clock: FakeClock) -> None:
    assert VolatileStorage(MemoryStorage(timer=clock), timer=clock).timer is clock
    # Each access to a bound method makes another object, which is equal.
    assert VolatileStorage(MemoryStorage(timer=clock.__call__), timer=clock.__call__).timer == clock.__call__


def test_without_a_storage_there_is_one_in_memory(clock: FakeClock) -> None:
    storage: VolatileStorage[str, int] = VolatileStorage(expiration=5, timer=clock)
    assert type(storage.inner) is MemoryStorage
    assert storage.timer is clock
    assert VolatileStorage().inner is not VolatileStorage().inner
    assert VolatileStorage().timer is MemoryStorage().timer


# -------------------------------------------------------------------- what it is


@pytest.mark.parametrize("thing", [5, "text", [1], (1,), {1}, object(), frozenset(), b"bytes", dict])
def test_only_a_mutable_mapping_can_be_inside(thing: Any) -> None:
    with pytest.raises(TypeError, match="mutable mapping"):
        VolatileStorage(thing)


def test_its_repr_shows_settings_and_no_contents(clock: FakeClock) -> None:
    storage = volatile({"secret": "secret"}, clock)
    storage["secret2"] = "secret"
    assert repr(storage) == "VolatileStorage(<dict>, expiration=5.0)"
    assert repr(VolatileStorage(MemoryStorage(), None)) == "VolatileStorage(MemoryStorage(), expiration=None)"
    inside = VolatileStorage[str, Any]()
    shown = repr(VolatileStorage(inside, 5, sliding=True, jitter=0.5))
    assert shown == f"VolatileStorage({inside!r}, expiration=5.0, sliding=True, jitter=0.5)"


def test_it_can_do_what_is_inside(clock: FakeClock) -> None:
    native = VolatileStorage(MemoryStorage(timer=clock))
    assert native.capabilities == MemoryStorage().capabilities
    assert VolatileStorage({}).capabilities == Capability.TTL
    with pytest.raises(UnsupportedOperation, match="ADD"):
        VolatileStorage({}).add("key", 1)


def test_what_is_atomic_inside_gets_the_expiration(clock: FakeClock) -> None:
    storage = VolatileStorage(MemoryStorage(timer=clock), 5)
    assert storage.add("a", 1) is True
    assert storage.add("a", 2) is False
    assert storage.swap("b", ABSENT, 1) is True
    assert storage.incr("c") == 1
    assert [storage.ttl(key) for key in "abc"] == [5, 5, 5]
    clock.advance(2)
    assert storage.swap("a", 1, 2) is True
    assert storage.swap("b", 1, 2, ttl=None) is True
    assert storage.incr("c", 2) == 3
    assert [storage.ttl(key) for key in "abc"] == [3, 5, 3]
    assert storage.swap("a", 2, 3, ttl=math.inf) is True
    assert storage.swap("b", 2, 3, ttl=KEEP) is True
    assert [storage.ttl(key) for key in "abc"] == [None, 5, 3]
    assert storage.add("d", 1, ttl=math.inf) is True
    assert storage.add("e", 1, ttl=1) is True
    assert [storage.ttl(key) for key in "de"] == [None, 1]


def test_it_forwards_its_end(clock: FakeClock) -> None:
    class Ending(ForeignStorage):
        ends: tuple[str, ...] = ()

        def flush(self) -> None:
            self.ends += ("flush",)

        def close(self) -> None:
            self.ends += ("close",)

    inner = Ending()
    with volatile(inner, clock) as storage:
        storage.flush()
    assert inner.ends == ("flush", "close")
    with volatile({}, clock) as storage:
        storage.flush()
        storage["key"] = 1
    assert storage["key"] == 1


# -------------------------------------------------------------------- nesting


def test_it_nests(clock: FakeClock) -> None:
    inside = volatile({}, clock, expiration=10)
    storage = VolatileStorage(inside, expiration=5)
    storage["key"] = "value"
    inside["other"] = "value"
    assert (storage.ttl("key"), inside.ttl("key"), storage.ttl("other")) == (5, 5, 10)
    clock.advance(5)
    assert (list(storage), list(inside)) == (["other"], ["other"])


def test_for_ever_outside_is_for_ever_inside(clock: FakeClock) -> None:
    limited: LRUStorage[str, int] = LRUStorage(5, ttl=3, timer=clock)
    for inside in (volatile({}, clock, expiration=3), limited):
        storage = VolatileStorage(inside, expiration=5)
        storage.set("key", 1, ttl=math.inf)
        assert storage.ttl("key") is None
        lasting = VolatileStorage(inside, expiration=None)
        lasting["other"] = 2
        assert lasting.ttl("other") is None


def test_two_around_one_mapping_see_each_others_deadlines(clock: FakeClock) -> None:
    mapping: dict[str, Any] = {}
    one, other = volatile(mapping, clock, expiration=5), volatile(mapping, clock, expiration=10)
    one["key"], other["other"] = 1, 2
    clock.advance(5)
    assert (dict(one), dict(other)) == ({"other": 2}, {"other": 2})


# -------------------------------------------------------------------- pickling


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("inside", [lambda _: {}, lambda clock: MemoryStorage(timer=clock)])
def test_it_can_be_pickled(copied: Any, inside: Any, clock: FakeClock) -> None:
    storage = volatile(inside(clock), clock, sliding=True, jitter=0.25)
    storage.set("key", "value", ttl=100)
    again = copied(storage)
    assert repr(again) == repr(storage)
    assert again.ttl("key") == pytest.approx(storage.ttl("key"))
    again.timer.advance(100)
    assert ("key" in again, "key" in storage) == (False, True)


def test_what_was_pickled_by_hand_expires(clock: FakeClock) -> None:
    mapping: dict[str, Any] = {}
    volatile(mapping, clock)["key"] = "value"
    again = volatile(pickle.loads(pickle.dumps(mapping)), clock)
    assert again["key"] == "value"
    clock.advance(5)
    assert len(again) == 0


def test_no_error_of_ours_hides_in_a_key_error(clock: FakeClock) -> None:
    with pytest.raises(KeyError) as caught:
        volatile({}, clock)["absent"]
    assert not isinstance(caught.value, StorageError)
    assert type(caught.value) is KeyError


def test_the_private_entry_does_not_leak(foreign: Mapping, clock: FakeClock) -> None:
    storage = volatile(foreign, clock)
    storage["key"] = "value"
    assert isinstance(foreign["key"], Entry)
    seen = [
        storage["key"],
        storage.get("key"),
        *storage.values(),
        *dict(storage.items()).values(),
        storage.pop("key"),
    ]
    assert seen == ["value"] * 5
