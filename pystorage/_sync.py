"""What stores share to exclude one another: file locks, leases, and locks that survive a fork."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Final

from pystorage.errors import ConflictError, UnavailableError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# ---------------------------------------------------------------------- threads and forks

_fork_safe: weakref.WeakSet[threading.RLock] = weakref.WeakSet()  # type: ignore[type-arg, unused-ignore]
_held_for_fork: list[threading.RLock] = []  # type: ignore[valid-type, unused-ignore]


def fork_safe_lock() -> threading.RLock:  # type: ignore[valid-type, unused-ignore]
    """Make a lock that is free in the child after a fork, with what it guards whole.

    The forking thread takes all of them for the moment of the fork; so they may only be held briefly
    and never while another one is taken.

    Returns:
        A re-entrant lock.

    Raises:
        Nothing.
    """
    lock = threading.RLock()
    _fork_safe.add(lock)
    return lock


def _before_fork() -> None:
    _held_for_fork.extend(_fork_safe)
    for lock in _held_for_fork:
        lock.acquire()


def _after_fork() -> None:
    while _held_for_fork:
        _held_for_fork.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


# ---------------------------------------------------------------------- file locks

_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
_NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", getattr(os, "O_NOINHERIT", 0))
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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW | _CLOSE_ON_EXEC, mode)
    if mode & 0o077:
        # Shared on purpose, but the umask may have taken bits away. Not ours to change if not ours.
        with suppress(PermissionError):
            os.chmod(descriptor if os.chmod in os.supports_fd else path, mode)
    return descriptor


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


class FileLock:
    """The advisory lock of a file, held for the length of a ``with``.

    The file is opened anew each time, so that nothing of the lock is inherited by a fork and threads
    exclude one another as processes do.

    Args:
        path: The lock file, made if it is missing. It is left in place: removing it would let two in.
        mode: Its permissions if it is made.

    Raises:
        OSError: When entering: the file cannot be opened or locked.

    Cost: three system calls, about 4 µs, and the waiting.
    """

    __slots__ = ("_descriptor", "_mode", "_path")

    def __init__(self, path: str, mode: int = 0o600) -> None:
        self._path = path
        self._mode = mode

    def __enter__(self) -> None:
        self._descriptor = open_shared(self._path, self._mode)
        try:
            lock_descriptor(self._descriptor, wait=True)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


# ---------------------------------------------------------------------- leases

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


class Lease:
    """A lock that is held: who holds it, and until when.

    Made by ``Storage.lock``.

    Args:
        leases: Where it is kept.
        name: The name of the lock.
        ttl: Seconds it was taken for.
        token: What its owner is known by.

    Raises:
        Nothing.

    Threads: to be used by the one that took it.
    """

    __slots__ = ("_leases", "name", "token", "ttl")

    def __init__(self, leases: Leases, name: str, ttl: float, token: str) -> None:
        self._leases = leases
        self.name = name
        self.ttl = ttl
        self.token = token

    def extend(self, ttl: float | None = None) -> None:
        """Hold it for longer.

        Args:
            ttl: Seconds from now, > 0; None is as long as it was taken for.

        Raises:
            ConflictError: It had run out and somebody else took it.
            UnavailableError: The place of the lease cannot be written.
        """
        if not self._leases.extend(self.name, self.token, self.ttl if ttl is None else ttl):
            raise ConflictError(
                f"could not extend the lock {self.name!r}: it had run out after {self.ttl} s and somebody "
                "else took it; take it for longer, or extend it earlier",
                key=self.name,
            )

    def __repr__(self) -> str:
        return f"<Lease {self.name!r} for {self.ttl} s>"


class Leases(ABC):
    """A place where leases are kept.

    Raises:
        Nothing.
    """

    @abstractmethod
    def take(self, name: str, token: str, ttl: float) -> bool:
        """Take a lease if nobody holds it, or if it has run out.

        Args:
            name: The name of the lock.
            token: What the new owner is known by.
            ttl: Seconds to hold it, > 0.

        Returns:
            Whether it was taken.

        Raises:
            UnavailableError: The place cannot be written.
        """

    @abstractmethod
    def extend(self, name: str, token: str, ttl: float) -> bool:
        """Hold a lease for longer.

        Args:
            name: The name of the lock.
            token: Its owner.
            ttl: Seconds from now, > 0.

        Returns:
            Whether the owner still held it.

        Raises:
            UnavailableError: The place cannot be written.
        """

    @abstractmethod
    def release(self, name: str, token: str) -> bool:
        """Give a lease back.

        Args:
            name: The name of the lock.
            token: Its owner.

        Returns:
            Whether nobody else had taken it meanwhile.

        Raises:
            UnavailableError: The place cannot be written.
        """

    def wait(self, seconds: float) -> None:
        """Wait until a lease may have become free.

        Args:
            seconds: At most so long.

        Raises:
            Nothing.
        """
        time.sleep(seconds)

    @contextmanager
    def held(self, name: str, ttl: float, timeout: float | None, where: str) -> Iterator[Lease]:
        """Hold a lease for the length of a ``with``.

        Args:
            name: The name of the lock.
            ttl: Seconds to hold it at most, > 0.
            timeout: Seconds to wait for it, ≥ 0; None waits for as long as it takes.
            where: The storage, for messages.

        Returns:
            A context manager that gives the lease.

        Raises:
            TimeoutError: When entering: it was not free in time.
            ConflictError: When leaving: it had run out and somebody else took it.
            UnavailableError: The place cannot be written.
        """
        token = secrets.token_hex(16)
        limit = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while not self.take(name, token, ttl):
            left = pause if limit is None else min(pause, limit - time.monotonic())
            if left <= 0:
                raise TimeoutError(
                    f"could not lock {name!r} in {where}: somebody else held it for {timeout} s"
                )
            self.wait(left)
            pause = min(2 * pause, _LONGEST_PAUSE)
        try:
            yield Lease(self, name, ttl, token)
        except BaseException:
            self.release(name, token)
            raise
        if not self.release(name, token):
            raise ConflictError(
                f"could not hold the lock {name!r} in {where} to the end: it ran out after {ttl} s and "
                "somebody else took it; take it for longer, or extend it while working",
                storage=where,
                key=name,
            )


class ThreadLeases(Leases):
    """Leases among the threads of this process.

    Args:
        timer: The clock of the deadlines, in seconds.

    Raises:
        Nothing.

    Threads: any number.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._freed = threading.Condition(fork_safe_lock())
        self._taken: dict[str, tuple[str, float]] = {}

    def take(self, name: str, token: str, ttl: float) -> bool:
        with self._freed:
            owner = self._taken.get(name)
            if owner is not None and self._timer() < owner[1]:
                return False
            self._taken[name] = (token, self._timer() + ttl)
            return True

    def extend(self, name: str, token: str, ttl: float) -> bool:
        with self._freed:
            if self._taken.get(name, ("", 0.0))[0] != token:
                return False
            self._taken[name] = (token, self._timer() + ttl)
            return True

    def release(self, name: str, token: str) -> bool:
        with self._freed:
            if self._taken.get(name, ("", 0.0))[0] != token:
                return False
            del self._taken[name]
            self._freed.notify_all()
            return True

    def wait(self, seconds: float) -> None:
        with self._freed:
            self._freed.wait(seconds)


class FileLeases(Leases):
    """Leases among processes, each a small file that its holder keeps locked.

    A process that dies lets go of its files at once; one that hangs keeps them until they run out.

    Args:
        folder: Where the files lie.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        mode: The permissions of the files.
        made: Called to make the folder.

    Raises:
        Nothing.

    Threads: any number.
    Processes: any number on one file system.
    """

    def __init__(self, folder: str, timer: Callable[[], float], mode: int, made: Callable[[], None]) -> None:
        self._folder = folder
        self._timer = timer
        self._mode = mode
        self._make = made
        self._files: dict[str, int] = {}  # token → the open file of a lease that is held here

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            self._make()
            with FileLock(os.path.join(self._folder, "guard"), self._mode):
                yield
        except OSError as error:
            raise UnavailableError(f"could not lock by a file in {self._folder!r}: {error}") from error

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, blake2b(name.encode(), digest_size=16).hexdigest())

    def take(self, name: str, token: str, ttl: float) -> bool:
        path = self._path(name)
        with self._guard():
            file = open_shared(path, self._mode)
            if not lock_descriptor(file, wait=False):
                deadline = _deadline(file)
                os.close(file)
                if self._timer() < deadline:
                    return False
                # Its holder hangs: the lock goes with the file, so the next holder gets a file of its own.
                os.unlink(path)
                file = open_shared(path, self._mode)
                lock_descriptor(file, wait=False)
            self._write(file, ttl)
            self._files[token] = file
            return True

    def extend(self, name: str, token: str, ttl: float) -> bool:
        with self._guard():
            if not self._holds(name, token):
                return False
            self._write(self._files[token], ttl)
            return True

    def release(self, name: str, token: str) -> bool:
        with self._guard():
            held = self._holds(name, token)
            if held:
                os.unlink(self._path(name))
            os.close(self._files.pop(token))
            return held

    def _holds(self, name: str, token: str) -> bool:
        mine = os.fstat(self._files[token])
        with suppress(FileNotFoundError):
            return os.path.samestat(mine, os.stat(self._path(name)))
        return False

    def _write(self, file: int, ttl: float) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, f"{self._timer() + ttl:032.6f}".encode())


def _deadline(file: int) -> float:
    try:
        return float(os.read(file, 32))
    except ValueError:
        return 0.0  # its holder died before it wrote one
