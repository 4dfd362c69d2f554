"""Synthetic traces: the same everywhere, and of the shape that they promise."""

from __future__ import annotations

import zlib
from array import array
from collections import Counter
from typing import Any

import pytest

from pystorage.lab import SYNTHETIC, loop, mixed, recency, scan, shifting_zipf, zipf


def digest(trace: array[int]) -> int:
    return zlib.crc32(",".join(map(str, trace)).encode())


@pytest.mark.parametrize(
    "name, known",
    [
        ("loop", 2600997383),
        ("scan", 4086865678),
        ("zipf", 837693538),
        ("zipf-0.7", 2174361134),
        ("shifting-zipf", 2526928330),
        ("recency", 3132586949),
        ("mixed", 2604346952),
    ],
)
def test_a_trace_is_the_same_everywhere(name: str, known: int) -> None:
    trace = SYNTHETIC[name](20_000)
    assert len(trace) == 20_000
    assert digest(trace) == digest(SYNTHETIC[name](20_000)) == known


def test_all_of_them_are_pinned() -> None:
    marks: Any = test_a_trace_is_the_same_everywhere.pytestmark  # type: ignore[attr-defined]
    assert [name for name, _ in marks[0].args[1]] == list(SYNTHETIC)


@pytest.mark.parametrize("make", [zipf, shifting_zipf, recency, mixed])
def test_another_seed_gives_another_trace(make: Any) -> None:
    assert make(1_000, seed=1) == make(1_000, seed=1) != make(1_000, seed=2)


def test_loop_and_scan() -> None:
    assert list(loop(7, keys=3)) == [0, 1, 2, 0, 1, 2, 0]
    assert list(scan(3, start=5)) == [5, 6, 7]


def test_zipf_is_as_skewed_as_it_says() -> None:
    counts = Counter(zipf(200_000, keys=1_000))
    for rank in (2, 4, 10):
        assert counts[0] / counts[rank - 1] == pytest.approx(rank, rel=0.1)
    even = Counter(zipf(200_000, keys=100, skew=0))
    assert max(even.values()) / min(even.values()) < 1.3


def test_shifting_zipf_shifts() -> None:
    trace = shifting_zipf(20_000, keys=1_000, phases=4, shift=0.25)
    popular = [Counter(trace[at : at + 5_000]).most_common(1)[0][0] for at in range(0, 20_000, 5_000)]
    assert popular == [0, 250, 500, 750]


def test_recency_asks_for_what_was_asked_for_lately() -> None:
    trace = recency(20_000, reach=1_000, new=0.1)
    assert len(set(trace)) == pytest.approx(2_000, rel=0.1)
    seen: dict[int, int] = {}
    distances = []
    for at, key in enumerate(trace):
        if key in seen:
            distances.append(at - seen[key])
        seen[key] = at
    assert max(distances) <= 1_000
    assert sorted(distances)[len(distances) // 2] < 100


def test_mixed_has_scans_and_loops() -> None:
    counts = Counter(mixed(40_000, keys=1_000))
    assert sum(count for key, count in counts.items() if key < 1_000) == 20_000
    assert sum(count == 1 for key, count in counts.items() if key >= 2 << 40) == 10_000
    assert sum(count for key, count in counts.items() if 1 << 40 <= key < 2 << 40) == 10_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: loop(0),
        lambda: loop(5, keys=0),
        lambda: scan(-1),
        lambda: zipf(5, keys=0),
        lambda: zipf(5, skew=-1),
        lambda: zipf(5, skew=float("nan")),
        lambda: shifting_zipf(5, phases=0),
        lambda: shifting_zipf(5, shift=1.5),
        lambda: recency(5, reach=0),
        lambda: recency(5, new=2),
        lambda: mixed(0),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()


@pytest.mark.parametrize("number", [1.5, True, "3", None])
def test_only_whole_numbers_count(number: Any) -> None:
    with pytest.raises(TypeError, match="whole number"):
        scan(number)
