"""The window of ``tinylfu`` changes with what it finds: in C as in Python, and with nothing lost."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pystorage import CacheStorage
from pystorage.lab import hit_ratio, loop, recency, scan, shifting_zipf, zipf
from tests.engine.implementations import CACHES, memory_on
from tests.engine.whole import Implementation, assert_whole

#: First a trace on which a large window is right, then one on which a small one is.
TRACE = [*recency(20_000, seed=3), *zipf(20_000, seed=3)]


def weighs_a_few(key: int, value: object) -> int:
    return key % 4


def window_of(storage: Any) -> list[Any]:
    """Give what lies in the window, by the marks that a copy gets."""
    contents = storage._contents()
    return [key for key, *_, mark in contents if mark >> 4 == 0]


def ask(storage: Any, keys: list[int]) -> list[bool]:
    """Read through a storage; say for each key whether it was there."""
    found = []
    for key in keys:
        found.append(storage.get(key) is not None)
        if not found[-1]:
            storage[key] = key
    return found


@pytest.mark.skipif(len(CACHES) < 2, reason="there is no engine in C here")
@pytest.mark.parametrize("weigher", [None, weighs_a_few])
@pytest.mark.parametrize("maxsize", [1, 2, 7, 250])
def test_the_window_is_the_same_in_both(maxsize: int, weigher: Callable[[Any, Any], int] | None) -> None:
    one, other = (
        memory_on(name).CacheStorage(max(maxsize, 3 if weigher else 1), policy="tinylfu", weigher=weigher)
        for name in sorted(CACHES)
    )
    sizes = set()
    for begin in range(0, len(TRACE), 1_000):
        part = TRACE[begin : begin + 1_000]
        assert ask(one, part) == ask(other, part)
        assert list(one) == list(other)
        assert window_of(one) == window_of(other)
        assert one.stats() == other.stats()
        assert_whole(one)
        assert_whole(other)
        sizes.add(len(window_of(one)))
    assert len(sizes) > 1 or maxsize < 250


@pytest.mark.parametrize("copied", [copy.copy, lambda storage: pickle.loads(pickle.dumps(storage))])
def test_a_copy_keeps_the_window(memory: Implementation, copied: Callable[[Any], Any]) -> None:
    storage = memory.CacheStorage(250, policy="tinylfu")
    sizes = set()
    for begin in range(0, len(TRACE), 4_000):
        ask(storage, TRACE[begin : begin + 4_000])
        other = copied(storage)
        assert window_of(other) == window_of(storage)
        assert list(other) == list(storage)
        assert_whole(other)
        sizes.add(len(window_of(storage)))
    assert min(sizes) < 10 < max(sizes)
    other.resize(0)
    for maxsize in (100, 2, 250):
        other.resize(maxsize)
        assert_whole(other)
        ask(other, TRACE[:100])
        assert_whole(other)


@pytest.mark.skipif("c" not in CACHES, reason="there is no engine in C here, and this is long")
@pytest.mark.parametrize(
    "trace, maxsize, below",
    [
        (recency, 1_000, 0),
        (recency, 5_000, 0.005),
        (shifting_zipf, 1_000, 0.01),
        (shifting_zipf, 5_000, 0.05),
    ],
)
def test_it_is_not_far_below_lru_where_lru_is_right(
    maxsize: int, trace: Callable[[int], Iterable[int]], below: float
) -> None:
    """With a window of a hundredth it would be by five points on the second, and by nine on the last."""
    requests = trace(200_000)
    tiny, lru = (CacheStorage(maxsize, policy=policy) for policy in ("tinylfu", "lru"))
    assert hit_ratio(tiny, requests) >= hit_ratio(lru, requests) - below


def test_a_loop_and_a_scan_leave_the_window_as_small_as_it_may_be(memory: Implementation) -> None:
    storage = memory.CacheStorage(200, policy="tinylfu")
    ask(storage, [*recency(20_000)])
    assert len(window_of(storage)) > 10
    ask(storage, [*loop(12_000, keys=400)])
    assert len(window_of(storage)) == 2
    ask(storage, [*scan(4_000, start=1 << 50)])
    assert len(window_of(storage)) == 2
