"""Leases in a table: who holds a lock, until when, and whether its process still lives."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Final, NoReturn

from pystorage._sync import Leases
from pystorage.stores._sqlite_connections import Connections
from pystorage.stores._valuefiles import ValueFiles

_LOOK: Final = "SELECT owner, deadline FROM leases WHERE name = ?"
_TAKE: Final = "INSERT OR REPLACE INTO leases (name, token, owner, deadline) VALUES (?, ?, ?, ?)"
_EXTEND: Final = "UPDATE leases SET deadline = ? WHERE name = ? AND token = ?"
_RELEASE: Final = "DELETE FROM leases WHERE name = ? AND token = ?"


class TableLeases(Leases):
    """Leases in a database; one whose process died is free at once, as far as that can be seen.

    Args:
        connections: The database.
        files: Tells which process lives.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        failed: Called with the name of a lock and the reason when the database fails, to raise what that is
            to the caller.

    Raises:
        Nothing.

    Threads: any number.
    Processes: any number on one machine.
    """

    def __init__(
        self,
        connections: Connections,
        files: ValueFiles,
        timer: Callable[[], float],
        failed: Callable[[str, OSError], NoReturn],
    ) -> None:
        self._connections = connections
        self._files = files
        self._timer = timer
        self._failed = failed
        self._processes: dict[str, int] = {}  # token → the process that took it

    def _change(self, name: str, work: Callable[[sqlite3.Cursor], bool]) -> bool:
        try:
            return self._connections.run(work, "BEGIN IMMEDIATE")
        except OSError as error:
            self._failed(name, error)

    def take(self, name: str, token: str, ttl: float) -> bool:
        def take(cursor: sqlite3.Cursor) -> bool:
            found = cursor.execute(_LOOK, (name,)).fetchone()
            if found is not None and self._timer() < found[1] and self._files.lives(found[0]):
                return False
            cursor.execute(_TAKE, (name, token, self._files.token(), self._timer() + ttl))
            return True

        taken = self._change(name, take)
        if taken:
            self._processes[token] = os.getpid()
        return taken

    def extend(self, name: str, token: str, ttl: float) -> bool:
        def extend(cursor: sqlite3.Cursor) -> bool:
            return cursor.execute(_EXTEND, (self._timer() + ttl, name, token)).rowcount > 0

        return self._change(name, extend)

    def release(self, name: str, token: str) -> bool:
        if self._processes.pop(token, None) != os.getpid():
            return True  # the parent's, which was forked while it held it

        def release(cursor: sqlite3.Cursor) -> bool:
            return cursor.execute(_RELEASE, (name, token)).rowcount > 0

        return self._change(name, release)
