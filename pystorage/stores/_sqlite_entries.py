"""The entries of a storage in SQLite: what is done to the tables within one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

# So many names at most in one statement; SQLite takes at least 999.
_CHUNK: Final = 500
_MARKS: Final = {size: ", ".join("?" * size) for size in (1, 10, 100, _CHUNK)}
# What has expired goes by and by with the writes that may expire themselves.
_SWEPT: Final = 10
_VICTIMS: Final = 100

_LOOK: Final = "SELECT id, size, file FROM entries WHERE name = ?"
_INSERT: Final = "INSERT INTO entries (name, deadline, size, file, used, value) VALUES (?, ?, ?, ?, ?, ?)"
_UPDATE: Final = "UPDATE entries SET deadline = ?, size = ?, file = ?, used = ?, value = ? WHERE id = ?"
_ADD: Final = f"{_INSERT} ON CONFLICT (name) DO NOTHING"
_PUT: Final = f"""{_INSERT} ON CONFLICT (name) DO UPDATE SET deadline = excluded.deadline,
    size = excluded.size, file = excluded.file, used = excluded.used, value = excluded.value"""
_COUNT: Final = "UPDATE counters SET entries = entries + ?, bytes = bytes + ?"
_RECOUNT: Final = "UPDATE counters SET entries = ?, bytes = ?"
_LAST_USE: Final = "SELECT max(used) FROM entries"
_USE: Final = "UPDATE entries SET used = ? WHERE name = ?"
_EXPIRED: Final = "SELECT id, size, file FROM entries WHERE deadline <= ? ORDER BY deadline LIMIT ?"
_OLDEST: Final = "SELECT id, size, file FROM entries ORDER BY used LIMIT ?"
_DELETE: Final = "DELETE FROM entries WHERE id = ?"

Found = tuple[int, int, "str | None"]


class Row(NamedTuple):
    """An entry as it is written.

    Args:
        name: The name of its key.
        deadline: When it expires; None is never.
        size: The bytes of its value.
        file: The file of its value, if it lies in one.
        value: The value otherwise.

    Raises:
        Nothing.
    """

    name: str
    deadline: float | None
    size: int
    file: str | None
    value: str | bytes | None


class Done:
    """What a transaction did besides what it was asked for.

    Args:
        removed: How many entries were removed because that was asked for.
        files: Files that nobody refers to any more, once it is committed.

    Raises:
        Nothing.
    """

    __slots__ = ("evicted", "expired", "files", "removed")

    def __init__(self, removed: int = 0, files: list[str] | None = None) -> None:
        self.removed = removed
        self.evicted = self.expired = 0
        self.files: list[str] = [] if files is None else files


class Entries:
    """The entries, and the limits that they keep to.

    Args:
        limit: How many there may be; None is any number.
        size_limit: How many bytes their values may have; None is any number.
        ordered: Whether the order of use is kept.

    Raises:
        Nothing.

    Threads: any number; each call is within a transaction of its caller.
    """

    def __init__(self, limit: int | None, size_limit: int | None, ordered: bool) -> None:
        self.limit = limit
        self.size_limit = size_limit
        self.ordered = ordered
        self.limited = limit is not None or size_limit is not None

    # ------------------------------------------------------------------ writing

    def put(self, cursor: sqlite3.Cursor, row: Row, now: float) -> Done:
        """Write one entry, and make room for it.

        Args:
            cursor: In a transaction that writes.
            row: The entry.
            now: The time.

        Returns:
            What went for it.

        Raises:
            sqlite3.Error: It cannot be written.
        """
        done = Done()
        name, deadline, size, file, value = row
        used = self._next_use(cursor) if self.ordered else None
        cursor.execute(_ADD, (name, deadline, size, file, used, value))
        if cursor.rowcount:
            new, more = 1, size
        else:
            id, before, old = cursor.execute(_LOOK, (name,)).fetchone()
            cursor.execute(_UPDATE, (deadline, size, file, used, value, id))
            new, more = 0, size - before
            if old is not None:
                done.files.append(old)
        self._settle(cursor, now, done, new, more, sweep=deadline is not None)
        return done

    def put_many(self, cursor: sqlite3.Cursor, rows: Sequence[Row], now: float) -> Done:
        """Write entries of different names, and make room for them.

        Args:
            cursor: In a transaction that writes.
            rows: The entries, at least one.
            now: The time.

        Returns:
            What went for them.

        Raises:
            sqlite3.Error: They cannot be written.
        """
        done = Done()
        new, more = len(rows), sum(row.size for row in rows)
        names = [row.name for row in rows]
        for count, size, files in select(cursor, "count(*), ifnull(sum(size), 0), count(file)", names):
            new -= count
            more -= size
            if files:
                done.files += [file for (file,) in select(cursor, "file", names) if file is not None]
        used = self._next_use(cursor)
        written: list[tuple[object, ...]]
        if used is None:
            written = [
                (name, deadline, size, file, None, value) for name, deadline, size, file, value in rows
            ]
        else:
            written = [
                (name, deadline, size, file, use, value)
                for use, (name, deadline, size, file, value) in enumerate(rows, used)
            ]
        cursor.executemany(_PUT, written)
        self._settle(cursor, now, done, new, more, sweep=rows[0].deadline is not None)
        return done

    def remove(self, cursor: sqlite3.Cursor, names: Sequence[str], now: float) -> Done:
        """Remove entries.

        Args:
            cursor: In a transaction that writes.
            names: Their names.
            now: The time: those that had expired count as such.

        Returns:
            What was removed.

        Raises:
            sqlite3.Error: They cannot be removed.
        """
        done = Done()
        found = list(select(cursor, "id, size, file, deadline", names))
        self.delete(cursor, [(id, size, file) for id, size, file, _ in found], done)
        done.expired = sum(1 for *_, deadline in found if deadline is not None and deadline <= now)
        done.removed = len(found) - done.expired
        return done

    def delete(self, cursor: sqlite3.Cursor, found: Sequence[Found], done: Done) -> None:
        """Remove rows that were found.

        Args:
            cursor: In a transaction that writes.
            found: Their ids, sizes and files.
            done: Where their files are noted.

        Raises:
            sqlite3.Error: They cannot be removed.
        """
        if found:
            _delete(cursor, found, done)
            cursor.execute(_COUNT, (-len(found), -sum(size for _, size, _ in found)))

    def clear(self, cursor: sqlite3.Cursor) -> Done:
        """Remove all entries.

        Args:
            cursor: In a transaction that writes.

        Returns:
            What was removed.

        Raises:
            sqlite3.Error: They cannot be removed.
        """
        files = cursor.execute("SELECT file FROM entries WHERE file IS NOT NULL").fetchall()
        (count,) = cursor.execute("SELECT entries FROM counters").fetchone()
        # Without a condition SQLite takes the pages as a whole.
        cursor.execute("DELETE FROM entries")
        cursor.execute("UPDATE counters SET entries = 0, bytes = 0")
        return Done(removed=count, files=[file for (file,) in files])

    # ------------------------------------------------------------------ time, order, room

    def use(self, cursor: sqlite3.Cursor, names: Iterable[str]) -> None:
        """Put down that entries were used.

        Args:
            cursor: In a transaction that writes.
            names: Their names, the one used last at the end.

        Raises:
            sqlite3.Error: It cannot be put down.
        """
        cursor.executemany(_USE, list(enumerate(names, self._next_use(cursor) or 1)))

    def _next_use(self, cursor: sqlite3.Cursor) -> int | None:
        if not self.ordered:
            return None
        return int(cursor.execute(_LAST_USE).fetchone()[0] or 0) + 1

    def sweep(self, cursor: sqlite3.Cursor, now: float, most: int) -> Done:
        """Remove what has expired.

        Args:
            cursor: In a transaction that writes.
            now: The time.
            most: At most so many.

        Returns:
            What went.

        Raises:
            sqlite3.Error: They cannot be removed.
        """
        done = Done()
        found = cursor.execute(_EXPIRED, (now, most)).fetchall()
        self.delete(cursor, found, done)
        done.expired = len(found)
        return done

    def _settle(
        self, cursor: sqlite3.Cursor, now: float, done: Done, new: int, more: int, *, sweep: bool
    ) -> None:
        """Count what was written, and see to what has to go for it."""
        if self.limited:
            self.make_room(cursor, now, done, new, more)
            return
        if new or more:
            cursor.execute(_COUNT, (new, more))
        if sweep:
            swept = self.sweep(cursor, now, _SWEPT)
            done.expired += swept.expired
            done.files += swept.files

    def make_room(self, cursor: sqlite3.Cursor, now: float, done: Done, new: int = 0, more: int = 0) -> None:
        """Remove what is too much: what has expired, then what was not used for the longest time.

        Args:
            cursor: In a transaction that writes.
            now: The time.
            done: Where it is noted.
            new: Entries that came and are not counted yet.
            more: Bytes that came and are not counted yet.

        Raises:
            sqlite3.Error: It cannot be removed.
        """
        before = count, total = cursor.execute("SELECT entries, bytes FROM counters").fetchone()
        count += new
        total += more
        while True:
            over = 0 if self.limit is None else count - self.limit
            heavy = self.size_limit is not None and total > self.size_limit
            if over <= 0 and not heavy:
                break
            wanted = max(over, _VICTIMS if heavy else 0)
            found = cursor.execute(_EXPIRED, (now, wanted)).fetchall()
            expired = bool(found)
            if not expired:
                found = cursor.execute(_OLDEST, (wanted,)).fetchall()
            if not found:
                break
            victims = []
            for victim in found:
                if (self.limit is None or count <= self.limit) and (
                    self.size_limit is None or total <= self.size_limit
                ):
                    break
                victims.append(victim)
                count -= 1
                total -= victim[1]
            _delete(cursor, victims, done)
            if expired:
                done.expired += len(victims)
            else:
                done.evicted += len(victims)
        if (count, total) != before:
            cursor.execute(_RECOUNT, (count, total))


def _delete(cursor: sqlite3.Cursor, found: Sequence[Found], done: Done) -> None:
    cursor.executemany(_DELETE, [(id,) for id, _, _ in found])
    done.files.extend(file for _, _, file in found if file is not None)


def select(cursor: sqlite3.Cursor, columns: str, names: Sequence[str]) -> list[Any]:
    """Read the rows of some names.

    Args:
        cursor: A cursor.
        columns: What to read of each.
        names: The names.

    Returns:
        The rows of those there are, in no order.

    Raises:
        sqlite3.Error: They cannot be read.
    """
    rows: list[Any] = []
    for start in range(0, len(names), _CHUNK):
        part = names[start : start + _CHUNK]
        # Of a few lengths, so that each statement is prepared once; NULL is in no list.
        length = next(size for size in _MARKS if size >= len(part))
        cursor.execute(
            f"SELECT {columns} FROM entries WHERE name IN ({_MARKS[length]})",
            [*part, *[None] * (length - len(part))],
        )
        rows += cursor.fetchall()
    return rows
