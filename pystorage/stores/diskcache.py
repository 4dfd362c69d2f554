"""DiskCacheStorage: a folder of diskcache behind our mapping, without its pickles; and the way out of it."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Final, Literal, NoReturn, TypeVar, cast

from pystorage._arguments import added, check_addend
from pystorage._sync import fork_safe_lock
from pystorage._typevars import K, V
from pystorage.codecs import Codec, resolve_codec
from pystorage.errors import (
    ClosedError,
    ConflictError,
    DecodeError,
    EncodeError,
    InvalidKeyError,
    StorageError,
    UnavailableError,
)
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Stats, Storage, Timer, checked_ttl
from pystorage.stores import _diskcacherows as rows
from pystorage.stores._diskcachedisk import LARGEST, Unread, diskcache, disks, plain
from pystorage.stores._local import absolute, folder_of, unusual
from pystorage.stores._migration import MigrationReport, Refused, migrate
from pystorage.urls import StorageURL, flag

__all__ = ["DiskCacheStorage", "MigrationReport", "Refused", "migrate"]

T = TypeVar("T")
Disk = Literal["plain", "json"]

# A conditional write fails only because another one succeeded, or as two copies of the value are not equal.
_ATTEMPTS: Final = 1000
_ALIVE: Final = "(expire_time IS NULL OR expire_time > ?)"


class DiskCacheStorage(Storage[K, V]):
    """A folder that diskcache made, or will read: its ``Cache`` or ``FanoutCache``, without unpickling.

    Text, bytes, integers of 64 bits and floats are kept as diskcache keeps them, so that its programs and
    this storage see the same. What diskcache pickled is refused, unless it is trusted.

    Args:
        path_or_cache: The folder, made as a ``Cache`` if it is missing; or a ``Cache`` or ``FanoutCache``,
            which stays its owner's: this opens the folder anew.
        codec: How values become bytes, which diskcache's programs then see: a codec or its name; None is as
            diskcache keeps them.
        disk: ``"plain"``, or ``"json"`` for a folder of diskcache's ``JSONDisk``; None is that of the
            object, and plain for a folder.
        trust: Load pickles, which run whatever those wanted who wrote them; and pickle what diskcache would.

    Raises:
        MissingDependencyError: The package ``diskcache`` is not installed (extra ``diskcache``).
        UnavailableError: The folder cannot be made, read or written.
        DecodeError: It is damaged.
        TypeError: The object is none of diskcache's, or has a ``Disk`` of another class.
        ValueError: Another argument is out of its range, or pickles would be loaded without trust.
        StorageProviderError: There is no codec of that name.

    Cost: as diskcache's: a query each. ``len`` is one query a shard. The folder's own limits and eviction
        policy hold.
    Threads: any number, one at a time.
    Processes: any number, those of diskcache among them; all operations are atomic.

    Example:
        >>> import tempfile
        >>> storage = DiskCacheStorage(tempfile.mkdtemp())
        >>> storage.set("greeting", "Hello World!", ttl=60)
        >>> storage["greeting"], storage.incr("visits")
        ('Hello World!', 1)
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {"codec": str, "disk": str, "trust": flag}

    capabilities = (
        Capability.TTL
        | Capability.ADD
        | Capability.SWAP
        | Capability.INCR
        | Capability.PERSISTENT
        | Capability.SHARED
    )

    def __init__(
        self,
        path_or_cache: Any,
        *,
        codec: Codec | str | None = None,
        disk: Disk | None = None,
        trust: bool = False,
    ) -> None:
        self._package = diskcache()
        path = path_or_cache
        if isinstance(path, (self._package.Cache, self._package.FanoutCache)):
            disk = _disk_of(path, disk)
            path = path.directory
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(
                f"path_or_cache must be a path, a diskcache.Cache or FanoutCache, not {type(path).__name__}"
            )
        place = absolute(path)
        if disk not in (None, "plain", "json"):
            raise ValueError(f"disk must be 'plain', 'json' or None, not {disk!r}")
        self._codec = None if codec is None else resolve_codec(codec)
        if self._codec is not None and self._codec.runs_code and not trust:
            raise ValueError(
                "a codec that can run code needs trust=True here: nobody can tell who wrote to the database"
            )
        self._state: dict[str, Any] = {
            "path_or_cache": place,
            "codec": self._codec,
            "disk": disk or "plain",
            "trust": trust,
        }
        self._closed = False
        # SQLite has locks of its own that a fork must not catch held, so one thread at a time is in there.
        self._lock = fork_safe_lock()
        kind = disks()[trust, self._state["disk"]]
        caches: list[Any] = []
        with self._faults("open", ABSENT), ExitStack() as opened:
            # One by one, as FanoutCache would set their limits to what it was not told.
            for folder in rows.shards(self.path) or [self.path]:
                cache = object.__new__(self._package.Cache)
                opened.callback(_close, cache)  # one that cannot be opened has a connection, too
                cache.__init__(folder, disk=kind)
                caches.append(cache)
            opened.pop_all()
        self._caches = caches

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        return (folder_of(url),)

    @property
    def path(self) -> str:
        """The folder, absolute.

        Raises:
            Nothing.
        """
        return cast(str, self._state["path_or_cache"])

    @property
    def timer(self) -> Timer:
        return cast("Timer", self._package.core.time.time)

    # ------------------------------------------------------------------ keys, values, faults

    def _named(self, key: object) -> Any:
        """Give a key as diskcache takes it; what it would pickle is named instead, where it may not."""
        self._check_open()
        name = rows.NAMING.name(key)  # which refuses what is no key
        if self._state["disk"] == "json":
            if isinstance(key, str):
                return str.__str__(key)
            if isinstance(key, int) or key is None:
                return None if key is None else int(key)
            if isinstance(key, float):
                return int(key) if key.is_integer() else key
            raise InvalidKeyError(f"a key in JSON is text, a number or None, not {type(key).__name__}")
        if isinstance(key, str):
            return str.__str__(key)
        if isinstance(key, float) and not key.is_integer():
            return float.__float__(key)
        if isinstance(key, (int, float)) and -LARGEST <= key < LARGEST:
            return int(key)
        if isinstance(key, bytes) and not key.startswith(rows.NAMED):
            return bytes.join(b"", [key])
        if self._state["trust"]:
            return int(key) if isinstance(key, (int, float)) else key
        return rows.NAMED + name.encode("ascii")

    def _read_key(self, key: object) -> Any:
        try:
            return self._named(key)
        except InvalidKeyError:
            hash(key)
            raise KeyError(key) from None

    def _write_key(self, key: object) -> Any:
        try:
            return self._named(key)
        except InvalidKeyError as error:
            hash(key)
            raise self._error(InvalidKeyError, "write", key, error) from error

    def _encoded(self, key: object, value: object) -> Any:
        try:
            if self._codec is not None:
                return self._codec.encode(value, rows.NAMING.name(key))
            if self._state["disk"] == "json" or self._state["trust"]:
                return value
            return plain(value)
        except EncodeError as error:
            raise self._error(
                EncodeError, "write", key, error, "nothing was written, the old value stands"
            ) from error

    def _decoded(self, key: object, value: Any) -> V:
        if self._codec is None:
            return cast(V, value)
        try:
            if not isinstance(value, bytes):
                raise DecodeError(f"it is {type(value).__name__}, and not of the codec {self._codec!r}")
            return cast(V, self._codec.decode(value, rows.NAMING.name(key)))
        except DecodeError as error:
            raise self._error(type(error), "read", key, error, "it is left where it is") from error

    @contextmanager
    def _faults(self, tried: str, key: object) -> Iterator[None]:
        """Say of what fails below what it is to the caller."""
        try:
            with self._lock:
                yield
        except StorageError as error:
            if error.storage is not None:
                raise
            raise self._error(type(error), tried, key, error) from error
        except self._package.Timeout as error:
            raise self._error(UnavailableError, tried, key, "the database is locked", "try again") from error
        except (sqlite3.OperationalError, sqlite3.InterfaceError) as error:
            raise self._error(UnavailableError, tried, key, error) from error
        except sqlite3.DatabaseError as error:
            raise self._error(DecodeError, tried, key, f"the database is damaged: {error}") from error
        except OSError as error:
            self._unavailable(tried, key, error)

    def _unavailable(self, tried: str, key: object, error: OSError) -> NoReturn:
        failure = self._error(UnavailableError, tried, key, error)
        failure.errno = error.errno
        raise failure from error

    def _check_open(self) -> None:
        if self._closed:
            where = repr(self)
            raise ClosedError(f"{where} was closed; open it again to use it", storage=where)

    def _cache(self, place: Any) -> Any:
        """Give the shard of a key."""
        if len(self._caches) == 1:
            return self._caches[0]
        return self._caches[self._caches[0].disk.hash(place) % len(self._caches)]

    # ------------------------------------------------------------------ one key

    def __getitem__(self, key: K) -> V:
        place = self._read_key(key)
        with self._faults("read", key):
            value = self._found(self._cache(place), place)
        if value is ABSENT:
            raise KeyError(key)
        return self._decoded(key, value)

    def _found(self, one: Any, place: Any) -> Any:
        """Give what an entry holds as diskcache keeps it, or ``ABSENT``."""
        missing: str | None = None
        while True:
            try:
                return one.get(place, default=ABSENT, retry=True)
            except Unread as error:
                cause = error.__cause__
                if not isinstance(cause, FileNotFoundError):
                    raise cause or error from None
                # Whoever writes another value removes the file, after the row has the name of the new one.
                if error.filename == missing:
                    raise DecodeError(
                        f"the file of its value, {missing}, is missing from the folder"
                    ) from cause
                missing = error.filename

    def __setitem__(self, key: K, value: V) -> None:
        self._put(key, value, None)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._put(key, value, checked_ttl(ttl))

    def _put(self, key: K, value: V, seconds: float | None) -> None:
        place = self._write_key(key)
        data = self._encoded(key, value)
        with self._faults("write", key):
            self._cache(place).set(place, data, expire=seconds, retry=True)

    def __delitem__(self, key: K) -> None:
        place = self._read_key(key)
        with self._faults("delete", key):
            removed = self._cache(place).delete(place, retry=True)
        if not removed:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        try:
            place = self._read_key(key)
        except KeyError:
            return False
        with self._faults("look for", key):
            return place in self._cache(place)

    # ------------------------------------------------------------------ life

    def expires_at(self, key: K) -> float | None:
        place = self._read_key(key)
        with self._faults("read the deadline of", key):
            found = self._row(self._cache(place), place)
        if found is None:
            raise KeyError(key)
        return found[0]

    def ttl(self, key: K) -> float | None:
        return self._left(key, self.expires_at(key))

    def expire(self, key: K, ttl: float | None) -> None:
        seconds = checked_ttl(ttl)
        place = self._read_key(key)
        with self._faults("give a deadline to", key):
            there = self._cache(place).touch(place, expire=seconds, retry=True)
        if not there:
            raise KeyError(key)

    def purge(self) -> int:
        self._check_open()
        with self._faults("purge", ABSENT):
            now = math.nextafter(self.timer(), math.inf)  # diskcache leaves what ends at this very moment
            return sum(one.expire(now=now, retry=True) for one in self._caches)

    def _row(self, one: Any, place: Any) -> tuple[float | None, Any] | None:
        """Give the deadline and the tag of an entry that is alive."""
        key, raw = one.disk.put(place)
        query = f"SELECT expire_time, tag FROM Cache WHERE key = ? AND raw = ? AND {_ALIVE}"
        found = one._sql(query, (key, raw, self.timer())).fetchone()
        return cast("tuple[float | None, Any] | None", found)

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        seconds = checked_ttl(ttl)
        place = self._write_key(key)
        data = self._encoded(key, value)
        with self._faults("add", key):
            return bool(self._cache(place).add(place, data, expire=seconds, retry=True))

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if old is ABSENT:
            return self.add(key, new, ttl=None if ttl is KEEP else ttl)
        seconds = None if ttl is KEEP else checked_ttl(ttl)
        place = self._write_key(key)
        data = self._encoded(key, new)
        for _ in range(_ATTEMPTS):
            with self._faults("swap", key):
                found = self._found(self._cache(place), place)
            if found is ABSENT or self._decoded(key, found) != old:
                return False
            # Compared outside of the transaction, as that may be anybody's code.
            if self._replace("swap", key, place, found, data, seconds, keep=ttl is KEEP):
                return True
        raise self._conflict("swap", key)

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        check_addend(by)
        seconds = checked_ttl(ttl)
        place = self._write_key(key)
        for _ in range(_ATTEMPTS):
            with self._faults("add to", key):
                found = self._found(self._cache(place), place)
            total = by if found is ABSENT else added(key, self._decoded(key, found), by)
            data = self._encoded(key, total)
            if self._replace("add to", key, place, found, data, seconds, keep=found is not ABSENT):
                return total
        raise self._conflict("add to", key)

    def _conflict(self, tried: str, key: object) -> ConflictError:
        return self._error(
            ConflictError, tried, key, f"others wrote it {_ATTEMPTS} times meanwhile", "try again"
        )

    def _replace(
        self, tried: str, key: object, place: Any, found: Any, data: Any, ttl: float | None, *, keep: bool
    ) -> bool:
        """Write a value if the one that was found is still there; its tag stays."""
        one = self._cache(place)
        with self._faults(tried, key), one.transact(retry=True):
            now_there = self._found(one, place)
            if type(now_there) is not type(found) or now_there != found:
                return False
            deadline, tag = self._row(one, place) or (None, None)
            one.set(place, data, expire=ttl, tag=tag, retry=True)
            if keep:
                query = "UPDATE Cache SET expire_time = ? WHERE key = ? AND raw = ?"
                one._sql(query, (deadline, *one.disk.put(place)))
            return True

    # ------------------------------------------------------------------ all keys

    def __iter__(self) -> Iterator[K]:
        self._check_open()
        query = f"SELECT key, raw FROM Cache WHERE {_ALIVE} ORDER BY rowid"
        with self._faults("list the keys", ABSENT):
            found = [row for one in self._caches for row in one._sql(query, (self.timer(),)).fetchall()]
        return self._keys(found)

    def _keys(self, found: list[tuple[Any, int]]) -> Iterator[K]:
        state = self._state
        for key, raw in found:
            with self._faults("list the keys", ABSENT):
                known = rows.key_of(key, raw, in_json=state["disk"] == "json", trust=state["trust"])
            yield known

    def __len__(self) -> int:
        self._check_open()
        query = f"SELECT count(*) FROM Cache WHERE {_ALIVE}"
        with self._faults("count", ABSENT):
            return sum(one._sql(query, (self.timer(),)).fetchone()[0] for one in self._caches)

    def __bool__(self) -> bool:
        return len(self) > 0

    def clear(self) -> None:
        self._check_open()
        with self._faults("clear", ABSENT):
            for one in self._caches:
                one.clear(retry=True)

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Count the entries and their bytes.

        Returns:
            ``size``, and ``bytes`` of the databases and the files beside them; the rest is None.

        Raises:
            UnavailableError: The database cannot be read.

        Cost: one query a shard.
        """
        size = len(self)
        with self._faults("count", ABSENT):
            return Stats(size=size, bytes=int(sum(one.volume() for one in self._caches)))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with self._lock:
                for one in self._caches:
                    one.close()

    def __getstate__(self) -> dict[str, Any]:
        return dict(self._state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        DiskCacheStorage.__init__(self, state.pop("path_or_cache"), **state)

    def __repr__(self) -> str:
        state = self._state
        usual = {"codec": None, "disk": "plain", "trust": False}
        settings = [repr(state["path_or_cache"]), *unusual(state, usual)]
        limit = sum(one.size_limit for one in self._caches) if hasattr(self, "_caches") else None
        shown = "" if limit is None else f", size_limit of the folder {limit:.0f} B"
        return f"{type(self).__name__}({', '.join(settings)}{shown})"


def _close(cache: Any) -> None:
    if hasattr(cache, "_local"):
        cache.close()


def _disk_of(found: Any, disk: Disk | None) -> Disk:
    """Say which of its two kinds of disk an object of diskcache has."""
    package = diskcache()
    kind = found._disk if isinstance(found, package.FanoutCache) else type(found.disk)
    known: Disk | None = {package.Disk: "plain", package.JSONDisk: "json"}.get(kind)  # type: ignore[assignment]
    if disk is None and known is None:
        raise TypeError(
            f"the cache has a Disk of its own, {kind.__qualname__}, whose values only it can read; if they "
            "are like those of one of diskcache's, write disk='plain' or disk='json'"
        )
    return disk or known or "plain"
