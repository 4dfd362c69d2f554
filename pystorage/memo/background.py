"""Background: the few threads in which results are computed anew while older ones are given."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from pystorage._sync import fork_safe_lock

#: So many threads of a process compute anew at the same time, at most.
THREADS: Final = 8


class Background:
    """Runs what nobody waits for in threads that end with their work, and with the process.

    Args:
        threads: How many there are at a time, at most.

    Raises:
        Nothing.

    Threads: any number.
    Processes: each has its own; a child that is forked begins with none.
    """

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = threads
        self._lock = fork_safe_lock()
        self._running: set[tuple[int, object]] = set()

    def start(self, work: Callable[[], object]) -> bool:
        """Run something.

        Args:
            work: What is called. It raises nothing that anybody would like to hear of.

        Returns:
            False where all threads are busy: it is not run.

        Raises:
            Nothing.
        """
        me = (os.getpid(), object())
        with self._lock:
            self._running = {each for each in self._running if each[0] == me[0]}
            if len(self._running) >= self._threads:
                return False
            self._running.add(me)
        try:
            threading.Thread(target=self._run, args=(me, work), name="pystorage-refresh", daemon=True).start()
        except RuntimeError:  # no more threads here, or the interpreter ends
            self._end(me)
            return False
        return True

    def _run(self, me: tuple[int, object], work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            self._end(me)

    def _end(self, me: tuple[int, object]) -> None:
        with self._lock:
            self._running.discard(me)


#: Those of this process.
BACKGROUND: Final = Background()
