"""What is kept beside the entries of an LMDB file: an index of their deadlines, and the order of their use.

::

    deadlines   deadline, sortable 8 · name          → nothing
    order       number of the use 8                  → name; number 0 → bytes of all entries
    uses        name                                 → number of the last use 8 · bytes of the entry 8

Both are written in the transaction that writes the entry, so they always tell the same. The second one is
kept once any handle had a limit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pystorage.codecs import header
from pystorage.errors import DecodeError
from pystorage.stores._lmdbfile import Database

_NUMBER = struct.Struct(">Q")
_USE = struct.Struct(">QQ")
_FLOAT = struct.Struct(">d")
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1
_TOTAL: Final = bytes(8)


def deadline_of(data: Any) -> float | None:
    """Read the deadline of stored bytes.

    Args:
        data: The bytes, or a view of them.

    Returns:
        The deadline; None where there is none, or where the header is damaged.

    Raises:
        Nothing.
    """
    if data[:4] != header.MAGIC:
        return None
    try:
        try:
            return header.read(bytes(data[: header.USUAL_SIZE])).deadline
        except header.Truncated:
            return header.read(bytes(data)).deadline
    except DecodeError:
        return None


def put(database: Database, transaction: Any, place: bytes, data: bytes) -> None:
    """Write an entry.

    Args:
        database: The file.
        transaction: A transaction that writes, and has seen the databases there are.
        place: The name.
        data: The bytes.

    Raises:
        lmdb.Error: LMDB refused.
    """
    if database.own:
        old = transaction.get(place)
        if "deadlines" in database.own:
            _note_deadline(database, transaction, place, old, deadline_of(data))
        if "order" in database.own:
            _note_use(database, transaction, place, len(place) + len(data))
    transaction.put(place, data)


def remove(database: Database, transaction: Any, place: bytes) -> bool:
    """Remove an entry.

    Args:
        database: The file.
        transaction: A transaction that writes, and has seen the databases there are.
        place: The name.

    Returns:
        Whether it was there.

    Raises:
        lmdb.Error: LMDB refused.
    """
    if database.own:
        if "deadlines" in database.own:
            _note_deadline(database, transaction, place, transaction.get(place), None)
        if "order" in database.own:
            _note_use(database, transaction, place, None)
    return bool(transaction.delete(place))


# ---------------------------------------------------------------------- deadlines


def _sortable(deadline: float) -> bytes:
    (bits,) = _NUMBER.unpack(_FLOAT.pack(deadline + 0.0))  # which makes one zero of two
    return _NUMBER.pack(bits ^ (_ALL if bits & _SIGN else _SIGN))


def _note_deadline(
    database: Database, transaction: Any, place: bytes, old: Any, deadline: float | None
) -> None:
    before = None if old is None else deadline_of(old)
    if before == deadline:
        return
    index = database.databases["deadlines"]
    if before is not None:
        transaction.delete(_sortable(before) + place, db=index)
    if deadline is not None:
        transaction.put(_sortable(deadline) + place, b"", db=index)


def expired(database: Database, transaction: Any, now: float) -> Iterator[bytes]:
    """Give the names of entries whose time is over, the first over first.

    Args:
        database: The file.
        transaction: A transaction that has seen the databases there are.
        now: The time.

    Returns:
        The names; none may be removed before all are taken.

    Raises:
        lmdb.Error: LMDB refused.
    """
    if "deadlines" in database.own:
        end = _sortable(now)
        for key in transaction.cursor(database.databases["deadlines"]).iternext(values=False):
            if bytes(key[:8]) > end:
                return
            yield bytes(key[8:])


def remove_expired(database: Database, transaction: Any, now: float, most: int | None) -> int:
    """Remove entries whose time is over.

    Args:
        database: The file.
        transaction: A transaction that writes, and has seen the databases there are.
        now: The time.
        most: At most so many; None is all.

    Returns:
        How many were removed.

    Raises:
        lmdb.Error: LMDB refused.
    """
    found = expired(database, transaction, now)
    dead = [place for place, _ in zip(found, range(most), strict=False)] if most is not None else list(found)
    for place in dead:
        remove(database, transaction, place)
    return len(dead)


# ---------------------------------------------------------------------- order


def _total(transaction: Any, order: Any) -> int:
    found = transaction.get(_TOTAL, db=order)
    return 0 if found is None else int.from_bytes(found, "big")


def _next_number(transaction: Any, order: Any) -> int:
    cursor = transaction.cursor(order)
    return int.from_bytes(cursor.key(), "big") + 1 if cursor.last() else 1


def _note_use(database: Database, transaction: Any, place: bytes, size: int | None) -> None:
    """Make an entry of some bytes the last used; None takes it out of the order."""
    order, uses = database.databases["order"], database.databases["uses"]
    total, found = _total(transaction, order), transaction.get(place, db=uses)
    if found is not None:
        number, before = _USE.unpack(found)
        total -= before
        transaction.delete(_NUMBER.pack(number), db=order)
        if size is None:
            transaction.delete(place, db=uses)
    if size is not None:
        number = _next_number(transaction, order)
        total += size
        transaction.put(_NUMBER.pack(number), place, db=order)
        transaction.put(place, _USE.pack(number, size), db=uses)
    transaction.put(_TOTAL, _NUMBER.pack(total), db=order)


def note_reads(database: Database, transaction: Any, places: Iterable[bytes]) -> None:
    """Make entries that were read the last used.

    Args:
        database: The file.
        transaction: A transaction that writes, and has seen the databases there are.
        places: Their names, the last read last; those that are gone do not matter.

    Raises:
        lmdb.Error: LMDB refused.
    """
    order, uses = database.databases["order"], database.databases["uses"]
    number = _next_number(transaction, order)
    for place in places:
        found = transaction.get(place, db=uses)
        if found is not None:
            old, size = _USE.unpack(found)
            transaction.delete(_NUMBER.pack(old), db=order)
            transaction.put(_NUMBER.pack(number), place, db=order)
            transaction.put(place, _USE.pack(number, size), db=uses)
            number += 1


def in_order(database: Database, transaction: Any) -> list[bytes]:
    """Give all names, the least recently used first.

    Args:
        database: The file.
        transaction: A transaction that has seen the databases there are.

    Returns:
        The names.

    Raises:
        lmdb.Error: LMDB refused.
    """
    cursor = transaction.cursor(database.databases["order"])
    if not cursor.set_range(_NUMBER.pack(1)):
        return []
    return [bytes(name) for name in cursor.iternext(keys=False)]


def totals(database: Database, transaction: Any) -> tuple[int, int]:
    """Count the entries that the order knows, and their bytes.

    Args:
        database: The file.
        transaction: A transaction that has seen the databases there are.

    Returns:
        How many there are, and the bytes of their names and values.

    Raises:
        lmdb.Error: LMDB refused.
    """
    order, uses = database.databases["order"], database.databases["uses"]
    return transaction.stat(uses)["entries"], _total(transaction, order)


def take_in(database: Database, transaction: Any, places: Iterable[bytes]) -> None:
    """Give entries that were written before there was an order their place in it.

    Args:
        database: The file.
        transaction: A transaction that writes, and has seen the databases there are.
        places: The names of all entries.

    Raises:
        lmdb.Error: LMDB refused.
    """
    uses = database.databases["uses"]
    for place in places:
        if transaction.get(place, db=uses) is None:
            _note_use(database, transaction, place, len(place) + len(transaction.get(place)))


def make_room(
    database: Database, transaction: Any, limit: int | None, size_limit: int | None, now: float
) -> None:
    """Remove the least recently used entries until the rest is within the limits; what has expired first.

    Args:
        database: The file.
        transaction: A transaction that writes, and has seen the databases there are.
        limit: The most entries; None is any number.
        size_limit: The most bytes of names and values; None is any number.
        now: The time.

    Raises:
        lmdb.Error: LMDB refused.
    """

    def too_much() -> bool:
        count, size = totals(database, transaction)
        return (limit is not None and count > limit) or (size_limit is not None and size > size_limit)

    if not too_much():
        return
    remove_expired(database, transaction, now, None)
    while too_much():
        cursor = transaction.cursor(database.databases["order"])
        if not cursor.set_range(_NUMBER.pack(1)):
            return
        number, place = bytes(cursor.key()), bytes(cursor.value())
        remove(database, transaction, place)
        transaction.delete(number, db=database.databases["order"])  # were it of no entry
