"""A table of SQLite as a mapping that is written: one key, several, and what is built of that."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, cast

from pystorage.codecs import header
from pystorage.errors import CapacityError, EncodeError
from pystorage.storage import ABSENT, KEEP, Sentinel, checked_ttl, pairs
from pystorage.stores._own import NewFile
from pystorage.stores._sqlite_entries import Done, Row
from pystorage.stores._sqlite_reads import GET, LIVES, NAMES, TableReads

K = TypeVar("K")
V = TypeVar("V")

_REDATE: Final = f"UPDATE entries SET deadline = ? WHERE name = ? AND {LIVES}"
_FIRST: Final = f"SELECT name FROM entries WHERE {LIVES} ORDER BY "

_PURGED: Final = 1_000
_ATTEMPTS: Final = 10


class TableStorage(TableReads[K, V]):
    """The part of ``SQLiteStorage`` that reads and writes entries.

    Args:
        codec: How values become bytes.
        timer: The clock of the deadlines, in seconds.
        large: Values of more bytes lie in files.
        limited: Whether there is a limit.

    Raises:
        Nothing.
    """

    # ------------------------------------------------------------------ writing

    def _change(self, tried: str, key: object, work: Callable[[sqlite3.Cursor], Done | None]) -> Done | None:
        """Do something in a transaction; what nobody needs any more is removed after it."""
        recent = self._taken_recent() if self._recent else []

        def with_uses(cursor: sqlite3.Cursor) -> Done | None:
            if recent:
                self._entries.use(cursor, recent)
            return work(cursor)

        try:
            done = self._connections.run(with_uses if recent else work, "BEGIN IMMEDIATE")
        except BaseException as error:
            if recent:
                self._put_back(recent)
            if isinstance(error, OSError):
                self._fail(tried, key, error)
            raise
        if done is not None and (done.files or done.evicted or done.expired):
            self._settle(done)
        return done

    def _settle(self, done: Done) -> None:
        if done.files:
            self._files.remove(done.files)
        if done.evicted or done.expired:
            with self._counting:
                self._evicted += done.evicted
                self._expired += done.expired

    def _check_size(self, key: object, size: int) -> None:
        limit = self._entries.size_limit
        if limit is not None and size > limit:
            raise self._error(
                CapacityError,
                "write",
                key,
                f"its value has {size} bytes, and all values together may have {limit}",
                "nothing was written, the old value stands; give a larger size_limit",
            )

    def _row(self, name: str, data: bytes, deadline: float | None, files: list[NewFile]) -> Row:
        """Make the row of an entry; a large value is written to a file, and that put into a list."""
        size = len(data)
        if size > self._large:
            files.append(self._files.write(data))
            return Row(name, deadline, size, os.path.basename(files[-1].path), None)
        return Row(name, deadline, size, None, self._column(data))

    def _column(self, data: bytes) -> str | bytes:
        if self._is_json:
            try:
                return data.decode()
            except UnicodeDecodeError:
                return data
        return data

    def _store(
        self,
        tried: str,
        key: object,
        name: str,
        data: bytes,
        deadline: float | None,
        expected: bytes | Literal[Sentinel.KEEP] | None = KEEP,
    ) -> bool:
        """Write an entry; where bytes or their absence are expected, only if these are there."""
        if self._limited:
            self._check_size(key, len(data))
        files: list[NewFile] = []
        try:
            row = self._row(name, data, deadline, files)
        except OSError as error:
            self._fail(tried, key, error)
        return self._store_row(tried, key, row, files, expected)

    def _store_file(
        self, tried: str, key: object, name: str, file: NewFile, size: int, ttl: float | None
    ) -> None:
        """Write an entry whose value was written to a file."""
        try:
            row = Row(name, self._deadline(ttl), size, self._files.complete(file), None)
        except OSError as error:
            file.discard()
            self._fail(tried, key, error)
        self._store_row(tried, key, row, [file])

    def _store_row(
        self,
        tried: str,
        key: object,
        row: Row,
        files: list[NewFile],
        expected: bytes | Literal[Sentinel.KEEP] | None = KEEP,
    ) -> bool:
        now = self._timer()

        def put(cursor: sqlite3.Cursor) -> Done | None:
            if expected is not KEEP:
                found = cursor.execute(GET, (row.name,)).fetchone()
                if self._packed_row(key, found) != expected:
                    return None
            return self._entries.put(cursor, row, now)

        try:
            done = self._change(tried, key, put)
        except Exception as error:
            _give_up(files, error)
            raise
        if done is None:
            _give_up(files)
        return done is not None

    def _put(self, key: K, value: V, ttl: float | None) -> None:
        text: Any = key
        if (
            type(text) is str
            and text.isascii()
            and text.isprintable()
            and "%" not in text
            and text
            and not self._closed
        ):
            name: str = text
        else:
            name = self._write_name(key)[0]
        data = self._encoded(key, value, name)
        self._store("write", key, name, data, None if ttl is None else self._deadline(ttl))

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        seconds = checked_ttl(ttl)
        encoded: dict[str, bytes] = {}
        encode, limit = self._codec.encode, self._entries.size_limit
        self._check_open()
        key: Any
        for key, value in pairs(items):
            name: str
            if type(key) is str and key.isascii() and key.isprintable() and "%" not in key and key:
                name = key
            else:
                name = self._write_name(key)[0]
            try:
                data = encode(value, name)
            except EncodeError:
                data = self._encoded(key, value, name)  # which says it in full
            if limit is not None:
                self._check_size(key, len(data))
            encoded.pop(name, None)  # the last one counts as written last
            encoded[name] = data
        if not encoded:
            return
        files: list[NewFile] = []
        deadline, now = self._deadline(seconds), self._timer()
        try:
            large, column = self._large, self._column
            rows = [
                Row(name, deadline, len(data), None, column(data))
                if len(data) <= large
                else self._row(name, data, deadline, files)
                for name, data in encoded.items()
            ]
            self._change("write", ABSENT, lambda cursor: self._entries.put_many(cursor, rows, now))
        except Exception as error:
            _give_up(files, error)
            if isinstance(error, OSError):
                self._fail("write", ABSENT, error)
            raise

    def __delitem__(self, key: K) -> None:
        name = self._read_name(key)[0]
        if not self._removed("delete", key, [name]):
            raise KeyError(key)

    def delete_many(self, keys: Iterable[K]) -> int:
        names: dict[str, None] = {}
        for key in keys:
            try:
                names[self._read_name(key)[0]] = None
            except KeyError:
                continue
        self._check_open()
        return self._removed("delete", ABSENT, list(names)) if names else 0

    def _removed(self, tried: str, key: object, names: Sequence[str]) -> int:
        now = self._timer()
        done = self._change(tried, key, lambda cursor: self._entries.remove(cursor, names, now))
        return 0 if done is None else done.removed

    def clear(self) -> None:
        self._check_open()
        self._change("clear", ABSENT, self._entries.clear)

    # ------------------------------------------------------------------ life

    def expire(self, key: K, ttl: float | None) -> None:
        seconds = checked_ttl(ttl)
        name = self._read_name(key)[0]
        now = self._timer()
        deadline = None if seconds is None else now + seconds

        def redate(cursor: sqlite3.Cursor) -> bool:
            return cursor.execute(_REDATE, (deadline, name, now)).rowcount > 0

        try:
            found = self._connections.run(redate, "BEGIN IMMEDIATE")
        except OSError as error:
            self._fail("give a deadline to", key, error)
        if not found:
            raise KeyError(key)

    def touch(self, key: K, ttl: float | None) -> bool:
        try:
            self.expire(key, ttl)
        except KeyError:
            return False
        if self._limited:
            self._used(self._naming.name(key))
        return True

    def purge(self) -> int:
        self._check_open()
        removed, now = 0, self._timer()
        while True:
            done = self._change("purge", ABSENT, lambda cursor: self._entries.sweep(cursor, now, _PURGED))
            if done is None or not done.expired:
                return removed
            removed += done.expired

    def popitem(self) -> tuple[K, V]:
        limited = self._limited
        while True:
            self._check_open()
            if limited:
                self._note_use(0.0)
            statement, now = f"{_FIRST}{'used' if limited else 'name'} LIMIT 1", self._timer()
            first = self._looked("list the keys", ABSENT, lambda c: c.execute(statement, (now,)).fetchone())  # noqa: B023
            if first is None:
                raise KeyError("popitem(): the storage is empty")
            key = cast(K, self._key(first[0]))
            value = self.pop(key, ABSENT)
            if value is not ABSENT:
                return key, cast(V, value)

    # ------------------------------------------------------------------ primitives

    # What ``ByteStorage`` builds the rarer operations of; here an entry's bytes have a header if it expires.

    def _read(self, name: str) -> bytes | None:
        for _ in range(_ATTEMPTS):
            row = self._fetch(GET, name)
            try:
                return self._packed_row(self._key(name), row)
            except FileNotFoundError as error:
                last = error  # it was replaced in between, or it is really gone
        raise self._broken(self._key(name), f"the file of its value is gone ({last.filename!r})") from last

    def _packed_row(
        self, key: object, row: tuple[bytes | None, float | None, str | None, int] | None
    ) -> bytes | None:
        if row is None:
            return None
        data, deadline, file, size = row
        if data is None or file is not None:
            data = self._from_file(key, file, size)
        return header.pack(data, deadline=deadline)

    def _write(self, name: str, data: bytes) -> None:
        head, body = header.unpack(data)
        self._store("write", self._key(name), name, body, head.deadline)

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        head, body = header.unpack(data)
        return self._store("write", self._key(name), name, body, head.deadline, expected)

    def _remove(self, name: str) -> bool:
        return bool(self._removed("delete", self._key(name), [name]))

    def _remove_if(self, name: str, head: bytes) -> None:
        key, now = self._key(name), self._timer()

        def remove(cursor: sqlite3.Cursor) -> Done | None:
            data = self._packed_row(key, cursor.execute(GET, (name,)).fetchone())
            if data is None or not data.startswith(head):
                return None
            return self._entries.remove(cursor, [name], now)

        self._change("delete", key, remove)

    def _names(self, prefix: str) -> list[str]:
        return [
            name for (name,) in self._looked("list the keys", ABSENT, lambda c: c.execute(NAMES).fetchall())
        ]


def _give_up(files: list[NewFile], error: Exception | None = None) -> None:
    """Remove the files of values that were not written."""
    # A log that could not be synced may be found whole later: then these are swept, or not.
    if getattr(error, "errno", None) != errno.EIO:
        for file in files:
            file.discard()
