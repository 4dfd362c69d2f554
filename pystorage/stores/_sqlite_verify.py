"""Looking at all that a database holds, and taking out what is broken."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from pystorage.naming import Naming
from pystorage.stores._sqlite_connections import Connections
from pystorage.stores._valuefiles import ValueFiles
from pystorage.stores._verify import Broken, VerifyReport

_AT_ONCE: Final = 50
_FIELDS: Final = "id, name, CAST(value AS BLOB), deadline, file, size"
_NEXT: Final = f"SELECT {_FIELDS} FROM entries WHERE id > ? ORDER BY id LIMIT {_AT_ONCE}"
_AGAIN: Final = f"SELECT {_FIELDS} FROM entries WHERE id = ?"
_KEEP: Final = """INSERT INTO quarantine (name, deadline, size, file, value, reason)
    SELECT name, deadline, size, file, value, ? FROM entries WHERE id = ?"""
_RECOUNT: Final = """UPDATE counters SET entries = (SELECT count(*) FROM entries),
    bytes = (SELECT ifnull(sum(size), 0) FROM entries)"""
_COUNTERS: Final = """SELECT entries, bytes, (SELECT count(*) FROM entries),
    (SELECT ifnull(sum(size), 0) FROM entries) FROM counters"""
_NAMED: Final = """SELECT file FROM entries WHERE file IS NOT NULL
    UNION ALL SELECT file FROM quarantine WHERE file IS NOT NULL"""

#: Says what is wrong with a value, of name, bytes or None, file and size; None where nothing is.
Fault = Callable[[str, "bytes | None", "str | None", int], "str | None"]


def named_files(cursor: sqlite3.Cursor) -> set[str]:
    """Give the files that rows name.

    Args:
        cursor: A cursor.

    Returns:
        Their names.

    Raises:
        sqlite3.Error: The database cannot be read.
    """
    return {file for (file,) in cursor.execute(_NAMED)}


def verified(
    path: str, connections: Connections, files: ValueFiles, fault: Fault, naming: Naming
) -> VerifyReport:
    """Look at a database and each of its values; take out what is broken.

    Args:
        path: The database, for the report.
        connections: Those to it.
        files: Its large values.
        fault: What is wrong with a value.
        naming: How names become keys.

    Returns:
        What was found.

    Raises:
        OSError: The database cannot be read or written.
    """
    broken = [Broken(os.path.basename(path), path, found) for found in connections.run(_integrity)]
    checked, last = 0, -1
    while rows := connections.run(lambda cursor: cursor.execute(_NEXT, (last,)).fetchall()):  # noqa: B023
        for row in rows:
            checked += 1
            last = row[0]
            why = _fault(row, fault, naming)
            if why is not None:
                number = connections.run(lambda cursor: _quarantine(cursor, row, why), "BEGIN IMMEDIATE")  # noqa: B023
                if number is not None:
                    place = path if row[4] is None else os.path.join(files.folder, str(row[4]))
                    moved = f"{path}: row {number} of the table quarantine"
                    broken.append(Broken(_key(row[1], naming), place, why, moved))
    counted = connections.run(_recount, "BEGIN IMMEDIATE")
    if counted is not None:
        broken.append(Broken("counters", path, counted))
    return VerifyReport(checked, tuple(broken))


def _integrity(cursor: sqlite3.Cursor) -> list[str]:
    found = [str(line) for (line,) in cursor.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else found


def _fault(row: tuple[Any, ...], fault: Fault, naming: Naming) -> str | None:
    _, name, data, _, file, size = row
    try:
        naming.key(name)
    except (ValueError, TypeError):
        return "its name is not that of a key"
    return fault(name, data, file, size)


def _key(name: object, naming: Naming) -> object:
    try:
        return naming.key(str(name))
    except ValueError:
        return name


def _quarantine(cursor: sqlite3.Cursor, row: tuple[Any, ...], why: str) -> int | None:
    """Take an entry out if it is still the one that was looked at; give its place."""
    if cursor.execute(_AGAIN, (row[0],)).fetchone() != row:
        return None
    cursor.execute(_KEEP, (why, row[0]))
    number = cursor.lastrowid
    cursor.execute("DELETE FROM entries WHERE id = ?", (row[0],))
    cursor.execute("UPDATE counters SET entries = entries - 1, bytes = bytes - ?", (row[5],))
    return number


def _recount(cursor: sqlite3.Cursor) -> str | None:
    entries, total, counted, summed = cursor.execute(_COUNTERS).fetchone()
    if (entries, total) == (counted, summed):
        return None
    cursor.execute(_RECOUNT)
    return f"it said {entries} entries of {total} bytes, and there are {counted} of {summed}; it is corrected"
