"""What the kinds of storage declare."""

from __future__ import annotations

from pystorage.storage import Capability

MEMORY = (
    Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
    | Capability.STATS | Capability.NONBLOCKING
)  # fmt: skip
FILES = (
    Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
    | Capability.SCAN | Capability.PERSISTENT | Capability.SHARED
)  # fmt: skip
# Of files that hold bytes: these can be streamed, but not counted with.
STREAMING = FILES & ~Capability.INCR | Capability.STREAM
LMDB = FILES | Capability.BULK
LMDB_LIMITED = LMDB | Capability.ORDERED
DISKCACHE = FILES & ~(Capability.LOCK | Capability.SCAN)
