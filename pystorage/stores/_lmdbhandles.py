"""Who has which LMDB file open: one database for each folder, however many handles a process has on it."""

from __future__ import annotations

import os

from pystorage._sync import fork_safe_lock
from pystorage.stores._lmdbfile import Database

_open: dict[str, Database] = {}
_opening = fork_safe_lock()
_given_back: list[Database] = []


def opened(path: str, sync: bool, trust: bool) -> Database:
    """Give the database of a folder, the same to all who ask; each gives it back with ``closed``.

    Args:
        path: The folder, absolute; made if it is missing.
        sync: Whether each write is to survive a power cut. It does if anybody asked for it.
        trust: Whether files are opened that somebody else may have written.

    Returns:
        The database, ready.

    Raises:
        MissingDependencyError: The package ``lmdb`` is not installed.
        OSError: It cannot be opened.
    """
    with _opening:
        _tidy()
        place = os.path.realpath(path)
        database = _open.get(place)
        if database is None or not database.is_in_place():  # removed, though others here have it open
            database = Database(place, sync, trust)
        else:
            database.check(trust)
            if sync and not database.sync:
                database.make_synced()
        database.users += 1
        try:
            database.read(database.seen)
            database.check(trust)  # what was planted while it was opened
        except BaseException:
            closed(database)
            raise
        _open[place] = database
        return database


def closed(database: Database) -> None:
    """Give a database back; the last one closes it.

    Args:
        database: What ``opened`` gave.

    Raises:
        Nothing.
    """
    _given_back.append(database)
    with _opening:
        _tidy()


def forgotten(database: Database) -> None:
    """Give a database back for a handle that was forgotten, wherever its memory is just being freed.

    Args:
        database: What ``opened`` gave.

    Raises:
        Nothing.
    """
    _given_back.append(database)
    # This thread may be in the middle of anything, so it waits for nobody: the next one tidies up.
    if _opening.acquire(blocking=False):
        try:
            _tidy()
        finally:
            _opening.release()


def _tidy() -> None:
    while _given_back:
        database = _given_back.pop()
        database.users -= 1
        if database.users == 0:
            if _open.get(database.path) is database:
                del _open[database.path]
            database.close()  # nobody uses it, so there is nobody to wait for
