"""AsyncBackground: the few tasks in which async results are computed anew while older ones are given.

They are nobody's children: whoever asked goes on at once, and may be cancelled. Under asyncio each is a task
of the event loop, held here so that it is not collected while it waits. Under trio each is a system task,
since the nursery of whoever asked would not end before it, and would cancel it together with its own. Either
ends with its event loop, which cancels it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import MappingProxyType
from typing import Any, Final

from pystorage._sync import fork_safe_lock
from pystorage.aio._tasks import is_closed, part_of_none, this_loop
from pystorage.memo.leading import led

#: So many tasks of a process compute anew at the same time, at most.
TASKS: Final = 64


class AsyncBackground:
    """Runs what nobody waits for in tasks that end with their work, and with their event loop.

    Args:
        tasks: How many there are at a time, at most.

    Raises:
        Nothing.

    Threads: any number, and any number of event loops.
    Processes: each has its own; a child that is forked begins with none.
    """

    def __init__(self, tasks: int = TASKS) -> None:
        self._tasks = tasks
        self._lock = fork_safe_lock()
        # What stands for a task → its process, and under asyncio the task itself.
        self._running: dict[object, tuple[int, asyncio.Task[None] | None]] = {}

    def start(
        self,
        work: Callable[[], Coroutine[Any, Any, object]],
        failed: Callable[[BaseException], object],
        ended: Callable[[], object],
        *,
        name: str,
    ) -> bool:
        """Run something in a task of this event loop.

        Args:
            work: What is awaited.
            failed: Called with what it raises.
            ended: Called when it is over, also when it was cancelled before it began.
            name: The name of the task.

        Returns:
            False where all tasks are busy, no event loop runs, or it makes no task, of which ``failed`` is
            told: then nothing is awaited, and ``ended`` is not called.

        Raises:
            Nothing.
        """
        loop, me = this_loop(), object()
        with self._lock:
            gone = self._swept()
            busy = loop is None or len(self._running) >= self._tasks
            if not busy:
                self._running[me] = (os.getpid(), None)
        del gone  # with the lock free, since that ends them
        if busy:
            return False

        def end() -> None:
            with self._lock:
                self._running.pop(me, None)
            ended()

        # The variables of whoever asked, but what is computed there is not what is computed here.
        context = copy_context()
        context.run(part_of_none)
        context.run(led.set, MappingProxyType({}))
        if isinstance(loop, asyncio.AbstractEventLoop):
            coroutine = _of_asyncio(work, failed)
            try:
                task = context.run(loop.create_task, coroutine, name=name)
            except Exception as error:  # of a task factory, which may be anybody's
                coroutine.close()
                with self._lock:
                    self._running.pop(me, None)
                failed(error)
                return False
            with self._lock:
                self._running[me] = (os.getpid(), task)
            task.add_done_callback(lambda _: end())
            return True
        trio: Any = sys.modules["trio"]  # it runs, so it is there
        try:
            trio.lowlevel.spawn_system_task(_of_trio, work, failed, end, name=name, context=context)
        except RuntimeError:  # the run is ending
            with self._lock:
                self._running.pop(me, None)
            return False
        return True

    def _swept(self) -> list[object]:
        """Let go of the tasks of the parent of a fork, and of those whose loop was closed under them."""
        here = os.getpid()
        return [
            self._running.pop(each)
            for each, (process, task) in list(self._running.items())
            if process != here or (task is not None and is_closed(task.get_loop()))
        ]


async def _of_asyncio(
    work: Callable[[], Coroutine[Any, Any, object]], failed: Callable[[BaseException], object]
) -> None:
    try:
        await work()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):  # these end the event loop, or this coroutine
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        failed(error)  # nobody cancelled this one: it is what the function raises
    except BaseException as error:
        failed(error)


async def _of_trio(
    work: Callable[[], Coroutine[Any, Any, object]],
    failed: Callable[[BaseException], object],
    end: Callable[[], object],
) -> None:
    from anyio import get_cancelled_exc_class

    try:
        await work()
    except get_cancelled_exc_class():
        raise
    except BaseException as error:  # what a system task raises ends the whole run
        failed(error)
    finally:
        end()


#: Those of this process.
ASYNC_BACKGROUND: Final = AsyncBackground()
