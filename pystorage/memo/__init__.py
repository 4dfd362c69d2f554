"""Memoizing: keep the results of a function in any storage, found again by every process.

``memoize`` is the decorator; ``register_fingerprint`` teaches it types of your own; ``lru_cache`` is that of
``functools`` on our engine.
"""

from __future__ import annotations

from pystorage.memo.bound import BoundMemoized
from pystorage.memo.decorator import Memoizer, memoize
from pystorage.memo.figures import CacheInfo
from pystorage.memo.fingerprint import register_fingerprint
from pystorage.memo.lru import LRUCached, LRUDecorator, lru_cache
from pystorage.memo.many import ManyMemoizer, MemoizedMany, memoize_many
from pystorage.memo.memoized import Memoized
from pystorage.memo.tags import invalidate_tags

__all__ = [
    "BoundMemoized",
    "CacheInfo",
    "LRUCached",
    "LRUDecorator",
    "ManyMemoizer",
    "Memoized",
    "MemoizedMany",
    "Memoizer",
    "invalidate_tags",
    "lru_cache",
    "memoize",
    "memoize_many",
    "register_fingerprint",
]
