"""The files of a bounded folder in the order of their use, as one process knows them: how many, how large."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, cast

from pystorage._sync import fork_safe_lock
from pystorage.engine import Cache

#: Seconds after which another use of a file is told to the other processes, by the file's time.
GRAIN: Final = 10.0

# A name that holds nothing else cannot lead out of the folder.
_NAME: Final = r"([A-Za-z0-9._%~-]+)"
_EVENT: Final = re.compile(rf"\+([0-9]{{1,18}}):([0-9]{{1,19}}):([0-9.e+-]*):{_NAME}|-{_NAME}")
# A file that is said to be used so much later than now has that from a clock that was wrong.
_DAY: Final = 86_400 * 10**9


class Entry:
    """What is known of one file.

    Args:
        size: Its bytes.
        deadline: When it expires, on the storage's timer; None is never.
        stamp: When it was last used as its time says, in nanoseconds.
        due: From when on another use is to be told, in seconds of the monotonic clock.

    Raises:
        Nothing.
    """

    __slots__ = ("deadline", "due", "size", "stamp")

    def __init__(self, size: int, deadline: float | None, stamp: int, due: float = 0.0) -> None:
        self.size = size
        self.deadline = deadline
        self.stamp = stamp
        self.due = due


class _Files(Cache[str, Entry]):
    __slots__ = ()

    def _new_lock(self) -> AbstractContextManager[Any]:
        return cast("AbstractContextManager[Any]", fork_safe_lock())


def _size_of(name: str, entry: Entry) -> int:
    return entry.size


class Order:
    """The files by name, the first to go at the beginning; what has expired goes before all others.

    Args:
        timer: The clock of the deadlines, in seconds.
        limit: How many files there may be; None is any number.
        size_limit: How many bytes they may have together; None is any number.

    Raises:
        Nothing.

    Cost: O(1) for one file, O(log n) where it has a deadline; about 250 bytes of memory a file.
    Threads: one at a time, but for ``use`` and for reading ``files``.
    """

    def __init__(self, timer: Callable[[], float], limit: int | None, size_limit: int | None) -> None:
        self._timer = timer
        self.limit = limit
        self.size_limit = size_limit
        # Their time has come, and the engine has let go of them; on the disk they are still.
        self._fallen: deque[tuple[str, Entry]] = deque()
        self._expired: dict[str, int] = {}
        self._expired_size = 0
        self.newest = 0
        fallen = self._fallen

        def gone(name: str, entry: Entry, cause: str) -> None:
            if cause == "expired":
                fallen.append((name, entry))

        #: Name → what is known, in order.
        self.files: Final[Cache[str, Entry]] = _Files(
            maxsize=None, weigher=_size_of, on_evict=gone, timer=timer
        )
        #: Gives what is known of a name, which counts as a use; None if it is not there.
        self.use: Final[Callable[[str], Entry | None]] = self.files.get

    def stamp(self) -> int:
        """Give the time of a use, later than that of each use before it, whatever the clock says.

        Returns:
            Nanoseconds since 1970.

        Raises:
            Nothing.
        """
        self.newest = newest = max(time.time_ns(), self.newest + 1)
        return newest

    def sane(self, stamp: int) -> bool:
        """Tell whether a time can be that of a use.

        Args:
            stamp: Nanoseconds since 1970.

        Returns:
            Whether it is not far in the future.

        Raises:
            Nothing.
        """
        return stamp <= max(time.time_ns(), self.newest) + _DAY

    def put(self, name: str, entry: Entry) -> None:
        """Take down a file as the one used last.

        Args:
            name: Its name.
            entry: What is known of it.

        Raises:
            Nothing.
        """
        self._forget_expired(name)
        if self.newest < entry.stamp and self.sane(entry.stamp):
            self.newest = entry.stamp
        seconds = None if entry.deadline is None else entry.deadline - self._timer()
        self.files._write(name, entry, seconds)

    def drop(self, name: str) -> Entry | None:
        """Forget a file that is gone.

        Args:
            name: Its name.

        Returns:
            What was known of it; None if nothing was.

        Raises:
            Nothing.
        """
        self._forget_expired(name)
        return self.files.pop(name, None)

    def clear(self) -> None:
        """Forget what has expired, before all is looked at anew.

        Raises:
            Nothing.
        """
        self._settle()
        self._expired.clear()
        self._expired_size = 0

    def first_expired(self) -> str | None:
        """Give a file that has expired and may still be there, as of the last ``over``.

        Returns:
            Its name; None if there is none.

        Raises:
            Nothing.
        """
        return next(iter(self._expired)) if self._expired else None

    def postpone(self, name: str) -> None:
        """Let others go before a file that has expired and cannot be removed.

        Args:
            name: Its name.

        Raises:
            Nothing.
        """
        if name in self._expired:
            self._expired[name] = self._expired.pop(name)

    def over(self, more: int, bytes_more: int) -> bool:
        """Tell whether the files would be over a limit.

        Args:
            more: How many files come to those there are.
            bytes_more: How many bytes.

        Returns:
            Whether they would be too many, or too large.

        Raises:
            Nothing.
        """
        files = len(self.files)  # which lets go of what has expired by now
        if self._fallen:
            self._settle()
        if self.limit is not None and files + len(self._expired) + more > self.limit:
            return True
        return (
            self.size_limit is not None
            and self.files.currsize + self._expired_size + bytes_more > self.size_limit
        )

    def apply(self, events: Iterable[str]) -> bool:
        """Take down what other processes told.

        Args:
            events: What they told: ``+{size}:{stamp}:{deadline}:{name}`` or ``-{name}``, with spaces between.

        Returns:
            Whether all of it made sense.

        Raises:
            Nothing.
        """
        for event in events:
            for word in event.split(" "):
                match = _EVENT.fullmatch(word)
                if match is None:
                    return False
                size, stamp, deadline, name, gone = match.groups()
                if gone is not None:
                    self.drop(gone)
                    continue
                try:
                    when = float(deadline) if deadline else None
                except ValueError:
                    return False
                self.put(name, Entry(int(size), when, int(stamp)))
        return True

    def _settle(self) -> None:
        """Take down what the engine has let go of since."""
        while self._fallen:
            name, entry = self._fallen.popleft()
            if name not in self.files and name not in self._expired:
                self._expired[name] = entry.size
                self._expired_size += entry.size

    def _forget_expired(self, name: str) -> None:
        if self._fallen or self._expired:
            self._settle()
            self._expired_size -= self._expired.pop(name, 0)


def put_event(name: str, entry: Entry) -> str:
    """Put into words that a file was written.

    Args:
        name: Its name.
        entry: What is known of it.

    Returns:
        What ``apply`` understands.

    Raises:
        Nothing.
    """
    return f"+{entry.size}:{entry.stamp}:{'' if entry.deadline is None else repr(entry.deadline)}:{name}"
