"""One folder of entry files: atomic writes, and reads that meet nothing but whole plain files.

::

    {path}/{name}.{suffix}       the entries
    {path}/%pystorage.{suffix}…  the storage's own files
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Final

from pystorage._sync import token_hex
from pystorage.stores._disk import READ_FLAGS, check_plain, make_folder, sync_folder
from pystorage.stores._own import OwnFiles
from pystorage.stores._trust import check_ours

_FIRST_READ: Final = 16384

# Reads a file in one call, as far as nothing is unusual; see there.
_quick_read: Callable[[bytes, bytes, int, str], bytes | None] | None = None
if os.environ.get("PYSTORAGE_PURE") != "1" and sys.implementation.name == "cpython":
    with suppress(ImportError):
        _quick_read = import_module("pystorage.stores._quick").read


class Folder:
    """The files of one storage in one folder.

    Args:
        path: The folder, absolute; made if it is missing.
        suffix: What entry files end in, without the dot; may be empty.
        mode: The permissions of the files; folders get the matching ones.
        sync: Whether a write survives a power cut.

    Raises:
        OSError: The folder is missing and cannot be made, or is no folder.

    Threads: any number.
    Processes: any number.
    """

    def __init__(self, path: str, suffix: str, mode: int, sync: bool) -> None:
        self.path = path
        self.sync = sync
        self.start = os.path.join(path, "")
        self.ending = f".{suffix}" if suffix else ""
        #: Gives the bytes of an entry, or None where ``read`` is to be asked, which also knows why.
        self.read_at_once: Callable[[str], bytes | None] = (
            _nothing
            if _quick_read is None
            else partial(_quick_read, os.fsencode(self.start), self.ending.encode(), READ_FLAGS)
        )
        self._folder_mode = mode | (mode & 0o444) >> 2
        self.make(path)
        self.own = OwnFiles(path, self.ending, mode, self._folder_mode)

    # ------------------------------------------------------------------ the folder

    def make(self, path: str) -> None:
        """Make a folder and those above it that are missing, if it is not there.

        Args:
            path: The folder, this one or one below it. These get exactly the folder mode, those above what
                is usual.

        Raises:
            OSError: It cannot be made, or something else lies there.
        """
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            above = os.path.dirname(path)
            if above == path:  # a drive that is not there
                break
            path = above
        for path in reversed(missing):
            try:
                make_folder(path, self._folder_mode if path.startswith(self.path) else None)
            except FileExistsError:
                # Somebody made it meanwhile, and may just have removed it again.
                if os.path.islink(path) or not stat.S_ISDIR(os.stat(path).st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
            if self.sync:
                sync_folder(os.path.dirname(path))

    def check(self) -> None:
        """See that the folder is there, as an absent file may also mean that all of it is gone.

        Raises:
            OSError: It is gone.
        """
        if not stat.S_ISDIR(os.stat(self.path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.path)

    def file(self, name: str) -> str:
        """Give the path of an entry.

        Args:
            name: Its name.

        Returns:
            The path.

        Raises:
            Nothing.
        """
        return f"{self.start}{name}{self.ending}"

    def files(self) -> list[str]:
        """List the files of the folder itself.

        Returns:
            Names of plain files: of entries, with their ending, and of others.

        Raises:
            OSError: The folder cannot be read.
        """
        with os.scandir(self.path) as found:
            return [entry.name for entry in found if entry.is_file(follow_symlinks=False)]

    def names(self) -> list[str]:
        """List the entries of the folder itself.

        Returns:
            Names, of entries and perhaps of others.

        Raises:
            OSError: The folder cannot be read.
        """
        length = -len(self.ending) or None
        return [name[:length] for name in self.files() if name.endswith(self.ending)]

    # ------------------------------------------------------------------ reading

    def read(self, name: str, guarded: bool = False) -> bytes | None:
        """Read an entry.

        Args:
            name: Its name.
            guarded: Whether a file that somebody else may have written is refused.

        Returns:
            Its bytes; None where it is absent.

        Raises:
            Untrusted: Guarded, and somebody else may have written it.
            OSError: It cannot be read.

        Cost: open, read and close; about 20 % above these calls themselves.
        """
        if not guarded and (found := self.read_at_once(name)) is not None:
            return found
        try:
            descriptor = os.open(f"{self.start}{name}{self.ending}", READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            self.check()
            return None
        try:
            if guarded:
                check_ours(descriptor, self.file(name))
            data = os.read(descriptor, _FIRST_READ)
            if 0 < len(data) < _FIRST_READ:
                return data
            return _read_all(descriptor)
        finally:
            os.close(descriptor)

    def open(self, name: str) -> int | None:
        """Open an entry for reading.

        Args:
            name: Its name.

        Returns:
            A descriptor; None where the entry is absent.

        Raises:
            OSError: It cannot be opened.
        """
        try:
            return os.open(self.file(name), READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            self.check()
            return None

    def head(self, name: str, size: int) -> bytes | None:
        """Read the beginning of an entry.

        Args:
            name: Its name.
            size: At most so many bytes.

        Returns:
            The bytes, none of them where we may not read the file; None where there is no entry, though
            there be a link or a folder of that name.

        Raises:
            OSError: It cannot be read.
        """
        try:
            descriptor = self.open(name)
        except PermissionError:
            # Of another user, as in the system's temporary folder: it is there, like others in the listing.
            try:
                return b"" if stat.S_ISREG(os.lstat(self.file(name)).st_mode) else None
            except FileNotFoundError:  # its owner has just removed it
                return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                return None
            raise
        if descriptor is None:
            return None
        try:
            found = os.fstat(descriptor)
            return os.read(descriptor, min(size, found.st_size)) if stat.S_ISREG(found.st_mode) else None
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------ writing

    def write(self, name: str, data: bytes, condition: Callable[[], bool] | None = None) -> bool:
        """Write an entry: a reader sees the old bytes or the new ones.

        Args:
            name: Its name.
            data: Its bytes.
            condition: Asked while nobody else can write; False leaves the old ones.

        Returns:
            Whether it was written.

        Raises:
            OSError: It could not be written; the old bytes stand.

        Cost: one file made and renamed under a lock; about 20 % above these calls themselves.
        """
        file = self.own.new_file()
        try:
            written = os.write(file.descriptor, data)
            while written < len(data):  # a signal came, or the disk is nearly full
                written += os.write(file.descriptor, memoryview(data)[written:])
            file.complete(self.sync)
            return self.put(file.path, name, condition)
        except BaseException:
            file.discard()
            raise

    def put(self, path: str, name: str, condition: Callable[[], bool] | None = None) -> bool:
        """Put a written file in the place of an entry.

        Args:
            path: The file, complete.
            name: The name of the entry.
            condition: Asked while nobody else can write; False removes the file instead.

        Returns:
            Whether it is in place.

        Raises:
            OSError: It could not be put there; the old entry stands.
        """
        target = f"{self.start}{name}{self.ending}"
        with self.own.lock(name):
            if condition is not None and not condition():
                os.unlink(path)
                return False
            self._rename(path, target)
        if self.sync:
            sync_folder(os.path.dirname(target))
        return True

    def _rename(self, path: str, target: str) -> None:
        os.replace(path, target)

    def remove(self, name: str, condition: Callable[[], bool] | None = None) -> bool:
        """Remove an entry.

        Args:
            name: Its name.
            condition: Asked while nobody else can write; False leaves it.

        Returns:
            Whether it was there and is gone.

        Raises:
            OSError: It could not be removed.
        """
        path = self.file(name)
        if not os.path.lexists(path):
            self.check()
            return False
        with self.own.lock(name):
            if condition is not None and not condition():
                return False
            try:
                os.unlink(path)
            except FileNotFoundError:
                return False
        if self.sync:
            sync_folder(os.path.dirname(path))
        return True

    def set_aside(self, name: str, condition: Callable[[], bool]) -> str | None:
        """Move an entry out of the way, among the storage's own files.

        Args:
            name: Its name.
            condition: Asked while nobody else can write; False leaves it.

        Returns:
            Where it is now; None if it was left.

        Raises:
            OSError: It could not be moved.
        """
        with self.own.lock(name):
            if not condition():
                return None
            moved = self._moved_aside(name)
        if self.sync:
            sync_folder(os.path.dirname(self.file(name)))
        return moved

    def _moved_aside(self, name: str) -> str:
        folder = self.own.make_quarantine()
        flat = name.replace("/", "%2F")
        target = os.path.join(folder, f"{flat}{self.ending}.{token_hex(4)}")  # which nothing has
        os.rename(self.file(name), target)
        if self.sync:
            sync_folder(folder)
        return target

    def rename(self, name: str, new: str) -> bool:
        """Give an entry another name, if that is free.

        Args:
            name: Its name.
            new: The new one.

        Returns:
            Whether it was renamed; not if it is gone.

        Raises:
            OSError: It cannot be renamed.
        """
        path, target = self.file(name), self.file(new)
        with self.own.lock(new):
            if os.path.lexists(target) or not os.path.lexists(path):
                return False
            try:
                self._rename(path, target)
            except FileNotFoundError:
                self.check()
                return False
        if self.sync:
            sync_folder(os.path.dirname(target))
        return True


def _nothing(name: str) -> None:
    return None


def _read_all(descriptor: int) -> bytes:
    """Read a file from its start; no entry changes once it is in place."""
    found = check_plain(descriptor)
    os.lseek(descriptor, 0, os.SEEK_SET)
    data = os.read(descriptor, found.st_size)
    if len(data) == found.st_size:
        return data
    pieces = [data]
    while piece := os.read(descriptor, max(1 << 20, found.st_size)):
        pieces.append(piece)
    return b"".join(pieces)
