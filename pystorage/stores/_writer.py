"""Writer: names for the files that this process is writing, and who may remove those of the dead.

Each process that writes into a folder keeps one small file there locked for as long as it lives, and what
it is writing begins with the name of that file. A name whose file is not locked is a dead writer's.
"""

from __future__ import annotations

import os
import time
import weakref
from collections import defaultdict
from contextlib import suppress
from itertools import count
from secrets import token_hex
from typing import Final

from pystorage._sync import lock_descriptor, open_shared

# Where a file system has no locks nobody can tell a live writer from a dead one but by time.
_SURELY_DEAD: Final = 7 * 86400.0
_ATTEMPTS: Final = 10


class Writer:
    """This process as a writer in one folder.

    Args:
        folder: Where the files being written lie, with a separator at its end; it exists.
        mode: The permissions of the files.

    Raises:
        OSError: The folder cannot be written to.

    Threads: any number.
    Processes: one; after a fork the child needs a new one (``is_ours`` tells).
    """

    def __init__(self, folder: str, mode: int) -> None:
        self._pid = os.getpid()
        for _ in range(_ATTEMPTS):
            path = folder + token_hex(8)
            descriptor = open_shared(path, mode)
            with suppress(OSError):  # a file system without locks
                lock_descriptor(descriptor, wait=True)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # a sweeper was faster than the lock
        self._path = path
        self._numbers = count()
        self.close = weakref.finalize(self, _release, self._pid, descriptor, path)

    def is_ours(self) -> bool:
        """Tell whether this is the process that it was made in.

        Returns:
            Whether it is.

        Raises:
            Nothing.
        """
        return self._pid == os.getpid()

    def new_path(self) -> str:
        """Give a path to write to.

        Returns:
            A path that nobody else uses.

        Raises:
            Nothing.
        """
        return f"{self._path}-{next(self._numbers):x}"


def _release(pid: int, descriptor: int, path: str) -> None:
    if pid == os.getpid():  # in a forked child the file goes on to speak for the parent
        with suppress(OSError):
            os.unlink(path)
    os.close(descriptor)


def sweep(folder: str) -> None:
    """Remove what dead writers left.

    Args:
        folder: Where the files being written lie, with a separator at its end.

    Raises:
        OSError: The folder cannot be read.
    """
    try:
        found = os.listdir(folder)
    except FileNotFoundError:
        return
    writers: defaultdict[str, list[str]] = defaultdict(list)
    for name in found:
        writers[name.partition("-")[0]].append(name)
    for writer, names in writers.items():
        # Files of another user, or gone meanwhile, are none of our business.
        with suppress(PermissionError, FileNotFoundError):
            _sweep(folder, writer, names)


def _sweep(folder: str, writer: str, names: list[str]) -> None:
    if writer not in names:
        return _remove(folder, names)  # a sweeper before us died at its work
    descriptor = os.open(folder + writer, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        try:
            dead = lock_descriptor(descriptor, wait=False)
        except OSError:
            newest = max(os.lstat(folder + name).st_mtime for name in names)
            dead = time.time() - newest > _SURELY_DEAD
        if dead:
            # Its own file goes last, so that the others are never without one.
            _remove(folder, sorted(names, reverse=True))
    finally:
        os.close(descriptor)
    return None


def _remove(folder: str, names: list[str]) -> None:
    for name in names:
        os.unlink(folder + name)
