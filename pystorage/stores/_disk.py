"""What is asked of a disk: folders with exact permissions, names that last, and whether it knows capitals."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import islice
from typing import Final

from pystorage._sync import token_hex
from pystorage.naming import OWN

NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
CLOSE_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", getattr(os, "O_NOINHERIT", 0))
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
# Not blocking, so that a pipe planted under a name cannot hang its reader.
READ_FLAGS: Final[int] = os.O_RDONLY | NO_FOLLOW | CLOSE_ON_EXEC | BINARY | getattr(os, "O_NONBLOCK", 0)

#: The permissions of all but the owner.
OTHERS: Final = 0o077

_LOOKED_AT: Final = 20


def make_folder(path: str, mode: int | None) -> None:
    """Make a folder in one that is there.

    Args:
        path: The folder.
        mode: Its permissions, exactly; None is what the umask leaves.

    Raises:
        FileExistsError: Something lies there.
        OSError: It cannot be made.
    """
    if mode is None:
        os.mkdir(path)
    elif not mode & OTHERS:
        os.mkdir(path, mode)
    else:
        # Whoever it is shared with shall never find it shut, so it has its permissions before its name.
        new = f"{path}%{token_hex(8)}"
        os.mkdir(new, 0o700)
        try:
            set_mode(new, mode)
            os.rename(new, path)
        except OSError:
            os.rmdir(new)
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
            raise


def set_mode(file: str | int, mode: int) -> None:
    """Give something of ours its permissions, whatever the umask.

    Args:
        file: A path that is no link, or an open file.
        mode: The permissions. What hands on the group of a folder to what is made in it stays.

    Raises:
        OSError: It is gone, or the disk failed.
    """
    if os.name == "nt":  # which knows no such permissions
        return
    with suppress(PermissionError):  # nor do some disks
        os.chmod(file, mode | os.stat(file).st_mode & stat.S_ISGID)


def check_plain(descriptor: int) -> os.stat_result:
    """Refuse an open file that is none, but a folder or a pipe.

    Args:
        descriptor: The open file.

    Returns:
        What was seen of it.

    Raises:
        OSError: It is no plain file.
    """
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
    return found


def identity(path: str) -> tuple[int, int] | None:
    """Give what tells a file from any other that may come to lie in its place.

    Args:
        path: The file.

    Returns:
        Its device and its number there; None where no file is.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write bytes, all of them: the system may take fewer, as when a signal comes or a disk is nearly full.

    Args:
        descriptor: The open file.
        data: The bytes.

    Raises:
        OSError: Not all could be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a power cut.

    Args:
        path: The folder; if it is gone there is nothing to do.

    Raises:
        OSError: The disk failed.
    """
    if os.name == "nt":  # which has no such thing
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | CLOSE_ON_EXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folds_case(folder: str, own: str) -> bool:
    """Tell whether a folder takes capitals for small letters.

    It is seen from what lies there; only in a folder without a name that tells, one is made for a moment.

    Args:
        folder: The folder.
        own: A folder in it that may be there, by whose name it is seen best.

    Returns:
        Whether it does; False where it can be neither read nor written.

    Raises:
        Nothing.
    """
    found = _is_found_by_other_case(own)
    if found is not None:
        return found
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _LOOKED_AT):
            name = entry.name
            if name.isascii() and name.swapcase() != name:
                found = _is_found_by_other_case(entry.path)
                if found is not None:
                    return found
    with suppress(OSError):
        new = os.path.join(folder, f"{OWN}-{token_hex(8)}")
        os.mkdir(new, 0o700)
        try:
            return bool(_is_found_by_other_case(new))
        finally:
            os.rmdir(new)
    return False


def _is_found_by_other_case(path: str) -> bool | None:
    """Tell whether something is found by its name in the other case too; None if it is not there."""
    parent, name = os.path.split(path)
    other = name.swapcase()
    if not os.path.lexists(path):
        return None
    if not os.path.lexists(os.path.join(parent, other)):
        return False
    # Somebody may have made both. (Whether it is the same file does not tell: some disks number it twice.)
    try:
        return not {name, other} <= set(os.listdir(parent))
    except OSError:
        return False
