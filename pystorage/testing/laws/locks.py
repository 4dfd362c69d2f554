"""Laws of locks: nobody else is in, and nobody stays out for ever."""

from __future__ import annotations

import time

import pytest

from pystorage.errors import ConflictError
from pystorage.storage import Capability
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import AnyStorage, Laws, Opener, law, where_processes_fork
from pystorage.testing.parallel import Child, Line, in_processes, in_threads

# Longer than any law takes, so that only what is tried can free a lock.
_LONG = 3600.0


class LockLaws(Laws):
    """``lock`` excludes all that share the storage.

    Raises:
        Nothing.
    """

    @law(needs=Capability.LOCK)
    def test_a_lock_excludes(self, storage: AnyStorage) -> None:
        """Who comes while a lock is held does not get in, and gets in afterwards."""
        with storage.lock("name", _LONG):
            assert not _free(storage, "name")
            assert in_threads(lambda: _free(storage, "name")) == [False]
        assert _free(storage, "name")

    @law(needs=Capability.LOCK)
    def test_a_lock_of_another_name_is_another(self, storage: AnyStorage) -> None:
        """Locks of two names do not matter to each other; equal keys are one name."""
        with storage.lock(1, _LONG), storage.lock("1", _LONG), storage.lock("other", _LONG):
            assert not _free(storage, 1.0)
            assert not _free(storage, True)
            assert _free(storage, 2)
            assert _free(storage, b"1")

    @law(needs=Capability.LOCK)
    def test_locks_are_no_entries(self, storage: AnyStorage) -> None:
        """A lock neither needs, makes nor hides an entry of its name."""
        storage["key"] = self.value(1)
        with storage.lock("key", _LONG), storage.lock("absent", _LONG):
            assert dict(storage) == {"key": self.value(1)}
            assert len(storage) == 1
            storage["key"] = self.value(2)
            del storage["key"]
            storage.clear()
        assert len(storage) == 0

    @law(needs=Capability.LOCK)
    def test_clearing_frees_no_lock(self, storage: AnyStorage) -> None:
        """``clear`` removes entries and leaves locks alone."""
        with storage.lock("name", _LONG):
            storage["name"] = self.value(1)
            storage.clear()
            assert not _free(storage, "name")

    @law(needs=Capability.LOCK)
    def test_an_exception_frees_the_lock(self, storage: AnyStorage) -> None:
        """The lock is free after an exception, which comes through."""

        class Oops(Exception):
            pass

        def fail() -> None:
            with storage.lock("name", _LONG):
                raise Oops

        with pytest.raises(Oops):
            fail()
        assert _free(storage, "name")

    @law(needs=Capability.LOCK)
    def test_waiting_ends_in_time(self, storage: AnyStorage) -> None:
        """Who waits for a lock in vain gets ``TimeoutError``, not before the time given."""
        with storage.lock("name", _LONG):
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                storage.lock("name", _LONG, timeout=0.05).__enter__()
            assert 0.04 < time.monotonic() - start < 30

    @law(needs=Capability.LOCK)
    def test_one_at_a_time(self, storage: AnyStorage) -> None:
        """Of many threads that read, wait and write under a lock, none loses what another wrote."""
        storage["count"] = self.value(0)

        def count() -> None:
            for _ in range(10):
                with storage.lock("count", _LONG):
                    number = self.number_of(storage["count"])
                    time.sleep(0)
                    storage["count"] = self.value(number + 1)

        in_threads(*[count] * 4)
        assert self.number_of(storage["count"]) == 40


class LeaseLaws(Laws):
    """A lock is held for a time: it runs out, and can be held for longer.

    Raises:
        Nothing.
    """

    @law(needs=Capability.LOCK)
    def test_a_lock_runs_out(self, storage: AnyStorage, timer: FakeClock) -> None:
        """After its time a lock can be taken by somebody else, and not a moment before."""
        first = storage.lock("name", 10)
        first.__enter__()
        timer.advance(9.75)
        assert not _free(storage, "name")
        timer.advance(0.25)
        with storage.lock("name", _LONG, timeout=0), pytest.raises(ConflictError):
            first.__exit__(None, None, None)

    @law(needs=Capability.LOCK)
    def test_who_was_overtaken_frees_nothing(self, storage: AnyStorage, timer: FakeClock) -> None:
        """Leaving a lock that somebody else has taken meanwhile leaves it with them."""
        first = storage.lock("name", 10)
        first.__enter__()
        timer.advance(10)
        with storage.lock("name", _LONG, timeout=0):
            with pytest.raises(ConflictError):
                first.__exit__(None, None, None)
            assert not _free(storage, "name")
        assert _free(storage, "name")

    @law(needs=Capability.LOCK)
    def test_an_exception_is_not_hidden_by_a_lost_lock(self, storage: AnyStorage, timer: FakeClock) -> None:
        """Where the body of a lost lock raises, that error comes through."""

        class Oops(Exception):
            pass

        def fail() -> None:
            with storage.lock("name", 10):
                timer.advance(10)
                second.__enter__()
                raise Oops

        second = storage.lock("name", _LONG, timeout=0)
        with pytest.raises(Oops):
            fail()
        second.__exit__(None, None, None)

    @law(needs=Capability.LOCK)
    def test_a_lock_can_be_extended(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``extend`` counts from now: for the time given, or for as long as the lock was taken for."""
        with storage.lock("name", 10) as lease:
            timer.advance(8)
            lease.extend()
            timer.advance(9)
            assert not _free(storage, "name")
            lease.extend(20)
            timer.advance(19)
            assert not _free(storage, "name")
        assert _free(storage, "name")

    @law(needs=Capability.LOCK)
    def test_a_lost_lock_cannot_be_extended(self, storage: AnyStorage, timer: FakeClock) -> None:
        """``extend`` of a lock that somebody else has taken meanwhile raises ``ConflictError``."""
        first = storage.lock("name", 10)
        lease = first.__enter__()
        timer.advance(10)
        with storage.lock("name", _LONG, timeout=0):
            with pytest.raises(ConflictError):
                lease.extend()
            with pytest.raises(ConflictError):
                first.__exit__(None, None, None)

    @law(needs=Capability.LOCK | Capability.SHARED)
    def test_a_lock_excludes_other_handles(self, storage: AnyStorage, open_storage: Opener) -> None:
        """A lock holds against every handle on the same contents."""
        other = open_storage()
        with storage.lock("name", _LONG):
            assert not _free(other, "name")
        with other.lock("name", _LONG):
            assert not _free(storage, "name")

    @law(needs=Capability.LOCK | Capability.SHARED, when=where_processes_fork)
    def test_a_lock_excludes_processes(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Of several processes that read and write under a lock, none loses what another wrote."""
        storage["count"] = self.value(0)

        def count() -> None:
            mine = open_storage()
            for _ in range(10):
                with mine.lock("count", _LONG):
                    mine["count"] = self.value(self.number_of(mine["count"]) + 1)

        in_processes(*[count] * 3)
        assert self.number_of(storage["count"]) == 30

    @law(needs=Capability.LOCK | Capability.SHARED, when=where_processes_fork)
    def test_a_killed_holder_frees_its_lock(
        self, storage: AnyStorage, open_storage: Opener, timer: FakeClock
    ) -> None:
        """A lock whose holder was killed can be taken, after its time at the latest."""

        def hold() -> None:
            with open_storage().lock("name", 2):
                line.say()
                time.sleep(60)

        with Line() as line, Child(hold) as child:
            assert line.hear(), "the child did not take the lock"
            assert not _free(storage, "name")
            child.kill()
        timer.advance(2)
        with storage.lock("name", _LONG, timeout=30):
            pass


def _free(storage: AnyStorage, name: object) -> bool:
    try:
        with storage.lock(name, _LONG, timeout=0):
            return True
    except TimeoutError:
        return False
