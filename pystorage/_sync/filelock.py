"""Advisory locks of files, among processes and threads alike."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pystorage._sync.tokens import token_hex

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
_NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", getattr(os, "O_NOINHERIT", 0))
_SHARED_FLAGS: Final[int] = os.O_RDWR | _NO_FOLLOW | _CLOSE_ON_EXEC | getattr(os, "O_NONBLOCK", 0)
_OTHERS: Final = 0o077
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK})
_ATTEMPTS: Final = 10
# Windows locks bytes, and nobody else may read them: so one that no file has.
_LOCKED_BYTE: Final = 1 << 30


def open_shared(path: str, mode: int) -> int:
    """Open a file for reading and writing, making it with exactly the given permissions.

    Args:
        path: The file; a symbolic link is refused.
        mode: Its permissions if it is made, whatever the umask.

    Returns:
        The descriptor, closed in a child that runs another program.

    Raises:
        OSError: It cannot be opened or made.
    """
    if not mode & _OTHERS or os.name == "nt":
        return os.open(path, _SHARED_FLAGS | os.O_CREAT, mode)
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            descriptor = os.open(path, _SHARED_FLAGS)
            break
        _make_shared(path, mode)
    else:
        raise FileNotFoundError(errno.ENOENT, "it goes away again and again", path)
    found = os.fstat(descriptor)
    if mode & ~found.st_mode & _OTHERS and found.st_uid == os.geteuid():
        with suppress(PermissionError):  # a disk that knows no permissions
            os.chmod(descriptor, mode)  # made before it was shared
    return descriptor


def _make_shared(path: str, mode: int) -> None:
    """Make an empty file that is never seen without its permissions, whatever the umask takes at first."""
    new = f"{path}.{token_hex(8)}"
    descriptor = os.open(new, _SHARED_FLAGS | os.O_CREAT | os.O_EXCL, mode)
    try:
        with suppress(PermissionError):
            os.chmod(descriptor, mode)
        with suppress(FileExistsError):  # somebody was faster
            os.link(new, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, _SHARED_FLAGS | os.O_CREAT, mode))
    finally:
        os.close(descriptor)
        os.unlink(new)


def lock_descriptor(descriptor: int, *, wait: bool) -> bool:
    """Take the advisory lock of an open file; it is free again when the file is closed.

    Args:
        descriptor: An open file.
        wait: Whether to wait until it is free.

    Returns:
        Whether it was taken; False only without waiting.

    Raises:
        OSError: The file system has no such locks.

    Processes: excludes every other open file description of the same file, within one process too.
    """
    while True:
        try:
            if sys.platform == "win32":
                os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD:
                raise
            if not wait:
                return False
            time.sleep(0.001)  # only Windows comes here: its own waiting gives up after ten seconds
        else:
            return True


def unlock_descriptor(descriptor: int) -> None:
    """Give back the advisory lock of an open file, which stays open.

    Args:
        descriptor: The open file.

    Raises:
        OSError: It is not open.
    """
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


# What other threads hold when a process is forked would stay open in the child for ever.
_lock_files: set[int] = set()


def _close_lock_files() -> None:
    while _lock_files:
        os.close(_lock_files.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_lock_files)


class FileLock:
    """The advisory lock of a file, held for the length of a ``with``.

    The file is opened anew each time, so that threads exclude one another as processes do. A child that is
    forked meanwhile does not hold it.

    Args:
        path: The lock file, made if it is missing. It is left in place: removing it would let two in.
        mode: Its permissions if it is made.
        made: Called to make its folder if that is missing.

    Raises:
        OSError: When entering: the file cannot be opened or locked.

    Cost: four system calls, about 4 µs, and the waiting.
    """

    __slots__ = ("_descriptor", "_make", "_mode", "_path")

    def __init__(self, path: str, mode: int = 0o600, made: Callable[[], None] | None = None) -> None:
        self._path = path
        self._mode = mode
        self._make = made

    def __enter__(self) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self._descriptor = open_shared(self._path, self._mode)
            except FileNotFoundError:
                if self._make is None or attempt == _ATTEMPTS - 1:
                    raise
                self._make()
            else:
                break
        _lock_files.add(self._descriptor)
        try:
            lock_descriptor(self._descriptor, wait=True)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        descriptor = self._descriptor
        _lock_files.discard(descriptor)
        if sys.platform != "win32":
            # Closing it is not enough where a child was forked at the very moment when it was opened.
            try:  # noqa: SIM105 - every write comes here, and suppress() takes as long as the call
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            except OSError:
                pass
        os.close(descriptor)
