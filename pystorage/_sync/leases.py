"""Leases: locks with a time to live, and those among the threads of one process."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from pystorage._arguments import shown
from pystorage._sync.forks import fork_safe_lock
from pystorage._sync.tokens import token_hex
from pystorage.errors import ConflictError

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
                f"could not extend the lock {shown(self.name)}: it had run out after {self.ttl} s or "
                "was removed, and somebody else may have taken it; take it for longer, or extend it earlier",
                key=self.name,
            )

    def __repr__(self) -> str:
        return f"<Lease {shown(self.name)} for {self.ttl} s>"


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
        token = token_hex(16)
        limit = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while not self.take(name, token, ttl):
            left = pause if limit is None else min(pause, limit - time.monotonic())
            if left <= 0:
                raise TimeoutError(
                    f"could not lock {shown(name)} in {where}: somebody else held it for {timeout} s"
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
                f"could not hold the lock {shown(name)} in {where} to the end: it ran out after {ttl} s or "
                "was removed, and somebody else may have taken it; take it for longer, or extend it while "
                "working",
                storage=where,
                key=name,
            )


_NOBODY: Final = ("", 0.0, 0)


class ThreadLeases(Leases):
    """Leases among the threads of this process; a child that is forked begins without any.

    Args:
        timer: The clock of the deadlines, in seconds.

    Raises:
        Nothing.

    Threads: any number.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._freed = threading.Condition(fork_safe_lock())
        # Name → owner, deadline, and the process: in a forked child there is nobody who could free them.
        self._taken: dict[str, tuple[str, float, int]] = {}

    def take(self, name: str, token: str, ttl: float) -> bool:
        with self._freed:
            _, deadline, process = self._taken.get(name, _NOBODY)
            if process == os.getpid() and self._timer() < deadline:
                return False
            self._taken[name] = (token, self._timer() + ttl, os.getpid())
            return True

    def extend(self, name: str, token: str, ttl: float) -> bool:
        with self._freed:
            if self._taken.get(name, _NOBODY)[0] != token:
                return False
            self._taken[name] = (token, self._timer() + ttl, os.getpid())
            return True

    def release(self, name: str, token: str) -> bool:
        with self._freed:
            if self._taken.get(name, _NOBODY)[0] != token:
                return False
            del self._taken[name]
            self._freed.notify_all()
            return True

    def wait(self, seconds: float) -> None:
        with self._freed:
            self._freed.wait(seconds)
