"""Blocking calls in worker threads that end before their task goes on, whatever is cancelled meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from anyio import CancelScope, CapacityLimiter, Event, from_thread, get_cancelled_exc_class, to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")


class ThreadLimit:
    """At most so many worker threads at a time in each event loop; calls beyond them wait for their turn.

    Args:
        threads: How many, > 0.

    Raises:
        TypeError: It is no int.
        ValueError: It is less than 1.

    Threads: any number, and any number of event loops.
    """

    def __init__(self, threads: int) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int):
            raise TypeError(f"threads must be an int, not {type(threads).__name__}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.threads = threads

    async def run(
        self, function: Callable[[], T], *, undo: Callable[[T], object] | None = None, must: bool = False
    ) -> T:
        """Call a function in a worker thread, to its end.

        Args:
            function: What is called.
            undo: Called with the result if the task was cancelled and nobody will get it.
            must: Whether it is called even in a task that is cancelled.

        Returns:
            Its result.

        Raises:
            Exception: What the function raises.
        """
        if must:
            # What must happen frees something, so it does not wait for its turn.
            with CancelScope(shield=True):
                return await _to_its_end(function, undo, must)
        async with _limiter(self):
            return await _to_its_end(function, undo, must)


# State belongs to the storage and waiters to the event loop, so each loop has limiters of its own.
_limiters: RunVar[WeakKeyDictionary[ThreadLimit, CapacityLimiter]] = RunVar("pystorage_limiters")


def _limiter(limit: ThreadLimit) -> CapacityLimiter:
    try:
        limiters = _limiters.get()
    except LookupError:
        limiters = WeakKeyDictionary()
        _limiters.set(limiters)
    limiter = limiters.get(limit)
    if limiter is None:
        limiter = limiters[limit] = CapacityLimiter(limit.threads)
    return limiter


class _NoLimit:
    """A limiter that lets everybody in: whoever comes here has had its turn."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def acquire_on_behalf_of(self, _: object) -> None: ...

    def release_on_behalf_of(self, _: object) -> None: ...


_NO_LIMIT: Final = cast(CapacityLimiter, _NoLimit())


class _Call(Generic[T]):
    """A call in a thread whose end can be waited for although the task that made it was cancelled."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self.claimed = False
        self._waiter: Event | None = None
        self.ended = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def claim(self) -> bool:
        """Take the right to run it, or to see that it is never run."""
        with self._lock:
            first = not self.claimed
            self.claimed = True
            return first

    def run(self) -> None:
        if not self.claim():
            return
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error
        with self._lock:
            self.ended = True
            waiter = self._waiter
        if waiter is not None:
            with suppress(RuntimeError):  # the event loop was closed, so nobody waits
                from_thread.run_sync(waiter.set)

    async def wait(self) -> None:
        """Wait for its end, however often the task is cancelled."""
        with self._lock:
            if self.ended:
                return
            self._waiter = Event()
        while not self._waiter.is_set():
            try:
                with CancelScope(shield=True):
                    await self._waiter.wait()
            except get_cancelled_exc_class():
                continue  # the task is being cancelled already, and ends so when this has ended


async def _to_its_end(function: Callable[[], T], undo: Callable[[T], object] | None, must: bool) -> T:
    # anyio waits for the thread of a cancelled scope. What it cannot wait for is a task of asyncio that is
    # cancelled directly, as `asyncio.timeout` and `task.cancel()` do: a write would go on behind its back
    # and come after the next one.
    call = _Call(function)
    cancelled: BaseException | None = None
    while not call.ended:
        try:
            await to_thread.run_sync(call.run, limiter=_NO_LIMIT)
        except get_cancelled_exc_class() as error:
            if not must and call.claim():
                raise  # it has not begun, and never will
            cancelled = error
        if call.claimed:
            await call.wait()
    if cancelled is not None:
        if undo is not None and call.error is None:
            await _to_its_end(partial(undo, cast(T, call.result)), None, True)
        raise cancelled from call.error
    if call.error is not None:
        raise call.error
    return cast(T, call.result)
