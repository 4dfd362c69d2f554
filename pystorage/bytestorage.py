"""ByteStorage: keys, codec, deadlines and errors, once, above four primitives on names and bytes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Literal, NoReturn, TypeVar, cast

from pystorage.codecs import Codec, header
from pystorage.errors import (
    ClosedError,
    ConflictError,
    DecodeError,
    EncodeError,
    IntegrityError,
    InvalidKeyError,
    StorageError,
    UnavailableError,
)
from pystorage.naming import Naming
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Storage, Timer, checked_prefix, checked_ttl

K = TypeVar("K")
V = TypeVar("V")

# A conditional write fails only because another one succeeded; so many in a row mean that something
# else is wrong, such as a place that ignores conditions.
_ATTEMPTS: Final = 1000


class ByteStorage(Storage[K, V]):
    """A storage of bytes: a subclass writes four primitives on names and bytes and has all the rest.

    The primitives are ``_read(name)``, ``_write(name, data)``, ``_remove(name)`` and ``_names(prefix)``.
    They raise ``OSError`` when the place fails. A store that can write on condition adds
    ``_write_if(name, expected, data)`` and declares ``ADD | SWAP | INCR``.

    Args:
        codec: How values become bytes.
        naming: How keys become names.
        timer: The clock of the deadlines, in seconds; wall-clock time where they outlive the process.

    Raises:
        Nothing.

    Example:
        >>> class Shelf(ByteStorage):
        ...     def __init__(self):
        ...         super().__init__(JSONCodec(), Naming(), time.time)
        ...         self.data = {}
        ...     def _read(self, name):
        ...         return self.data.get(name)
        ...     def _write(self, name, data):
        ...         self.data[name] = data
        ...     def _remove(self, name):
        ...         return self.data.pop(name, None) is not None
        ...     def _names(self, prefix):
        ...         return list(self.data)
        >>> import time
        >>> from pystorage.codecs import JSONCodec
        >>> shelf = Shelf()
        >>> shelf.set("a/b", [1, 2], ttl=60)
        >>> list(shelf.items()), shelf.ttl("a/b") <= 60
        ([('a/b', [1, 2])], True)
    """

    __slots__ = ("_closed", "_codec", "_decode", "_naming", "_plain", "_timer")

    capabilities: Capability = Capability.TTL

    def __init__(self, codec: Codec, naming: Naming, timer: Timer) -> None:
        self._codec = codec
        self._decode = codec.decode
        self._naming = naming
        self._plain = naming.plain
        self._timer = timer
        self._closed = False

    # ------------------------------------------------------------------ primitives

    @abstractmethod
    def _read(self, name: str) -> bytes | None:
        """Give the bytes of a name; None where it is absent."""

    @abstractmethod
    def _write(self, name: str, data: bytes) -> None:
        """Write the bytes of a name: a reader sees the old ones or these."""

    @abstractmethod
    def _remove(self, name: str) -> bool:
        """Remove a name; say whether it was there."""

    @abstractmethod
    def _names(self, prefix: str) -> list[str]:
        """Give the names there are; those of texts without the prefix may be left out."""

    def _head(self, name: str) -> bytes | None:
        """Give at least the first ``header.USUAL_SIZE`` bytes of a name; None where it is absent."""
        return self._read(name)

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        """Write the bytes of a name if those there are the expected ones; None expects absence.

        Here it just writes, which is all that a store can do that declares none of ADD, SWAP and INCR.
        """
        self._write(name, data)
        return True

    def _remove_if(self, name: str, head: bytes) -> None:
        """Remove a name if its bytes still begin with these."""
        data = self._head(name)
        if data is not None and data.startswith(head):
            self._remove(name)

    def _may_expire(self) -> bool:
        """Say whether any entry may have a deadline."""
        return True

    def _expect_deadline(self) -> None:
        """Prepare the place for a first entry with a deadline."""

    # ------------------------------------------------------------------ names

    def _write_name(self, key: object) -> tuple[str, str]:
        """Give the whole name of a key and what stands for it in the place; refuse what cannot be a key."""
        self._check_open()
        try:
            name = self._naming.name(key)
        except InvalidKeyError as error:
            hash(key)  # an unhashable key is the TypeError that a dict raises
            raise self._error(InvalidKeyError, "write", key, error) from error
        return name, self._naming.shortened(name)

    def _read_name(self, key: object) -> tuple[str, str]:
        """Give the same for reading, where what cannot be a key is just absent."""
        self._check_open()
        try:
            name = self._naming.name(key)
        except InvalidKeyError:
            hash(key)
            raise KeyError(key) from None
        return name, self._naming.shortened(name)

    def _check_open(self) -> None:
        if self._closed:
            where = repr(self)
            raise ClosedError(f"{where} was closed; open it again to use it", storage=where)

    # ------------------------------------------------------------------ one key

    def __getitem__(self, key: K) -> V:
        name: str
        place: str
        if type(key) is str and self._plain(key) and not self._closed:  # type: ignore[arg-type]
            name = place = key  # type: ignore[assignment]
        else:
            name, place = self._read_name(key)
        try:
            data = self._read(place)
        except OSError as error:
            self._fail("read", key, error)
        if data is None:
            raise KeyError(key)
        if data.startswith(header.MAGIC) or name is not place:
            data = self._opened(key, name, place, data)[1]
        try:
            return cast(V, self._decode(data, name))
        except DecodeError as error:
            raise self._error(type(error), "read", key, error, "the bytes are left where they are") from error

    def _opened(self, key: object, name: str, place: str, data: bytes) -> tuple[header.Header, bytes]:
        """Take the header off an entry that is alive."""
        try:
            head, body = header.unpack(data)
        except DecodeError as error:
            raise self._error(DecodeError, "read", key, error, "the bytes are left where they are") from error
        if name != place and head.name != name:
            raise self._error(
                IntegrityError, "read", key, f"the entry there is of another key, {head.name!r}"
            )
        if head.deadline is not None and self._timer() >= head.deadline:
            self._expire(place, data)
            raise KeyError(key)
        return head, body

    def _expire(self, place: str, data: bytes) -> None:
        # It is hidden in any case, so a place that cannot be written to does not matter.
        with suppress(OSError):
            self._remove_if(place, data[: header.USUAL_SIZE])

    def __setitem__(self, key: K, value: V) -> None:
        self._put(key, value, None)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._put(key, value, checked_ttl(ttl))

    def _put(self, key: K, value: V, ttl: float | None) -> None:
        name, place = self._write_name(key)
        data = self._packed(key, value, name, place, self._deadline(ttl))
        try:
            self._write(place, data)
        except OSError as error:
            self._fail("write", key, error)

    def _deadline(self, ttl: float | None) -> float | None:
        return None if ttl is None else self._timer() + ttl

    def _packed(self, key: object, value: object, name: str, place: str, deadline: float | None) -> bytes:
        """Encode a value, with what its header needs."""
        try:
            body = self._codec.encode(value, name)
        except EncodeError as error:
            raise self._error(
                EncodeError, "write", key, error, "nothing was written, the old value stands"
            ) from error
        if deadline is not None:
            try:
                self._expect_deadline()
            except OSError as error:
                self._fail("write", key, error)
        return header.pack(body, deadline=deadline, name=None if name == place else name)

    def __delitem__(self, key: K) -> None:
        name, place = self._read_name(key)
        try:
            if self._may_expire():
                self._live_header(key, name, place)
            if self._remove(place):
                return
        except OSError as error:
            self._fail("delete", key, error)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        try:
            name, place = self._read_name(key)
            self._live_header(key, name, place)
        except KeyError:
            return False
        except OSError as error:
            self._fail("look for", key, error)
        return True

    def _live_header(self, key: object, name: str, place: str) -> header.Header:
        """Give the header of an entry; one that cannot be read is there all the same."""
        found = self._header(place)
        if found is None:
            raise KeyError(key)
        head, data = found
        if head.deadline is not None and self._timer() >= head.deadline:
            self._expire(place, data)
            raise KeyError(key)
        return head

    def _header(self, place: str) -> tuple[header.Header, bytes] | None:
        """Give the header of a name, BARE where it cannot be read, and the bytes that it was read from."""
        data = self._head(place)
        if data is None:
            return None
        try:
            return header.read(data), data
        except header.Truncated:  # a very long key
            data = self._read(place)
            if data is None:
                return None
        except DecodeError:
            return header.BARE, data
        try:
            return header.read(data), data
        except DecodeError:
            return header.BARE, data

    # ------------------------------------------------------------------ all keys

    def __iter__(self) -> Iterator[K]:
        return self._keys("")

    def __len__(self) -> int:
        return sum(1 for _ in self._keys(""))

    def scan(self, prefix: str) -> Iterator[K]:
        checked_prefix(prefix)
        return self._keys(prefix)

    def _keys(self, prefix: str) -> Iterator[K]:
        return self._alive(self._listed(prefix), prefix)

    def _listed(self, prefix: str) -> list[str]:
        self._check_open()
        try:
            return self._names(prefix)
        except OSError as error:
            self._fail("list the keys", ABSENT, error)

    def _alive(self, names: Iterable[str], prefix: str) -> Iterator[K]:
        """Give the keys of names, leaving out what has expired and what is not of this storage."""
        may_expire = self._may_expire()
        for place in names:
            if self._naming.is_shortened(place):
                key = self._long_key(place)
            else:
                key = self._key(place)
                if may_expire and key is not ABSENT and _wanted(key, prefix) and key not in self:
                    continue
            if key is not ABSENT and _wanted(key, prefix):
                yield cast(K, key)

    def _key(self, name: str) -> object:
        try:
            return self._naming.key(name)
        except ValueError:
            return ABSENT  # a file of somebody else's

    def _long_key(self, place: str) -> object:
        """Give the key whose name in the place lacks its end; ABSENT if it has expired or is not ours."""
        try:
            found = self._header(place)
        except OSError as error:
            self._fail("list the keys", ABSENT, error)
        if found is None:
            return ABSENT
        name = found[0].name
        if name is None or self._naming.shortened(name) != place:
            return ABSENT  # without a sound header nobody can say which key it is of
        key = self._key(name)
        return key if key is not ABSENT and key in self else ABSENT

    def clear(self) -> None:
        for place in self._listed(""):
            if self._naming.is_shortened(place) or self._key(place) is not ABSENT:
                try:
                    self._remove(place)
                except OSError as error:
                    self._fail("clear: remove", place, error)

    # ------------------------------------------------------------------ life

    @property
    def timer(self) -> Timer:
        return self._timer

    def expires_at(self, key: K) -> float | None:
        name, place = self._read_name(key)
        try:
            return self._live_header(key, name, place).deadline
        except OSError as error:
            self._fail("read the deadline of", key, error)

    def ttl(self, key: K) -> float | None:
        deadline = self.expires_at(key)
        if deadline is None:
            return None
        left = deadline - self._timer()
        if left <= 0:  # it ran out between the two looks at the clock
            raise KeyError(key)
        return left

    def expire(self, key: K, ttl: float | None) -> None:
        seconds = checked_ttl(ttl)
        name, place = self._read_name(key)
        if seconds is not None:
            try:
                self._expect_deadline()
            except OSError as error:
                self._fail("give a deadline to", key, error)

        def later(data: bytes | None) -> bytes:
            if data is None:
                raise KeyError(key)
            head, body = self._opened(key, name, place, data)
            return header.pack(body, deadline=self._deadline(seconds), name=head.name)

        self._rewrite("give a deadline to", key, place, later)

    def purge(self) -> int:
        removed = 0
        if self._may_expire():
            for place in self._listed(""):
                try:
                    found = self._header(place)
                    if found is not None and found[0].deadline is not None:
                        head, data = found
                        if self._timer() >= cast(float, head.deadline):
                            self._remove_if(place, data[: header.USUAL_SIZE])
                            removed += 1
                except OSError as error:
                    self._fail("purge: remove", place, error)
        return removed

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        seconds = checked_ttl(ttl)
        if Capability.ADD not in self.capabilities:
            return super().add(key, value, ttl=ttl)
        name, place = self._write_name(key)
        packed = self._packed(key, value, name, place, self._deadline(seconds))

        def unless_there(data: bytes | None) -> bytes | None:
            if data is not None:
                with suppress(KeyError):  # one that has expired is not there
                    self._opened(key, name, place, data)
                    return None
            return packed

        return self._rewrite("add", key, place, unless_there)

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if Capability.SWAP not in self.capabilities:
            return super().swap(key, old, new, ttl=ttl)
        if old is ABSENT:
            return self.add(key, new, ttl=None if ttl is KEEP else ttl)
        seconds = None if ttl is KEEP else checked_ttl(ttl)
        name, place = self._write_name(key)

        def replaced(data: bytes | None) -> bytes | None:
            if data is None:
                return None
            try:
                head, body = self._opened(key, name, place, data)
            except KeyError:
                return None
            if self._decoded(key, body, name) != old:
                return None
            deadline = head.deadline if ttl is KEEP else self._deadline(seconds)
            return self._packed(key, new, name, place, deadline)

        return self._rewrite("swap", key, place, replaced)

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        if Capability.INCR not in self.capabilities:
            return super().incr(key, by, ttl=ttl)
        if isinstance(by, bool) or not isinstance(by, int):
            raise TypeError(f"by must be an int, not {type(by).__name__}")
        seconds = checked_ttl(ttl)
        name, place = self._write_name(key)
        total = 0

        def added(data: bytes | None) -> bytes:
            nonlocal total
            total, deadline = by, self._deadline(seconds)
            if data is not None:
                with suppress(KeyError):
                    head, body = self._opened(key, name, place, data)
                    value = self._decoded(key, body, name)
                    if isinstance(value, bool) or not isinstance(value, int):
                        raise TypeError(
                            f"could not add to {key!r}: its value is {type(value).__name__}, no int"
                        )
                    total, deadline = value + by, head.deadline
            return self._packed(key, total, name, place, deadline)

        self._rewrite("add to", key, place, added)
        return total

    def _decoded(self, key: object, body: bytes, name: str) -> Any:
        try:
            return self._decode(body, name)
        except DecodeError as error:
            raise self._error(type(error), "read", key, error, "the bytes are left where they are") from error

    def _rewrite(
        self, tried: str, key: object, place: str, change: Callable[[bytes | None], bytes | None]
    ) -> bool:
        """Replace an entry by what is made of it, on condition that it is still the one that was read.

        Nothing is locked while ``change`` runs; it gives None to leave all as it is.
        """
        try:
            for _ in range(_ATTEMPTS):
                data = self._read(place)
                changed = change(data)
                if changed is None:
                    return False
                if self._write_if(place, data, changed):
                    return True
        except OSError as error:
            self._fail(tried, key, error)
        raise self._error(
            ConflictError, tried, key, f"others wrote it {_ATTEMPTS} times meanwhile", "try again"
        )

    # ------------------------------------------------------------------ figures, lifecycle

    def close(self) -> None:
        self._closed = True

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        """Raise what a failure of the place is to the caller."""
        if isinstance(error, StorageError):
            raise error
        failure = self._error(UnavailableError, tried, key, *self._reason(error))
        failure.errno = error.errno
        raise failure from error

    def _reason(self, error: OSError) -> tuple[str, str]:
        """Say why the place failed, and what to do."""
        return str(error), ""


def _wanted(key: object, prefix: str) -> bool:
    return not prefix or (isinstance(key, str) and key.startswith(prefix))
