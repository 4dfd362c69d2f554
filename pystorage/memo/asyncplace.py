"""AsyncPlace: a storage of any kind as an async memoized function uses it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pystorage.errors import DecodeError, EncodeError
from pystorage.memo.place import ANYTHING, AnyPlace, Place, present
from pystorage.storage import ABSENT, Capability, Storage

if TYPE_CHECKING:
    from pystorage.aio import AsyncStorage
    from pystorage.memo.trouble import Trouble


class AsyncPlace(AnyPlace):
    """A storage of results whose calls are awaited.

    Args:
        storage: The storage.
        trouble: What is done and counted when it fails.

    Raises:
        Nothing.
    """

    def __init__(self, storage: AsyncStorage[Any, Any], trouble: Trouble) -> None:
        super().__init__(storage, trouble, storage.capabilities)

    async def read(self, key: str, *, counted: bool = True) -> Any:
        try:
            stored = await self.storage.get(key, ABSENT)
        except (DecodeError, OSError) as error:
            return self._unread(key, error, counted)
        if not self.trouble.raises:
            self._has_read(key, stored)
        return stored

    async def write(self, key: str, stored: object, ttl: float | None, before: object = ANYTHING) -> bool:
        try:
            if self._is_set(before):
                await self.storage.set(key, stored, ttl=ttl)
            elif before is ABSENT:
                if not await self.storage.add(key, stored, ttl=ttl):
                    return False
            elif not await self.storage.swap(key, before, stored, ttl=ttl):
                return False
        except OSError as error:
            self.trouble.bear(error)
            self.trouble.note({key: stored})
            return True
        if not self.trouble.raises:
            self.trouble.remember(key, stored)
        return True

    async def write_any(
        self, key: str, forms: Sequence[object], ttl: float | None, before: object = ANYTHING
    ) -> bool:
        for form in forms[:-1]:
            try:
                return await self.write(key, form, ttl, before)
            except EncodeError:
                continue
        return await self.write(key, forms[-1], ttl, before)

    async def write_many(self, items: dict[str, Any], ttl: float | None) -> None:
        try:
            await self.storage.set_many(items, ttl=ttl)
        except OSError as error:
            self.trouble.bear(error)
        self.trouble.note(items)

    async def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = await self.storage.get_many(keys)
            self.trouble.remember_many(found)
            return found
        except DecodeError:
            pass  # one by one, so that each is counted
        except OSError as error:
            return self._unread_many(keys, error)
        return present({key: await self.read(key) for key in keys})

    async def remove(self, key: str) -> bool:
        self.trouble.forget(key)
        return await self.storage.delete(key)  # type: ignore[no-any-return]

    async def clear(self, prefix: str) -> None:
        await self.storage.delete_many([key async for key in self.storage.scan(prefix)])


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
