"""A table of SQLite as a mapping that is read: one key, several, all of them."""

from __future__ import annotations

import io
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final, TypeVar, cast

from pystorage.codecs import Codec, header, label_of
from pystorage.errors import DecodeError, IntegrityError, InvalidKeyError
from pystorage.naming import Naming
from pystorage.storage import ABSENT, Timer, checked_prefix
from pystorage.stores._local import LocalStorage
from pystorage.stores._sqlite_connections import Connections
from pystorage.stores._sqlite_entries import Entries, select
from pystorage.stores._valuefiles import ValueFiles

K = TypeVar("K")
V = TypeVar("V")

# Names are ASCII that can be read, of any length; that of a text without "%" is the text itself.
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
NAMING: Final = Naming(max_length=1 << 30, safe=_PRINTABLE, files=False)

# As BLOB, so that what is TEXT comes as bytes too.
_COLUMNS: Final = "CAST(value AS BLOB), deadline, file, size"
# The bytes of a value, or a text that says where they lie: each column that is read takes its time.
_QUICK: Final = (
    "SELECT ifnull(CAST(value AS BLOB), file || ' ' || size), deadline FROM entries WHERE name = ?"
)
#: What is read of an entry, by its name.
GET: Final = f"SELECT {_COLUMNS} FROM entries WHERE name = ?"
_DEADLINE: Final = "SELECT deadline FROM entries WHERE name = ?"
#: What has not expired, at a time.
LIVES: Final = "(deadline IS NULL OR deadline > ?)"
_ANY: Final = f"SELECT 1 FROM entries WHERE {LIVES} LIMIT 1"
_ANY_EXPIRED: Final = "SELECT 1 FROM entries WHERE deadline <= ? LIMIT 1"
#: The names of all entries.
NAMES: Final = "SELECT name FROM entries "
_JOINED: Final = "SELECT group_concat(name, char(10)) FROM entries"
_LIVING: Final = "id NOT IN (SELECT id FROM entries WHERE deadline <= ?) "
_SIZE: Final = """SELECT entries - (SELECT count(*) FROM entries WHERE deadline <= ?), bytes -
    ifnull((SELECT sum(size) FROM entries WHERE deadline <= ?), 0) FROM counters"""

# Names that are fetched as one text, at most: some ten megabytes.
_AT_ONCE: Final = 500_000
# How long reads are remembered before they are written down, in seconds, and how many at most.
_GRAIN: Final = 1.0
_MANY: Final = 10_000
_BUFFER: Final = 1 << 17


class TableReads(LocalStorage[K, V]):
    """The part of ``SQLiteStorage`` that reads entries.

    Args:
        codec: How values become bytes.
        timer: The clock of the deadlines, in seconds.
        large: Values of more bytes lie in files.
        limited: Whether there is a limit.

    Raises:
        Nothing.
    """

    _connections: Connections
    _entries: Entries
    _files: ValueFiles

    def __init__(self, codec: Codec, timer: Timer, large: int, *, limited: bool) -> None:
        super().__init__(codec, NAMING, timer)
        self._limited = limited
        self._large = large
        self._is_json = label_of(codec) == "json"
        # Names in the order of their last use, as far as nobody else knows of it.
        self._recent: dict[str, None] = {}
        self._noted = time.monotonic()
        self._counting = threading.Lock()
        self._evicted = self._expired = 0

    # ------------------------------------------------------------------ reading

    def __getitem__(self, key: K) -> V:
        # The usual case without a call of ours: an entry in the table under a plain text.
        name: str
        plain: Any = key
        if (
            type(plain) is str
            and plain.isascii()
            and plain.isprintable()
            and "%" not in plain
            and plain
            and not self._closed
        ):
            name = plain
        else:
            name = self._read_name(key)[0]
        connections = self._connections
        idle = connections.idle
        try:
            cursor = idle.pop()
        except IndexError:  # the first one, or all are in use
            return self._read_again(key, name)
        try:
            row = cursor.execute(_QUICK, (name,)).fetchone()
        except BaseException as error:
            connections.drop(cursor)
            if isinstance(error, sqlite3.Error):
                return self._read_again(key, name)
            raise
        idle.append(cursor)
        if connections.wanted:
            connections.given()
        if row is None:
            raise KeyError(key)
        data, deadline = row
        if deadline is not None and self._timer() >= deadline:
            raise KeyError(key)
        if type(data) is not bytes:
            try:
                file, _, size = str(data).rpartition(" ")
                data = self._from_file(key, file, int(size))
            except (FileNotFoundError, ValueError):  # it was replaced meanwhile, or there is nothing right
                return self._read_again(key, name)
            except OSError as error:
                self._fail("read", key, error)
        try:
            value = self._decode(data, name)
        except DecodeError as error:
            raise self._error(type(error), "read", key, error, "the bytes are left where they are") from error
        if self._writes_back:
            self._write_back(key, name, name, data, value)
        if self._limited:
            self._used(name)
        return cast(V, value)

    def _read_again(self, key: K, name: str) -> V:
        value = self._value(key, name)
        if self._limited:
            self._used(name)
        return value

    def _load(self, key: K) -> V:
        return self._value(key, self._read_name(key)[0])

    def _value(self, key: K, name: str) -> V:
        try:
            data = self._found(key, name)
        except OSError as error:
            self._fail("read", key, error)
        value = self._decoded(key, data, name)
        if self._writes_back:
            self._write_back(key, name, name, data, value)
        return cast(V, value)

    def _fetch(self, statement: str, name: str) -> Any:
        return self._connections.run(lambda cursor: cursor.execute(statement, (name,)).fetchone())

    def _found(self, key: object, name: str) -> bytes:
        """Give the bytes of an entry that is alive."""
        missing = None
        while True:
            row = self._fetch(GET, name)
            if row is None:
                raise KeyError(key)
            data, deadline, file, size = row
            if deadline is not None and self._timer() >= deadline:
                raise KeyError(key)
            if file is None and data is not None:
                return cast(bytes, data)
            try:
                return self._from_file(key, file, size)
            except FileNotFoundError as error:
                if file == missing:
                    raise self._broken(key, f"the file of its value is gone ({error.filename!r})") from error
                missing = file  # it was replaced in between, or it is really gone

    def _from_file(self, key: object, file: str | None, size: int) -> bytes:
        if file is None:
            raise self._broken(key, "it has no value")
        data = self._files.read(file, size)
        if len(data) != size:
            raise self._broken(key, f"the file of its value has not {size} bytes ({file!r})")
        return data

    def _broken(self, key: object, why: str) -> IntegrityError:
        return self._error(IntegrityError, "read", key, why, "verify() takes it out of the way")

    def _live_header(self, key: object, name: str, place: str) -> header.Header:
        row = self._fetch(_DEADLINE, name)
        if row is None or (row[0] is not None and self._timer() >= row[0]):
            raise KeyError(key)
        return header.Header(deadline=row[0])

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        asked: dict[str, K] = {}
        for key in keys:
            try:
                asked.setdefault(self._read_name(key)[0], key)
            except KeyError:
                continue
        self._check_open()
        rows = self._looked("read", ABSENT, lambda cursor: select(cursor, f"name, {_COLUMNS}", list(asked)))
        now = self._timer()
        values: dict[str, V] = {}
        for name, data, deadline, file, _ in rows:
            key = asked[name]
            if deadline is not None and now >= deadline:
                continue
            if file is not None or data is None or self._writes_back:
                value = self._load_or_absent(key)
                if value is not ABSENT:
                    values[name] = cast(V, value)
                continue
            values[name] = self._decoded(key, data, name)
        if self._limited:
            for name in asked:
                if name in values:
                    self._used(name)
        return {key: values[name] for name, key in asked.items() if name in values}

    def _opened_value(self, key: object, name: str) -> BinaryIO:
        """Open the bytes of an entry that is alive."""
        missing = None
        while True:
            row = self._fetch(GET, name)
            if row is None or (row[1] is not None and self._timer() >= row[1]):
                raise KeyError(key)
            data, _, file, size = row
            if file is None:
                if data is None:
                    raise self._broken(key, "it has no value")
                return io.BytesIO(data)
            try:
                opened = io.FileIO(self._files.open(file), "rb")
            except FileNotFoundError as error:
                if file == missing:
                    raise self._broken(key, f"the file of its value is gone ({error.filename!r})") from error
                missing = file
                continue
            if os.fstat(opened.fileno()).st_size != size:
                opened.close()
                raise self._broken(key, f"the file of its value has not {size} bytes ({file!r})")
            return cast(BinaryIO, io.BufferedReader(opened, _BUFFER))

    def _fault(self, name: str, data: bytes | None, file: str | None, size: int) -> str | None:
        """Say what is wrong with a value; None where nothing is."""
        try:
            if file is not None or data is None:
                data = self._from_file(self._key(name), file, size)
            if len(data) != size:
                return f"its value has {len(data)} bytes and should have {size}"
            self._decode(data, name)
        except FileNotFoundError:
            return "the file of its value is gone"
        except (DecodeError, OSError) as error:
            return str(error)
        return None

    def _load_or_absent(self, key: K) -> object:
        try:
            return self._load(key)
        except KeyError:
            return ABSENT

    def _looked(
        self, tried: str, key: object, work: Callable[[sqlite3.Cursor], Any], *, one: bool = False
    ) -> Any:
        """Read something; as of one moment, if several statements do so."""
        try:
            return self._connections.run(work, "BEGIN" if one else "")
        except OSError as error:
            self._fail(tried, key, error)

    # ------------------------------------------------------------------ recency

    def _used(self, name: str) -> None:
        """Remember that an entry was used; what is remembered is written down now and then."""
        recent = self._recent
        recent.pop(name, None)
        recent[name] = None
        if time.monotonic() - self._noted > _GRAIN or len(recent) > _MANY:
            self._noted = time.monotonic()
            self._note_use(0.0)

    def _note_use(self, timeout: float) -> None:
        recent = self._taken_recent()
        if not recent:
            return
        try:
            self._connections.run(
                lambda cursor: self._entries.use(cursor, recent), "BEGIN IMMEDIATE", timeout=timeout
            )
        except OSError:
            # What was asked for is done, and this is only about who goes next: somebody else is writing, or
            # the disk is full, and the next write tells.
            self._put_back(recent)

    def _taken_recent(self) -> list[str]:
        recent, self._recent = self._recent, {}
        return list(recent)

    def _put_back(self, recent: list[str]) -> None:
        newer, self._recent = self._recent, dict.fromkeys(recent[-_MANY:])
        for name in list(newer):
            self._recent.pop(name, None)
            self._recent[name] = None

    # ------------------------------------------------------------------ all keys

    def __iter__(self) -> Iterator[K]:
        return iter(self._all())

    def _all(self) -> list[K]:
        self._check_open()
        now = self._timer()
        if self._limited:
            self._note_use(0.0)
            return self._keys_of(self._listing("ORDER BY used", now, ()))

        def joined(cursor: sqlite3.Cursor) -> str | None:
            (count,) = cursor.execute("SELECT entries FROM counters").fetchone()
            if count > _AT_ONCE or cursor.execute(_ANY_EXPIRED, (now,)).fetchone() is not None:
                return None
            return cursor.execute(_JOINED).fetchone()[0] or ""

        # One text of all names is made in half the time of as many rows.
        text = self._looked("list the keys", ABSENT, joined, one=True)
        if text is None:
            return self._keys_of(self._listing("ORDER BY name", now, ()))
        return self._keys_of(text.split("\n") if text else [], plain="%" not in text)

    def _listing(self, order: str, now: float, within: tuple[str, ...]) -> list[str]:
        where = f"WHERE {_LIVING}"
        if within:
            where += "AND name >= ? AND name < ? "
        statement = f"{NAMES}{where}{order}"

        def listed(cursor: sqlite3.Cursor) -> list[str]:
            return [name for (name,) in cursor.execute(statement, (now, *within))]

        return cast("list[str]", self._looked("list the keys", ABSENT, listed))

    def _keys_of(self, names: list[str], *, plain: bool = False) -> list[K]:
        if plain:
            return cast("list[K]", names)
        keys = (name if "%" not in name else self._key(name) for name in names)
        return [cast(K, key) for key in keys if key is not ABSENT]

    def scan(self, prefix: str) -> Iterator[K]:
        checked_prefix(prefix)
        if not prefix:
            return (key for key in self._all() if isinstance(key, str))
        self._check_open()
        try:
            start = self._naming.name(prefix)
        except InvalidKeyError:
            return iter(())
        end = start[:-1] + chr(ord(start[-1]) + 1)
        if self._limited:
            self._note_use(0.0)
        order = "ORDER BY used" if self._limited else "ORDER BY name"
        keys = self._keys_of(self._listing(order, self._timer(), (start, end)))
        return (key for key in keys if isinstance(key, str))

    def __len__(self) -> int:
        return self._size()[0]

    def _size(self) -> tuple[int, int]:
        """Give how many entries are alive, and the bytes of their values."""
        self._check_open()
        now = self._timer()
        size = self._looked("count", ABSENT, lambda cursor: cursor.execute(_SIZE, (now, now)).fetchone())
        return cast("tuple[int, int]", size)

    def __bool__(self) -> bool:
        self._check_open()
        now = self._timer()
        found = self._looked("look for a key", ABSENT, lambda cursor: cursor.execute(_ANY, (now,)).fetchone())
        return found is not None
