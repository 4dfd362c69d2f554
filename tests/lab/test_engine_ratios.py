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

REQUESTS = 40_000
#: The engine in Python is held to the one in C elsewhere, and slow: a part is enough.
SIZES = {"c": [10, 100, 1_000, 5_000], "python": [10, 100]}

#: How many points a ratio may lie below and above the reference's: those that are not to differ may not do so
#: either way; what approximates may be better, as an adaptive window is.
WITHIN = {
    "lru": (0.001, 0.001),
    "fifo": (0.001, 0.001),
    "sieve": (0.001, 0.001),
    "s3fifo": (0.01, 0.01),
    "tinylfu": (0.02, 1.0),
}


#: Where it lies further below. A loop over ten times the size has counts of one and none: the reference,
#: which counts exactly, keeps what it has, and any error of a sketch lets another key in.
FURTHER = {("tinylfu", "loop", 1_000): 0.1}


def test_all_policies_and_traces_are_compared() -> None:
    assert WITHIN.keys() == POLICIES.keys()


@cache
def trace_of(name: str) -> array[int]:
    return SYNTHETIC[name](REQUESTS)


@cache
def reference(policy: str, trace: str, size: int) -> float:
    made = OPT(size, trace_of(trace)) if policy == "opt" else POLICIES[policy](size)
    return hit_ratio(made, trace_of(trace))


def storage_of(implementation: str, policy: str, size: int, **settings: Any) -> Any:
    """Make a storage, or skip the test where there is no such policy."""
    make = getattr(memory_on(implementation), "CacheStorage", None)
    if make is None:
        if policy == "lru":
            return memory_on(implementation).LRUStorage(size, **settings)
        pytest.skip(f"there is no CacheStorage yet, so no {policy}")
    try:
        return make(size, policy=policy, **settings)
    except ValueError:
        pytest.skip(f"CacheStorage has no policy {policy} yet")


@pytest.mark.parametrize("trace", SYNTHETIC)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "implementation, size", [(one, size) for one in sorted(CACHES) for size in SIZES[one]]
)
def test_the_engine_finds_as_much_as_the_reference(
    implementation: str, size: int, policy: str, trace: str
) -> None:
    storage = storage_of(implementation, policy, size)
    ratio = hit_ratio(storage, trace_of(trace))
    known = reference(policy, trace, size)
    below, above = WITHIN[policy]
    below = FURTHER.get((policy, trace, size), below)
    assert known - below <= ratio <= known + above
    assert ratio <= reference("opt", trace, size)
    assert len(storage) <= size


@pytest.mark.parametrize("trace", ["zipf", "recency"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("implementation", sorted(CACHES))
def test_settings_do_not_change_what_is_found(implementation: str, policy: str, trace: str) -> None:
    """The engine has a shorter way where there are none."""
    short = trace_of(trace)[:10_000]
    storages = [
        storage_of(implementation, policy, 10, **settings)
        for settings in ({}, {"on_evict": told}, {"weigher": weighs_one}, {"ttl": 60})
    ]
    ratios = [hit_ratio(storage, short) for storage in storages]
    assert max(ratios) - min(ratios) <= WITHIN[policy][0]


def told(key: object, value: object, cause: str) -> None:
    pass


def weighs_one(key: object, value: object) -> int:
    return 1


@pytest.mark.parametrize("implementation", sorted(CACHES))
@pytest.mark.parametrize("size", [100, 1_000])
def test_tinylfu_does_not_fall_far_below_lru_where_lru_is_right(implementation: str, size: int) -> None:
    ratio = hit_ratio(storage_of(implementation, "tinylfu", size), trace_of("recency"))
    assert ratio >= reference("lru", "recency", size) - 0.02
