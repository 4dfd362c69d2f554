"""The bounded and shared storages on disk against other caches on disk, and against what is below them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

import pystorage
from benchmarks.conftest import Compare
from benchmarks.disk_peers import DISK, OnDisk, on_disk

DATA = b"x" * 100
KEYS = [f"key{number}" for number in range(1000)]
MANY = 100_000
LARGE = os.urandom(1 << 20)


def ours(name: str, folder: Path, **options: Any) -> Any:
    """Open one of ours, of bytes; skip where it is not there."""
    if not hasattr(pystorage, name):
        pytest.skip(f"there is no {name} here")
    try:
        return getattr(pystorage, name)(folder, codec="bytes", **options)
    except pystorage.MissingDependencyError as error:
        pytest.skip(str(error))


def peer(name: str, folder: Path) -> OnDisk:
    """Open another one; skip where it is not installed."""
    folder.mkdir(exist_ok=True)
    found = on_disk(name, str(folder))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def getting(get: Callable[[str], Any]) -> Callable[[], object]:
    keys = cycle(KEYS)
    return lambda: get(next(keys))


def setting(put: Callable[[str, Any], Any]) -> Callable[[], object]:
    keys = cycle(KEYS)
    return lambda: put(next(keys), DATA)


def filled(get_put: OnDisk) -> OnDisk:
    for key in KEYS:
        get_put.set(key, DATA)
    return get_put


def as_peer(storage: Any) -> OnDisk:
    return OnDisk(storage.__getitem__, storage.__setitem__, storage.close)


# -------------------------------------------------------------------- get and set


@pytest.mark.parametrize("name", DISK)
def test_the_peers(name: str, compare: Compare, tmp_path: Path) -> None:
    """Where each of them stands, beside the one that most people use."""
    bare, other = filled(peer("diskcache", tmp_path / "diskcache")), filled(peer(name, tmp_path / "other"))
    compare(f"get, {name} / diskcache", getting(bare.get), getting(other.get), number=300, rounds=9)


@pytest.mark.parametrize("name", DISK)
def test_the_peers_writing(name: str, compare: Compare, tmp_path: Path) -> None:
    bare, other = filled(peer("diskcache", tmp_path / "diskcache")), filled(peer(name, tmp_path / "other"))
    compare(f"set, {name} / diskcache", setting(bare.set), setting(other.set), number=30, rounds=9)


@pytest.mark.parametrize(
    "name, bar", [("DiskLRUStorage", 0.65), ("SQLiteStorage", 0.7), ("LMDBStorage", 0.2)]
)
def test_get_beside_diskcache(name: str, bar: float, compare: Compare, tmp_path: Path) -> None:
    mine = filled(as_peer(ours(name, tmp_path / "ours")))
    bare = filled(peer("diskcache", tmp_path / "bare"))
    compare(f"get, {name} / diskcache", getting(bare.get), getting(mine.get), bar=bar, number=1000)


@pytest.mark.parametrize("name, bar", [("SQLiteStorage", 0.5), ("LMDBStorage", 0.2)])
def test_set_beside_diskcache(name: str, bar: float, compare: Compare, tmp_path: Path) -> None:
    mine = filled(as_peer(ours(name, tmp_path / "ours")))
    bare = filled(peer("diskcache", tmp_path / "bare"))
    compare(f"set, {name} / diskcache", setting(bare.set), setting(mine.set), bar=bar, number=100)


@pytest.mark.parametrize("name, bar", [("SQLiteStorage", 0.1), ("LMDBStorage", 0.1)])
def test_bulk_set_beside_diskcache(name: str, bar: float, compare: Compare, tmp_path: Path) -> None:
    mine, bare = ours(name, tmp_path / "ours"), peer("diskcache", tmp_path / "bare")
    items = dict.fromkeys(KEYS, DATA)

    def one_by_one() -> None:
        for key, value in items.items():
            bare.set(key, value)

    compare(f"set of 1000, {name} / diskcache", one_by_one, lambda: mine.set_many(items), bar=bar, rounds=9)


def test_get_beside_lmdb(compare: Compare, tmp_path: Path) -> None:
    mine, bare = filled(as_peer(ours("LMDBStorage", tmp_path / "ours"))), filled(peer("lmdb", tmp_path / "b"))
    compare("get, LMDBStorage / lmdb", getting(bare.get), getting(mine.get), bar=1.5, number=2000)


def test_set_beside_lmdb(compare: Compare, tmp_path: Path) -> None:
    mine, bare = filled(as_peer(ours("LMDBStorage", tmp_path / "ours"))), filled(peer("lmdb", tmp_path / "b"))
    compare("set, LMDBStorage / lmdb", setting(bare.set), setting(mine.set), bar=1.5, number=500)


def test_get_and_set_with_a_limit(compare: Compare, tmp_path: Path) -> None:
    limited = filled(as_peer(ours("LMDBStorage", tmp_path / "limited", limit=10_000)))
    bare = filled(peer("diskcache", tmp_path / "bare"))
    compare("set, LMDBStorage(limit) / diskcache", setting(bare.set), setting(limited.set), number=100)


# -------------------------------------------------------------------- eviction


class BareFiles:
    """Files of which an index in memory knows the order: the least that a bounded folder can do."""

    def __init__(self, folder: Path, limit: int) -> None:
        folder.mkdir()
        self.folder = f"{folder}/"
        self.limit = limit
        self.order: OrderedDict[str, None] = OrderedDict()

    def set(self, key: str, data: bytes) -> None:
        temporary = f"{self.folder}new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(descriptor, data)
        os.close(descriptor)
        os.rename(temporary, self.folder + key)
        self.order[key] = None
        self.order.move_to_end(key)
        if len(self.order) > self.limit:
            os.unlink(self.folder + self.order.popitem(last=False)[0])


def new_keys(put: Callable[[str, Any], Any], count: int) -> Callable[[], object]:
    """Write keys that are always new, into what is full already."""
    for number in range(count):
        put(f"key{number}", DATA)
    numbers = iter(range(count, 1 << 60))
    return lambda: put(f"key{next(numbers)}", DATA)


def test_evicting_set(compare: Compare, tmp_path: Path) -> None:
    mine = ours("DiskLRUStorage", tmp_path / "ours", limit=1000)
    bare = BareFiles(tmp_path / "bare", 1000)
    compare(
        "evicting set, DiskLRUStorage / bare files",
        new_keys(bare.set, 1000), new_keys(mine.__setitem__, 1000), bar=1.4, number=100,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["DiskLRUStorage", "LMDBStorage", "SQLiteStorage"])
def test_evicting_set_at_ten_times_the_size(name: str, compare: Compare, tmp_path: Path) -> None:
    few, many = (ours(name, tmp_path / str(limit), limit=limit) for limit in (1000, 10_000))
    compare(
        f"evicting set, {name}, 10,000 / 1,000 entries",
        new_keys(few.__setitem__, 1000), new_keys(many.__setitem__, 10_000), bar=1.3, number=100,
    )  # fmt: skip


# -------------------------------------------------------------------- very many keys, very large values


def opened_counted_listed(open_one: Callable[[], Any]) -> Callable[[], int]:
    def all_of_it() -> int:
        storage = open_one()
        count = len(storage) + sum(1 for _ in storage)
        storage.close()
        return count

    return all_of_it


def test_many_keys_beside_lmdb(compare: Compare, tmp_path: Path) -> None:
    """The bare side reads each key as text, as it has to be for a mapping."""
    mine = ours("LMDBStorage", tmp_path)
    mine.set_many((f"key{number}", DATA) for number in range(MANY))
    mine.close()
    lmdb = pytest.importorskip("lmdb")

    def bare() -> int:
        environment = lmdb.open(str(tmp_path), map_size=1 << 30, sync=False)
        with environment, environment.begin() as transaction:
            keys = transaction.cursor().iternext(values=False)
            return int(transaction.stat()["entries"] + sum(1 for key in keys if key.decode()))

    listed = opened_counted_listed(lambda: ours("LMDBStorage", tmp_path))
    compare(f"open, len, iterate {MANY} keys, LMDBStorage / lmdb", bare, listed, bar=1.3)


@pytest.mark.parametrize("name, bar", [("SQLiteStorage", 0.5), ("LMDBStorage", None)])
def test_many_keys_beside_diskcache(name: str, bar: float | None, compare: Compare, tmp_path: Path) -> None:
    diskcache = pytest.importorskip("diskcache")
    mine = ours(name, tmp_path / "ours")
    mine.set_many((f"key{number}", DATA) for number in range(MANY))
    mine.close()
    with diskcache.Cache(str(tmp_path / "bare")) as cache, cache.transact():
        for number in range(MANY):
            cache[f"key{number}"] = DATA
    bare = opened_counted_listed(lambda: diskcache.Cache(str(tmp_path / "bare")))
    listed = opened_counted_listed(lambda: ours(name, tmp_path / "ours"))
    compare(f"open, len, iterate {MANY} keys, {name} / diskcache", bare, listed, bar=bar, rounds=5)


@pytest.mark.parametrize("name", ["DiskLRUStorage", "SQLiteStorage", "LMDBStorage"])
def test_get_of_a_large_value(name: str, compare: Compare, tmp_path: Path) -> None:
    mine = ours(name, tmp_path / "ours")
    mine["key"] = LARGE
    path = tmp_path / "file"
    path.write_bytes(LARGE)

    def bare() -> bytes:
        with open(path, "rb", buffering=0) as file:
            return file.read()

    compare(f"get of 1 MB, {name} / the file", bare, lambda: mine["key"], bar=1.2, number=50)
