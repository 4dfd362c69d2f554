"""``migrate``: everything that is data arrives, what is not is told, and a killed migration goes on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import diskcache
import pytest

from pystorage.errors import DecodeError, StorageProviderError, UnavailableError
from pystorage.stores.diskcache import DiskCacheStorage, migrate
from pystorage.stores.file import FileStorage
from pystorage.stores.memory import MemoryStorage
from pystorage.testing import FaultyStorage
from pystorage.testing.parallel import Child, Line


def filled(place: Path, count: int = 250) -> diskcache.Cache:
    cache = diskcache.Cache(str(place))
    for number in range(count):
        cache.set(
            f"key{number}", f"value {number}" * (number % 9000), expire=1000 if number % 5 == 0 else None
        )
    return cache


def test_all_of_a_folder_is_moved(tmp_path: Path) -> None:
    """Keys, values of all plain kinds, deadlines; what has expired is not, and the source stays."""
    with filled(tmp_path / "cache") as cache:
        cache[5], cache[0.5], cache[b"b"] = b"\0" * 100_000, 1.5, "x" * 100_000
        cache["gone"] = 1
        cache._sql("UPDATE Cache SET expire_time = 5 WHERE key = 'gone'")
        seen: list[tuple[int, int]] = []
        storage = FileStorage[Any, Any](tmp_path / "files", codec="msgpack")
        report = migrate(cache, storage, progress=lambda done, total: seen.append((done, total)))
        assert (report.moved, report.expired, report.refused) == (253, 1, [])
        assert seen == [(100, 254), (200, 254), (254, 254)]
        assert len(cache) == 254
    assert len(storage) == 253
    assert storage["key7"] == "value 7" * 7
    assert storage[5] == b"\0" * 100_000
    assert storage.ttl("key7") is None
    assert 900 < (storage.ttl("key5") or 0) <= 1000
    assert not (tmp_path / "cache" / "pystorage-migration.json").exists()


def test_what_cannot_be_moved_is_told_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    with filled(tmp_path, 20) as cache:
        cache["pickled"], cache["tuple",] = ["a list"], 1
        cache["lost"] = "x" * 100_000
        for path in tmp_path.rglob("*.val"):
            path.unlink()
        storage = MemoryStorage[Any, Any]()
        report = migrate(tmp_path, storage)
        assert report.moved == len(storage) == 20
        reasons = {one.key: one.reason for one in report.refused}
        assert set(reasons) == {"'pickled'", "?", "'lost'"}
        assert "can run any code" in reasons["'pickled'"]
        assert "is gone" in reasons["'lost'"]
        assert str(report).startswith("20 moved, 0 had expired, 3 refused\n")
        trusting = migrate(tmp_path, storage, trust=True)
        assert trusting.moved == 22
        assert storage["pickled"] == ["a list"]


def test_it_needs_no_diskcache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, 10).close()
    monkeypatch.setitem(sys.modules, "diskcache", None)
    storage = MemoryStorage[Any, Any]()
    assert migrate(tmp_path, storage).moved == len(storage) == 10


def test_shards_and_a_json_disk(tmp_path: Path) -> None:
    with diskcache.FanoutCache(str(tmp_path / "fanout"), shards=3) as fanout:
        for number in range(50):
            fanout[f"key{number}"] = number
        storage = MemoryStorage[Any, Any]()
        assert migrate(fanout, storage, batch=7).moved == 50
        assert dict(storage) == {f"key{number}": number for number in range(50)}
    with diskcache.Cache(str(tmp_path / "json"), disk=diskcache.JSONDisk) as cache:
        cache["key"] = {"a": [None]}
        assert migrate(cache, storage, disk="json").moved == 1
        assert storage["key"] == {"a": [None]}


def test_a_killed_migration_goes_on(tmp_path: Path) -> None:
    """Another run moves only what was not noted as moved, and the report is of all runs."""
    filled(tmp_path / "cache", 300).close()

    def run(line: Line) -> None:
        with FileStorage[str, str](tmp_path / "files") as storage:

            def progress(done: int, total: int) -> None:
                line.say()
                if done >= 90:
                    time.sleep(60)  # to be killed here

            migrate(tmp_path / "cache", storage, progress=progress, batch=30)

    with Line() as line, Child(lambda: run(line)) as child:
        heard = b""
        while len(heard) < 3:
            heard += line.hear(30)
        child.kill()
    with FileStorage[str, str](tmp_path / "files") as storage:
        before = len(storage)
        assert before >= 90
        del storage["key3"]  # which is done with, so it does not come again
        done: list[int] = []
        report = migrate(
            tmp_path / "cache", storage, progress=lambda number, _: done.append(number), batch=30
        )
        assert report.moved == 300
        assert done[0] == 120
        assert len(storage) == 299


def test_a_storage_that_fails_stops_it_and_it_goes_on(tmp_path: Path) -> None:
    filled(tmp_path, 50).close()
    inner = MemoryStorage[Any, Any]()
    faulty = FaultyStorage(inner)
    faulty.fail(on="set", nth=35)
    with pytest.raises(UnavailableError):
        migrate(tmp_path, faulty, batch=10)
    assert (tmp_path / "pystorage-migration.json").exists()
    assert migrate(tmp_path, faulty, batch=10).moved == 50
    assert len(inner) == 50


def test_another_storage_is_another_migration(tmp_path: Path) -> None:
    filled(tmp_path, 30).close()
    first = FaultyStorage(FileStorage[str, str](tmp_path / "first"))
    first.fail(on="set", nth=25)
    with pytest.raises(UnavailableError):
        migrate(tmp_path, first, batch=10)
    assert migrate(tmp_path, MemoryStorage[Any, Any](), batch=10).moved == 30


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    storage = MemoryStorage[Any, Any]()
    with pytest.raises(StorageProviderError, match="no diskcache database"):
        migrate(tmp_path, storage)
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(DecodeError, match=str(tmp_path)):
        migrate(tmp_path, storage)
    os.unlink(tmp_path / "cache.db")
    filled(tmp_path, 1).close()
    (tmp_path / "pystorage-migration.json").write_text("[")
    with pytest.raises(DecodeError, match="remove it to begin anew"):
        migrate(tmp_path, storage)
    with pytest.raises(ValueError, match="batch"):
        migrate(tmp_path, storage, batch=0)
    with pytest.raises(TypeError, match="not dict"):
        migrate(tmp_path, {})  # type: ignore[arg-type]


def test_from_one_of_ours(tmp_path: Path) -> None:
    with DiskCacheStorage[str, int](tmp_path) as source:
        source["key"] = 1
        storage = MemoryStorage[Any, Any]()
        assert migrate(source.path, storage).moved == 1
