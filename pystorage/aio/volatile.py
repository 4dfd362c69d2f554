"""VolatileStorage: entries that expire, around a storage that is async itself."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

from pystorage._typevars import K, V
from pystorage.aio.lease import AsyncLease
from pystorage.aio.storage import AsyncStorage
from pystorage.aio.streams import ReadStream, WriteStream
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Stats, Timer, checked_ttl, pairs


class VolatileStorage(AsyncStorage[K, V]):
    """An async storage whose entries expire, with no thread of its own.

    Args:
        storage: What keeps the values, with ``Capability.TTL``.
        expiration: Seconds that an entry lives, > 0; None is for ever. ``set(…, ttl=…)`` gives one entry
            another life: there None stands for this expiration, and infinity for ever.
        sliding: Whether a read makes an entry live for at least the expiration from then on.
        jitter: How much shorter a life may be at random, as a part of it, 0 ≤ jitter < 1, so that not
            everything expires at once.

    Raises:
        TypeError: The storage is no async storage, or the expiration no number.
        ValueError: The expiration or the jitter is out of its range, or the storage knows no deadlines.

    Cost: as the inner storage; sliding adds a look at the deadline to each read, and a write.

    Example:
        >>> import anyio
        >>> from pystorage import MemoryStorage, aio
        >>> storage = VolatileStorage(aio.wrap(MemoryStorage()), expiration=5)
        >>> async def main():
        ...     await storage.set("a", 1)
        ...     return await storage.ttl("a") <= 5
        >>> anyio.run(main)
        True
    """

    def __init__(
        self,
        storage: AsyncStorage[K, V],
        expiration: float | None = 3600,
        *,
        sliding: bool = False,
        jitter: float = 0.0,
    ) -> None:
        if not isinstance(storage, AsyncStorage):
            raise TypeError(
                f"it wraps an async storage, not {type(storage).__name__}; aio.wrap() gives that of a storage"
            )
        if Capability.TTL not in storage.capabilities:
            raise ValueError(
                f"{storage!r} knows no deadlines: put a pystorage.VolatileStorage around the storage inside, "
                "and aio.wrap() around that"
            )
        self._expiration = checked_ttl(expiration, name="expiration")
        if not 0 <= jitter < 1:
            raise ValueError(f"jitter must be at least 0 and less than 1, not {jitter!r}")
        self._inner = storage
        self._sliding = sliding
        self._jitter = jitter

    @property
    def inner(self) -> AsyncStorage[K, V]:
        """The storage inside.

        Raises:
            Nothing.
        """
        return self._inner

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """What the inner storage does natively.

        Raises:
            Nothing.
        """
        return self._inner.capabilities

    @property
    def timer(self) -> Timer:
        return self._inner.timer

    def _life(self, ttl: float | None = None) -> float:
        seconds = self._expiration if ttl is None else checked_ttl(ttl)
        if seconds is None:
            return math.inf  # None would be the inner storage's own expiration, if it has one
        return seconds * (1 - self._jitter * random.random())

    async def _slide(self, key: K) -> None:
        try:
            left, life = await self._inner.ttl(key), self._life()
            if left is not None and left < life:
                await self._inner.expire(key, life)
        except KeyError:
            pass  # removed since it was read

    async def __getitem__(self, key: K) -> V:
        value = await self._inner[key]
        if self._sliding:
            await self._slide(key)
        return value

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        found = await self._inner.get_many(keys)
        if self._sliding:
            for key in found:
                await self._slide(key)
        return found

    def open_read(self, key: K) -> AbstractAsyncContextManager[ReadStream]:
        return self._sliding_read(key) if self._sliding else self._inner.open_read(key)

    @asynccontextmanager
    async def _sliding_read(self, key: K) -> AsyncIterator[ReadStream]:
        async with self._inner.open_read(key) as stream:
            await self._slide(key)
            yield stream

    async def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        await self._inner.set(key, value, ttl=self._life(ttl))

    async def set_many(
        self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None
    ) -> None:
        if self._jitter:
            for key, value in pairs(items):
                await self.set(key, value, ttl=ttl)
        else:
            await self._inner.set_many(items, ttl=self._life(ttl))

    async def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return await self._inner.add(key, value, ttl=self._life(ttl))

    async def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if old is ABSENT:
            return await self.add(key, new, ttl=None if ttl is KEEP else ttl)
        return await self._inner.swap(key, old, new, ttl=KEEP if ttl is KEEP else self._life(ttl))

    async def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        return await self._inner.incr(key, by, ttl=self._life(ttl))

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractAsyncContextManager[WriteStream]:
        return self._inner.open_write(key, ttl=self._life(ttl))

    # ------------------------------------------------------------------ as the inner storage

    async def delete(self, key: K) -> bool:
        return await self._inner.delete(key)

    async def delete_many(self, keys: Iterable[K]) -> int:
        return await self._inner.delete_many(keys)

    async def clear(self) -> None:
        await self._inner.clear()

    async def contains(self, key: K) -> bool:
        return await self._inner.contains(key)

    def keys(self) -> AsyncIterator[K]:
        return self._inner.keys()

    def items(self) -> AsyncIterator[tuple[K, V]]:
        return self._inner.items()  # looking through all entries is no use of one

    def scan(self, prefix: str) -> AsyncIterator[K]:
        return self._inner.scan(prefix)

    async def size(self) -> int:
        return await self._inner.size()

    async def ttl(self, key: K) -> float | None:
        return await self._inner.ttl(key)

    async def expires_at(self, key: K) -> float | None:
        return await self._inner.expires_at(key)

    async def expire(self, key: K, ttl: float | None) -> None:
        await self._inner.expire(key, ttl)

    async def touch(self, key: K, ttl: float | None) -> bool:
        return await self._inner.touch(key, ttl)

    async def purge(self) -> int:
        return await self._inner.purge()

    def lock(
        self, key: K, ttl: float, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncLease]:
        return self._inner.lock(key, ttl, timeout=timeout)

    async def stats(self) -> Stats:
        return await self._inner.stats()

    async def flush(self) -> None:
        await self._inner.flush()

    async def close(self) -> None:
        await self._inner.close()

    def __repr__(self) -> str:
        settings: dict[str, Any] = {"expiration": self._expiration}
        if self._sliding:
            settings["sliding"] = True
        if self._jitter:
            settings["jitter"] = self._jitter
        shown = "".join(f", {name}={value!r}" for name, value in settings.items())
        return f"aio.VolatileStorage({self._inner!r}{shown})"
