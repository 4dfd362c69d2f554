"""Leases among processes, by small files that their holders keep locked."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pystorage._sync.filelock import FileLock, lock_descriptor, open_shared
from pystorage._sync.leases import Leases
from pystorage.errors import UnavailableError


class FileLeases(Leases):
    """Leases among processes, each a small file that its holder keeps locked.

    A process that dies lets go of its files at once; one that hangs keeps them until they run out.

    Args:
        folder: Where the files lie.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        mode: The permissions of the files.
        made: Called to make the folder.
        failed: Called with the name of a lock and the reason when the files fail, to raise what that is to
            the caller; None is an ``UnavailableError``.

    Raises:
        Nothing.

    Threads: any number.
    Processes: any number on one file system.
    """

    def __init__(
        self,
        folder: str,
        timer: Callable[[], float],
        mode: int,
        made: Callable[[], None],
        failed: Callable[[str, OSError], object] | None = None,
    ) -> None:
        self._folder = folder
        self._failed = failed
        self._timer = timer
        self._mode = mode
        self._make = made
        self._files: dict[str, int] = {}  # token → the open file of a lease that is held here
        self._of_parent: set[str] = set()  # tokens of what the parent held when this process was forked
        _file_leases.add(self)

    @contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        try:
            self._make()
            with FileLock(os.path.join(self._folder, "guard"), self._mode, self._make):
                yield
        except OSError as error:
            if self._failed is not None:
                self._failed(name, error)
            failure = UnavailableError(f"could not lock by a file in {self._folder!r}: {error}")
            failure.errno = error.errno
            raise failure from error

    def _path(self, name: str) -> str:
        from hashlib import blake2b  # which loads all of OpenSSL

        return os.path.join(self._folder, blake2b(name.encode(), digest_size=16).hexdigest())

    def take(self, name: str, token: str, ttl: float) -> bool:
        with self._guard(name):
            file = self._locked(self._path(name))
            if file is None:
                return False
            try:
                self._write(file, ttl)
            except BaseException:
                os.close(file)
                raise
            self._files[token] = file
            return True

    def _locked(self, path: str) -> int | None:
        """Open the file of a lease and lock it; None if somebody holds it who is still allowed to."""
        while True:
            file = open_shared(path, self._mode)
            taken = False
            try:
                taken = lock_descriptor(file, wait=False)
                if taken:
                    return file
                if self._timer() < _deadline(file):
                    return None
                # Its holder hangs: the lock goes with the file, so the next one gets a file of its own.
                os.unlink(path)
            finally:
                if not taken:
                    os.close(file)

    def extend(self, name: str, token: str, ttl: float) -> bool:
        with self._guard(name):
            if not self._holds(name, token):
                return False
            self._write(self._files[token], ttl)
            return True

    def release(self, name: str, token: str) -> bool:
        if token in self._of_parent:
            self._of_parent.discard(token)
            return True
        with self._guard(name):
            try:
                held = self._holds(name, token)
                if held:
                    os.unlink(self._path(name))
                return held
            finally:
                file = self._files.pop(token, None)
                if file is not None:
                    os.close(file)

    def _holds(self, name: str, token: str) -> bool:
        file = self._files.get(token)
        if file is None:  # it was given back
            return False
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file), os.stat(self._path(name)))
        return False

    def leave_to_parent(self) -> None:
        """In a forked child: let go of what the parent holds, which would outlive the parent here.

        Raises:
            Nothing.
        """
        self._of_parent.update(self._files)
        while self._files:
            os.close(self._files.popitem()[1])

    def _write(self, file: int, ttl: float) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, f"{self._timer() + ttl:032.6f}".encode())


_file_leases: weakref.WeakSet[FileLeases] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for leases in list(_file_leases):
        leases.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _deadline(file: int) -> float:
    try:
        return float(os.read(file, 32))
    except ValueError:
        return 0.0  # its holder died before it wrote one
