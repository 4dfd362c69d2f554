"""Four processes share one cache in Redis: what one has worked out, the others find.

Give the URL of a server, such as redis://localhost:6379/0. Without one a server is started for this run, if
redis-server is installed (Debian and Ubuntu: apt install redis-server).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory

from pystorage import RedisStorage, UnavailableError

PROCESSES = 4
NUMBERS = range(1, 1001)


def collatz(number: int) -> int:
    """Count the steps from a number to 1, halving even ones and tripling odd ones plus one."""
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


def work(url: str) -> int:
    """Look every number up; work out what nobody has worked out yet, and say how many that were."""
    worked = 0
    with RedisStorage[int, int](url=url, prefix="example:steps:", expiration=60) as steps:
        # Each in an order of its own, as in one order whoever is first would stay ahead of the others.
        for number in random.sample(NUMBERS, len(NUMBERS)):
            # One process at a time for each number; the others wait for it and then find the answer.
            with steps.lock(number, 10):
                if number not in steps:
                    steps[number] = collatz(number)
                    worked += 1
    with RedisStorage[str, int](url=url, prefix="example:totals:", expiration=60) as totals:
        totals.incr("worked out", worked)
        totals.incr("looked up", len(NUMBERS))
    return worked


@contextmanager
def server(program: str) -> Iterator[str]:
    """Run a server that only this user reaches, by a socket in a folder of its own; it keeps nothing."""
    with TemporaryDirectory() as folder:
        socket = Path(folder, "redis.sock")
        command = [program, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
        quiet = ["--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(command + quiet, stdout=subprocess.DEVNULL)
        try:
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


def wait_for(url: str) -> None:
    """Wait until the server answers, ten seconds at most."""
    limit = time.monotonic() + 10
    with RedisStorage[str, int](url=url, prefix="example:") as storage:
        while True:
            try:
                bool(storage.get("anything"))
                return
            except UnavailableError:
                if time.monotonic() > limit:
                    raise


def share(url: str) -> None:
    """Let the processes work, and say what came of it."""
    wait_for(url)
    with (
        RedisStorage[int, int](url=url, prefix="example:steps:") as steps,
        RedisStorage[str, int](url=url, prefix="example:totals:") as totals,
    ):
        steps.clear()
        totals.clear()
        # None begins before all are there, as one alone might be done before the next has started.
        start = Barrier(PROCESSES)
        with ProcessPoolExecutor(PROCESSES, initializer=start.wait, initargs=(30,)) as processes:
            shares = list(processes.map(work, [url] * PROCESSES))
        print(f"{PROCESSES} processes looked up {totals['looked up']} numbers.")
        print(f"Worked out were {totals['worked out']}, each once; by the processes: {shares}.")
        longest = max(steps, key=steps.__getitem__)
        print(f"The longest way to 1 is that from {longest}: {steps[longest]} steps.")
        print(f"Without further use all of it is gone in {steps.ttl(longest):.0f} seconds.")


def main() -> None:
    """Share by the server that was named, or by one of our own."""
    if len(sys.argv) > 1:
        share(sys.argv[1])
    elif "REDIS_URL" in os.environ:
        share(os.environ["REDIS_URL"])
    elif program := shutil.which("redis-server") or shutil.which("valkey-server"):
        with server(program) as url:
            print("Started a server for this run.")
            share(url)
    else:
        print("There is no redis-server here: install it (Debian and Ubuntu: apt install redis-server), or")
        print("give the URL of a server, as in: shared_cache.py redis://localhost:6379/0")


if __name__ == "__main__":
    main()
