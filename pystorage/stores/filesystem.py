"""FilesystemStorage: a folder of any filesystem that fsspec knows, with one file for each entry."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NoReturn

from pystorage._arguments import check_timer
from pystorage._typevars import K, V
from pystorage.bytestorage import ByteStorage
from pystorage.codecs import Codec, header, resolve_codec
from pystorage.errors import ReadOnlyError, StorageProviderError
from pystorage.naming import Naming
from pystorage.storage import ABSENT, Capability, Stats, Timer
from pystorage.stores._fsspec import IN_MEMORY, FilesystemFolder, ReadOnlyFilesystem
from pystorage.stores._trust import refuse_bare_pickles
from pystorage.urls import StorageURL, flag, without_secrets

# The file beside the entries that says that some may have a deadline.
_DEADLINES: Final = "deadlines"
_SECRETS: Final = ("pass", "secret", "token", "credential", "pkey")
# What fsspec would take without a word, and leave unused.
_OWN: Final = ("codec", "path", "fold_case", "timer", "trust")
_ELSEWHERE: Final = {
    **dict.fromkeys(("expiration", "ttl"), "give set() a ttl, or put a VolatileStorage around it"),
    **dict.fromkeys(("limit", "size_limit"), "it keeps everything; DiskLRUStorage is a folder with limits"),
}
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]*")


class FilesystemStorage(ByteStorage[K, V]):
    """A folder of any filesystem that fsspec knows, with one file for each entry.

    The entry of a plain key is the file ``{folder}/{key}``; other keys are escaped, as in a ``FileStorage``.
    What is declared is what the filesystem can do: archives, web pages and what ``simplecache::`` or the
    like keep of another filesystem are only read (``ReadOnlyError``), a filesystem in memory is not shared.
    A write is whole or not at all where the filesystem can rename, or takes a file as a whole; elsewhere a
    reader may meet a part of it. fsspec's own cache of listings is passed by.

    Args:
        url: The folder as a URL of fsspec, such as ``"sftp://host/folder"``, or a filesystem object.
        codec: How values become bytes: a codec or its name; None is JSON.
        path: The folder in a filesystem object; ``""`` is its top.
        fold_case: Whether the filesystem takes capitals for small letters.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        trust: Load pickles, which whoever can write to the folder can make run any code here.
        fsspec_options: For the filesystem that the URL names.

    Raises:
        MissingDependencyError: fsspec, or what the filesystem needs, is not installed.
        UnavailableError: The filesystem cannot be reached.
        StorageProviderError: There is no codec or no filesystem of that name.
        TypeError: An argument is of a wrong type, or an option is ours mistyped, or another storage's.
        ValueError: The URL names no folder, or pickles are neither signed nor encrypted.

    Cost: a read is one read of a file, a write one write and a rename; ``len`` and iteration list the folder,
        and read the head of each file once any entry was given a deadline.
    Threads: any number; on one connection (SFTP, FTP, SMB) one at a time.
    Processes: any number that the filesystem serves. A forked child opens a connection of its own. A pickle
        holds neither passwords nor connections.

    Example:
        >>> storage = FilesystemStorage("memory://shelf")
        >>> storage["some key"] = {"text": "Hello World!"}
        >>> storage
        FilesystemStorage('memory://shelf', codec=JSONCodec())
        >>> import fsspec
        >>> fsspec.filesystem("memory").cat_file("/shelf/some%20key")
        b'{"text": "Hello World!"}'
        >>> storage.clear()
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "codec": str,
        "fold_case": flag,
        "trust": flag,
    }

    def __init__(
        self,
        url: Any,
        *,
        codec: Codec | str | None = None,
        path: str = "",
        fold_case: bool = False,
        timer: Timer = time.time,
        trust: bool = False,
        **fsspec_options: Any,
    ) -> None:
        codec = resolve_codec(codec)
        if not isinstance(url, str) and not hasattr(url, "cat_file"):
            raise TypeError(f"url must be a URL of fsspec or a filesystem, not {type(url).__name__}")
        if url in ("", "file://", "local://"):  # fsspec takes it for the current folder
            raise ValueError("url names no folder; write '.' for the current one")
        if isinstance(url, str) and path:
            raise TypeError("path is for a filesystem object; a URL holds its folder itself")
        if not isinstance(url, str) and fsspec_options:
            raise TypeError("options are for a URL; a filesystem object has its own")
        _refuse_mistaken(fsspec_options)
        check_timer(timer)
        refuse_bare_pickles(codec, trust, "the folder")
        self._state: dict[str, Any] = {
            "url": url,
            "codec": codec,
            "path": path,
            "fold_case": fold_case,
            "timer": timer,
            "trust": trust,
            **fsspec_options,
        }
        super().__init__(codec, Naming(fold_case=fold_case), timer)
        self._has_deadlines = False
        try:
            self._folder = FilesystemFolder(url, path, fsspec_options)
        except OSError as error:
            self._fail("open", ABSENT, error)
        except ValueError as error:
            raise StorageProviderError(f"fsspec cannot open {self!r}: {_hidden(str(error))}") from error
        self.capabilities = Capability.NONE
        if not self._folder.is_read_only:
            self.capabilities |= Capability.TTL
        if not self._folder.protocols & IN_MEMORY:
            self.capabilities |= Capability.PERSISTENT | Capability.SHARED

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        if url.host or not url.path:
            raise StorageProviderError(
                f"{url.scheme}: URLs hold one of fsspec, as in {url.scheme}:sftp://host/folder?codec=json"
            )
        return (url.path,)

    # ------------------------------------------------------------------ primitives

    def _read(self, name: str) -> bytes | None:
        return self._folder.read(name)

    def _head(self, name: str, size: int = header.USUAL_SIZE) -> bytes | None:
        return self._folder.read(name, size)

    def _write(self, name: str, data: bytes) -> None:
        self._folder.write(name, data)

    def _remove(self, name: str) -> bool:
        return self._folder.remove(name)

    def _names(self, prefix: str) -> list[str]:
        return list(self._folder.sizes())

    def _may_expire(self) -> bool:
        if not self._has_deadlines:
            try:
                self._has_deadlines = self._folder.own_exists(_DEADLINES)
            except OSError as error:
                self._fail("read the settings", ABSENT, error)
        return self._has_deadlines

    def _expect_deadline(self) -> None:
        if not self._has_deadlines:
            self._folder.write_own(_DEADLINES)
            self._has_deadlines = True

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Count the entries and their bytes.

        Returns:
            ``size`` and, where the filesystem tells them, ``bytes``, both of what lies there, expired entries
            among it; the rest is None.

        Raises:
            UnavailableError: The folder cannot be listed.

        Cost: lists the folder.
        """
        ours = set(self._places())
        try:
            sizes = [size for name, size in self._folder.sizes().items() if name in ours]
        except OSError as error:
            self._fail("list the keys", ABSENT, error)
        known = [size for size in sizes if size is not None]
        return Stats(size=len(sizes), bytes=sum(known) if len(known) == len(sizes) else None)

    def close(self) -> None:
        super().close()
        self._folder.close()

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        if isinstance(error, ReadOnlyFilesystem):
            todo = "write with what makes the archive, the page or the repository, or past the cache"
            raise self._error(ReadOnlyError, tried, key, error.strerror, todo) from error
        super()._fail(tried, key, error)

    def _reason(self, error: OSError) -> tuple[str, str]:
        why, todo = super()._reason(error)
        return _hidden(why), todo

    def __getstate__(self) -> dict[str, Any]:
        state = _without_secrets(self._state)
        if isinstance(state["url"], str):
            state["url"] = "::".join(map(_without_password, state["url"].split("::")))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        FilesystemStorage.__init__(self, state.pop("url"), **state)

    def __copy__(self) -> FilesystemStorage[K, V]:
        other = object.__new__(type(self))
        other.__setstate__(dict(self._state))
        return other

    def __deepcopy__(self, _: object) -> FilesystemStorage[K, V]:
        return self.__copy__()

    def __repr__(self) -> str:
        state = self._state
        url = state["url"]
        settings = [repr(without_secrets(url)) if isinstance(url, str) else f"<{type(url).__name__}>"]
        if state["path"]:
            settings.append(f"path={state['path']!r}")
        settings += [f"{name}=True" for name in ("fold_case", "trust") if state[name]]
        return f"{type(self).__name__}({', '.join(settings)}, codec={state['codec']!r})"


def _hidden(text: str) -> str:
    """Give what a filesystem says without what may be secret in the URLs of it."""
    return _URL.sub(lambda found: without_secrets(found[0]), text)


def _without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options without secrets; those of a filesystem behind another are options in one of these."""
    return {
        name: _without_secrets(value) if isinstance(value, dict) else value
        for name, value in options.items()
        if not any(word in name.lower() for word in _SECRETS)
    }


def _without_password(url: str) -> str:
    """Give a URL without the password of its user, who stays."""
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    return f"{scheme}{mark}{user.partition(':')[0]}{at}{host}{slash}{path}"


def _refuse_mistaken(options: Mapping[str, object]) -> None:
    if not options:
        return
    from difflib import get_close_matches  # which takes longer to import than most of this file

    for name in options:
        if hint := _ELSEWHERE.get(name):
            raise TypeError(f"FilesystemStorage has no {name}: {hint}")
        if alike := get_close_matches(name, _OWN, n=1, cutoff=0.8):
            raise TypeError(f"FilesystemStorage has no {name}; did you mean {alike[0]!r}?")
