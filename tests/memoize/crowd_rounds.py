"""Processes that are forked from one that has everything loaded, so that many of them cost little.

Arguments: what to do, the URL of the storage, a folder for notes, a number. Prints a JSON object.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pystorage
from pystorage import FileStorage, memoize
from pystorage.memo.renewal import RENEWER
from pystorage.storage import Capability

LONG = 60.0
LEASE = 0.5
CROWD = 16


class WithoutLocks(FileStorage[str, Any]):
    """Files that can be added and swapped, and have no locks."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self.capabilities &= ~Capability.LOCK

    def lock(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it has none")


class OnlyAdds(WithoutLocks):
    """Files that can only be added."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self.capabilities &= ~Capability.SWAP

    def swap(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it has none")


def opened(url: str) -> Any:
    kind, _, rest = url.partition(":")
    if kind in ("adds", "swaps"):
        return (OnlyAdds if kind == "adds" else WithoutLocks)(rest)
    return pystorage.open(url)


def note(folder: str, *said: Any) -> None:
    place = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(place, f"{json.dumps(said)}\n".encode())
    finally:
        os.close(place)


def notes(folder: str) -> list[Any]:
    path = Path(folder, "log")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def memoized(storage: Any, folder: str, name: object, is_done: Callable[[], bool], **options: Any) -> Any:
    def slow(number: int) -> list[Any]:
        note(folder, number, name)
        time.sleep(0.002)
        while not is_done():
            time.sleep(0.01)
        return [number, name]

    slow.__qualname__ = "slow"  # what it has captured is no part of its name
    return memoize(storage, version=1, **options)(slow)


def rounds(url: str, folder: str, count: int) -> dict[str, Any]:
    """Let a crowd ask for one cold key after another, all at once."""
    start = multiprocessing.get_context("fork").Barrier(CROWD)

    def member(name: int) -> None:
        with opened(url) as storage:
            slow = memoized(storage, folder, name, lambda: True)
            found = []
            for number in range(count):
                start.wait(LONG)
                found.append(slow(number))
        Path(folder, f"found-{name}").write_text(json.dumps(found))

    children = [forked(lambda name=name: member(name)) for name in range(CROWD)]  # type: ignore[misc]
    codes = [os.waitpid(child, 0)[1] for child in children]
    return {
        "codes": sorted(set(codes)),
        "computed": sorted(number for number, _ in notes(folder)),
        "answers": len({path.read_text() for path in Path(folder).glob("found-*")}),
    }


def kills(url: str, folder: str, count: int) -> dict[str, Any]:
    """Kill whoever computes, let some others lose their lease, and ask again."""
    late = range(count, count + 5)

    def leader(number: int) -> None:
        if number in late:  # as if it ran nothing of Python for longer than the lease
            RENEWER.keep = lambda hold: None  # type: ignore[method-assign]
        with opened(url) as storage:
            slow = memoized(storage, folder, "late", Path(folder, "go").exists, lock_ttl=LEASE)
            Path(folder, f"late-{number}").write_text(json.dumps(slow(number)))

    leaders = {number: forked(lambda number=number: leader(number)) for number in range(late.stop)}  # type: ignore[misc]
    end = time.monotonic() + LONG
    while len(notes(folder)) < late.stop:
        assert time.monotonic() < end, notes(folder)
        time.sleep(0.01)
    begin = time.monotonic()
    for number in range(count):
        os.kill(leaders[number], signal.SIGKILL)
    answers: dict[int, Any] = {}
    with opened(url) as storage:
        slow = memoized(storage, folder, "next", lambda: True, lock_ttl=LEASE)
        threads = [
            threading.Thread(target=lambda number=number: answers.update({number: slow(number)}))
            for number in leaders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        took = time.monotonic() - begin
        Path(folder, "go").touch()
        codes = {number: os.waitpid(child, 0)[1] for number, child in leaders.items()}
        wanted = [[number, "next"] for number in leaders]
        return {
            "took": took,
            "answered": sorted(answers.values()) == wanted,
            "killed": all(codes[number] == signal.SIGKILL for number in range(count)),
            "late": [codes[number] for number in late],
            "late_answers": [json.loads(Path(folder, f"late-{number}").read_text()) for number in late],
            "kept": [slow.peek(None, number) for number in leaders] == wanted,
        }


if __name__ == "__main__":
    opened(sys.argv[2]).close()  # whatever it imports is here before the forks
    work = {"rounds": rounds, "kills": kills}[sys.argv[1]]
    print(json.dumps(work(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
