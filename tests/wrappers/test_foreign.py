"""Mappings that know no deadlines: what lies in them, and what somebody else puts there."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pystorage import VolatileStorage
from pystorage.testing import FakeClock
from pystorage.testing.parallel import in_threads
from pystorage.wrappers._timed import Entry, TimedMapping
from tests.wrappers.inners import Mapping, volatile


def test_what_somebody_else_put_there_never_expires(foreign: Mapping, clock: FakeClock) -> None:
    foreign["theirs"] = "value"
    storage = volatile(foreign, clock, sliding=True)
    clock.advance(10**9)
    assert storage["theirs"] == "value"
    assert (storage.ttl("theirs"), storage.expires_at("theirs")) == (None, None)
    assert (list(storage), len(storage), storage.purge()) == (["theirs"], 1, 0)
    assert foreign["theirs"] == "value"


def test_what_somebody_else_put_there_can_be_given_a_life(foreign: Mapping, clock: FakeClock) -> None:
    foreign["theirs"] = "value"
    storage = volatile(foreign, clock)
    storage.expire("theirs", 2)
    assert (storage["theirs"], storage.ttl("theirs")) == ("value", 2)
    clock.advance(2)
    assert storage.get("theirs") is None
    assert "theirs" not in foreign


def test_what_lives_for_ever_lies_there_bare(foreign: Mapping, clock: FakeClock) -> None:
    storage = volatile(foreign, clock, expiration=None)
    storage["key"] = "value"
    assert foreign["key"] == "value"
    storage.set("key", "value", ttl=3)
    assert isinstance(foreign["key"], Entry)
    storage.expire("key", None)
    assert foreign["key"] == "value"


@pytest.mark.parametrize("value", [(5.0, "value"), [5.0, "value"], {"deadline": 5.0}, None, 5.0])
def test_a_value_that_looks_like_an_entry_is_a_value(value: Any, foreign: Mapping, clock: FakeClock) -> None:
    foreign["theirs"] = value
    storage = volatile(foreign, clock)
    storage["ours"] = value
    storage.set("lasting", value, ttl=float("inf"))
    assert [storage[key] for key in ("theirs", "ours", "lasting")] == [value] * 3


def test_an_entry_can_be_a_value(clock: FakeClock) -> None:
    storage = volatile({}, clock)
    inside = Entry(0.0, "long gone")
    storage["key"] = inside
    storage.set("lasting", inside, ttl=float("inf"))
    assert storage["key"] == storage["lasting"] == inside
    assert storage.ttl("lasting") is None


def test_a_mapping_that_makes_values_up_is_not_asked_to(clock: FakeClock) -> None:
    import collections

    asked = collections.defaultdict(lambda: "made up")
    storage = volatile(asked, clock)
    with pytest.raises(KeyError):
        storage["absent"]
    assert storage.get("absent") is None
    assert "absent" not in storage
    assert asked == {}


def test_entries_are_equal_by_what_they_hold() -> None:
    entry = Entry(5.0, [1])
    assert entry == Entry(5.0, [1])
    assert entry != Entry(6.0, [1])
    assert entry != Entry(5.0, [2])
    assert entry != (5.0, [1])
    assert repr(entry) == "<Entry until 5.0>"
    with pytest.raises(TypeError):
        hash(entry)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_entries_can_be_pickled(protocol: int) -> None:
    for entry in (Entry(5.5, {"a": [1]}), Entry(None, None)):
        assert pickle.loads(pickle.dumps(entry, protocol)) == entry


def test_no_data_of_an_entry_is_public() -> None:
    import pystorage
    import pystorage.wrappers

    assert not any(
        "Entry" in name or "Timed" in name for name in (*dir(pystorage), *pystorage.wrappers.__all__)
    )


# -------------------------------------------------------------------- others at the same time


class Interleaved(dict[str, Any]):
    """A dict in which somebody else does something at a moment that the test chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.before_delete: list[Callable[[], object]] = []
        self.after_get: list[Callable[[], object]] = []

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key, default)
        if self.after_get:
            self.after_get.pop()()
        return found

    def __delitem__(self, key: str) -> None:
        if self.before_delete:
            self.before_delete.pop()()
        super().__delitem__(key)


@pytest.mark.parametrize(
    "look", [lambda storage: storage.get("key"), lambda storage: storage.purge() or None]
)
@pytest.mark.parametrize("ttl", [5, 100, float("inf"), None])
def test_what_is_written_while_it_expires_stays(look: Any, ttl: float | None, clock: FakeClock) -> None:
    mapping = Interleaved()
    storage = volatile(mapping, clock)
    storage["key"] = "old"
    clock.advance(5)
    # Right after the old entry was seen, and before it is removed, the new one comes.
    mapping.after_get.append(lambda: storage.set("key", "new", ttl=ttl))
    assert look(storage) is None
    assert storage["key"] == "new"
    assert storage.ttl("key") == (None if ttl == float("inf") else ttl or 5)


def test_the_same_value_written_anew_while_it_expires_stays(clock: FakeClock) -> None:
    mapping = Interleaved()
    storage = volatile(mapping, clock)
    storage["key"] = "value"
    clock.advance(5)
    mapping.after_get.append(
        lambda: storage.expire("key", 3) if "key" in storage else storage.set("key", "value")
    )
    storage.get("key")
    assert storage.get("key") == "value"


@pytest.mark.parametrize(
    "look",
    [
        lambda storage: storage.get("key"),
        lambda storage: "key" in storage or None,
        lambda storage: storage.pop("key", None),
        lambda storage: list(storage) or None,
        lambda storage: storage.purge() or None,
    ],
)
def test_what_somebody_else_removes_while_it_expires_is_gone(look: Any, clock: FakeClock) -> None:
    mapping = Interleaved()
    storage = volatile(mapping, clock)
    storage["key"] = "old"
    clock.advance(5)
    mapping.before_delete.append(lambda: mapping.pop("key"))
    assert look(storage) is None
    assert len(mapping) == 0


def test_a_writer_waits_for_the_removal_of_what_has_expired(clock: FakeClock) -> None:
    # A thread is in the middle of removing the old entry when another one writes: the write comes after it.
    mapping = Interleaved()
    storage = volatile(mapping, clock)
    storage["key"] = "old"
    clock.advance(5)
    removing, begun = threading.Event(), threading.Event()

    def write() -> None:
        removing.wait(30)
        begun.set()
        storage["key"] = "new"

    def wait_for_the_writer() -> None:
        removing.set()
        assert begun.wait(30)

    mapping.before_delete.append(wait_for_the_writer)
    in_threads(write, lambda: storage.get("key"))
    assert storage["key"] == "new"


def test_expiry_and_writes_of_many_threads_lose_nothing(clock: FakeClock) -> None:
    mapping: dict[str, Any] = {}
    storage = volatile(mapping, clock)
    keys = [f"key {number}" for number in range(50)]

    def write(writer: int) -> None:
        for key in keys:
            storage.set(f"{key} of {writer}", writer, ttl=100)
            storage.get(f"gone {key}")

    for key in keys:
        storage[f"gone {key}"] = 1
    clock.advance(5)
    in_threads(*[lambda writer=writer: write(writer) for writer in range(4)])
    assert dict(storage) == {f"{key} of {writer}": writer for key in keys for writer in range(4)}
    assert len(mapping) == 200


def test_iteration_is_over_a_snapshot(clock: FakeClock) -> None:
    class Changing(dict[str, Any]):
        """Its own iteration fails as soon as it changes."""

        def __iter__(self) -> Iterator[str]:
            size = len(self)
            for key in list(self.keys()):
                if len(self) != size:
                    raise RuntimeError("changed during iteration")
                yield key

    storage: VolatileStorage[str, Any] = volatile(Changing(), clock)
    storage.update({"a": 1, "b": 2, "c": 3})
    seen = []
    for key in storage:
        seen.append(key)
        storage[key * 2] = 0
        storage.pop("b", None)
    assert seen == ["a", "c"]


def test_only_a_mutable_mapping_can_be_timed(clock: FakeClock) -> None:
    with pytest.raises(TypeError, match="mutable mapping"):
        TimedMapping((), clock)  # type: ignore[arg-type]
