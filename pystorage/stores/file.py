"""FileStorage: a folder with one file for each entry."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, BinaryIO, ClassVar, Final, Literal, NoReturn, cast

from pystorage._sync import FileLeases
from pystorage._typevars import K, V
from pystorage.bytestorage import ByteStorage
from pystorage.codecs import Codec, header, holds_integers, resolve_codec
from pystorage.errors import (
    DecodeError,
    IntegrityError,
    InvalidKeyError,
)
from pystorage.naming import OWN, Naming, TreeNaming
from pystorage.storage import ABSENT, Capability, Stats, Timer, checked_ttl
from pystorage.stores._disk import folds_case
from pystorage.stores._encoded import encoded
from pystorage.stores._entryfile import EntryReader, EntryWriter
from pystorage.stores._folder import Folder
from pystorage.stores._local import Durability, absolute, folder_of
from pystorage.stores._settings import Settings
from pystorage.stores._tree import TreeFolder
from pystorage.stores._trust import only_ours
from pystorage.stores._verifyfiles import VerifiedFiles
from pystorage.urls import StorageURL, flag, octal

Layout = Literal["flat", "tree"]

_BUFFER: Final = 1 << 17
_CAPABILITIES: Final = (
    Capability.TTL
    | Capability.ADD
    | Capability.SWAP
    | Capability.LOCK
    | Capability.SCAN
    | Capability.PERSISTENT
    | Capability.SHARED
)

_TODO: Final[dict[int, str]] = {
    errno.EPERM: "it is somebody else's, or shut against changes: have it removed, or choose another folder",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "the disk is mounted read-only: choose another folder",
    errno.EACCES: "give this user the right to it, or choose another folder",
    errno.ELOOP: "a symbolic link lies there, which is not followed: remove it",
    errno.EISDIR: "a folder lies where the file should be: move it away",
    errno.ENOTDIR: "a file lies where the folder should be: move it away",
    errno.ENOENT: "make the folder again, or open the storage anew",
    errno.EMFILE: "close files, or allow this process more of them",
}


class FileStorage(VerifiedFiles[K, V]):
    """A folder with one file for each entry, shared by any number of processes.

    The entry of a plain key is the file ``{path}/{key}.{suffix}``; other keys are escaped so that no two
    share a file and none leaves the folder.

    Args:
        path: The folder; made if it is missing.
        codec: How values become bytes: a codec or its name; None is JSON. One that can run code, as pickle
            does, loads only files that nobody but this user and the system can have written.
        suffix: What the files end in, after a dot: of ``[A-Za-z0-9._-]``, ending in none of dot; may be
            empty. Storages in one folder need suffixes of which none ends in another.
        layout: ``"flat"`` is one folder, and never looks into others; ``"tree"`` makes folders of ``/`` in
            keys and owns all below the folder.
        durability: ``"process"``: what was written survives the death of the process; ``"power"``: a
            power cut too; ``"none"`` promises less, and is today the same as ``"process"``.
        mode: Permissions of the files, 0o600 … 0o777; folders get the matching ones.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        trust: Load pickles that somebody else may have written.

    Raises:
        UnavailableError: The folder cannot be made or read.
        DecodeError: The folder was written by a newer pystorage, or its settings are damaged.
        StorageProviderError: There is no codec of that name.
        TypeError: The codec's names are in an order that cannot work.
        ValueError: Another argument is out of its range, or pickles would be shared with other users.

    Cost: a read opens one file, a write makes and renames one; ``len`` and iteration list the folder (and
        ``list(storage)`` does both), and read the head of each file once any entry was given a deadline.
    Threads: any number.
    Processes: any number; all operations are atomic. On network file systems as far as these rename
        atomically and have advisory locks.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> storage = FileStorage(folder)
        >>> storage["some_key"] = {"text": "Hello World!"}
        >>> with open(f"{folder}/some_key.storage") as file:
        ...     file.read()
        '{"text": "Hello World!"}'
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "codec": str,
        "suffix": str,
        "layout": str,
        "durability": str,
        "mode": octal,
        "trust": flag,
    }
    _todo = _TODO

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        codec: Codec | str | None = None,
        suffix: str = "storage",
        layout: Layout = "flat",
        durability: Durability = "process",
        mode: int = 0o600,
        timer: Timer = time.time,
        trust: bool = False,
    ) -> None:
        codec = resolve_codec(codec)
        self._state: dict[str, Any] = {
            "path": absolute(path),
            "codec": codec,
            "suffix": suffix,
            "layout": layout,
            "durability": durability,
            "mode": mode,
            "timer": timer,
            "trust": trust,
        }
        self._check_arguments()
        self._tree: TreeFolder | None = None
        try:
            place, sync = self._state["path"], durability == "power"
            if layout == "tree":
                self._folder = (tree := TreeFolder(place, suffix, mode, sync))
                self._tree = tree
            else:
                self._folder = self._flat_folder(place, suffix, mode, sync)
            own = self._folder.own
            self._settings = Settings(self._folder)
            own.sweep()
            self._guarded = codec.runs_code and not trust and not only_ours(place)
            fold_case = self._settings["fold_case"] or folds_case(place, own.path)
        except OSError as error:
            self._fail("open", path, error)
        super().__init__(codec, self._make_naming(fold_case), timer)
        self.capabilities = _CAPABILITIES
        if codec.streams:
            self.capabilities |= Capability.STREAM
        if holds_integers(codec):
            self.capabilities |= Capability.INCR
        self._leases = FileLeases(own.leases, timer, mode, own.make, self._lock_failed())

    def _flat_folder(self, place: str, suffix: str, mode: int, sync: bool) -> Folder:
        return Folder(place, suffix, mode, sync)

    def _make_naming(self, fold_case: bool) -> Naming:
        if self._tree is None:
            return Naming(fold_case=fold_case)
        return TreeNaming(self._state["suffix"], fold_case=fold_case)

    def _check_arguments(self) -> None:
        super()._check_arguments()
        state = self._state
        suffix, mode = state["suffix"], state["mode"]
        if not isinstance(suffix, str):
            raise TypeError(f"suffix must be a str, not {type(suffix).__name__}")
        if suffix and (not Naming().plain(suffix) or len(suffix) > 40):
            raise ValueError(
                f"suffix must be at most 40 of [A-Za-z0-9._-], with no dot at its ends, not {suffix!r}"
            )
        if state["layout"] not in ("flat", "tree"):
            raise ValueError(f"layout must be 'flat' or 'tree', not {state['layout']!r}")
        if state["layout"] == "tree" and not suffix:
            raise ValueError("layout='tree' needs a suffix, to tell the file of 'a' from the folder of 'a/b'")
        if not isinstance(mode, int) or mode & ~0o777 or mode & 0o600 != 0o600:
            raise ValueError(f"mode must be 0o600 … 0o777 and let the owner read and write, not {mode!r}")
        if state["codec"].runs_code and mode & 0o022 and not state["trust"]:
            raise ValueError(
                f"mode={mode:#o} lets others write pickles that this process would run; choose another "
                "codec, or write trust=True if these others may run code here"
            )

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        return (folder_of(url),)

    # ------------------------------------------------------------------ primitives

    def _read(self, name: str) -> bytes | None:
        return self._folder.read(name, self._guarded)

    def _write(self, name: str, data: bytes) -> None:
        self._before_write()
        self._folder.write(name, data)

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        self._before_write()
        return self._folder.write(name, data, lambda: self._folder.read(name) == expected)

    def _remove(self, name: str) -> bool:
        return self._folder.remove(name)

    def _remove_if(self, name: str, head: bytes) -> None:
        self._folder.remove(name, lambda: (self._folder.head(name, len(head)) or b"") == head)

    def _head(self, name: str, size: int = header.USUAL_SIZE) -> bytes | None:
        return self._folder.head(name, size)

    def _names(self, prefix: str) -> list[str]:
        if self._tree is None:
            return self._folder.names()
        if "/" not in prefix:
            return self._tree.walk("")
        # A name that is too long lies at the top, whatever folder its key begins with.
        names = [name for name in self._tree.names() if self._naming.is_shortened(name)]
        try:
            below = self._naming.name(prefix + "x")
        except InvalidKeyError:
            return []
        if self._naming.shortened(below) == below:
            names += self._tree.walk(below.rpartition("/")[0])
        return names

    def __len__(self) -> int:
        names, plain = self._look()
        return len(names) if plain else sum(1 for _ in self._alive(names, ""))

    def __iter__(self) -> Iterator[K]:
        names, plain = self._look()
        if not plain:
            return self._alive(names, "")
        length = -len(self._folder.ending) or None
        return iter(cast("list[K]", [name[:length] for name in names]))

    def _look(self) -> tuple[list[str], bool]:
        """List the names; say whether they are plain keys that never expire, each still with its ending.

        That is the usual case, and a look at all names at once is much faster than one at each.
        """
        self._check_open()
        if self._tree is not None or self._may_expire():
            return self._listed(""), False
        try:
            files = self._folder.files()
        except OSError as error:
            self._fail("list the keys", ABSENT, error)
        ending = self._folder.ending
        if self._naming.all_plain(files, ending):
            return files, True
        files = [name for name in files if name.endswith(ending)]  # other storages share the folder
        if self._naming.all_plain(files, ending):
            return files, True
        length = -len(ending) or None
        return [name[:length] for name in files], False

    # These look at the names themselves, and do not need the iteration.
    scan = ByteStorage.scan
    clear = ByteStorage.clear

    def _may_expire(self) -> bool:
        try:
            return self._settings["deadlines"]
        except OSError as error:
            self._fail("read the settings", ABSENT, error)

    def _expect_deadline(self) -> None:
        self._settings.note("deadlines")

    def _check_size(self, key: object, size: int) -> None:
        """Refuse a file that would be larger than the storage may hold."""

    def _before_write(self) -> None:
        if self._naming.fold_case:
            self._settings.note("fold_case")

    # ------------------------------------------------------------------ locks, streams

    def open_read(self, key: K) -> BinaryIO:
        if not self._codec.streams:
            return super().open_read(key)
        name, place = self._read_name(key)
        try:
            descriptor = self._folder.open(place)
            if descriptor is None:
                raise KeyError(key)
            file = EntryReader(descriptor)
            try:
                head = file.skip_header()
                self._check_name(key, name, place, head)
                if head.deadline is not None and self._timer() >= head.deadline:
                    raise KeyError(key)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            self._fail("open", key, error)
        except IntegrityError:
            raise
        except DecodeError as error:
            raise self._error(DecodeError, "open", key, error, "the bytes are left where they are") from error
        return self._codec.reader(cast(BinaryIO, io.BufferedReader(file, _BUFFER)))

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        if not self._codec.streams:
            return super().open_write(key, ttl=ttl)
        seconds = checked_ttl(ttl)
        return self._stream(key, *self._write_name(key), seconds)

    @contextmanager
    def _stream(self, key: K, name: str, place: str, ttl: float | None) -> Iterator[BinaryIO]:
        long_name = None if name == place else name

        def prefix() -> bytes:
            return header.prefix(deadline=self._deadline(ttl), name=long_name)

        def failed(error: OSError) -> NoReturn:
            self._fail("write", key, error)

        with ExitStack() as stack:
            try:
                if ttl is not None:
                    self._expect_deadline()
                self._before_write()
                new = stack.enter_context(self._folder.own.new_file())
            except OSError as error:
                failed(error)
            raw = EntryWriter(
                new.descriptor,
                prefix if ttl is not None or long_name else None,
                failed,
                partial(self._check_size, key),
            )
            with encoded(raw, self._codec) as file:
                yield file
            try:
                new.complete(self._folder.sync)
                self._folder.put(new.path, place)
            except OSError as error:
                failed(error)

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Count the entries and their bytes.

        Returns:
            ``size`` and ``bytes``, both of what lies there, expired entries among it; the rest is None.

        Raises:
            UnavailableError: The folder cannot be read.

        Cost: lists the folder and looks at each file.
        """
        size = total = 0
        for name in self._listed(""):
            if self._naming.is_shortened(name) or self._key_at(name) is not ABSENT:
                with suppress(FileNotFoundError):
                    total += os.lstat(self._folder.file(name)).st_size
                    size += 1
        return Stats(size=size, bytes=total)

    def adopt(self) -> int:
        """Rename files whose names are keys as they are, as older programs wrote them, to our names.

        ``{path}/two words.{suffix}`` becomes the entry of the key ``"two words"``. Names that were made on a
        disk that treats capitals otherwise, and were copied without the settings, become ours too. A file
        whose name is already that of an entry is left alone, and so is one whose new name is taken.

        Returns:
            How many files were renamed.

        Raises:
            UnavailableError: A file cannot be renamed.

        Cost: lists the folder.
        """
        renamed = 0
        elsewhere = self._make_naming(not self._naming.fold_case)
        for name in self._on_disk():
            if self._naming.is_entry(name) or name.startswith(OWN):
                continue
            try:
                key = elsewhere.key(name)
            except ValueError:
                key = os.fsencode(name).decode(errors="surrogateescape")
            try:
                place = self._naming.name(key)
                if place == self._naming.shortened(place) and self._renamed(name, place):
                    renamed += 1
            except InvalidKeyError:
                continue  # not UTF-8: no key has this name
            except OSError as error:
                self._fail("adopt", name, error)
        return renamed

    def _renamed(self, name: str, place: str) -> bool:
        self._before_write()
        return self._folder.rename(name, place)

    def close(self) -> None:
        super().close()
        self._folder.own.close()

    def __setstate__(self, state: dict[str, Any]) -> None:
        FileStorage.__init__(self, state.pop("path"), **state)

    def _told(self) -> list[str]:
        mode = self._state["mode"]
        return super()._told() + ([] if mode == 0o600 else [f"mode={mode:#o}"])
