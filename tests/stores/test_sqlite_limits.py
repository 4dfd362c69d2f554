"""Limits of a SQLiteStorage: who goes, when, and that they hold for all processes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import CapacityError
from pystorage.storage import Capability
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing import FakeClock
from pystorage.testing.parallel import in_processes, in_threads

Store = SQLiteStorage[Any, Any]


def filled(path: Path, keys: str, **options: Any) -> Store:
    storage: Store = SQLiteStorage(path / "x.db", **options)
    for number, key in enumerate(keys):
        storage[key] = number
    return storage


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    """Reading, writing and touching are uses; looking is none."""
    storage = filled(tmp_path, "abcd", limit=4)
    storage["a"]
    storage.get("b")
    storage.touch("c", None)
    assert "d" in storage
    assert list(storage) == list("dabc")
    storage["e"] = 4
    assert list(storage) == list("abce")
    storage.get_many(["a"])
    storage["b"] = 9
    storage["f"] = 5
    storage["g"] = 6
    assert list(storage) == list("abfg")
    assert storage.popitem() == ("a", 0)


def test_overwriting_evicts_nobody(tmp_path: Path) -> None:
    storage = filled(tmp_path, "abc", limit=3, size_limit=3)
    for _ in range(5):
        storage["b"] = 7
        storage.set_many({"a": 1, "c": 2})
        assert storage.incr("b") == 8
    assert sorted(storage) == list("abc")
    assert storage.stats().evictions == 0


def test_what_has_expired_goes_first(tmp_path: Path) -> None:
    clock = FakeClock()
    storage = filled(tmp_path, "ab", limit=3, timer=clock)
    storage.set("c", 2, ttl=5)
    clock.advance(5)
    storage["d"] = 3
    assert list(storage) == list("abd")
    stats = storage.stats()
    assert (stats.evictions, stats.expirations) == (0, 1)
    storage["e"] = 4
    assert list(storage) == list("bde")
    assert storage.stats().evictions == 1


def test_bytes_are_limited(tmp_path: Path) -> None:
    storage: Store = SQLiteStorage(tmp_path / "x.db", codec="bytes", size_limit=100, large=50)
    for number in range(10):
        storage[number] = bytes(30)
    assert list(storage) == [7, 8, 9]
    storage[10] = bytes(70)
    assert list(storage) == [9, 10]
    assert storage.stats().bytes == 100
    storage[11] = bytes(100)
    assert list(storage) == [11]
    storage.set_many({number: bytes(10 * number) for number in range(1, 6)})
    assert list(storage) == [3, 4, 5][-2:]
    assert storage.stats().bytes == 90
    files = [file for file in (tmp_path / "x.db.values").iterdir() if "-" in file.name]
    assert files == []


@pytest.mark.parametrize("how", ["set", "add", "swap", "set_many", "open_write"])
def test_what_is_too_large_is_refused(tmp_path: Path, how: str) -> None:
    """It is CapacityError, and the old value stands."""
    storage: Store = SQLiteStorage(tmp_path / "x.db", codec="bytes", size_limit=1_000, large=100)
    storage["old"] = b"old"
    key = "new" if how == "add" else "old"
    large = bytes(1_001)

    def stream() -> None:
        with storage.open_write(key) as file:
            for _ in range(1_001):
                file.write(b"x")
                file.flush()

    writes: dict[str, Any] = {
        "set": lambda: storage.set(key, large),
        "add": lambda: storage.add(key, large),
        "swap": lambda: storage.swap(key, b"old", large),
        "set_many": lambda: storage.set_many({"first": b"", key: large}),
        "open_write": stream,
    }
    with pytest.raises(CapacityError, match="size_limit") as caught:
        writes[how]()
    assert caught.value.key == key
    assert dict(storage) == {"old": b"old"}
    assert storage.verify().broken == ()


def test_limits_are_shown(tmp_path: Path) -> None:
    storage = filled(tmp_path, "abc", limit=2, size_limit=1_000)
    assert "limit=2, size_limit=1000" in repr(storage)
    stats = storage.stats()
    assert (stats.limit, stats.size_limit, stats.size, stats.bytes, stats.evictions) == (2, 1_000, 2, 2, 1)
    free: Store = SQLiteStorage(tmp_path / "free.db")
    assert "limit=" not in repr(free)
    assert (free.stats().limit, free.stats().evictions) == (None, None)
    assert Capability.ORDERED in storage.capabilities
    assert Capability.ORDERED not in free.capabilities


def test_a_lowered_limit_is_reached_at_once(tmp_path: Path) -> None:
    with filled(tmp_path, "abcdefgh", limit=8) as storage:
        storage["a"]
    with SQLiteStorage[Any, Any](tmp_path / "x.db", limit=3) as lower:
        assert list(lower) == list("gha")
        assert lower.stats().size == 3
    with SQLiteStorage[Any, Any](tmp_path / "x.db", size_limit=1) as lower:
        assert list(lower) == ["a"]


def test_a_limit_comes_to_what_had_none(tmp_path: Path) -> None:
    """Where nobody kept the order, it begins now; and those without a limit keep to it from then on."""
    with filled(tmp_path, "abcd") as free:
        free["a"] = 9
    with SQLiteStorage[Any, Any](tmp_path / "x.db", limit=4) as limited:
        limited["b"]
        free = SQLiteStorage(tmp_path / "x.db")
        free["c"] = 7
        limited["e"] = 5
        assert len(limited) == 4
        assert {"b", "c", "e"} < set(limited)


def test_a_bulk_keeps_the_last(tmp_path: Path) -> None:
    storage = filled(tmp_path, "ab", limit=5)
    storage.set_many({number: number for number in range(2_000)})
    assert list(storage) == [1995, 1996, 1997, 1998, 1999]
    assert storage.stats().evictions == 1_997


def test_reads_are_written_down_at_most_once_a_second(tmp_path: Path) -> None:
    """Another handle sees the uses of this one after its next write, its flush, or its close."""
    one = filled(tmp_path, "abc", limit=3)
    # A handle with settings of its own, as another process has.
    two: Store = SQLiteStorage(tmp_path / "x.db", limit=3, timeout=5)
    one["a"]
    assert list(two) == list("abc")
    one.flush()
    assert list(two) == list("bca")
    one["b"]
    one["d"] = 3
    assert list(two) == list("abd")
    one["a"]
    one.close()
    assert list(two) == list("bda")


def test_four_processes_keep_to_the_limits(tmp_path: Path) -> None:
    """Whoever looks never sees more than the limits; what is there is whole, and the counters are right."""
    place = tmp_path / "x.db"

    def opened() -> Store:
        return SQLiteStorage(place, limit=50, size_limit=40_000, large=2_000)

    def work(process: int) -> int:
        chance = random.Random(process)
        evicted = 0
        with opened() as mine:
            for number in range(150):
                key = f"{chance.randrange(200)}"
                length = chance.choice([10, 500, 2_500])
                mine[key] = f"{int(key):03d}" * (length // 3)
                if number % 5 == 0:
                    mine.set_many({f"{process} {number} {n}": "xyz" for n in range(10)})
                mine.get(f"{chance.randrange(200)}")
                stats = mine.stats()
                assert stats.size is not None
                assert stats.size <= 50
                assert stats.bytes is not None
                assert stats.bytes <= 40_000
            evicted += mine.stats().evictions or 0
        return evicted

    assert sum(in_processes(*(lambda process=process: work(process) for process in range(4)))) > 100
    with opened() as storage:
        assert len(storage) == len(list(storage)) <= 50
        for key, value in storage.items():
            assert value == "xyz" or set(value[n : n + 3] for n in range(0, len(value), 3)) == {
                f"{int(key):03d}"
            }
        assert storage.verify().broken == ()
        files = [file for file in (tmp_path / "x.db.values").iterdir() if "-" in file.name]
        assert len(files) == sum(len(value) > 1_998 for value in storage.values())


def test_threads_keep_to_the_limit(tmp_path: Path) -> None:
    storage: Store = SQLiteStorage(tmp_path / "x.db", limit=10)

    def work(thread: int) -> None:
        for number in range(60):
            storage[f"{thread} {number}"] = number
            storage.get(f"{thread} {number - 1}")
            assert len(storage) <= 10

    in_threads(*(lambda thread=thread: work(thread) for thread in range(4)))
    assert len(list(storage)) == 10
    assert storage.stats().evictions == 230


@pytest.mark.parametrize("name", ["limit", "size_limit"])
def test_a_limit_is_a_positive_number(tmp_path: Path, name: str) -> None:
    for wrong, error in (
        (0, ValueError),
        (-1, ValueError),
        (1.5, TypeError),
        (True, TypeError),
        ("1", TypeError),
    ):
        with pytest.raises(error, match=name):
            SQLiteStorage(tmp_path / "x.db", **{name: wrong})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
