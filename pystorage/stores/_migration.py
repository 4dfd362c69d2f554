"""The way from a diskcache folder to any storage, row by row, without diskcache and without unpickling."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pystorage.errors import (
    CapacityError,
    DecodeError,
    EncodeError,
    InvalidKeyError,
    StorageProviderError,
    UnavailableError,
)
from pystorage.storage import Storage, shown
from pystorage.stores import _diskcacherows as rows

_STATE: Final = "pystorage-migration.json"
_BATCH: Final = 100

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Refused:
    """An entry that was not moved.

    Args:
        key: Its key as it looks in a message.
        place: The path of its database, and its number there.
        reason: Why.

    Raises:
        Nothing.
    """

    key: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key} ({self.place}): {self.reason}"


@dataclass
class MigrationReport:
    """What a migration did, all its runs together.

    Args:
        moved: Entries that are in the other storage now.
        expired: Entries whose time was over.
        refused: Entries that could not be moved, and why; they are where they were.

    Raises:
        Nothing.
    """

    moved: int = 0
    expired: int = 0
    refused: list[Refused] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"{self.moved} moved, {self.expired} had expired, {len(self.refused)} refused"
        return "\n".join([said, *map(str, self.refused)])


def migrate(
    source: Any,
    storage: Storage[Any, Any],
    *,
    progress: Progress | None = None,
    state: str | os.PathLike[str] | None = None,
    disk: str = "plain",
    trust: bool = False,
    batch: int = _BATCH,
) -> MigrationReport:
    """Copy keys, values and deadlines of a diskcache folder to a storage; a run that was killed goes on.

    The folder stays as it is. What cannot be moved is refused and reported, and does not stop the rest.

    Args:
        source: The folder of a ``Cache`` or ``FanoutCache``, or one of these objects.
        storage: Where the entries go; those of the same key are overwritten.
        progress: Called after each batch with the entries done and those there are.
        state: The file that remembers how far it came; None is one in the folder. It is removed in the end.
        disk: ``"plain"``, or ``"json"`` for a folder of diskcache's ``JSONDisk``.
        trust: Load pickles, which run whatever those wanted who wrote them.
        batch: How many entries are moved between two notes of the state, ≥ 1.

    Returns:
        What was moved, what had expired, and what was refused.

    Raises:
        StorageProviderError: There is no diskcache database in the folder.
        DecodeError: A database is damaged.
        UnavailableError: The folder cannot be read, or the storage written; call it again to go on.
        UnsupportedOperation: An entry has a deadline, and the storage keeps none.
        TypeError: The storage is none.
        ValueError: An argument is out of its range.

    Cost: a read and a write of each entry, and a small file for each batch.

    Example:
        >>> import tempfile, diskcache
        >>> from pystorage import MemoryStorage
        >>> with diskcache.Cache(tempfile.mkdtemp()) as cache:
        ...     cache["text"], cache["list"] = "stays text", ["is", "pickled"]
        >>> storage = MemoryStorage()
        >>> report = migrate(cache, storage)
        >>> report.moved, len(report.refused), dict(storage)
        (1, 1, {'text': 'stays text'})
    """
    if not isinstance(storage, Storage):
        raise TypeError(f"storage must be a storage, such as MemoryStorage(), not {type(storage).__name__}")
    if disk not in ("plain", "json"):
        raise ValueError(f"disk must be 'plain' or 'json', not {disk!r}")
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ValueError(f"batch must be an int of at least 1, not {batch!r}")
    path = os.path.abspath(os.fspath(getattr(source, "directory", source)))
    try:
        found = rows.shards(path)
        if not found:
            raise StorageProviderError(f"there is no diskcache database (cache.db, 000/cache.db) in {path!r}")
        place = os.path.join(path, _STATE) if state is None else os.fspath(state)
        moving = _Moving(found, storage, _State(place, path, repr(storage)), disk == "json", trust, batch)
        return moving.run(progress)
    except sqlite3.Error as error:
        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        kind = DecodeError if broken else UnavailableError
        raise kind(
            f"could not migrate {path!r}: {error}; nothing was changed there, and another call goes on"
        ) from error
    except OSError as error:
        if isinstance(error, UnavailableError):
            raise
        failure = UnavailableError(f"could not migrate {path!r}: {error}; another call goes on")
        failure.errno = error.errno
        raise failure from error


class _State:
    """How far a migration came, in a small file that is replaced as a whole."""

    def __init__(self, path: str, source: str, storage: str) -> None:
        self._path = path
        # Another source or storage is another migration.
        self._of = hashlib.blake2b(f"{source}\0{storage}".encode(), digest_size=16).hexdigest()
        self.last: dict[str, int] = {}
        self.report = MigrationReport()
        try:
            with open(path, "rb") as file:
                kept = json.load(file)
            if kept["of"] == self._of:
                last = {str(name): int(number) for name, number in kept["last"].items()}
                refused = [Refused(*map(str, one)) for one in kept["refused"]]
                self.report = MigrationReport(int(kept["moved"]), int(kept["expired"]), refused)
                self.last = last
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DecodeError(
                f"the state of the migration in {path!r} is damaged: {error}; remove it to begin anew"
            ) from error

    def keep(self) -> None:
        report = self.report
        refused = [(one.key, one.place, one.reason) for one in report.refused]
        kept = {
            "of": self._of, "last": self.last,
            "moved": report.moved, "expired": report.expired, "refused": refused,
        }  # fmt: skip
        with open(f"{self._path}.new", "w", encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(f"{self._path}.new", self._path)

    def remove(self) -> None:
        if os.path.exists(self._path):
            os.unlink(self._path)


class _Moving:
    """One run of a migration."""

    def __init__(
        self,
        folders: list[str],
        storage: Storage[Any, Any],
        state: _State,
        in_json: bool,
        trust: bool,
        batch: int,
    ) -> None:
        self._folders = folders
        self._storage = storage
        self._state = state
        self._in_json = in_json
        self._trust = trust
        self._batch = batch

    def run(self, progress: Progress | None) -> MigrationReport:
        report = self._state.report
        total = sum(self._count(folder) for folder in self._folders) if progress else 0
        for folder in self._folders:
            name = os.path.basename(folder)
            while found := self._rows(folder, self._state.last.get(name, -1)):
                self._move(folder, found)
                self._state.last[name] = found[-1].rowid
                self._storage.flush()
                self._state.keep()
                if progress is not None:
                    progress(report.moved + report.expired + len(report.refused), total)
        self._state.remove()
        return report

    @staticmethod
    def _count(folder: str) -> int:
        query = "SELECT count(*) FROM Cache"
        return int(rows.connected(folder, lambda database: database.execute(query).fetchone()[0]))

    def _rows(self, folder: str, last: int) -> list[rows.Row]:
        query = f"SELECT {rows.COLUMNS} FROM Cache WHERE rowid > ? ORDER BY rowid LIMIT ?"

        def read(database: sqlite3.Connection) -> list[rows.Row]:
            return [rows.Row(*one) for one in database.execute(query, (last, self._batch))]

        return rows.connected(folder, read)  # type: ignore[no-any-return]

    def _move(self, folder: str, found: Iterable[rows.Row]) -> None:
        report, now = self._state.report, time.time()
        for row in found:
            place = f"{os.path.join(folder, rows.DATABASE)}, row {row.rowid}"
            key: Any = rows.Row  # nobody's key, until it is known
            try:
                if row.expire_time is not None and row.expire_time <= now:
                    report.expired += 1
                    continue
                key = rows.key_of(row.key, row.raw, in_json=self._in_json, trust=self._trust)
                value = rows.value_of(
                    folder, row.mode, row.filename, row.value, in_json=self._in_json, trust=self._trust
                )
                ttl = None if row.expire_time is None else row.expire_time - now
                self._storage.set(key, value, ttl=ttl)
                report.moved += 1
            except FileNotFoundError:
                reason = f"its file {row.filename!r} is gone"
                report.refused.append(Refused(shown(key), place, reason))
            except (DecodeError, EncodeError, InvalidKeyError, CapacityError, TypeError) as error:
                known = "?" if key is rows.Row else shown(key)
                report.refused.append(Refused(known, place, str(error)))
