"""Holds: leases of keys that are being computed, renewed by one thread for as long as that takes."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pystorage._sync import fork_safe_lock
from pystorage.errors import ConflictError
from pystorage.memo.addleases import lock_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pystorage._sync import Lease
    from pystorage.storage import Storage

# A lease is renewed when a third of its time is over.
_PARTS: Final = 3
# Seconds after which the thread ends that has nothing to renew.
_IDLE: Final = 1.0


class Hold:
    """The lease of a key, held by whoever computes it.

    Args:
        manager: What holds the lease, entered.
        lease: What entering it gave.
        ttl: Seconds that it lasts when it is not renewed.
        until: Until when it lasts, by the monotonic clock.

    Raises:
        Nothing.

    Threads: one computes, another one renews.
    """

    __slots__ = ("__weakref__", "_lease", "_lock", "_manager", "_over", "_ttl", "_until", "process")

    def __init__(
        self, manager: AbstractContextManager[Lease], lease: Lease, ttl: float, until: float
    ) -> None:
        self._manager = manager
        self._lease = lease
        self._ttl = ttl
        self._until = until
        self._over = False
        self._lock = threading.Lock()
        self.process = os.getpid()

    @property
    def pause(self) -> float:
        """How long to wait until it is renewed.

        Returns:
            Seconds.

        Raises:
            Nothing.
        """
        return self._ttl / _PARTS

    def renew(self) -> None:
        """Hold it for longer, unless it is given back or lost.

        Raises:
            Nothing. What cannot be renewed now may be so the next time; else it ends.
        """
        with self._lock, suppress(ConflictError, OSError):
            if not self._over:
                self._extend()

    def is_held(self) -> bool:
        """Tell whether it is certain that nobody else computes the key.

        Returns:
            Whether it is. Where the time is over, as in a process that was stopped for a while, the storage
            is asked whether somebody else took it.

        Raises:
            UnavailableError: The place of the lease cannot be written.
        """
        with self._lock:
            if time.monotonic() < self._until:
                return True
            try:
                self._extend()
            except ConflictError:
                return False
            return True

    def _extend(self) -> None:
        begin = time.monotonic()
        self._lease.extend(self._ttl)
        self._until = begin + self._ttl

    def release(self) -> None:
        """Give it back.

        Raises:
            UnavailableError: The place of the lease cannot be written; it ends by itself.
        """
        with self._lock:
            self._over = True
        with suppress(ConflictError):  # somebody else has it: that is known where it matters
            self._manager.__exit__(None, None, None)


class Renewer:
    """Renews holds in one thread, which ends when there is nothing to renew.

    Raises:
        Nothing.

    Threads: any number.
    Processes: each has its own; a child that is forked renews nothing of its parent's.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(fork_safe_lock())
        # Weakly: a hold that an interrupt took from whoever held it ends, and is not renewed for ever.
        self._next: weakref.WeakKeyDictionary[Hold, float] = weakref.WeakKeyDictionary()
        self._thread: threading.Thread | None = None
        self._wakes = 0.0

    def keep(self, hold: Hold) -> None:
        """Renew a hold from now on.

        Args:
            hold: The hold.

        Raises:
            Nothing.
        """
        due = time.monotonic() + hold.pause
        with self._changed:
            for each in [each for each in self._next if each.process != hold.process]:
                self._next.pop(each, None)
            self._next[hold] = due
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="pystorage-renewal", daemon=True)
                self._wakes = due
                try:
                    self._thread.start()
                except RuntimeError:  # no more threads, or the interpreter ends: the lease lasts for its time
                    self._thread = None
            elif due < self._wakes:
                self._changed.notify()

    def drop(self, hold: Hold) -> None:
        """Renew a hold no more.

        Args:
            hold: The hold.

        Raises:
            Nothing.
        """
        with self._changed:
            self._next.pop(hold, None)

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                now = time.monotonic()
                self._wakes = min(self._next.values(), default=now + _IDLE)
                if self._wakes > now:
                    self._changed.wait(self._wakes - now)
                if not self._next:
                    if self._thread is me:
                        self._thread = None
                    return
                now = time.monotonic()
                due = [hold for hold, at in list(self._next.items()) if at <= now]
                self._next.update({hold: now + hold.pause for hold in due})
            while due:
                due.pop().renew()


#: That of this process.
RENEWER: Final = Renewer()


def taken(storage: Storage[Any, Any], key: str, ttl: float) -> Hold | None:
    """Take the lease of a key, if nobody holds it.

    Args:
        storage: The storage, with ``LOCK``, or with ``ADD`` and ``TTL``.
        key: The key.
        ttl: Seconds that the lease lasts when it is not renewed, > 0.

    Returns:
        The hold, which is renewed until ``given_back``; None where somebody else has it.

    Raises:
        UnavailableError: The place of the lease cannot be written.
    """
    manager = lock_of(storage, key, ttl)
    begin = time.monotonic()
    try:
        lease = manager.__enter__()
    except TimeoutError:
        return None
    # Counted from before it was taken, so that it ends here no later than there.
    hold = Hold(manager, lease, ttl, begin + ttl)
    RENEWER.keep(hold)
    return hold


def given_back(hold: Hold) -> None:
    """Give a hold back.

    Args:
        hold: The hold.

    Raises:
        UnavailableError: The place of the lease cannot be written; it ends by itself.
    """
    RENEWER.drop(hold)
    hold.release()
