"""Forks: locks among threads that are free in the child, and what must not be open there."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """What holds something open that no child may inherit.

    Raises:
        Nothing.
    """

    def before_fork(self) -> None:
        """Let go of it, in the thread that forks, which has all fork-safe locks.

        Raises:
            Nothing.
        """

    def after_fork_in_child(self) -> None:
        """Forget what could not be let go.

        Raises:
            Nothing.
        """


_forked: weakref.WeakSet[Forked] = weakref.WeakSet()
_fork_safe: weakref.WeakSet[threading.RLock] = weakref.WeakSet()  # type: ignore[type-arg, unused-ignore]
_held_for_fork: list[threading.RLock] = []  # type: ignore[valid-type, unused-ignore]
# Held while a lock is made, and by the one thread that forks.
_guard = threading.RLock()


def fork_safe_lock() -> threading.RLock:  # type: ignore[valid-type, unused-ignore]
    """Make a lock that is free in the child after a fork, with what it guards whole.

    The forking thread takes all of them for the moment of the fork, so a fork waits for whoever holds one.

    Returns:
        A re-entrant lock.

    Raises:
        Nothing.
    """
    lock = threading.RLock()
    with _guard:
        _fork_safe.add(lock)
    return lock


def let_go_before_forks(one: Forked) -> None:
    """Have something let go of what it holds open before each fork; it is forgotten when it dies.

    Args:
        one: What it is.

    Raises:
        Nothing.
    """
    with _guard:
        _forked.add(one)


def _before_fork() -> None:
    _guard.acquire()
    locks = list(_fork_safe)
    while busy := _take_all(locks):
        # It is waited for with nothing in hand, as its holder may be about to take another one.
        locks.remove(busy)
        locks.insert(0, busy)
    _held_for_fork.extend(locks)
    for one in list(_forked):
        one.before_fork()


def _take_all(locks: list[threading.RLock]) -> threading.RLock | None:  # type: ignore[valid-type, unused-ignore]
    """Take locks, waiting for the first one only; if another is busy, take none and give that one."""
    for number, lock in enumerate(locks):
        if not lock.acquire(blocking=number == 0):
            for taken in locks[:number]:
                taken.release()
            return lock
    return None


def _after_fork() -> None:
    while _held_for_fork:
        _held_for_fork.pop().release()
    _guard.release()


def _after_fork_in_child() -> None:
    for one in list(_forked):
        one.after_fork_in_child()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
