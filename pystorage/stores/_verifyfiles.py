"""``verify`` for entries that are files: each is read and decoded, and what is broken is moved away."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from pystorage._typevars import K, V
from pystorage.codecs import header
from pystorage.errors import DecodeError
from pystorage.stores._folder import Folder
from pystorage.stores._local import LocalStorage
from pystorage.stores._trust import Untrusted
from pystorage.stores._verify import Broken, VerifyReport

# What a file is moved away for; one that we may only not read is left where it is.
_UNREADABLE: Final = frozenset({errno.EIO, getattr(errno, "EUCLEAN", errno.EIO)})


class _Fault(Exception):
    """What is wrong with an entry."""

    def __init__(self, key: object, reason: object, *, movable: bool = True) -> None:
        super().__init__(str(reason))
        self.key = key
        self.movable = movable


class VerifiedFiles(LocalStorage[K, V]):
    """A storage of files that can be verified.

    Raises:
        Nothing.
    """

    _folder: Folder
    _guarded: bool

    def _on_disk(self) -> list[str]:
        """Give all names with our ending, of keys and others."""
        return self._listed("")

    def verify(self, *, quarantine: bool = True) -> VerifyReport:
        """Read and decode every entry, and move those that are broken out of the way.

        They go to the folder ``quarantine`` among the storage's own files, where nothing touches them any
        more, and are absent from then on. Moved back, without the end of their name, they are there again.
        What was cut short or altered is found as far as the codec can tell: JSON and pickle by chance, one
        with a checksum (``codec="json+checksum"``), a signature or encryption for sure. An entry that another
        codec or key wrote counts as broken. Looking is no use.

        Args:
            quarantine: Whether to move what is broken; False only looks.

        Returns:
            How many entries were looked at, and what is broken: which, where, why and where it is now. What
            may not be read or not be trusted is among them, and left where it is.

        Raises:
            UnavailableError: The folder cannot be listed, or a file not be moved.
            ClosedError: The storage was closed.

        Cost: reads every file; memory for the largest value.
        Threads: others may read and write meanwhile; what is written anew while it is looked at stays.
        Processes: others may, too.

        Example:
            >>> import tempfile
            >>> from pystorage import FileStorage
            >>> storage = FileStorage(tempfile.mkdtemp(), codec="json+checksum")
            >>> storage.update(a=1, b=2)
            >>> with open(f"{storage.path}/b.storage", "r+b") as file:
            ...     _ = file.write(b"?")
            >>> report = storage.verify()
            >>> report.checked, report.broken[0].key, report.broken[0].moved_to is not None, list(storage)
            (2, 'b', True, ['a'])
        """
        self._check_open()
        checked, broken = 0, []
        for place in self._entries_on_disk():
            data: bytes | None = None
            found: _Fault | None = None
            try:
                data = self._folder.read(place, self._guarded)
                if data is None:
                    continue  # removed meanwhile
                self._examine(place, data)
            except _Fault as fault:
                found = fault
            except Untrusted as error:
                found = _Fault(self._named(place), f"{error.strerror}, so it is not loaded", movable=False)
            except OSError as error:
                movable = error.errno in _UNREADABLE
                found = _Fault(self._named(place), error.strerror or error, movable=movable)
            if found is not None:
                broken.append(self._put_aside(place, data, found, quarantine))
            checked += 1
        return VerifyReport(checked, tuple(broken))

    def _entries_on_disk(self) -> Iterator[str]:
        return (place for place in self._on_disk() if self._naming.is_entry(place))

    def _named(self, place: str) -> object:
        return place if self._naming.is_shortened(place) else self._naming.key(place)

    def _examine(self, place: str, data: bytes) -> None:
        """Raise what is wrong with the bytes of an entry."""
        key = self._named(place)
        try:
            head, body = header.unpack(data)
            name: Any = place
            if self._naming.is_shortened(place):
                name = head.name
                if name is None or self._naming.shortened(name) != place:
                    raise _Fault(place, "its header does not name its key")
                key = self._naming.key(name)
            if head.deadline is None or self._timer() < head.deadline:
                self._decode(body, name)
        except header.Newer as error:
            raise _Fault(key, error, movable=False) from error
        except (DecodeError, ValueError) as error:
            raise _Fault(key, error) from error

    def _put_aside(self, place: str, data: bytes | None, fault: _Fault, quarantine: bool) -> Broken:
        path, moved = self._folder.file(place), None
        if quarantine and fault.movable:
            try:
                moved = self._folder.set_aside(place, lambda: self._is_still(place, data))
            except OSError as error:
                self._failed_aside(fault.key, error)
        return Broken(fault.key, path, str(fault), moved)

    def _is_still(self, place: str, data: bytes | None) -> bool:
        try:
            return self._folder.read(place) == data and data is not None
        except OSError as error:
            return data is None and error.errno in _UNREADABLE

    def _failed_aside(self, key: object, error: OSError) -> NoReturn:
        self._fail("move away what is broken of", key, error)
