"""Entries of bytes under names: keys, codec, deadlines and errors above four primitives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeVar, cast

from pystorage.codecs import Codec, header
from pystorage.errors import (
    ClosedError,
    DecodeError,
    EncodeError,
    IntegrityError,
    InvalidKeyError,
    StorageError,
    UnavailableError,
)
from pystorage.naming import Naming
from pystorage.storage import ABSENT, Capability, Storage, Timer, checked_prefix, checked_ttl

K = TypeVar("K")
V = TypeVar("V")


class ByteEntries(Storage[K, V]):
    """A storage of bytes as a mapping: the part of ``ByteStorage`` that reads, writes and lists entries.

    Args:
        codec: How values become bytes.
        naming: How keys become names.
        timer: The clock of the deadlines, in seconds.

    Raises:
        Nothing.
    """

    __slots__ = ("_closed", "_codec", "_decode", "_naming", "_plain", "_timer", "_writes_back")

    capabilities: Capability = Capability.TTL

    def __init__(self, codec: Codec, naming: Naming, timer: Timer) -> None:
        self._codec = codec
        self._decode = codec.decode
        self._writes_back = codec.writes_back
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

    def _head(self, name: str, size: int = header.USUAL_SIZE) -> bytes | None:
        """Give at least so many of the first bytes of a name; None where it is absent."""
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
        plain: Any = key
        if type(plain) is str and self._plain(plain) and not self._closed:
            name = place = plain
        else:
            name, place = self._read_name(key)
        try:
            data = self._read(place)
        except OSError as error:
            self._fail("read", key, error)
        return self._value_of(key, name, place, data)

    def _value_of(self, key: K, name: str, place: str, data: bytes | None) -> V:
        """Give the value of a key that has a name, and something that stands for it in the place."""
        if data is None:
            raise KeyError(key)
        if data.startswith(header.MAGIC) or name is not place:
            data = self._opened(key, name, place, data)[1]
        try:
            value: V = self._decode(data, name)
        except DecodeError as error:
            raise self._error(type(error), "read", key, error, "the bytes are left where they are") from error
        if self._writes_back:
            self._write_back(key, name, place, data, value)
        return value

    def _write_back(self, key: object, name: str, place: str, body: bytes, value: object) -> None:
        """Write a value anew that was stored as it would not be now, unless somebody wrote meanwhile."""
        # The value was read, so a place or a codec that refuses to write it does not matter.
        with suppress(OSError, StorageError, KeyError):
            if not self._codec.outdated(body, name):
                return
            data = self._read(place)
            if data is None:
                return
            head, found = self._opened(key, name, place, data)
            if found == body:
                self._write_if(place, data, self._packed(key, value, name, place, head.deadline))

    def _opened(self, key: object, name: str, place: str, data: bytes) -> tuple[header.Header, bytes]:
        """Take the header off an entry that is alive."""
        try:
            head, body = header.unpack(data)
        except DecodeError as error:
            raise self._error(DecodeError, "read", key, error, "the bytes are left where they are") from error
        self._check_name(key, name, place, head)
        if head.deadline is not None and self._timer() >= head.deadline:
            self._expire(place, data)
            raise KeyError(key)
        return head, body

    def _check_name(self, key: object, name: str, place: str, head: header.Header) -> None:
        """Refuse an entry of another key, where the name in the place cannot tell."""
        if name != place and head.name != name:
            whose = "is of no key" if head.name is None else f"is of another key, {head.name[:100]!r}"
            raise self._error(IntegrityError, "read", key, f"the entry there {whose}")

    def _expire(self, place: str, data: bytes) -> None:
        # It is hidden in any case, so a place that cannot be written to does not matter.
        with suppress(OSError):
            self._remove_if(place, data[: header.USUAL_SIZE])

    def __setitem__(self, key: K, value: V) -> None:
        self._put(key, value, None)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._put(key, value, checked_ttl(ttl))

    def _put(self, key: K, value: V, ttl: float | None) -> None:
        name: str
        plain: Any = key
        if type(plain) is str and self._plain(plain) and not self._closed:
            name = place = plain
        else:
            name, place = self._write_name(key)
        data = self._packed(key, value, name, place, None if ttl is None else self._deadline(ttl))
        try:
            self._write(place, data)
        except OSError as error:
            self._fail("write", key, error)

    def _deadline(self, ttl: float | None) -> float | None:
        return None if ttl is None else self._timer() + ttl

    def _packed(self, key: object, value: object, name: str, place: str, deadline: float | None) -> bytes:
        """Encode a value, with what its header needs."""
        body = self._encoded(key, value, name)
        if deadline is None and name is place and not body.startswith(header.MAGIC):
            return body
        if deadline is not None:
            try:
                self._expect_deadline()
            except OSError as error:
                self._fail("write", key, error)
        return header.pack(body, deadline=deadline, name=None if name == place else name)

    def _encoded(self, key: object, value: object, name: str) -> bytes:
        try:
            return self._codec.encode(value, name)
        except EncodeError as error:
            raise self._error(
                EncodeError, "write", key, error, "nothing was written, the old value stands"
            ) from error

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
        return read_header(lambda size: self._head(place, size))

    # ------------------------------------------------------------------ all keys

    def __iter__(self) -> Iterator[K]:
        return self._keys("")

    def __len__(self) -> int:
        return sum(1 for _ in self._keys(""))

    def scan(self, prefix: str) -> Iterator[K]:
        checked_prefix(prefix)
        return (key for key in self._keys(prefix) if isinstance(key, str))

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
                key = self._key_at(place)
                if may_expire and key is not ABSENT and _wanted(key, prefix) and key not in self:
                    continue
            if key is not ABSENT and _wanted(key, prefix):
                yield cast(K, key)

    def _key(self, name: str) -> object:
        try:
            return self._naming.key(name)
        except ValueError:
            return ABSENT  # a file of somebody else's

    def _key_at(self, place: str) -> object:
        """Give the key whose whole name stands in the place; ABSENT where it would be shortened there."""
        return self._key(place) if self._naming.shortened(place) == place else ABSENT

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
            if self._naming.is_shortened(place) or self._key_at(place) is not ABSENT:
                try:
                    self._remove(place)
                except OSError as error:
                    self._fail("clear: remove", place, error)

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


def read_header(head: Callable[[int], bytes | None]) -> tuple[header.Header, bytes] | None:
    """Read the header of an entry from no more of it than is needed.

    Args:
        head: Gives at least so many of its first bytes, or all there are; None where it is absent.

    Returns:
        The header, BARE where it cannot be read, and the bytes that it was read from; None where there are
        none.

    Raises:
        OSError: What ``head`` raises.
    """
    size = header.USUAL_SIZE
    while True:
        data = head(size)
        if data is None:
            return None
        try:
            return header.read(data), data
        except header.Truncated as error:
            if len(data) < size:  # there is no more
                return header.BARE, data
            size = max(error.needed, size + 1)  # a very long key
        except DecodeError:
            return header.BARE, data


def _wanted(key: object, prefix: str) -> bool:
    return not prefix or (isinstance(key, str) and key.startswith(prefix))
