"""Flights of tasks: each key is computed once at a time, by the task that asks for it first.

That one computes in its own task, so that nothing is left running when it ends; all others wait, and get
what it got, value or error. When it is cancelled, one of those who wait computes. Those who wait may be in
several event loops, in several threads, of asyncio and of trio.

A task that would wait for itself, or for one that waits for it, computes through; a task that was started by
one that computes counts as part of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Protocol

from anyio import Event, move_on_after

from pystorage._sync import fork_safe_lock
from pystorage.storage import ABSENT

# Held for a few steps only, with no code of others and no waiting under it.
_guard: Final = fork_safe_lock()


class Elsewhere(Exception):
    """Says that a computation was not begun, since another process is at it."""


class Asked(Protocol):
    """One call whose result was not found."""

    key: str
    forgotten: bool

    @property
    def find(self) -> Callable[[str], Awaitable[Any]]:
        """Gives what is kept and good enough, or ABSENT."""


class Work(Protocol):
    """What a flight is for."""

    async def _lead(self, ask: Any) -> Any:
        """Compute and keep a result."""

    async def _pass(self, ask: Any) -> Any:
        """Do as ``_lead``, where waiting for the flight has no end, or none soon enough."""

    def _count(self, ask: Any, computed: bool) -> None:
        """Count a call."""


class TaskFlight:
    """One computation of one key."""

    __slots__ = ("ask", "error", "loop", "over", "process", "traceback", "value", "waiters", "waits")

    def __init__(self, ask: Asked) -> None:
        self.ask = ask
        self.process = os.getpid()
        #: The event loop that it is computed in.
        self.loop = this_loop()
        self.over = False
        self.value: Any = ABSENT
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None
        self.waiters: list[tuple[object, Event]] = []
        # What those wait for who are part of it.
        self.waits: list[TaskFlight] = []

    def is_over(self) -> bool:
        """Tell whether nobody computes any more, here."""
        return self.over or self.process != os.getpid() or is_closed(self.loop)


# The flights that this task is part of.
_led: ContextVar[tuple[TaskFlight, ...]] = ContextVar("pystorage_task_flights", default=())


class TaskFlights:
    """The computations that are going on for one function in this process."""

    __slots__ = ("_going", "landed")

    def __init__(self) -> None:
        self._going: Final[dict[str, TaskFlight]] = {}
        #: How many have landed.
        self.landed = 0

    async def run(self, ask: Asked, landed: int, work: Work, timeout: float | None = None) -> Any:
        """Compute what is not kept, or wait for whoever does.

        ``landed`` is that of before nothing was found; ``timeout`` is for waiting for others.
        """
        while True:
            flight, ahead = self.begun(ask)
            if ahead is None:
                return await self.lead(flight, landed, work)
            if not await wait_for(ahead, timeout):
                value = await work._pass(ask)
                if timeout is not None and ahead not in _led.get():
                    self._leave(ahead)  # what it gets at last is the older result
                return value
            if ahead.error is not None:
                try:
                    raise ahead.error.with_traceback(ahead.traceback)
                finally:
                    del ahead
            if ahead.value is not ABSENT:
                work._count(ask, False)
                return ahead.value

    def begun(self, ask: Asked) -> tuple[TaskFlight, TaskFlight | None]:
        """Begin a flight, which must be led or ended; or give also the one that is going on already."""
        flight = TaskFlight(ask)
        with _guard:
            ahead = self._going.get(ask.key)
            if ahead is None or ahead.is_over():
                self._going[ask.key] = flight
                ahead = None
        return flight, ahead

    async def lead(self, flight: TaskFlight, landed: int, work: Work) -> Any:
        """Compute what a flight that has begun is for."""
        token = _led.set((*_led.get(), flight))
        ask = flight.ask
        try:
            value = ABSENT if landed == self.landed else await ask.find(ask.key)
            if value is ABSENT:
                value = await work._lead(ask)
            else:
                work._count(ask, False)
            flight.value = value
            return value
        except Elsewhere:
            raise
        except Exception as error:
            flight.error, flight.traceback = error, error.__traceback__
            raise
        finally:
            with suppress(ValueError):  # the coroutine was closed in another context
                _led.reset(token)
            self.end(flight)
            # Whoever keeps the error keeps this frame, which must not keep the error.
            del flight

    def forget(self, key: str | None = None) -> None:
        """Let what is being computed go to those who wait, and to nobody else; None is all keys."""
        with _guard:
            for each in [key] if key is not None else list(self._going):
                flight = self._going.pop(each, None)
                if flight is not None:
                    flight.ask.forgotten = True
                    self.landed += 1

    def _leave(self, flight: TaskFlight) -> None:
        """Let what is being computed go to those who wait, as it is no longer the newest."""
        key = flight.ask.key
        with _guard:
            flight.ask.forgotten = True
            if self._going.get(key) is flight:
                self.landed += 1
                del self._going[key]

    def end(self, flight: TaskFlight) -> None:
        """End a flight, in case that it has not ended, and let those go on who wait for it."""
        key = flight.ask.key
        with _guard:
            if self._going.get(key) is flight:
                self.landed += 1
                del self._going[key]
            flight.over = True
            waiters, flight.waiters = flight.waiters, []
        if not waiters:
            return
        here = this_loop()
        for loop, event in waiters:
            if loop is here:
                event.set()
            else:
                _set_there(loop, event)


@contextmanager
def part_of(flights: Iterable[TaskFlight]) -> Iterator[None]:
    """Make what is awaited here, and what that starts, part of some flights."""
    token = _led.set((*_led.get(), *flights))
    try:
        yield
    finally:
        with suppress(ValueError):  # the coroutine was closed in another context
            _led.reset(token)


def part_of_none() -> None:
    """Make what runs in this context part of no flight."""
    _led.set(())


async def wait_for(flight: TaskFlight, timeout: float | None) -> bool:
    """Wait until a flight is over; False where that takes too long, at once where it takes for ever."""
    mine = [each for each in _led.get() if not each.is_over()]
    waiter = (this_loop(), Event())
    with _guard:
        if flight.is_over():
            return True
        if _needs(flight, mine):
            return False
        flight.waiters.append(waiter)
        for each in mine:
            each.waits.append(flight)
    try:
        with move_on_after(timeout):
            await waiter[1].wait()
    finally:
        with _guard:
            if waiter in flight.waiters:
                flight.waiters.remove(waiter)
            for each in mine:
                each.waits.remove(flight)
    return flight.is_over()


def _needs(flight: TaskFlight, mine: list[TaskFlight]) -> bool:
    """Tell whether a flight waits, in the end, for one of some others."""
    todo, seen = [flight], set()
    while todo:
        one = todo.pop()
        if any(one is each for each in mine):
            return True
        if id(one) not in seen and not one.is_over():
            seen.add(id(one))
            todo.extend(one.waits)
    return False


def this_loop() -> object:
    """Give what stands for the event loop of this task, or None."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            return trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a coroutine that is closed where no loop runs
        return None


def is_closed(loop: object) -> bool:
    """Tell whether nothing runs in an event loop any more; one of trio ends its tasks before it ends."""
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()


def _set_there(loop: Any, event: Event) -> None:
    with suppress(RuntimeError):  # that loop is closed, so nobody waits there
        if isinstance(loop, asyncio.AbstractEventLoop):
            loop.call_soon_threadsafe(event.set)
        else:
            loop.run_sync_soon(event.set)
