"""How often policies have what is asked for, by size: over traces from files and over synthetic ones.

    python benchmarks/hit_ratio.py --synthetic --plot ratios.png
    python benchmarks/hit_ratio.py --sizes 1000,10000,5% P1.lis cluster52.oracleGeneral.gz

Each trace gives a table: the policies of ``CacheStorage``, other caches that are installed, and OPT, which
knows the future and which nobody can pass. Sizes are numbers of entries, or parts of all keys of the trace.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Hashable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pystorage
from benchmarks.peers import OTHER_POLICIES, absent, present
from pystorage import LRUStorage
from pystorage.errors import StorageError
from pystorage.lab import FORMATS, OPT, POLICIES, SYNTHETIC, WTinyLFU, hit_ratio, read_trace

Make = Callable[[int], Any]
Trace = Sequence[Hashable]
#: The ratios of one trace: by contender, then by size.
Ratios = dict[str, dict[int, float]]

SIZES = "0.1%,0.3%,1%,3%,10%,30%"


def ours() -> tuple[dict[str, Make], list[str]]:
    """Give the policies that storages have, and the names of those that they do not."""
    cache_storage: Any = getattr(pystorage, "CacheStorage", None)
    if cache_storage is None:
        return {"lru": LRUStorage}, [name for name in POLICIES if name != "lru"]
    found: dict[str, Make] = {}
    missing = []
    for name in POLICIES:
        try:
            cache_storage(1, policy=name)
        except ValueError:
            missing.append(name)
        else:
            found[name] = lambda size, name=name: cache_storage(size, policy=name)  # type: ignore[misc]
    return found, missing


def sizes_of(text: str, trace: Trace) -> list[int]:
    """Read sizes for a trace, smallest first."""
    keys = len(set(trace))
    sizes = set()
    for part in text.split(","):
        number = float(part.rstrip("% "))
        size = round(keys * number / 100) if part.strip().endswith("%") else int(number)
        if size < 0 or (size != number and not part.strip().endswith("%")):
            raise ValueError(f"{part} is no size: give a whole number of entries, or a part as 5%")
        sizes.add(max(1, size))
    return sorted(sizes)


def measured(trace: Trace, sizes: list[int], contenders: dict[str, Make]) -> Ratios:
    """Give the hit ratios of all contenders, and of OPT, at all sizes."""
    made = {**contenders, "OPT": lambda size: OPT(size, trace)}
    return {name: {size: hit_ratio(make(size), trace) for size in sizes} for name, make in made.items()}


def show(name: str, trace: Trace, ratios: Ratios) -> None:
    """Print the table of a trace, in percent."""
    width = max(len(one) for one in ratios)
    print(f"\n{name}: {len(trace):,} requests for {len(set(trace)):,} keys; hits in percent, by size")
    print(" " * width, *(f"{size:>10,}" for size in ratios["OPT"]))
    for contender, by_size in ratios.items():
        print(f"{contender:{width}}", *(f"{ratio * 100:10.2f}" for ratio in by_size.values()))


def plot(all_ratios: dict[str, Ratios], path: Path) -> None:
    """Draw a panel for each trace, a line for each contender."""
    from matplotlib.figure import Figure

    columns = min(3, len(all_ratios))
    rows = -(-len(all_ratios) // columns)
    figure = Figure(figsize=(5 * columns, 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for (name, ratios), panel in zip(all_ratios.items(), panels, strict=False):
        for number, (contender, by_size) in enumerate(ratios.items()):
            style: dict[str, Any] = {"marker": ".", "color": f"C{number % 10}", "linestyle": "-"}
            if contender == "OPT":
                style = {"color": "black", "linestyle": ":"}
            elif number >= 10:
                style["linestyle"] = "--"
            panel.plot(list(by_size), [100 * one for one in by_size.values()], label=contender, **style)
        panel.set(title=name, xscale="log", xlabel="entries", ylabel="hits, %")
        panel.grid(alpha=0.3)
    for panel in panels:
        panel.remove()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6)
    figure.savefig(path)


def read_arguments(given: list[str] | None) -> argparse.Namespace:
    """Read the command line; end with what is wrong with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("traces", nargs="*", metavar="FILE", help="a trace; its format goes by its suffix")
    parser.add_argument("--format", choices=FORMATS, help="the format of all files")
    parser.add_argument("--synthetic", action="store_true", help=f"also {', '.join(SYNTHETIC)}")
    parser.add_argument("--only", default=",".join(SYNTHETIC), help="which of the synthetic ones")
    parser.add_argument("--requests", type=int, default=200_000, help="how long a synthetic one is")
    parser.add_argument(
        "--sizes", default=SIZES, help=f"such as 1000,5%% (default: {SIZES.replace('%', '%%')})"
    )
    parser.add_argument("--no-peers", action="store_true", help="only our own")
    parser.add_argument("--reference", action="store_true", help="also the reference policies of the lab")
    parser.add_argument("--plot", type=Path, metavar="FILE.png|svg", help="draw the ratios")
    arguments = parser.parse_args(given)
    if not arguments.traces and not arguments.synthetic:
        parser.error("give files with traces, or --synthetic")
    if unknown := [name for name in arguments.only.split(",") if name not in SYNTHETIC]:
        parser.error(f"there is no synthetic trace {unknown[0]!r}; there are {', '.join(SYNTHETIC)}")
    if arguments.plot is not None:
        try:
            import_module("matplotlib")
        except ImportError:
            parser.error("--plot needs matplotlib, which is not installed: pip install matplotlib")
    return arguments


def main(given: list[str] | None = None) -> int:
    """Measure, print and draw; give the status of the process."""
    arguments = read_arguments(given)
    contenders, missing = ours()
    if missing:
        print(f"left out, as CacheStorage does not have them: {', '.join(missing)}")
    if not arguments.no_peers:
        if gone := absent(OTHER_POLICIES):
            print(f"left out, as they are not installed: {', '.join(gone)}")
        contenders |= present(OTHER_POLICIES)
    if arguments.reference:
        contenders |= {f"{name}, reference": make for name, make in POLICIES.items()}
        contenders["tinylfu, paper"] = WTinyLFU
    names = [Path(path).name for path in arguments.traces]
    try:
        traces = [
            *zip(names, (read_trace(path, format=arguments.format) for path in arguments.traces), strict=True)
        ]
        if arguments.synthetic:
            traces += [(name, SYNTHETIC[name](arguments.requests)) for name in arguments.only.split(",")]
        sized = [(name, trace, sizes_of(arguments.sizes, trace)) for name, trace in traces]
    except (StorageError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    found: dict[str, Ratios] = {}
    for name, trace, sizes in sized:
        found[name] = measured(trace, sizes, contenders)
        show(name, trace, found[name])
    if arguments.plot is not None:
        plot(found, arguments.plot)
        print(f"\ndrawn to {arguments.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
