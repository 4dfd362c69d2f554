"""Laws of handles: opened, closed, copied, pickled, forked and shown."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from pystorage.errors import ClosedError
from pystorage.storage import Capability
from pystorage.testing.laws.base import MISSING, AnyStorage, Laws, Opener, law, where_processes_fork
from pystorage.testing.parallel import Child, in_background

_DESCRIPTORS = Path("/proc/self/fd")
#: How long the last threads may take to end, in seconds.
_PATIENCE: Final = 2.0


def _held_open() -> tuple[int, int]:
    return len(os.listdir(_DESCRIPTORS)), threading.active_count()


def _more_than(before: tuple[int, int]) -> list[str]:
    """Tell what there is more of."""
    kinds = zip(("files", "threads"), before, _held_open(), strict=True)
    return [f"{now} {kind}, before {then}" for kind, then, now in kinds if now > then]


def _pickled(storage: AnyStorage) -> Any:
    return pickle.loads(pickle.dumps(storage))


class ClosingLaws(Laws):
    """A storage can be closed; a persistent one is unusable afterwards.

    Raises:
        Nothing.
    """

    def test_with(self, storage: AnyStorage) -> None:
        """A storage is a context manager that gives itself and closes in the end."""
        with storage as same:
            assert same is storage
            same["key"] = self.value(1)
        storage.close()

    def test_closing_twice(self, storage: AnyStorage) -> None:
        """Closing again, or flushing before, does no harm."""
        storage["key"] = self.value(1)
        storage.flush()
        storage.close()
        storage.close()

    @law(needs=Capability.PERSISTENT)
    def test_a_closed_storage_says_so(self, storage: AnyStorage) -> None:
        """After ``close`` every operation raises ``ClosedError``; ``repr`` still works."""
        storage["key"] = self.value(1)
        storage.close()
        uses: dict[str, Callable[[], Any]] = {
            "[]": lambda: storage["key"],
            "get": lambda: storage.get("key"),
            "set": lambda: storage.set("key", self.value(2)),
            "[] =": lambda: storage.__setitem__("key", self.value(2)),
            "del": lambda: storage.__delitem__("key"),
            "in": lambda: "key" in storage,
            "len": lambda: len(storage),
            "iteration": lambda: list(storage),
            "items": lambda: list(storage.items()),
            "bool": lambda: bool(storage),
            "pop": lambda: storage.pop("key", None),
            "get_many": lambda: storage.get_many(["key"]),
            "set_many": lambda: storage.set_many({"key": self.value(2)}),
            "delete_many": lambda: storage.delete_many(["key"]),
            "clear": storage.clear,
            "scan": lambda: list(storage.scan("")),
            "ttl": lambda: storage.ttl("key"),
            "purge": storage.purge,
        }
        if Capability.ADD in storage.capabilities:
            uses["add"] = lambda: storage.add("key", self.value(2))
        if Capability.INCR in storage.capabilities:
            uses["incr"] = lambda: storage.incr("other")
        for name, use in uses.items():
            assert self._is_refused(use), f"{name} does not mind that the storage was closed"

    def _is_refused(self, use: Callable[[], object]) -> bool:
        try:
            use()
        except ClosedError as error:
            return error.storage is not None and error.storage in str(error)
        return False

    @law(needs=Capability.PERSISTENT)
    def test_contents_outlive_the_handle(self, storage: AnyStorage, open_storage: Opener) -> None:
        """What was written before ``close`` is there for the next handle."""
        entries = {f"key {number}": value for number, value in enumerate(self.values)}
        storage.update(entries)
        storage.close()
        assert dict(open_storage()) == entries

    @law(needs=Capability.PERSISTENT)
    def test_contents_outlive_a_handle_that_was_not_closed(
        self, storage: AnyStorage, open_storage: Opener
    ) -> None:
        """What was written is there for another handle at once."""
        storage["key"] = self.value(1)
        other = open_storage()
        assert other["key"] == self.value(1)
        del other["key"]
        assert "key" not in storage

    @law(needs=Capability.PERSISTENT)
    def test_closing_one_handle_leaves_the_others(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Handles on the same contents are closed each for itself."""
        other = open_storage()
        storage["key"] = self.value(1)
        other.close()
        assert storage["key"] == self.value(1)
        storage["key"] = self.value(2)
        assert open_storage()["key"] == self.value(2)

    @law(needs=Capability.PERSISTENT)
    def test_a_closed_storage_holds_nothing_open(self, storage: AnyStorage, open_storage: Opener) -> None:
        """After ``close`` there are no more open files and threads than before the storage was opened."""
        if not _DESCRIPTORS.is_dir():
            pytest.skip("this system does not tell which files are open")
        self._use(storage)
        before = _held_open()
        for _ in range(3):
            other = open_storage()
            self._use(other)
            other.close()
        end = time.monotonic() + _PATIENCE
        while _more_than(before) and time.monotonic() < end:
            gc.collect()  # what a cycle of references keeps is not held for ever
            time.sleep(0.005)  # nor is a thread that is just ending
        assert not _more_than(before)

    def _use(self, storage: AnyStorage) -> None:
        storage["key"] = self.value(1)
        assert "key" in storage
        next(iter(storage.items()))
        for _ in zip(storage, range(1), strict=False):
            pass
        if Capability.LOCK in storage.capabilities:
            with storage.lock("name", 10):
                pass
        storage.clear()


class CopyLaws(Laws):
    """A persistent storage is copied and pickled as its settings: the copy is another handle.

    Raises:
        Nothing.
    """

    @law(needs=Capability.PERSISTENT)
    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, _pickled])
    def test_a_copy_is_another_handle(self, storage: AnyStorage, copied: Callable[[Any], Any]) -> None:
        """A copy sees the same contents, writes for all to see, and is closed for itself."""
        storage["key"] = self.value(1)
        other = copied(storage)
        assert type(other) is type(storage)
        assert other.capabilities == storage.capabilities
        assert repr(other) == repr(storage)
        assert dict(other) == {"key": self.value(1)}
        other["new"] = self.value(2)
        assert storage["new"] == self.value(2)
        other.close()
        assert storage["key"] == self.value(1)

    @law(needs=Capability.PERSISTENT)
    def test_a_pickle_holds_no_contents(self, storage: AnyStorage) -> None:
        """Neither keys nor values are in the pickle of a storage, and it stays small."""
        storage["marked key"] = self.value(76543210)
        assert storage["marked key"] == self.value(76543210)
        pickled = pickle.dumps(storage)
        assert b"marked key" not in pickled
        assert b"76543210" not in pickled
        assert len(pickled) < 10_000

    def test_the_repr_shows_no_contents(self, storage: AnyStorage) -> None:
        """``repr`` is one line that shows neither keys nor values."""
        empty = repr(storage)
        storage["marked key"] = self.value(76543210)
        shown = repr(storage)
        assert "marked key" not in shown
        assert "76543210" not in shown
        assert "\n" not in shown
        assert len(shown) <= len(empty) + 20


class ForkLaws(Laws):
    """Every storage works on in a process that was forked, and in the one that forked it.

    Raises:
        Nothing.
    """

    @law(when=where_processes_fork)
    def test_parent_and_child_both_go_on(self, storage: AnyStorage) -> None:
        """The child finds what was there and can write; the parent is not disturbed."""
        storage["key"] = self.value(1)

        def child() -> None:
            assert storage["key"] == self.value(1)
            storage["child"] = self.value(2)
            assert dict(storage) == {"key": self.value(1), "child": self.value(2)}
            del storage["key"]
            storage["key"] = self.value(3)

        with Child(child) as process:
            process.result()
        shared = Capability.SHARED in storage.capabilities
        assert storage.pop("key") == self.value(3 if shared else 1)
        assert storage.get("child", MISSING) == (self.value(2) if shared else MISSING)
        storage["key"] = self.value(4)
        assert storage["key"] == self.value(4)

    @law(when=where_processes_fork)
    def test_parent_and_child_at_the_same_time(self, storage: AnyStorage) -> None:
        """Both use the handle that they share by the fork, each its own keys, and lose nothing."""

        def use(who: str) -> None:
            for number in range(50):
                storage[f"{who} {number}"] = self.value(number)
                assert storage[f"{who} {number}"] == self.value(number)
                assert f"{who} {number}" in storage
            assert sum(key.startswith(who) for key in storage) == 50

        with Child(lambda: use("child")) as process:
            use("parent")
            process.result()

    @law(when=where_processes_fork)
    def test_forking_beside_busy_threads(self, storage: AnyStorage) -> None:
        """A child that is forked while other threads use the storage finds no lock that is held for ever."""
        storage["key"] = self.value(0)

        def busy() -> None:
            storage["key"] = self.value(1)
            storage.get("key")
            len(storage)

        def child() -> None:
            storage["child"] = self.value(2)
            assert storage["child"] == self.value(2)
            assert storage.get("key") in (self.value(0), self.value(1))
            assert len(storage) == 2
            assert storage.pop("child") == self.value(2)

        with in_background(busy, threads=2):
            for _ in range(8):
                with Child(child) as process:
                    process.result(timeout=10)

    @law(when=where_processes_fork, needs=Capability.LOCK)
    def test_a_lock_is_not_inherited(self, storage: AnyStorage) -> None:
        """A lock that the parent holds is not the child's, and is free when the parent has left it."""

        def child() -> bool:
            try:
                with storage.lock("name", 10, timeout=0):
                    return True
            except TimeoutError:
                return False

        shared = Capability.SHARED in storage.capabilities
        with storage.lock("name", 10):
            with Child(child) as process:
                assert process.result() is False or not shared
            assert storage.capabilities
        with Child(child) as process:
            assert process.result() is True
        with storage.lock("name", 10, timeout=0):
            pass
