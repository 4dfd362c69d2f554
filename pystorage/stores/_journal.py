"""What the processes that share a bounded folder tell one another: a file that all append to and read on.

::

    pystorage journal 1 {family} {number}
    {CRC-32 of the rest, 8 hex digits} {what happened}
    …

Whoever changes the folder holds the lock of this file, and reads before what others appended since. So all
know of all changes in one order, and nobody lists the folder. Nothing else depends on the file: a process
that comes new reads none of it, but the folder itself, and one that finds it unreadable does so again.

A journal that has become long is replaced by the next one of its family: whoever has the old one open reads
that to its end, and goes on with the new one.
"""

from __future__ import annotations

import errno
import os
import re
import weakref
from contextlib import suppress
from typing import Final
from zlib import crc32

from pystorage._sync import lock_descriptor, open_shared, token_hex, unlock_descriptor
from pystorage.errors import DecodeError
from pystorage.stores._disk import BINARY, CLOSE_ON_EXEC, NO_FOLLOW, check_plain, write_all
from pystorage.stores._own import OwnFiles

_FLAGS: Final[int] = (
    os.O_RDWR | os.O_APPEND | NO_FOLLOW | CLOSE_ON_EXEC | BINARY | getattr(os, "O_NONBLOCK", 0)
)
_HEADER: Final = re.compile(rb"pystorage journal ([0-9]+) ([0-9a-f]{16}) ([0-9]+)\n")
_FORMAT: Final = 1
_HEADER_SIZE: Final = 100
# To read more takes longer than to look at the folder.
_MOST_READ: Final = 1 << 26
_ATTEMPTS: Final = 100


class Journal:
    """The journal of one folder, as one handle reads it.

    Args:
        own: The storage's own files.
        mode: The permissions of the file.

    Raises:
        Nothing.

    Threads: one at a time.
    Processes: any number; a forked child goes on by itself.
    """

    _file = -1

    def __init__(self, own: OwnFiles, mode: int) -> None:
        self._own = own
        self._mode = mode
        self._path = own.journal
        self._checked = False  # whether the open file is the one that is meant by the next two
        self._family: tuple[bytes, int] | None = None
        self._end = 0  # of what was read
        self._followed = False  # whether the one before was read to its end
        _journals.add(self)

    def changed(self) -> bool:
        """Tell whether others may have appended something, without waiting for anybody.

        Returns:
            Whether to take it.

        Raises:
            OSError: It cannot be looked at.

        Cost: one look at an open file.
        """
        if self._file < 0:
            return os.path.lexists(self._path)
        found = os.fstat(self._file)
        return found.st_size != self._end or not found.st_nlink or not self._checked

    def take(self) -> list[str] | None:
        """Exclude all others, and read what they appended since; after an error that may be lost.

        Returns:
            What happened, in order; None where that cannot be told, and only the folder itself knows.

        Raises:
            DecodeError: It was written by a newer pystorage.
            OSError: It cannot be made, opened, locked or read.

        Cost: three system calls where nobody appended.
        """
        news: list[str] | None = []
        self._followed = False
        for _ in range(_ATTEMPTS):
            if self._file < 0:
                self._open()
            try:
                lock_descriptor(self._file, wait=True)
                found = os.fstat(self._file)
                if self._checked and found.st_nlink and found.st_size == self._end:
                    return news
                more = self._read_on()
                news = None if news is None or more is None else news + more
                if self._checked and found.st_nlink:
                    return news
            except BaseException:
                self.close()
                raise
            self._followed = self._checked
            self.close()  # it was replaced; the next one follows
        raise FileNotFoundError(errno.ENOENT, "the journal goes away again and again", self._path)

    def give(self, longest: int) -> None:
        """Let the others go on.

        Args:
            longest: How many bytes it may have; a longer one is replaced.

        Raises:
            Nothing.
        """
        if self._file < 0:
            return
        try:
            if self._end > longest and self._family is not None:
                family, number = self._family
                self._replace(_first_line(family, number + 1))
        except OSError:
            pass  # no room, or a system that keeps open files: it just goes on to grow
        finally:
            try:
                unlock_descriptor(self._file)
            except OSError:
                self.close()  # which gives the lock back, too

    def append(self, event: str) -> None:
        """Tell the others, while they are excluded.

        Args:
            event: What happened: ASCII without an end of line.

        Raises:
            OSError: It could not be written; they do not get to know of it.
        """
        text = event.encode("ascii")
        data = b"%08x %s\n" % (crc32(text), text)
        try:
            written = os.write(self._file, data)
            while written < len(data):  # a signal came, or the disk is nearly full
                written += os.write(self._file, memoryview(data)[written:])
        except BaseException:
            with suppress(OSError):  # else whoever comes next cuts it off
                os.ftruncate(self._file, self._end)
            raise
        self._end += len(data)

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed.

        Raises:
            Nothing.
        """
        file, self._file = self._file, -1
        self._checked = False
        if file >= 0:
            with suppress(OSError):
                os.close(file)

    def __del__(self) -> None:
        self.close()

    # ------------------------------------------------------------------ the file

    def _open(self) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self._file = os.open(self._path, _FLAGS)
                return
            except FileNotFoundError:
                self._own.make()
                os.close(open_shared(self._path, self._mode))
        raise FileNotFoundError(errno.ENOENT, "the journal goes away again and again", self._path)

    def _begin(self, size: int) -> bool:
        """Read the first line of a file that was just opened; say whether all before ``_end`` is known."""
        if size == 0 and self._family is None:
            # Nobody ever changed the folder, or he would have written this line first.
            self._family = (token_hex(8).encode(), 0)
            self._end = os.write(self._file, _first_line(*self._family))
            self._checked = True
            return True
        header = _HEADER.match(self._piece(0, min(size, _HEADER_SIZE)))
        if header is None:
            self._replace(_first_line(token_hex(8).encode(), 0))
            return False
        if int(header[1]) > _FORMAT:
            raise DecodeError(
                f"the journal {self._path!r} is of format {int(header[1])}, and this pystorage knows formats "
                f"up to {_FORMAT}: upgrade pystorage to use the folder",
                storage=self._path,
            )
        known, self._family = self._family, (header[2], int(header[3]))
        self._checked = True
        if self._family == known:  # opened again, as after a fork
            return True
        self._end = header.end()
        return self._followed and known is not None and self._family == (known[0], known[1] + 1)

    def _replace(self, line: bytes) -> None:
        with self._own.new_file() as file:
            write_all(file.descriptor, line)
            file.complete(sync=False)
            os.replace(file.path, self._path)

    def _piece(self, start: int, end: int) -> bytes:
        os.lseek(self._file, start, os.SEEK_SET)
        pieces = []
        while start < end and (piece := os.read(self._file, end - start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def _read_on(self) -> list[str] | None:
        """Read what was appended; None if that is not all that happened, or makes no sense."""
        known = self._checked or self._begin(check_plain(self._file).st_size)
        size = os.fstat(self._file).st_size
        start, self._end = self._end, size
        known = known and 0 <= size - start <= _MOST_READ
        lines = self._piece(start if known else max(0, size - _HEADER_SIZE), size).split(b"\n")
        torn = lines.pop()
        if torn:
            # Its writer died, before it did what it was going to tell, or after it removed something: that
            # others count too much does no harm.
            with suppress(OSError):
                os.ftruncate(self._file, size - len(torn))
                self._end -= len(torn)
        return self._checked_lines(lines) if known else None

    @staticmethod
    def _checked_lines(lines: list[bytes]) -> list[str] | None:
        events = []
        for line in lines:
            checksum, text = line[:8], line[9:]
            if b"%08x" % crc32(text) != checksum or not text.isascii():
                return None
            events.append(text.decode("ascii"))
        return events


def _first_line(family: bytes, number: int) -> bytes:
    return b"pystorage journal %d %s %d\n" % (_FORMAT, family, number)


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _leave_to_parent() -> None:
    # What the parent has open has one lock with it.
    for journal in list(_journals):
        journal.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
