"""A machine that does random things to a storage and to a dict, and compares."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final
from unittest import TestCase

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pystorage.storage import ABSENT, Capability, Storage
from pystorage.testing.clock import FakeClock
from pystorage.testing.samples import JSON_VALUES

Make = Callable[[Path, FakeClock], Storage[Any, Any]]

_MISSING: Final = object()

# Few, so that they meet again; odd ones, for which stores have other ways.
_KEYS: Final[tuple[Hashable, ...]] = (
    *("a", "b", "A", "", "a/b", "a/c", "%i1", "1", "x" * 300, "long" * 200),
    *(1, 1.5, None, b"a", ("a", 1)),
)

_VALUES: Final = tuple([value for value in JSON_VALUES if len(repr(value)) < 100])

_keys = st.runner().flatmap(lambda machine: st.sampled_from(machine.keys))
_values = st.runner().flatmap(lambda machine: st.sampled_from(machine.values))
_entries = st.dictionaries(_keys, _values, max_size=4)
_ttls = st.sampled_from([0.5, 1.0, 2.0, 10.0])
_maybe_ttls = st.none() | _ttls


def _can(capability: Capability) -> Callable[[Any], bool]:
    return lambda machine: capability in machine.storage.capabilities


class StorageMachine(RuleBasedStateMachine):
    """A storage and the dict that it should agree with.

    Raises:
        Nothing.
    """

    make: ClassVar[Make]
    keys: ClassVar[Sequence[Hashable]]
    values: ClassVar[Sequence[Any]]
    default_ttl: ClassVar[float | None]
    lists_expired: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.storage = type(self).make(self.place, self.clock)
        self.model: dict[Hashable, Any] = {}
        self.deadlines: dict[Hashable, float] = {}

    def teardown(self) -> None:
        """Close the storage and remove its folder.

        Raises:
            Nothing.
        """
        self.storage.close()
        shutil.rmtree(self.place)

    # ------------------------------------------------------------------ the model

    def _written(self, key: Hashable, value: Any, ttl: float | None = None) -> None:
        self.model[key] = value
        self._lives(key, self.default_ttl if ttl is None else ttl)

    def _lives(self, key: Hashable, ttl: float | None) -> None:
        self.deadlines.pop(key, None)
        if ttl is not None:
            self.deadlines[key] = self.clock() + ttl

    def _removed(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            self.model.pop(key, None)
            self.deadlines.pop(key, None)

    # ------------------------------------------------------------------ writing

    @rule(key=_keys, value=_values)
    def set_item(self, key: Hashable, value: Any) -> None:
        """Write by ``[]``."""
        self.storage[key] = value
        self._written(key, value)

    @rule(entries=_entries)
    def update(self, entries: dict[Hashable, Any]) -> None:
        """``update``."""
        self.storage.update(entries)
        for key, value in entries.items():
            self._written(key, value)

    @rule(key=_keys, value=_values)
    def setdefault(self, key: Hashable, value: Any) -> None:
        """``setdefault``."""
        expected = self.model.get(key, value)
        if key not in self.model:
            self._written(key, value)
        assert self.storage.setdefault(key, value) == expected

    # ------------------------------------------------------------------ removing

    @rule(key=_keys)
    def delete(self, key: Hashable) -> None:
        """``del storage[key]``."""
        try:
            del self.storage[key]
        except KeyError:
            assert key not in self.model
        else:
            assert key in self.model
        self._removed([key])

    @rule(key=_keys)
    def pop(self, key: Hashable) -> None:
        """``pop``."""
        assert self.storage.pop(key, _MISSING) == self.model.get(key, _MISSING)
        self._removed([key])

    @rule()
    def popitem(self) -> None:
        """``popitem``."""
        try:
            key, value = self.storage.popitem()
        except KeyError:
            assert not self.model
        else:
            assert self.model[key] == value
            self._removed([key])

    @rule(keys=st.lists(_keys, max_size=4))
    def delete_many(self, keys: list[Hashable]) -> None:
        """``delete_many``."""
        assert self.storage.delete_many(keys) == len(set(keys) & self.model.keys())
        self._removed(keys)

    @rule()
    def clear(self) -> None:
        """``clear``."""
        self.storage.clear()
        self._removed(list(self.model))

    # ------------------------------------------------------------------ reading

    @rule(key=_keys)
    def get(self, key: Hashable) -> None:
        """``get``, ``[]`` and ``in``."""
        assert self.storage.get(key, _MISSING) == self.model.get(key, _MISSING)
        assert (key in self.storage) is (key in self.model)

    @rule(keys=st.lists(_keys, max_size=4))
    def get_many(self, keys: list[Hashable]) -> None:
        """``get_many``."""
        assert self.storage.get_many(keys) == {key: self.model[key] for key in keys if key in self.model}

    @rule(prefix=st.sampled_from(["", "a", "a/", "x", "long", "%", "1"]))
    def scan(self, prefix: str) -> None:
        """``scan``."""
        texts = [key for key in self.model if isinstance(key, str)]
        assert set(self.storage.scan(prefix)) == {key for key in texts if key.startswith(prefix)}

    @precondition(_can(Capability.PERSISTENT))
    @rule()
    def reopen(self) -> None:
        """Close it and make it again."""
        self.storage.close()
        self.storage = type(self).make(self.place, self.clock)

    # ------------------------------------------------------------------ life

    @precondition(_can(Capability.TTL))
    @rule(key=_keys, value=_values, ttl=_maybe_ttls)
    def set(self, key: Hashable, value: Any, ttl: float | None) -> None:
        """``set`` with a ttl."""
        self.storage.set(key, value, ttl=ttl)
        self._written(key, value, ttl)

    @precondition(_can(Capability.TTL))
    @rule(entries=_entries, ttl=_maybe_ttls)
    def set_many(self, entries: dict[Hashable, Any], ttl: float | None) -> None:
        """``set_many`` with a ttl."""
        self.storage.set_many(entries, ttl=ttl)
        for key, value in entries.items():
            self._written(key, value, ttl)

    @precondition(_can(Capability.TTL))
    @rule(key=_keys, ttl=_ttls)
    def touch(self, key: Hashable, ttl: float) -> None:
        """``touch`` and ``expire``."""
        assert self.storage.touch(key, ttl) is (key in self.model)
        if key in self.model:
            self._lives(key, ttl)

    @precondition(_can(Capability.TTL))
    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 5.0]))
    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self._removed([key for key, deadline in self.deadlines.items() if deadline <= self.clock()])
        if self.lists_expired:
            self.storage.purge()

    @precondition(_can(Capability.TTL))
    @rule()
    def purge(self) -> None:
        """``purge``."""
        assert self.storage.purge() >= 0
        assert self.storage.purge() == 0

    # ------------------------------------------------------------------ atomic

    @precondition(_can(Capability.ADD))
    @rule(key=_keys, value=_values, ttl=_maybe_ttls)
    def add(self, key: Hashable, value: Any, ttl: float | None) -> None:
        """``add``."""
        ttl = ttl if Capability.TTL in self.storage.capabilities else None
        assert self.storage.add(key, value, ttl=ttl) is (key not in self.model)
        if key not in self.model:
            self._written(key, value, ttl)

    @precondition(_can(Capability.SWAP))
    @rule(key=_keys, old=_values, new=_values, right=st.booleans())
    def swap(self, key: Hashable, old: Any, new: Any, right: bool) -> None:
        """``swap``, half of the time with the value that is there, or with absence."""
        old = self.model.get(key, ABSENT) if right else old
        absent = old is ABSENT
        matches = right or (key in self.model and self.model[key] == old)
        assert self.storage.swap(key, old, new) is matches
        if matches and absent:
            self._written(key, new)
        elif matches:
            self.model[key] = new

    @precondition(_can(Capability.INCR))
    @rule(key=_keys, by=st.integers(-5, 5))
    def incr(self, key: Hashable, by: int) -> None:
        """``incr``."""
        value = self.model.get(key, 0)
        try:
            total = self.storage.incr(key, by)
        except TypeError:
            assert type(value) is not int
            return
        assert type(value) is int
        assert total == value + by
        if key in self.model:
            self.model[key] = total
        else:
            self._written(key, total)

    # ------------------------------------------------------------------ always

    @invariant()
    def agrees(self) -> None:
        """Keys, values, length and deadlines are those of the model.

        Raises:
            AssertionError: They are not.
        """
        assert dict(self.storage.items()) == self.model
        assert sorted(map(repr, self.storage)) == sorted(map(repr, self.model))
        assert len(self.storage) == len(self.model)
        assert bool(self.storage) is bool(self.model)
        for key in self.model:
            deadline = self.deadlines.get(key)
            assert self.storage.ttl(key) == (None if deadline is None else deadline - self.clock())


def machine_class(
    make: Make,
    *,
    keys: Sequence[Hashable] = _KEYS,
    values: Sequence[Any],
    default_ttl: float | None,
    lists_expired: bool = False,
) -> type[StorageMachine]:
    """Make the machine itself, for ``hypothesis.stateful.run_state_machine_as_test``.

    Args:
        make: As of ``storage_machine``.
        keys: Keys to use.
        values: Values to use.
        default_ttl: Seconds that an entry lives when nobody says how long; None is for ever.
        lists_expired: Whether listings show what has expired until it is purged.

    Returns:
        A class of machines.

    Raises:
        Nothing.
    """
    settled = {"make": staticmethod(make), "keys": keys, "values": values, "default_ttl": default_ttl}
    settled["lists_expired"] = lists_expired
    return type("Machine", (StorageMachine,), settled)


def storage_machine(
    make: Make,
    *,
    keys: Sequence[Hashable] = _KEYS,
    values: Sequence[Any] = _VALUES,
    default_ttl: float | None = None,
    max_examples: int = 50,
    steps: int = 30,
) -> type[TestCase]:
    """Make a test case that does random things to a storage and compares it with a dict.

    Args:
        make: Makes a storage in an empty folder, with a clock; called again with the same folder, it opens
            what is there, if the storage is PERSISTENT.
        keys: Keys to use; few, so that they meet again.
        values: Values to use, that come back equal.
        default_ttl: Seconds that an entry lives when nobody says how long; None is for ever.
        max_examples: How many histories are tried, ≥ 1.
        steps: How many operations a history has at most, ≥ 1.

    Returns:
        A test case for pytest or unittest to find.

    Raises:
        Nothing.

    Example:
        ::

            TestMyStorage = storage_machine(lambda place, timer: MyStorage(place, timer=timer))
    """
    case: type[TestCase] = machine_class(make, keys=keys, values=values, default_ttl=default_ttl).TestCase
    case.settings = settings(max_examples=max_examples, stateful_step_count=steps, deadline=None)  # type: ignore[attr-defined]
    return case
