"""A folder of entry files whose names, sizes and order of use are known, whoever changes them.

What is in the folder is known in memory, in the order of use, and kept right by a journal that all processes
append to. The journal never says less than there is: what grows is told before it is done, and what shrinks
after. So whoever dies in between leaves the others counting too much, until they meet the file.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pystorage._byteentries import read_header
from pystorage._sync import fork_safe_lock
from pystorage.errors import DecodeError
from pystorage.naming import Naming
from pystorage.stores._folder import Folder
from pystorage.stores._journal import Journal
from pystorage.stores._order import GRAIN, Entry, Order
from pystorage.stores._trust import user

# As long as looking at the folder takes longer than reading the journal.
_SHORTEST_JOURNAL: Final = 1 << 16
_JOURNAL_FOR_EACH: Final = 128
_ANY_LENGTH: Final = 1 << 62
_FOLLOWS: Final = os.utime not in os.supports_follow_symlinks
_UNWRITABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class KnownFolder(Folder):
    """The files of one storage in one folder, with what is known of them.

    Args:
        path: The folder, absolute; made if it is missing.
        suffix: What entry files end in, without the dot; not empty.
        mode: The permissions of the files; folders get the matching ones.
        sync: Whether a write survives a power cut.
        timer: The clock of the deadlines, in seconds.
        limit: How many files there may be; None is any number.
        size_limit: How many bytes they may have together; None is any number.

    Raises:
        OSError: The folder is missing and cannot be made, or is no folder.

    Threads: any number.
    Processes: any number.
    """

    def __init__(
        self,
        path: str,
        suffix: str,
        mode: int,
        sync: bool,
        timer: Callable[[], float],
        limit: int | None,
        size_limit: int | None,
    ) -> None:
        super().__init__(path, suffix, mode, sync)
        self._timer = timer
        self.order: Final = Order(timer, limit, size_limit)
        #: Files that went for room and for time, by this handle.
        self.evictions = self.expirations = 0
        self._journal = Journal(self.own, mode)
        self._lock = fork_safe_lock()
        self._depth = 0
        # False while what is known and what lies there may differ, as after an exception in between.
        self._sure = True
        # Known once it is opened.
        self._naming: Naming | None = None
        self._may_expire: Callable[[], bool] = bool

    def learn(self, naming: Naming, may_expire: Callable[[], bool]) -> None:
        """Look at what there is, for the first time.

        Args:
            naming: How keys become names.
            may_expire: Tells whether any entry may have a deadline.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The folder cannot be read.

        Cost: as ``look``; the other processes go on meanwhile.
        """
        self._naming = naming
        self._may_expire = may_expire
        if self._journal.changed():
            # All that was told before this is done, and what is done from now on will be read.
            with _where_one_may_write(), self._lock:
                try:
                    self._journal.take()
                finally:
                    self._journal.give(_ANY_LENGTH)
        self.look()

    # ------------------------------------------------------------------ together with others

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Exclude all others, and know what they did.

        Yields:
            Nothing.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The journal cannot be used, or the folder not be read.
        """
        with self._lock:
            try:
                self._enter()
                yield
            finally:
                self._leave()

    def _enter(self) -> None:
        """Begin a change; ``_leave`` follows in any case."""
        self._depth += 1
        if self._depth > 1:  # as in a finalizer that comes between
            return
        # If anything comes between, what was read of the journal is lost.
        sure, self._sure = self._sure, False
        events = self._journal.take()
        if not sure or events is None or (events and not self.order.apply(events)):
            self.look()
        self._sure = True

    def _leave(self) -> None:
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self._journal.give(_SHORTEST_JOURNAL + _JOURNAL_FOR_EACH * len(self.order.files))

    def read_news(self) -> None:
        """Get to know what other processes did.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The journal or the folder cannot be read.

        Cost: one look at an open file where they did nothing; where the journal cannot be opened for
            writing, the whole folder.
        """
        with self._lock:
            if self._sure and not self._journal.changed():
                return
            try:
                with self.changing():
                    pass
            except OSError as error:
                if error.errno not in _UNWRITABLE:
                    raise
                self.look()

    # ------------------------------------------------------------------ what there is

    def look(self) -> None:
        """Learn from the folder itself what there is; what was known keeps its place in the order.

        Raises:
            OSError: It cannot be read.

        Cost: O(n); about 10 µs a file, 15 where any has a deadline.
        """
        order, files = self.order, self.order.files
        order.clear()
        found = dict(self._seen_files())
        for name in [name for name in files if name not in found]:
            order.drop(name)
        expires = self._may_expire()
        news = []
        for name, seen in found.items():
            known = files.peek(name)
            if known is None or known.size != seen.st_size or known.stamp < seen.st_mtime_ns:
                news.append((seen.st_mtime_ns, name, seen.st_size))
        # Files of one moment are in the order of their names, so that all processes agree.
        for stamp, name, size in sorted(news):
            if not order.sane(stamp):  # by a clock that was wrong: it is put right
                stamp = self._stamp(name, order.stamp())
            order.put(name, Entry(size, self._deadline_at(name) if expires else None, stamp))
        self._sure = True

    def _seen_files(self) -> Iterator[tuple[str, os.stat_result]]:
        naming, length = self._naming, -len(self.ending)
        only_user = user() if self.own.open_to_all else None
        with os.scandir(self.path) as listed:
            for item in listed:
                name = item.name
                if not name.endswith(self.ending) or not item.is_file(follow_symlinks=False):
                    continue
                name = name[:length]
                if naming is None or not naming.is_entry(name):
                    continue
                try:
                    seen = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if only_user is None or seen.st_uid == only_user:
                    yield name, seen

    def _entry_of(self, name: str, seen: os.stat_result) -> Entry:
        deadline = self._deadline_at(name) if self._may_expire() else None
        return Entry(seen.st_size, deadline, seen.st_mtime_ns)

    def _deadline_at(self, name: str) -> float | None:
        with suppress(OSError):
            found = read_header(lambda size: self.head(name, size))
            return None if found is None else found[0].deadline
        return None

    def _seen(self, name: str) -> os.stat_result | None:
        try:
            return os.lstat(self.file(name))
        except FileNotFoundError:
            return None

    def _stamp(self, name: str, stamp: int) -> int:
        # It may be gone, somebody else's or on a disk that takes no writes; then only we know of the use.
        with suppress(OSError):
            os.utime(self.file(name), ns=(stamp, stamp), follow_symlinks=_FOLLOWS)
        return stamp

    # ------------------------------------------------------------------ uses

    def tell_use(self, name: str, entry: Entry) -> None:
        """Tell the other processes, and those to come, that a file was used.

        Args:
            name: Its name.
            entry: What is known of it.

        Raises:
            Nothing.

        Cost: one system call.
        """
        entry.due = time.monotonic() + GRAIN
        entry.stamp = self._stamp(name, self.order.stamp())

    def meet(self, name: str) -> Entry | None:
        """Take down a file that was read, and of which nothing was known.

        Args:
            name: Its name.

        Returns:
            What is known of it now; None if it is gone, or somebody else's.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The journal or the folder cannot be read.
        """
        with self._lock:
            self.read_news()
            entry = self.order.use(name)
            if entry is None:  # nobody told: it was not put there by one of us
                seen = self._seen(name)
                if seen is not None and (not self.own.open_to_all or seen.st_uid == user()):
                    self.order.put(name, entry := self._entry_of(name, seen))
            return entry

    def miss(self, name: str) -> None:
        """Forget a file that was known and is not there, unless somebody is just about to write it.

        Args:
            name: Its name.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The journal or the folder cannot be read.
        """
        with _where_one_may_write(), self.changing():
            if name in self.order.files and self._seen(name) is None:
                self.order.drop(name)

    def write_stamps(self) -> None:
        """Give the files times in the order of their use, for those who open the folder later.

        Raises:
            DecodeError: The journal was written by a newer pystorage.
            OSError: The journal or the folder cannot be read.

        Cost: O(n) in memory, and one system call for each file used within the last seconds.
        """
        with self._lock:
            self.read_news()
            newest = 0
            for name in self.order.files:
                entry = self.order.files.peek(name)
                if entry is None:
                    continue
                if entry.stamp <= newest:
                    entry.stamp = self._stamp(name, newest + 1)
                newest = max(newest, entry.stamp)
            self.order.newest = max(self.order.newest, newest)

    def close(self) -> None:
        """Write down the order, and let go of what is held open.

        Raises:
            Nothing.
        """
        with self._lock:
            with suppress(OSError, DecodeError):  # as where the folder is gone, and with it the order
                self.write_stamps()
            self._journal.close()


@contextmanager
def _where_one_may_write() -> Iterator[None]:
    """Leave it be where nobody may write, so that nothing can be told, nor changed."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
