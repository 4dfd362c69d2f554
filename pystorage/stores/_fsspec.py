"""A folder of an fsspec filesystem: its files read, written and listed by name, its faults as OSError."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote, unquote

from pystorage._sync import fork_safe_lock
from pystorage.errors import MissingDependencyError
from pystorage.naming import OWN
from pystorage.stores._library import library

# In front of another filesystem: what was read of it is kept, and given again after it changed there.
_KEEPING: Final = frozenset({"simplecache", "filecache", "blockcache", "cached"})
#: Filesystems that are only read: archives, web pages, repositories, and those that keep what they read.
READ_ONLY: Final = _KEEPING | {
    *("zip", "tar", "libarchive", "http", "https", "github", "git", "gist", "data", "reference", "jupyter")
}
# What they hold does not change while they are open.
_ARCHIVES: Final = frozenset({"zip", "tar", "libarchive", "reference", "data"})
#: What is gone with the process.
IN_MEMORY: Final = frozenset({"memory"})
# A whole value takes the place of the old one in one step, without a rename.
_PUT_WHOLE: Final = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "ocilake"})
# One connection, which is made anew when it breaks.
_CONNECTED: Final = frozenset({"sftp", "ssh", "ftp", "smb"})
_ONE_AT_A_TIME: Final = _CONNECTED | IN_MEMORY | {"zip", "tar", "libarchive"}
_NO_CONNECTION: Final = IN_MEMORY | {"file", "local"}
# The process that loaded this module: in a forked child, what was handed in may be the parent's.
_LOADED_BY: Final = os.getpid()
# The files in memory are those of the whole process.
_MEMORY_LOCK: Final = fork_safe_lock()
_WEB: Final = frozenset({"http", "https"})

# What a forked child has of its parent's connections: never closed, which would end them for the parent.
_LEFT_TO_PARENT: Final[list[object]] = []


class ReadOnlyFilesystem(OSError):
    """The filesystem takes no writes.

    Raises:
        Nothing.
    """


class FilesystemFolder:
    """A folder of a filesystem.

    Args:
        url: An fsspec URL of the folder, or an fsspec filesystem.
        path: The folder in a filesystem that was handed in.
        options: For the filesystem that the URL names.

    Raises:
        MissingDependencyError: fsspec, or what the filesystem needs, is not installed.
        OSError: The filesystem cannot be reached.

    Threads: any number.
    Processes: a forked child opens connections of its own.
    """

    def __init__(self, url: Any, path: str, options: Mapping[str, Any]) -> None:
        self._url = url
        self._path_given = path
        self._options = dict(options)
        self._lock = fork_safe_lock()
        self._given = not isinstance(url, str)
        self._filesystem: Any = None
        self._process = 0
        self.path = ""
        try:
            filesystem = self._opened()
        except (OSError, ValueError, MissingDependencyError):
            raise
        except Exception as error:
            raise _as_os_error(error) from error
        self.protocols = _names_of(filesystem)
        self.is_archive = bool(self.protocols & _ARCHIVES)
        self.is_read_only = bool(self.protocols & READ_ONLY)
        if self.protocols & IN_MEMORY:
            self._lock = _MEMORY_LOCK
        self._renames = not self.protocols & _PUT_WHOLE and _has_own(filesystem, "mv")

    # ------------------------------------------------------------------ the filesystem

    def _opened(self) -> Any:
        """Give the filesystem of this process, connected."""
        if self._filesystem is not None and self._process == os.getpid():
            return self._filesystem
        fsspec = library("fsspec.core", "FilesystemStorage", "fsspec")
        if self._filesystem is not None and self._process != os.getpid():
            _LEFT_TO_PARENT.append(self._filesystem)
        if not self._given:
            options = {"skip_instance_cache": True, **self._options}
            try:
                self._filesystem, self.path = fsspec.url_to_fs(self._url, **options)
            except ImportError as error:
                raise MissingDependencyError(f"this filesystem needs another package: {error}") from error
        elif self._process == 0 and (os.getpid() == _LOADED_BY or _names_of(self._url) & _NO_CONNECTION):
            self._filesystem, self.path = self._url, self._path_given
        else:
            given, self.path = self._url, self._path_given
            again = type(given)(*given.storage_args, skip_instance_cache=True, **given.storage_options)
            self._filesystem = again
        self.path = self.path.rstrip("/")
        self._process = os.getpid()
        return self._filesystem

    def _place(self, name: str) -> str:
        if self.protocols & _WEB:
            name = quote(name)
        return f"{self.path}/{name}" if self.path or not self._given else name

    def _call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call the filesystem; whatever is wrong but absence is an OSError that says so."""
        try:
            if not self.protocols & _ONE_AT_A_TIME:
                return getattr(self._opened(), operation)(*arguments, **options)
            with self._lock:
                return getattr(self._opened(), operation)(*arguments, **options)
        except (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError):
            raise
        except NotImplementedError as error:
            raise ReadOnlyFilesystem(errno.EROFS, f"the filesystem cannot do this ({operation})") from error
        except Exception as error:
            self._give_up_connection()
            if isinstance(error, OSError):
                raise
            raise _as_os_error(error) from error

    def _give_up_connection(self) -> None:
        """Let the next call open a connection anew, where the one that failed may be broken."""
        if self.protocols & _CONNECTED:
            with self._lock:
                if self._filesystem is not None and self._process == os.getpid():
                    _close(self._filesystem)
                    self._filesystem = None
                    self._process = -1  # not the first time, for a filesystem that was handed in

    # ------------------------------------------------------------------ files

    def read(self, name: str, size: int | None = None) -> bytes | None:
        """Read a file.

        Args:
            name: Its name in the folder.
            size: How many bytes from the beginning; None is all. More may come.

        Returns:
            The bytes; None where there is no such file.

        Raises:
            OSError: It cannot be read.
        """
        try:
            if size is None:
                data: bytes = self._call("cat_file", self._place(name))
            else:
                data = self._call("cat_file", self._place(name), start=0, end=size)
        except FileNotFoundError:
            return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file, in one step where the filesystem can rename or takes files as a whole.

        Args:
            name: Its name in the folder.
            data: Its bytes.

        Raises:
            OSError: It cannot be written.
        """
        if self.is_read_only:
            raise ReadOnlyFilesystem(errno.EROFS, "the filesystem takes no writes")
        if not self._renames:
            self._put(self._place(name), data, self.path)
            return
        own = f"{self.path}/{OWN}" if self.path else OWN
        new = f"{own}/new-{secrets.token_hex(8)}"
        try:
            self._put(new, data, own)
            self._call("mv", new, self._place(name))
        except BaseException:
            with suppress(OSError):  # the first error is the one to tell of
                self._call("rm_file", new)
            raise

    def _put(self, path: str, data: bytes, folder: str) -> None:
        try:
            self._call("pipe_file", path, data)
        except FileNotFoundError:
            self._call("makedirs", folder, exist_ok=True)
            self._call("pipe_file", path, data)

    def remove(self, name: str) -> bool:
        """Remove a file.

        Args:
            name: Its name in the folder.

        Returns:
            Whether it was there, as far as the filesystem tells.

        Raises:
            OSError: It cannot be removed.
        """
        if self.is_read_only:
            raise ReadOnlyFilesystem(errno.EROFS, "the filesystem takes no writes")
        try:
            self._call("rm_file", self._place(name))
        except FileNotFoundError:
            return False
        return True

    def sizes(self) -> dict[str, int | None]:
        """List the files of the folder, as they are now.

        Returns:
            Name → size in bytes; None where the filesystem does not tell.

        Raises:
            OSError: It cannot be listed.
        """
        self._forget_listings()
        try:
            found = self._call("ls", self.path, detail=True)
        except FileNotFoundError:
            return {}
        names = {}
        for one in found:
            if one.get("type") != "directory":
                name = one["name"].rpartition("/")[2]
                names[unquote(name) if self.protocols & _WEB else name] = one.get("size")
        return names

    def _forget_listings(self) -> None:
        """Have the filesystem look again: some keep listings, and not all of these have a call to forget."""
        self._call("invalidate_cache")
        filesystem = self._opened()
        for one in (filesystem, getattr(filesystem, "fs", None)):
            kept = getattr(one, "dircache", None)
            if kept is not None and not self.is_archive:
                kept.clear()

    def own_exists(self, name: str) -> bool:
        """Tell whether a file of the storage's own is there.

        Args:
            name: Its name.

        Returns:
            Whether it is.

        Raises:
            OSError: The filesystem cannot tell.
        """
        return self.read(f"{OWN}/{name}", 1) is not None

    def write_own(self, name: str) -> None:
        """Write an empty file of the storage's own.

        Args:
            name: Its name.

        Raises:
            OSError: It cannot be written.
        """
        if self.is_read_only:
            raise ReadOnlyFilesystem(errno.EROFS, "the filesystem takes no writes")
        folder = f"{self.path}/{OWN}" if self.path else OWN
        self._put(f"{folder}/{name}", b"", folder)

    def close(self) -> None:
        """Close the connection, if it was made here.

        Raises:
            Nothing.
        """
        if not self._given and self._filesystem is not None and self._process == os.getpid():
            _close(self._filesystem)


def _as_os_error(error: Exception) -> OSError:
    name = type(error).__name__
    return OSError(errno.EACCES if "Authentication" in name else errno.EIO, f"{name}: {error}")


def _close(filesystem: Any) -> None:
    for holder in (getattr(filesystem, "client", None), getattr(filesystem, "ftp", None), filesystem):
        close = getattr(holder, "close", None)
        if callable(close):
            with suppress(Exception):  # it is broken, or closed already
                close()


def _names_of(filesystem: Any) -> frozenset[str]:
    """Give the protocols of a filesystem; of one that is in front of another, those of that one as well."""
    names = filesystem.protocol
    names = frozenset({names} if isinstance(names, str) else names)
    if "dir" in names:
        return _names_of(filesystem.fs)
    return names | _names_of(filesystem.fs) if names & _KEEPING else names


def _has_own(filesystem: Any, method: str) -> bool:
    """Tell whether a filesystem has a method of its own, and not the general one that copies."""
    if hasattr(filesystem, "fs") and type(filesystem).__name__ == "DirFileSystem":
        filesystem = filesystem.fs
    general = import_module("fsspec.spec").AbstractFileSystem
    return getattr(type(filesystem), method) is not getattr(general, method)
