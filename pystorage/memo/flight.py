"""Flights: each key is computed once at a time, by whoever asks for it first.

That one leads; all others who ask meanwhile wait, and get what the leader got, value or error. A key that is
being computed is one flight: it begins when nothing is kept under the key, and lands when the result is.

- Nobody waits for another key, and nothing is locked while the function runs, but the flight itself.
- A leader that is stopped from outside (KeyboardInterrupt, SystemExit) leaves no result: one of those who
  waited takes over.
- A call that would wait for itself computes through: in the same thread, and where threads wait for one
  another in a ring.
- A result that is invalidated while it is computed goes to those who waited, and is not kept.
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


class Ask:
    """One call whose result was not found.

    Args:
        key: The key of the call.
        args: What is passed to the function by position.
        kwargs: What is passed to it by name.
        find: Gives what is kept under the key and good enough for this call, or ABSENT.
        background: Whether nobody waits for the result: somebody who got an older one asked for it.

    Raises:
        Nothing.
    """

    __slots__ = ("args", "background", "find", "forgotten", "hold", "key", "kwargs", "overwrites")

    def __init__(
        self, key: str, args: Any, kwargs: Any, find: Callable[[str], Any], background: bool = False
    ) -> None:
        self.key = key
        self.args = args
        self.kwargs = kwargs
        self.find = find
        self.background = background
        self.forgotten = False
        #: Whether the result takes the place of whatever is there.
        self.overwrites = False
        #: The lease of the key among processes; None where there is none, as of a storage that is down.
        self.hold: Any = None

    def is_forgotten(self) -> bool:
        """Tell whether the key was invalidated or written since the computation began.

        Returns:
            Whether it was, in this process.

        Raises:
            Nothing.
        """
        return self.forgotten

    def is_wanted(self) -> bool:
        """Tell whether the result is to be kept.

        Returns:
            False where the key was invalidated or written since the computation began, and where somebody
            else took the lease of the key.

        Raises:
            UnavailableError: The place of the lease cannot be written.
        """
        if self.forgotten:
            return False
        return self.hold is None or bool(self.hold.is_held())


class Work(Protocol):
    """What a flight is for: a function, and where its results are kept.

    Raises:
        Nothing.
    """

    def _lead(self, ask: Ask) -> Any:
        """Compute and keep a result, and give what a later call will get."""

    def _pass(self, ask: Ask) -> Any:
        """Do as ``_lead``, where waiting for the flight has no end, or none soon enough."""

    def _count(self, ask: Ask, computed: bool) -> None:
        """Count a call."""


class Flight:
    """One computation of one key, from the first who asks to the result.

    Args:
        ask: What it computes.
        leader: The thread that computes.
        process: The process that it is in.

    Raises:
        Nothing.
    """

    __slots__ = ("ask", "error", "leader", "lock", "over", "process", "traceback", "value")

    def __init__(self, ask: Ask, leader: int, process: int) -> None:
        self.ask = ask
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

    def run(self, ask: Ask, landed: int, work: Work, timeout: float | None = None) -> Any:
        """Compute what is not kept, or wait for whoever does.

        Args:
            ask: The call.
            landed: ``landed`` as it was before nothing was found.
            work: The function, and where its results are kept.
            timeout: Seconds to wait for somebody else at most; None waits for as long as it takes.

        Returns:
            The result.

        Raises:
            Exception: What the leader's function or storage raised.

        Cost: beside the computation about 2 µs where nobody else asks.
        """
        key = ask.key
        while True:
            ahead = self._going.get(key)
            if ahead is None:
                # An interrupt may come between any two of these steps. A flight that can be found is always
                # led from inside this ``try``; and what ends it, with no step between, is one call that
                # cannot be interrupted, ``release``.
                flight = Flight(ask, threading.get_ident(), os.getpid())
                release = flight.lock.release
                try:
                    ahead = self._going.setdefault(key, flight)
                    if ahead is flight:
                        value = ABSENT if landed == self.landed else ask.find(key)
                        if value is ABSENT:
                            value = work._lead(ask)
                        else:
                            work._count(ask, False)
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
            elif not wait_for(ahead, -1 if timeout is None else timeout):
                value = work._pass(ask)
                if timeout is not None and ahead.leader != threading.get_ident():
                    self._leave(key, ahead)  # what it gets at last is the older result
                return value
            elif ahead.error is not None:
                try:
                    raise ahead.error.with_traceback(ahead.traceback)
                finally:
                    del ahead
            elif ahead.value is not ABSENT:
                work._count(ask, False)
                return ahead.value

    def begun(self, key: str, flight: Flight) -> Flight:
        """Begin a flight, unless there is one.

        Args:
            key: The key.
            flight: What is to begin. Whoever calls this calls ``end`` with it in any case.

        Returns:
            The flight that is going on.

        Raises:
            Nothing.
        """
        while True:
            ahead = self._going.setdefault(key, flight)
            if ahead is flight or not ahead.is_over():
                return ahead
            self._land(key, ahead)

    def end(self, key: str, flight: Flight) -> None:
        """End a flight, whether it began or not, and let those go on who wait for it.

        Args:
            key: The key.
            flight: The flight.

        Raises:
            Nothing.
        """
        release = flight.lock.release
        try:
            self._land(key, flight)
        finally:
            flight.over = True
            release()

    def forget(self, key: str | None = None) -> None:
        """Let what is being computed go to those who wait, and to nobody else.

        Args:
            key: Its key; None is all of them.

        Raises:
            Nothing.
        """
        for each in [key] if key is not None else list(self._going):
            flight = self._going.get(each)
            if flight is not None:
                self._leave(each, flight)

    def _leave(self, key: str, flight: Flight) -> None:
        flight.ask.forgotten = True
        self._land(key, flight)

    def _land(self, key: str, flight: Flight) -> None:
        """Forget a flight, if it is the one that is going on."""
        with _guard:
            if self._going.get(key) is flight:
                self.landed += 1
                del self._going[key]


def wait_for(flight: Flight, timeout: float) -> bool:
    """Wait until a flight is over.

    Args:
        flight: The flight.
        timeout: Seconds to wait at most; -1 is for as long as it takes.

    Returns:
        False where that takes too long; at once, where it would wait for this very thread.

    Raises:
        Nothing.
    """
    me = threading.get_ident()
    try:
        with _guard:
            ahead: Flight | None = flight
            while ahead is not None and not ahead.is_over():
                if ahead.leader == me:
                    return False
                ahead = _waiting.get(ahead.leader)
            _waiting[me] = flight
        if not flight.lock.acquire(timeout=timeout):
            return False
        flight.lock.release()
        return True
    finally:
        _waiting.pop(me, None)
