"""Two plain storages that keep every law: the kit is tried on them, and broken ones are made from them."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from pystorage._sync import FileLeases, Lease, Leases, ThreadLeases, fork_safe_lock
from pystorage.errors import ClosedError, EncodeError, InvalidKeyError, StorageError
from pystorage.naming import Naming
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Stats, Storage, checked_ttl

NAMING = Naming()

Entries = dict[Any, tuple[Any, float | None]]


class Reference(Storage[Any, Any]):
    """Every hook above two: ``_look`` gives all entries, ``_change`` runs a function over them alone."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self.counted = dict.fromkeys(("hits", "misses", "sets", "deletes", "expirations"), 0)

    def _look(self) -> Entries:
        raise NotImplementedError

    def _change(self, change: Callable[[Entries], Any]) -> Any:
        raise NotImplementedError

    def _check(self, value: Any) -> Any:
        return value

    def _held(self, key: Any) -> Any:
        """Give the key that is kept for one."""
        hash(key)
        return key

    @property
    def timer(self) -> Callable[[], float]:
        return self._timer

    def _alive(self) -> Entries:
        now = self._timer()
        return {key: entry for key, entry in self._look().items() if entry[1] is None or now < entry[1]}

    def _only_alive(self, entries: Entries) -> int:
        now = self._timer()
        dead = [key for key, (_, deadline) in entries.items() if deadline is not None and now >= deadline]
        for key in dead:
            del entries[key]
        self.counted["expirations"] += len(dead)
        return len(dead)

    def __getitem__(self, key: Any) -> Any:
        self._change(self._only_alive)
        try:
            value = self._value(key)
        except KeyError:
            self.counted["misses"] += 1
            raise
        self.counted["hits"] += 1
        return value

    def _load(self, key: Any) -> Any:
        return self._value(key)

    def _value(self, key: Any) -> Any:
        try:
            return self._alive()[key][0]
        except KeyError:
            raise KeyError(key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        self._put(key, value, None)

    def set(self, key: Any, value: Any, *, ttl: float | None = None) -> None:
        self._put(key, value, checked_ttl(ttl))

    def _put(self, key: Any, value: Any, seconds: float | None) -> None:
        key = self._held(key)
        value = self._check_for(key, value)
        deadline = None if seconds is None else self._timer() + seconds
        self._change(lambda entries: entries.__setitem__(key, (value, deadline)))
        self.counted["sets"] += 1

    def _check_for(self, key: Any, value: Any) -> Any:
        try:
            return self._check(value)
        except EncodeError as error:
            raise self._error(EncodeError, "write", key, error) from error

    def __delitem__(self, key: Any) -> None:
        def delete(entries: Entries) -> None:
            self._only_alive(entries)
            try:
                del entries[key]
            except KeyError:
                raise KeyError(key) from None
            self.counted["deletes"] += 1

        self._change(delete)

    def __contains__(self, key: object) -> bool:
        return key in self._alive()

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._alive()))

    def __len__(self) -> int:
        return len(self._alive())

    def expires_at(self, key: Any) -> float | None:
        try:
            return self._alive()[key][1]
        except KeyError:
            raise KeyError(key) from None

    def ttl(self, key: Any) -> float | None:
        deadline = self.expires_at(key)
        return None if deadline is None else deadline - self._timer()

    def expire(self, key: Any, ttl: float | None) -> None:
        seconds = checked_ttl(ttl)

        def move(entries: Entries) -> None:
            self._only_alive(entries)
            if key not in entries:
                raise KeyError(key)
            entries[key] = (entries[key][0], None if seconds is None else self._timer() + seconds)

        self._change(move)

    def purge(self) -> int:
        return int(self._change(self._only_alive))

    def add(self, key: Any, value: Any, *, ttl: float | None = None) -> bool:
        seconds = checked_ttl(ttl)
        key = self._held(key)
        value = self._check_for(key, value)

        def add(entries: Entries) -> bool:
            self._only_alive(entries)
            if key in entries:
                return False
            entries[key] = (value, None if seconds is None else self._timer() + seconds)
            return True

        return bool(self._change(add))

    def swap(
        self,
        key: Any,
        old: Any,
        new: Any,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if old is ABSENT:
            return self.add(key, new, ttl=None if ttl is KEEP else ttl)
        seconds = None if ttl is KEEP else checked_ttl(ttl)
        key = self._held(key)
        new = self._check_for(key, new)

        def swap(entries: Entries) -> bool:
            self._only_alive(entries)
            if key not in entries or entries[key][0] != old:
                return False
            deadline = None if seconds is None else self._timer() + seconds
            entries[key] = (new, entries[key][1] if ttl is KEEP else deadline)
            return True

        return bool(self._change(swap))

    def incr(self, key: Any, by: int = 1, *, ttl: float | None = None) -> int:
        seconds = checked_ttl(ttl)
        if type(by) is not int:
            raise TypeError("by must be an int")
        key = self._held(key)

        def incr(entries: Entries) -> int:
            self._only_alive(entries)
            deadline = None if seconds is None else self._timer() + seconds
            value, deadline = entries.get(key, (0, deadline))
            if type(value) is not int:
                raise TypeError("the value is no int")
            entries[key] = (value + by, deadline)
            return value + by

        return int(self._change(incr))

    def stats(self) -> Stats:
        return Stats(size=len(self), **self.counted)

    def _lock(self, leases: Leases, key: Any, ttl: float, timeout: float | None) -> Any:
        checked_ttl(ttl)
        hash(key)
        return leases.held(repr(1 if key == 1 else key), ttl, timeout, repr(self))


class Plain(Reference):
    """In memory: a dict behind a lock."""

    capabilities = (
        Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
        | Capability.STATS | Capability.NONBLOCKING | Capability.ORDERED
    )  # fmt: skip

    def __init__(self, timer: Callable[[], float]) -> None:
        super().__init__(timer)
        self.entries: Entries = {}
        self.guard: Any = fork_safe_lock()
        self.leases = ThreadLeases(timer)

    def _look(self) -> Entries:
        with self.guard:
            return self.entries.copy()

    def _change(self, change: Callable[[Entries], Any]) -> Any:
        with self.guard:
            return change(self.entries)

    def lock(self, key: Any, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        return self._lock(self.leases, key, ttl, timeout)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "Plain()"


class Shelf(Reference):
    """On disk: one pickled dict, replaced as a whole."""

    capabilities = (
        Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
        | Capability.PERSISTENT | Capability.SHARED
    )  # fmt: skip

    def __init__(self, place: Path, timer: Callable[[], float]) -> None:
        super().__init__(timer)
        self.place = place
        self.closed = False
        # A fork inside would leave the child with a file lock that nobody frees.
        self.guard: Any = fork_safe_lock()
        self.leases = FileLeases(str(place), timer, 0o600, lambda: None)

    def __reduce__(self) -> Any:
        return type(self), (self.place, self._timer)

    def _check(self, value: Any) -> Any:
        try:
            return pickle.loads(pickle.dumps(value))
        except Exception as error:
            raise EncodeError(str(error)) from error

    def _held(self, key: Any) -> Any:
        try:
            return NAMING.key(NAMING.name(key))
        except InvalidKeyError as error:
            hash(key)
            raise self._error(InvalidKeyError, "write", key, error) from error

    def _check_open(self) -> None:
        if self.closed:
            raise self._error(ClosedError, "use", ABSENT, "it was closed")

    def _look(self) -> Entries:
        self._check_open()
        path = self.place / "entries"
        if not path.exists():
            return {}
        if path.stat().st_uid != os.geteuid() or path.stat().st_mode & 0o022:
            raise StorageError("others could have written it")
        found: Entries = pickle.loads(path.read_bytes())
        return found

    def _change(self, change: Callable[[Entries], Any]) -> Any:
        self._check_open()
        with self.guard, open(self.place / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = self._look()
            result = change(entries)
            temporary = self.place / "temporary"
            temporary.write_bytes(pickle.dumps(entries))
            temporary.chmod(0o600)
            temporary.replace(self.place / "entries")
            return result

    def lock(self, key: Any, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        return self._lock(self.leases, key, ttl, timeout)  # type: ignore[no-any-return]

    def close(self) -> None:
        self.closed = True

    def __repr__(self) -> str:
        return f"Shelf({str(self.place)!r})"
