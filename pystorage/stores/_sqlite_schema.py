"""The tables of a storage in SQLite, and how a database is told from somebody else's.

::

    entries      name (by the rule of naming), deadline, size of the value in bytes, value or file; ``used``
                 grows with every use, and is kept where entries are limited
    counters     one row: how many entries there are, and the bytes of their values
    leases       what ``lock`` holds
    quarantine   what ``verify`` took out of the entries

A value is TEXT where it is JSON, so that SQLite can look into it, and a BLOB otherwise; a large one lies in a
file beside the database, which the row names.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from pystorage.stores._sqlite_errors import Unreadable

#: "PySt": what tells our databases from others.
APPLICATION: Final = 0x50795374
FORMAT: Final = 1

# The value comes last, as what stands behind a long one is slow to reach.
_TABLES: Final = (
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, deadline REAL, size INTEGER NOT NULL,
        file TEXT, used INTEGER, value)""",
    "CREATE INDEX deadlines ON entries (deadline) WHERE deadline IS NOT NULL",
    "CREATE INDEX files ON entries (file) WHERE file IS NOT NULL",
    "CREATE TABLE counters (entries INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "INSERT INTO counters VALUES (0, 0)",
    """CREATE TABLE leases (
        name TEXT PRIMARY KEY, token TEXT NOT NULL, owner TEXT NOT NULL,
        deadline REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY, name TEXT, deadline REAL, size INTEGER, file TEXT, value, reason TEXT)""",
)
_ORDER: Final = "CREATE INDEX IF NOT EXISTS recency ON entries (used)"
_HAS_ORDER: Final = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = 'recency'"


def is_new(cursor: sqlite3.Cursor) -> bool:
    """Look whose database this is, and leave it as it is.

    Args:
        cursor: A cursor.

    Returns:
        Whether there is nothing in it yet; else it is ours.

    Raises:
        Unreadable: It is somebody else's, or of a newer format.
        sqlite3.Error: It is no database, or cannot be read.
    """
    (application,) = cursor.execute("PRAGMA application_id").fetchone()
    (version,) = cursor.execute("PRAGMA user_version").fetchone()
    (tables,) = cursor.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == APPLICATION:
        if version > FORMAT:
            raise Unreadable(
                f"it was written by a newer pystorage (format {version}, and this one knows {FORMAT})",
                "upgrade pystorage to read it",
            )
        return False
    if application or version or tables:
        raise Unreadable(
            "it is the database of another program",
            "it is left as it is; choose another path for the storage",
        )
    return True


def make_tables(cursor: sqlite3.Cursor) -> None:
    """Make the tables in a database that is empty, in a transaction.

    Args:
        cursor: A cursor in a transaction that writes.

    Raises:
        Unreadable: Another program was faster.
        sqlite3.Error: They cannot be made.
    """
    if not is_new(cursor):
        return
    for statement in _TABLES:
        cursor.execute(statement)
    cursor.execute(f"PRAGMA application_id = {APPLICATION}")
    cursor.execute(f"PRAGMA user_version = {FORMAT}")


def use_log(cursor: sqlite3.Cursor) -> None:
    """Let readers and one writer work at the same time, by a log beside the database.

    Args:
        cursor: A cursor outside of a transaction.

    Raises:
        OSError: The file system has no shared memory.
        sqlite3.Error: Others are in the way.
    """
    (mode,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise OSError(f"this file system cannot share memory among processes (journal mode {mode!r})")


def make_order(cursor: sqlite3.Cursor) -> None:
    """Keep the order of use from now on.

    Args:
        cursor: A cursor in a transaction that writes.

    Raises:
        sqlite3.Error: It cannot be kept.
    """
    cursor.execute(_ORDER)


def has_order(cursor: sqlite3.Cursor) -> bool:
    """Tell whether somebody limits these entries, so that each write counts as a use.

    Args:
        cursor: A cursor.

    Returns:
        Whether the order of use is kept.

    Raises:
        sqlite3.Error: The database cannot be read.
    """
    return cursor.execute(_HAS_ORDER).fetchone() is not None
