"""What lies in the database and beside it, what is swept, and what ``verify`` finds."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pystorage.codecs import ChecksumCodec, JSONCodec
from pystorage.errors import DecodeError, IntegrityError
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing import FakeClock
from pystorage.testing.parallel import Child, Line

Store = SQLiteStorage[Any, Any]


def query(path: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(statement, values).fetchall()


def files(path: Path) -> list[Path]:
    """The files of values beside a database."""
    folder = Path(f"{path}.values")
    return sorted(file for file in folder.iterdir() if "-" in file.name) if folder.is_dir() else []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


# ---------------------------------------------------------------------- the table


def test_json_can_be_asked_for(path: Path) -> None:
    """JSON lies there as text and a deadline in its column, so that SQLite can look for them."""
    storage: Store = SQLiteStorage(path, timer=FakeClock(100))
    storage["plain key/é%"] = {"name": "caf\xe9", "price": 5}
    storage.set("b", {"price": 7}, ttl=10)
    storage[5] = None
    dear = "SELECT name FROM entries WHERE json_extract(value, '$.price') > 5"
    assert query(path, dear) == [("b",)]
    assert query(path, "SELECT name, deadline, typeof(value) FROM entries ORDER BY id") == [
        ("plain key/%C3%A9%25", None, "text"),
        ("b", 110.0, "text"),
        ("%i5", None, "text"),
    ]


def test_other_values_are_blobs(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="json+gzip")
    storage["a"] = 1
    assert query(path, "SELECT typeof(value) FROM entries") == [("blob",)]


def test_a_value_of_another_codec_is_no_value(path: Path) -> None:
    SQLiteStorage[Any, Any](path, codec="bytes")["a"] = b"\xff"
    storage: Store = SQLiteStorage(path)
    with pytest.raises(DecodeError, match=r"x\.db") as caught:
        storage["a"]
    assert caught.value.key == "a"
    assert "a" in storage


def test_expired_entries_go_with_later_writes(path: Path) -> None:
    """Nobody needs to call ``purge``: who writes what expires takes some that have expired along."""
    clock = FakeClock()
    storage: Store = SQLiteStorage(path, timer=clock)
    storage.set_many({number: number for number in range(30)}, ttl=1)
    clock.advance(1)
    for number in range(3):
        storage.set(f"new {number}", 1, ttl=5)
    assert query(path, "SELECT count(*) FROM entries") == [(3,)]
    assert len(storage) == 3


# ---------------------------------------------------------------------- values beside it


def test_large_values_lie_beside_it(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="bytes", large=100)
    storage["small"] = bytes(100)
    assert files(path) == []
    storage["large"] = bytes(101)
    (file,) = files(path)
    assert file.read_bytes() == bytes(101)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert storage["large"] == bytes(101)
    storage["large"] = b"x" * 102
    (other,) = files(path)
    assert other != file
    assert storage.get_many(["small", "large"]) == {"small": bytes(100), "large": b"x" * 102}
    storage["large"] = b""
    assert files(path) == []
    for remove in (lambda: storage.pop("a"), storage.clear, lambda: storage.delete_many(["a"])):
        storage["a"] = bytes(1_000)
        assert len(files(path)) == 1
        remove()
        assert files(path) == []


def test_expired_files_go(path: Path) -> None:
    clock = FakeClock()
    storage: Store = SQLiteStorage(path, codec="bytes", large=10, timer=clock)
    storage.set_many({number: bytes(11) for number in range(3)}, ttl=5)
    clock.advance(5)
    assert storage.purge() == 3
    assert files(path) == []


def test_small_streams_lie_in_it(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="bytes", large=100)
    for size in (0, 1, 100, 101, 300_000):
        with storage.open_write("key") as file:
            file.write(bytes(size))
        assert storage["key"] == bytes(size)
        assert len(files(path)) == (size > 100)
        with storage.open_read("key") as file:
            assert file.read() == bytes(size)
            assert file.seek(0) == 0


def test_a_swap_that_loses_leaves_no_file(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="bytes", large=10)
    storage["a"] = bytes(11)
    assert not storage.add("a", bytes(12))
    assert not storage.swap("a", b"other", bytes(12))
    assert len(files(path)) == 1
    assert storage.swap("a", bytes(11), bytes(12))
    (file,) = files(path)
    assert file.stat().st_size == 12


def test_what_the_dead_left_is_swept(path: Path) -> None:
    """Files of a writer that died before it committed go when the next one opens; a live one's stay."""

    def write() -> None:
        mine: Store = SQLiteStorage(path, codec="bytes", large=10)
        mine["kept"] = bytes(20)
        with mine.open_write("lost") as file:
            file.write(bytes(1_000_000))
            file.flush()
            line.say()
            line.say(bytes(os.read(stop[0], 1)))

    stop = os.pipe()
    with Line() as line:
        with Child(write) as child:
            assert line.hear()
            assert len(files(path)) == 2
            with SQLiteStorage[Any, Any](path, codec="bytes", large=10) as other:
                assert len(files(path)) == 2, "a live writer's file is not to be touched"
                other.verify()
                assert len(files(path)) == 2
            child.kill()
        with SQLiteStorage[Any, Any](path, codec="bytes", large=10) as again:
            assert len(files(path)) == 1
            assert dict(again) == {"kept": bytes(20)}
            assert len(os.listdir(f"{path}.values")) == 1, "nobody's writer is left"
    os.close(stop[0])
    os.close(stop[1])


def test_other_files_there_are_left_alone(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="bytes", large=10)
    storage["a"] = bytes(20)
    other = Path(f"{path}.values", "README")
    other.write_text("mine")
    storage.clear()
    storage.verify()
    assert other.read_text() == "mine"


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "README", "", "0123456789abcdef-0/../../x"])
def test_no_row_leads_elsewhere(path: Path, name: str) -> None:
    """A row that somebody changed names no file outside of the folder, nor one that is no value's."""
    storage: Store = SQLiteStorage(path, codec="bytes", large=10)
    (path.parent / "secret").write_bytes(bytes(20))
    storage["a"] = bytes(20)
    query(path, "UPDATE entries SET file = ?", name)
    with pytest.raises(IntegrityError):
        storage["a"]
    del storage["a"]
    assert (path.parent / "secret").exists()


# ---------------------------------------------------------------------- verify


def test_verify_finds_nothing_in_what_is_whole(path: Path) -> None:
    storage: Store = SQLiteStorage(path, large=100)
    storage.update({"a": 1, 5: "x" * 200, ("b", None): [1], "long" * 5_000: 2})
    report = storage.verify()
    assert (report.checked, report.broken) == (4, ())
    assert len(storage) == 4


def test_verify_takes_out_what_is_broken(path: Path) -> None:
    """Each broken entry is told of, with the reason, and is in nobody's way any more."""
    storage: Store = SQLiteStorage(path, codec=JSONCodec() | ChecksumCodec(), large=100)
    storage.update({"whole": 1, "changed": 2, "gone": "x" * 200, "short": "y" * 300, "whole too": "z" * 400})
    query(path, "UPDATE entries SET value = zeroblob(size) WHERE name = 'changed'")
    places = dict(query(path, "SELECT name, file FROM entries WHERE file IS NOT NULL"))
    folder = Path(f"{path}.values")
    (folder / places["gone"]).unlink()
    os.truncate(folder / places["short"], 100)
    for key in ("changed", "gone", "short"):
        with pytest.raises(DecodeError, match=r"x\.db"):
            storage[key]
        assert key in storage
    report = storage.verify()
    assert report.checked == 5
    assert {broken.key for broken in report.broken} == {"changed", "gone", "short"}
    for broken in report.broken:
        assert broken.reason
        assert str(path) in broken.place
        assert broken.moved_to is not None
        assert "quarantine" in broken.moved_to
    assert dict(storage) == {"whole": 1, "whole too": "z" * 400}
    assert storage.stats().size == 2
    assert (folder / places["short"]).exists(), "what is left of a value is kept"
    assert storage.verify().broken == ()
    kept = query(path, "SELECT name, reason IS NOT NULL FROM quarantine ORDER BY name")
    assert kept == [("changed", 1), ("gone", 1), ("short", 1)]


def test_verify_counts_again(path: Path) -> None:
    storage: Store = SQLiteStorage(path)
    storage["a"] = 1
    query(path, "UPDATE counters SET entries = 7, bytes = 70")
    (broken,) = storage.verify().broken
    assert broken.key == "counters"
    assert (storage.stats().size, storage.stats().bytes) == (1, 1)


def test_verify_takes_out_what_has_no_key(path: Path) -> None:
    storage: Store = SQLiteStorage(path)
    storage["a"] = 1
    query(path, "INSERT INTO entries (name, size, value) VALUES ('%q', 1, '1')")
    query(path, "UPDATE counters SET entries = 2, bytes = 2")
    assert list(storage) == ["a"]
    (broken,) = storage.verify().broken
    assert broken.key == "%q"
    assert len(storage) == 1


def test_verify_finds_a_damaged_page(path: Path) -> None:
    """A database whose pages are damaged is told of by its path."""
    with SQLiteStorage[Any, Any](path) as storage:
        storage.set_many({f"key {number}": "x" * 500 for number in range(200)})
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 40] = b"\xff" * 40
    path.write_bytes(data)
    with SQLiteStorage[Any, Any](path) as storage, pytest.raises(DecodeError, match=r"x\.db.*\.recover"):
        storage.verify()
