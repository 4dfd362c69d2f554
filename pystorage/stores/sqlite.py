"""SQLiteStorage: one database in one file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, BinaryIO, ClassVar, Final, NoReturn

from pystorage._typevars import K, V
from pystorage.codecs import Codec, holds_integers, resolve_codec
from pystorage.errors import ClosedError, DecodeError, StorageProviderError
from pystorage.storage import ABSENT, Capability, Stats, Timer, checked_ttl
from pystorage.stores._encoded import encoded
from pystorage.stores._local import Durability, absolute
from pystorage.stores._network import warn_of_network
from pystorage.stores._sqlite_connections import Connections
from pystorage.stores._sqlite_entries import Done, Entries
from pystorage.stores._sqlite_errors import TODO, Closed, Unreadable
from pystorage.stores._sqlite_leases import TableLeases
from pystorage.stores._sqlite_place import VALUES, check_place, make_place
from pystorage.stores._sqlite_schema import has_order, is_new, make_order, make_tables, use_log
from pystorage.stores._sqlite_streams import ValueWriter
from pystorage.stores._sqlite_table import TableStorage
from pystorage.stores._sqlite_verify import named_files, verified
from pystorage.stores._valuefiles import ValueFiles
from pystorage.stores._verify import VerifyReport
from pystorage.urls import StorageURL, flag

_CAPABILITIES: Final = (
    Capability.BULK
    | Capability.TTL
    | Capability.ADD
    | Capability.SWAP
    | Capability.LOCK
    | Capability.SCAN
    | Capability.PERSISTENT
    | Capability.SHARED
)
_SYNCHRONOUS: Final = {"none": "OFF", "process": "NORMAL", "power": "FULL"}
# The log is made as short as this again after somebody wrote a lot at once, in bytes.
_LOG: Final = 16 << 20
_BUFFER: Final = 1 << 17
#: The most bytes of a value that are kept in the database itself.
LARGE: Final = 64 << 10


class SQLiteStorage(TableStorage[K, V]):
    """One database in one file, shared by any number of processes of one machine, with or without a limit.

    JSON values are kept as text, and every deadline in a column of its own, so that ``sqlite3`` shows what is
    there. Large values lie in files in the folder ``{path}.values``. Where entries are limited, the least
    recently used make room for new ones in the transaction that writes these; what has expired goes first.
    Reads are written down at most once a second, or with the next write, so among processes the order of use
    is exact to that grain.

    Args:
        path: The file; it and its folder are made if they are missing.
        codec: How values become bytes: a codec or its name; None is JSON. One that can run code, as pickle
            does, is taken only where nobody but this user and the system can write to file and folder.
        limit: How many entries it holds, ≥ 1; None is any number. All processes should say the same.
        size_limit: How many bytes their values may have together, ≥ 1, as they are encoded; None is any
            number.
        durability: ``"process"``: what was written survives the death of the process; a power cut takes the
            last writes, and large values that were written or replaced shortly before may be broken, which
            reading and ``verify`` say; ``"power"``: every write waits for the disk and survives that too;
            ``"none"``: nothing waits, and a power cut may damage the database.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        trust: Load pickles that somebody else may have written.
        timeout: Seconds to wait while another process writes, > 0.
        large: Values of more bytes than this, ≥ 0, lie in files of their own.

    Raises:
        UnavailableError: The file cannot be made or opened, or was held by somebody else for too long.
        DecodeError: It is damaged, of another program, or of a newer pystorage; or pickles are asked for
            where others can write. It is left as it is.
        StorageProviderError: There is no codec of that name.
        TypeError: The codec's names are in an order that cannot work, or an argument is of a wrong type.
        ValueError: Another argument is out of its range.

    Cost: a read is one SELECT by an index, a write one short transaction; both O(log n). Iteration reads an
        index; ``len`` and ``stats`` one row, and what has expired since it was last tidied up.
    Threads: any number; a few connections are made, which they take turns with. Forking waits for them, and
        closes these.
    Processes: any number on one machine; one writes at a time and the others wait, readers never. Not on a
        network file system, of which a ``NetworkFilesystemWarning`` warns.

    Example:
        >>> import tempfile
        >>> storage = SQLiteStorage(f"{tempfile.mkdtemp()}/cache.db", limit=2)
        >>> storage.update(a=1, b=2)
        >>> storage["a"]
        1
        >>> storage["c"] = {"text": "Hello World!"}
        >>> list(storage), storage.stats().evictions
        (['a', 'c'], 1)
        >>> storage.close()
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "codec": str,
        "limit": int,
        "size_limit": int,
        "durability": str,
        "trust": flag,
        "timeout": float,
        "large": int,
    }
    _todo = TODO
    _to_own = "the file and its folder"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        codec: Codec | str | None = None,
        limit: int | None = None,
        size_limit: int | None = None,
        durability: Durability = "process",
        timer: Timer = time.time,
        trust: bool = False,
        timeout: float = 60.0,
        large: int = LARGE,
    ) -> None:
        codec = resolve_codec(codec)
        self._state: dict[str, Any] = {
            "path": absolute(path, "name the file of the database"),
            "codec": codec,
            "limit": limit,
            "size_limit": size_limit,
            "durability": durability,
            "timer": timer,
            "trust": trust,
            "timeout": timeout,
            "large": large,
        }
        self._check_arguments()
        limited = limit is not None or size_limit is not None
        super().__init__(codec, timer, large, limited=limited)
        self.capabilities = _CAPABILITIES
        if codec.streams:
            self.capabilities |= Capability.STREAM
        if holds_integers(codec):
            self.capabilities |= Capability.INCR
        if limited:
            self.capabilities |= Capability.ORDERED
        try:
            self._open(os.path.realpath(self._state["path"]))
        except OSError as error:
            self._fail("open", path, error)

    def _check_arguments(self) -> None:
        super()._check_arguments()
        large = self._state["large"]
        if isinstance(large, bool) or not isinstance(large, int):
            raise TypeError(f"large must be an int, not {type(large).__name__}")
        if large < 0:
            raise ValueError(f"large must be at least 0, not {large}")
        checked_ttl(self._state["timeout"], name="timeout")

    def _open(self, place: str) -> None:
        state = self._state
        sync = state["durability"] == "power"
        guarded = self._codec.runs_code and not state["trust"]
        make_place(place, sync=sync)
        if guarded:
            check_place(place)
        settings = [
            f"PRAGMA synchronous = {_SYNCHRONOUS[state['durability']]}",
            f"PRAGMA journal_size_limit = {_LOG}",
            "PRAGMA trusted_schema = OFF",
        ]
        self._connections, self._handle = Connections.shared(place, settings, state["timeout"] or 1e9)
        try:
            self._files = ValueFiles(place + VALUES, sync=sync, guarded=guarded)
            self._prepare()
            self._files.sweep(self._named)
        except BaseException:
            self._connections.leave(self._handle)
            raise
        self._leases = TableLeases(self._connections, self._files, self._timer, self._lock_failed())
        warn_of_network(place, "a database of SQLite")

    def _prepare(self) -> None:
        """Make the tables if there are none, and keep to the limits from now on."""
        run, state = self._connections.run, self._state
        new = run(is_new)
        run(use_log)
        if new:
            run(make_tables, "BEGIN IMMEDIATE")
        ordered = run(has_order)
        self._entries = Entries(state["limit"], state["size_limit"], ordered)
        if not self._limited:
            return
        if not ordered:
            run(make_order, "BEGIN IMMEDIATE")
            self._entries.ordered = True
        count, total = run(lambda cursor: cursor.execute("SELECT entries, bytes FROM counters").fetchone())
        if (state["limit"] or count) < count or (state["size_limit"] or total) < total:
            self._change("open", ABSENT, self._made_room)

    def _made_room(self, cursor: sqlite3.Cursor) -> Done:
        done = Done()
        self._entries.make_room(cursor, self._timer(), done)
        return done

    def _named(self) -> set[str]:
        return self._connections.run(named_files)

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        if url.host not in ("", "localhost") or not url.path.strip("/"):
            raise StorageProviderError(
                f"{url.scheme}: URLs name a file on this machine, as in {url.scheme}:///var/cache/app.db or "
                f"{url.scheme}:app.db"
            )
        # sqlite:////var/cache is what others write for the same.
        return ("/" + url.path.lstrip("/") if url.path.startswith("//") else url.path,)

    # ------------------------------------------------------------------ locks, streams

    def open_read(self, key: K) -> BinaryIO:
        if not self._codec.streams:
            return super().open_read(key)
        name = self._read_name(key)[0]
        try:
            file = self._opened_value(key, name)
        except OSError as error:
            self._fail("open", key, error)
        if self._limited:
            self._used(name)
        return self._codec.reader(file)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        if not self._codec.streams:
            return super().open_write(key, ttl=ttl)
        seconds = checked_ttl(ttl)
        return self._stream(key, self._write_name(key)[0], seconds)

    @contextmanager
    def _stream(self, key: K, name: str, ttl: float | None) -> Iterator[BinaryIO]:
        def failed(error: OSError) -> NoReturn:
            self._fail("write", key, error)

        try:
            # Known as a writer from the start, so that a stream which is given up leaves all as it was.
            self._files.token()
        except OSError as error:
            failed(error)
        raw = ValueWriter(self._files, self._large, partial(self._check_size, key), failed)
        with encoded(raw, self._codec) as file:
            yield file
        if raw.file is None:
            self._store("write", key, name, bytes(raw.held), self._deadline(ttl))
        else:
            self._store_file("write", key, name, raw.file, raw.size, ttl)

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Give the figures of this storage.

        Returns:
            ``size`` and ``bytes``, those of encoded values, of what is alive; ``limit`` and ``size_limit``;
            where there is a limit, ``evictions`` and ``expirations`` by this handle. The rest is None.

        Raises:
            UnavailableError: The database cannot be read.
            DecodeError: It is damaged.

        Cost: reads one row, and counts what has expired since it was last tidied up.
        """
        size, total = self._size()
        entries = self._entries
        counted = (self._evicted, self._expired) if self._limited else (None, None)
        return Stats(
            size=size,
            bytes=total,
            evictions=counted[0],
            expirations=counted[1],
            limit=entries.limit,
            size_limit=entries.size_limit,
        )

    def verify(self) -> VerifyReport:
        """Look at everything: the database, and whether each value can be read; take out what is broken.

        A broken entry is moved to the table ``quarantine`` of the database, where it is in nobody's way.
        Files that nobody names are removed, and the counters corrected if they were wrong.

        Returns:
            How many entries were looked at, and what is broken.

        Raises:
            DecodeError: The database is so damaged that it cannot be looked at.
            UnavailableError: It cannot be read or written.

        Cost: reads everything; others may work meanwhile.
        """
        self._check_open()
        try:
            report = verified(self.path, self._connections, self._files, self._fault, self._naming)
            self._files.sweep(self._named)
        except OSError as error:
            self._fail("verify", ABSENT, error)
        return report

    def flush(self) -> None:
        """Write down which entries were read, where that matters.

        Raises:
            ClosedError: The storage was closed.
        """
        self._check_open()
        self._note_use(self._connections.timeout)

    def close(self) -> None:
        if not self._closed:
            self._note_use(1.0)
            self._connections.leave(self._handle)
            self._files.close()
        super().close()

    def _lock_failed(self) -> Callable[[str, OSError], NoReturn]:
        return partial(_lock_failed, repr(self), super()._lock_failed())

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        if isinstance(error, Unreadable):
            raise self._error(DecodeError, tried, key, error, error.todo) from error
        if isinstance(error, Closed):
            self._closed = True
            self._check_open()
        super()._fail(tried, key, error)

    def __setstate__(self, state: dict[str, Any]) -> None:
        SQLiteStorage.__init__(self, state.pop("path"), **state)


def _lock_failed(
    where: str, failed: Callable[[str, OSError], NoReturn], name: str, error: OSError
) -> NoReturn:
    if isinstance(error, Closed):  # by another thread, or while it was waited for
        raise ClosedError(f"{where} was closed; open it again to use it", storage=where) from error
    failed(name, error)
