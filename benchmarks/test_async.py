"""Async faces against the sync storage in memory, and the worker thread that files cannot do without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from benchmarks.conftest import Compare, in_turns
from pystorage import FileStorage, LRUStorage, aio

HITS = 20_000
READS = 200


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def repeated(runner: asyncio.Runner, call: Callable[[], Awaitable[Any]], times: int) -> Callable[[], None]:
    async def loop() -> None:
        for _ in range(times):
            await call()

    return lambda: runner.run(loop())


def each(times: list[tuple[float, float]], number: int) -> list[tuple[float, float]]:
    return [(bare / number, ours / number) for bare, ours in times]


def test_a_hit_in_memory(compare: Compare, runner: asyncio.Runner) -> None:
    storage: LRUStorage[str, int] = LRUStorage(10_000)
    storage.update((f"key {number}", number) for number in range(10_000))
    face = aio.wrap(storage)
    key = "key 5000"

    def bare() -> None:
        for _ in range(HITS):
            storage.get(key)

    ours = repeated(runner, lambda: face.get(key), HITS)
    times = in_turns(bare, ours, rounds=21, number=1, clock=time.process_time)
    compare.put_down("await get of a hit in memory / get", each(times, HITS), ours, added=1e-6)


def test_a_file(compare: Compare, runner: asyncio.Runner, tmp_path: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(tmp_path, codec="bytes")
    storage["key"] = b"x" * 100
    face = aio.wrap(storage)
    bare = repeated(runner, lambda: anyio.to_thread.run_sync(storage.get, "key"), READS)
    ours = repeated(runner, lambda: face.get("key"), READS)
    times = in_turns(bare, ours, rounds=21, number=1, clock=time.process_time)
    compare.put_down("await get of a file / to_thread.run_sync", each(times, READS), ours, bar=1.2)
