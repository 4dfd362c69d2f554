"""What caches take: bytes of an entry, and what a garbage collection with them takes.

    python benchmarks/memory.py
    python benchmarks/memory.py --sizes 1000,1000000 --growth

Each cache fills a process of its own, whose memory is what the system says that it has (its resident set), so
memory that Python does not see counts too. Keys and values are there before: what is measured is what the
cache adds. With few entries many caches of that size are made, as a system gives memory in pages.

The pause is that of one full garbage collection with the cache alive, less that without it.

``--growth`` times hits of random keys from a thousand to ten million entries beside a dict's. It takes some
minutes and 3 GB.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import LRU, absent, present
from pystorage import LRUStorage

SIZES = "1000,10000,100000,1000000"
#: At least so many entries in all caches of one process together.
ENTRIES = 200_000
#: What growth may be at most, beside a dict's own.
BAR = 1.3


def contenders() -> dict[str, Any]:
    """Give what makes each cache: ours first."""
    return {"ours": LRUStorage, **present(LRU)}


def resident() -> int:
    """Give the bytes of memory that this process has."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        import resource

        # Elsewhere only the most that it ever had is known, which is the same while it grows.
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def pause() -> float:
    """Give the CPU seconds of a full collection, in the best of some."""
    times = []
    for _ in range(9):
        begin = time.process_time()
        gc.collect()
        times.append(time.process_time() - begin)
    return min(times)


def fill(name: str, size: int) -> dict[str, float]:
    """Fill caches, in a process made for it; give bytes of an entry and seconds of a collection."""
    make = contenders()[name]
    keys = list(range(size))
    copies = max(1, ENTRIES // size)
    caches = []
    make(size)  # what is loaded the first time is not of the entries
    bare = pause()
    gc.disable()
    before = resident()
    for _ in range(copies):
        cache = make(size)
        for key in keys:
            cache[key] = None
        caches.append(cache)
    taken = resident() - before
    gc.enable()
    assert all(len(cache) == size for cache in caches)
    return {"bytes": taken / copies / size, "pause": pause() - bare}


def in_a_process(name: str, size: int) -> dict[str, float]:
    """Run ``fill`` in a new process."""
    command = [sys.executable, str(Path(__file__)), "--fill", name, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} of {size} ended with {done.returncode}:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def hit(cache: Any, asked: list[int]) -> float:
    """Give the CPU seconds of one hit, in the best of some rounds."""
    times = []
    for _ in range(7):
        begin = time.process_time()
        for key in asked:
            cache[key]
        times.append(time.process_time() - begin)
    return min(times) / len(asked)


def growth(sizes: list[int]) -> bool:
    """Print what a hit costs beside a dict's by size; say whether that stays within the bar."""
    print(f"\nhits of random keys: ours beside a dict's; from size to size never above {BAR} of what it was")
    print(f"{'entries':>12} {'dict ns':>8} {'ours ns':>8} {'ratio':>6} {'of the first':>12}")
    first, within = 0.0, True
    for size in sizes:
        bare, ours = {}, LRUStorage(size)
        for key in range(size):
            bare[key] = ours[key] = None
        asked = random.Random(1).choices(range(size), k=100_000)
        times = hit(bare, asked), hit(ours, asked)
        ratio = times[1] / times[0]
        first = first or ratio
        within &= ratio <= BAR * first
        print(f"{size:12,} {times[0] * 1e9:8.1f} {times[1] * 1e9:8.1f} {ratio:6.2f} {ratio / first:12.2f}")
    return within


def main(given: list[str] | None = None) -> int:
    """Measure and print; give the status of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default=SIZES, help=f"entries (default: {SIZES})")
    parser.add_argument("--growth", action="store_true", help="also time hits as caches grow")
    parser.add_argument(
        "--growth-sizes", default="1000,10000,100000,1000000,10000000", help=argparse.SUPPRESS
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="put the figures down there, too")
    parser.add_argument("--fill", nargs=2, metavar=("NAME", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.fill:
        print(json.dumps(fill(arguments.fill[0], int(arguments.fill[1]))))
        return 0
    sizes = [int(size) for size in arguments.sizes.split(",")]
    if gone := absent(LRU):
        print(f"left out, as they are not installed: {', '.join(gone)}")
    found = {name: {size: in_a_process(name, size) for size in sizes} for name in contenders()}
    width = max(map(len, found))
    print("bytes of an entry, by the number of entries, and the pause of a collection with the most of them")
    print(" " * width, *(f"{size:>10,}" for size in sizes), f"{'pause ms':>10}")
    for name, by_size in found.items():
        figures = [f"{one['bytes']:10.1f}" for one in by_size.values()]
        print(f"{name:{width}}", *figures, f"{by_size[sizes[-1]]['pause'] * 1e3:10.2f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if arguments.growth:
        return 0 if growth([int(size) for size in arguments.growth_sizes.split(",")]) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
