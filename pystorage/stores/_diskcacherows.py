"""The rows of a diskcache folder, read as data: keys and values of text, bytes and numbers, no pickles.

A folder is one database ``cache.db``, or one in each of ``000``, ``001``, …; larger values lie in files
beside it. What is pickled is loaded only by who trusts it.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pystorage.codecs import PickleCodec, header
from pystorage.errors import DecodeError
from pystorage.naming import Naming
from pystorage.stores._disk import CLOSE_ON_EXEC, NO_FOLLOW, check_plain

RAW, BINARY, TEXT, PICKLE = 1, 2, 3, 4

DATABASE: Final = "cache.db"

#: How keys are named that diskcache itself would pickle: as bytes, this and their name.
NAMING: Final = Naming(max_length=1 << 30, files=False)
#: What such a key begins with; a key of bytes that begins so is named as well.
NAMED: Final = header.MAGIC

_SHARD: Final = re.compile(r"[0-9]{3}")
_LARGEST_JSON: Final = 1 << 30
_TODO: Final = (
    "it is left where it is; trust=True loads it, which runs whatever whoever wrote it wanted: only for a "
    "folder that nobody else could write to"
)


class Row(NamedTuple):
    """One entry as it lies in the database.

    Args:
        rowid: Its number.
        key: Its key, raw or pickled.
        raw: Whether the key is raw.
        expire_time: Its deadline; None is for ever.
        mode: How the value is stored.
        filename: The file that it lies in; None where it is in the row.
        value: The value in the row.

    Raises:
        Nothing.
    """

    rowid: int
    key: Any
    raw: int
    expire_time: float | None
    mode: int
    filename: str | None
    value: Any


#: What is selected to make one.
COLUMNS: Final = ", ".join(Row._fields)


def shards(path: str) -> list[str]:
    """Give the folders of the databases in a folder.

    Args:
        path: The folder.

    Returns:
        Itself, or those of its shards in their order; none where there is no database.

    Raises:
        OSError: The folder cannot be read.
    """
    if os.path.exists(os.path.join(path, DATABASE)):
        return [path]
    if not os.path.isdir(path):
        return []
    found = (os.path.join(path, name) for name in sorted(os.listdir(path)) if _SHARD.fullmatch(name))
    return [folder for folder in found if os.path.exists(os.path.join(folder, DATABASE))]


def key_of(key: Any, raw: int, *, in_json: bool, trust: bool) -> Any:
    """Give the key of a row.

    Args:
        key: As it is stored.
        raw: Whether it is raw.
        in_json: Whether the folder is diskcache's ``JSONDisk``.
        trust: Whether to load a pickle.

    Returns:
        The key.

    Raises:
        DecodeError: It is pickled, or damaged.
    """
    if not raw:
        return _unpickled(key, "its key is pickled", trust)
    if in_json:
        return _from_json(key, "its key")
    if isinstance(key, bytes) and key.startswith(NAMED):
        try:
            return NAMING.key(key[len(NAMED) :].decode("ascii"))
        except ValueError as error:
            raise DecodeError(f"its key is damaged: {error}") from error
    return int(key) if isinstance(key, float) and key.is_integer() else key


def value_of(folder: str, mode: int, filename: str | None, value: Any, *, in_json: bool, trust: bool) -> Any:
    """Give the value of a row.

    Args:
        folder: Where the database lies.
        mode: How the value is stored.
        filename: The file that it lies in; None where it is in the row.
        value: The value in the row.
        in_json: Whether the folder is diskcache's ``JSONDisk``.
        trust: Whether to load a pickle.

    Returns:
        The value.

    Raises:
        DecodeError: It is pickled, or damaged.
        OSError: Its file cannot be read.
    """
    if mode == PICKLE:
        data = value if filename is None or not trust else read_file(folder, filename)
        return _unpickled(data, "it is pickled", trust)
    if mode == RAW:
        found = value
    elif mode in (BINARY, TEXT) and filename is not None:
        found = read_file(folder, filename)
        if mode == TEXT:
            try:
                found = found.decode()
            except UnicodeDecodeError as error:
                raise DecodeError(f"its file is no text: {error}") from error
    else:
        raise DecodeError(f"it is stored in a way that diskcache does not have (mode {mode!r})")
    return _from_json(found, "it") if in_json else found


def file_of(folder: str, filename: str) -> str:
    """Give the path of a file beside a database.

    Args:
        folder: Where the database lies.
        filename: What the row says.

    Returns:
        The path.

    Raises:
        DecodeError: The row names something outside of the folder.
    """
    parts = re.split(r"[/\\]", filename) if isinstance(filename, str) else [".."]
    if ".." in parts or not all(parts) or os.path.isabs(filename) or DATABASE in parts[-1]:
        raise DecodeError(f"its row names a file that is none of diskcache's: {filename!r:.100}")
    return os.path.join(folder, filename)


def read_file(folder: str, filename: str) -> Any:
    """Read a file beside a database; no link is followed.

    Args:
        folder: Where the database lies.
        filename: What the row says.

    Returns:
        Its bytes.

    Raises:
        DecodeError: The row names something outside of the folder.
        OSError: It cannot be read.
    """
    path = file_of(folder, filename)
    flags = os.O_RDONLY | NO_FOLLOW | CLOSE_ON_EXEC | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        check_plain(file.fileno())
        return file.read()


def _unpickled(data: Any, what: str, trust: bool) -> Any:
    if not trust:
        raise DecodeError(f"{what}, and loading a pickle can run any code; {_TODO}")
    try:
        return PickleCodec().decode(data, "")
    except DecodeError as error:
        raise DecodeError(f"{what}, and cannot be loaded: {error}") from error


def _from_json(data: Any, what: str) -> Any:
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(data, _LARGEST_JSON)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise ValueError("it is cut short, or larger than 1 GiB")
        return json.loads(text)
    except (zlib.error, ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"{what} is no compressed JSON, as diskcache's JSONDisk writes: {error}") from error


def connected(folder: str, function: Callable[[sqlite3.Connection], Any]) -> Any:
    """Look into a database that diskcache made, without diskcache.

    Args:
        folder: Where it lies.
        function: Called with a connection that reads only.

    Returns:
        What it gave.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    path = os.path.abspath(os.path.join(folder, DATABASE))
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=60)
    try:
        return function(connection)
    finally:
        connection.close()


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
