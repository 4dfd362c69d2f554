"""Writer: names for the files that this process is writing, and who may remove those of the dead.

Each process that writes into a folder keeps one small file there locked for as long as it lives, and what
it is writing begins with the name of that file. A name whose file is not locked is a dead writer's.
"""

from __future__ import annotations

import errno
import os
import re
import time
import weakref
from collections import defaultdict
from contextlib import suppress
from itertools import count
from typing import Final

from pystorage._sync import lock_descriptor, token_hex
from pystorage.stores._disk import CLOSE_ON_EXEC, NO_FOLLOW, OTHERS, set_mode

# Where a file system has no locks nobody can tell a live writer from a dead one but by time.
_SURELY_DEAD: Final = 7 * 86400.0
_ATTEMPTS: Final = 10
_OF_WRITERS: Final = re.compile(r"([0-9a-f]{16})(?:-[0-9a-f]+)?")
_LOOK_FLAGS: Final[int] = os.O_RDWR | NO_FOLLOW | CLOSE_ON_EXEC | getattr(os, "O_NONBLOCK", 0)
_MAKE_FLAGS: Final[int] = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | CLOSE_ON_EXEC


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
            descriptor = os.open(path, _MAKE_FLAGS, mode)
            if mode & OTHERS:
                set_mode(descriptor, mode)
            with suppress(OSError):  # a file system without locks
                lock_descriptor(descriptor, wait=True)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # a sweeper was faster than the lock
        else:
            raise FileNotFoundError(errno.ENOENT, "the files of writers go away again and again", folder)
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

    @property
    def name(self) -> str:
        """What its files begin with.

        Raises:
            Nothing.
        """
        return os.path.basename(self._path)

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
    with suppress(OSError):  # its disk may be gone
        os.close(descriptor)


def sweep(folder: str) -> None:
    """Remove what dead writers left, as far as that is possible: one may look into a folder to read only.

    Args:
        folder: Where the files being written lie, with a separator at its end.

    Raises:
        Nothing.
    """
    writers: defaultdict[str, list[str]] = defaultdict(list)
    with suppress(OSError):
        for name in os.listdir(folder):
            if match := _OF_WRITERS.fullmatch(name):
                writers[match[1]].append(name)
    for writer, names in writers.items():
        with suppress(OSError):  # of another user, on a disk that takes no writes, or gone meanwhile
            _sweep(folder, writer, names)


def _sweep(folder: str, writer: str, names: list[str]) -> None:
    # Its own file may be there although the listing lacks it: the one and then the others may have been made
    # while the folder was listed.
    try:
        descriptor = os.open(folder + writer, _LOOK_FLAGS)
    except FileNotFoundError:
        _remove(folder, names)  # a sweeper before us died at its work
        return
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


def _remove(folder: str, names: list[str]) -> None:
    for name in names:
        os.unlink(folder + name)
