"""What rates caches: reference policies in plain Python, traces of requests, and hit ratios.

The policies are written from their papers to be read, and are what the engine is compared with.
"""

from __future__ import annotations

from pystorage.lab.optimal import OPT
from pystorage.lab.policies import (
    FIFO,
    LRU,
    POLICIES,
    S3FIFO,
    AdaptiveWTinyLFU,
    Policy,
    Sieve,
    WTinyLFU,
)
from pystorage.lab.ratio import hit_ratio
from pystorage.lab.tracefiles import FORMATS, read_trace
from pystorage.lab.traces import SYNTHETIC, loop, mixed, recency, scan, shifting_zipf, zipf

__all__ = [
    "FIFO",
    "FORMATS",
    "LRU",
    "OPT",
    "POLICIES",
    "S3FIFO",
    "SYNTHETIC",
    "AdaptiveWTinyLFU",
    "Policy",
    "Sieve",
    "WTinyLFU",
    "hit_ratio",
    "loop",
    "mixed",
    "read_trace",
    "recency",
    "scan",
    "shifting_zipf",
    "zipf",
]
