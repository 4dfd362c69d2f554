"""Laws of the life of entries: deadlines are met exactly, and what has expired is nowhere to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import pytest

from pystorage.errors import UnsupportedOperation
from pystorage.storage import ABSENT, Capability
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import MISSING, AnyStorage, Laws, Opener, law, where_the_expired_waits

#: Name → a look at a storage of one entry, ``"key"``, that tells whether it is there.
_LOOKS: Final[dict[str, Callable[[AnyStorage], bool]]] = {
    "in": lambda storage: "key" in storage,
    "get": lambda storage: storage.get("key", MISSING) is not MISSING,
    "[]": lambda storage: _raises_no_key_error(lambda: storage["key"]),
    "get_many": lambda storage: "key" in storage.get_many(["key"]),
    "len": lambda storage: len(storage) == 1,
    "bool": bool,
    "iteration": lambda storage: list(storage) == ["key"],
    "keys": lambda storage: list(storage.keys()) == ["key"],
    "values": lambda storage: len(list(storage.values())) == 1,
    "items": lambda storage: len(list(storage.items())) == 1,
    "==": lambda storage: storage != {},
    "scan": lambda storage: list(storage.scan("k")) == ["key"],
    "ttl": lambda storage: _raises_no_key_error(lambda: storage.ttl("key")),
    "expires_at": lambda storage: _raises_no_key_error(lambda: storage.expires_at("key")),
    "expire": lambda storage: _raises_no_key_error(lambda: storage.expire("key", 100)),
    "touch": lambda storage: storage.touch("key", 100),
    "pop": lambda storage: storage.pop("key", MISSING) is not MISSING,
    "popitem": lambda storage: _raises_no_key_error(storage.popitem),
    "del": lambda storage: _raises_no_key_error(lambda: storage.__delitem__("key")),
    "delete_many": lambda storage: storage.delete_many(["key"]) == 1,
}

#: Those that list keys and read none.
_LISTINGS: Final = frozenset({"len", "bool", "iteration", "keys", "scan"})

#: Times to live that are no times, with the error for them.
_BAD_TTLS: Final[dict[str, tuple[Any, type[Exception]]]] = {
    "zero": (0, ValueError),
    "negative": (-1.5, ValueError),
    "minus infinity": (-math.inf, ValueError),
    "NaN": (math.nan, ValueError),
    "a bool": (True, TypeError),
    "a text": ("5", TypeError),
}


def _raises_no_key_error(look: Callable[[], object]) -> bool:
    try:
        look()
    except KeyError:
        return False
    return True


class BadLifeLaws(Laws):
    """What is no time to live is refused, whether the storage knows deadlines or not.

    Raises:
        Nothing.
    """

    @pytest.mark.parametrize("which", _BAD_TTLS)
    def test_a_bad_ttl_is_refused(self, storage: AnyStorage, which: str) -> None:
        """A ttl not above 0 is ``ValueError``, no number is ``TypeError``, and nothing is written."""
        bad, kind = _BAD_TTLS[which]
        old, new, can = self.value(1), self.value(2), storage.capabilities
        storage["key"] = old
        for key in ("key", "new"):
            with pytest.raises(kind):
                storage.set(key, new, ttl=bad)
            with pytest.raises(kind):
                storage.set_many({key: new}, ttl=bad)
            with pytest.raises(kind):
                self._stream(storage, key, bad)
            with pytest.raises(kind):
                storage.expire(key, bad)
            with pytest.raises(kind):
                storage.touch(key, bad)
            if Capability.ADD in can:
                with pytest.raises(kind):
                    storage.add(key, new, ttl=bad)
            if Capability.SWAP in can:
                with pytest.raises(kind):
                    storage.swap(key, old, new, ttl=bad)
                with pytest.raises(kind):
                    storage.swap(key, ABSENT, new, ttl=bad)
            if Capability.INCR in can:
                with pytest.raises(kind):
                    storage.incr(key, ttl=bad)
            if Capability.LOCK in can:
                with pytest.raises(kind):
                    self._lock(storage, key, bad)
        assert dict(storage) == {"key": old}
        assert storage.ttl("key") == self.default_ttl

    def _stream(self, storage: AnyStorage, key: str, ttl: Any) -> None:
        with storage.open_write(key, ttl=ttl):
            raise AssertionError("a stream with a bad ttl was opened")

    def _lock(self, storage: AnyStorage, key: str, ttl: Any) -> None:
        with storage.lock(key, ttl, timeout=0):
            raise AssertionError("a lock with a bad ttl was taken")

    def test_forever_is_no_deadline(self, storage: AnyStorage) -> None:
        """A ttl of None or infinity is that of a plain write, on a storage without deadlines too."""
        storage.set("none", self.value(1), ttl=None)
        storage.set("infinite", self.value(1), ttl=math.inf)
        storage.set_many({"many": self.value(1)}, ttl=None)
        assert [storage.ttl(key) for key in ("none", "many")] == [self.default_ttl] * 2
        assert storage.ttl("infinite") in (self.default_ttl, None)

    def test_an_absent_key_has_no_life(self, storage: AnyStorage) -> None:
        """``ttl`` and ``expires_at`` of an absent key raise ``KeyError``."""
        for ask in (storage.ttl, storage.expires_at):
            with pytest.raises(KeyError):
                ask("absent")


class NoLifeLaws(Laws):
    """A storage that does not declare TTL says so instead of forgetting a deadline.

    Raises:
        Nothing.
    """

    @law(lacks=Capability.TTL)
    def test_without_ttl_a_deadline_is_refused(self, storage: AnyStorage) -> None:
        """Giving a deadline raises ``UnsupportedOperation`` and writes nothing."""
        storage["key"] = self.value(1)
        gives: list[Callable[[], object]] = [
            lambda: storage.set("key", self.value(2), ttl=5),
            lambda: storage.set_many({"key": self.value(2)}, ttl=5),
            lambda: storage.expire("key", 5),
            lambda: storage.touch("key", 5),
        ]
        for give in gives:
            with pytest.raises(UnsupportedOperation):
                give()
        assert dict(storage) == {"key": self.value(1)}
        assert storage.ttl("key") is None
        assert storage.expires_at("key") is None
        assert storage.purge() == 0


class LifeLaws(Laws):
    """Entries live exactly as long as was said.

    Raises:
        Nothing.
    """

    @law(needs=Capability.TTL)
    def test_the_clock_is_the_given_one(self, storage: AnyStorage, timer: FakeClock) -> None:
        """Deadlines are counted on the clock that the storage was made with."""
        assert storage.timer() == timer()
        timer.advance(5)
        assert storage.timer() == timer()

    @law(needs=Capability.TTL)
    def test_an_entry_knows_its_deadline(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``ttl`` gives what is left and ``expires_at`` the moment of the end."""
        storage.set("key", self.value(1), ttl=10)
        assert storage["key"] == self.value(1)
        assert storage.ttl("key") == 10
        assert storage.expires_at("key") == timer() + 10
        timer.advance(4)
        assert storage.ttl("key") == 6
        assert storage.expires_at("key") == timer() + 6

    @law(needs=Capability.TTL)
    def test_a_plain_entry_has_the_default(self, storage: AnyStorage) -> None:
        """An entry written without a ttl lives as long as the storage's default says."""
        storage["key"] = self.value(1)
        assert storage.ttl("key") == self.default_ttl

    @law(needs=Capability.TTL)
    @pytest.mark.parametrize("look", _LOOKS)
    def test_what_has_expired_is_not_there(self, storage: AnyStorage, timer: FakeClock, look: str) -> None:
        """Until the deadline every look finds the entry; from the deadline on none does."""
        there = _LOOKS[look]
        storage.set("key", self.value(1), ttl=10)
        timer.advance(9.75)
        assert there(storage), "it is gone too early"
        storage.clear()
        storage.set("key", self.value(1), ttl=10)
        timer.advance(10)
        if look in _LISTINGS:
            self.settle(storage)
        assert not there(storage), "it is still there at its deadline"
        timer.advance(10)
        assert not there(storage), "it came back after its deadline"

    @law(needs=Capability.TTL)
    def test_others_live_on(self, storage: AnyStorage, timer: FakeClock) -> None:
        """Where one entry expires, those with a later deadline and those with none stay."""
        storage.set("short", self.value(1), ttl=10)
        storage.set("long", self.value(2), ttl=20)
        storage.set("plain", self.value(3))
        timer.advance(10)
        self.settle(storage)
        assert len(storage) == 2
        assert sorted(storage) == ["long", "plain"]
        assert dict(storage) == {"long": self.value(2), "plain": self.value(3)}
        assert storage.ttl("long") == 10

    @law(needs=Capability.TTL)
    def test_expire_moves_the_deadline(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``expire`` counts from now, in both directions, and leaves the value alone."""
        storage["key"] = self.value(1)
        storage.expire("key", 10)
        assert storage.ttl("key") == 10
        timer.advance(5)
        storage.expire("key", 100)
        assert storage.ttl("key") == 100
        storage.expire("key", 1)
        assert storage["key"] == self.value(1)
        timer.advance(1)
        assert "key" not in storage

    @law(needs=Capability.TTL)
    def test_expire_can_make_an_entry_last(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``expire`` with None takes the deadline away."""
        for forever in (None, math.inf):
            storage.set("key", self.value(1), ttl=10)
            storage.expire("key", forever)
            assert storage.ttl("key") is None
            assert storage.expires_at("key") is None
            timer.advance(1e6)
            assert storage["key"] == self.value(1)

    @law(needs=Capability.TTL)
    def test_expire_of_an_absent_key(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``expire`` of what is absent or has expired raises ``KeyError``, and brings nothing back."""
        storage.set("expired", self.value(1), ttl=10)
        timer.advance(10)
        for key in ("absent", "expired"):
            with pytest.raises(KeyError) as caught:
                storage.expire(key, 5)
            assert caught.value.args == (key,)
        assert len(storage) == 0

    @law(needs=Capability.TTL)
    def test_touch(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``touch`` moves the deadline and says whether the key was there."""
        storage.set("key", self.value(1), ttl=10)
        assert storage.touch("key", 20) is True
        assert storage.ttl("key") == 20
        assert storage.touch("key", None) is True
        assert storage.ttl("key") is None
        assert storage.touch("absent", 20) is False
        assert list(storage) == ["key"]

    @law(needs=Capability.TTL)
    def test_a_plain_write_forgets_the_deadline(self, storage: AnyStorage, timer: FakeClock) -> None:
        """A write without a ttl gives the entry the life of a new one."""
        writes: list[Callable[[], object]] = [
            lambda: storage.__setitem__("key", self.value(2)),
            lambda: storage.set("key", self.value(2)),
            lambda: storage.set_many({"key": self.value(2)}),
            lambda: storage.update(key=self.value(2)),
        ]
        for write in writes:
            storage.set("key", self.value(1), ttl=10)
            write()
            assert storage.ttl("key") == self.default_ttl
            timer.advance(10)
            assert storage["key"] == self.value(2)

    @law(needs=Capability.TTL)
    def test_a_later_ttl_wins(self, storage: AnyStorage, timer: FakeClock) -> None:
        """A write with a ttl replaces the deadline there was."""
        storage.set("key", self.value(1), ttl=100)
        storage.set("key", self.value(2), ttl=10)
        assert storage.ttl("key") == 10
        timer.advance(10)
        assert "key" not in storage

    @law(needs=Capability.TTL)
    def test_set_many_gives_all_the_ttl(self, storage: AnyStorage, timer: FakeClock) -> None:
        """The ttl of ``set_many`` is that of each entry."""
        storage["plain"] = self.value(0)
        storage.set_many({"a": self.value(1), "b": self.value(2)}, ttl=10)
        assert [storage.ttl(key) for key in ("a", "b")] == [10, 10]
        timer.advance(10)
        self.settle(storage)
        assert list(storage) == ["plain"]

    @law(needs=Capability.TTL)
    def test_looking_keeps_the_deadline(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``in``, ``len``, iteration, views, ``scan`` and ``stats`` do not lengthen a life."""
        storage.set("key", self.value(1), ttl=10)
        for _ in range(2):
            timer.advance(4)
            assert "key" in storage
            assert len(storage) == len(list(storage)) == len(list(storage.scan(""))) == 1
            assert dict(storage.items()) == {"key": self.value(1)}
            assert storage.stats() is not None
        assert storage.ttl("key") == 2

    @law(needs=Capability.TTL)
    def test_an_expired_key_can_be_written_anew(self, storage: AnyStorage, timer: FakeClock) -> None:
        """Over what has expired every write works as over nothing, and the old deadline is forgotten."""
        storage.set("[]", self.value(1), ttl=10)
        storage.set("setdefault", self.value(1), ttl=10)
        timer.advance(10)
        storage["[]"] = self.value(2)
        assert storage.setdefault("setdefault", self.value(2)) == self.value(2)
        timer.advance(1)
        assert dict(storage) == {"[]": self.value(2), "setdefault": self.value(2)}

    @law(needs=Capability.TTL, when=where_the_expired_waits)
    def test_purge_removes_what_has_expired(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``purge`` removes the expired entries, no other, and counts them."""
        for number in range(5):
            storage.set(f"short {number}", self.value(number), ttl=10)
            storage.set(f"long {number}", self.value(number), ttl=20)
        storage["plain"] = self.value(9)
        assert storage.purge() == 0
        timer.advance(10)
        assert storage.purge() == 5
        assert storage.purge() == 0
        assert sorted(storage) == [*(f"long {number}" for number in range(5)), "plain"]

    @law(needs=Capability.TTL)
    def test_a_tiny_ttl_and_a_huge_one(self, storage: AnyStorage, timer: FakeClock) -> None:
        """Lives of a millisecond and of a century are both kept."""
        storage.set("tiny", self.value(1), ttl=0.001)
        storage.set("huge", self.value(2), ttl=3_155_760_000)
        assert len(storage) == 2
        timer.advance(0.01)
        self.settle(storage)
        assert list(storage) == ["huge"]
        assert storage.ttl("huge") == pytest.approx(3_155_760_000)

    @law(needs=Capability.TTL)
    def test_an_entry_that_expires_during_an_iteration(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``items`` and ``values`` leave out what expires before they come to it."""
        for number in range(5):
            storage.set(f"key {number}", self.value(number), ttl=10)
        for view in (storage.items, storage.values):
            iterator = iter(view())
            next(iterator)
            timer.advance(5)
        assert list(iterator) == []

    @law(needs=Capability.TTL | Capability.PERSISTENT)
    def test_a_deadline_outlives_the_handle(
        self, storage: AnyStorage, open_storage: Opener, timer: FakeClock
    ) -> None:
        """A later handle knows the deadlines, and what expired meanwhile is gone."""
        storage.set("short", self.value(1), ttl=10)
        storage.set("long", self.value(2), ttl=20)
        storage["plain"] = self.value(3)
        storage.close()
        timer.advance(10)
        again = open_storage()
        assert again.ttl("long") == 10
        assert again.ttl("plain") in (None, (self.default_ttl or 0) - 10)
        self.settle(again)
        assert dict(again) == {"long": self.value(2), "plain": self.value(3)}
        assert len(again) == 2

    @law(needs=Capability.TTL | Capability.PERSISTENT)
    def test_handles_see_each_others_deadlines(
        self, storage: AnyStorage, open_storage: Opener, timer: FakeClock
    ) -> None:
        """The first deadline that one handle gives is known to another that was open before."""
        other = open_storage()
        storage["key"] = self.value(1)
        assert len(other) == len(list(other)) == 1
        storage.expire("key", 10)
        assert other.ttl("key") == 10
        timer.advance(10)
        self.settle(other)
        assert len(other) == 0
        assert list(other) == []
        assert "key" not in other

    @law(needs=Capability.TTL | Capability.PERSISTENT)
    def test_what_was_purged_does_not_come_back(
        self, storage: AnyStorage, open_storage: Opener, timer: FakeClock
    ) -> None:
        """What expired is really removed: a handle whose clock goes late does not find it either."""
        storage.set("key", self.value(1), ttl=10)
        timer.advance(10)
        storage.purge()
        storage.close()
        timer.now -= 5
        assert "key" not in open_storage()
