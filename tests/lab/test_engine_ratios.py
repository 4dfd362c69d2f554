"""The engine finds as much as the reference policies do, on every trace and at every size.

A policy that a storage does not have yet is skipped by its name.
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import Any

import pytest

from pystorage.lab import OPT, POLICIES, SYNTHETIC, hit_ratio
from tests.engine.implementations import CACHES, memory_on

REQUESTS = 60_000
SIZES = [10, 100, 1_000, 5_000]

#: How many points a ratio may lie below and above the reference's: those that are not to differ may not do so
#: either way; what approximates may be better, as an adaptive window is.
WITHIN = {
    "lru": (0.001, 0.001),
    "fifo": (0.001, 0.001),
    "sieve": (0.001, 0.001),
    "s3fifo": (0.01, 0.01),
    "tinylfu": (0.02, 1.0),
}


def test_all_policies_and_traces_are_compared() -> None:
    assert WITHIN.keys() == POLICIES.keys()


@cache
def trace_of(name: str) -> array[int]:
    return SYNTHETIC[name](REQUESTS)


@cache
def reference(policy: str, trace: str, size: int) -> float:
    made = OPT(size, trace_of(trace)) if policy == "opt" else POLICIES[policy](size)
    return hit_ratio(made, trace_of(trace))


def storage_of(implementation: str, policy: str, size: int) -> Any:
    """Make a storage, or skip the test where there is no such policy."""
    make = getattr(memory_on(implementation), "CacheStorage", None)
    if make is None:
        if policy == "lru":
            return memory_on(implementation).LRUStorage(size)
        pytest.skip(f"there is no CacheStorage yet, so no {policy}")
    try:
        return make(size, policy=policy)
    except ValueError:
        pytest.skip(f"CacheStorage has no policy {policy} yet")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("trace", SYNTHETIC)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("implementation", sorted(CACHES))
def test_the_engine_finds_as_much_as_the_reference(
    implementation: str, policy: str, trace: str, size: int
) -> None:
    storage = storage_of(implementation, policy, size)
    ratio = hit_ratio(storage, trace_of(trace))
    known = reference(policy, trace, size)
    below, above = WITHIN[policy]
    assert known - below <= ratio <= known + above
    assert ratio <= reference("opt", trace, size)
    assert len(storage) <= size


@pytest.mark.parametrize("implementation", sorted(CACHES))
@pytest.mark.parametrize("size", [100, 1_000])
def test_tinylfu_does_not_fall_far_below_lru_where_lru_is_right(implementation: str, size: int) -> None:
    ratio = hit_ratio(storage_of(implementation, "tinylfu", size), trace_of("recency"))
    assert ratio >= reference("lru", "recency", size) - 0.02
