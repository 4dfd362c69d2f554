"""TimedMapping: deadlines for a mapping that knows none."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, Final, TypeVar, cast

from pystorage._sync import fork_safe_lock
from pystorage.storage import ABSENT, Capability, Storage, Timer, checked_ttl

K = TypeVar("K")
V = TypeVar("V")


class Entry:
    """A value and its deadline, as a mapping holds them that knows no deadlines.

    Args:
        deadline: Seconds on the clock of the wrapper; None is for ever.
        value: The value.

    Raises:
        Nothing.
    """

    __slots__ = ("deadline", "value")

    def __init__(self, deadline: float | None, value: Any) -> None:
        self.deadline: Final = deadline
        self.value: Final = value

    def __reduce__(self) -> tuple[type[Entry], tuple[float | None, Any]]:
        return Entry, (self.deadline, self.value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (self.deadline, self.value) == (other.deadline, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Entry until {self.deadline}>"


class TimedMapping(Storage[K, V]):
    """Any mutable mapping as a storage whose entries may expire.

    What somebody else put into the mapping never expires.

    Args:
        mapping: The mapping; entries with a deadline lie in it as ``Entry`` objects.
        timer: The clock of the deadlines, in seconds.

    Raises:
        TypeError: It is no mutable mapping.

    Cost: ``in``, ``len`` and iteration read the values too, as the deadlines lie there.
    Threads: as the mapping; writes and removals through this object are one at a time, so that none is
        removed as expired that was written meanwhile.
    Processes: as the mapping; but one that expires in one process while it is written in another may go.
    """

    capabilities: Capability = Capability.TTL

    def __init__(self, mapping: MutableMapping[K, V], timer: Timer) -> None:
        if not isinstance(mapping, MutableMapping):
            raise TypeError(
                f"a storage can only be made of a mutable mapping, not of {type(mapping).__name__}"
            )
        self._mapping = cast("MutableMapping[K, Any]", mapping)
        self._timer = timer
        self._lock = fork_safe_lock()
        if isinstance(mapping, Storage):
            self.capabilities = Capability.TTL | mapping.capabilities & _KEPT

    @property
    def timer(self) -> Timer:
        return self._timer

    def _entry(self, key: object) -> Entry | None:
        """Give what is alive under a key, removing what is not."""
        found = self._mapping.get(cast(K, key), ABSENT)
        if found is ABSENT:
            return None
        if not isinstance(found, Entry):
            return Entry(None, found)
        if found.deadline is None or self._timer() < found.deadline:
            return found
        self._remove(key, found.deadline)
        return None

    def _remove(self, key: object, deadline: float) -> bool:
        """Remove what expired at a deadline, if it is still there; say whether it was."""
        with self._lock:
            again = self._mapping.get(cast(K, key), ABSENT)
            if not isinstance(again, Entry) or again.deadline != deadline:
                return False  # written anew since it was looked at
            try:
                del self._mapping[cast(K, key)]
            except KeyError:
                return False
            return True

    def __getitem__(self, key: K) -> V:
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        return cast(V, entry.value)

    def __setitem__(self, key: K, value: V) -> None:
        self._put(key, value, None)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._put(key, value, checked_ttl(ttl))

    def _put(self, key: K, value: V, ttl: float | None) -> None:
        timed = ttl is not None or isinstance(value, Entry)
        deadline = None if ttl is None else self._timer() + ttl
        with self._lock:
            self._mapping[key] = Entry(deadline, value) if timed else value

    def __delitem__(self, key: K) -> None:
        if self._entry(key) is None:
            raise KeyError(key)
        with self._lock:
            del self._mapping[key]

    def __contains__(self, key: object) -> bool:
        return self._entry(key) is not None

    def __iter__(self) -> Iterator[K]:
        return (key for key in self._keys() if self._entry(key) is not None)

    def _keys(self) -> list[K]:
        with self._lock:
            return list(self._mapping)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def expires_at(self, key: K) -> float | None:
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        return entry.deadline

    def ttl(self, key: K) -> float | None:
        return self._left(key, self.expires_at(key))

    def expire(self, key: K, ttl: float | None) -> None:
        seconds = checked_ttl(ttl)
        with self._lock:
            entry = self._entry(key)
            if entry is None:
                raise KeyError(key)
            self._put(key, entry.value, seconds)

    def purge(self) -> int:
        removed = 0
        for key in self._keys():
            found = self._mapping.get(key, ABSENT)
            if isinstance(found, Entry) and found.deadline is not None and self._timer() >= found.deadline:
                removed += self._remove(key, found.deadline)
        return removed

    def flush(self) -> None:
        if isinstance(self._mapping, Storage):
            self._mapping.flush()

    def close(self) -> None:
        if isinstance(self._mapping, Storage):
            self._mapping.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"mapping": self._mapping, "timer": self._timer}

    def __setstate__(self, state: dict[str, Any]) -> None:
        TimedMapping.__init__(self, **state)

    def __repr__(self) -> str:
        # A plain mapping would show its contents.
        plain = not isinstance(self._mapping, Storage)
        return f"<{type(self._mapping).__name__}>" if plain else repr(self._mapping)


_KEPT: Final = Capability.PERSISTENT | Capability.SHARED | Capability.NONBLOCKING | Capability.ORDERED
