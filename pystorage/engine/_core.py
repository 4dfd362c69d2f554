"""Core: a table with a lock, a clock, a limit and somebody who is told what it drops."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, Literal

from pystorage.engine._checks import checked_maxsize, checked_policy
from pystorage.engine._entry import Entry, slot_of
from pystorage.engine._table import Table

#: Why an entry or its value left: for room, for time, for another value, by itself, or with all others.
Cause = Literal["evicted", "expired", "replaced", "deleted", "cleared"]

Weigher = Callable[[Any, Any], int]
OnEvict = Callable[[Any, Any, Cause], object]
Timer = Callable[[], float]

Dropped = list[tuple[Any, Any, Cause]]

#: A time before every deadline.
_NEVER: Final = -math.inf


class Core:
    """What all operations of a cache stand on.

    Each of them looks its key up, changes the table under the lock, and tells ``on_evict`` afterwards what
    it dropped. What was dropped is kept in a list until the lock is free, so that no finalizer of a key or a
    value runs under it either.

    Args:
        maxsize: The limit, in entries, or in what the weigher gives; None is no limit.
        policy: Who is the first to go: ``"lru"``, ``"fifo"``, ``"sieve"``, ``"s3fifo"`` or ``"tinylfu"``.
        ttl: Seconds that an entry lives unless told otherwise, > 0; None is for ever.
        weigher: Gives what an entry takes of the limit, a whole number ≥ 0; None is 1 for each.
        on_evict: Called with key, value and cause when an entry was removed, or its value replaced by
            another object.
        timer: The clock, in seconds.

    Raises:
        ValueError: The limit is negative, NaN, or no whole number; or the policy is unknown.
        TypeError: The weigher, ``on_evict`` or the timer cannot be called.

    Threads: any number.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_deletes",
        "_evictions",
        "_expirations",
        "_hits",
        "_life",
        "_lock",
        "_maxsize",
        "_misses",
        "_on_evict",
        "_policy",
        "_promote",
        "_sets",
        "_table",
        "_timer",
        "_weigher",
    )

    def __init__(
        self,
        maxsize: float | None = None,
        *,
        policy: str = "lru",
        ttl: float | None = None,
        weigher: Weigher | None = None,
        on_evict: OnEvict | None = None,
        timer: Timer = time.monotonic,
    ) -> None:
        for name, function in (("weigher", weigher), ("on_evict", on_evict), ("timer", timer)):
            if not callable(function) and (function is not None or name == "timer"):
                raise TypeError(f"{name} must be a function, not {type(function).__name__}")
        self._policy: Final = checked_policy(policy)
        self._maxsize = checked_maxsize(maxsize)
        self._life = ttl
        self._weigher = weigher
        self._on_evict = on_evict
        self._timer = timer
        self._lock: Final = self._new_lock()
        self._table: Final = Table(policy)
        self._table.share(self._maxsize, weigher is not None)
        self._data: Final = self._table.data
        self._promote: Final = self._table.promote
        self._hits = self._misses = self._sets = 0
        self._deletes = self._evictions = self._expirations = 0

    def _new_lock(self) -> AbstractContextManager[Any]:
        """Make the lock, a re-entrant one; a subclass makes one that is free again after a fork."""
        return threading.RLock()

    # ------------------------------------------------------------------ time

    def _now(self) -> float:
        """Give the time if anything may expire, as asking for it may cost more than all the rest."""
        return self._timer() if self._table.deadlines.heap else _NEVER

    def _times(self, seconds: float | None) -> tuple[float, float | None]:
        """Give the time, and the deadline of what lives for some seconds from now."""
        if seconds is None:
            return self._now(), None
        now = self._timer()
        return now, float(now + seconds)

    def _expire(self, now: float, dropped: Dropped) -> int:
        """Remove what has expired, holding the lock; say how many entries that were."""
        removed = 0
        while (entry := self._table.deadlines.due(now)) is not None:
            if self._table.remove(entry):
                dropped.append((entry.key, entry.value, "expired"))
                removed += 1
        self._expirations += removed
        return removed

    def _sweep(self) -> int:
        """Remove what has expired; say how many entries that were."""
        if not self._table.deadlines.heap:
            return 0
        now = self._timer()
        dropped: Dropped = []
        try:
            with self._lock:
                return self._expire(now, dropped)
        finally:
            self._tell(dropped)

    # ------------------------------------------------------------------ one entry

    def _find(self, key: Any, now: float, dropped: Dropped) -> Entry | None:
        """Give the entry of a key or of a slot, removing one that has expired.

        No lock is needed. Without one the entry may be taken out at any time, which ``stored`` says.
        """
        entry = self._data.get(key)
        if entry is None or not entry.stored:
            return None
        deadline = entry.deadline
        if deadline is None or now < deadline:
            return entry
        with self._lock:
            if entry.deadline is not deadline:
                return entry  # it was given another one just now
            if self._table.remove(entry):
                self._expirations += 1
                dropped.append((entry.key, entry.value, "expired"))
        return None

    def _seen(self, key: Any) -> Entry | None:
        """Give the entry of a key, or of a slot, without using it."""
        entry = self._data.get(key)
        if entry is None or entry.deadline is None:
            return entry
        dropped: Dropped = []
        try:
            return self._find(key, self._timer(), dropped)
        finally:
            self._tell(dropped)

    # ------------------------------------------------------------------ room, callbacks

    def _make_room(self, now: float, dropped: Dropped, keep: Entry | None = None) -> None:
        """Remove what is over the limit, holding the lock; what has expired goes first.

        ``keep``, which was just written, is the last to go.
        """
        table, limit = self._table, self._maxsize
        if limit is not None and not 0 < table.weight <= limit:
            self._expire(now, dropped)
            # With no room at all, entries without weight go as well.
            while table.weight > limit or not limit:
                entry = table.remove_first(keep)
                if entry is None:
                    break
                self._evictions += 1
                dropped.append((entry.key, entry.value, "evicted"))
                if table.policy is not None:
                    table.policy.evicted(entry)
        if table.policy is not None:
            table.policy.settle()

    def _tell(self, dropped: Dropped) -> None:
        """Call ``on_evict`` for each that was dropped, whatever the other calls raise."""
        on_evict = self._on_evict
        if on_evict is None or not dropped:
            return
        errors: list[BaseException] = []
        for key, value, cause in dropped:
            try:
                on_evict(key, value, cause)
            except BaseException as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup(f"on_evict raised {len(errors)} errors", errors)

    # ------------------------------------------------------------------ settings, contents

    def _settings(self) -> dict[str, Any]:
        """Give the arguments that make another cache like this one."""
        return {
            "maxsize": self._maxsize,
            "policy": self._policy,
            "ttl": self._life,
            "weigher": self._weigher,
            "on_evict": self._on_evict,
            "timer": self._timer,
        }

    def _contents(self) -> list[tuple[Any, Any, int, float | None, int]]:
        """Give key, value, weight, the seconds left and the policy's mark of each entry, as they lie."""
        self._sweep()
        now = self._timer()
        with self._lock:
            return [
                (
                    entry.key,
                    entry.value,
                    entry.weight,
                    None if entry.deadline is None else entry.deadline - now,
                    mark,
                )
                for entry, mark in self._table.marks()
            ]

    def _fill(self, contents: Iterable[tuple[Any, Any, int, float | None, int]]) -> None:
        """Put in what ``_contents`` of another cache gave, uncounted."""
        for key, value, weight, seconds, mark in contents:
            entry = Entry(slot_of(key), key, value, weight, self._times(seconds)[1])
            with self._lock:
                self._table.insert(entry, mark)
