"""VolatileStorage: how long entries live, and how they go."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pystorage import VolatileStorage
from pystorage.testing import FakeClock
from tests.wrappers.inners import Mapping, volatile

# -------------------------------------------------------------------- life and death


def test_an_entry_lives_for_the_expiration(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = "value"
    clock.advance(4.5)
    assert storage["key"] == "value"
    assert storage.ttl("key") == 0.5
    assert storage.expires_at("key") == clock() + 0.5
    clock.advance(0.5)
    with pytest.raises(KeyError) as caught:
        storage["key"]
    assert caught.value.args == ("key",)


#: What gives nothing of an entry that has expired, and removes it.
ACCESSES: dict[str, tuple[Callable[[VolatileStorage[str, Any]], Any], Any]] = {
    "get": (lambda storage: storage.get("key"), None),
    "in": (lambda storage: "key" in storage, False),
    "len": (len, 0),
    "list": (list, []),
    "bool": (bool, False),
    "keys": (lambda storage: set(storage.keys()), set()),
    "values": (lambda storage: list(storage.values()), []),
    "items": (lambda storage: list(storage.items()), []),
    "pop": (lambda storage: storage.pop("key", "absent"), "absent"),
    "get_many": (lambda storage: storage.get_many(["key"]), {}),
    "delete_many": (lambda storage: storage.delete_many(["key"]), 0),
    "scan": (lambda storage: list(storage.scan("")), []),
    "==": (lambda storage: storage == {}, True),
    "touch": (lambda storage: storage.touch("key", 5), False),
    "purge": (lambda storage: storage.purge(), 1),
}


@pytest.mark.parametrize("access", ACCESSES)
def test_any_access_removes_what_has_expired(access: str, foreign: Mapping, clock: FakeClock) -> None:
    storage = volatile(foreign, clock)
    storage["key"] = "value"
    clock.advance(5)
    assert "key" in foreign
    call, said = ACCESSES[access]
    assert call(storage) == said
    assert "key" not in foreign
    assert len(foreign) == 0


@pytest.mark.parametrize("access", ACCESSES)
def test_an_expired_entry_is_never_seen(access: str, inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = "value"
    clock.advance(5)
    call, said = ACCESSES[access]
    assert call(storage) == said


@pytest.mark.parametrize("method", ["__getitem__", "__delitem__", "pop", "ttl", "expires_at"])
def test_an_expired_key_is_a_key_error(method: str, inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = "value"
    clock.advance(5)
    with pytest.raises(KeyError) as caught:
        getattr(storage, method)("key")
    assert caught.value.args == ("key",)


def test_expired_and_alive_entries_side_by_side(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["old"] = 1
    clock.advance(3)
    storage["new"] = 2
    clock.advance(2)
    assert (list(storage), len(storage), dict(storage)) == (["new"], 1, {"new": 2})
    assert storage.purge() == 0
    clock.advance(3)
    assert storage.purge() == 1
    assert len(inner) == 0


def test_purge_counts_what_it_removes(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage.update({"a": 1, "b": 2, "c": 3})
    storage.set("d", 4, ttl=math.inf)
    clock.advance(5)
    assert storage.purge() == 3
    assert storage.purge() == 0
    assert dict(storage) == {"d": 4}


def test_a_write_begins_a_new_life(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = 1
    clock.advance(4)
    storage["key"] = 2
    clock.advance(4)
    assert storage["key"] == 2
    storage.update(key=3)
    assert storage.ttl("key") == 5


def test_none_is_a_value(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = None
    assert storage["key"] is None
    assert storage.get("key", "absent") is None
    clock.advance(5)
    assert storage.get("key", "absent") == "absent"


# -------------------------------------------------------------------- how long


def test_each_entry_may_have_a_life_of_its_own(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage.set("short", 1, ttl=2)
    storage.set("usual", 2, ttl=None)
    storage.set("long", 3, ttl=100)
    storage.set("for ever", 4, ttl=math.inf)
    assert [storage.ttl(key) for key in ("short", "usual", "long", "for ever")] == [2, 5, 100, None]
    clock.advance(5)
    assert dict(storage) == {"long": 3, "for ever": 4}
    clock.advance(10**9)
    assert dict(storage) == {"for ever": 4}


@pytest.mark.parametrize("expiration", [None, math.inf, 10**400])
def test_without_an_expiration_entries_live_for_ever(
    expiration: Any, inner: Mapping, clock: FakeClock
) -> None:
    storage = volatile(inner, clock, expiration=expiration)
    storage["key"] = 1
    storage.set("short", 2, ttl=1)
    clock.advance(10**9)
    assert dict(storage) == {"key": 1}
    assert storage.ttl("key") is None
    assert storage.expires_at("key") is None


def test_set_many_gives_all_the_same_life(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage.set_many({"a": 1, "b": 2})
    storage.set_many([("c", 3)], ttl=2)
    storage.set_many({"d": 4}, ttl=math.inf)
    assert [storage.ttl(key) for key in "abcd"] == [5, 5, 2, None]


def test_a_life_can_be_changed(inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = "value"
    storage.expire("key", 50)
    assert storage.ttl("key") == 50
    storage.expire("key", None)
    assert storage.ttl("key") is None
    assert storage.touch("key", 3) is True
    assert storage.ttl("key") == 3
    assert storage["key"] == "value"
    assert storage.touch("absent", 3) is False
    with pytest.raises(KeyError):
        storage.expire("absent", 3)


@pytest.mark.parametrize("ttl", [0, -1, math.nan, -math.inf, 0.0, -(10**400)])
def test_a_life_is_more_than_nothing(ttl: float, inner: Mapping, clock: FakeClock) -> None:
    storage = volatile(inner, clock)
    storage["key"] = "old"
    for call in (
        lambda: volatile(None, clock, expiration=ttl),
        lambda: storage.set("key", "new", ttl=ttl),
        lambda: storage.set_many({"key": "new"}, ttl=ttl),
        lambda: storage.set_many({}, ttl=ttl),
        lambda: storage.expire("key", ttl),
        lambda: storage.touch("key", ttl),
        lambda: storage.open_write("key", ttl=ttl),
    ):
        with pytest.raises(ValueError, match="more than 0"):
            call()
    assert storage["key"] == "old"


@pytest.mark.parametrize("ttl", ["5", b"5", [5], True, timedelta(seconds=5), 5j])
def test_a_life_is_a_number(ttl: Any, clock: FakeClock) -> None:
    storage = volatile({}, clock)
    for call in (
        lambda: VolatileStorage({}, ttl),
        lambda: storage.set("key", "value", ttl=ttl),
        lambda: storage.set_many({"key": "value"}, ttl=ttl),
    ):
        with pytest.raises(TypeError, match="a number of seconds or None"):
            call()
    assert len(storage) == 0


def test_an_error_names_the_argument() -> None:
    with pytest.raises(ValueError, match="expiration must be"):
        VolatileStorage({}, 0)
    with pytest.raises(ValueError, match="ttl must be"):
        VolatileStorage({}).set("key", 1, ttl=0)
