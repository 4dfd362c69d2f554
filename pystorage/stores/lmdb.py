"""LMDBStorage: a memory-mapped B-tree in one file, the fastest storage that lasts."""

from __future__ import annotations

import errno
import os
import time
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final, NoReturn

from pystorage._sync import FileLeases
from pystorage._typevars import K, V
from pystorage.codecs import Codec, header, holds_integers, resolve_codec
from pystorage.errors import DecodeError
from pystorage.storage import ABSENT, Capability, Stats, Timer
from pystorage.stores import _lmdbindex as index
from pystorage.stores._lmdbentries import LMDBEntries
from pystorage.stores._lmdbfile import Closed, Damaged
from pystorage.stores._lmdbhandles import closed, forgotten, opened
from pystorage.stores._lmdbverify import verified
from pystorage.stores._local import Durability, absolute, folder_of
from pystorage.stores._trust import Untrusted
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

_TODO: Final[dict[int, str]] = {
    errno.ENOSPC: "make room on the disk",
    errno.EIO: "make room on the disk, or replace it: LMDB says the same of one that is full or failing",
    errno.EDQUOT: "make room within the quota",
    errno.ENOENT: "it was moved or removed: put it back, or open the storage anew",
    errno.EROFS: "the disk is mounted read-only: choose another folder",
    errno.EACCES: "give this user the right to it, or choose another folder",
    errno.EPERM: "give this user the right to it, or choose another folder",
    errno.ELOOP: "a symbolic link lies there, which is not followed: remove it",
    errno.ENOTDIR: "a file lies where the folder should be: move it away",
    errno.ENOMEM: "allow this process more address space",
}


class LMDBStorage(LMDBEntries[K, V]):
    """A memory-mapped file in a folder, shared by any number of processes: reads wait for nobody.

    Args:
        path: The folder; made if it is missing.
        codec: How values become bytes: a codec or its name; None is JSON.
        limit: The most entries, ≥ 1; the least recently used go. None is any number.
        size_limit: The most bytes of names and values, ≥ 1; None is any number. The file itself is larger.
        durability: ``"process"``: what was written survives the death of the process; ``"power"``: a
            power cut too, if all who write to the folder asked for it; ``"none"`` is the same as
            ``"process"``. After a power cut without ``"power"`` the file may be damaged as a whole.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        trust: Open files, and load pickles, that somebody else may have written.

    Raises:
        MissingDependencyError: The package ``lmdb`` is not installed (extra ``lmdb``).
        UnavailableError: The folder cannot be made or read.
        DecodeError: The file is damaged, of another program or a newer pystorage, or somebody else may
            have written it.
        StorageProviderError: There is no codec of that name.
        TypeError: The codec's names are in an order that cannot work, or a limit is no integer.
        ValueError: Another argument is out of its range.

    Cost: a read is one look into memory, a write one transaction; ``set_many`` is one transaction for all.
        ``len`` and ``stats`` are O(1 + entries that have expired). With a limit each write also keeps the
        order, and reads are written down once a second or with the next write of the process, so among
        several processes the order is exact to a second.
    Threads: any number; they write one at a time.
    Processes: any number on one machine; they write one at a time, and a child that is forked opens the
        file anew. Not for network file systems. While a process has the folder open it must not open the
        file ``lock.mdb`` otherwise, not even to copy it.

    Example:
        >>> import tempfile
        >>> storage = LMDBStorage(tempfile.mkdtemp(), limit=2)
        >>> storage.update(a=1, b=2)
        >>> storage["a"], storage.add("c", 3)
        (1, True)
        >>> list(storage)
        ['a', 'c']
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "codec": str,
        "limit": int,
        "size_limit": int,
        "durability": str,
        "trust": flag,
    }
    _todo = _TODO

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
    ) -> None:
        codec = resolve_codec(codec)
        self._state: dict[str, Any] = {
            "path": absolute(path),
            "codec": codec,
            "limit": limit,
            "size_limit": size_limit,
            "durability": durability,
            "timer": timer,
            "trust": trust,
        }
        self._check_arguments()
        super().__init__(codec, timer, limit, size_limit)
        self.capabilities = _CAPABILITIES
        if holds_integers(codec):
            self.capabilities |= Capability.INCR
        if self._limited:
            self.capabilities |= Capability.ORDERED
        try:
            self._database = opened(self._state["path"], durability == "power", trust)
        except OSError as error:
            self._fail("open", path, error)
        self._give_back = weakref.finalize(self, forgotten, self._database)
        folder = os.path.join(self._database.path, "leases")
        make = partial(os.makedirs, folder, 0o700, True)
        self._leases = FileLeases(folder, timer, 0o600, make, self._lock_failed())
        if self._limited:
            try:
                self._begin_order()
            except BaseException as error:
                self.close()
                if isinstance(error, OSError):
                    self._fail("open", path, error)
                raise

    def _begin_order(self) -> None:
        """Have the file keep the order, and be within the limits."""
        self._database.ensure("order", "uses")

        def within(transaction: Any) -> None:
            count, _ = index.totals(self._database, transaction)
            if count < transaction.stat()["entries"] - 1 - len(self._database.own):
                index.take_in(self._database, transaction, self._all_names(transaction))

        self._change(within)

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        return (folder_of(url),)

    # ------------------------------------------------------------------ locks, figures, lifecycle

    def stats(self) -> Stats:
        """Count the entries and their bytes.

        Returns:
            ``size``, and ``bytes``: with a limit those of names and values, which are counted against
            ``size_limit``; without one those of the pages that they lie in. The rest is None.

        Raises:
            UnavailableError: The file cannot be read.

        Cost: O(1 + entries that have expired).
        """
        self._check_open()
        now = self._timer()

        def look(transaction: Any) -> Stats:
            size = self._count(transaction, now)
            if self._limited:
                return Stats(size=size, bytes=index.totals(self._database, transaction)[1])
            stat = transaction.stat()
            pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
            return Stats(size=size, bytes=pages * stat["psize"])

        try:
            return self._database.read(look)
        except OSError as error:
            self._fail("count", ABSENT, error)

    def verify(self) -> VerifyReport:
        """Look at everything: the pages of the file, and whether each value can be read.

        A broken entry is taken out, and what was stored is left in a file in the folder ``quarantine``.

        Returns:
            How many entries were looked at, and what is broken.

        Raises:
            DecodeError: The file is so damaged that it cannot be looked at.
            UnavailableError: It cannot be read or written.

        Cost: reads everything; nobody can write while the pages are looked at, which needs lmdb 3.0.
        """
        try:
            return verified(self._database, self._names(""), self._read, self._check, self._remove_same)
        except OSError as error:
            self._fail("verify", ABSENT, error)

    def _check(self, place: str, data: bytes) -> None:
        head, body = header.unpack(data)
        name = place
        if self._naming.is_shortened(place):
            name = self._whole_name(place, data)
        elif self._key_at(place) is ABSENT:
            raise DecodeError("its name is that of no key")
        self._check_name(place, name, place, head)
        self._decode(body, name)

    def _remove_same(self, place: str, data: bytes) -> bool:
        def same(transaction: Any) -> bool:
            found = transaction.get(place.encode("latin-1"))
            return (
                found is not None
                and bytes(found) == data
                and index.remove(self._database, transaction, place.encode("latin-1"))
            )

        return self._change(same)

    def flush(self) -> None:
        """Write down which entries were read, where there is a limit.

        Raises:
            UnavailableError: The file cannot be written.
            ClosedError: The storage was closed.
        """
        self._check_open()
        if self._limited and self._database.used:
            try:
                self._change(lambda transaction: None)
            except OSError as error:
                self._fail("write the order of use", ABSENT, error)

    def close(self) -> None:
        if not self._closed:
            try:
                if self._limited:
                    self.flush()
            finally:
                super().close()
                self._stored = {}
                if self._give_back.detach():
                    closed(self._database)

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        if isinstance(error, Untrusted):
            why = f"{error.strerror}, so somebody else may have written it ({error.filename!r})"
            todo = (
                "make it yours alone (chown, chmod go-w), in a folder that only you can write to, or choose "
                "another folder; trust=True opens what others write there"
            )
            raise self._error(DecodeError, tried, key, why, todo) from error
        if isinstance(error, Damaged):
            why = f"{error.strerror} ({error.filename!r})"
            todo = "nothing was changed; keep a copy, and put a sound file or an empty folder in its place"
            raise self._error(DecodeError, tried, key, why, todo) from error
        if isinstance(error, Closed):
            self._closed = True
            self._check_open()
        super()._fail(tried, key, error)

    def __setstate__(self, state: dict[str, Any]) -> None:
        LMDBStorage.__init__(self, state.pop("path"), **state)
