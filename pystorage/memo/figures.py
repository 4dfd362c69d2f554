"""The figures of memoized and cached functions, and what counts them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import NamedTuple


class CacheInfo(NamedTuple):
    """Figures of one memoized function in this process, laid out as those of ``functools.lru_cache``.

    Args:
        hits: Calls that were answered without computing: from the storage, or by another thread.
        misses: Calls that were computed.
        maxsize: How much the storage may hold; None where it has no bound, or none that it tells.
        currsize: Results kept now; None where the storage is shared with others, so that it would have to
            be searched.

    Raises:
        Nothing.
    """

    hits: int
    misses: int
    maxsize: int | None
    currsize: int | None


class Counter:
    """Counts what several threads do without a lock where it is quick; reading takes one.

    Raises:
        Nothing.

    Threads: any number.
    """

    __slots__ = ("_count", "_lock", "_reads", "add")

    def __init__(self) -> None:
        self._count: Iterator[int] = itertools.count()
        self._lock = threading.Lock()
        self._reads = 0
        #: Count one more: a single step of the interpreter.
        self.add = self._count.__next__

    def value(self) -> int:
        """Give the count.

        Returns:
            How often ``add`` was called.

        Raises:
            Nothing.
        """
        with self._lock:
            self._reads += 1
            return next(self._count) - self._reads + 1
