"""The terms of storages: what they do natively, their figures, and values that no caller can mean."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, NamedTuple

Timer = Callable[[], float]


class Sentinel(enum.Enum):
    """Values that no caller can mean: absence, and "leave the deadline as it is".

    Raises:
        Nothing.
    """

    ABSENT = "ABSENT"
    KEEP = "KEEP"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = Sentinel.ABSENT
KEEP: Final = Sentinel.KEEP


class Capability(enum.Flag):
    """What a storage does natively.

    Raises:
        Nothing.
    """

    NONE = 0
    #: ``get_many``, ``set_many``, ``delete_many`` cost fewer round trips than a loop.
    BULK = enum.auto()
    #: Entries may have a deadline.
    TTL = enum.auto()
    #: ``add`` is atomic among all that share the storage.
    ADD = enum.auto()
    #: So is ``swap``.
    SWAP = enum.auto()
    #: So is ``incr``.
    INCR = enum.auto()
    #: ``lock`` excludes all that share the storage.
    LOCK = enum.auto()
    #: ``scan`` looks at fewer keys, or at less of each, than a whole iteration.
    SCAN = enum.auto()
    #: ``open_read`` and ``open_write`` take constant memory.
    STREAM = enum.auto()
    #: ``stats`` counts hits, misses, sets, deletes, evictions and expirations.
    STATS = enum.auto()
    #: What was stored outlives the process; a pickle of the storage is its settings.
    PERSISTENT = enum.auto()
    #: Several processes see one content.
    SHARED = enum.auto()
    #: No operation waits for a disk or a network.
    NONBLOCKING = enum.auto()
    #: Iteration has an order: the next victim first.
    ORDERED = enum.auto()


class Stats(NamedTuple):
    """Figures of a storage, counted since it was opened in this process; what is unknown is None.

    Args:
        hits: Reads that found a value.
        misses: Reads that found none.
        sets: Writes.
        deletes: Removals asked for.
        evictions: Removals for room.
        expirations: Removals for time.
        size: Entries now.
        bytes: Their size now, in bytes.
        limit: How many entries there may be.
        size_limit: How many bytes they may take.

    Raises:
        Nothing.
    """

    hits: int | None = None
    misses: int | None = None
    sets: int | None = None
    deletes: int | None = None
    evictions: int | None = None
    expirations: int | None = None
    size: int | None = None
    bytes: int | None = None
    limit: int | None = None
    size_limit: int | None = None
