"""FileStorage against the bare system calls that it can't do without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import Compare
from pystorage import FileStorage
from pystorage.codecs import resolve_codec

DATA = b"x" * 100
VALUES: dict[str, Any] = {
    "text": "x" * 100,
    "json": {"name": "x" * 60, "number": 5, "flags": [True, False]},
    "pickle": {"name": "x" * 60, "number": 5, "flags": (True, False)},
    "pickle+gzip": {"name": "x" * 60, "number": 5, "flags": (True, False)},
}
MANY = 100_000
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def bare_read(path: str) -> Callable[[], bytes]:
    def read() -> bytes:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        data = os.read(descriptor, 4096)
        os.close(descriptor)
        return data

    return read


def bare_write(folder: Path, path: str, data: bytes) -> Callable[[], None]:
    folder.mkdir()
    numbers = iter(range(10**9))

    def write() -> None:
        temporary = f"{folder}/{next(numbers)}"
        descriptor = os.open(temporary, _FLAGS, 0o600)
        os.write(descriptor, data)
        os.close(descriptor)
        os.rename(temporary, path)

    return write


def test_get(compare: Compare, tmp_path: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(tmp_path, codec="bytes")
    storage["some_key"] = DATA
    bare = bare_read(str(tmp_path / "some_key.storage"))
    compare("get, 100 B, bytes", bare, lambda: storage["some_key"], bar=1.4, number=2000)


def test_set(compare: Compare, tmp_path: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(tmp_path, codec="bytes")
    storage["some_key"] = DATA
    bare = bare_write(tmp_path / "bare", str(tmp_path / "some_key.storage"), DATA)

    def ours() -> None:
        storage["some_key"] = DATA

    compare("set, 100 B, bytes, CPU", bare, ours, bar=1.25, number=200)


@pytest.mark.parametrize("name", VALUES)
def test_get_with_a_codec(name: str, compare: Compare, tmp_path: Path) -> None:
    codec, value = resolve_codec(name), VALUES[name]
    storage: FileStorage[str, Any] = FileStorage(tmp_path, codec=codec)
    storage["some_key"] = value
    read = bare_read(str(tmp_path / "some_key.storage"))
    compare(
        f"get, {name}, and its decoding alone",
        lambda: codec.decode(read(), "some_key"),
        lambda: storage["some_key"],
        bar=1.4,
        number=1000,
    )


@pytest.mark.parametrize("name", VALUES)
def test_set_with_a_codec(name: str, compare: Compare, tmp_path: Path) -> None:
    codec, value = resolve_codec(name), VALUES[name]
    storage: FileStorage[str, Any] = FileStorage(tmp_path, codec=codec)
    storage["some_key"] = value
    path = str(tmp_path / "some_key.storage")
    write = bare_write(tmp_path / "bare", path, codec.encode(value, "some_key"))

    def bare() -> None:
        codec.encode(value, "some_key")
        write()

    def ours() -> None:
        storage["some_key"] = value

    compare(f"set, {name}, and its encoding alone", bare, ours, bar=1.25, number=100)


# -------------------------------------------------------------------- very many keys


def filled(folder: Path, count: int) -> Path:
    for number in range(count):
        os.close(os.open(f"{folder}/key{number}.storage", _FLAGS, 0o600))
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of very many entries, which no storage has written to yet."""
    return filled(tmp_path_factory.mktemp("many"), MANY)


def opening(folder: Path) -> Callable[[], None]:
    return lambda: FileStorage(folder, codec="bytes").close()


def test_first_open_with_many_keys(compare: Compare, many: Path, tmp_path: Path) -> None:
    # Until a storage has written to a folder, opening looks at the beginning of its listing, which the system
    # reads about a thousand names at a time.
    few = filled(tmp_path, 1000)
    compare(f"open, {MANY} keys, against 1000 keys", opening(few), opening(many), bar=1.25, number=50)


def test_len_of_many_keys(compare: Compare, many: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(many, codec="bytes")
    assert len(storage) == MANY
    compare(f"len, {MANY} keys", lambda: sum(1 for _ in os.scandir(many)), lambda: len(storage), bar=1.4)


def test_iteration_over_many_keys(compare: Compare, many: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(many, codec="bytes")

    def bare() -> None:
        for _ in os.scandir(many):
            pass

    def ours() -> None:
        for _ in storage:
            pass

    compare(f"iteration, {MANY} keys", bare, ours, bar=1.7)


def test_open_with_many_keys(compare: Compare, many: Path, tmp_path: Path) -> None:
    few = filled(tmp_path, 10)
    for folder in (few, many):
        with FileStorage(folder, codec="bytes") as storage:
            storage["one more"] = DATA
    compare(f"open, {MANY} keys, against 10, written to", opening(few), opening(many), bar=1.25, number=50)
