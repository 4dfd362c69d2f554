"""What stores share to exclude one another: locks that survive a fork, file locks, and leases.

A lease is a lock with a time to live: it becomes free when its holder dies, hangs or is too slow.
"""

from pystorage._sync.fileleases import FileLeases
from pystorage._sync.filelock import FileLock, lock_descriptor, open_shared, unlock_descriptor
from pystorage._sync.forks import fork_safe_lock, let_go_before_forks
from pystorage._sync.leases import Lease, Leases, ThreadLeases
from pystorage._sync.tokens import token_hex

__all__ = [
    "FileLeases",
    "FileLock",
    "Lease",
    "Leases",
    "ThreadLeases",
    "fork_safe_lock",
    "let_go_before_forks",
    "lock_descriptor",
    "open_shared",
    "token_hex",
    "unlock_descriptor",
]
