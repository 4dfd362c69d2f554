"""A process that calls one memoized function, for the tests of several: says what it got and computes.

Arguments: the URL of the storage, a JSON object of options and of what to do.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import pystorage
from pystorage import memoize


def main(url: str, told: dict[str, Any]) -> None:
    storage = pystorage.open(url)

    @memoize(storage, version=1, **told.get("options", {}))
    def slow(number: int) -> list[int]:
        print("computing", number, flush=True)
        with open(told["log"], "a") as log:
            log.write(f"{number} {os.getpid()}\n")
        time.sleep(told["seconds"])
        return [number, told["name"]]

    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "key":
            print(json.dumps(slow.key_for(1)), flush=True)
        else:
            print(json.dumps(slow(int(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
