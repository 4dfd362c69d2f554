"""Database: one LMDB environment, shared by all handles of this process that name its folder.

LMDB forbids a process to open a file twice, to carry it over a fork, and to grow its map while somebody
reads. So handles share one here, readers pass a gate that is shut for a moment while the map grows, and
before a fork the environment is closed; parent and child open it again when they next use it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, TypeVar

from pystorage._sync import fork_safe_lock, let_go_before_forks
from pystorage.stores._disk import CLOSE_ON_EXEC, NO_FOLLOW, identity, make_folder, sync_folder
from pystorage.stores._library import library
from pystorage.stores._trust import check_ours_at, only_ours

T = TypeVar("T")

#: The record of what else lies in the file; no name of a key begins with ``%p``.
SETTINGS: Final = b"%pystorage"
#: Databases of our own in the file, each made when it is first needed.
OWN: Final = ("deadlines", "order", "uses")

_FORMAT: Final = 1
_FILES: Final = ("data.mdb", "lock.mdb")
# Seconds between two looks whether the file was removed while it is written to.
_LOOK_EVERY: Final = 0.1
#: Bytes of address space, not of disk, that a file begins with.
_FIRST_SIZE: Final = 1 << 28
_SMALLEST_SIZE: Final = 1 << 20
_READERS: Final = 1000
# Of the lock file: more than LMDB needs for so many.
_LOCK_SIZE: Final = 1 << 16
_SPARE: Final = 16
# Each try is after a mended fault; a map that doubles each time passes all addresses in fewer.
_ATTEMPTS: Final = 64
# Seconds that a fork waits for readers; who reads for longer is in a debugger, or is who forks.
_PATIENCE: Final = 10.0


class Damaged(OSError):
    """The file is not as LMDB or this package left it.

    Raises:
        Nothing.
    """


class Closed(OSError):
    """Nobody has the file open any more.

    Raises:
        Nothing.
    """


class _Changed(Exception):
    """Somebody made a database since we looked."""


class Database:
    """One LMDB environment as its handles in this process share it.

    Args:
        path: Its folder, made if it is missing.
        sync: Whether each write is to survive a power cut.
        trust: Whether files are opened that somebody else may have written.

    Raises:
        MissingDependencyError: The package ``lmdb`` is not installed.
        OSError: The folder cannot be made, or somebody else may have written the files.

    Threads: any number.
    Processes: any number; see the module.
    """

    def __init__(self, path: str, sync: bool, trust: bool) -> None:
        self._lmdb = library("lmdb", "LMDBStorage", "lmdb")
        self.path = path
        self.sync = sync
        self.users = 0
        #: Held by the one thread of this process that writes.
        self.lock = fork_safe_lock()
        #: Names, as stored, that were read since the order was last written; the last read is last.
        self.used: dict[bytes, None] = {}
        #: Which databases of our own there are, as last seen.
        self.own: frozenset[str] = frozenset()
        self.databases: dict[str, Any] = {}
        self._record = b""
        self._environment: Any = None
        # Kept, as it must be neither used, closed nor freed in a child.
        self._of_parent: Any = None
        self._writing = False
        # Which file is open, and when it is looked next whether it still lies there.
        self._file: tuple[int, int] | None = None
        self._next_look = 0.0
        # Who reads is in this list, by entries that are all the same: adding and removing one is atomic.
        self._inside: list[None] = []
        self.enter = self._inside.append
        self.leave = self._inside.pop
        self._left = threading.Condition(fork_safe_lock())
        #: Whether the gate is shut, so that who leaves must tell.
        self.shut = True
        #: Begins a transaction, for who has entered.
        self.begin: Callable[..., Any] = self._begin_later
        _make_folder(path, sync)
        self.check(trust)
        let_go_before_forks(self)

    def check(self, trust: bool) -> None:
        """Refuse files that somebody else may have written, as LMDB itself trusts what it finds in them.

        Args:
            trust: Whether not to.

        Raises:
            Untrusted: Somebody may have.
            OSError: No plain file lies there.
        """
        guarded = not trust and not only_ours(self.path)
        for name in _FILES:
            path = os.path.join(self.path, name)
            try:
                # Never opened: closing the lock file anew would free the locks that LMDB holds on it.
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(found.st_mode):
                code = errno.ELOOP if stat.S_ISLNK(found.st_mode) else errno.EINVAL
                raise OSError(code, "it is no plain file", path)
            if guarded:
                check_ours_at(path)

    # ------------------------------------------------------------------ reading

    def read(self, look: Callable[[Any], T], *, buffers: bool = True) -> T:
        """Look at the file as it is at one moment.

        Args:
            look: Called with a transaction.
            buffers: Whether its keys and values are views, which end with it, or else bytes.

        Returns:
            What it gave.

        Raises:
            OSError: The file cannot be read.
        """
        for _ in range(_ATTEMPTS):
            self.enter(None)
            try:
                with self.begin(buffers=buffers) as transaction:
                    return look(transaction)
            except (self._lmdb.Error, _Changed) as error:
                fault = error
            finally:
                self.left()
            with self.lock:
                self._mend(fault)
        raise self.failure(fault) from fault

    def left(self) -> None:
        """Leave after reading.

        Raises:
            Nothing.
        """
        self.leave()
        if self.shut:
            self.tell()

    def tell(self) -> None:
        """Tell who shut the gate that a reader left.

        Raises:
            Nothing.
        """
        with self._left:
            self._left.notify_all()

    def seen(self, transaction: Any) -> frozenset[str]:
        """Say which databases of our own there are at the moment of a transaction.

        Args:
            transaction: The transaction, given by ``read`` or ``write``.

        Returns:
            Their names, each open.

        Raises:
            _Changed: There is one that is not open yet; whoever began the transaction begins anew.
        """
        if transaction.get(SETTINGS) != self._record:
            raise _Changed
        return self.own

    def _begin_later(self, **options: Any) -> Any:
        """Begin a transaction for a reader who finds the gate shut, when it is open again."""
        self.left()
        entered = False
        try:
            with self.lock:
                self.enter(None)
                entered = True
                return self._ready().begin(**options)
        finally:
            if not entered:  # the wait was interrupted, and whoever called this leaves once more
                self.enter(None)

    # ------------------------------------------------------------------ writing

    def write(self, change: Callable[[Any], T]) -> T:
        """Change the file, all or nothing.

        Args:
            change: Called with a transaction, and again with another one if the file has to grow.

        Returns:
            What it gave.

        Raises:
            OSError: The file cannot be written; it is as it was.
        """
        with self.lock:
            for _ in range(_ATTEMPTS):
                try:
                    environment = self._ready()
                    if time.monotonic() >= self._next_look:
                        self._look_for_file()
                    self._writing = True
                    with self._changing(environment.begin(write=True, buffers=True)) as transaction:
                        return change(transaction)
                except (self._lmdb.Error, _Changed) as error:
                    fault = error
                finally:
                    self._writing = False
                self._mend(fault)
        raise self.failure(fault) from fault

    def put(self, place: bytes, data: bytes) -> bool:
        """Write an entry, if that is all there is to do.

        Args:
            place: Its name.
            data: Its bytes.

        Returns:
            Whether it was written. It was not where something is kept beside the entries, the file has to
            grow, or there is any trouble: for all of that there is ``write``.

        Raises:
            Nothing.
        """
        with self.lock:
            environment = self._environment
            if environment is None or time.monotonic() >= self._next_look:
                return False
            self._writing = True
            try:
                transaction = environment.begin(write=True)
                try:
                    usual = not self.own and transaction.get(SETTINGS) == self._record
                    if usual:
                        transaction.put(place, data)
                except BaseException:
                    self._abort(transaction)
                    raise
                transaction.commit()
            except self._lmdb.Error:
                return False
            finally:
                self._writing = False
            return usual

    @contextmanager
    def _changing(self, transaction: Any) -> Iterator[Any]:
        """End a transaction that writes, with the lock: it is committed, or aborted if anything is raised."""
        try:
            yield transaction
        except BaseException:
            self._abort(transaction)
            raise
        transaction.commit()

    def _abort(self, transaction: Any) -> None:
        """Abort a transaction that writes, with the lock."""
        # The library aborts at a moment at which nobody reads; by itself that may never come.
        with self._alone():
            transaction.abort()

    def ensure(self, *names: str) -> None:
        """Make databases of our own, where they are missing.

        Args:
            names: Of ``OWN``.

        Raises:
            OSError: The file cannot be written.
        """
        if self.own.issuperset(names):
            return

        def make(transaction: Any) -> None:
            own = sorted(self.seen(transaction).union(names))
            for name in names:
                self._environment.open_db(_of(name), txn=transaction, create=True)
            transaction.put(SETTINGS, _packed(own))

        self.write(make)
        self.read(self.seen)

    def is_in_place(self) -> bool:
        """Tell whether the file that is open, if any, still lies where it was opened.

        Returns:
            Whether it does.

        Raises:
            OSError: The folder cannot be looked at.
        """
        return self._environment is None or identity(os.path.join(self.path, _FILES[0])) == self._file

    def _look_for_file(self) -> None:
        """Refuse to write to a file that was removed, of which nothing would be left; with the lock."""
        if not self.is_in_place():
            why = "the file is not the one there any more that was opened"
            raise FileNotFoundError(errno.ENOENT, why, os.path.join(self.path, _FILES[0]))
        self._next_look = time.monotonic() + _LOOK_EVERY

    # ------------------------------------------------------------------ faults

    def _mend(self, fault: Exception) -> None:
        """Do what makes another try worthwhile, with the lock; or say what is wrong."""
        lmdb = self._lmdb
        if self._environment is None:
            return  # it will be opened anew
        if isinstance(fault, _Changed):
            try:
                self._look_again()
            except lmdb.Error as error:
                self._mend(error)
        elif isinstance(fault, lmdb.MapFullError):
            # Dead readers keep pages that could be used again.
            self._environment.reader_check()
            self._resize(2 * self._environment.info()["map_size"])
        elif isinstance(fault, lmdb.MapResizedError):
            self._resize(0)  # as large as another process made it
        elif isinstance(fault, lmdb.ReadersFullError):
            if not self._environment.reader_check():
                raise self.failure(fault) from fault
        elif isinstance(fault, lmdb.PanicError):
            with self._alone():  # after a write that failed LMDB wants to be opened anew
                self._close()
        else:
            raise self.failure(fault) from fault

    def _resize(self, size: int) -> None:
        with self._alone():
            try:
                self._environment.set_mapsize(size)
            except self._lmdb.Error as error:
                self._close()
                raise self.failure(error) from error

    def failure(self, fault: Exception) -> OSError:
        """Say what a fault of LMDB is.

        Args:
            fault: The fault.

        Returns:
            What to raise.

        Raises:
            Nothing.
        """
        lmdb = self._lmdb
        broken = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError)
        if isinstance(fault, (*broken, lmdb.IncompatibleError)):
            return Damaged(errno.EINVAL, str(fault), self.path)
        code = getattr(fault, "code", 0)
        return OSError(code if code and code > 0 else errno.EIO, str(fault), self.path)

    # ------------------------------------------------------------------ open and shut

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Shut the gate, with the lock, until nobody reads; it opens again if the environment is open."""
        self.begin, self.shut = self._begin_later, True
        with self._left:
            while self._inside:
                self._left.wait()
        try:
            yield
        finally:
            self._open_gate()

    def _open_gate(self) -> None:
        if self._environment is not None:
            self.begin, self.shut = self._environment.begin, False

    def _ready(self) -> Any:
        """Give the environment, with the lock; open it if it is not."""
        if self._environment is None:
            if self.users == 0:
                raise Closed(errno.EBADF, "it was closed", self.path)
            if self._of_parent is not None:
                why = "this process was forked in the middle of a use of the file that did not end in time"
                raise OSError(errno.EBUSY, why, self.path)
            self._open_anew()
            self._open_gate()
        return self._environment

    def _open_anew(self) -> None:
        for _ in range(_ATTEMPTS):
            self._environment = self._opened()
            try:
                self._environment.reader_check()  # whoever died while reading
                self._begin_record()
                self._look_again()
                return
            except self._lmdb.Error as error:
                self._close()
                # Another process may have made the file larger since it was opened here.
                if not isinstance(error, self._lmdb.MapResizedError):
                    raise self.failure(error) from error
            except BaseException:
                self._close()
                raise
        raise Damaged(errno.EINVAL, "it is larger than it says", self.path)

    def _opened(self) -> Any:
        lmdb, size = self._lmdb, _FIRST_SIZE
        self._reserve()
        while True:
            try:
                environment = lmdb.open(
                    self.path, map_size=size, mode=0o700, create=False, sync=self.sync, metasync=self.sync,
                    max_dbs=len(OWN), max_readers=_READERS, max_spare_txns=_SPARE,
                )  # fmt: skip
            except lmdb.MapResizedError:
                continue  # another process is just making it larger
            except lmdb.Error as error:
                short = isinstance(error, lmdb.MemoryError) or getattr(error, "code", 0) == errno.ENOMEM
                if not short or size <= _SMALLEST_SIZE:
                    raise self.failure(error) from error
                size //= 4  # this process may not use so many addresses
                continue
            try:
                self._file = identity(os.path.join(self.path, _FILES[0]))
                self._check_length(environment)
                if self.sync:
                    sync_folder(self.path)
            except BaseException:
                environment.close()
                raise
            return environment

    def _reserve(self) -> None:
        """Give the lock file its room on the disk, as a full one would else kill who writes to its map."""
        flags = os.O_RDWR | os.O_CREAT | NO_FOLLOW | CLOSE_ON_EXEC
        descriptor = os.open(os.path.join(self.path, _FILES[1]), flags, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, _LOCK_SIZE)
        finally:
            os.close(descriptor)  # this process has no locks on it yet

    def _check_length(self, environment: Any) -> None:
        """Refuse a file that lacks its end, as reading what is not there kills the process."""
        path = os.path.join(self.path, _FILES[0])
        expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if os.path.getsize(path) >= expected or expected <= 2 * environment.stat()["psize"]:
            return
        # The last pages may never have been written, if they were given back at once.
        try:
            faults = import_module("lmdb.verify").verify(path, subdir=False)[:1]
        except ImportError:
            faults = ["its end is missing"]
        if faults:
            raise Damaged(errno.EINVAL, f"the file is cut short ({faults[0]})", path)

    def _begin_record(self) -> None:
        """Write our record into a file without entries; refuse one that somebody else made."""
        with self._environment.begin() as transaction:
            if transaction.get(SETTINGS) is not None:
                return
        with self._environment.begin(write=True) as transaction:
            if transaction.get(SETTINGS) is None:
                if transaction.stat()["entries"]:
                    raise Damaged(errno.EINVAL, "another program made this LMDB file", self.path)
                transaction.put(SETTINGS, _packed([]))

    def _look_again(self) -> None:
        """Read our record, and open what it names."""
        with self._environment.begin() as transaction:
            record = transaction.get(SETTINGS)
        own = _unpacked(record, self.path)
        for name in own - set(self.databases):
            self.databases[name] = self._environment.open_db(_of(name), create=False)
        self.own, self._record = own, record

    def _close(self) -> None:
        environment, self._environment = self._environment, None
        self.begin, self.shut = self._begin_later, True
        self.databases, self.own, self._record = {}, frozenset(), b""
        environment.close()

    def close(self) -> None:
        """Close the environment; who uses it again opens it again.

        Raises:
            Nothing.
        """
        with self.lock:
            if self._environment is not None:
                with self._alone():
                    self._close()

    def make_synced(self) -> None:
        """From now on have each write survive a power cut, and all before.

        Raises:
            OSError: The disk failed.
        """
        with self.lock:
            self.sync = True
            if self._environment is not None:
                try:
                    self._environment.sync(True)
                except self._lmdb.Error as error:
                    raise self.failure(error) from error
                self.close()

    # ------------------------------------------------------------------ forks

    def before_fork(self) -> None:
        """Close the environment, in the thread that forks and has all locks.

        Raises:
            Nothing.
        """
        if self._environment is None or self._writing:
            return
        self.begin, self.shut = self._begin_later, True
        with self._left:
            self._left.wait_for(lambda: not self._inside, _PATIENCE)
        if self._inside:
            self._open_gate()
        else:
            self._close()

    def after_fork_in_child(self) -> None:
        """Leave an environment alone that could not be closed: it is the parent's, and LMDB allows no other.

        Raises:
            Nothing.
        """
        self._inside.clear()
        self._writing = False
        if self._environment is not None:
            self._of_parent, self._environment = self._environment, None
            self.begin, self.shut = self._begin_later, True
            self.databases, self.own, self._record = {}, frozenset(), b""


def _of(name: str) -> bytes:
    return b"%s.%s" % (SETTINGS, name.encode())


def _packed(own: list[str]) -> bytes:
    return json.dumps({"format": _FORMAT, "databases": own}).encode()


def _unpacked(record: bytes | None, path: str) -> frozenset[str]:
    try:
        settings = json.loads(record or b"")
        version, own = settings["format"], frozenset(settings["databases"])
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(errno.EINVAL, "the record of its settings is damaged", path) from error
    if version != _FORMAT or not own.issubset(OWN):
        raise Damaged(
            errno.EINVAL, f"its format {version} with {sorted(own)} is newer than this pystorage knows", path
        )
    return own


def _make_folder(path: str, sync: bool) -> None:
    """Make a folder that is ours alone, and those above it that are missing."""
    missing = []
    above = path
    while not os.path.isdir(above):
        missing.append(above)
        if above == (above := os.path.dirname(above)):
            break
    for folder in reversed(missing):
        try:
            make_folder(folder, 0o700 if folder == path else None)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(folder).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None
        if sync:
            sync_folder(os.path.dirname(folder))
