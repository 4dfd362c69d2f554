"""Storages on disk of which each breaks laws, those that it names."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar

from pystorage.storage import Capability, Stats
from tests.testing.breaking import conformance_of
from tests.testing.reference import Entries, Shelf


class SwallowsBadKeys(Shelf):
    breaks = ("test_a_refused_key_cannot_be_written",)

    def _held(self, key: Any) -> Any:
        try:
            return super()._held(key)
        except TypeError:
            return repr(key)


# ---------------------------------------------------------------------- life


class PurgesNothing(Shelf):
    breaks = ("test_purge_removes_what_has_expired", "test_what_was_purged_does_not_come_back")

    def purge(self) -> int:
        return 0


class LeavesAFileBehind(Shelf):
    breaks = ("test_an_exception_inside_writes_nothing",)

    @contextmanager
    def _buffered_write(self, key: Any, ttl: float | None) -> Iterator[BinaryIO]:
        (self.place / f"temporary of {key}").touch()
        with super()._buffered_write(key, ttl) as file:
            yield file


class StreamsInMemory(Shelf):
    capabilities = Shelf.capabilities | Capability.STREAM
    breaks = ("test_a_large_stream_takes_little_memory",)


class TakesUnknownForZero(Shelf):
    capabilities = Shelf.capabilities | Capability.STATS
    breaks = ("test_each_is_counted",)

    def stats(self) -> Stats:
        return Stats(hits=0, misses=0, sets=0, deletes=0)


# ---------------------------------------------------------------------- values, handles


class DestroysTheOldValue(Shelf):
    breaks = ("test_a_bad_value_leaves_the_old_one",)

    def _put(self, key: Any, value: Any, seconds: float | None) -> None:
        self.pop(key, None)
        super()._put(key, value, seconds)


class WorksWhenClosed(Shelf):
    breaks = ("test_a_closed_storage_says_so",)

    def close(self) -> None:
        pass


class PicklesWhatItHolds(Shelf):
    breaks = ("test_a_pickle_holds_no_contents",)

    def __reduce__(self) -> Any:
        return type(self), (self.place, self._timer), {"remembered": self._look()}


class SharesWhatIsCopied(Shelf):
    breaks = ("test_a_copy_is_another_handle",)

    def __copy__(self) -> Any:
        return self


class KeepsFilesOpen(Shelf):
    breaks = ("test_a_closed_storage_holds_nothing_open",)
    opened: ClassVar[list[Any]] = []

    def _look(self) -> Entries:
        if len(self.opened) < 20:
            self.opened.append(open("/dev/null"))  # noqa: SIM115  left open on purpose
        return super()._look()


class RunsWhatItFinds(Shelf):
    breaks = ("test_a_planted_pickle_never_runs",)

    def _look(self) -> Entries:
        self._check_open()
        path = self.place / "entries"
        return copy.copy(pickle.loads(path.read_bytes())) if path.exists() else {}


class LoadsPicklesWithoutSayingSo(Shelf):
    breaks = ("test_a_planted_pickle_never_runs_wherever_it_lies",)


# ---------------------------------------------------------------------- processes


class WritesInPlace(Shelf):
    breaks = ("test_a_killed_writer_tears_nothing",)

    def _change(self, change: Any) -> Any:
        self._check_open()
        entries = self._look()
        result = change(entries)
        with open(self.place / "entries", "wb", buffering=0) as file:
            data = pickle.dumps(entries)
            for start in range(0, len(data), 64):
                file.write(data[start : start + 64])
        return result


class LocksNobodyOut(Shelf):
    breaks = ("test_processes_lose_nothing", "test_no_addition_of_a_process_is_lost")

    def _change(self, change: Any) -> Any:
        self._check_open()
        entries = self._look()
        result = change(entries)
        temporary = self.place / f"temporary {time.perf_counter_ns()}"
        temporary.write_bytes(pickle.dumps(entries))
        temporary.chmod(0o600)
        temporary.replace(self.place / "entries")
        return result


globals().update(conformance_of(globals()))
