"""Place: a storage as a memoized function uses it, which may hold what cannot be read, or be down."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from pystorage.errors import DecodeError, EncodeError
from pystorage.memo.trouble import Trouble
from pystorage.storage import ABSENT, Capability, Storage

#: What stands for "whatever was there".
ANYTHING: Final = object()

# Whoever is given one of these a second time finds it awaited, or empty.
_USED_ONCE: Final = (CoroutineType, GeneratorType, AsyncGeneratorType, map, filter, zip, enumerate, reversed)


class AnyPlace:
    """A storage of results, where what it is asked may be awaited.

    Args:
        storage: The storage.
        trouble: What is done and counted when it fails.
        can: What the storage does natively.

    Raises:
        Nothing.

    Threads: as the storage.
    """

    __slots__ = ("_adds", "_swaps", "storage", "trouble")

    def __init__(self, storage: Any, trouble: Trouble, can: Capability) -> None:
        self.storage = storage
        self.trouble = trouble
        self._adds, self._swaps = Capability.ADD in can, Capability.SWAP in can

    def _is_set(self, before: object) -> bool:
        """Tell whether it is written whatever is there: as is asked for, or as the storage cannot else."""
        return before is ANYTHING or not (self._adds if before is ABSENT else self._swaps)

    def read(self, key: str, *, counted: bool = True) -> Any:
        """Read what is stored.

        Args:
            key: The key.
            counted: Whether it is counted and said where something cannot be decoded.

        Returns:
            What is stored; ABSENT where nothing is, where it cannot be decoded, and where the storage is
            down and that is to be borne.

        Raises:
            StorageError: The storage cannot be read.
        """
        raise NotImplementedError

    def _unread(self, key: str, error: DecodeError | OSError, counted: bool) -> Any:
        """Give what counts as read where that fails."""
        if isinstance(error, DecodeError):
            if counted:
                self.trouble.not_decoded(error)
            return ABSENT
        self.trouble.bear(error)
        return self.trouble.remembered(key)

    def _has_read(self, key: str, stored: object) -> None:
        self.trouble.is_down = False
        if stored is not ABSENT:
            self.trouble.remember(key, stored)

    def write(self, key: str, stored: object, ttl: float | None, before: object = ANYTHING) -> Any:
        """Write what is to be stored, if nobody else did meanwhile.

        Args:
            key: The key.
            stored: What is to be stored.
            ttl: Seconds that it lives, > 0; None is for ever.
            before: What was there, or ABSENT: if there is something else by now, that stays. Where the
                storage cannot write so, or no matter what was there, it is written.

        Returns:
            Whether it was written.

        Raises:
            StorageError: The storage cannot hold it, or refused.
        """
        raise NotImplementedError

    def write_any(
        self, key: str, forms: Sequence[object], ttl: float | None, before: object = ANYTHING
    ) -> Any:
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
        raise NotImplementedError

    def write_many(self, items: dict[str, Any], ttl: float | None) -> Any:
        """Write several things.

        Args:
            items: Key → what is to be stored.
            ttl: Seconds that they live, > 0; None is for ever.

        Raises:
            StorageError: The storage cannot hold one, or refused.
        """
        raise NotImplementedError

    def read_many(self, keys: Sequence[str]) -> Any:
        """Read what is stored under several keys.

        Args:
            keys: The keys.

        Returns:
            Those that are there.

        Raises:
            StorageError: The storage cannot be read.
        """
        raise NotImplementedError

    def _unread_many(self, keys: Sequence[str], error: OSError) -> dict[str, Any]:
        """Give what counts as read where that fails."""
        self.trouble.bear(error)
        return present({key: self.trouble.remembered(key) for key in keys})

    def remove(self, key: str) -> Any:
        """Remove what is stored.

        Args:
            key: The key.

        Returns:
            Whether something was.

        Raises:
            StorageError: The storage refused.
        """
        raise NotImplementedError

    def clear(self, prefix: str) -> Any:
        """Remove what begins with a prefix.

        Args:
            prefix: The beginning of the keys.

        Raises:
            StorageError: The storage refused.
        """
        raise NotImplementedError


class Place(AnyPlace):
    """A mapping of results.

    Args:
        storage: The mapping.
        trouble: What is done and counted when it fails.

    Raises:
        Nothing.

    Threads: as the storage.
    """

    __slots__ = ("_plain",)

    def __init__(self, storage: MutableMapping[Any, Any], trouble: Trouble) -> None:
        can = storage.capabilities if isinstance(storage, Storage) else Capability.NONE
        super().__init__(storage, trouble, can)
        self._plain = trouble.raises

    def read(self, key: str, *, counted: bool = True) -> Any:
        try:
            stored = self.storage.get(key, ABSENT)
        except (DecodeError, OSError) as error:
            return self._unread(key, error, counted)
        if not self._plain:
            self._has_read(key, stored)
        return stored

    def write(self, key: str, stored: object, ttl: float | None, before: object = ANYTHING) -> bool:
        try:
            if self._is_set(before):
                if ttl is None:
                    self.storage[key] = stored
                else:
                    self.storage.set(key, stored, ttl=ttl)
            elif before is ABSENT:
                if not self.storage.add(key, stored, ttl=ttl):
                    return False
            elif not self.storage.swap(key, before, stored, ttl=ttl):
                return False
        except OSError as error:
            self.trouble.bear(error)
            self.trouble.note({key: stored})
            return True
        if not self._plain:
            self.trouble.remember(key, stored)
        return True

    def write_any(
        self, key: str, forms: Sequence[object], ttl: float | None, before: object = ANYTHING
    ) -> bool:
        for form in forms[:-1]:
            try:
                return self.write(key, form, ttl, before)
            except EncodeError:
                continue
        return self.write(key, forms[-1], ttl, before)

    def write_many(self, items: dict[str, Any], ttl: float | None) -> None:
        try:
            self.storage.set_many(items, ttl=ttl)
        except OSError as error:
            self.trouble.bear(error)
        self.trouble.note(items)

    def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        try:
            if isinstance(self.storage, Storage):
                found = self.storage.get_many(keys)
                self.trouble.remember_many(found)
                return found
        except DecodeError:
            pass  # one by one, so that each is counted
        except OSError as error:
            return self._unread_many(keys, error)
        return present({key: self.read(key) for key in keys})

    def remove(self, key: str) -> bool:
        self.trouble.forget(key)
        try:
            del self.storage[key]
        except KeyError:
            return False
        return True

    def clear(self, prefix: str) -> None:
        if isinstance(self.storage, Storage):
            self.storage.delete_many(list(self.storage.scan(prefix)))
        else:
            for key in [key for key in self.storage if isinstance(key, str) and key.startswith(prefix)]:
                self.storage.pop(key, None)


def present(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is absent.

    Args:
        found: Key → what is stored there, or ABSENT.

    Returns:
        Those that are there.

    Raises:
        Nothing.
    """
    return {key: value for key, value in found.items() if value is not ABSENT}


def refuse_once(value: object, name: str) -> None:
    """Refuse to keep what can be used once.

    Args:
        value: A result.
        name: The function, for messages.

    Raises:
        TypeError: It is a coroutine, a generator, or what ``map`` and its like give.
    """
    if not isinstance(value, _USED_ONCE):
        return
    if isinstance(value, (CoroutineType, GeneratorType)):
        value.close()
    raise TypeError(
        f"{name}() gave one {type(value).__name__}, which can be used once and so is no result to keep: "
        "memoize a function that gives the values"
    )
