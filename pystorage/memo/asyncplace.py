"""AsyncPlace: a storage of any kind as an async memoized function uses it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pystorage.errors import DecodeError, EncodeError
from pystorage.memo.place import ANYTHING, Place, Trouble
from pystorage.storage import ABSENT, Capability, Storage

if TYPE_CHECKING:
    from pystorage.aio import AsyncStorage


class AsyncPlace:
    """A storage whose calls are awaited.

    Args:
        storage: The storage.
        trouble: What is done and counted when it fails.

    Raises:
        Nothing.
    """

    def __init__(self, storage: AsyncStorage[Any, Any], trouble: Trouble) -> None:
        self._storage = storage
        self.trouble = trouble
        can = storage.capabilities
        self._adds, self._swaps = Capability.ADD in can, Capability.SWAP in can

    async def read(self, key: str, *, counted: bool = True) -> Any:
        """Read what is stored.

        Args:
            key: The key.
            counted: Whether it is counted and said where something cannot be decoded.

        Returns:
            What is stored, or ABSENT; as ``Place.read``.

        Raises:
            StorageError: The storage cannot be read.
        """
        try:
            stored = await self._storage.get(key, ABSENT)
        except DecodeError as error:
            if counted:
                self.trouble.not_decoded(error)
            return ABSENT
        except OSError as error:
            if self.trouble.raises:
                raise
            self.trouble.not_reached(error)
            return self.trouble.remembered(key)
        if not self.trouble.raises:
            self.trouble.is_down = False
            if stored is not ABSENT:
                self.trouble.remember(key, stored)
        return stored

    async def write(self, key: str, stored: object, ttl: float | None, before: object = ANYTHING) -> bool:
        """Write what is to be stored, if nobody else did meanwhile.

        Args:
            key: The key.
            stored: What is to be stored.
            ttl: Seconds that it lives, > 0; None is for ever.
            before: What was there, or ABSENT; as ``Place.write``.

        Returns:
            Whether it was written.

        Raises:
            StorageError: The storage cannot hold it, or refused.
        """
        try:
            if before is ANYTHING or not (self._adds if before is ABSENT else self._swaps):
                await self._storage.set(key, stored, ttl=ttl)
            elif before is ABSENT:
                if not await self._storage.add(key, stored, ttl=ttl):
                    return False
            elif not await self._storage.swap(key, before, stored, ttl=ttl):
                return False
        except OSError as error:
            if self.trouble.raises:
                raise
            self.trouble.not_reached(error)
            if self.trouble.last is not None:
                self.trouble.last[key] = stored
            return True
        if not self.trouble.raises:
            self.trouble.remember(key, stored)
        return True

    async def write_any(
        self, key: str, forms: Sequence[object], ttl: float | None, before: object = ANYTHING
    ) -> bool:
        """Write something that has several forms: the first one that the storage can hold.

        Args:
            key: The key.
            forms: The forms.
            ttl: Seconds that it lives, > 0; None is for ever.
            before: As for ``write``.

        Returns:
            Whether it was written.

        Raises:
            StorageError: The storage can hold none of them, or refused.
        """
        for form in forms[:-1]:
            try:
                return await self.write(key, form, ttl, before)
            except EncodeError:
                continue
        return await self.write(key, forms[-1], ttl, before)

    async def write_many(self, items: dict[str, Any], ttl: float | None) -> None:
        """Write several things.

        Args:
            items: Key → what is to be stored.
            ttl: Seconds that they live, > 0; None is for ever.

        Raises:
            StorageError: The storage cannot hold one, or refused.
        """
        try:
            await self._storage.set_many(items, ttl=ttl)
        except OSError as error:
            if self.trouble.raises:
                raise
            self.trouble.not_reached(error)
        if self.trouble.last is not None:
            for key, stored in items.items():
                self.trouble.last[key] = stored

    async def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Read what is stored under several keys.

        Args:
            keys: The keys.

        Returns:
            Those that are there.

        Raises:
            StorageError: The storage cannot be read.
        """
        try:
            found = await self._storage.get_many(keys)
            self.trouble.remember_many(found)
            return found
        except DecodeError:
            pass  # one by one, so that each is counted
        except OSError as error:
            if self.trouble.raises:
                raise
            self.trouble.not_reached(error)
            remembered = {key: self.trouble.remembered(key) for key in keys}
            return {key: value for key, value in remembered.items() if value is not ABSENT}
        found = {key: await self.read(key) for key in keys}
        return {key: value for key, value in found.items() if value is not ABSENT}

    async def remove(self, key: str) -> bool:
        """Remove what is stored.

        Args:
            key: The key.

        Returns:
            Whether something was.

        Raises:
            StorageError: The storage refused.
        """
        self.trouble.forget(key)
        return await self._storage.delete(key)

    async def clear(self, prefix: str) -> None:
        """Remove what begins with a prefix.

        Args:
            prefix: The beginning of the keys.

        Raises:
            StorageError: The storage refused.
        """
        await self._storage.delete_many([key async for key in self._storage.scan(prefix)])


class DirectPlace(AsyncPlace):
    """A mapping that never waits: it is called at once.

    Args:
        place: The mapping.

    Raises:
        Nothing.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.trouble = place.trouble

    async def read(self, key: str, *, counted: bool = True) -> Any:
        return self.place.read(key, counted=counted)

    async def write(self, key: str, stored: object, ttl: float | None, before: object = ANYTHING) -> bool:
        return self.place.write(key, stored, ttl, before)

    async def write_many(self, items: dict[str, Any], ttl: float | None) -> None:
        self.place.write_many(items, ttl)

    async def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        return self.place.read_many(keys)

    async def remove(self, key: str) -> bool:
        return self.place.remove(key)

    async def clear(self, prefix: str) -> None:
        self.place.clear(prefix)


def face_of(storage: MutableMapping[Any, Any] | AsyncStorage[Any, Any]) -> AsyncStorage[Any, Any] | None:
    """Give the async face of a storage.

    Args:
        storage: The storage.

    Returns:
        The face; None of one in memory, which never waits, and of a mapping that is no storage.

    Raises:
        MissingDependencyError: anyio is not installed.
    """
    from pystorage import aio

    if isinstance(storage, aio.AsyncStorage):
        return storage
    if isinstance(storage, Storage) and Capability.NONBLOCKING not in storage.capabilities:
        return aio.wrap(storage)
    return None


def place_of(
    storage: MutableMapping[Any, Any] | AsyncStorage[Any, Any],
    face: AsyncStorage[Any, Any] | None,
    trouble: Trouble,
) -> AsyncPlace:
    """Give what an async memoized function uses a storage by.

    Args:
        storage: The storage.
        face: Its async face, if it has one.
        trouble: What is done and counted when it fails.

    Returns:
        The place.

    Raises:
        Nothing.
    """
    if face is not None:
        return AsyncPlace(face, trouble)
    return DirectPlace(Place(cast("MutableMapping[Any, Any]", storage), trouble))
