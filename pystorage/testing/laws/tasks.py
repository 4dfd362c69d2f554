"""Laws of tasks: many at once, cancelled at any moment, in one event loop after another."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from pystorage.aio import AsyncStorage
from pystorage.storage import Capability
from pystorage.testing.laws.base import AnyStorage, Laws, holds_bytes, law

_TASKS = 50
_ROUNDS = 20
_PATIENCE = 60.0


class _Oops(Exception):
    """What a test raises inside a stream."""


class TaskLaws(Laws):
    """What an async storage promises besides being a storage.

    Raises:
        Nothing.
    """

    #: How often half of the tasks are cancelled at random.
    cancel_rounds = _ROUNDS

    def _run(self, storage: AnyStorage, main: Callable[[AsyncStorage[Any, Any]], Awaitable[Any]]) -> Any:
        """Run a function with the async storage in its event loop, for a limited time."""

        async def bounded() -> Any:
            with anyio.fail_after(_PATIENCE):
                return await main(storage.face)  # type: ignore[attr-defined]

        return storage._portal.call(bounded)  # type: ignore[attr-defined]

    def test_an_async_mapping(self, storage: AnyStorage) -> None:
        """``await storage[key]``, ``async for`` and the views read like those of a mapping."""

        async def main(face: AsyncStorage[Any, Any]) -> None:
            await face.set_many({"a": self.value(1), "b": self.value(2)})
            assert await face["a"] == self.value(1)
            with pytest.raises(KeyError) as caught:
                await face["absent"]
            assert caught.value.args == ("absent",)
            assert await face.get("absent") is None
            assert await face.get("absent", 7) == 7
            assert sorted([key async for key in face]) == ["a", "b"]
            assert sorted([key async for key in face.scan("b")]) == ["b"]
            assert {key: value async for key, value in face.items()} == await face.get_many(["a", "b"])
            assert sorted([value async for value in face.values()]) == [self.value(1), self.value(2)]
            assert await face.contains("a")
            assert await face.delete("a")
            assert not await face.delete("a")
            assert not await face.contains("a")
            assert await face.size() == 1
            assert await face.pop("b") == self.value(2)
            with pytest.raises(KeyError):
                await face.pop("b")
            async with face as same:
                assert same is face

        self._run(storage, main)

    def test_many_tasks_lose_nothing(self, storage: AnyStorage) -> None:
        """What many tasks write at once is all there."""

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def work(number: int) -> None:
                await face.set(f"key {number}", self.value(number))
                assert await face[f"key {number}"] == self.value(number)

            async with anyio.create_task_group() as tasks:
                for number in range(_TASKS):
                    tasks.start_soon(work, number)
            assert await face.size() == _TASKS

        self._run(storage, main)

    @law(needs=Capability.INCR)
    def test_many_tasks_count_exactly(self, storage: AnyStorage) -> None:
        """No addition of a task is lost."""

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def work() -> None:
                for _ in range(5):
                    await face.incr("n")

            async with anyio.create_task_group() as tasks:
                for _ in range(_TASKS):
                    tasks.start_soon(work)
            assert await face["n"] == 5 * _TASKS

        self._run(storage, main)

    def test_a_cancelled_write_happened_or_not(self, storage: AnyStorage, place: Path) -> None:
        """A write that was cancelled is there or not, and never comes after the next one; nothing is left."""
        chance = random.Random(7)

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def write(key: str) -> None:
                with anyio.move_on_after(chance.random() * 0.002):
                    for number in range(1, 100):
                        await face.set(key, self.large_value(number))
                        await anyio.lowlevel.checkpoint()
                before = await face.get(key)
                assert before is None or self.number_of(before) < 1000
                await face.set(key, self.large_value(999))
                await anyio.sleep(0.001)
                assert self.number_of(await face[key]) == 999

            for _ in range(self.cancel_rounds):
                async with anyio.create_task_group() as tasks:
                    for number in range(8):
                        tasks.start_soon(write, f"key {number}")

        self._run(storage, main)
        assert len(storage) == 8
        self._left_nothing(place)

    def test_a_task_cancelled_directly(self, storage: AnyStorage, place: Path) -> None:
        """A task of asyncio that is cancelled, not by a scope, leaves no write on its way."""
        chance = random.Random(7)

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def write(key: str) -> None:
                for number in range(1, 100):
                    await face.set(key, self.large_value(number))
                    await asyncio.sleep(0)

            async def one(key: str) -> None:
                task = asyncio.create_task(write(key))
                await asyncio.sleep(chance.random() * 0.002)
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                await face.set(key, self.large_value(999))
                await asyncio.sleep(0.001)
                assert self.number_of(await face[key]) == 999

            for _ in range(self.cancel_rounds):
                await asyncio.gather(*(one(f"key {number}") for number in range(8)))

        if not _in_asyncio(storage):
            pytest.skip("only tasks of asyncio can be cancelled directly")
        self._run(storage, main)
        self._left_nothing(place)

    @law(needs=Capability.LOCK)
    def test_a_lock_excludes_tasks(self, storage: AnyStorage) -> None:
        """Of many tasks one is in, and each gets its turn."""

        async def main(face: AsyncStorage[Any, Any]) -> None:
            inside = turns = 0

            async def work() -> None:
                nonlocal inside, turns
                async with face.lock("name", 30) as lease:
                    inside += 1
                    assert inside == 1
                    await lease.extend(30)
                    await anyio.sleep(0)
                    assert inside == 1
                    inside -= 1
                    turns += 1

            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(work)
            assert turns == 10
            async with face.lock("name", 30):
                with pytest.raises(TimeoutError):
                    async with face.lock("name", 30, timeout=0.01):
                        pytest.fail("two are in")

        self._run(storage, main)

    @law(needs=Capability.LOCK)
    def test_a_cancelled_lock_is_free(self, storage: AnyStorage) -> None:
        """Cancelled while it waits for a lock, takes it or holds it, a task leaves it free."""
        chance = random.Random(7)

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def hold() -> None:
                with anyio.move_on_after(chance.random() * 0.004):
                    async with face.lock("name", 300):
                        await anyio.sleep(0.001)

            for _ in range(self.cancel_rounds):
                async with anyio.create_task_group() as tasks:
                    for _ in range(4):
                        tasks.start_soon(hold)
                async with face.lock("name", 300, timeout=5):
                    pass

        self._run(storage, main)

    @law(needs=Capability.LOCK)
    def test_a_lock_of_a_task_cancelled_directly_is_free(self, storage: AnyStorage) -> None:
        """So does a task of asyncio that is cancelled directly."""
        chance = random.Random(7)

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def hold() -> None:
                async with face.lock("name", 300):
                    await asyncio.sleep(0.001)

            for _ in range(self.cancel_rounds):
                tasks = [asyncio.create_task(hold()) for _ in range(4)]
                for task in tasks:
                    await asyncio.sleep(chance.random() * 0.001)
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                async with face.lock("name", 300, timeout=5):
                    pass

        if not _in_asyncio(storage):
            pytest.skip("only tasks of asyncio can be cancelled directly")
        self._run(storage, main)

    @law(when=holds_bytes)
    def test_streams_of_tasks(self, storage: AnyStorage, place: Path) -> None:
        """Bytes are written and read in pieces, from any iterable, and seen when they are whole."""
        pieces = [bytes([number]) * 100_000 for number in range(10)]

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def body() -> Any:
                for piece in pieces:
                    yield piece

            async with face.open_write("key") as stream:
                assert await stream.write(b"begin") == 5
                assert await stream.write_all(body()) == 1_000_000
                assert await stream.write_all(pieces) == 1_000_000
                assert not await face.contains("key")
                with pytest.raises(TypeError):
                    await stream.write_all(b"bytes")  # type: ignore[arg-type]
            async with face.open_read("key") as file:
                assert await file.read(5) == b"begin"
                assert b"".join([piece async for piece in file]) == b"".join(pieces) * 2
                assert await file.read() == b""
            with suppress(_Oops):
                async with face.open_write("other") as stream:
                    await stream.write(b"part")
                    raise _Oops
            assert not await face.contains("other")
            with pytest.raises(KeyError):
                async with face.open_read("absent"):
                    pytest.fail("it is absent")

        self._run(storage, main)
        self._left_nothing(place)

    @law(when=holds_bytes)
    def test_a_cancelled_stream_leaves_nothing(self, storage: AnyStorage, place: Path) -> None:
        """A stream that was cancelled at any moment shows nothing of its value and leaves no file."""
        chance = random.Random(7)
        whole = b"x" * 200_000

        async def main(face: AsyncStorage[Any, Any]) -> None:
            async def write() -> None:
                with anyio.move_on_after(chance.random() * 0.006):
                    async with face.open_write("key") as stream:
                        for _ in range(20):
                            await stream.write(b"x" * 10_000)
                            await anyio.lowlevel.checkpoint()

            for _ in range(self.cancel_rounds):
                async with anyio.create_task_group() as tasks:
                    for _ in range(4):
                        tasks.start_soon(write)
                assert await face.get("key") in (None, whole)

        self._run(storage, main)
        self._left_nothing(place)

    def test_several_event_loops(self, storage: AnyStorage) -> None:
        """A storage works on in another event loop, in another thread, and after a loop was closed."""
        face: AsyncStorage[Any, Any] = storage.face  # type: ignore[attr-defined]

        async def use(number: int) -> None:
            with anyio.fail_after(_PATIENCE):
                await face.set(f"key {number}", self.value(number))
                assert await face[f"key {number}"] == self.value(number)
                if Capability.LOCK in face.capabilities:
                    async with face.lock("name", 30):
                        pass

        self._run(storage, lambda _: use(0))
        for number, backend in enumerate(["asyncio", "asyncio"], 1):
            anyio.run(use, number, backend=backend)
        self._run(storage, lambda _: use(3))
        assert len(storage) == 4

    def _left_nothing(self, place: Path) -> None:
        """See that no unfinished file lies in the place."""
        left = [
            name
            for folder, _, names in os.walk(place)
            for name in names
            if "temporary" in Path(folder).name and not name.endswith(".lock")
        ]
        held = {os.path.realpath(f"/proc/self/fd/{fd}") for fd in _descriptors()}
        assert [name for name in left if not any(one.endswith(f"/{name}") for one in held)] == []


def _in_asyncio(storage: AnyStorage) -> bool:
    async def tell() -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    return bool(storage._portal.call(tell))  # type: ignore[attr-defined]


def _descriptors() -> list[str]:
    folder = Path("/proc/self/fd")
    return os.listdir(folder) if folder.is_dir() else []
