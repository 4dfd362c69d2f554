"""Two saved runs of the benchmarks, side by side; ends with 1 where the new one is slower beyond a threshold.

    python -m pytest benchmarks --benchmark-json=old.json       # before the change
    python -m pytest benchmarks --benchmark-json=new.json       # after it
    python benchmarks/compare.py old.json new.json --threshold 1.15

What is compared is the ratio to the bare calls or to the other caches, which a busy machine leaves alone,
where a benchmark has one, and else the shortest time. ``--times`` compares the times of all: only runs on one
machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

Figures = dict[str, float]


class UnreadableError(Exception):
    """A file that no run was saved to."""


def read(path: Path, *, times: bool) -> Figures:
    """Give the figures of a saved run by their names."""
    try:
        benchmarks = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
        figures: Figures = {}
        for one in benchmarks:
            ratios = [] if times else one["extra_info"].get("ratios", [])
            figures |= {
                f"{ratio['what']} (ratio)": min(ratio["ratio"], ratio["median_ratio"]) for ratio in ratios
            }
            if not ratios:
                figures[one["fullname"]] = one["stats"]["min"]
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"{path} is no run that --benchmark-json saved: {type(error).__name__}: {error}"
        ) from error
    return figures


def shown(figure: float | None, name: str) -> str:
    """Give a ratio, or a time in microseconds."""
    if figure is None:
        return "-"
    return f"{figure:.3f}" if name.endswith(" (ratio)") else f"{figure * 1e6:,.2f} µs"


def main(given: list[str] | None = None) -> int:
    """Compare and print; give the status of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--threshold", type=float, default=1.15, help="new through old, at most (default: 1.15)"
    )
    parser.add_argument("--times", action="store_true", help="compare times, not ratios")
    arguments: Any = parser.parse_args(given)
    if not arguments.threshold > 0:
        parser.error(f"--threshold must be more than 0, not {arguments.threshold}")
    try:
        old, new = (read(path, times=arguments.times) for path in (arguments.old, arguments.new))
    except UnreadableError as error:
        print(error, file=sys.stderr)
        return 2
    width = max(map(len, old | new), default=0)
    slower = 0
    print(f"{'':{width}} {'old':>14} {'new':>14} {'new/old':>8}")
    for name in old | new:
        before, after = old.get(name), new.get(name)
        change, verdict = "", "only in one"
        if before is not None and after is not None:
            quotient = after / before if before else float("inf") if after else 1.0
            change, verdict = f"{quotient:.2f}", ""
            if quotient > arguments.threshold:
                verdict = "SLOWER"
                slower += 1
            elif quotient * arguments.threshold < 1:
                verdict = "faster"
        line = f"{name:{width}} {shown(before, name):>14} {shown(after, name):>14} {change:>8}  {verdict}"
        print(line.rstrip())
    if not old.keys() & new.keys():
        print("the two runs have no benchmark in common", file=sys.stderr)
        return 2
    print(f"\n{slower} of {len(old.keys() & new.keys())} are slower by more than {arguments.threshold}")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
