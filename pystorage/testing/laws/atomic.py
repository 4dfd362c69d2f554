"""Laws of the atomic operations: they exclude everybody, or say that they cannot."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pystorage.errors import UnsupportedOperation
from pystorage.storage import ABSENT, Capability
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import AnyStorage, Laws, law


class RefusingLaws(Laws):
    """What would race without native support raises ``UnsupportedOperation`` and does nothing.

    Raises:
        Nothing.
    """

    @law(lacks=Capability.ADD)
    def test_without_add_it_is_refused(self, storage: AnyStorage) -> None:
        """``add`` raises ``UnsupportedOperation`` where ADD is not declared."""
        with pytest.raises(UnsupportedOperation):
            storage.add("key", self.value(1))
        assert len(storage) == 0

    @law(lacks=Capability.SWAP)
    def test_without_swap_it_is_refused(self, storage: AnyStorage) -> None:
        """``swap`` raises ``UnsupportedOperation`` where SWAP is not declared."""
        storage["key"] = self.value(1)
        for key, old in (("key", self.value(1)), ("new", ABSENT)):
            with pytest.raises(UnsupportedOperation):
                storage.swap(key, old, self.value(2))
        assert dict(storage) == {"key": self.value(1)}

    @law(lacks=Capability.INCR)
    def test_without_incr_it_is_refused(self, storage: AnyStorage) -> None:
        """``incr`` raises ``UnsupportedOperation`` where INCR is not declared."""
        with pytest.raises(UnsupportedOperation):
            storage.incr("key")
        assert len(storage) == 0

    @law(lacks=Capability.LOCK)
    def test_without_lock_it_is_refused(self, storage: AnyStorage) -> None:
        """``lock`` raises ``UnsupportedOperation`` where LOCK is not declared."""
        with pytest.raises(UnsupportedOperation):
            storage.lock("key", 10, timeout=0).__enter__()
        assert len(storage) == 0


class AddLaws(Laws):
    """``add`` writes if the key is absent, and says whether it did.

    Raises:
        Nothing.
    """

    @law(needs=Capability.ADD)
    def test_add(self, storage: AnyStorage) -> None:
        """``add`` writes where nothing is and leaves alone what is there."""
        assert storage.add("key", self.value(1)) is True
        assert storage.add("key", self.value(2)) is False
        assert dict(storage) == {"key": self.value(1)}
        del storage["key"]
        assert storage.add("key", self.value(3)) is True
        assert storage["key"] == self.value(3)

    @law(needs=Capability.ADD)
    def test_add_sees_every_value(self, storage: AnyStorage) -> None:
        """A value that is false, ``None`` among them, is there for ``add``."""
        for number, value in enumerate(self.values):
            assert storage.add(f"key {number}", value) is True
            assert storage.add(f"key {number}", self.value(1)) is False
            assert storage[f"key {number}"] == value

    @law(needs=Capability.ADD | Capability.TTL)
    def test_add_with_a_ttl(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``add`` gives the deadline of the entry that it writes, and only of that one."""
        assert storage.add("key", self.value(1), ttl=10)
        assert not storage.add("key", self.value(2), ttl=100)
        assert storage.ttl("key") == 10
        assert storage.add("plain", self.value(1))
        assert storage.ttl("plain") == self.default_ttl

    @law(needs=Capability.ADD | Capability.TTL)
    def test_add_over_an_expired_key(self, storage: AnyStorage, timer: FakeClock) -> None:
        """What has expired is absent for ``add``, from the deadline on."""
        storage.set("key", self.value(1), ttl=10)
        timer.advance(9.75)
        assert not storage.add("key", self.value(2))
        timer.advance(0.25)
        assert storage.add("key", self.value(2))
        assert storage["key"] == self.value(2)
        assert storage.ttl("key") == self.default_ttl


class SwapLaws(Laws):
    """``swap`` replaces a value if it is still the old one.

    Raises:
        Nothing.
    """

    @law(needs=Capability.SWAP)
    def test_swap(self, storage: AnyStorage) -> None:
        """``swap`` writes where the old value is there, and only there."""
        storage["key"] = self.value(1)
        assert storage.swap("key", self.value(1), self.value(2)) is True
        assert storage["key"] == self.value(2)
        assert storage.swap("key", self.value(1), self.value(3)) is False
        assert storage["key"] == self.value(2)
        assert storage.swap("absent", self.value(1), self.value(3)) is False
        assert list(storage) == ["key"]

    @law(needs=Capability.SWAP)
    def test_swap_from_absence(self, storage: AnyStorage) -> None:
        """With ``ABSENT`` as the old value ``swap`` is ``add``."""
        assert storage.swap("key", ABSENT, self.value(1)) is True
        assert storage.swap("key", ABSENT, self.value(2)) is False
        assert dict(storage) == {"key": self.value(1)}

    @law(needs=Capability.SWAP)
    def test_swap_compares_values(self, storage: AnyStorage) -> None:
        """The old value is compared by ``==``, however it was written down and whatever it is."""
        for value in self.values:
            storage["key"] = value
            assert storage.swap("key", copy.deepcopy(value), self.value(1)) is True
            assert storage["key"] == self.value(1)

    @law(needs=Capability.SWAP)
    def test_swap_does_not_take_none_for_absence(self, storage: AnyStorage) -> None:
        """An old value of ``None`` is a value: where nothing is, it does not match."""
        assert storage.swap("key", None, self.value(1)) is False
        assert len(storage) == 0

    @law(needs=Capability.SWAP | Capability.TTL)
    def test_swap_keeps_the_deadline(self, storage: AnyStorage, timer: FakeClock) -> None:
        """The deadline stays unless a ttl is given."""
        storage.set("key", self.value(1), ttl=10)
        timer.advance(4)
        assert storage.swap("key", self.value(1), self.value(2))
        assert storage.ttl("key") == 6
        assert storage.swap("key", self.value(2), self.value(3), ttl=100)
        assert storage.ttl("key") == 100
        assert not storage.swap("key", self.value(9), self.value(4), ttl=5)
        assert storage.ttl("key") == 100
        assert storage.swap("key", self.value(3), self.value(4), ttl=None)
        assert storage.ttl("key") == self.default_ttl

    @law(needs=Capability.SWAP | Capability.TTL)
    def test_swap_of_an_expired_key(self, storage: AnyStorage, timer: FakeClock) -> None:
        """What has expired has no old value."""
        storage.set("key", self.value(1), ttl=10)
        timer.advance(10)
        assert storage.swap("key", self.value(1), self.value(2)) is False
        assert "key" not in storage
        assert storage.swap("key", ABSENT, self.value(2)) is True
        assert storage.ttl("key") == self.default_ttl


class IncrLaws(Laws):
    """``incr`` counts.

    Raises:
        Nothing.
    """

    @law(needs=Capability.INCR)
    def test_incr(self, storage: AnyStorage) -> None:
        """``incr`` adds to an integer, counts an absent key from 0, and gives the sum."""
        assert storage.incr("key") == 1
        assert storage.incr("key", 41) == 42
        assert storage.incr("key", -50) == -8
        assert storage.incr("key", 0) == -8
        assert storage["key"] == -8
        assert type(storage["key"]) is int
        storage["written"] = 5
        assert storage.incr("written") == storage["written"] == 6
        assert storage.incr("zero", 0) == storage["zero"] == 0

    @law(needs=Capability.INCR)
    def test_incr_is_exact(self, storage: AnyStorage) -> None:
        """Integers have no limit."""
        storage["key"] = 2**70
        assert storage.incr("key", 2**65) == storage["key"] == 2**70 + 2**65

    @law(needs=Capability.INCR)
    def test_incr_refuses_what_is_no_integer(self, storage: AnyStorage) -> None:
        """A value that is no integer is ``TypeError`` and stays."""
        for value in (value for value in self.values if type(value) is not int):
            storage["key"] = value
            with pytest.raises(TypeError):
                storage.incr("key")
            assert storage["key"] == value

    @law(needs=Capability.INCR)
    def test_incr_by_what_is_no_integer(self, storage: AnyStorage) -> None:
        """``by`` must be an integer, and no bool."""
        wrong: list[Any] = [1.5, "1", None, True]
        for by in wrong:
            for key in ("key", "absent"):
                storage["key"] = 1
                with pytest.raises(TypeError):
                    storage.incr(key, by)
        assert dict(storage) == {"key": 1}

    @law(needs=Capability.INCR | Capability.TTL)
    def test_incr_and_deadlines(self, storage: AnyStorage, timer: FakeClock) -> None:
        """An entry keeps its deadline; a ttl is that of an entry which ``incr`` makes."""
        assert storage.incr("key", ttl=10) == 1
        timer.advance(4)
        assert storage.incr("key", ttl=100) == 2
        assert storage.ttl("key") == 6
        assert storage.incr("plain") == 1
        assert storage.ttl("plain") == self.default_ttl
        timer.advance(6)
        assert storage.incr("key") == 1
        assert storage.ttl("key") == self.default_ttl
