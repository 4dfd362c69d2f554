"""Where a database lies: its file made with our permissions, and whose it is."""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress
from typing import Final

from pystorage.stores._disk import CLOSE_ON_EXEC, make_folder, sync_folder
from pystorage.stores._trust import Untrusted, check_ours_at, only_ours

_MAKE_FLAGS: Final[int] = os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOSE_ON_EXEC
_MODE: Final = 0o600

#: What ends the name of the folder of large values, behind that of the database.
VALUES: Final = ".values"
# What SQLite keeps beside a database, and ends with.
_BESIDE: Final = ("", "-wal", "-shm", "-journal")

# A file that a thread has open must not be closed by another one, or SQLite's locks on it are gone.
_making = threading.Lock()


def make_place(path: str, *, sync: bool) -> None:
    """Make the file of a database, and the folders above it, if they are missing.

    Args:
        path: The file, absolute and without links.
        sync: Whether they are to survive a power cut.

    Raises:
        OSError: They cannot be made.
    """
    folder = os.path.dirname(path)
    missing = []
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        with suppress(FileExistsError):
            make_folder(folder, 0o700 if folder == os.path.dirname(path) else None)
        if sync:
            sync_folder(os.path.dirname(folder))
    with _making:
        try:
            # SQLite gives what it makes beside the file the same permissions.
            descriptor = os.open(path, _MAKE_FLAGS, _MODE)
        except FileExistsError:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise OSError(errno.EINVAL, "no plain file lies there", path) from None
            return
        os.close(descriptor)
    if sync:
        sync_folder(os.path.dirname(path))


def check_place(path: str) -> None:
    """Refuse a database that somebody else may have written to.

    Args:
        path: The file, absolute and without links.

    Raises:
        Untrusted: Somebody else may have, or may put another one in its place.
        OSError: It cannot be looked at.
    """
    folder = os.path.dirname(path)
    if not only_ours(folder):
        raise Untrusted(errno.EPERM, "others may write to its folder", folder)
    for end in _BESIDE:
        check_ours_at(path + end)
    values = path + VALUES
    if os.path.lexists(values) and (os.path.islink(values) or not only_ours(values)):
        raise Untrusted(errno.EPERM, "others may write to the folder of its large values", values)


def fork_reset() -> None:
    """In a forked child: be free to make files.

    Raises:
        Nothing.
    """
    global _making
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=fork_reset)
