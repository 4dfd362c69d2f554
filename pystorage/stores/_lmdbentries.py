"""The entries of an LMDB file as a mapping: what ``LMDBStorage`` reads, writes and lists."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from typing import Any, Final, TypeVar, cast

from pystorage._typevars import K, V
from pystorage.bytestorage import ByteStorage
from pystorage.codecs import BytesCodec, Codec, header
from pystorage.errors import CapacityError, DecodeError, InvalidKeyError, UnavailableError
from pystorage.naming import Naming
from pystorage.storage import ABSENT, Timer, checked_ttl, pairs
from pystorage.stores import _lmdbindex as index
from pystorage.stores._lmdbfile import SETTINGS, Database
from pystorage.stores._local import LocalStorage

T = TypeVar("T")

_LONGEST: Final = 400
#: Characters that stand for themselves in a name, as bytes.
_PLAIN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_OWN_END: Final = b"%q"
# Which keys are their own names is remembered for so many.
_REMEMBERED: Final = 10_000
# How often reads are written down, in seconds, where nothing is written; and after how many at the latest.
_GRAIN: Final = 1.0
_MOST_READS: Final = 10_000
# How many expired entries a write removes.
_SWEPT: Final = 8
# How many names are looked at together.
_PART: Final = 4000


class LMDBEntries(LocalStorage[K, V]):
    """A storage in an LMDB file as a mapping: the part of ``LMDBStorage`` that works on its entries.

    Args:
        codec: How values become bytes.
        timer: The clock of the deadlines, in seconds.
        limit: The most entries; None is any number.
        size_limit: The most bytes of names and values; None is any number.

    Raises:
        Nothing.
    """

    _database: Database

    def __init__(self, codec: Codec, timer: Timer, limit: int | None, size_limit: int | None) -> None:
        super().__init__(codec, Naming(max_length=_LONGEST, files=False), timer)
        self._limits = limit, size_limit
        self._limited = limit is not None or size_limit is not None
        # Whether values are the very bytes that are stored, and need no decoding.
        self._as_is = type(codec) is BytesCodec
        # Key that is its own name → this as it is stored.
        self._stored: dict[object, bytes] = {}
        self._next_note = 0.0

    # ------------------------------------------------------------------ reading one key

    def __getitem__(self, key: K) -> V:
        # This is all that a plain read needs; whatever is unusual is left to the general way.
        place = self._stored.get(key) if type(key) is str else None
        if place is None:
            return self._found(key)
        database = self._database
        database.enter(None)
        try:
            data = database.begin().get(place)
        except Exception:
            data = None
        finally:
            database.leave()
            if database.shut:
                database.tell()
        # Most values are told from a header by their first byte, which is quicker.
        if data is None or (data >= header.MAGIC and data.startswith(header.MAGIC)) or self._writes_back:
            return self._found(key)
        if self._limited:
            self._note(place)
        if self._as_is:
            return cast(V, data)
        try:
            return cast(V, self._decode(data, cast(str, key)))
        except DecodeError:
            return super().__getitem__(key)  # which says what is wrong

    def _found(self, key: K) -> V:
        value = super().__getitem__(key)
        self._place_of(key)
        if self._limited:
            self._note(self._read_name(key)[1].encode())
        return value

    def _place_of(self, key: object) -> bytes | None:
        """Give the name of a plain key as it is stored, and remember it; None for other keys."""
        if type(key) is not str or not self._plain(key) or self._closed:
            return None
        if len(self._stored) >= _REMEMBERED:
            self._stored.clear()
        place = self._stored[key] = key.encode()
        return place

    def _load(self, key: K) -> V:
        return super().__getitem__(key)

    def _note(self, place: bytes) -> None:
        """Remember that an entry was read, and write down what was read when it is time."""
        used = self._database.used
        used.pop(place, None)
        used[place] = None
        now = time.monotonic()
        if now >= self._next_note or len(used) > _MOST_READS:
            if self._next_note:
                # The value was read all the same; what is wrong with writing the next write will tell.
                with suppress(UnavailableError, DecodeError):
                    self.flush()
            self._next_note = now + _GRAIN

    # ------------------------------------------------------------------ writing one key

    def _put(self, key: K, value: V, ttl: float | None) -> None:
        # Here too, what is usual is done at once, and all else in the general way.
        if ttl is None and not self._limited:
            place = (self._stored.get(key) if type(key) is str else None) or self._place_of(key)
            if place is not None:
                data = self._packed(key, value, cast(str, key), cast(str, key), None)
                if not self._database.put(place, data):
                    try:
                        self._write(cast(str, key), data)
                    except OSError as error:
                        self._fail("write", key, error)
                return
        super()._put(key, value, ttl)

    # ------------------------------------------------------------------ primitives

    def _read(self, name: str) -> bytes | None:
        place = name.encode("latin-1")

        def look(transaction: Any) -> bytes | None:
            data = transaction.get(place)
            return None if data is None else bytes(data)

        return self._database.read(look)

    def _head(self, name: str, size: int = header.USUAL_SIZE) -> bytes | None:
        place = name.encode("latin-1")

        def look(transaction: Any) -> bytes | None:
            data = transaction.get(place)
            return None if data is None else bytes(data[:size])

        return self._database.read(look)

    def _write(self, name: str, data: bytes) -> None:
        place = self._fitting(name, data)
        self._change(lambda transaction: index.put(self._database, transaction, place, data))

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        place = self._fitting(name, data)

        def put(transaction: Any) -> bool:
            found = transaction.get(place)
            if (None if found is None else bytes(found)) != expected:
                return False
            index.put(self._database, transaction, place, data)
            return True

        return self._change(put)

    def _remove(self, name: str) -> bool:
        place = name.encode("latin-1")
        return self._change(lambda transaction: index.remove(self._database, transaction, place))

    def _remove_if(self, name: str, head: bytes) -> None:
        place = name.encode("latin-1")

        def removed(transaction: Any) -> None:
            found = transaction.get(place)
            if found is not None and bytes(found[: len(head)]) == head:
                index.remove(self._database, transaction, place)

        self._change(removed)

    def _fitting(self, name: str, data: bytes) -> bytes:
        """Give a name as it is stored; refuse an entry that is larger than all may be."""
        most = self._limits[1]
        if most is not None and len(name) + len(data) > most:
            key = name if self._naming.is_shortened(name) else self._key(name)
            raise self._error(
                CapacityError, "write", key,
                f"name and value are {len(name) + len(data)} bytes, and size_limit is {most}",
                "the old value stands; give the storage more room, or store less",
            )  # fmt: skip
        return name.encode()

    def _change(self, change: Callable[[Any], T]) -> T:
        """Change entries in one transaction, with what is kept beside them."""
        database, now = self._database, self._timer()
        noted: list[bytes] = []

        def changed(transaction: Any) -> T:
            own = database.seen(transaction)
            if not own:
                return change(transaction)
            if "order" in own and database.used:
                noted[:] = list(database.used)
                index.note_reads(database, transaction, noted)
            done = change(transaction)
            if "deadlines" in own:
                index.remove_expired(database, transaction, now, _SWEPT)
            if self._limited:
                index.make_room(database, transaction, *self._limits, now)
            return done

        done = database.write(changed)
        for place in noted:
            database.used.pop(place, None)
        return done

    # ------------------------------------------------------------------ life

    def _may_expire(self) -> bool:
        return False  # what has expired is not among the names in the first place

    def _expect_deadline(self) -> None:
        self._database.ensure("deadlines")

    def __delitem__(self, key: K) -> None:
        _, place = self._read_name(key)
        if not self._deleted([place.encode()], "delete", key):
            raise KeyError(key)

    def _deleted(self, places: list[bytes], tried: str, key: object) -> int:
        now = self._timer()

        def delete(transaction: Any) -> int:
            count = 0
            for place in places:
                found = transaction.get(place)
                if found is not None:
                    deadline = index.deadline_of(found)
                    index.remove(self._database, transaction, place)
                    count += deadline is None or now < deadline
            return count

        try:
            return self._change(delete)
        except OSError as error:
            self._fail(tried, key, error)

    def purge(self) -> int:
        self._check_open()
        now = self._timer()
        try:
            if not self._database.read(lambda transaction: self._dead(transaction, now)):
                return 0
            return self._change(
                lambda transaction: index.remove_expired(self._database, transaction, now, None)
            )
        except OSError as error:
            self._fail("purge", ABSENT, error)

    def _dead(self, transaction: Any, now: float) -> list[bytes]:
        self._database.seen(transaction)
        return list(index.expired(self._database, transaction, now))

    # ------------------------------------------------------------------ bulk

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        named = []
        for key in keys:
            self._check_open()
            try:
                named.append((key, *self._read_name(key)))
            except KeyError:
                continue

        def look(transaction: Any) -> list[bytes | None]:
            found = (transaction.get(place.encode()) for _, _, place in named)
            return [None if data is None else bytes(data) for data in found]

        try:
            everything = self._database.read(look)
        except OSError as error:
            self._fail("read", ABSENT, error)
        values: dict[K, V] = {}
        for (key, name, place), data in zip(named, everything, strict=True):
            if data is None:
                continue
            try:
                body = self._opened(key, name, place, data)[1]
            except KeyError:
                continue  # expired
            values[key] = self._decoded(key, body, name)
            if self._writes_back:
                self._write_back(key, name, place, body, values[key])
            if self._limited:
                self._note(place.encode())
        return values

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        """Write several entries, all or none.

        Args:
            items: A mapping, or pairs of key and value.
            ttl: Seconds that they live, > 0; None is for ever.

        Raises:
            StorageError: As ``set`` does; nothing is written.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: one transaction, and the memory of all encoded values.
        """
        seconds = checked_ttl(ttl)
        self._check_open()
        packed = []
        for key, value in pairs(items):
            name, place = self._write_name(key)
            data = self._packed(key, value, name, place, self._deadline(seconds))
            packed.append((self._fitting(place, data), data))

        def put(transaction: Any) -> None:
            for place, data in packed:
                index.put(self._database, transaction, place, data)

        try:
            self._change(put)
        except OSError as error:
            self._fail("write several entries", ABSENT, error)

    def delete_many(self, keys: Iterable[K]) -> int:
        self._check_open()
        places = []
        for key in keys:
            try:
                places.append(self._read_name(key)[1].encode())
            except KeyError:
                continue
        return self._deleted(places, "delete several entries", ABSENT) if places else 0

    def clear(self) -> None:
        self._check_open()

        def cleared(transaction: Any) -> None:
            for place in self._all_names(transaction):
                transaction.delete(place)
            for database in self._database.databases.values():
                transaction.drop(database, delete=False)

        try:
            self._change(cleared)
        except OSError as error:
            self._fail("clear", ABSENT, error)

    # ------------------------------------------------------------------ all keys

    def __bool__(self) -> bool:
        return len(self) > 0

    def __len__(self) -> int:
        self._check_open()
        try:
            return self._database.read(partial(self._count, now=self._timer()))
        except OSError as error:
            self._fail("count", ABSENT, error)

    def _count(self, transaction: Any, now: float) -> int:
        own = self._database.seen(transaction)
        count = transaction.stat()["entries"] - 1 - len(own)
        if "deadlines" in own:
            count -= sum(1 for _ in index.expired(self._database, transaction, now))
        return cast(int, count)

    def __iter__(self) -> Iterator[K]:
        self._check_open()
        if self._limited:
            return self._alive(self._names(""), "")
        now = self._timer()

        def look(transaction: Any) -> list[list[bytes] | bytes]:
            dead: set[bytes] = set()
            if "deadlines" in self._database.seen(transaction):
                dead.update(index.expired(self._database, transaction, now))
            names = transaction.cursor().iternext(values=False)
            return [_lines(part, dead) for part in iter(lambda: list(islice(names, _PART)), [])]

        try:
            parts = self._database.read(look, buffers=False)
        except OSError as error:
            self._fail("list the keys", ABSENT, error)
        return chain.from_iterable(map(self._keys_of, parts))

    def _keys_of(self, part: list[bytes] | bytes) -> Iterable[K]:
        if isinstance(part, bytes):
            return cast("list[K]", part.decode().split("\n"))
        return self._alive([name.decode("latin-1") for name in part], "")

    # It looks at the names itself, and does not need the iteration.
    scan = ByteStorage.scan

    def _names(self, prefix: str) -> list[str]:
        start = b""
        if prefix:
            try:
                # Of a name that is too long only its beginning is there.
                start = self._naming.name(prefix).encode()[:100]
            except InvalidKeyError:
                return []
        return [name.decode("latin-1") for name in self._raw_list(start)]

    def _raw_list(self, start: bytes) -> list[bytes]:
        """Give the names that begin so and are alive, the next victim first where there is an order."""
        now = self._timer()

        def look(transaction: Any) -> list[bytes]:
            own = self._database.seen(transaction)
            if self._limited:
                names = [name for name in self._in_order(transaction) if name.startswith(start)]
            else:
                names = self._raw_names(transaction, start)
            if "deadlines" in own:
                dead = set(index.expired(self._database, transaction, now))
                if dead:
                    names = [name for name in names if name not in dead]
            return names

        try:
            return self._database.read(look, buffers=False)
        except OSError as error:
            self._fail("list the keys", ABSENT, error)

    def _in_order(self, transaction: Any) -> list[bytes]:
        names = index.in_order(self._database, transaction)
        read = list(self._database.used)
        if not read:
            return names
        there = dict.fromkeys(names)
        for name in read:  # which is not written down yet
            if name in there:
                del there[name]
                there[name] = None
        return list(there)

    @staticmethod
    def _raw_names(transaction: Any, start: bytes) -> list[bytes]:
        """Give the names that begin so, without those of our own."""
        cursor = transaction.cursor()
        if not start:
            return _without_own(list(cursor.iternext(values=False)))
        names = []
        if cursor.set_range(start):
            for key in cursor.iternext(values=False):
                if not key.startswith(start):
                    break
                names.append(key)
        return names

    @staticmethod
    def _all_names(transaction: Any) -> list[bytes]:
        """Give the same in a transaction that writes, whose keys are views."""
        return _without_own(list(map(bytes, transaction.cursor().iternext(values=False))))


def _lines(names: list[bytes], dead: set[bytes]) -> list[bytes] | bytes:
    """Give plain names as lines, which take little room and are quick to split; others as they are."""
    if names[0] < _OWN_END:
        names = _without_own(names)
    if dead:
        names = [name for name in names if name not in dead]
    lines = b"\n".join(names)
    # The breaks between them are all that is not plain.
    if lines.translate(None, _PLAIN) == b"\n" * (len(names) - 1) and lines:
        return lines
    return names


def _without_own(names: list[bytes]) -> list[bytes]:
    del names[bisect_left(names, SETTINGS) : bisect_left(names, _OWN_END)]
    return names
