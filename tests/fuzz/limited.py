"""Run in a process of its own: decode what stdin brings, and much made of sound bytes, in little memory.

The limit is on the address space, so that even memory that is only asked for and never touched counts.
"""

from __future__ import annotations

import pickle
import random
import resource
import sys
import time
from pathlib import Path

from tests.fuzz.decoders import ALL_SOUND, DECODERS, check, check_all, mutated

MORE = 64 << 20


def address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def main() -> None:
    bombs, seed, seconds = pickle.load(sys.stdin.buffer)
    for data in ALL_SOUND:  # what the decoders import and keep is not what they take for bad bytes
        check_all(data)
    limit = address_space() + MORE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for bomb in bombs:
        check_all(bomb)
    chance, end, tried = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutated(chance)
        try:
            check(chance.choice(list(DECODERS)), data)
            check_all(data)
        except BaseException:
            print("these bytes:", data, file=sys.stderr)
            raise
        tried += 1
    print(tried)


if __name__ == "__main__":
    main()
