"""Entries in Redis as a mapping: reading, writing and listing them, one by one and many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import methodcaller
from typing import Any, NoReturn, TypeVar, cast

from pystorage.bytestorage import ByteStorage
from pystorage.codecs import Codec, header
from pystorage.errors import CapacityError, DecodeError
from pystorage.storage import ABSENT, Storage, Timer, checked_prefix, checked_ttl, pairs
from pystorage.stores import _rediscommands as commands
from pystorage.stores._rediserrors import RedisFailure, meaning
from pystorage.stores._redisnames import RedisNaming, all_plain_texts, names_of, pattern
from pystorage.stores._redisplace import RedisPlace
from pystorage.stores._redisrouting import Asked

K = TypeVar("K")
V = TypeVar("V")


_has_header = methodcaller("startswith", header.MAGIC)


class RedisEntries(ByteStorage[K, V]):
    """The part of ``RedisStorage`` that reads, writes and lists entries.

    Args:
        place: Where commands go.
        begin: What all keys of the storage begin with.
        life: Milliseconds that an entry lives when nobody says how long; None is for ever.
        codec: How values become bytes.
        timer: The clock that ``expires_at`` tells the time of, in seconds.

    Raises:
        Nothing.
    """

    def __init__(self, place: RedisPlace, begin: bytes, life: int | None, codec: Codec, timer: Timer) -> None:
        super().__init__(codec, RedisNaming(), timer)
        self._place = place
        self._ask = place.ask
        self._begin = begin
        self._begin_text = begin.decode()
        self._life = life

    # ------------------------------------------------------------------ primitives

    def _read(self, name: str) -> bytes | None:
        place = self._begin + name.encode("ascii")
        return cast("bytes | None", self._ask(place, commands.get(place), True))

    def _write(self, name: str, data: bytes) -> None:
        self._write_for(name, data, self._life)

    def _write_for(self, name: str, data: bytes, life: int | None) -> None:
        place = self._begin + name.encode("ascii")
        self._ask(place, commands.write(place, data, life), True)

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        if expected is None:
            return self._write_new(name, data, self._life)
        return bool(self._run(commands.SWAP, name, expected, data, b"keep") == 1)

    def _write_new(self, name: str, data: bytes, life: int | None) -> bool:
        place = self._begin + name.encode("ascii")
        return self._ask(place, commands.write(place, data, life, b"NX"), False) is not None

    def _remove(self, name: str) -> bool:
        place = self._begin + name.encode("ascii")
        return bool(self._ask(place, commands.packed(b"UNLINK", place), False))

    def _names(self, prefix: str) -> list[str]:
        return self._found(prefix)[0]

    def _found(self, prefix: str) -> tuple[list[str], bool]:
        """List the names of a prefix, and say whether all are plain."""
        beginning = self._names_begin(prefix)
        if beginning is None:
            return [], True
        found: dict[bytes, None] = {}  # a place may come twice
        for batch in self._place.listed(pattern(self._begin, beginning)):
            found.update(dict.fromkeys(batch))
        return names_of(found, self._begin)

    def _names_begin(self, prefix: str) -> str | None:
        return cast(RedisNaming, self._naming).beginning(prefix)

    def _may_expire(self) -> bool:
        return False  # as far as can be seen here: Redis lets nobody see what has expired

    def _run(self, script: commands.Script, name: str, *arguments: bytes, again: bool = False) -> Any:
        return self._place.run(script, self._begin + name.encode("ascii"), arguments, again)

    # ------------------------------------------------------------------ one key

    def _put(self, key: K, value: V, ttl: float | None) -> None:
        name = self._write_name(key)[0]
        data = self._data(key, value, name)
        try:
            self._write_for(name, data, self._life_of(ttl))
        except OSError as error:
            self._fail("write", key, error)

    def _data(self, key: object, value: object, name: str) -> bytes:
        """Encode a value, and refuse what Redis does not take."""
        data = self._packed(key, value, name, name, None)
        if len(data) > commands.LARGEST_VALUE:
            raise self._error(
                CapacityError, "write", key, f"{len(data):,} bytes are more than the 512 MiB that Redis takes"
            )
        return data

    def _life_of(self, ttl: float | None) -> int | None:
        return self._life if ttl is None else commands.milliseconds(ttl)

    def __delitem__(self, key: K) -> None:
        name = self._read_name(key)[0]
        try:
            there = self._remove(name)
        except OSError as error:
            self._fail("delete", key, error)
        if not there:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        try:
            name = self._read_name(key)[0]
        except KeyError:
            return False
        place = self._begin + name.encode("ascii")
        try:
            return bool(self._ask(place, commands.packed(b"EXISTS", place), True))
        except OSError as error:
            self._fail("look for", key, error)

    # ------------------------------------------------------------------ bulk

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        if self._writes_back:
            return Storage.get_many(self, keys)
        asked, names = self._asked(keys)
        head = self._begin_text
        try:
            replies = self._place.read_all([head + name for name in names])
        except OSError as error:
            self._fail("read many keys", ABSENT, error)
        return self._found_values(asked, names, replies)

    def _asked(self, keys: Iterable[K]) -> tuple[list[K], list[str]]:
        """Give each key that is asked for once, and their names."""
        self._check_open()
        known = list(dict.fromkeys(keys))
        if all_plain_texts(known):
            return known, cast("list[str]", known)
        return self._named(known)

    def _found_values(
        self, keys: Sequence[K], names: Sequence[str], replies: Sequence[bytes | None]
    ) -> dict[K, V]:
        """Decode what was found of the keys that were asked for."""
        if None in replies:
            there = [number for number, data in enumerate(replies) if data is not None]
            keys, names = [keys[number] for number in there], [names[number] for number in there]
            replies = [replies[number] for number in there]
        stored = cast("Sequence[bytes]", replies)
        # What begins with the mark of headers does not sort before it; one look tells that of most values.
        if stored and (max(stored) < header.MAGIC or True not in map(_has_header, stored)):
            # If one of them cannot be read, the way below says which.
            with suppress(DecodeError):
                return dict(zip(keys, self._codec.decode_many(stored, names), strict=True))
        found: dict[K, V] = {}
        decode = self._decode
        for key, name, data in zip(keys, names, stored, strict=True):
            if data.startswith(header.MAGIC):
                data = self._opened(key, name, name, data)[1]
            try:
                found[key] = decode(data, name)
            except DecodeError:
                self._decoded(key, data, name)  # which says where
                raise
        return found

    def _named(self, keys: Iterable[K]) -> tuple[list[K], list[str]]:
        """Give those that can be keys, and their names."""
        known, names = [], []
        for key in keys:
            with suppress(KeyError):
                names.append(self._read_name(key)[0])
                known.append(key)
        return known, names

    def _stored_value(self, key: object, name: str, data: bytes) -> V:
        if data.startswith(header.MAGIC):
            data = self._opened(key, name, name, data)[1]
        return cast(V, self._decoded(key, data, name))

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        for some in self._writes(items, ttl):
            try:
                self._place.ask_all(some, True)
            except OSError as error:
                self._fail("write many keys", ABSENT, error)

    def _writes(self, items: Mapping[K, V] | Iterable[tuple[K, V]], ttl: float | None) -> Iterator[Asked]:
        """Give the commands that write entries, as many at a time as are sent together."""
        life = self._life_of(checked_ttl(ttl))
        self._check_open()
        waiting: dict[bytes, commands.Packed] = {}
        size = 0
        for key, value in pairs(items):
            name = self._write_name(key)[0]
            data = self._data(key, value, name)
            place = self._begin + name.encode("ascii")
            waiting[place] = commands.write(place, data, life)
            size += len(data)
            if len(waiting) == commands.BATCH or size >= commands.BATCH_BYTES:
                yield list(waiting.items())
                waiting, size = {}, 0
        if waiting:
            yield list(waiting.items())

    def delete_many(self, keys: Iterable[K]) -> int:
        self._check_open()
        places = [self._begin + name.encode("ascii") for name in self._named(dict.fromkeys(keys))[1]]
        try:
            return self._place.remove_all(places, again=False)
        except OSError as error:
            self._fail("delete many keys", ABSENT, error)

    # ------------------------------------------------------------------ all keys

    def __iter__(self) -> Iterator[K]:
        return self._keys("")

    def __len__(self) -> int:
        return len(self._listed_keys(""))

    def __bool__(self) -> bool:
        self._check_open()
        try:
            for batch in self._place.listed(pattern(self._begin)):
                names, plain = names_of(batch, self._begin)
                if names and (plain or any(self._key(name) is not ABSENT for name in names)):
                    return True
        except OSError as error:
            self._fail("look for any key", ABSENT, error)
        return False

    def scan(self, prefix: str) -> Iterator[K]:
        checked_prefix(prefix)
        return (key for key in self._keys(prefix) if isinstance(key, str))

    def _keys(self, prefix: str) -> Iterator[K]:
        return iter(self._listed_keys(prefix))

    def _listed_keys(self, prefix: str) -> list[K]:
        self._check_open()
        try:
            names, plain = self._found(prefix)
        except OSError as error:
            self._fail("list the keys", ABSENT, error)
        if plain:
            return cast("list[K]", names)
        return cast("list[K]", [key for key in map(self._key, names) if key is not ABSENT])

    def clear(self) -> None:
        self._check_open()
        try:
            for batch in self._place.listed(pattern(self._begin)):
                names, plain = names_of(batch, self._begin)
                own = names if plain else [name for name in names if self._key(name) is not ABSENT]
                self._place.remove_all([self._begin + name.encode("ascii") for name in own], again=True)
        except OSError as error:
            self._fail("clear", ABSENT, error)

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        if not isinstance(error, RedisFailure):
            super()._fail(tried, key, error)
        kind, why, todo = meaning(error)
        failure = self._error(kind, tried, key, why, todo)
        if isinstance(failure, OSError):
            failure.errno = error.errno
        raise failure from error.error
