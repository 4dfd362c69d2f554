"""A storage's own files beside its entries: those being written, locks, leases and settings.

::

    {path}/%pystorage.{suffix}.settings           what the storage must remember, once there is something
    {path}/%pystorage.{suffix}.own/temporary/…    files being written; their writers keep them locked
    {path}/%pystorage.{suffix}.own/locks/…        one lock for a sixteenth of the names each
    {path}/%pystorage.{suffix}.own/leases/…       what ``Storage.lock`` holds
    {path}/%pystorage.{suffix}.own/journal        what processes tell one another, where there is a limit
    {path}/%pystorage.{suffix}.own/quarantine/…   what ``verify`` found broken

No name of a key begins with ``%p``. In a folder like the system's temporary one, where everybody may make
files and nobody can touch those of others, each user but the owner of the folder has own files of his own:
``%pystorage.{suffix}.own-{uid}/``, with the settings in it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Final
from zlib import crc32

from pystorage._sync import FileLock, fork_safe_lock
from pystorage.naming import OWN
from pystorage.stores._disk import BINARY, CLOSE_ON_EXEC, NO_FOLLOW, OTHERS, make_folder, set_mode
from pystorage.stores._trust import user
from pystorage.stores._writer import Writer, sweep

_WRITE_FLAGS: Final[int] = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | CLOSE_ON_EXEC | BINARY
_LOCKS: Final = 16
_ATTEMPTS: Final = 10


class NewFile:
    """A file being written, in nobody's way until it is renamed.

    Leaving it as a context removes it after an exception, or if it was not completed.

    Args:
        writer: Whose it is; kept alive, so that nobody takes the file for a dead writer's.
        path: Where it lies.
        descriptor: The open file, closed with this.

    Raises:
        Nothing.
    """

    __slots__ = ("_writer", "descriptor", "path")

    def __init__(self, writer: Writer, path: str, descriptor: int) -> None:
        self._writer = writer
        self.path = path
        self.descriptor = descriptor

    def complete(self, sync: bool) -> None:
        """Close the file, which is when some disks tell that they are full.

        Args:
            sync: Whether it is to survive a power cut.

        Raises:
            OSError: Not all was written.
        """
        if sync:
            os.fsync(self.descriptor)
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)

    def discard(self) -> None:
        """Remove the file.

        Raises:
            Nothing.
        """
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            with suppress(OSError):
                os.close(descriptor)
        with suppress(OSError):  # it may be in its place already, or its disk gone
            os.unlink(self.path)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None or self.descriptor >= 0:
            self.discard()


class OwnFiles:
    """The own files of one storage.

    Args:
        folder: The folder of the storage; it exists.
        ending: What entry files end in, with the dot.
        mode: The permissions of files.
        folder_mode: The permissions of folders.

    Raises:
        OSError: The folder is gone, or somebody planted something under the name of an own folder.

    Threads: any number.
    Processes: any number.
    """

    def __init__(self, folder: str, ending: str, mode: int, folder_mode: int) -> None:
        self._parent = folder
        self._mode = mode
        self._folder_mode = folder_mode
        found = os.stat(folder)
        #: Whether anybody can put something under our names.
        self.open_to_all = bool(found.st_mode & stat.S_ISVTX)
        name = f"{OWN}{ending}.own"
        self.path = os.path.join(folder, name)
        self.settings = os.path.join(folder, f"{OWN}{ending}.settings")
        if self.open_to_all and found.st_uid != user():
            self.path += f"-{user()}"
            self.settings = os.path.join(self.path, "settings")
        self.leases = os.path.join(self.path, "leases")
        self.journal = os.path.join(self.path, "journal")
        self.quarantine = os.path.join(self.path, "quarantine")
        self._temporary = os.path.join(self.path, "temporary")
        self._locks = os.path.join(self.path, "locks")
        self._lock_files = [os.path.join(self._locks, f"{number:x}") for number in range(_LOCKS)]
        self._made = False
        self._writer: Writer | None = None
        self._making = fork_safe_lock()
        for path in self._folders():
            self._seen(path)

    def _folders(self) -> tuple[str, ...]:
        return self.path, self._temporary, self._locks, self.leases

    def _seen(self, path: str) -> os.stat_result | None:
        """Look at one of the folders, None where it is missing; refuse what another put in its place."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(found.st_mode):
            code = errno.ELOOP if stat.S_ISLNK(found.st_mode) else errno.ENOTDIR
            raise OSError(code, os.strerror(code), path)
        if self.open_to_all and found.st_uid != user():
            raise PermissionError(errno.EPERM, f"user {found.st_uid} made this folder of ours", path)
        return found

    def make(self) -> None:
        """Make the folders.

        Raises:
            OSError: They cannot be made, or somebody planted something under their names.
        """
        for path in self._folders():
            self._make(path)
        self._made = True

    def make_quarantine(self) -> str:
        """Make the folder for what is broken.

        Returns:
            Its path.

        Raises:
            OSError: It cannot be made, or somebody planted something under its name.
        """
        self.make()
        self._make(self.quarantine)
        return self.quarantine

    def _make(self, path: str) -> None:
        for _ in range(_ATTEMPTS):
            found = self._seen(path)
            if found is not None:
                if self._folder_mode & ~found.st_mode & OTHERS and found.st_uid == user():
                    set_mode(path, self._folder_mode)  # made before the storage was shared
                return
            try:
                make_folder(path, self._folder_mode)
            except FileExistsError:
                continue  # somebody was faster
            except FileNotFoundError:
                # The folder above it is gone, or was empty yet when somebody else put his own in its place.
                if path == self.path or self._seen(self.path) is None:
                    raise

    def new_file(self) -> NewFile:
        """Make a file to write to, outside the listing.

        Returns:
            The file, a context manager.

        Raises:
            OSError: It cannot be made.
        """
        for _ in range(_ATTEMPTS):
            writer = self._writer
            try:
                if writer is None or not writer.is_ours():
                    writer = self._new_writer()
                path = writer.new_path()
                descriptor = os.open(path, _WRITE_FLAGS, self._mode)
            except FileNotFoundError:  # somebody removed the folder
                if not os.path.lexists(self._parent):
                    raise
                with self._making:
                    if self._writer is writer:
                        self._writer = None
                continue
            file = NewFile(writer, path, descriptor)
            if self._mode & OTHERS:
                try:
                    set_mode(descriptor, self._mode)
                except BaseException:
                    os.close(descriptor)
                    os.unlink(path)
                    raise
            return file
        raise FileNotFoundError(errno.ENOENT, "the storage's own folder goes away again and again", self.path)

    def _new_writer(self) -> Writer:
        with self._making:
            if self._writer is None or not self._writer.is_ours():
                self.make()
                self._writer = Writer(os.path.join(self._temporary, ""), self._mode)
            return self._writer

    def lock(self, name: str) -> FileLock:
        """Exclude all others that write an entry.

        Args:
            name: Its name, or another word.

        Returns:
            A context manager.

        Raises:
            OSError: The folders cannot be made.
        """
        if not self._made:
            self.make()
        return FileLock(self._lock_files[crc32(name.encode()) % _LOCKS], self._mode, self.make)

    def sweep(self) -> None:
        """Remove what writers left that died, as far as that is possible.

        Raises:
            Nothing.
        """
        sweep(os.path.join(self._temporary, ""))

    def close(self) -> None:
        """Let go of what is held open; a file that is being written keeps it until it is done.

        Raises:
            Nothing.
        """
        with self._making:
            self._writer = None
