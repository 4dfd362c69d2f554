"""One folder of entry files: atomic writes, sweeping, locks and the safety of what lies there.

::

    {path}/{name}.{suffix}                        the entries
    {path}/%pystorage.{suffix}.settings           what the storage must remember, once there is something
    {path}/%pystorage.{suffix}.own/temporary/…    files being written; their writers keep them locked
    {path}/%pystorage.{suffix}.own/locks/…        one lock for a sixteenth of the names each
    {path}/%pystorage.{suffix}.own/leases/…       what ``Storage.lock`` holds

No name of a key begins with ``%p``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from zlib import crc32

from pystorage._sync import FileLock
from pystorage.naming import OWN
from pystorage.stores._writer import Writer, sweep

_NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", getattr(os, "O_NOINHERIT", 0))
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)
# Not blocking, so that a pipe planted under a name cannot hang its reader.
READ_FLAGS: Final[int] = os.O_RDONLY | _NO_FOLLOW | _CLOSE_ON_EXEC | _BINARY | getattr(os, "O_NONBLOCK", 0)
_WRITE_FLAGS: Final[int] = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _CLOSE_ON_EXEC | _BINARY

_FIRST_READ: Final = 16384
_LOCKS: Final = 16
_ATTEMPTS: Final = 10


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
        self.mode = mode
        self.sync = sync
        self.folder_mode = mode | (mode & 0o444) >> 2
        self.start = os.path.join(path, "")
        self.ending = f".{suffix}" if suffix else ""
        if not os.path.isdir(path):
            self.make(path)
        found = os.stat(path)
        own = f"{OWN}{self.ending}.own"
        if found.st_mode & stat.S_ISVTX and found.st_uid != _user():
            # As in the system's temporary folder: nobody can replace the files of another there.
            own += f"-{_user()}"
        self.own = os.path.join(path, own)
        self.temporary = os.path.join(self.own, "temporary", "")
        self.leases = os.path.join(self.own, "leases")
        self._locks = os.path.join(self.own, "locks", "")
        self.settings = os.path.join(path, f"{OWN}{self.ending}.settings")
        self._writer: Writer | None = None

    # ------------------------------------------------------------------ folders

    def make(self, path: str) -> None:
        """Make a folder with exactly the folder mode, and its parents with the usual one.

        Args:
            path: The folder; it may be there.

        Raises:
            OSError: It cannot be made, or something else lies there.
        """
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mkdir(path, self.folder_mode)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            return
        if self.folder_mode & 0o077:
            os.chmod(path, self.folder_mode)
        if self.sync:
            _sync_folder(os.path.dirname(path))

    def make_own(self) -> None:
        """Make the storage's own sub-folders.

        Raises:
            OSError: They cannot be made, or somebody else made them where he could look in.
        """
        self.check()
        self.make(self.own)
        found = os.lstat(self.own)
        shared = os.stat(self.path).st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(found.st_mode) or (shared and not _only_ours(found)):
            raise PermissionError(errno.EPERM, "somebody else made this folder; remove it", self.own)
        for path in (self.temporary, self._locks, self.leases):
            self.make(path.rstrip(os.sep))

    def check(self) -> None:
        """See that the folder is there, as an absent file may also mean that all of it is gone.

        Raises:
            OSError: It is gone.
        """
        if not os.path.isdir(self.path):
            raise FileNotFoundError(errno.ENOENT, "the folder of the storage is gone", self.path)

    def folds_case(self) -> bool:
        """Tell whether the disk takes capitals for small letters.

        Returns:
            Whether it does, as far as can be seen without writing.

        Raises:
            Nothing.
        """
        for path in (self.own, self.path):
            parent, name = os.path.split(path)
            if name.swapcase() != name and os.path.lexists(path):
                with suppress(OSError):
                    return os.path.samefile(path, os.path.join(parent, name.swapcase()))
                return False
        return False

    def only_ours(self) -> bool:
        """Tell whether nobody else can have put a file into the folder.

        Returns:
            Whether it and every folder above it can be written by us and the system alone.

        Raises:
            OSError: It is gone.
        """
        path = os.path.realpath(self.path)
        if not _only_ours(os.stat(path)):
            return False
        while path != (path := os.path.dirname(path)):
            found = os.stat(path)
            theirs = found.st_uid not in (0, _user())
            if theirs or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
                return False
        return True

    # ------------------------------------------------------------------ reading

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

    def read(self, name: str, *, guarded: bool = False) -> bytes | None:
        """Read an entry.

        Args:
            name: Its name.
            guarded: Whether a file that somebody else may have written is refused.

        Returns:
            Its bytes; None where it is absent.

        Raises:
            PermissionError: Guarded, and somebody else may have written it.
            OSError: It cannot be read.

        Cost: open, read and close; about 20 % above these calls themselves.
        """
        try:
            descriptor = os.open(f"{self.start}{name}{self.ending}", READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            self.check()
            return None
        try:
            if guarded:
                check_ours(descriptor)
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
            The bytes; None where there is no entry, though there be a link or a folder of that name.

        Raises:
            OSError: It cannot be read.
        """
        try:
            descriptor = self.open(name)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                return None
            raise
        if descriptor is None:
            return None
        try:
            data = os.read(descriptor, size)
            return data if data or stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        except IsADirectoryError:
            return None
        finally:
            os.close(descriptor)

    def files(self) -> list[str]:
        """List the files of the folder itself.

        Returns:
            Names of plain files: of entries, with their ending, and of others.

        Raises:
            OSError: The folder cannot be read.
        """
        with os.scandir(self.path) as found:
            return [entry.name for entry in found if entry.is_file(follow_symlinks=False)]

    def tree_names(self, below: str) -> list[str]:
        """List the entries of the folder and of all below it.

        Args:
            below: The name of a folder, to list only that; ``""`` is all.

        Returns:
            Names, with ``/`` between folders.

        Raises:
            OSError: A folder cannot be read.
        """
        ending, length = self.ending, -len(self.ending) or None
        names, waiting = [], [f"{below}/" if below else ""]
        while waiting:
            folder = waiting.pop()
            try:
                found = os.scandir(self.start + folder)
            except (FileNotFoundError, NotADirectoryError):
                self.check()
                continue
            with found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith(OWN):
                            waiting.append(f"{folder}{entry.name}/")
                    elif entry.name.endswith(ending) and entry.is_file(follow_symlinks=False):
                        names.append(folder + entry.name[:length])
        return names

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
        path, descriptor = self._new_file()
        try:
            if os.write(descriptor, data) < len(data):
                _write_rest(descriptor, data)
            return self.put(descriptor, path, name, condition)
        except BaseException:
            _discard(path)
            raise
        finally:
            os.close(descriptor)

    @contextmanager
    def new_file(self) -> Iterator[tuple[str, int]]:
        """Make a file to write to, outside the listing; after an exception it is removed.

        Returns:
            A context manager that gives its path and descriptor.

        Raises:
            OSError: It cannot be made.
        """
        path, descriptor = self._new_file()
        try:
            yield path, descriptor
        except BaseException:
            _discard(path)
            raise
        finally:
            os.close(descriptor)

    def _new_file(self) -> tuple[str, int]:
        for _ in range(_ATTEMPTS):
            writer = self._writer
            if writer is None or not writer.is_ours():
                self.make_own()
                writer = self._writer = Writer(self.temporary, self.mode)
            path = writer.new_path()
            try:
                descriptor = os.open(path, _WRITE_FLAGS, self.mode)
            except FileNotFoundError:
                self._writer = None  # somebody removed the storage's own folder
                continue
            if self.mode & 0o077:
                os.chmod(descriptor, self.mode)  # whatever the umask
            return path, descriptor
        raise FileNotFoundError(errno.ENOENT, "the storage's own folder goes away again and again", self.own)

    def put(self, descriptor: int, path: str, name: str, condition: Callable[[], bool] | None = None) -> bool:
        """Put a written file in the place of an entry.

        Args:
            descriptor: The open file.
            path: Its path.
            name: The name of the entry.
            condition: Asked while nobody else can write; False removes the file instead.

        Returns:
            Whether it is in place.

        Raises:
            OSError: It could not be put there; the old entry stands.
        """
        if self.sync:
            os.fsync(descriptor)
        target = f"{self.start}{name}{self.ending}"
        with FileLock(f"{self._locks}{crc32(name.encode()) % _LOCKS:x}", self.mode):
            if condition is not None and not condition():
                os.unlink(path)
                return False
            self._rename(path, target)
        if self.sync:
            _sync_folder(os.path.dirname(target))
        return True

    def _rename(self, path: str, target: str) -> None:
        for _ in range(_ATTEMPTS):
            try:
                os.replace(path, target)
            except FileNotFoundError:
                # In a tree the folder may be missing yet, or another process may just have pruned it.
                self.check()
                if os.path.isdir(parent := os.path.dirname(target)):
                    raise
                self.make(parent)
            else:
                return
        raise FileNotFoundError(errno.ENOENT, "its folder goes away again and again", target)

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
        with self.lock(name):
            if condition is not None and not condition():
                return False
            try:
                os.unlink(path)
            except FileNotFoundError:
                return False
        parent = os.path.dirname(path)
        if self.sync:
            _sync_folder(parent)
        with suppress(OSError):  # a folder that is not empty stays
            while len(parent) > len(self.path):
                os.rmdir(parent)
                parent = os.path.dirname(parent)
        return True

    def rename(self, name: str, new: str) -> bool:
        """Give an entry another name, if that is free.

        Args:
            name: Its name.
            new: The new one.

        Returns:
            Whether it was renamed.

        Raises:
            OSError: It cannot be renamed.
        """
        target = self.file(new)
        with self.lock(new):
            if os.path.lexists(target):
                return False
            self._rename(self.file(name), target)
        return True

    def lock(self, name: str) -> FileLock:
        """Exclude all others that write an entry.

        Args:
            name: Its name, or another word.

        Returns:
            A context manager.

        Raises:
            OSError: The storage's own folder cannot be made.
        """
        if not os.path.isdir(self._locks):
            self.make_own()
        return FileLock(f"{self._locks}{crc32(name.encode()) % _LOCKS:x}", self.mode)

    def sweep(self) -> None:
        """Remove what writers left that died.

        Raises:
            OSError: The storage's own folder cannot be read.
        """
        sweep(self.temporary)

    def close(self) -> None:
        """Let go of what is held open in the folder.

        Raises:
            Nothing.
        """
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def check_ours(descriptor: int) -> None:
    """Refuse an open file that somebody else may have written.

    Args:
        descriptor: The open file.

    Raises:
        PermissionError: It belongs to somebody else, others may write to it, or it is no plain file.
        OSError: It cannot be looked at.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise PermissionError(errno.EPERM, "it is no plain file")
    if not _only_ours(found):
        whose = (
            "others may write to it" if found.st_uid in (0, _user()) else f"it belongs to user {found.st_uid}"
        )
        raise PermissionError(errno.EPERM, whose)


def _only_ours(found: os.stat_result) -> bool:
    return found.st_uid in (0, _user()) and not found.st_mode & 0o022


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _read_all(descriptor: int) -> bytes:
    """Read a file from its start; no entry changes once it is in place."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
    os.lseek(descriptor, 0, os.SEEK_SET)
    data = os.read(descriptor, found.st_size)
    if len(data) == found.st_size:
        return data
    pieces = [data]
    while piece := os.read(descriptor, max(1 << 20, found.st_size)):
        pieces.append(piece)
    return b"".join(pieces)


def _write_rest(descriptor: int, data: bytes) -> None:
    """Write what the first call left, as one that meets a full disk or a signal does."""
    written = os.lseek(descriptor, 0, os.SEEK_CUR)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _discard(path: str) -> None:
    with suppress(OSError):  # it may be in its place already, or its disk gone
        os.unlink(path)


def _sync_folder(path: str) -> None:
    if os.name == "nt":  # which has no such thing
        return
    descriptor = os.open(path, os.O_RDONLY | _CLOSE_ON_EXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
