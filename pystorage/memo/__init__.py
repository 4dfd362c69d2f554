"""Memoizing: keep the results of a function in any storage, found again by every process.

``memoize`` is the decorator; ``register_fingerprint`` teaches it types of your own.
"""

from __future__ import annotations

from pystorage.memo.bound import BoundMemoized
from pystorage.memo.decorator import Memoizer, memoize
from pystorage.memo.fingerprint import register_fingerprint
from pystorage.memo.memoized import CacheInfo, Memoized

__all__ = ["BoundMemoized", "CacheInfo", "Memoized", "Memoizer", "memoize", "register_fingerprint"]
