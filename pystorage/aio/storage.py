"""AsyncStorage: what every storage does, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeVar, cast, overload

from pystorage._typevars import K, V
from pystorage.aio._hooks import AsyncHooks
from pystorage.aio._iteration import Mapped
from pystorage.storage import ABSENT, Capability, checked_prefix, checked_ttl, pairs

T = TypeVar("T")

_REQUIRED: Any = object()


class AsyncStorage(AsyncHooks[K, V]):
    """A storage whose operations are awaited, under asyncio and trio.

    It may be used from several event loops, one after the other or at the same time in several threads, and
    after a loop was closed. When the cancellation of a write comes through, the write has happened or it has
    not: it is not still on its way.

    Raises:
        Nothing.

    Example:
        >>> import anyio
        >>> from pystorage import MemoryStorage, aio
        >>> async def main():
        ...     async with aio.wrap(MemoryStorage()) as storage:
        ...         await storage.set("a", 1)
        ...         return await storage["a"], await storage.get("b"), [key async for key in storage]
        >>> anyio.run(main)
        (1, None, ['a'])
    """

    # ------------------------------------------------------------------ one key

    @overload
    async def get(self, key: K) -> V | None: ...
    @overload
    async def get(self, key: K, default: T) -> V | T: ...
    async def get(self, key: K, default: Any = None) -> Any:
        """Read a value, or a default where the key is absent.

        Args:
            key: The key.
            default: What absence gives.

        Returns:
            The value, or the default.

        Raises:
            StorageError: The value cannot be read.
        """
        try:
            return await self[key]
        except KeyError:
            return default

    @overload
    async def pop(self, key: K) -> V: ...
    @overload
    async def pop(self, key: K, default: T) -> V | T: ...
    async def pop(self, key: K, default: Any = _REQUIRED) -> Any:
        """Remove a key and give its value.

        Args:
            key: The key.
            default: Given where the key is absent.

        Returns:
            The value, or the default.

        Raises:
            KeyError: The key is absent and there is no default.
            StorageError: The value cannot be read, or the storage refused; the entry stays.
        """
        try:
            value = await self[key]
        except KeyError:
            if default is _REQUIRED:
                raise
            return default
        if not await self.delete(key):  # somebody else removed it meanwhile
            if default is _REQUIRED:
                raise KeyError(key)
            return default
        return value

    async def setdefault(self, key: K, default: V) -> V:
        """Give the value of a key, storing a default where it is absent.

        Args:
            key: The key.
            default: What to store and give where the key is absent.

        Returns:
            The value there, or the default.

        Raises:
            StorageError: As reading and writing do.

        Threads: atomic where the storage has ``Capability.ADD``.
        """
        while True:
            value = await self.get(key, ABSENT)
            if value is not ABSENT:
                return cast(V, value)
            if Capability.ADD not in self.capabilities:
                await self.set(key, default)
                return default
            if await self.add(key, default):
                return default

    # ------------------------------------------------------------------ many keys

    def __aiter__(self) -> AsyncIterator[K]:
        return self.keys()

    def items(self) -> AsyncIterator[tuple[K, V]]:
        """Iterate over keys and values, read as they are iterated.

        Returns:
            Pairs over a snapshot of the keys; what is removed meanwhile is left out, but for a few that were
            read ahead where each call is a worker thread's.

        Raises:
            StorageError: The storage cannot be read.
        """

        async def item(key: K) -> tuple[K, V]:
            return key, await self[key]

        return Mapped(self.keys(), item)

    def values(self) -> AsyncIterator[V]:
        """Iterate over the values, read as they are iterated.

        Returns:
            The values of a snapshot of the keys; what is removed meanwhile is left out.

        Raises:
            StorageError: The storage cannot be read.
        """

        async def value(item: tuple[K, V]) -> V:
            return item[1]

        return Mapped(self.items(), value)

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Read several keys.

        Args:
            keys: The keys.

        Returns:
            Those present with their values, in the order asked.

        Raises:
            StorageError: A value cannot be read.
        """
        found = {}
        for key in keys:
            value = await self.get(key, ABSENT)
            if value is not ABSENT:
                found[key] = cast(V, value)
        return found

    async def set_many(
        self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None
    ) -> None:
        """Write several entries.

        Args:
            items: A mapping, or pairs of key and value.
            ttl: Seconds that they live, > 0; None is for ever.

        Raises:
            StorageError: As ``set`` does; entries before the one that failed may be written.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        checked_ttl(ttl)
        for key, value in pairs(items):
            await self.set(key, value, ttl=ttl)

    async def delete_many(self, keys: Iterable[K]) -> int:
        """Remove several keys.

        Args:
            keys: The keys; absent ones do not matter.

        Returns:
            How many were there.

        Raises:
            StorageError: The storage refused.
        """
        removed = 0
        for key in keys:
            removed += await self.delete(key)
        return removed

    async def clear(self) -> None:
        """Remove every entry.

        Raises:
            StorageError: The storage refused.
        """
        await self.delete_many([key async for key in self.keys()])

    def scan(self, prefix: str) -> AsyncIterator[K]:
        """Iterate over the text keys that begin with a prefix.

        Args:
            prefix: The beginning; ``""`` gives all text keys.

        Returns:
            The keys.

        Raises:
            TypeError: The prefix is no text.
            StorageError: The storage cannot be read.
        """
        checked_prefix(prefix)

        async def scanned(key: K) -> K:
            if isinstance(key, str) and key.startswith(prefix):
                return key
            raise KeyError(key)

        return Mapped(self.keys(), scanned)
