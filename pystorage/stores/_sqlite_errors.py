"""What SQLite says, as errors of a place: ``OSError`` with a reason, and with what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import Final

# https://www.sqlite.org/rescode.html; the lower byte of a code is its kind.
_BUSY: Final = frozenset({5, 6, 15})
_UNREADABLE: Final = frozenset({1, 11, 26})
_CLOSED: Final = 21
_MOVED: Final = 1032
_TO_ERRNO: Final = {
    3: errno.EACCES,
    7: errno.ENOMEM,
    8: errno.EROFS,
    10: errno.EIO,
    13: errno.ENOSPC,
    14: errno.EACCES,
    18: errno.EFBIG,
    22: errno.EFBIG,
}
#: What to do about a failure of the file.
TODO: Final[dict[int, str]] = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "the disk or the file is read-only: choose another folder",
    errno.EACCES: "give this user the right to it, or choose another folder",
    errno.EPERM: "give this user the right to it, or choose another folder",
    errno.ENOENT: "it was moved or removed: put it back, or open the storage anew",
    errno.ENOTDIR: "a file lies where the folder should be: move it away",
    errno.EISDIR: "a folder lies where the file should be: move it away",
    errno.ELOOP: "a symbolic link lies there, which is not followed: remove it",
    errno.EMFILE: "close files, or allow this process more of them",
    errno.ETIMEDOUT: "see who holds it (a program that began to write and does not end), or wait longer",
}
_MOVE_AWAY: Final = (
    "it is left as it is: move it and the files beside it away, or put a copy in its place that was made "
    "when it was sound, and open the storage anew; the program sqlite3 may save some of it by .recover"
)


class Unreadable(OSError):
    """What lies there is no database of ours, or a damaged one.

    Args:
        why: What is wrong.
        todo: What to do.

    Raises:
        Nothing.
    """

    def __init__(self, why: str, todo: str = _MOVE_AWAY) -> None:
        super().__init__(why)
        self.todo = todo


class Closed(OSError):
    """There are no connections any more.

    Raises:
        Nothing.
    """


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether others were in the way, so that it is worth to try again.

    Args:
        error: What SQLite said.

    Returns:
        Whether they were.

    Raises:
        Nothing.
    """
    return _code(error) & 0xFF in _BUSY


def os_error(error: sqlite3.Error, path: str, waited: float) -> OSError:
    """Give what a failure of SQLite is to a storage.

    Args:
        error: What SQLite said.
        path: The database.
        waited: Seconds that others were waited for.

    Returns:
        An ``OSError``; ``Closed`` where a connection was closed.

    Raises:
        Nothing.
    """
    code = _code(error)
    kind = code & 0xFF
    if kind in _BUSY:
        why = f"the database was held by somebody else for {waited:g} s ({error})"
        return OSError(errno.ETIMEDOUT, why, path)
    if kind == _CLOSED or isinstance(error, sqlite3.ProgrammingError):
        return Closed(str(error))
    if kind in _UNREADABLE:
        return Unreadable(f"the database is damaged: {error} ({path!r})")
    number = _TO_ERRNO.get(kind, errno.EIO)
    if code == _MOVED or (kind == 14 and not os.path.lexists(path)):
        number = errno.ENOENT
    return OSError(number, f"SQLite says: {error}", path)


def _code(error: sqlite3.Error) -> int:
    # Errors of the module itself have none.
    return getattr(error, "sqlite_errorcode", 0) or 0
