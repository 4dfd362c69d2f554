"""Flights: each key is computed once at a time, by whoever asks for it first.

That one leads; all others who ask meanwhile wait, and get what the leader got, value or error. A key that is
being computed is one flight: it begins when nothing is kept under the key, and lands when the result is.

- Nobody waits for another key, and nothing is locked while the function runs, but the flight itself.
- A leader that is stopped from outside (KeyboardInterrupt, SystemExit) leaves no result: one of those who
  waited takes over.
- A call that would wait for itself computes through: in the same thread, and where threads wait for one
  another in a ring.
- In the child of a fork, what other threads of the parent were computing is nobody's, and begins anew.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol

from pystorage._sync import fork_safe_lock
from pystorage.storage import ABSENT

# Held for a few steps only, by those who land and those who begin to wait; no code of others runs under it.
_guard: Final = fork_safe_lock()
# Thread → the flight that it waits for.
_waiting: Final[dict[int, Flight]] = {}


class Work(Protocol):
    """What a flight is for: a function, and where its results are kept.

    Raises:
        Nothing.
    """

    __wrapped__: Callable[..., Any]

    def _find(self, key: str) -> Any:
        """Give what is kept, or ABSENT."""

    def _kept(self, key: str, value: Any) -> Any:
        """Keep a result, and give what a later call will get."""

    def _count(self, computed: bool) -> None:
        """Count a call."""


class Flight:
    """One computation of one key, from the first who asks to the result.

    Args:
        leader: The thread that computes.
        process: The process that it is in.

    Raises:
        Nothing.
    """

    __slots__ = ("error", "leader", "lock", "over", "process", "traceback", "value")

    def __init__(self, leader: int, process: int) -> None:
        self.leader = leader
        self.process = process
        self.over = False
        self.value: Any = ABSENT
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None
        #: Taken until it is over.
        self.lock = threading.Lock()
        self.lock.acquire()

    def is_over(self) -> bool:
        """Tell whether nobody computes any more.

        Returns:
            True also in the child of the process that it began in.

        Raises:
            Nothing.
        """
        return self.over or self.process != os.getpid()


class Flights:
    """The computations that are going on for one function in this process.

    Raises:
        Nothing.

    Threads: any number.
    Processes: each has its own.
    """

    __slots__ = ("_going", "landed")

    def __init__(self) -> None:
        self._going: Final[dict[str, Flight]] = {}
        #: How many have landed. Who reads this, then finds nothing kept, and leads while it is the same, need
        #: not look again.
        self.landed = 0

    def run(self, key: str, landed: int, work: Work, args: Any, kwargs: Any) -> Any:
        """Compute what is not kept, or wait for whoever does.

        Args:
            key: The key of the call.
            landed: ``landed`` as it was before nothing was found.
            work: The function, and where its results are kept.
            args: What is passed to it by position.
            kwargs: What is passed to it by name.

        Returns:
            The result.

        Raises:
            Exception: What the leader's function or storage raised.

        Cost: beside the computation about 2 µs where nobody else asks.
        """
        while True:
            ahead = self._going.get(key)
            if ahead is None:
                # An interrupt may come between any two of these steps. A flight that can be found is always
                # led from inside this ``try``; and what ends it, with no step between, is one call that
                # cannot be interrupted, ``release``.
                flight = Flight(threading.get_ident(), os.getpid())
                release = flight.lock.release
                try:
                    ahead = self._going.setdefault(key, flight)
                    if ahead is flight:
                        value = ABSENT if landed == self.landed else work._find(key)
                        absent = value is ABSENT
                        work._count(absent)
                        if absent:
                            value = work._kept(key, work.__wrapped__(*args, **kwargs))
                        flight.value = value
                        return value
                except Exception as error:
                    flight.traceback = error.__traceback__
                    flight.error = error
                    raise
                finally:
                    try:
                        self._land(key, flight)
                    finally:
                        flight.over = True
                        release()
                        # Whoever keeps the error keeps this frame, which must not keep the error.
                        if ahead is flight:
                            del ahead
                        del flight
            if ahead.is_over():
                self._land(key, ahead)
            elif not _wait_for(ahead):
                work._count(True)
                return work._kept(key, work.__wrapped__(*args, **kwargs))
            elif ahead.error is not None:
                try:
                    raise ahead.error.with_traceback(ahead.traceback)
                finally:
                    del ahead
            elif ahead.value is not ABSENT:
                work._count(False)
                return ahead.value

    def _land(self, key: str, flight: Flight) -> None:
        """Forget a flight, if it is the one that is going on."""
        with _guard:
            if self._going.get(key) is flight:
                self.landed += 1
                del self._going[key]


def _wait_for(flight: Flight) -> bool:
    """Wait until a flight is over; False at once where that would wait for this very thread."""
    me = threading.get_ident()
    try:
        with _guard:
            ahead: Flight | None = flight
            while ahead is not None and not ahead.is_over():
                if ahead.leader == me:
                    return False
                ahead = _waiting.get(ahead.leader)
            _waiting[me] = flight
        with flight.lock:
            return True
    finally:
        _waiting.pop(me, None)
