"""DiskLRUStorage: a folder of files, at most so many, of which the least recently used makes room."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Any, BinaryIO, ClassVar, NoReturn, cast

from pystorage._typevars import K, V
from pystorage.codecs import Codec
from pystorage.errors import CapacityError
from pystorage.storage import ABSENT, Capability, Stats, Timer
from pystorage.stores._bounded import BoundedFolder
from pystorage.stores._folder import Folder
from pystorage.stores._local import Durability, check_limit, unusual
from pystorage.stores.file import FileStorage
from pystorage.urls import flag, octal


def _limit(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


class DiskLRUStorage(FileStorage[K, V]):
    """A folder with one file for each entry, of which the least recently used make room for new ones.

    Reading a value and writing one are uses; ``in``, iteration and its views are not. What has expired goes
    before what is alive, and overwriting an entry makes nothing go but what its larger value needs.

    Args:
        path: The folder; made if it is missing; None is the system's temporary one.
        limit: How many entries there may be, ≥ 1; None is any number.
        size_limit: How many bytes their files may have together, ≥ 1; None is any number.
        codec: How values become bytes: a codec or its name; None is pickle. One that can run code loads only
            files that nobody but this user and the system can have written.
        suffix: What the files end in, after a dot: of ``[A-Za-z0-9._-]``, not empty, ending in none of dot.
            All files with it are this storage's, and count; storages in one folder need suffixes of which
            none ends in another.
        durability: ``"process"``: what was written survives the death of the process; ``"power"``: a
            power cut too; ``"none"`` promises less, and is today the same as ``"process"``.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        mode: Permissions of the files, 0o600 … 0o777; folders get the matching ones.
        trust: Load pickles that somebody else may have written.

    Raises:
        UnavailableError: The folder cannot be made or read, or what is over the limits not be removed.
        DecodeError: The folder was written by a newer pystorage, or its settings are damaged.
        StorageProviderError: There is no codec of that name.
        TypeError: The codec's names are in an order that cannot work, or a limit is no integer.
        ValueError: Another argument is out of its range, or pickles would be shared with other users.

    Cost: a read opens one file; a write makes, renames and removes one, however many there are; ``len``,
        iteration and ``stats`` look at no file. Opening looks at each file, about 10 µs. An entry takes
        about 250 bytes of memory.
    Threads: any number.
    Processes: any number; all operations are atomic, and no write comes to its end with more in the folder
        than its storage may hold. The order is exact within a process; what others read counts to within
        ten seconds. Of several limits each process keeps its own when it writes.

    Example:
        >>> import tempfile
        >>> storage = DiskLRUStorage(tempfile.mkdtemp(), limit=2)
        >>> storage.update(a=1, b=2)
        >>> storage["a"]
        1
        >>> storage["c"] = 3
        >>> list(storage), storage.stats().evictions
        (['a', 'c'], 1)
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "limit": _limit,
        "size_limit": _limit,
        "codec": str,
        "suffix": str,
        "durability": str,
        "mode": octal,
        "trust": flag,
    }

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        limit: int | None = None,
        size_limit: int | None = None,
        codec: Codec | str | None = None,
        suffix: str = "disklru.pkl",
        durability: Durability = "process",
        timer: Timer = time.time,
        mode: int = 0o600,
        trust: bool = False,
    ) -> None:
        check_limit("limit", limit)
        check_limit("size_limit", size_limit)
        self._limit, self._size_limit = limit, size_limit
        if suffix == "":
            raise ValueError("a folder with a limit needs a suffix, to tell its files from those of others")
        self._hits = self._misses = self._sets = self._deletes = 0
        super().__init__(
            tempfile.gettempdir() if path is None else path,
            codec="pickle" if codec is None else codec,
            suffix=suffix,
            durability=durability,
            mode=mode,
            timer=timer,
            trust=trust,
        )
        self.capabilities |= Capability.STATS | Capability.ORDERED
        self._bounded = cast(BoundedFolder, self._folder)
        self._files = self._bounded.order.files
        self._use = self._bounded.order.use
        # Where others may write, a file is looked at before it is read.
        self._read_at_once = self._read if self._guarded else self._folder.read_at_once
        try:
            self._bounded.open_bounded(self._naming, partial(self._settings.__getitem__, "deadlines"))
        except OSError as error:
            self._fail("open", self.path, error)

    def _flat_folder(self, place: str, suffix: str, mode: int, sync: bool) -> Folder:
        timer = self._state["timer"]
        return BoundedFolder(place, suffix, mode, sync, timer, self._limit, self._size_limit)

    @property
    def limit(self) -> int | None:
        """How many entries there may be; None is any number.

        Raises:
            Nothing.
        """
        return self._limit

    @property
    def size_limit(self) -> int | None:
        """How many bytes the files may have together; None is any number.

        Raises:
            Nothing.
        """
        return self._size_limit

    # ------------------------------------------------------------------ reading

    def __getitem__(self, key: K) -> V:
        name: str
        text: Any = key
        # What is known under a name without "%" is the entry of that very text.
        if (
            type(text) is str
            and "%" not in text
            and not self._closed
            and (entry := self._use(text)) is not None
        ):
            name = place = text
        else:
            name, place = self._read_name(key)
            entry = None
        try:
            data = self._read_at_once(place)
            value = self._value_of(key, name, place, self._read(place) if data is None else data)
        except KeyError:
            self._missed(key, place)
            raise
        except OSError as error:
            self._fail("read", key, error)
        self._hits += 1
        if entry is None:
            entry = self._use(place)
        if entry is None or monotonic() >= entry.due:
            self._used(key, place)
        return value

    def _load(self, key: K) -> V:
        return FileStorage.__getitem__(self, key)

    def _missed(self, key: object, place: str) -> None:
        self._misses += 1
        if place in self._files:
            try:
                self._bounded.miss(place)
            except OSError as error:
                self._fail("read", key, error)

    def _used(self, key: object, place: str) -> None:
        """Take down a use that the others get to know of, or of an entry that they wrote."""
        try:
            entry = self._files.peek(place) or self._bounded.meet(place)
            if entry is not None and monotonic() >= entry.due:
                self._bounded.tell_use(place, entry)
        except OSError as error:
            self._fail("read", key, error)

    def open_read(self, key: K) -> BinaryIO:
        if not self._codec.streams:
            return super().open_read(key)
        place = self._read_name(key)[1]
        try:
            file = super().open_read(key)
        except KeyError:
            self._missed(key, place)
            raise
        self._hits += 1
        self._use(place)
        self._used(key, place)
        return file

    # ------------------------------------------------------------------ writing

    def _write(self, name: str, data: bytes) -> None:
        self._check_data(name, data)
        super()._write(name, data)
        self._sets += 1

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        self._check_data(name, data)
        written = super()._write_if(name, expected, data)
        self._sets += written
        return written

    def _check_data(self, place: str, data: bytes) -> None:
        if self._size_limit is not None and len(data) > self._size_limit:
            name = self._whole_name(place, data) if self._naming.is_shortened(place) else place
            self._refuse(self._naming.key(name), len(data))

    def _check_size(self, key: object, size: int) -> None:
        if self._size_limit is not None and size > self._size_limit:
            self._refuse(key, size)

    def _refuse(self, key: object, size: int) -> NoReturn:
        raise self._error(
            CapacityError,
            "write",
            key,
            f"its file would have {size:,} bytes, and all together may have {self._size_limit:,}",
            "the old value stands; raise size_limit, or store less",
        )

    def _remove(self, name: str) -> bool:
        removed = super()._remove(name)
        self._deletes += removed
        return removed

    def _remove_if(self, name: str, head: bytes) -> None:
        if self._folder.remove(name, lambda: (self._folder.head(name, len(head)) or b"") == head):
            self._bounded.expirations += 1

    def purge(self) -> int:
        """Remove what has expired, and look at the folder anew, for what others put there or removed.

        Returns:
            How many entries had expired.

        Raises:
            UnavailableError: The folder cannot be read, or a file not be removed.

        Cost: as opening it; the other processes wait.
        """
        self._check_open()
        try:
            return self._bounded.purge()
        except OSError as error:
            self._fail("purge", ABSENT, error)

    # ------------------------------------------------------------------ all keys

    def _names(self, prefix: str) -> list[str]:
        self._bounded.read_news()
        return list(self._files)

    def _on_disk(self) -> list[str]:
        self._check_open()
        try:
            return self._folder.names()
        except OSError as error:
            self._fail("list the files", ABSENT, error)

    def clear(self) -> None:
        self._check_open()
        try:
            self._bounded.look_anew()
        except OSError as error:
            self._fail("clear", ABSENT, error)
        super().clear()

    def __len__(self) -> int:
        self._check_open()
        try:
            self._bounded.read_news()
        except OSError as error:
            self._fail("count the keys", ABSENT, error)
        return len(self._files)

    def __iter__(self) -> Iterator[K]:
        names = self._listed("")
        if self._naming.all_plain(names):
            return iter(cast("list[K]", names))
        return self._keys_of(names)

    def _keys_of(self, names: list[str]) -> Iterator[K]:
        for name in names:
            key = self._long_key(name) if self._naming.is_shortened(name) else self._key_at(name)
            if key is not ABSENT:
                yield cast(K, key)

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Give the figures of this storage.

        Returns:
            All of them; ``evictions`` and ``expirations`` are those of this process.

        Raises:
            UnavailableError: The folder cannot be read.

        Cost: looks at no file.
        """
        size = len(self)
        return Stats(
            self._hits,
            self._misses,
            self._sets,
            self._deletes,
            self._bounded.evictions,
            self._bounded.expirations,
            size,
            self._files.currsize,
            self._limit,
            self._size_limit,
        )

    def flush(self) -> None:
        """Write the order of use into the times of the files, for those who open the folder later.

        Raises:
            ClosedError: It was closed.
            UnavailableError: The folder cannot be read.

        Cost: O(n) in memory, and a system call for each file used within the last ten seconds.
        """
        self._check_open()
        try:
            self._bounded.write_stamps()
        except OSError as error:
            self._fail("flush", ABSENT, error)

    def close(self) -> None:
        if not self._closed:
            self._bounded.close()
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "limit": self._limit, "size_limit": self._size_limit}
        del state["layout"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        DiskLRUStorage.__init__(self, state.pop("path"), **state)

    def _told(self) -> list[str]:
        path, *others = super()._told()
        limits = {"limit": self._limit, "size_limit": self._size_limit}
        return [path, *unusual(limits, dict.fromkeys(limits)), *others]
