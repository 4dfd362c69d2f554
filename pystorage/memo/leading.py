"""Leading: each key is computed once at a time among processes and hosts, by whoever gets its lease.

All others look again and again whether there is a result, or a lease to be had, with longer and longer
pauses, up to a twentieth of a second. A leader that dies, hangs or is stopped loses its lease, and the next
one computes. What a leader writes takes the place only of what it found before it computed, and nothing is
written by one that has lost its lease: a newer value is never replaced by an older one.

Whoever computes one key and waits for another one waits for the time of a lease at most, as two that wait
for one another would never end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from pystorage.memo.flight import Ask
from pystorage.memo.place import ANYTHING
from pystorage.memo.renewal import Hold, given_back, taken
from pystorage.memo.trouble import Trouble
from pystorage.storage import ABSENT, Capability, Storage

if TYPE_CHECKING:
    from pystorage.memo.options import Options

#: The pauses of those who wait, in seconds.
FIRST_PAUSE: Final = 0.001
LONGEST_PAUSE: Final = 0.05

#: What is being computed here under a lease, by storage and key.
led: Final[ContextVar[Mapping[tuple[int, str], Ask]]] = ContextVar(
    "pystorage_led", default=MappingProxyType({})
)


class Leader(Protocol):
    """What computes.

    Raises:
        Nothing.
    """

    def _count(self, ask: Ask, computed: bool) -> None:
        """Count a call."""

    def _standing(self, key: str) -> object:
        """Give what is stored although it is not good enough."""

    def _computed(self, ask: Ask, before: object) -> Any:
        """Compute and keep a result, if what was there before is still there."""


def can_lead(storage: object) -> bool:
    """Tell whether processes can wait for one another.

    Args:
        storage: The storage.

    Returns:
        Whether it is shared, and has leases and can write only where nothing was written meanwhile.

    Raises:
        Nothing.
    """
    return leases_of(storage) is not None


def leases_of(storage: object) -> str | None:
    """Give what leases of keys are made of.

    Args:
        storage: The storage.

    Returns:
        ``"lock"`` where it has locks, ``"add"`` where it adds entries that end by themselves; None where
        processes cannot wait for one another.

    Raises:
        Nothing.
    """
    found = capabilities_of(storage)
    if Capability.SHARED | Capability.ADD not in found:
        return None
    if Capability.LOCK in found:
        return "lock"
    return "add" if Capability.TTL in found else None


def capabilities_of(storage: object) -> Capability:
    """Give what a storage does natively.

    Args:
        storage: A storage, a storage that is async itself, or anything else.

    Returns:
        Its capabilities; none of what is no storage.

    Raises:
        Nothing.
    """
    known: Any = storage
    return known.capabilities if isinstance(storage, Storage) or is_async(storage) else Capability.NONE


def is_async(storage: object) -> bool:
    """Tell whether a storage is async itself.

    Args:
        storage: Anything.

    Returns:
        Whether it is; its class comes from a package that is loaded only by those who have one.

    Raises:
        Nothing.
    """
    module = sys.modules.get("pystorage.aio.storage")
    return module is not None and isinstance(storage, module.AsyncStorage)


class Leading:
    """The leases of one function's keys.

    Args:
        storage: Where the results are kept, and the leases.
        options: How long they last.
        trouble: What is done where the storage is down.

    Raises:
        Nothing.

    Threads: any number; of those of one process one comes here for a key.
    Processes: any number.
    """

    __slots__ = ("_options", "_storage", "_trouble")

    def __init__(self, storage: Storage[Any, Any], options: Options, trouble: Trouble) -> None:
        self._storage = storage
        self._options = options
        self._trouble = trouble

    def lead(self, ask: Ask, leader: Leader) -> Any:
        """Compute a key that nobody computes, or wait for whoever does.

        Args:
            ask: The call.
            leader: What computes.

        Returns:
            The result.

        Raises:
            StorageError: The storage cannot be read, or refused.
            Exception: What the function raises.

        Cost: beside the computation, a lease is taken and given back, and the storage read once more.
        """
        me = (id(self._storage), ask.key)
        others = led.get()
        if me in others:
            return self.lead_again(ask, leader)
        # Nobody is kept waiting by what is computed in the background, so it never computes beside another.
        limit = float("inf") if ask.background else deadline(self._options, bool(others))
        pause = FIRST_PAUSE
        while (hold := self._taken(ask.key)) is None:
            left = min(pause, limit - time.monotonic())
            if left <= 0:
                leader._count(ask, True)
                return leader._computed(ask, leader._standing(ask.key))
            time.sleep(left)
            pause = min(2 * pause, LONGEST_PAUSE)
            found = ask.find(ask.key)
            if found is not ABSENT:
                leader._count(ask, False)
                return found
        token = led.set({**others, me: ask})
        try:
            if not isinstance(hold, Hold):
                leader._count(ask, True)
                return leader._computed(ask, ANYTHING)
            # Somebody may have kept it before the lease was free.
            found = ask.find(ask.key)
            leader._count(ask, found is ABSENT)
            if found is ABSENT:
                ask.hold = hold
                found = leader._computed(ask, leader._standing(ask.key))
            return found
        finally:
            led.reset(token)
            ask.hold = None
            if isinstance(hold, Hold):
                self._give_back(hold)

    def lead_again(self, ask: Ask, leader: Leader) -> Any:
        """Compute a key that may be computed already by whoever calls this.

        Args:
            ask: The call.
            leader: What computes.

        Returns:
            The result.

        Raises:
            StorageError: The storage cannot be read, or refused.
            Exception: What the function raises.
        """
        outer = led.get().get((id(self._storage), ask.key))
        if outer is not None:
            outer.overwrites = True  # what it finds there is of its own making
        leader._count(ask, True)
        return leader._computed(ask, leader._standing(ask.key) if outer is None else ANYTHING)

    def _taken(self, key: str) -> Hold | bool | None:
        """Take the lease; True where there is none as the storage is down, and that is to be borne."""
        if self._trouble.is_down:  # the result was not to be read a moment ago: each try may take its time
            return True
        try:
            return taken(self._storage, key, self._options.lock_ttl)
        except OSError as error:
            self._trouble.bear(error)
            return True

    def _give_back(self, hold: Hold) -> None:
        try:
            given_back(hold)
        except OSError as error:
            self._trouble.bear(error)


def deadline(options: Options, is_nested: bool) -> float:
    """Give the time until when to wait for others.

    Args:
        options: How the function was memoized.
        is_nested: Whether whoever waits computes another key.

    Returns:
        The time, in seconds of the monotonic clock; infinite where nothing bounds it.

    Raises:
        Nothing.
    """
    timeout = options.lock_timeout
    if timeout is None:
        return time.monotonic() + options.lock_ttl if is_nested else float("inf")
    return time.monotonic() + timeout
