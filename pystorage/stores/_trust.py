"""Whose files these are: what somebody else may have written is not loaded by a codec that can run code."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from pystorage.codecs import Codec

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class Untrusted(PermissionError):
    """Somebody else may have written a file.

    Raises:
        Nothing.
    """


def user() -> int:
    """Give the user that this process works as.

    Returns:
        A number; 0 where users have none.

    Raises:
        Nothing.
    """
    return os.geteuid() if hasattr(os, "geteuid") else 0


def only_ours(path: str) -> bool:
    """Tell whether nobody else can have put a file into a folder.

    Args:
        path: The folder.

    Returns:
        Whether it and every folder above it can be written by us and the system alone.

    Raises:
        OSError: It is gone.
    """
    path = os.path.realpath(path)
    if not _is_ours_alone(os.stat(path)):
        return False
    while path != (path := os.path.dirname(path)):
        found = os.stat(path)
        if not _is_ours(found) or (found.st_mode & _WRITABLE_BY_OTHERS and not found.st_mode & stat.S_ISVTX):
            return False
    return True


def check_ours(descriptor: int, path: str) -> None:
    """Refuse an open file that somebody else may have written.

    Args:
        descriptor: The open file.
        path: Where it lies, for the message.

    Raises:
        Untrusted: It belongs to somebody else, others may write to it, or it is no plain file of one name.
        OSError: It cannot be looked at.
    """
    _check(os.fstat(descriptor), path)


def check_ours_at(path: str) -> None:
    """Refuse a file that somebody else may have written, without opening it.

    Args:
        path: The file; nothing need lie there.

    Raises:
        Untrusted: It belongs to somebody else, others may write to it, or it is no plain file of one name.
        OSError: It cannot be looked at.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    _check(found, path)


def _check(found: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Untrusted(errno.EPERM, "it is no plain file", path)
    if not _is_ours(found):
        raise Untrusted(errno.EPERM, f"it belongs to user {found.st_uid}", path)
    if not _is_ours_alone(found):
        raise Untrusted(errno.EPERM, "others may write to it", path)
    # One that has none any more was just replaced, which is no reason to refuse what it held.
    if found.st_nlink > 1:
        # A name that somebody gave to another file of ours, of whose content nobody knows who made it.
        raise Untrusted(errno.EPERM, "it has other names as well", path)


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid in (0, user())


def _is_ours_alone(found: os.stat_result) -> bool:
    return _is_ours(found) and not found.st_mode & _WRITABLE_BY_OTHERS


def refuse_bare_pickles(codec: Codec, trust: bool, place: str) -> None:
    """Refuse a codec that runs code for a place that others can write to.

    Args:
        codec: The codec.
        trust: Whether the caller trusts all who can write there.
        place: What others can write to, for the message.

    Raises:
        ValueError: Values could have this process run whatever their writer wished.
    """
    if codec.runs_code and not trust:
        raise ValueError(
            f"others can write to {place}, and have this process run a pickle of theirs: sign values "
            "(… | SignedCodec), choose a codec that only reads data, such as JSON, or write trust=True if "
            "whoever can write there may run code here"
        )
