"""Processes that run one small script after the other, so that a test of several starts none.

They are forks of one, which are told of by pairs of descriptors. Each reads jobs, JSON objects on lines: a
folder and a script, which defines ``main``, async or not. It answers with a line: what the script said.
Scripts know what this file defines.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from pystorage import FileStorage, aio, memoize  # noqa: F401 - for the scripts

LONG = 5.0


def note(what: str) -> int:
    """Leave a file that says so; give its number among those of all processes."""
    number = 1
    while True:
        try:
            Path(f"{what}-{number}").open("x").close()
        except FileExistsError:
            number += 1
        else:
            return number


def count(what: str) -> int:
    return len(list(Path().glob(f"{what}-*")))


def everybody(members: int) -> None:
    """Wait until so many have asked, and then as long as it takes them to begin to wait."""
    end = time.monotonic() + LONG
    while count("asked") < members:
        assert time.monotonic() < end
        time.sleep(0.001)
    time.sleep(0.02)


def work(jobs: int, answers: int) -> None:
    with open(jobs) as lines, open(answers, "w") as out:
        for line in lines:
            print(json.dumps(done(json.loads(line))), file=out, flush=True)


def done(job: dict[str, Any]) -> list[Any]:
    os.chdir(job["place"])
    said: list[Any] = []
    known = {**globals(), "say": said.append, "members": job["members"]}
    try:
        exec(job["script"], known)
        script: Any = known["main"]
        if inspect.iscoroutinefunction(script):
            anyio.run(script, backend=job["backend"])
        else:
            script()
    except BaseException as error:
        said.append(f"{type(error).__name__}: {error}")
    return said


def main(descriptors: list[int]) -> None:
    for backend in ("asyncio", "trio"):  # once, here, rather than in each
        anyio.run(anyio.sleep, 0, backend=backend)
    children = []
    for jobs, answers in zip(descriptors[::2], descriptors[1::2], strict=True):
        child = os.fork()
        if child == 0:
            work(jobs, answers)
            os._exit(0)
        children.append(child)
    for each in descriptors:
        os.close(each)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]])
