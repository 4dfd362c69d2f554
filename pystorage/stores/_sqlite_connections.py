"""Connections to one SQLite database: threads take turns with a few, and none of them crosses a fork."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Literal, TypeVar

from pystorage.stores._disk import identity
from pystorage.stores._sqlite_errors import Closed, is_busy, os_error

T = TypeVar("T")

#: How a piece of work sees the database: each statement for itself, all of them one state, or alone writing.
Begin = Literal["", "BEGIN", "BEGIN IMMEDIATE"]

# Connections that nobody uses at the moment; more are made when more threads come at once.
_KEPT: Final = 8
# SQLite waits so long for others before we look at the clock, in seconds.
_WAIT_AT_ONCE: Final = 0.05
# A fork waits so long for threads that are in the middle of something.
_PATIENCE: Final = 10.0


class Handle:
    """Stands for a storage among those that share connections; none is left when the last one is gone.

    Raises:
        Nothing.
    """

    __slots__ = ("__weakref__",)


class Connections:
    """Connections to one database, each used by one thread at a time.

    Storages in one process that have the same database open share them: a file that SQLite has open twice it
    cannot close before both are done with it.

    SQLite knows nothing of forks: a child that used its parent's connections, or opened one beside them,
    would take locks for its own that it does not hold. So all are closed before a fork, and opened again by
    whoever needs one, in the parent and in the child.

    Args:
        path: The database, absolute; it exists.
        settings: PRAGMA statements that each connection begins with.
        timeout: Seconds to wait for others that hold the database.

    Raises:
        Nothing.

    Threads: any number.
    Processes: any number.
    """

    def __init__(self, path: str, settings: Sequence[str], timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self._settings = tuple(settings)
        self._file: tuple[int, int] | None = None
        #: Cursors that nobody uses: whoever takes one out of it has it for himself.
        self.idle: list[sqlite3.Cursor] = []
        #: Whether somebody waits for those in use to be ``given`` back.
        self.wanted = False
        self._all = 0
        self._closed = False
        self._forking = False
        self._changed = threading.Condition()
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        # What is dropped without being closed.
        self._finalizer = weakref.finalize(self, _close_idle, self.idle)
        with _guard:
            _pools.add(self)

    @classmethod
    def shared(cls, path: str, settings: Sequence[str], timeout: float) -> tuple[Connections, Handle]:
        """Give the connections of all that want the same of one database.

        Args:
            path: The database, absolute; it exists.
            settings: PRAGMA statements that each connection begins with.
            timeout: Seconds to wait for others that hold the database.

        Returns:
            The connections, and what to ``leave`` them with; dropping that leaves them too.

        Raises:
            OSError: The database is gone.
        """
        found = os.stat(path)
        same = (path, found.st_dev, found.st_ino, tuple(settings), timeout)
        with _guard:
            pool = _shared.get(same)
            if pool is None or pool._closed:
                pool = _shared[same] = cls(path, settings, timeout)
            handle = Handle()
            pool._handles.add(handle)
        return pool, handle

    def leave(self, handle: Handle) -> None:
        """Leave the connections to the others; the last one closes them.

        Args:
            handle: What was given for them.

        Raises:
            Nothing.
        """
        with _guard:
            self._handles.discard(handle)
            last = not self._handles
            if last:
                self._closed = self.wanted = True
        if last:
            self.close()

    # ------------------------------------------------------------------ one at a time

    def give(self, cursor: sqlite3.Cursor) -> None:
        """Give a cursor back.

        Args:
            cursor: It, with no transaction open.

        Raises:
            Nothing.
        """
        self.idle.append(cursor)
        if self.wanted or len(self.idle) > _KEPT:
            self.given()

    def drop(self, cursor: sqlite3.Cursor) -> None:
        """Close the connection of a cursor instead of giving it back.

        Args:
            cursor: It.

        Raises:
            Nothing.
        """
        _close(cursor)
        with self._changed:
            self._all -= 1
            self._changed.notify_all()

    def _new(self) -> sqlite3.Cursor:
        with self._changed:
            while self._forking:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._all += 1
        try:
            return self._connect()
        except BaseException:
            with self._changed:
                self._all -= 1
                self._changed.notify_all()
            raise

    def _connect(self) -> sqlite3.Cursor:
        from urllib.parse import quote  # which takes a while to load

        # By a URI, as SQLite makes a file that is missing otherwise, which would be an empty storage.
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?mode=rw",
            uri=True,
            timeout=min(self.timeout, _WAIT_AT_ONCE),
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            cursor = connection.cursor()
            for setting in self._settings:
                cursor.execute(setting).fetchall()
        except BaseException:
            connection.close()
            raise
        return cursor

    def given(self) -> None:
        """See to a cursor that was given back when it is wanted for something else, or is one too many.

        Raises:
            Nothing.
        """
        if self._closed:
            self.close()
        elif len(self.idle) > _KEPT:
            with suppress(IndexError):  # somebody took it
                self.drop(self.idle.pop())
        with self._changed:
            self._changed.notify_all()

    # ------------------------------------------------------------------ work

    def run(
        self, work: Callable[[sqlite3.Cursor], T], begin: Begin = "", *, timeout: float | None = None
    ) -> T:
        """Let a function work with the database, again as often as others are in the way.

        Args:
            work: What to do with a cursor. It runs again after a failure that left nothing done.
            begin: How the transaction begins that it is in, if any; it is committed after it.
            timeout: Seconds to wait for others; None is that of all.

        Returns:
            What it returned.

        Raises:
            Closed: There are no connections any more.
            OSError: The database cannot be used, and is as it was before.
        """
        patience = self.timeout if timeout is None else timeout
        limit = time.monotonic() + patience
        while True:
            try:
                return self._attempt(work, begin)
            except sqlite3.Error as error:
                # SQLite does not wait where that could be a deadlock, or before it knows what to wait for.
                if not is_busy(error) or time.monotonic() >= limit:
                    raise os_error(error, self.path, patience) from error
            time.sleep(min(0.001, patience))

    def _attempt(self, work: Callable[[sqlite3.Cursor], T], begin: Begin) -> T:
        idle = self.idle
        try:
            cursor = idle.pop()
        except IndexError:
            cursor = self._new()
        try:
            if not begin:
                result = work(cursor)
            else:
                cursor.execute(begin)
                if begin == "BEGIN IMMEDIATE":
                    self._look_for_file()
                result = work(cursor)
                cursor.execute("COMMIT")
        except BaseException:
            if _rolled_back(cursor):
                self.give(cursor)
            else:
                self.drop(cursor)
            raise
        idle.append(cursor)
        if self.wanted or len(idle) > _KEPT:
            self.given()
        return result

    def _look_for_file(self) -> None:
        """Refuse to write to a file that was removed, of which nothing would be left."""
        file = identity(self.path)
        if self._file is None:
            self._file = file  # now that SQLite has it open
        if file is None or file != self._file:
            why = "the database is not the one there any more that was opened"
            raise FileNotFoundError(errno.ENOENT, why, self.path)

    # ------------------------------------------------------------------ end, fork

    def close(self) -> None:
        """Close all connections; those in use are closed when they are given back.

        Raises:
            Nothing.
        """
        self._closed = self.wanted = True
        while self.idle:
            with suppress(IndexError):  # another thread closes too
                self.drop(self.idle.pop())

    def before_fork(self) -> None:
        """Close all connections, waiting for those in use, and let nobody open one.

        Raises:
            Nothing.
        """
        limit = time.monotonic() + _PATIENCE
        with self._changed:
            self._forking = self.wanted = True
            while True:
                while self.idle:
                    with suppress(IndexError):
                        _close(self.idle.pop())
                        self._all -= 1
                # A signal handler may fork in the middle of our own work: nobody could wait for that.
                if self._all <= 0 or time.monotonic() >= limit:
                    return
                self._changed.wait(0.05)

    def after_fork(self, *, child: bool) -> None:
        """Go on.

        Args:
            child: Whether this is the child.

        Raises:
            Nothing.
        """
        if child:
            self._changed = threading.Condition()
            self.idle.clear()
            self._all = 0
        with self._changed:
            self._forking = False
            self.wanted = self._closed
            self._changed.notify_all()


_pools: weakref.WeakSet[Connections] = weakref.WeakSet()
_shared: weakref.WeakValueDictionary[tuple[object, ...], Connections] = weakref.WeakValueDictionary()
_forking: list[Connections] = []
# Held by the one thread that forks, and while another pool comes.
_guard = threading.RLock()


def _before_fork() -> None:
    _guard.acquire()
    _forking.extend(_pools)
    for pool in _forking:
        pool.before_fork()


def _in_parent() -> None:
    while _forking:
        _forking.pop().after_fork(child=False)
    _guard.release()


def _in_child() -> None:
    while _forking:
        _forking.pop().after_fork(child=True)
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def _close(cursor: sqlite3.Cursor) -> None:
    # The last one copies the log into the database, which may fail, and is done by the next then.
    with suppress(sqlite3.Error):
        cursor.connection.close()


def _close_idle(idle: list[sqlite3.Cursor]) -> None:
    while idle:
        _close(idle.pop())


def _rolled_back(cursor: sqlite3.Cursor) -> bool:
    """End what was begun; say whether the connection can be used again."""
    try:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    return not cursor.connection.in_transaction
