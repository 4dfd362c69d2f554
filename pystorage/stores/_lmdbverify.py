"""A look through a whole LMDB file: is it sound, and can each value be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from hashlib import blake2b
from importlib import import_module
from typing import Final

from pystorage.errors import DecodeError
from pystorage.stores._disk import make_folder, sync_folder
from pystorage.stores._lmdbfile import Database
from pystorage.stores._verify import Broken, VerifyReport

_FLAGS: Final[int] = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
_MOST_FAULTS: Final = 20


def verified(
    database: Database,
    names: Iterable[str],
    read: Callable[[str], bytes | None],
    check: Callable[[str, bytes], object],
    remove: Callable[[str, bytes], bool],
) -> VerifyReport:
    """Look at everything; what cannot be read is moved to files in the folder ``quarantine``.

    Args:
        database: The file.
        names: The names of its entries.
        read: Gives the bytes of a name; None where it is gone.
        check: Called with a name and its bytes, to raise ``DecodeError`` where they cannot be read; gives
            the key.
        remove: Removes a name, if its bytes are still these; says whether they were.

    Returns:
        What was found.

    Raises:
        OSError: The file cannot be read or written.
    """
    broken = [Broken("data.mdb", database.path, fault) for fault in _faults(database)]
    checked = 0
    for name in names:
        data = read(name)
        if data is None:
            continue
        checked += 1
        try:
            check(name, data)
        except DecodeError as error:
            moved = _moved(database, name, data)
            if remove(name, data):
                broken.append(Broken(name, f"{database.path}:{name}", str(error), moved))
            else:
                os.unlink(moved)  # somebody wrote it anew meanwhile
                checked -= 1
    return VerifyReport(checked, tuple(broken))


def _faults(database: Database) -> list[str]:
    """Say what is wrong with the tree of pages, while nobody writes."""
    try:
        verify = import_module("lmdb.verify").verify
    except ImportError:  # before lmdb 3.0
        return []
    path = os.path.join(database.path, "data.mdb")

    def look(_: object) -> list[str]:
        try:
            return list(map(str, verify(path, subdir=False)))[:_MOST_FAULTS]
        except Exception as error:  # of a class of its own, which says that there is no beginning to it
            return [f"{type(error).__name__}: {error}"]

    return database.write(look)


def _moved(database: Database, name: str, data: bytes) -> str:
    """Write the bytes of an entry to a file, and give its path."""
    folder = os.path.join(database.path, "quarantine")
    if not os.path.isdir(folder):
        make_folder(folder, 0o700)
    path = os.path.join(folder, blake2b(name.encode("latin-1") + b"\0" + data, digest_size=16).hexdigest())
    descriptor = os.open(path, _FLAGS, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if database.sync:
            os.fsync(descriptor)
    if database.sync:
        sync_folder(folder)
    return path
