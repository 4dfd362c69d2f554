"""Leases for storages that have no locks: an entry that lives for the time of the lease, made by ``add``.

Who makes it has the lease; who finds it there has not. It is renewed and given back by ``swap``, so that no
one who was stopped for too long touches the lease of another. A storage that has no ``swap`` either is asked
who has the lease right before; what happens between these two steps is not seen there.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from pystorage._sync import Leases
from pystorage.errors import ConflictError, EncodeError
from pystorage.storage import ABSENT, Capability

if TYPE_CHECKING:
    from pystorage._sync import Lease
    from pystorage.aio import AsyncStorage
    from pystorage.aio.lease import AsyncLease
    from pystorage.storage import Storage

#: What the key of a lease begins with.
PREFIX: Final = "pystorage.lease-"

# What takes the place of a lease that was given back, for the blink of an eye: whoever removed an entry could
# remove that of the next one.
_FREE: Final = ("free", b"free")
_BLINK: Final = 0.001


def lock_of(storage: Storage[Any, Any], key: str, ttl: float) -> AbstractContextManager[Lease]:
    """Give what takes the lease of a key when it is entered, if nobody holds it.

    Args:
        storage: The storage, with ``LOCK``, or with ``ADD`` and ``TTL``.
        key: The key.
        ttl: Seconds that the lease lasts when it is not renewed, > 0.

    Returns:
        What ``storage.lock`` gives, or what does the same by ``add``.

    Raises:
        Nothing.
    """
    if Capability.LOCK in storage.capabilities:
        return storage.lock(key, ttl, timeout=0)
    return AddLeases(storage).held(key, ttl, 0, repr(storage))


def async_lock_of(
    storage: AsyncStorage[Any, Any], key: str, ttl: float
) -> AbstractAsyncContextManager[AsyncLease]:
    """Give what takes the lease of a key when it is entered, if nobody holds it.

    Args:
        storage: The storage, with ``LOCK``, or with ``ADD`` and ``TTL``.
        key: The key.
        ttl: Seconds that the lease lasts when it is not renewed, > 0.

    Returns:
        What ``storage.lock`` gives, or what does the same by ``add``.

    Raises:
        Nothing.
    """
    if Capability.LOCK in storage.capabilities:
        return storage.lock(key, ttl, timeout=0)
    held: Any = _held(storage, key, ttl)
    return held  # type: ignore[no-any-return]


class AddLeases(Leases):
    """Leases that are entries of the storage.

    Args:
        storage: The storage, with ``ADD`` and ``TTL``.

    Raises:
        Nothing.

    Cost: one call of the storage each; two where the one before was given back a moment ago.
    Threads: as the storage.
    Processes: all that share the storage; its clock counts.
    """

    def __init__(self, storage: Storage[Any, Any]) -> None:
        self._storage = storage
        self._swaps = Capability.SWAP in storage.capabilities

    def take(self, name: str, token: str, ttl: float) -> bool:
        key = PREFIX + name
        try:
            if self._storage.add(key, token, ttl=ttl):
                return True
        except EncodeError:  # a storage of bytes
            if self._storage.add(key, token.encode(), ttl=ttl):
                return True
        if not self._swaps:
            return False
        found = self._storage.get(key, ABSENT)
        return found in _FREE and self._storage.swap(key, found, _like(found, token), ttl=ttl)

    def extend(self, name: str, token: str, ttl: float) -> bool:
        found = self._mine(name, token)
        if found is None:
            return False
        if self._swaps:
            return self._storage.swap(PREFIX + name, found, found, ttl=ttl)
        return self._storage.touch(PREFIX + name, ttl)

    def release(self, name: str, token: str) -> bool:
        found = self._mine(name, token)
        if found is None:
            return False
        if self._swaps:
            return self._storage.swap(PREFIX + name, found, _like(found, _FREE[0]), ttl=_BLINK)
        return self._storage.pop(PREFIX + name, ABSENT) is not ABSENT

    def _mine(self, name: str, token: str) -> Any:
        """Give what is stored, if it is of this owner."""
        found = self._storage.get(PREFIX + name, ABSENT)
        return found if found in (token, token.encode()) else None


class _AddLease:
    """A lease that is held by a task."""

    __slots__ = ("_name", "_storage", "_token", "ttl")

    def __init__(self, storage: AsyncStorage[Any, Any], name: str, token: str, ttl: float) -> None:
        self._storage = storage
        self._name = name
        self._token = token
        self.ttl = ttl

    async def take(self) -> bool:
        storage, key = self._storage, PREFIX + self._name
        try:
            if await storage.add(key, self._token, ttl=self.ttl):
                return True
        except EncodeError:
            if await storage.add(key, self._token.encode(), ttl=self.ttl):
                return True
        if Capability.SWAP not in storage.capabilities:
            return False
        found = await storage.get(key, ABSENT)
        return found in _FREE and await storage.swap(key, found, _like(found, self._token), ttl=self.ttl)

    async def extend(self, ttl: float) -> None:
        storage, key = self._storage, PREFIX + self._name
        found = await self._mine()
        if found is None:
            held = False
        elif Capability.SWAP in storage.capabilities:
            held = await storage.swap(key, found, found, ttl=ttl)
        else:
            held = await storage.touch(key, ttl)
        if not held:
            raise ConflictError(
                f"could not extend the lease of {self._name!r}: it had run out after {self.ttl} s",
                key=self._name,
            )

    async def release(self) -> None:
        storage, key = self._storage, PREFIX + self._name
        found = await self._mine()
        if found is None:
            return
        if Capability.SWAP in storage.capabilities:
            await storage.swap(key, found, _like(found, _FREE[0]), ttl=_BLINK)
        else:
            await storage.delete(key)

    async def _mine(self) -> Any:
        found = await self._storage.get(PREFIX + self._name, ABSENT)
        return found if found in (self._token, self._token.encode()) else None


@asynccontextmanager
async def _held(storage: AsyncStorage[Any, Any], name: str, ttl: float) -> AsyncIterator[_AddLease]:
    lease = _AddLease(storage, name, secrets.token_hex(16), ttl)
    if not await lease.take():
        raise TimeoutError(f"could not take the lease of {name!r}: somebody else has it")
    try:
        yield lease
    finally:
        await lease.release()


def _like(stored: object, text: str) -> str | bytes:
    return text.encode() if isinstance(stored, bytes) else text
