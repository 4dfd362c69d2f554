"""DiskLRUStorage in one process: who goes, when, and in which order, also for those who open it later."""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pystorage
from pystorage import FileStorage, StorageProvider
from pystorage.errors import CapacityError, StorageProviderError
from pystorage.services import DiskLRUStorageService
from pystorage.stores.disklru import DiskLRUStorage
from pystorage.testing import FakeClock
from tests.stores.files import entries, own

LRU = DiskLRUStorage[str, Any]


def on_disk(place: Path | str, suffix: str = "disklru.pkl") -> list[str]:
    return sorted(name.removesuffix(f".{suffix}") for name in entries(place) if name.endswith(suffix))


# ---------------------------------------------------------------------- the order


def test_the_least_recently_used_goes(tmp_path: Path) -> None:
    """Reads and writes are uses, looks are not; one goes for one that comes."""
    storage = LRU(tmp_path, limit=3)
    storage.update(a=1, b=2, c=3)
    assert storage["a"] == 1
    assert "b" in storage
    assert list(storage.items()) == [("b", 2), ("c", 3), ("a", 1)]
    storage["d"] = 4
    assert list(storage) == ["c", "a", "d"]
    storage["c"] = 5
    storage["e"] = 6
    assert list(storage) == ["d", "c", "e"]
    assert on_disk(tmp_path) == ["c", "d", "e"]
    assert storage.popitem() == ("d", 4)


def test_a_stream_is_a_use(tmp_path: Path) -> None:
    """Reading and writing by a stream counts as any other, and keeps the limits."""
    storage = DiskLRUStorage[str, bytes](tmp_path, limit=2, size_limit=100, codec="bytes")
    storage.update(a=b"1", b=b"2")
    with storage.open_read("a") as file:
        assert file.read() == b"1"
    with storage.open_write("c", ttl=10) as written:
        written.write(b"x" * 50)
    assert list(storage) == ["a", "c"]
    assert storage.stats().hits == 1
    assert storage.stats().bytes == 1 + 50 + 18
    with pytest.raises(CapacityError, match="101 bytes"), storage.open_write("a") as written:
        written.write(b"x" * 101)
    assert storage["a"] == b"1"
    assert list(storage) == ["c", "a"]


@given(
    limit=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from("wrd"), st.sampled_from("abcdefgh")), max_size=40),
)
def test_it_is_an_lru(limit: int, steps: list[tuple[str, str]]) -> None:
    """Whatever is written, read and deleted: what is there, and in which order, is what an LRU has."""
    with tempfile.TemporaryDirectory() as folder, LRU(folder, limit=limit) as storage:
        model: OrderedDict[str, int] = OrderedDict()
        evicted = 0
        for number, (step, key) in enumerate(steps):
            if step == "w":
                storage[key] = model[key] = number
                model.move_to_end(key)
                if len(model) > limit:
                    model.popitem(last=False)
                    evicted += 1
            elif step == "r":
                assert storage.get(key) == model.get(key)
                if key in model:
                    model.move_to_end(key)
            else:
                assert storage.pop(key, None) == model.pop(key, None)
            assert list(storage.items()) == list(model.items())
        assert on_disk(folder) == sorted(model)
        assert storage.stats().evictions == evicted
        with LRU(folder, limit=limit) as again:
            assert set(again) == set(model)
        storage.close()
        with LRU(folder, limit=limit) as again:
            assert list(again.items()) == list(model.items())


def test_overwriting_evicts_nobody(tmp_path: Path) -> None:
    """Neither by set, add, swap, incr nor expire does an entry that is there already cost another one."""
    storage = LRU(tmp_path, limit=3)
    storage.update(a=1, b=2, c=3)
    for _ in range(5):
        storage["a"] = 1
        storage.incr("b")
        storage.swap("c", storage["c"], 3)
        storage.expire("a", 1000)
        assert not storage.add("a", 5)
    assert sorted(storage) == ["a", "b", "c"]
    assert storage.stats().evictions == 0


def test_another_storage_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    """The files of others do not count, and are never removed."""
    other, plain = FileStorage[str, int](tmp_path, suffix="other.pkl"), FileStorage[str, int](tmp_path)
    for number in range(20):
        other[f"{number}"] = plain[f"{number}"] = number
    foreign = tmp_path / "not a key.disklru.pkl"
    foreign.write_bytes(b"somebody else's")
    storage = LRU(tmp_path, limit=2)
    for number in range(20):
        storage[f"{number}"] = number
    assert len(storage) == 2
    assert len(other) == len(plain) == 20
    assert foreign.exists()
    assert storage.adopt() == 1
    assert list(storage) == ["19", "not a key"]
    with pytest.raises(ValueError, match="suffix"):
        LRU(tmp_path, limit=2, suffix="")


# ---------------------------------------------------------------------- bytes


def test_a_limit_of_bytes(tmp_path: Path) -> None:
    """As many go as are needed; an entry that becomes larger needs only what it grows by."""
    storage = DiskLRUStorage[str, bytes](tmp_path, size_limit=100, codec="bytes")
    storage.update(a=b"x" * 40, b=b"x" * 30, c=b"x" * 30)
    stats = storage.stats()
    assert (stats.bytes, stats.limit, stats.size_limit) == (100, None, 100)
    storage["a"] = b"y" * 41
    assert list(storage) == ["c", "a"]
    storage["d"] = b"x" * 100
    assert list(storage) == ["d"]
    assert storage.stats().evictions == 3
    storage["d"] = b"x"
    storage["e"] = b"x" * 99
    assert list(storage) == ["d", "e"]


def test_too_large_a_value_is_refused(tmp_path: Path) -> None:
    """One that could never fit is ``CapacityError`` by every way to write it, and nothing changes."""
    storage = LRU(tmp_path, size_limit=100, codec="json")
    storage.update(key="old", number=5)
    long = "k" * 1000
    ways = {
        "set": lambda: storage.set("key", "x" * 99),
        "add": lambda: storage.add("new", "x" * 99),
        "swap": lambda: storage.swap("key", "old", "x" * 99),
        "incr": lambda: storage.incr("number", 10**101),
        "header": lambda: storage.set("key", "x" * 90, ttl=5),
        "long": lambda: storage.set(long, "x"),
    }
    for way in ways.values():
        with pytest.raises(
            CapacityError, match=r"may have 100; the old value stands; raise size_limit"
        ) as caught:
            way()
        assert caught.value.storage is not None
    assert caught.value.key == long
    assert dict(storage) == {"key": "old", "number": 5}
    storage["key"] = "x" * 85
    with pytest.raises(CapacityError):
        storage.expire("key", 50)
    assert storage.expires_at("key") is None


# ---------------------------------------------------------------------- time


def test_what_has_expired_goes_first(tmp_path: Path) -> None:
    """An entry whose time is over makes room before one that lives, however recently it was used."""
    clock = FakeClock()
    storage = LRU(tmp_path, limit=3, timer=clock)
    storage["a"] = 1
    storage["b"] = 2
    storage.set("dies", 3, ttl=10)
    assert storage["dies"] == 3
    clock.advance(10)
    assert (len(storage), list(storage)) == (2, ["a", "b"])
    storage["c"] = 4
    assert list(storage) == ["a", "b", "c"]
    assert on_disk(tmp_path) == ["a", "b", "c"]
    assert (storage.stats().evictions, storage.stats().expirations) == (0, 1)


def test_what_has_expired_counts_until_it_is_gone(tmp_path: Path) -> None:
    """Never are there more files than the limit, alive and expired together, of this process or another."""
    clock = FakeClock()
    storage, other = LRU(tmp_path, limit=5, timer=clock), LRU(tmp_path, limit=5, timer=clock)
    for number in range(5):
        other.set(f"{number}", number, ttl=10 + number)
    clock.advance(12)
    assert len(storage) == len(other) == 2
    assert len(on_disk(tmp_path)) == 5
    for number in range(5, 9):
        storage[f"{number}"] = number
        assert len(on_disk(tmp_path)) <= 5
    assert sorted(storage) == ["4", "5", "6", "7", "8"]
    assert (storage.stats().expirations, storage.stats().evictions) == (3, 1)
    assert sorted(other) == sorted(storage)
    clock.advance(100)
    assert LRU(tmp_path, limit=5, timer=clock).purge() == 1


def test_an_expired_entry_is_written_again(tmp_path: Path) -> None:
    """A key whose entry has expired can be written, also where its old file is the one to go."""
    clock = FakeClock()
    storage = LRU(tmp_path, limit=1, timer=clock)
    for number in range(3):
        storage.set("key", number, ttl=10)
        clock.advance(10)
        assert len(storage) == 0
    storage["key"] = 4
    assert (storage["key"], on_disk(tmp_path)) == (4, ["key"])


def test_the_timer_goes_backwards(tmp_path: Path) -> None:
    """What was taken for expired and is alive again is not removed, and counts."""
    now = [1000.0]
    storage = LRU(tmp_path, limit=2, timer=lambda: now[0])
    storage.set("lives", 1, ttl=10)
    now[0] += 20
    assert len(storage) == 0
    now[0] -= 15
    storage["a"] = 2
    storage["b"] = 3
    assert len(on_disk(tmp_path)) == 2
    assert storage.get("lives") in (1, None)
    assert len(on_disk(tmp_path)) == 2


# ---------------------------------------------------------------------- opening it later


def test_the_order_is_that_of_the_files_times(tmp_path: Path) -> None:
    """It is rebuilt from when the files were last written to, never from when they were last read."""
    with LRU(tmp_path) as storage:
        storage.update(a=1, b=2, c=3, d=4)
    for number, key in enumerate("cadb"):
        os.utime(tmp_path / f"{key}.disklru.pkl", ns=(10**18 - number * 10**9, 10**18 + number))
    assert list(LRU(tmp_path)) == ["c", "a", "d", "b"]


def test_ties_have_an_order(tmp_path: Path) -> None:
    """Files of one moment come in the order of their names, for every process the same."""
    with LRU(tmp_path) as storage:
        storage.update(dict.fromkeys("dacb", 1))
    for path in tmp_path.glob("*.disklru.pkl"):
        os.utime(path, ns=(10**18, 10**18))
    assert list(LRU(tmp_path)) == ["a", "b", "c", "d"]
    assert list(LRU(tmp_path, limit=2)) == ["c", "d"]


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    """The order is kept when the system's clock is put back or forward, and when it is right again."""
    real = time.time_ns
    storage = LRU(tmp_path)
    storage.update(a=1, b=2)
    storage.close()
    monkeypatch.setattr(time, "time_ns", lambda: real() + years * 365 * 86400 * 10**9)
    with LRU(tmp_path) as storage:
        storage.update(c=3, d=4)
        assert list(storage) == ["a", "b", "c", "d"]
        assert storage["a"] == 1
    with LRU(tmp_path) as storage:
        assert list(storage) == ["b", "c", "d", "a"]
    monkeypatch.undo()
    with LRU(tmp_path, limit=4) as storage:
        assert list(storage) == ["b", "c", "d", "a"]
        storage["e"] = 5
    with LRU(tmp_path) as storage:
        assert list(storage) == ["c", "d", "a", "e"]
        assert all(path.stat().st_mtime < time.time() + 2 * 86400 for path in tmp_path.glob("*.pkl"))


def test_a_read_is_remembered_without_a_close(tmp_path: Path) -> None:
    """A use that comes long after the last is in the file's time at once; one soon after it by ``flush``."""
    with LRU(tmp_path) as storage:
        storage.update(a=1, b=2, c=3)
    for number, key in enumerate("abc"):
        os.utime(tmp_path / f"{key}.disklru.pkl", ns=(10**18 + number, 10**18 + number))
    storage = LRU(tmp_path)
    assert storage["a"] == 1
    assert list(LRU(tmp_path)) == ["b", "c", "a"]
    seen = os.stat(tmp_path / "a.disklru.pkl").st_mtime_ns
    assert (storage["b"], storage["a"]) == (2, 1)
    assert os.stat(tmp_path / "a.disklru.pkl").st_mtime_ns == seen
    storage.flush()
    assert list(LRU(tmp_path)) == list(storage) == ["c", "b", "a"]


def test_a_lowered_limit_is_reached_at_once(tmp_path: Path) -> None:
    """Opened with less room, the least recently used go before anything else happens."""
    with LRU(tmp_path, limit=50) as storage:
        for number in range(50):
            storage[f"{number:02}"] = "x" * 100
    with LRU(tmp_path, limit=10) as storage:
        assert on_disk(tmp_path) == [f"{number}" for number in range(40, 50)] == list(storage)
        assert storage.stats().evictions == 40
    size = os.path.getsize(tmp_path / "49.disklru.pkl")
    LRU(tmp_path, size_limit=3 * size + 1)
    assert on_disk(tmp_path) == ["47", "48", "49"]


def test_what_others_put_there_and_removed(tmp_path: Path) -> None:
    """Files that come and go by other hands are noticed when they are met, and by ``purge``."""
    storage = LRU(tmp_path, limit=3, codec="json")
    storage.update(a=1, b=2)
    (tmp_path / "b.disklru.pkl").unlink()
    assert storage.get("b") is None
    assert list(storage) == ["a"]
    for number in range(5):
        (tmp_path / f"{number}.disklru.pkl").write_text("5")
    assert storage["3"] == 5
    assert list(storage) == ["a", "3"]
    assert storage.purge() == 0
    assert len(storage) == 6
    storage["c"] = 3
    assert len(storage) == len(on_disk(tmp_path)) == 3
    (tmp_path / "c.disklru.pkl").unlink()
    storage.clear()
    assert on_disk(tmp_path) == []


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    """It is no entry: it neither counts nor stands in the way."""
    storage = LRU(tmp_path, limit=2)
    storage.update(a=1, b=2)
    (tmp_path / "a.disklru.pkl").unlink()
    (tmp_path / "a.disklru.pkl").mkdir()
    storage.update(c=3, d=4)
    assert list(storage) == ["c", "d"]
    assert (tmp_path / "a.disklru.pkl").is_dir()


# ---------------------------------------------------------------------- settings


def test_limits_are_shown(tmp_path: Path) -> None:
    """In ``repr``, as attributes, and how near they are in ``stats``."""
    storage = LRU(tmp_path, limit=10, size_limit=1000)
    storage["key"] = "x"
    shown = f"DiskLRUStorage({str(tmp_path)!r}, limit=10, size_limit=1000, codec=PickleCodec(), suffix="
    assert repr(storage) == f"{shown}'disklru.pkl')"
    assert (storage.limit, storage.size_limit) == (10, 1000)
    stats = storage.stats()
    assert (stats.size, stats.bytes) == (1, os.path.getsize(tmp_path / "key.disklru.pkl"))


def test_it_pickles_as_its_settings(tmp_path: Path) -> None:
    """A copy has the same limits, on the same folder; the service's, too."""
    for storage in (
        LRU(tmp_path, limit=2, size_limit=500, codec="json", suffix="x", durability="power"),
        DiskLRUStorageService[str, Any](tmp_path, limit=2),
    ):
        storage.update(a=1, b=2)
        again = pickle.loads(pickle.dumps(storage))
        assert type(again) is type(storage)
        assert repr(again) == repr(storage)
        again["c"] = 3
        assert list(storage) == ["b", "c"]


@pytest.mark.parametrize("name", ["limit", "size_limit"])
@pytest.mark.parametrize(
    "wrong, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_limits_are_checked(tmp_path: Path, name: str, wrong: Any, error: type[Exception]) -> None:
    """A limit is a whole number of at least 1, or None; nothing is made before that is known."""
    with pytest.raises(error, match=name):
        LRU(tmp_path / "new", **{name: wrong})
    assert not (tmp_path / "new").exists()


def test_by_name_and_url(tmp_path: Path) -> None:
    """It is made by its name as the service, and by a URL."""
    service = StorageProvider().create(StorageProvider.STORAGE_DISKLRU, path=tmp_path)
    assert type(service) is DiskLRUStorageService
    assert (service.limit, own(tmp_path, "disklru.pkl").exists()) == (100, False)
    storage = pystorage.open(f"disklru:{tmp_path}?limit=5&size_limit=none&codec=json")
    assert isinstance(storage, DiskLRUStorage)
    assert (storage.limit, storage.size_limit) == (5, None)
    with pytest.raises(StorageProviderError, match="limit"):
        pystorage.open(f"disklru:{tmp_path}?limit=many")


def test_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path it is the system's temporary folder, of which only its own files count."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "somebody's").write_text("else's")
    storage = DiskLRUStorageService[str, int]()
    storage["key"] = 1
    assert storage.path == str(tmp_path)
    assert entries(tmp_path) == ["key.disklru.pkl", "somebody's"]
