"""The hooks of an async storage: what each one has of its own, and what has a correct general default.

A hook whose default would race raises ``UnsupportedOperation`` until a storage has a native one and
declares it in ``capabilities``.
"""

from __future__ import annotations

import io
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Generic, Literal, cast

from pystorage._typevars import K, V
from pystorage.aio.lease import AsyncLease
from pystorage.aio.streams import ReadStream, WriteStream
from pystorage.errors import UnsupportedOperation
from pystorage.storage import KEEP, Capability, Sentinel, Stats, Timer, checked_ttl

if TYPE_CHECKING:
    from typing import Self


class AsyncHooks(ABC, Generic[K, V]):
    """What an async storage does beyond what is derived: keys, lives, atomic changes, streams, figures.

    Raises:
        Nothing.
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
