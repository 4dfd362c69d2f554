"""Calls in worker threads: bounded, brought to their end, undone, whatever is cancelled."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from pystorage import FileStorage, MemoryStorage, WrapperStorage, aio
from pystorage.aio._threads import ThreadLimit
from pystorage.storage import Capability

BACKENDS = ("asyncio", "trio")


def run(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        with anyio.fail_after(30):
            return await main()

    return anyio.run(bounded, backend=backend)


class Slow(WrapperStorage[str, int]):
    """A storage that waits, and counts who waits at the same time."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage())
        self.lock = threading.Lock()  # type: ignore[assignment]
        self.inside = self.most = 0

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        return super().capabilities & ~Capability.NONBLOCKING

    def __getitem__(self, key: str) -> int:
        with self.lock:  # type: ignore[attr-defined]
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.002)
        with self.lock:  # type: ignore[attr-defined]
            self.inside -= 1
        return 7

    get = None  # type: ignore[assignment]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_more_threads_than_allowed(backend: str) -> None:
    storage = Slow()
    face = aio.wrap(storage, threads=3)

    async def main() -> None:
        async def read() -> None:
            assert await face["a"] == 7

        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(read)

    run(backend, main)
    assert storage.most == 3


def test_cancelled_calls_count_as_threads() -> None:
    storage = Slow()
    face = aio.wrap(storage, threads=3)

    async def main() -> None:
        for _ in range(10):
            tasks = [asyncio.create_task(face["a"]) for _ in range(12)]  # type: ignore[arg-type]
            await asyncio.sleep(0.003)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(one == 7 or isinstance(one, asyncio.CancelledError) for one in results)

    run("asyncio", main)
    assert storage.most <= 3
    assert storage.inside == 0


@pytest.mark.parametrize("twice", [False, True])
def test_what_is_cancelled_directly_has_ended(twice: bool) -> None:
    begun, ended, undone = threading.Event(), threading.Event(), []

    def work() -> str:
        begun.set()
        time.sleep(0.05)
        ended.set()
        return "result"

    async def main() -> None:
        task = asyncio.create_task(ThreadLimit(1).run(work, undo=undone.append))
        while not begun.is_set():
            await asyncio.sleep(0)
        task.cancel()
        if twice:
            await asyncio.sleep(0.01)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()
        assert undone == ["result"]

    run("asyncio", main)


def test_an_error_of_what_was_cancelled_is_not_lost() -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.02)
        raise ValueError("of the thread")

    async def main() -> None:
        task = asyncio.create_task(ThreadLimit(1).run(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert isinstance(caught.value.__cause__, ValueError)

    run("asyncio", main)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_waits_for_its_turn_and_is_cancelled_is_never_called(backend: str) -> None:
    called = []

    async def main() -> None:
        limit = ThreadLimit(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(limit.run, lambda: time.sleep(0.05))
            await anyio.sleep(0.01)
            with anyio.move_on_after(0.01):
                await limit.run(lambda: called.append(1))
        await anyio.sleep(0.05)

    run(backend, main)
    assert called == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_must_be_done_is_done_in_a_cancelled_task(backend: str) -> None:
    called = []

    async def main() -> None:
        limit = ThreadLimit(1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            with suppress(BaseException):
                await anyio.lowlevel.checkpoint()
            await limit.run(lambda: called.append(1), must=True)

    run(backend, main)
    assert called == [1]


def test_what_must_be_done_is_done_by_a_task_cancelled_directly() -> None:
    called = []

    def work() -> None:
        time.sleep(0.01)
        called.append(1)

    async def main() -> None:
        for pause in range(10):
            task = asyncio.create_task(ThreadLimit(1).run(work, must=True))
            for _ in range(pause + 1):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert len(called) == pause + 1

    run("asyncio", main)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_comes_through_as_it_is(backend: str) -> None:
    def work() -> None:
        raise KeyError("key")

    async def main() -> None:
        with pytest.raises(KeyError) as caught:
            await ThreadLimit(1).run(work)
        assert caught.value.args == ("key",)
        assert caught.value.__cause__ is None

    run(backend, main)


@pytest.mark.parametrize("backend", BACKENDS)
def test_thousands_of_tasks_on_files(backend: str, tmp_path: Path) -> None:
    storage: FileStorage[str, int] = FileStorage(tmp_path)
    face = aio.wrap(storage, threads=4)

    async def main() -> None:
        async def work(number: int) -> None:
            await face.incr(f"key {number % 20}")

        async with anyio.create_task_group() as tasks:
            for number in range(2_000):
                tasks.start_soon(work, number)

    run(backend, main)
    assert dict(storage) == {f"key {number}": 100 for number in range(20)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_storm_of_cancellations_on_files(backend: str, tmp_path: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(tmp_path, codec="bytes")
    face = aio.wrap(storage, threads=4)
    chance = random.Random(13)
    threads: set[int] = set()

    async def main() -> None:
        async def work(number: int) -> None:
            scope = anyio.move_on_after(chance.random() * 0.005) if number % 2 else anyio.CancelScope()
            with scope:
                await face.set(f"key {number}", b"x" * 10_000)
                async with face.lock(f"lock {number % 3}", 300), face.open_write("stream") as stream:
                    await stream.write(b"y" * 1000)
                    await stream.write(b"y" * 1000)

        for _ in range(100):
            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(work, number)
            threads.add(threading.active_count())
        for number in range(3):
            async with face.lock(f"lock {number}", 300, timeout=0):
                pass

    before, threads_before = descriptors(), threading.active_count()
    run(backend, main)
    assert max(threads) <= threads_before + 8  # four that work, and four that give back what was cancelled
    assert storage["stream"] == b"y" * 2000
    assert all(value == b"x" * 10_000 for key, value in storage.items() if key != "stream")
    storage.close()
    assert descriptors() <= before
    left = [
        name for _, _, names in os.walk(tmp_path / "%pystorage.storage.own" / "temporary") for name in names
    ]
    assert left == []


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0


STREAM = """
import resource, sys
import anyio
from pystorage import FileStorage, aio

async def pieces():
    for number in range(256):
        yield bytes([number]) * (1 << 20)

async def main():
    async with aio.wrap(FileStorage(sys.argv[2], codec="bytes")) as storage:
        await storage.set("warm", b"x")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with storage.open_write("key") as stream:
            await stream.write_all(pieces())
        size = 0
        async with storage.open_read("key") as stream:
            async for piece in stream:
                size += len(piece)
        print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it counts memory in the units of Linux")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_of_any_size_takes_constant_memory(backend: str, tmp_path: Path) -> None:
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
    said = subprocess.run(
        [sys.executable, "-c", STREAM, backend, tmp_path],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    size, kibibytes = map(int, said.stdout.split())
    assert size == 256 << 20
    assert kibibytes < 16 << 10
