"""Place: a storage as a memoized function uses it, which may hold what cannot be read, or be down."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from pystorage.engine import Cache
from pystorage.errors import DecodeError, EncodeError
from pystorage.memo.figures import Counter
from pystorage.storage import ABSENT, Capability, Storage

if TYPE_CHECKING:
    from pystorage.memo.options import OnError

#: How many of the values given last are remembered for when the storage is down.
LAST: Final = 1024
#: What stands for "whatever was there".
ANYTHING: Final = object()

# Whoever is given one of these a second time finds it awaited, or empty.
_USED_ONCE: Final = (CoroutineType, GeneratorType, AsyncGeneratorType, map, filter, zip, enumerate, reversed)

_log = logging.getLogger("pystorage.memo")


class Trouble:
    """Counts what went wrong with a storage, and says each kind once.

    Args:
        name: The function, for messages.
        on_error: What is done when the storage cannot be reached.

    Raises:
        Nothing.

    Threads: any number.
    """

    def __init__(self, name: str, on_error: OnError) -> None:
        self._name = name
        self.raises = on_error == "raise"
        # What was read or written last, by key.
        self.last: Cache[str, Any] | None = Cache(LAST) if on_error == "stale" else None
        self._told = self._told_of_refreshes = False
        #: Whether the storage could not be reached when it was last tried.
        self.is_down = False
        self.undecodable, self.unavailable = Counter(), Counter()

    def reset(self) -> None:
        """Begin to count anew.

        Raises:
            Nothing.
        """
        self.undecodable, self.unavailable = Counter(), Counter()

    def not_decoded(self, error: DecodeError) -> None:
        """Count a result that cannot be decoded.

        Args:
            error: Why.

        Raises:
            Nothing.
        """
        self.undecodable.add()
        if not self._told:
            self._told = True
            _log.warning(
                "a kept result of %s() cannot be decoded (%s) and is computed anew; this is said once",
                self._name,
                type(error).__name__,
            )

    def not_refreshed(self, error: BaseException) -> None:
        """Say that a result could not be computed anew.

        Args:
            error: Why.

        Raises:
            Nothing.
        """
        if not self._told_of_refreshes:
            self._told_of_refreshes = True
            _log.warning(
                "a result of %s() could not be computed anew (%s), and the old one stays while it may be "
                "given; this is said once",
                self._name,
                type(error).__name__,
                exc_info=error,
            )

    def not_reached(self, error: OSError) -> None:
        """Count that the storage could not be reached.

        Args:
            error: Why.

        Raises:
            Nothing.
        """
        self.unavailable.add()
        if not self.is_down:
            self.is_down = True
            _log.warning(
                "the storage of the results of %s() cannot be reached (%s), and it goes on without; "
                "this is said once until it is back",
                self._name,
                type(error).__name__,
            )

    def remember(self, key: str, stored: object) -> None:
        """Note what was read or written.

        Args:
            key: The key.
            stored: What is stored there.

        Raises:
            Nothing.
        """
        self.is_down = False
        if self.last is not None:
            self.last[key] = stored

    def remember_many(self, found: Mapping[str, object]) -> None:
        """Note what was read together.

        Args:
            found: Key → what is stored there.

        Raises:
            Nothing.
        """
        self.is_down = False
        if self.last is not None:
            for key, stored in found.items():
                self.last[key] = stored

    def remembered(self, key: str) -> Any:
        """Give what was last read or written here.

        Args:
            key: The key.

        Returns:
            What is remembered, or ABSENT.

        Raises:
            Nothing.
        """
        return ABSENT if self.last is None else self.last.get(key, ABSENT)

    def forget(self, key: str | None = None) -> None:
        """Remember a key no more.

        Args:
            key: The key; None is all of them.

        Raises:
            Nothing.
        """
        if self.last is not None:
            if key is None:
                self.last.clear()
            else:
                self.last.pop(key, None)


class Place:
    """A storage of results.

    Args:
        storage: The storage.
        trouble: What is done and counted when it fails.

    Raises:
        Nothing.

    Threads: as the storage.
    """

    __slots__ = ("_adds", "_plain", "_swaps", "storage", "trouble")

    def __init__(self, storage: MutableMapping[Any, Any], trouble: Trouble) -> None:
        self.storage = storage
        self.trouble = trouble
        can = storage.capabilities if isinstance(storage, Storage) else Capability.NONE
        self._adds, self._swaps = Capability.ADD in can, Capability.SWAP in can
        self._plain = trouble.raises

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
        try:
            stored = self.storage.get(key, ABSENT)
        except DecodeError as error:
            if counted:
                self.trouble.not_decoded(error)
            return ABSENT
        except OSError as error:
            if self._plain:
                raise
            self.trouble.not_reached(error)
            return self.trouble.remembered(key)
        if not self._plain:
            self.trouble.is_down = False
            if stored is not ABSENT:
                self.trouble.remember(key, stored)
        return stored

    def write(self, key: str, stored: object, ttl: float | None, before: object = ANYTHING) -> bool:
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
        try:
            if before is ANYTHING or not (self._adds if before is ABSENT else self._swaps):
                if ttl is None:
                    self.storage[key] = stored
                else:
                    self.storage.set(key, stored, ttl=ttl)  # type: ignore[attr-defined]
            elif before is ABSENT:
                if not self.storage.add(key, stored, ttl=ttl):  # type: ignore[attr-defined]
                    return False
            elif not self.storage.swap(key, before, stored, ttl=ttl):  # type: ignore[attr-defined]
                return False
        except OSError as error:
            if self._plain:
                raise
            self.trouble.not_reached(error)
            if self.trouble.last is not None:
                self.trouble.last[key] = stored
            return True
        if not self._plain:
            self.trouble.remember(key, stored)
        return True

    def write_any(
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
                return self.write(key, form, ttl, before)
            except EncodeError:
                continue
        return self.write(key, forms[-1], ttl, before)

    def write_many(self, items: dict[str, Any], ttl: float | None) -> None:
        """Write several things.

        Args:
            items: Key → what is to be stored.
            ttl: Seconds that they live, > 0; None is for ever.

        Raises:
            StorageError: The storage cannot hold one, or refused.
        """
        try:
            self.storage.set_many(items, ttl=ttl)  # type: ignore[attr-defined]
        except OSError as error:
            if self._plain:
                raise
            self.trouble.not_reached(error)
        if not self._plain:
            for key, stored in items.items():
                if self.trouble.last is not None:
                    self.trouble.last[key] = stored

    def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Read what is stored under several keys.

        Args:
            keys: The keys.

        Returns:
            Those that are there.

        Raises:
            StorageError: The storage cannot be read.
        """
        try:
            if isinstance(self.storage, Storage):
                found = self.storage.get_many(keys)
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
        found = {key: self.read(key) for key in keys}
        return {key: value for key, value in found.items() if value is not ABSENT}

    def remove(self, key: str) -> bool:
        """Remove what is stored.

        Args:
            key: The key.

        Returns:
            Whether something was.

        Raises:
            StorageError: The storage refused.
        """
        self.trouble.forget(key)
        try:
            del self.storage[key]
        except KeyError:
            return False
        return True

    def clear(self, prefix: str) -> None:
        """Remove what begins with a prefix.

        Args:
            prefix: The beginning of the keys.

        Raises:
            StorageError: The storage refused.
        """
        if isinstance(self.storage, Storage):
            self.storage.delete_many(list(self.storage.scan(prefix)))
        else:
            for key in [key for key in self.storage if isinstance(key, str) and key.startswith(prefix)]:
                self.storage.pop(key, None)


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
