"""A folder of entry files that are never too many or too large: the least recently used make room.

No file is put in its place before there is room.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pystorage._byteentries import read_header
from pystorage.codecs import header
from pystorage.naming import Naming
from pystorage.stores._disk import READ_FLAGS, sync_folder
from pystorage.stores._known import KnownFolder
from pystorage.stores._order import GRAIN, Entry, put_event

# So many files that another process used since are spared by one write at most.
_MOST_SPARED: Final = 16
# So many files that have expired go with a write for which there is room.
_EXPIRED_AT_ONCE: Final = 2
_BY_DESCRIPTOR: Final = os.utime in os.supports_fd


class BoundedFolder(KnownFolder):
    """The files of one storage in one folder, at most so many, with at most so many bytes.

    Args:
        path: The folder, absolute; made if it is missing.
        suffix: What entry files end in, without the dot; not empty.
        mode: The permissions of the files; folders get the matching ones.
        sync: Whether a write survives a power cut.
        timer: The clock of the deadlines, in seconds.
        limit: How many files there may be; None is any number.
        size_limit: How many bytes they may have together; None is any number.

    Raises:
        OSError: The folder is missing and cannot be made, or is no folder.

    Threads: any number.
    Processes: any number.
    """

    def open_bounded(self, naming: Naming, may_expire: Callable[[], bool]) -> None:
        """Look at what there is, and remove what is over the limits.

        Args:
            naming: How keys become names.
            may_expire: Tells whether any entry may have a deadline.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The folder cannot be read, or what is over the limits not be removed.
        """
        self.learn(naming, may_expire)
        if self.order.over(0, 0):
            with self.changing():
                self._tell_removed(self._make_room(None, 0, 0))

    # ------------------------------------------------------------------ room

    def _make_room(self, name: str | None, more: int, bytes_more: int) -> list[str]:
        """Remove files until there is room; give their names."""
        order = self.order
        removed: list[str] = []
        if name is not None:
            order.use(name)  # so that it is the last to go
        spared = 0
        self._sure = False
        try:
            while order.over(more, bytes_more):
                expired = order.first_expired()
                if expired is not None:
                    if self._bury(expired):
                        removed.append(expired)
                    continue
                try:
                    victim, entry = order.files.popitem()
                except KeyError:
                    break
                if victim == name:
                    order.put(victim, entry)
                    break
                if self._evict(victim, entry, spare=spared < _MOST_SPARED):
                    removed.append(victim)
                else:
                    spared += 1
            if order.first_expired() is not None:
                removed += self._bury_some()
        except OSError:
            self._sure = True
            self._tell_removed(removed)
            raise
        self._sure = True
        return removed

    def _evict(self, name: str, entry: Entry, *, spare: bool) -> bool:
        """Remove a file that was taken out of the order; False where it stays, as another process used it."""
        seen = self._seen(name)
        if seen is None or not stat.S_ISREG(seen.st_mode):
            return True
        if spare and entry.stamp < seen.st_mtime_ns and self.order.sane(seen.st_mtime_ns):
            self.order.put(name, self._entry_of(name, seen))
            return False
        try:
            os.unlink(self.file(name))
        except FileNotFoundError:
            return True
        except OSError:
            self.order.put(name, entry)
            raise
        self.evictions += 1
        return True

    def _bury(self, name: str) -> bool:
        """Remove a file whose time has come; say whether it is gone."""
        try:
            found = read_header(lambda size: self.head(name, size))
            seen = self._seen(name)
            if found is None or seen is None:
                self.order.drop(name)
                return True
            deadline = found[0].deadline
            if deadline is None or self._timer() < deadline:  # the clock was put back
                self.order.drop(name)
                self.order.put(name, Entry(seen.st_size, deadline, seen.st_mtime_ns))
                return False
            os.unlink(self.file(name))
        except FileNotFoundError:
            pass
        except OSError:
            self.order.postpone(name)
            raise
        self.order.drop(name)
        self.expirations += 1
        return True

    def _bury_some(self) -> list[str]:
        removed = []
        with suppress(OSError):  # there is room without it
            for _ in range(_EXPIRED_AT_ONCE):
                expired = self.order.first_expired()
                if expired is not None and self._bury(expired):
                    removed.append(expired)
        return removed

    def _tell(self, event: str) -> None:
        """Tell the others of what is done; if that fails they count too much, which does no harm."""
        with suppress(OSError):
            self._journal.append(event)

    def _tell_removed(self, names: list[str]) -> None:
        if names:
            self._tell(" ".join(f"-{name}" for name in names))

    def look_anew(self) -> None:
        """Learn of what others than this storage's processes put there or removed.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The folder cannot be read.

        Cost: as ``look``; the other processes wait.
        """
        with self.changing():
            self.look()

    def purge(self) -> int:
        """Look at the folder anew, and remove what has expired.

        Returns:
            How many files that were.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The folder cannot be read, or a file not be removed.
        """
        removed: list[str] = []
        with self.changing():
            before = self.expirations
            self.look()
            self.order.over(0, 0)
            try:
                while (name := self.order.first_expired()) is not None:
                    if self._bury(name):
                        removed.append(name)
            finally:
                self._tell_removed(removed)
            count = self.expirations - before
        if removed and self.sync:
            sync_folder(self.path)
        return count

    # ------------------------------------------------------------------ writing

    def write(self, name: str, data: bytes, condition: Callable[[], bool] | None = None) -> bool:
        file = self.own.new_file()
        try:
            written = os.write(file.descriptor, data)
            while written < len(data):
                written += os.write(file.descriptor, memoryview(data)[written:])
            deadline = header.read(data).deadline if data.startswith(header.MAGIC) else None
            entry = Entry(len(data), deadline, self.order.stamp(), time.monotonic() + GRAIN)
            os.utime(file.descriptor if _BY_DESCRIPTOR else file.path, ns=(entry.stamp, entry.stamp))
            file.complete(self.sync)
            return self._place(file.path, name, entry, condition)
        except BaseException:
            file.discard()
            raise

    def put(self, path: str, name: str, condition: Callable[[], bool] | None = None) -> bool:
        stamp = self.order.stamp()
        os.utime(path, ns=(stamp, stamp))
        descriptor = os.open(path, READ_FLAGS)
        try:
            found = read_header(lambda size: _head(descriptor, size))
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        deadline = None if found is None else found[0].deadline
        return self._place(path, name, Entry(size, deadline, stamp, time.monotonic() + GRAIN), condition)

    def _place(self, path: str, name: str, entry: Entry, condition: Callable[[], bool] | None = None) -> bool:
        """Put a complete file in its place, once there is room for it."""
        with self._lock:
            try:
                self._enter()
                if condition is not None and not condition():
                    os.unlink(path)
                    return False
                old = self.order.files.peek(name)
                more, bytes_more = (1, entry.size) if old is None else (0, entry.size - old.size)
                removed = self._make_room(name, more, bytes_more)
                event = " ".join([*(f"-{gone}" for gone in removed), put_event(name, entry)])
                if bytes_more >= 0:
                    self._journal.append(event)
                self._sure = False
                try:
                    os.replace(path, f"{self.start}{name}{self.ending}")
                except OSError:
                    self._sure = True
                    self._tell(f"-{name}" if old is None else put_event(name, old))
                    raise
                self.order.put(name, entry)
                self._sure = True
                if bytes_more < 0:
                    self._tell(event)
            finally:
                self._leave()
        if self.sync:
            sync_folder(self.path)
        return True

    def remove(self, name: str, condition: Callable[[], bool] | None = None) -> bool:
        path = self.file(name)
        if not os.path.lexists(path):
            self.check()
            if name in self.order.files:
                self.miss(name)
            return False
        with self.changing():
            if condition is not None and not condition():
                return False
            try:
                os.unlink(path)
                gone = True
            except FileNotFoundError:
                gone = False
            self.order.drop(name)
            self._tell(f"-{name}")
        if gone and self.sync:
            sync_folder(self.path)
        return gone

    def set_aside(self, name: str, condition: Callable[[], bool]) -> str | None:
        with self.changing():
            if not condition():
                return None
            moved = self._moved_aside(name)
            self.order.drop(name)
            self._tell(f"-{name}")
        if self.sync:
            sync_folder(self.path)
        return moved

    def rename(self, name: str, new: str) -> bool:
        path = self.file(name)
        with self.changing():
            if os.path.lexists(self.file(new)) or not os.path.lexists(path):
                return False
            self.put(path, new)
            self.order.drop(name)
            self._tell_removed([name])
        return True


def _head(descriptor: int, size: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, size)
