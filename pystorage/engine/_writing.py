"""Writer: the writes of a cache, each atomic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pystorage.engine._checks import beyond_measure, checked_maxsize, checked_weight, no_integer, refusal
from pystorage.engine._core import Core, Dropped
from pystorage.engine._entry import NOTHING, Entry, slot_of


class Writer(Core):
    """A core that is written to.

    The weigher and the ``==`` of values run without the lock. A write that depends on what it read is made
    only if that very object is still there, and begins again if it is not.

    Raises:
        ValueError: As ``Core`` does.
        TypeError: As ``Core`` does.

    Threads: any number.
    """

    __slots__ = ()

    def _write(self, key: Any, value: Any, seconds: float | None, only_new: bool = False) -> bool:
        """Write an entry that lives for some seconds; say whether that was done."""
        if only_new and self._seen(key) is not None:
            return False
        slot = slot_of(key)
        weight = 1 if self._weigher is None and self._maxsize != 0 else self._weighed(key, value)
        now, deadline = self._times(seconds)
        dropped: Dropped = []
        try:
            return self._commit(slot, key, value, weight, deadline, only_new, now, dropped)
        finally:
            if dropped:
                self._tell(dropped)

    def _write_many(self, pairs: Iterable[tuple[Any, Any]], seconds: float | None) -> None:
        """Write entries, all at one moment."""
        items = [(slot_of(key), key, value, self._weighed(key, value)) for key, value in pairs]
        now, deadline = self._times(seconds)
        dropped: Dropped = []
        try:
            with self._lock:
                for slot, key, value, weight in items:
                    self._commit(slot, key, value, weight, deadline, False, now, dropped)
        finally:
            self._tell(dropped)

    def _weighed(self, key: Any, value: Any) -> int:
        """Give the weight of an entry, if it may be written."""
        weight = 1 if self._weigher is None else checked_weight(self._weigher(key, value))
        limit = self._limit_within_measure()
        if limit is not None and (weight > limit or not limit):
            raise refusal(self, key, weight)
        if weight >= 2**63:
            raise beyond_measure(self, key)
        return weight

    def _limit_within_measure(self) -> int | None:
        """Give the limit, but None if it is more than the engine in C can add up."""
        limit = self._maxsize
        return None if limit is None or limit >= 2**63 else limit

    def _measure(self, key: Any, more: int) -> None:
        """Refuse what would make all weigh more than the engine in C can add up; the lock is held."""
        if self._limit_within_measure() is None and self._table.weight + more >= 2**63:
            raise beyond_measure(self, key)

    def _commit(
        self,
        slot: Any,
        key: Any,
        value: Any,
        weight: int,
        deadline: float | None,
        only_new: bool,
        now: float,
        dropped: Dropped,
    ) -> bool:
        """Make an entry, or give the one that is there another value."""
        while True:
            entry = self._find(slot, now, dropped)
            if entry is None:
                entry = Entry(slot, key, value, weight, deadline)
                with self._lock:
                    self._measure(key, weight)
                    found = self._table.insert(entry)
                    if found is entry:
                        self._sets += 1
                        self._make_room(now, dropped, entry)
                        if self._table.policy is not None:
                            self._table.policy.arrived(entry)
                        return True
                    if not found.stored:  # its removal, further up on the stack, takes this one along
                        self._sets += 1
                        self._evictions += 1
                        dropped.append((key, value, "evicted"))
                        return True
            elif only_new:
                return False
            elif self._replace(entry, value, weight, now, dropped, deadline=deadline):
                return True

    def _replace(
        self,
        entry: Entry,
        value: Any,
        weight: int,
        now: float,
        dropped: Dropped,
        *,
        deadline: float | None = None,
        keep: bool = False,
        expected: Any = NOTHING,
    ) -> bool:
        """Give an entry another value, unless it was taken out or holds another one than expected."""
        table = self._table
        with self._lock:
            if entry.stored:
                self._measure(entry.key, weight - entry.weight)
            old = table.change(entry, deadline, keep=keep, value=value, weight=weight, expected=expected)
            if old is NOTHING:
                return False
            table.use(entry)
            self._sets += 1
            if old is not value:
                dropped.append((entry.key, old, "replaced"))
            self._make_room(now, dropped, entry)
            return True

    def _swap(self, key: Any, old: Any, new: Any, seconds: float | None, keep: bool) -> bool:
        """Replace a value that is or equals the old one; its deadline stays if it is to be kept."""
        dropped: Dropped = []
        try:
            while True:
                now, deadline = self._times(seconds)
                entry = self._find(key, now, dropped)
                if entry is None:
                    return False
                found = entry.value
                if not (found is old or found == old):
                    return False
                weight = self._weighed(entry.key, new)
                if self._replace(
                    entry, new, weight, now, dropped, deadline=deadline, keep=keep, expected=found
                ):
                    return True
        finally:
            self._tell(dropped)

    def _incr(self, key: Any, by: int, seconds: float | None) -> int:
        """Add to an integer, which keeps its deadline; one that is absent lives for some seconds."""
        dropped: Dropped = []
        try:
            while True:
                now = self._now()
                entry = self._find(key, now, dropped)
                if entry is None:
                    if self._write(key, by, seconds, only_new=True):
                        return by
                    continue
                found = entry.value
                if isinstance(found, bool) or not isinstance(found, int):
                    raise no_integer(key, found)
                total = int.__add__(found, by)
                weight = self._weighed(entry.key, total)
                if self._replace(entry, total, weight, now, dropped, keep=True, expected=found):
                    return total
        finally:
            self._tell(dropped)

    def _redate(self, key: Any, seconds: float | None, use: bool) -> bool:
        """Give an entry another deadline; say whether it was there."""
        now, deadline = self._times(seconds)
        dropped: Dropped = []
        try:
            with self._lock:
                entry = self._find(key, now, dropped)
                if entry is None or self._table.change(entry, deadline) is NOTHING:
                    return False
                if use:
                    self._table.use(entry)
                return True
        finally:
            self._tell(dropped)

    def resize(self, maxsize: float | None) -> None:
        """Set another limit; what is over it goes at once.

        Args:
            maxsize: A whole number ≥ 0, of entries or of weight; None or infinity is no limit.

        Raises:
            ValueError: It is negative, NaN, or no whole number.
            Exception: What ``on_evict`` raises.

        Cost: O(1) for each entry that goes. Where far fewer can stay than there were, the engine in C gives
            the memory of its table back at once, in O(n); the dicts of this one do so as they are written to.
        """
        limit = checked_maxsize(maxsize)
        now = self._now()
        dropped: Dropped = []
        try:
            with self._lock:
                self._maxsize = limit
                self._table.share(limit, self._weigher is not None)
                self._expire(now, dropped)
                self._make_room(now, dropped)
        finally:
            self._tell(dropped)
