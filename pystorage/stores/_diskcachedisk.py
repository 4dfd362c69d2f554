"""diskcache's two ways to keep keys and values, as data only."""

from __future__ import annotations

import json
import math
import zlib
from functools import cache
from typing import Any, Final, cast

from pystorage.errors import DecodeError, EncodeError, InvalidKeyError
from pystorage.stores import _diskcacherows as rows
from pystorage.stores._library import library

#: The first integer that has more than 64 bits.
LARGEST: Final = 2**63
_PICKLED: Final = "diskcache would pickle it: choose a codec, such as codec='json', or trust=True"


class Unread(Exception):
    """A value lies in a file that cannot be read; the cause says why.

    It is no ``OSError``, as diskcache takes each of those for the absence of the key.

    Args:
        filename: The file, in the folder.

    Raises:
        Nothing.
    """

    def __init__(self, filename: str | None) -> None:
        super().__init__(filename)
        self.filename = filename


def plain(value: object) -> Any:
    """Give a value that diskcache keeps without pickling.

    Args:
        value: Any value.

    Returns:
        The value.

    Raises:
        EncodeError: diskcache would pickle it, or cannot keep it.
    """
    if type(value) in (str, bytes):
        try:
            if isinstance(value, str):
                value.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"a text cannot hold half of a surrogate pair: {error}") from error
        return value
    if type(value) is int and -LARGEST <= value < LARGEST:
        return value
    if type(value) is float and not math.isnan(value):
        return value
    raise EncodeError(f"{type(value).__name__}: only text, bytes, int and float are plain; {_PICKLED}")


def diskcache() -> Any:
    """Give the package ``diskcache``.

    Returns:
        The module.

    Raises:
        MissingDependencyError: It is not installed.
    """
    return library("diskcache", "DiskCacheStorage", "diskcache")


@cache
def disks() -> dict[tuple[bool, str], type]:
    """Make diskcache's two kinds of disk, that load no pickles without trust, and stay in their folder.

    Returns:
        Whether it is trusted, and ``"plain"`` or ``"json"`` → the class.

    Raises:
        MissingDependencyError: The package ``diskcache`` is not installed.
    """
    package = diskcache()

    class DataDisk(package.Disk):  # type: ignore[misc, name-defined]
        trust = False
        in_json = False

        def __init__(self, directory: str, **options: Any) -> None:
            known = {name: options[name] for name in ("min_file_size", "pickle_protocol") if name in options}
            super().__init__(directory, **known)

        def put(self, key: Any) -> tuple[Any, bool]:
            if not self.trust and type(key) not in (str, bytes, int, float):
                raise InvalidKeyError(_PICKLED)
            return cast("tuple[Any, bool]", super().put(key))

        def get(self, key: Any, raw: int) -> Any:
            return rows.key_of(key, raw, in_json=False, trust=self.trust)

        def store(self, value: Any, read: bool, key: Any = None) -> Any:
            return super().store(value if self.trust or read else plain(value), read, key=key)

        def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
            how = {"in_json": self.in_json, "trust": self.trust}
            try:
                return rows.value_of(self._directory, mode, filename, value, **how)
            except OSError as error:
                raise Unread(filename) from error

        def remove(self, file_path: str) -> None:
            try:
                rows.file_of(self._directory, file_path)
            except DecodeError:
                return  # a row that names somebody else's file
            super().remove(file_path)

    class DataJSONDisk(DataDisk):
        in_json = True

        def __init__(self, directory: str, compress_level: int = 1, **options: Any) -> None:
            self.compress_level = compress_level
            super().__init__(directory, **options)

        def _compressed(self, value: Any) -> bytes:
            try:
                return zlib.compress(json.dumps(value).encode(), self.compress_level)
            except (TypeError, ValueError, RecursionError) as error:
                raise EncodeError(f"JSON cannot hold it: {error}") from error

        def put(self, key: Any) -> tuple[Any, bool]:
            return super().put(self._compressed(key))

        def get(self, key: Any, raw: int) -> Any:
            return rows.key_of(key, raw, in_json=True, trust=self.trust)

        def store(self, value: Any, read: bool, key: Any = None) -> Any:
            return super().store(value if read else self._compressed(value), read, key=key)

    kinds: dict[tuple[bool, str], type] = {(False, "plain"): DataDisk, (False, "json"): DataJSONDisk}
    for (_, name), kind in list(kinds.items()):
        kinds[True, name] = type(f"Trusting{kind.__name__}", (kind,), {"trust": True})
    return kinds
