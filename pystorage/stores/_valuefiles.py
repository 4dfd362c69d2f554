"""Large values as files beside a database: each is written once, named by a row, and removed after it.

A file is complete before the row that names it is committed, and removed after the row is gone; who dies in
between leaves a file that nobody names. Each process that writes keeps one small file locked in the folder,
with whose name its value files begin: so those of the dead are told from what is about to be named.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from pystorage._sync import fork_safe_lock, lock_descriptor
from pystorage.stores._disk import (
    BINARY,
    CLOSE_ON_EXEC,
    NO_FOLLOW,
    READ_FLAGS,
    check_plain,
    make_folder,
    sync_folder,
    write_all,
)
from pystorage.stores._own import NewFile
from pystorage.stores._trust import check_ours
from pystorage.stores._writer import Writer

_WRITE_FLAGS: Final[int] = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | CLOSE_ON_EXEC | BINARY
_LOOK_FLAGS: Final[int] = os.O_RDWR | NO_FOLLOW | CLOSE_ON_EXEC | getattr(os, "O_NONBLOCK", 0)
_NAME: Final = re.compile(r"([0-9a-f]{16})(-[0-9a-f]+)?")
_ATTEMPTS: Final = 10
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class ValueFiles:
    """The folder of large values of one database; it is made when the first one comes.

    Args:
        folder: The folder.
        sync: Whether a file survives a power cut as soon as it is complete.
        guarded: Whether a file that somebody else may have written is refused.

    Raises:
        Nothing.

    Threads: any number.
    Processes: any number.
    """

    def __init__(self, folder: str, *, sync: bool, guarded: bool) -> None:
        self.folder = folder
        self._start = os.path.join(folder, "")
        self._sync = sync
        self._guarded = guarded
        self._writer: Writer | None = None
        self._making = fork_safe_lock()
        _folders.add(self)

    # ------------------------------------------------------------------ writing

    def new(self) -> NewFile:
        """Make a file to write to.

        Returns:
            The file, a context manager that removes it unless it was completed.

        Raises:
            OSError: It cannot be made.
        """
        for _ in range(_ATTEMPTS):
            writer = self._as_writer()
            path = writer.new_path()
            try:
                return NewFile(writer, path, os.open(path, _WRITE_FLAGS, _MODE))
            except FileNotFoundError:  # somebody removed the folder
                with self._making:
                    if self._writer is writer:
                        self._writer = None
        raise FileNotFoundError(
            errno.ENOENT, "the folder of large values goes away again and again", self.folder
        )

    def complete(self, file: NewFile) -> str:
        """Complete a file, so that a row may name it.

        Args:
            file: The file, whole.

        Returns:
            Its name.

        Raises:
            OSError: Not all was written.
        """
        file.complete(self._sync)
        if self._sync:
            sync_folder(self.folder)
        return os.path.basename(file.path)

    def write(self, data: bytes) -> NewFile:
        """Write a value to a file.

        Args:
            data: The value.

        Returns:
            The file, complete; to be discarded if no row comes to name it.

        Raises:
            OSError: It cannot be written, and is gone.
        """
        file = self.new()
        try:
            write_all(file.descriptor, data)
            self.complete(file)
        except BaseException:
            file.discard()
            raise
        return file

    def token(self) -> str:
        """Give the name that this process is known by, for as long as it lives.

        Returns:
            The name.

        Raises:
            OSError: The folder cannot be written to.
        """
        return self._as_writer().name

    def _as_writer(self) -> Writer:
        writer = self._writer
        if writer is not None and writer.is_ours():
            return writer
        with self._making:
            if self._writer is None or not self._writer.is_ours():
                with suppress(FileExistsError):
                    make_folder(self.folder, _FOLDER_MODE)
                    if self._sync:
                        sync_folder(os.path.dirname(self.folder))
                if not stat.S_ISDIR(os.lstat(self.folder).st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.folder)
                self._writer = Writer(self._start, _MODE)
            return self._writer

    # ------------------------------------------------------------------ reading

    def open(self, name: str) -> int:
        """Open a file for reading.

        Args:
            name: Its name.

        Returns:
            A descriptor.

        Raises:
            FileNotFoundError: It is gone, or this is not the name of such a file.
            OSError: It cannot be opened.
        """
        if _NAME.fullmatch(name) is None:
            raise FileNotFoundError(errno.ENOENT, "no file of a value is named like this", name)
        path = self._start + name
        descriptor = os.open(path, READ_FLAGS)
        try:
            if self._guarded:
                check_ours(descriptor, path)
            check_plain(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, name: str, size: int) -> bytes:
        """Read a file.

        Args:
            name: Its name.
            size: How many bytes it should have.

        Returns:
            Its bytes, at most one more than it should have.

        Raises:
            FileNotFoundError: It is gone.
            OSError: It cannot be read.
        """
        if self._guarded or _NAME.fullmatch(name) is None:
            descriptor = self.open(name)
        else:  # which is looked at more closely below, if it is not as it should be
            descriptor = os.open(self._start + name, READ_FLAGS)
        try:
            data = os.read(descriptor, size + 1)
            if len(data) == size:
                return data
            check_plain(descriptor)
            pieces = [data]
            while len(data) <= size and (piece := os.read(descriptor, size + 1)):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------ removing

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that no row names any more.

        Args:
            names: Their names.

        Raises:
            Nothing.
        """
        for name in names:
            if _NAME.fullmatch(name):
                # What cannot be removed now is swept later.
                with suppress(OSError):
                    os.unlink(self._start + name)

    def lives(self, writer: str) -> bool:
        """Tell whether the process of a name lives.

        Args:
            writer: What its ``token`` gave.

        Returns:
            Whether it does, or nobody can tell.

        Raises:
            Nothing.
        """
        try:
            descriptor = os.open(self._start + writer, _LOOK_FLAGS)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            return not lock_descriptor(descriptor, wait=False)
        except OSError:
            return True
        finally:
            os.close(descriptor)

    def sweep(self, named: Callable[[], set[str]]) -> int:
        """Remove the files of dead writers that no row names.

        Args:
            named: Gives the names that rows have, as they are when it is called.

        Returns:
            How many were removed.

        Raises:
            OSError: What ``named`` raises.
        """
        try:
            found = [match for match in map(_NAME.fullmatch, os.listdir(self.folder)) if match]
        except OSError:
            return 0
        dead = {writer for writer in {match[1] for match in found} if not self.lives(writer)}
        # Only now, as a writer that is dead commits no more.
        files = [match[0] for match in found if match[2] and match[1] in dead]
        orphans = set(files) - named() if files else set()
        self.remove(orphans)
        for writer in dead:
            self._forget(writer)
        return len(orphans)

    def _forget(self, writer: str) -> None:
        """Remove the file of a dead writer, last of all."""
        path = self._start + writer
        with suppress(OSError):
            descriptor = os.open(path, _LOOK_FLAGS)
            try:
                if lock_descriptor(descriptor, wait=False):
                    os.unlink(path)
            finally:
                os.close(descriptor)

    # ------------------------------------------------------------------ end, fork

    def leave_to_parent(self) -> None:
        """In a forked child: let go of what the parent is known by, which would outlive it here.

        Raises:
            Nothing.
        """
        self._writer = None

    def close(self) -> None:
        """Let go of what is held open; a file that is being written keeps it until it is done.

        Raises:
            Nothing.
        """
        with self._making:
            self._writer = None


_folders: weakref.WeakSet[ValueFiles] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for folder in list(_folders):
        folder.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
