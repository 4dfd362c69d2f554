"""Ratios: ours against the bare calls, in turns within one run, so that a busy machine slows both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

Clock = Callable[[], float]

_RATIOS: pytest.StashKey[list[Ratio]] = pytest.StashKey()


@dataclass(frozen=True)
class Ratio:
    """What one comparison gave: seconds for one call of each, by the best and by the middle round."""

    what: str
    bare: float
    ours: float
    median: float
    bar: float | None
    added: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.bare

    @property
    def verdict(self) -> str:
        if self.added is not None:
            return "within" if self.ours - self.bare <= self.added else "ABOVE"
        if self.bar is None:
            return ""
        return "within" if min(self.ratio, self.median) <= self.bar else "ABOVE"

    @property
    def promise(self) -> str:
        if self.added is not None:
            return f"+{self.added * 1e6:.0f} µs"
        return "" if self.bar is None else f"{self.bar:.2f}"


def in_turns(
    bare: Callable[[], object], ours: Callable[[], object], *, rounds: int, number: int, clock: Clock
) -> list[tuple[float, float]]:
    """Time both in turns, each first in every other round; give seconds for one call of each, by round."""
    times = []
    bare(), ours()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            pair = [0.0, 0.0]
            for which in (0, 1) if turn % 2 else (1, 0):
                call = (bare, ours)[which]
                begin = clock()
                for _ in range(number):
                    call()
                pair[which] = (clock() - begin) / number
            times.append((pair[0], pair[1]))
    finally:
        if collecting:
            gc.enable()
    return times


class Compare:
    """Compares two calls, and puts down what it found for the table and in the benchmark's record."""

    def __init__(self, benchmark: Any, found: list[Ratio], check: bool) -> None:
        self._benchmark = benchmark
        self._found = found
        self._check = check

    def __call__(
        self,
        what: str,
        bare: Callable[[], object],
        ours: Callable[[], object],
        *,
        bar: float | None = None,
        added: float | None = None,
        rounds: int = 21,
        number: int = 1,
        clock: Clock = time.process_time,
    ) -> Ratio:
        times = in_turns(bare, ours, rounds=rounds, number=number, clock=clock)
        return self.put_down(what, times, ours, bar=bar, added=added)

    def put_down(
        self,
        what: str,
        times: list[tuple[float, float]],
        ours: Callable[[], object] | None,
        *,
        bar: float | None = None,
        added: float | None = None,
    ) -> Ratio:
        """Put down times that were taken elsewhere; the extension times ours again, for its own table.

        It can do so once in a test: None leaves that to the test.
        """
        if ours is not None:
            self._benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
        ratio = Ratio(
            what,
            bare=min(bare for bare, _ in times),
            ours=min(ours for _, ours in times),
            median=statistics.median(ours / bare for bare, ours in times),
            bar=bar,
            added=added,
        )
        self._found.append(ratio)
        info = {"what": what, "ratio": ratio.ratio, "median_ratio": ratio.median, "bar": bar}
        self._benchmark.extra_info.setdefault("ratios", []).append(info)
        if self._check:
            found = f"{ratio.ratio:.2f}, {(ratio.ours - ratio.bare) * 1e6:+.2f} µs"
            assert ratio.verdict != "ABOVE", f"{what}: {found}, and at most {ratio.promise} was promised"
        return ratio


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--check-bars",
        action="store_true",
        help="fail where a ratio is above what is promised, on a quiet machine",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RATIOS] = []


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Compare:
    return Compare(benchmark, request.config.stash[_RATIOS], request.config.getoption("--check-bars"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    ratios = config.stash[_RATIOS]
    if not ratios:
        return
    terminalreporter.section("ratios: ours / bare")
    width = max(len(ratio.what) for ratio in ratios)
    write = terminalreporter.write_line
    write(f"{'':{width}}  {'bare µs':>10}  {'ours µs':>10}  {'best':>6}  {'median':>6}  {'bar':>6}")
    for one in ratios:
        write(
            f"{one.what:{width}}  {one.bare * 1e6:10.2f}  {one.ours * 1e6:10.2f}  {one.ratio:6.2f}  "
            f"{one.median:6.2f}  {one.promise:>6}  {one.verdict}"
        )
