"""AsyncStorage: what every storage does, awaited."""

from __future__ import annotations

import io
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Generic, Literal, TypeVar, cast, overload

from pystorage._typevars import K, V
from pystorage.aio._iteration import Mapped
from pystorage.aio.lease import AsyncLease
from pystorage.aio.streams import ReadStream, WriteStream
from pystorage.errors import UnsupportedOperation
from pystorage.storage import (
    ABSENT,
    KEEP,
    Capability,
    Sentinel,
    Stats,
    Timer,
    checked_prefix,
    checked_ttl,
    pairs,
)

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")

_REQUIRED: Any = object()


class AsyncStorage(ABC, Generic[K, V]):
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

    #: What is native here.
    capabilities: Capability = Capability.NONE

    # Without these Python would look for a key by ``storage[0]``, ``storage[1]`` and so on, without an end.
    __iter__: ClassVar[None] = None

    def __contains__(self, key: object) -> bool:
        raise TypeError("'in' cannot be awaited; write: await storage.contains(key)")

    @property
    def timer(self) -> Timer:
        """The clock that deadlines are counted on: a function that gives seconds.

        Raises:
            Nothing.
        """
        return time.time

    # ------------------------------------------------------------------ one key

    @abstractmethod
    async def __getitem__(self, key: K) -> V:
        """Read a value: ``await storage[key]`` raises KeyError where the key is absent."""

    @abstractmethod
    async def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        """Write an entry.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds that it lives, > 0; None is for ever. A deadline that was there before is gone.

        Raises:
            InvalidKeyError: The storage cannot hold such a key.
            EncodeError: The value cannot be stored; the old one stands.
            CapacityError: It is larger than the storage may hold; the old one stands.
            UnsupportedOperation: A ttl was given and the storage lacks ``Capability.TTL``.
            UnavailableError: The place behind the storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """

    @abstractmethod
    async def delete(self, key: K) -> bool:
        """Remove a key.

        Args:
            key: The key.

        Returns:
            Whether it was there.

        Raises:
            StorageError: The storage refused.
        """

    @abstractmethod
    async def contains(self, key: K) -> bool:
        """Tell whether a key is there, without loading its value.

        Args:
            key: The key.

        Returns:
            Whether it is.

        Raises:
            StorageError: The storage cannot be read.
        """

    @abstractmethod
    def keys(self) -> AsyncIterator[K]:
        """Iterate over a snapshot of the keys.

        Returns:
            The keys; in a storage with an order, the next victim first.

        Raises:
            StorageError: The storage cannot be read.
        """

    @abstractmethod
    async def size(self) -> int:
        """Count the entries, as ``len`` does.

        Returns:
            How many there are.

        Raises:
            StorageError: The storage cannot be read.
        """

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

    # ------------------------------------------------------------------ life

    async def ttl(self, key: K) -> float | None:
        """Give the seconds that an entry still lives.

        Args:
            key: The key.

        Returns:
            Seconds, > 0; None is for ever.

        Raises:
            KeyError: The key is absent.
            StorageError: The storage cannot be read.
        """
        if not await self.contains(key):
            raise KeyError(key)
        return None

    async def expires_at(self, key: K) -> float | None:
        """Give the deadline of an entry.

        Args:
            key: The key.

        Returns:
            A time on the storage's ``timer``, in seconds; None is for ever.

        Raises:
            KeyError: The key is absent.
            StorageError: The storage cannot be read.
        """
        left = await self.ttl(key)
        return None if left is None else self.timer() + left

    async def expire(self, key: K, ttl: float | None) -> None:
        """Give an entry another deadline.

        Args:
            key: The key.
            ttl: Seconds from now, > 0; None is for ever.

        Raises:
            KeyError: The key is absent.
            UnsupportedOperation: The storage lacks ``Capability.TTL``.
            StorageError: The storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        checked_ttl(ttl)
        raise self._unsupported("give an entry a deadline", "TTL")

    async def touch(self, key: K, ttl: float | None) -> bool:
        """Give an entry another deadline if it is there; it counts as used.

        Args:
            key: The key.
            ttl: Seconds from now, > 0; None is for ever.

        Returns:
            Whether the key was there.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.TTL``.
            StorageError: The storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        try:
            await self.expire(key, ttl)
        except KeyError:
            return False
        return True

    async def purge(self) -> int:
        """Remove what has expired.

        Returns:
            How many entries that were.

        Raises:
            StorageError: The storage refused.
        """
        return 0

    # ------------------------------------------------------------------ atomic

    async def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        """Write an entry if its key is absent.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds that it lives, > 0; None is for ever.

        Returns:
            Whether it was written.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.ADD``.
            StorageError: As ``set`` does.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        raise self._unsupported("add an entry only if it is absent", "ADD")

    async def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        """Replace a value if it is still the old one.

        Args:
            key: The key.
            old: The value that must be there, compared by ``==``; ``ABSENT`` makes it ``add``.
            new: The value to write.
            ttl: Seconds that it lives, > 0; None is for ever; ``KEEP`` leaves the deadline as it is.

        Returns:
            Whether it was replaced.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.SWAP``.
            StorageError: As reading and ``set`` do.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        raise self._unsupported("replace a value only if it is unchanged", "SWAP")

    async def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        """Add to an integer.

        Args:
            key: The key; an absent one counts from 0.
            by: What to add; may be negative.
            ttl: Seconds that the entry lives if this call makes it, > 0; None is for ever.

        Returns:
            The sum.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.INCR``.
            TypeError: The value there, or ``by``, is no integer, or the ttl no number.
            ValueError: The ttl is not more than 0.
            StorageError: As reading and ``set`` do.
        """
        raise self._unsupported("count", "INCR")

    def lock(
        self, key: K, ttl: float, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncLease]:
        """Hold a lock that nobody else holds, named by a key; the entry of that key does not matter.

        Args:
            key: The name of the lock.
            ttl: Seconds after which others may take it although it was not released, > 0.
            timeout: Seconds to wait for it, ≥ 0; None waits for as long as it takes.

        Returns:
            An async context manager; entering waits and gives the ``AsyncLease``.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.LOCK``.
            TimeoutError: When entering: it was not free in time.
            ConflictError: When leaving: it had run out, and somebody else may have held it.
            TypeError: The ttl or the timeout is no number.
            ValueError: The ttl is not more than 0, or the timeout less than 0.
        """
        raise self._unsupported("lock", "LOCK")

    # ------------------------------------------------------------------ streams

    def open_read(self, key: K) -> AbstractAsyncContextManager[ReadStream]:
        """Open a value of bytes for reading.

        Args:
            key: The key.

        Returns:
            An async context manager that gives a ``ReadStream``.

        Raises:
            KeyError: When entering: the key is absent.
            UnsupportedOperation: When entering: the value is not bytes.
            StorageError: The value cannot be read.

        Cost: memory of the whole value, unless the storage has ``Capability.STREAM``.
        """
        return self._loaded_read(key)

    @asynccontextmanager
    async def _loaded_read(self, key: K) -> AsyncIterator[ReadStream]:
        value = await self[key]
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise self._unsupported(f"stream a value of type {type(value).__name__}: a stream carries bytes")
        yield ReadStream(io.BytesIO(value), _at_once)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractAsyncContextManager[WriteStream]:
        """Open a value of bytes for writing; it is visible only after a clean exit.

        Args:
            key: The key.
            ttl: Seconds that it lives, > 0; None is for ever.

        Returns:
            An async context manager that gives a ``WriteStream``. Left by an exception or a cancellation,
            nothing is written.

        Raises:
            StorageError: As ``set`` does, on leaving.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: memory of the whole value, unless the storage has ``Capability.STREAM``.
        """
        checked_ttl(ttl)
        return self._buffered_write(key, ttl)

    @asynccontextmanager
    async def _buffered_write(self, key: K, ttl: float | None) -> AsyncIterator[WriteStream]:
        buffer = io.BytesIO()
        yield WriteStream(cast(BinaryIO, buffer), _at_once)
        await self.set(key, cast(V, buffer.getvalue()), ttl=ttl)

    # ------------------------------------------------------------------ figures, lifecycle

    async def stats(self) -> Stats:
        """Give the figures of this storage.

        Returns:
            The figures; what is unknown is None.

        Raises:
            StorageError: The storage cannot be read.
        """
        return Stats(size=await self.size())

    async def flush(self) -> None:
        """Bring what is held back to its place.

        Raises:
            StorageError: The storage refused.
        """

    async def close(self) -> None:
        """Release what the storage holds open; closing twice is fine.

        Raises:
            StorageError: What was held back could not be written.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _unsupported(self, what: str, capability: str | None = None) -> UnsupportedOperation:
        where = repr(self)
        lacks = f"; it lacks Capability.{capability}" if capability else ""
        return UnsupportedOperation(f"{where} cannot {what}{lacks}", storage=where)


async def _at_once(function: Any) -> Any:
    return function()
