"""The engine finds as much as the reference policies do, on every trace and at every size.

A policy that a storage does not have yet is skipped by its name.
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import Any

import pytest

from pystorage.lab import OPT, POLICIES, SYNTHETIC, WTinyLFU, hit_ratio, loop, scan
from tests.engine.implementations import CACHES, memory_on

REQUESTS = 40_000
#: The engine in Python is held to the one in C elsewhere, and slow: a part is enough.
SIZES = {"c": [10, 100, 1_000, 5_000], "python": [10, 100]}

#: How far a ratio may lie from the reference's, which counts and remembers exactly.
WITHIN = {"lru": 0.001, "fifo": 0.001, "sieve": 0.001, "s3fifo": 0.01, "tinylfu": 0.02}
FASTEST = "c" if "c" in CACHES else "python"


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
    assert known - WITHIN[policy] <= ratio <= known + WITHIN[policy]
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
    assert max(ratios) - min(ratios) <= WITHIN[policy]


def told(key: object, value: object, cause: str) -> None:
    pass


def weighs_one(key: object, value: object) -> int:
    return 1


@pytest.mark.parametrize("trace", SYNTHETIC)
@pytest.mark.parametrize("size", SIZES[FASTEST])
def test_tinylfu_is_not_far_below_its_paper(size: int, trace: str) -> None:
    """There the window is a hundredth for ever, and who leads by one is let in."""
    ratio = hit_ratio(storage_of(FASTEST, "tinylfu", size), trace_of(trace))
    assert ratio >= hit_ratio(WTinyLFU(size), trace_of(trace)) - WITHIN["tinylfu"]


@pytest.mark.parametrize("implementation", sorted(CACHES))
@pytest.mark.parametrize("size", [100, 1_000])
def test_tinylfu_is_not_below_lru_where_lru_is_right(implementation: str, size: int) -> None:
    ratio = hit_ratio(storage_of(implementation, "tinylfu", size), trace_of("recency"))
    assert ratio >= reference("lru", "recency", size)


@pytest.mark.parametrize("before", [0, 730])
@pytest.mark.parametrize("keys", [130, 300, 600, 1_000, 1_200])
def test_tinylfu_holds_on_to_what_it_has_in_a_loop(keys: int, before: int) -> None:
    """Also where it was full of what is dead when the loop began, and however long that is."""
    storage = storage_of(FASTEST, "tinylfu", 100)
    if before:
        hit_ratio(storage, scan(before, start=1 << 50))
        hit_ratio(storage, loop(100 * keys, keys=keys))
    ratio = hit_ratio(storage, loop(20 * keys, keys=keys))
    assert ratio >= 0.7 * 100 / keys
