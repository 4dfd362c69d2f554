"""Cache: a mapping in memory with a limit, deadlines and callbacks, safe for threads.

Its public methods are those that a storage takes over as they are. Those with an underscore are what its
other methods are made of; seconds and numbers that come to them were checked by the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar, cast, overload

from pystorage.engine._core import Dropped, Timer
from pystorage.engine._entry import NOTHING, Entry, slot_of
from pystorage.engine._writing import Writer

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class Cache(Writer, Generic[K, V]):
    """A mapping in memory that keeps within a limit, forgets in time and says what it drops.

    What has expired is never given, and any access that meets it removes it. Code of the user's runs
    without the lock, but for the ``__eq__`` of keys where several are looked up at one moment, and where a
    new key is filed beside others of the same hash.

    Args:
        maxsize: The limit, in entries, or in what the weigher gives; None is no limit.
        policy: Who is the first to go: ``"lru"``, ``"fifo"``, ``"sieve"``, ``"s3fifo"`` or ``"tinylfu"``.
        ttl: Seconds that an entry lives unless told otherwise, > 0; None is for ever. Not checked.
        weigher: Gives what an entry takes of the limit, a whole number ≥ 0; None is 1 for each.
        on_evict: Called with key, value and cause when an entry was removed, or its value replaced by
            another object. What it raises propagates when all is done and all calls were made, several
            errors as a group.
        timer: The clock, in seconds.

    Raises:
        ValueError: The limit is negative, NaN, or no whole number; or the policy is unknown.
        TypeError: The weigher, ``on_evict`` or the timer cannot be called.

    Cost: O(1) for an operation on one key, O(log n) where it has a deadline.
    Threads: any number.
    Processes: each has its own.
    """

    __slots__ = ()

    # ------------------------------------------------------------------ reading
    # A hit takes no lock, which would more than double its cost. It has two steps, each of which CPython does
    # whole: looking the key up, and moving its entry to the end. Where the entry was taken out between them
    # the second one fails, and all is done again under the lock. A value is read after its deadline, which is
    # written after it. The figures are added up in one go, too: CPython changes threads only after calls, at
    # jumps back and on entering a function, so not between loading a number and storing it. A CPython without
    # a lock of its own does nothing whole, and there reads take the cache's: see the end of this file.

    def __getitem__(self, key: K) -> V:
        try:
            entry = self._data[key]
            deadline = entry.deadline
            if deadline is None or self._timer() < deadline:
                value = entry.value
                promote = self._promote
                if promote is not None:
                    promote(entry)
                self._hits += 1
                return cast(V, value)
        except KeyError:
            pass  # absent, or taken out just now, or an error of the key's own, which will come again
        value = Cache.get(self, key, NOTHING)  # not a subclass's, which may come here
        return cast(V, value if value is not NOTHING else self._missed(key))

    def _missed(self, key: Any) -> Any:
        """Give what ``__missing__`` of a subclass gives for a key that is absent, or raise KeyError."""
        missing = getattr(type(self), "__missing__", None)
        if missing is None:
            raise KeyError(key)
        return missing(self, key)

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V) -> V: ...
    @overload
    def get(self, key: K, /, default: T) -> V | T: ...
    def get(self, key: K, /, default: Any = None) -> Any:
        """Give the value of a key.

        Args:
            key: The key.
            default: Given where the key is absent.

        Returns:
            The value, or the default.

        Raises:
            TypeError: The key is unhashable.
            Exception: What ``on_evict`` raises.
        """
        entry = self._data.get(key)
        if entry is None:
            self._misses += 1
            return default
        deadline = entry.deadline
        if deadline is None or self._timer() < deadline:
            value = entry.value
            promote = self._promote
            try:
                if promote is not None:
                    promote(entry)
                self._hits += 1
                return value
            except KeyError:
                pass
        return self._read(key, default)

    @classmethod
    def _own_get(cls) -> None:
        """Give a class a ``get`` of its own that is this one: in C a call of it is shorter then."""

    @classmethod
    def _has_this_get(cls) -> bool:
        """Tell whether ``get`` of a class is this one."""
        return cls.get is Cache.get

    def _read(self, key: Any, default: Any) -> Any:
        """Give the value of a key, or the default, and count it."""
        now = self._now()
        dropped: Dropped = []
        try:
            with self._lock:
                return self._found(key, now, dropped, default)
        finally:
            if dropped:
                self._tell(dropped)

    def _read_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Give those of some keys that are there, with their values, as they are at one moment."""
        slots = [(key, slot_of(key)) for key in keys]
        now = self._now()
        dropped: Dropped = []
        try:
            with self._lock:
                values = [(key, self._found(slot, now, dropped, NOTHING)) for key, slot in slots]
        finally:
            self._tell(dropped)
        return {key: value for key, value in values if value is not NOTHING}

    def _found(self, key: Any, now: float, dropped: Dropped, default: Any) -> Any:
        """Give the value of a key, or the default, and count it, holding the lock."""
        entry = self._find(key, now, dropped)
        if entry is None:
            self._misses += 1
            return default
        self._hits += 1
        self._table.use(entry)
        return entry.value

    @overload
    def peek(self, key: K) -> V | None: ...
    @overload
    def peek(self, key: K, default: T) -> V | T: ...
    def peek(self, key: K, default: Any = None) -> Any:
        """Give the value of a key; it does not count as a use, nor as a hit or a miss.

        Args:
            key: The key.
            default: Given where the key is absent.

        Returns:
            The value, or the default.

        Raises:
            TypeError: The key is unhashable.
            Exception: What ``on_evict`` raises.
        """
        entry = self._seen(key)
        return default if entry is None else entry.value

    def __contains__(self, key: object) -> bool:
        return self._seen(key) is not None

    def _expiry(self, key: Any) -> float | None:
        """Give the deadline of a key, or raise KeyError; None is for ever."""
        entry = self._seen(key)
        if entry is None:
            raise KeyError(key)
        return entry.deadline

    # ------------------------------------------------------------------ writing and removing

    def __setitem__(self, key: K, value: V) -> None:
        self._write(key, value, self._life)

    def __delitem__(self, key: K) -> None:
        if self._take(key) is None:
            raise KeyError(key)

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: V) -> V: ...
    @overload
    def pop(self, key: K, default: T) -> V | T: ...
    def pop(self, key: K, default: Any = NOTHING) -> Any:
        """Remove a key and give its value.

        Args:
            key: The key.
            default: Given where the key is absent.

        Returns:
            The value, or the default.

        Raises:
            KeyError: The key is absent and there is no default.
            TypeError: The key is unhashable.
            Exception: What ``on_evict`` raises; the entry is removed.

        Threads: of several calls one gets the value.
        """
        entry = self._take(key)
        if entry is not None:
            return entry.value
        if default is NOTHING:
            raise KeyError(key)
        return default

    def _take(self, key: Any) -> Entry | None:
        """Take the entry of a key out and give it."""
        now = self._now()
        dropped: Dropped = []
        try:
            while (entry := self._find(key, now, dropped)) is not None:
                with self._lock:
                    if self._table.remove(entry):
                        self._deletes += 1
                        dropped.append((entry.key, entry.value, "deleted"))
                        return entry
            return None
        finally:
            self._tell(dropped)

    def popitem(self) -> tuple[K, V]:
        """Remove the first entry to go and give it.

        Returns:
            Key and value.

        Raises:
            KeyError: There is none.
            Exception: What ``on_evict`` raises; the entry is removed.
        """
        now = self._now()
        dropped: Dropped = []
        try:
            with self._lock:
                self._expire(now, dropped)
                entry = self._table.remove_first()
                if entry is not None:
                    self._deletes += 1
                    dropped.append((entry.key, entry.value, "deleted"))
                    return entry.key, entry.value
        finally:
            self._tell(dropped)
        raise KeyError("popitem(): the storage is empty")

    def _delete_many(self, keys: Iterable[Any]) -> int:
        """Remove keys, all at one moment; say how many were there."""
        slots = [slot_of(key) for key in keys]
        now = self._now()
        dropped: Dropped = []
        removed = 0
        try:
            with self._lock:
                for slot in slots:
                    entry = self._find(slot, now, dropped)
                    if entry is not None and self._table.remove(entry):
                        removed += 1
                        self._deletes += 1
                        dropped.append((entry.key, entry.value, "deleted"))
        finally:
            self._tell(dropped)
        return removed

    def clear(self) -> None:
        """Remove every entry.

        Raises:
            Exception: What ``on_evict`` raises; all entries are removed.

        Cost: O(n).
        """
        now = self._now()
        dropped: Dropped = []
        try:
            with self._lock:
                self._expire(now, dropped)
                for entry, _ in self._table.marks():
                    if self._table.remove(entry):
                        self._deletes += 1
                        dropped.append((entry.key, entry.value, "cleared"))
                if self._table.policy is not None:
                    self._table.policy.forget()
        finally:
            self._tell(dropped)

    # ------------------------------------------------------------------ the whole

    def __len__(self) -> int:
        self._sweep()
        with self._lock:
            return len(self._data)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[K]:
        return iter([entry.key for entry in self._entries()])

    def __reversed__(self) -> Iterator[K]:
        return iter([entry.key for entry in reversed(self._entries())])

    def _entries(self) -> list[Entry]:
        """Give all entries, the first to go at the beginning."""
        self._sweep()
        with self._lock:
            return self._table.entries()

    @property
    def maxsize(self) -> int | None:
        """The limit, in entries or in weight; None is no limit.

        Raises:
            Nothing.
        """
        return self._maxsize

    @property
    def currsize(self) -> int:
        """What the entries take of the limit.

        Raises:
            Exception: What ``on_evict`` raises.
        """
        self._sweep()
        with self._lock:
            return self._table.weight

    @property
    def timer(self) -> Timer:
        """The clock that deadlines are counted on: a function that gives seconds.

        Raises:
            Nothing.
        """
        return self._timer

    def _figures(self) -> tuple[int, int, int, int, int, int]:
        """Give hits, misses, sets, deletes, evictions and expirations."""
        with self._lock:
            done = (self._hits, self._misses, self._sets)
            return *done, self._deletes, self._evictions, self._expirations


def _item_with_the_lock(self: Cache[Any, Any], key: Any) -> Any:
    value = self._read(key, NOTHING)
    return value if value is not NOTHING else self._missed(key)


def _get_with_the_lock(self: Cache[Any, Any], key: Any, default: Any = None) -> Any:
    return self._read(key, default)


_get_with_the_lock.__doc__ = Cache.get.__doc__

if not getattr(sys, "_is_gil_enabled", lambda: True)():
    Cache.__getitem__ = _item_with_the_lock  # type: ignore[method-assign]
    Cache.get = _get_with_the_lock  # type: ignore[method-assign]
