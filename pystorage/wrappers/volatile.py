"""VolatileStorage: entries that expire, around any mapping."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from time import time
from typing import Any, BinaryIO, Literal

from pystorage._typevars import K, V
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Storage, Timer, checked_ttl, pairs
from pystorage.urls import scheme_class
from pystorage.wrappers._timed import TimedMapping
from pystorage.wrappers.base import WrapperStorage


class VolatileStorage(WrapperStorage[K, V]):
    """A storage whose entries expire: any access that meets an expired one removes it.

    A storage that knows deadlines itself is given them; any other mapping holds entries with a deadline
    in objects of its own, and what else is found there never expires.

    Args:
        storage: What keeps the values: a storage or any mutable mapping; None is a new one in memory.
        expiration: Seconds that an entry lives, > 0; None is for ever. ``set(…, ttl=…)`` gives one entry
            another life: there None stands for this expiration, and infinity for ever.
        sliding: Whether a read makes an entry live for at least the expiration from then on.
        jitter: How much shorter a life may be at random, as a part of it, 0 ≤ jitter < 1, so that not
            everything expires at once.
        timer: The clock, in seconds; None is the storage's own, or ``time.time`` for a plain mapping.

    Raises:
        TypeError: The storage is no mutable mapping, or the expiration no number.
        ValueError: The expiration or the jitter is out of its range, or the storage has a clock of its own
            and it is not the timer.

    Cost: as the inner storage; sliding adds a look at the deadline to each read, and a write.
    Threads: as the inner storage.
    Processes: as the inner storage.

    Example:
        >>> from pystorage.testing import FakeClock
        >>> clock = FakeClock()
        >>> storage = VolatileStorage({}, expiration=5, timer=clock)
        >>> storage["key"] = "value"
        >>> clock.advance(5)
        >>> "key" in storage, len(storage)
        (False, 0)
    """

    def __init__(
        self,
        storage: MutableMapping[K, V] | None = None,
        expiration: float | None = 3600,
        *,
        sliding: bool = False,
        jitter: float = 0.0,
        timer: Timer | None = None,
    ) -> None:
        self._expiration = checked_ttl(expiration, name="expiration")
        if not 0 <= jitter < 1:
            raise ValueError(f"jitter must be at least 0 and less than 1, not {jitter!r}")
        self._sliding = sliding
        self._jitter = jitter
        super().__init__(_timed(storage, timer))

    def _life(self, ttl: float | None = None) -> float:
        """Give the seconds that an entry written now lives."""
        seconds = self._expiration if ttl is None else checked_ttl(ttl)
        if seconds is None:
            return math.inf  # None would be the inner storage's own expiration, if it has one
        return seconds * (1 - self._jitter * random.random())

    def __getitem__(self, key: K) -> V:
        value = self._inner[key]
        if self._sliding:
            self._slide(key)
        return value

    def _load(self, key: K) -> V:
        return self._inner._load(key)  # looking through all entries is no use of one

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        found = self._inner.get_many(keys)
        if self._sliding:
            for key in found:
                self._slide(key)
        return found

    def open_read(self, key: K) -> BinaryIO:
        file = self._inner.open_read(key)
        if self._sliding:
            self._slide(key)
        return file

    def _slide(self, key: K) -> None:
        try:
            left, life = self._inner.ttl(key), self._life()
            if left is not None and left < life:
                self._inner.expire(key, life)
        except KeyError:
            pass  # removed since it was read

    def __setitem__(self, key: K, value: V) -> None:
        self._inner.set(key, value, ttl=self._life())

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._inner.set(key, value, ttl=self._life(ttl))

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        if self._jitter:
            for key, value in pairs(items):
                self.set(key, value, ttl=ttl)
        else:
            self._inner.set_many(items, ttl=self._life(ttl))

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return self._inner.add(key, value, ttl=self._life(ttl))

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if old is ABSENT:
            return self.add(key, new, ttl=None if ttl is KEEP else ttl)
        return self._inner.swap(key, old, new, ttl=KEEP if ttl is KEEP else self._life(ttl))

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        return self._inner.incr(key, by, ttl=self._life(ttl))

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        return self._inner.open_write(key, ttl=self._life(ttl))

    def _settings(self) -> Mapping[str, Any]:
        settings: dict[str, Any] = {"expiration": self._expiration}
        if self._sliding:
            settings["sliding"] = True
        if self._jitter:
            settings["jitter"] = self._jitter
        return settings


def _timed(storage: MutableMapping[K, V] | None, timer: Timer | None) -> Storage[K, V]:
    """Give a storage that knows deadlines, on the clock that is asked for."""
    if storage is None:
        memory = scheme_class("memory")
        storage = memory() if timer is None else memory(timer=timer)
    if isinstance(storage, Storage) and Capability.TTL in storage.capabilities:
        if timer is not None and timer != storage.timer:
            raise ValueError(
                f"{storage!r} counts deadlines on a clock of its own: leave timer= out, or give it to that"
            )
        return storage
    return TimedMapping(storage, time if timer is None else timer)
