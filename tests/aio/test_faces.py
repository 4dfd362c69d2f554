"""What wrap() gives, and what async storages refuse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, Storage, VolatileStorage, aio
from pystorage.aio.faces import DirectStorage, ThreadedStorage


def test_storages_in_memory_are_called_directly() -> None:
    assert isinstance(aio.wrap(MemoryStorage()), DirectStorage)
    assert isinstance(aio.wrap(LRUStorage(5)), DirectStorage)
    assert isinstance(aio.wrap(VolatileStorage(LRUStorage(5))), DirectStorage)


def test_others_are_called_in_threads(tmp_path: Path) -> None:
    assert isinstance(aio.wrap(FileStorage(tmp_path)), ThreadedStorage)
    assert isinstance(aio.wrap(VolatileStorage(FileStorage(tmp_path))), ThreadedStorage)


def test_the_face_of_a_face_is_itself() -> None:
    face = aio.wrap(MemoryStorage())
    assert aio.wrap(face) is face
    assert aio.wrap(aio.VolatileStorage(face)).capabilities == face.capabilities


def test_both_faces_see_the_same() -> None:
    storage: Storage[str, int] = LRUStorage(5)
    face = aio.wrap(storage)
    anyio.run(face.set, "a", 1)
    storage["b"] = 2
    assert anyio.run(face.get_many, ["a", "b"]) == {"a": 1, "b": 2}
    assert face.storage is storage  # type: ignore[attr-defined]
    assert face.timer is storage.timer


def test_what_cannot_be_awaited_is_refused_at_once() -> None:
    face: Any = aio.wrap(MemoryStorage())
    with pytest.raises(TypeError, match=r"await storage\.contains\(key\)"):
        "a" in face  # noqa: B015
    for wrong in (iter, list, dict, len):
        with pytest.raises(TypeError):
            wrong(face)


def test_the_repr_tells_the_storage() -> None:
    face = aio.wrap(LRUStorage(5))
    assert repr(face) == "aio.wrap(LRUStorage(5))"
    volatile = aio.VolatileStorage(face, 60, sliding=True, jitter=0.5)
    assert repr(volatile) == (
        "aio.VolatileStorage(aio.wrap(LRUStorage(5)), expiration=60.0, sliding=True, jitter=0.5)"
    )


@pytest.mark.parametrize("wrong", [{}, None, "lru:", MemoryStorage])
def test_only_storages_have_a_face(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"wrap\(\) takes a Storage"):
        aio.wrap(wrong)


@pytest.mark.parametrize(
    ("threads", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_a_number_of_threads(threads: Any, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error, match="threads"):
        aio.wrap(FileStorage(tmp_path), threads=threads)


class Plain(Storage[str, int]):
    """A storage with nothing but the five methods."""

    def __init__(self) -> None:
        self.data: dict[str, int] = {}

    def __getitem__(self, key: str) -> int:
        return self.data[key]

    def __setitem__(self, key: str, value: int) -> None:
        self.data[key] = value

    def __delitem__(self, key: str) -> None:
        del self.data[key]

    def __iter__(self) -> Any:
        return iter(list(self.data))

    def __len__(self) -> int:
        return len(self.data)


VOLATILE: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: aio.VolatileStorage(MemoryStorage()), TypeError, "aio.wrap"),  # type: ignore[arg-type]
    (lambda: aio.VolatileStorage(aio.wrap(Plain())), ValueError, "knows no deadlines"),
    (lambda: aio.VolatileStorage(aio.wrap(MemoryStorage()), 0), ValueError, "expiration"),
    (lambda: aio.VolatileStorage(aio.wrap(MemoryStorage()), jitter=1), ValueError, "jitter"),
]


@pytest.mark.parametrize(("make", "error", "words"), VOLATILE)
def test_what_a_volatile_storage_refuses(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make()


def test_a_sliding_life() -> None:
    from pystorage.testing import FakeClock

    clock = FakeClock(0)
    storage = aio.VolatileStorage(aio.wrap(MemoryStorage(timer=clock)), 10, sliding=True)

    async def main() -> None:
        await storage.set("a", b"value")
        for use in (storage.__getitem__, storage.get, lambda key: storage.get_many([key])):
            clock.advance(9)
            assert await use("a")  # type: ignore[operator]
            assert await storage.ttl("a") == 10
        clock.advance(9)
        async with storage.open_read("a") as file:
            assert await file.read() == b"value"
        assert await storage.ttl("a") == 10
        clock.advance(9)
        assert [item async for item in storage.items()] == [("a", b"value")]
        clock.advance(1)
        assert await storage.get("a") is None

    anyio.run(main)


def test_without_anyio_it_says_what_to_install() -> None:
    program = (
        "import sys\nsys.modules['anyio'] = None\n"
        "try:\n    import pystorage.aio\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "MissingDependencyError" in said.stdout
    assert "pip install 'pystorage[aio]'" in said.stdout


def test_the_async_storage_of_redis_is_found_by_name() -> None:
    assert aio.RedisStorage.__module__ == "pystorage.aio.redis"
    with pytest.raises(AttributeError, match="nothing"):
        aio.nothing  # noqa: B018


def test_a_lock_that_is_held_is_told_of_any_key() -> None:
    """Python writes integers of so many digits in no text, and says so by an error of its own."""
    face = aio.wrap(MemoryStorage())

    async def main() -> None:
        async with face.lock(10**5000, 5):
            with pytest.raises(TimeoutError, match="somebody else held it"):
                async with face.lock(10**5000, 5, timeout=0.001):
                    pass

    anyio.run(main)


@pytest.mark.parametrize(
    "timeout, error", [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (True, TypeError)]
)
def test_how_long_a_lock_is_waited_for(timeout: Any, error: type[Exception], tmp_path: Path) -> None:
    for storage in (MemoryStorage[str, int](), FileStorage[str, int](tmp_path)):
        for face in (storage, aio.wrap(storage)):
            with pytest.raises(error, match="timeout"):
                face.lock("name", 5, timeout=timeout)
