"""DiskCacheStorage beside diskcache itself: what each sees of the other, and nothing is unpickled."""

from __future__ import annotations

import os
import pickle
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diskcache
import pytest

import pystorage
from pystorage.errors import (
    ClosedError,
    ConflictError,
    DecodeError,
    EncodeError,
    InvalidKeyError,
    MissingDependencyError,
    UnavailableError,
)
from pystorage.keys import Key
from pystorage.storage_provider import StorageProvider
from pystorage.stores import _diskcacherows as rows
from pystorage.stores.diskcache import DiskCacheStorage
from tests.stores.files import needs_proc, open_at


class Bomb:
    """A value whose pickle makes a folder when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


PLAIN: dict[Any, Any] = {
    "text": "value",
    "large text": "line\r\n" * 20_000,
    "bytes": b"\0\xff",
    "large bytes": b"\0\xff" * 50_000,
    1: -(2**63),
    -5: 2**63 - 1,
    0.5: 1e300,
    b"key": "",
    "%i5": "no number",
}


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[diskcache.Cache]:
    with diskcache.Cache(str(tmp_path / "cache")) as cache:
        yield cache


def changed(place: Path, query: str, *values: Any) -> None:
    """Change the database past everybody."""
    database = sqlite3.connect(place / "cache.db")
    with database:
        database.execute(query, values)
    database.close()


def test_each_sees_what_the_other_wrote(cache: diskcache.Cache) -> None:
    for number, (key, value) in enumerate(PLAIN.items()):
        cache.set(key, value, expire=1000 if number % 2 else None)
    with DiskCacheStorage[Any, Any](cache) as storage:
        assert dict(storage) == PLAIN
        assert len(storage) == len(PLAIN)
        assert all((storage.ttl(key) is not None) == bool(number % 2) for number, key in enumerate(PLAIN))
        storage.clear()
        storage.update(PLAIN)
        storage.set("lives", "a while", ttl=1000)
    assert {key: cache[key] for key in PLAIN} == PLAIN | {"large text": "line\n" * 20_000}  # its own fault
    assert 990 < cache.get("lives", expire_time=True)[1] - time.time() <= 1000
    assert cache.check() == []


def test_a_fanout_cache_is_read_and_written_in_its_shards(tmp_path: Path) -> None:
    fanout = diskcache.FanoutCache(str(tmp_path), shards=4, size_limit=4_000_000)
    for number in range(100):
        fanout[f"key{number}"] = number
    with DiskCacheStorage[str, int](fanout) as storage, DiskCacheStorage[str, int](tmp_path) as by_path:
        assert len(storage) == len(by_path) == 100
        assert {key: by_path[key] for key in by_path} == {f"key{number}": number for number in range(100)}
        storage.incr("key7", 5)
        storage["new"] = 1
        del storage["key9"]
    assert (fanout["key7"], fanout["new"], "key9" in fanout, len(fanout)) == (12, 1, False, 100)
    assert fanout.size_limit == 1_000_000  # of each shard, as it was
    fanout.close()


def test_a_json_disk(tmp_path: Path) -> None:
    cache = diskcache.Cache(str(tmp_path), disk=diskcache.JSONDisk)
    cache["key"] = {"a": [1, None]}
    cache[5] = "large" * 50_000
    with DiskCacheStorage[Any, Any](cache) as storage:
        assert storage["key"] == {"a": [1, None]}
        assert set(storage) == {"key", 5}
        storage["new"] = [True]
        with pytest.raises(EncodeError):
            storage["new"] = {1}
        with pytest.raises(InvalidKeyError):
            storage["a", "tuple"] = 1
        assert storage.get(("a", "tuple")) is None
    assert cache["new"] == [True]
    cache.close()
    with DiskCacheStorage[Any, Any](tmp_path, disk="json") as storage:
        assert storage[5] == "large" * 50_000
    changed(tmp_path, "UPDATE Cache SET value = ?, mode = 1, filename = NULL", b"no json")
    with (
        DiskCacheStorage[Any, Any](tmp_path, disk="json") as storage,
        pytest.raises(DecodeError, match="JSONDisk"),
    ):
        storage["key"]


# -------------------------------------------------------------------- pickles


def test_pickled_values_are_refused_and_stay(cache: diskcache.Cache, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    cache["small"], cache["large"] = Bomb(mark), [Bomb(mark), "x" * 100_000]
    with DiskCacheStorage[str, Any](cache) as storage:
        for key in ("small", "large"):
            with pytest.raises(DecodeError, match=rf"'{key}'.*pickled.*trust=True") as caught:
                storage[key]
            assert caught.value.key == key
            assert key in storage
        assert set(storage) == {"small", "large"}
        with pytest.raises(DecodeError):
            storage.pop("small")
        with pytest.raises(DecodeError):
            storage.incr("small")
    assert not mark.exists()
    assert "small" in cache


def test_pickled_keys_are_refused(cache: diskcache.Cache, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    changed(
        Path(cache.directory),
        "INSERT INTO Cache(key, raw, value, mode) VALUES (?, 0, 1, 1)",
        pickle.dumps(Bomb(mark)),
    )
    with DiskCacheStorage[Any, Any](cache) as storage:
        assert len(storage) == 1
        with pytest.raises(DecodeError, match="its key is pickled"):
            list(storage)
    assert not mark.exists()


def test_with_trust_all_is_as_diskcache_has_it(cache: diskcache.Cache) -> None:
    everything = {("a", 1): {1, 2}, None: [None], "key": True, 2**70: 2**70}
    for key, value in everything.items():
        cache[key] = value
    with DiskCacheStorage[Any, Any](cache, trust=True) as storage:
        assert dict(storage) == everything
        storage["x", "y"] = (1, 2)
    assert cache["x", "y"] == (1, 2)


def test_without_trust_nothing_is_pickled(cache: diskcache.Cache) -> None:
    with DiskCacheStorage[Any, Any](cache) as storage:
        for value in (None, True, [1], {"a": 1}, 2**63, float("nan"), "\ud800", bytearray(b"a")):
            with pytest.raises(EncodeError):
                storage["key"] = value
        keys = [("a", 1), None, 2**70, (), Key("/a"), b"\x8fPyS", b"\x8fPySx"]
        storage.set_many((key, "value") for key in keys)
        assert set(storage) == set(keys)
        assert all(storage[key] == "value" for key in keys)
    assert list(cache._sql("SELECT raw, mode FROM Cache WHERE raw = 0 OR mode = 4")) == []
    with pytest.raises(ValueError, match="trust=True"):
        DiskCacheStorage(cache, codec="pickle")


def test_a_codec_is_bytes_to_diskcache(cache: diskcache.Cache) -> None:
    cache["theirs"] = "text"
    with DiskCacheStorage[Any, Any](cache, codec="json+gzip") as storage:
        storage["ours"] = {"a": None}
        assert storage["ours"] == {"a": None}
        with pytest.raises(DecodeError, match="not of the codec"):
            storage["theirs"]
    assert isinstance(cache["ours"], bytes)


# -------------------------------------------------------------------- tags, times


def test_tags_and_deadlines_stay(cache: diskcache.Cache) -> None:
    cache.set("count", 5, expire=1000, tag="group")
    cache.set("text", "old", expire=1000, tag="group")
    deadline = cache.get("count", expire_time=True)[1]
    with DiskCacheStorage[str, Any](cache) as storage:
        assert storage.incr("count", 2) == 7
        assert storage.swap("text", "old", "new")
        assert not storage.swap("text", "old", "newer")
        assert storage.expires_at("count") == deadline
    assert cache.get("text", expire_time=True, tag=True)[2] == "group"
    assert cache.evict("group") == 2


def test_what_has_expired_is_not_there(cache: diskcache.Cache) -> None:
    cache["stays"], cache["gone"] = 1, "x" * 100_000
    changed(Path(cache.directory), "UPDATE Cache SET expire_time = 5 WHERE key = 'gone'")
    with DiskCacheStorage[str, Any](cache) as storage:
        assert len(cache) == 2
        assert (len(storage), list(storage), "gone" in storage) == (1, ["stays"], False)
        assert storage.purge() == 1
    assert list(Path(cache.directory).rglob("*.val")) == []


# -------------------------------------------------------------------- hostile and broken folders


@pytest.mark.parametrize(
    "filename", ["../../secret", "/etc/hostname", "..\\secret", "cache.db", "a/../../secret", ""]
)
def test_a_row_leads_nowhere_else(cache: diskcache.Cache, tmp_path: Path, filename: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    place = Path(cache.directory)
    cache["key"] = "x" * 100_000
    changed(place, "UPDATE Cache SET filename = ?", filename)
    with DiskCacheStorage[str, Any](cache) as storage:
        with pytest.raises(DecodeError):
            storage["key"]
        storage["key"] = "new"  # which removes the old file, in diskcache's own
        assert storage["key"] == "new"
    assert secret.read_text() == "secret"
    assert (place / "cache.db").exists()


def test_a_link_is_not_followed(cache: diskcache.Cache, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    cache["key"] = "x" * 100_000
    (file,) = Path(cache.directory).rglob("*.val")
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    with DiskCacheStorage[str, Any](cache) as storage, pytest.raises(UnavailableError):
        storage["key"]


def test_a_file_that_is_missing_is_told(cache: diskcache.Cache) -> None:
    """The key is there, and so it is not absent."""
    cache["key"] = "x" * 100_000
    (file,) = Path(cache.directory).rglob("*.val")
    file.unlink()
    with DiskCacheStorage[str, Any](cache) as storage:
        with pytest.raises(DecodeError, match=f"{file.name}, is missing"):
            storage["key"]
        with pytest.raises(DecodeError, match="is missing"):
            storage.swap("key", "x", "y")
        storage["key"] = "new"
        assert storage["key"] == "new"


def test_a_value_that_is_replaced_between_its_row_and_its_file_is_read(
    cache: diskcache.Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes takes the old file away; the key is there all the time."""
    cache["key"] = "old" * 100_000
    read, times = rows.value_of, iter(range(2))

    def late(*given: Any, **options: Any) -> Any:
        for number in times:  # twice in turn, each time under the reader's eyes
            cache["key"] = f"new {number}" * 100_000
            break
        return read(*given, **options)

    with DiskCacheStorage[str, Any](cache) as storage:
        monkeypatch.setattr(rows, "value_of", late)
        assert storage["key"] == "new 1" * 100_000


def test_an_unknown_mode_is_told(cache: diskcache.Cache) -> None:
    cache["key"] = 1
    changed(Path(cache.directory), "UPDATE Cache SET mode = 77")
    with DiskCacheStorage[str, Any](cache) as storage, pytest.raises(DecodeError, match="mode 77"):
        storage["key"]


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(DecodeError, match=str(tmp_path)):
        DiskCacheStorage(tmp_path)


# -------------------------------------------------------------------- made and closed


def test_it_is_made_by_name_and_by_url(tmp_path: Path) -> None:
    with StorageProvider().create(StorageProvider.STORAGE_DISKCACHE, tmp_path / "a") as storage:
        storage["key"] = 1
    with pystorage.open(f"diskcache://{tmp_path}/a?codec=bytes") as storage:
        assert type(storage) is pystorage.DiskCacheStorage
        assert f"{tmp_path / 'a'}" in repr(storage)
        assert "size_limit" in repr(storage)
    with pytest.raises(ClosedError):
        storage["key"]


def test_bad_arguments(tmp_path: Path) -> None:
    class OwnDisk(diskcache.Disk):
        pass

    own = diskcache.Cache(str(tmp_path / "own"), disk=OwnDisk)
    with pytest.raises(TypeError, match="OwnDisk"):
        DiskCacheStorage(own)
    with DiskCacheStorage[str, int](own, disk="plain") as storage:
        storage["key"] = 1
    own.close()
    with pytest.raises(TypeError):
        DiskCacheStorage(5)
    with pytest.raises(ValueError, match="disk must be"):
        DiskCacheStorage(tmp_path, disk="other")  # type: ignore[arg-type]


def test_without_the_package_it_says_which_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diskcache", None)
    with pytest.raises(MissingDependencyError, match=r"pystorage\[diskcache\]"):
        DiskCacheStorage(tmp_path)


class _Own:
    """Equal to nothing but itself, and so to no copy of it."""


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def test_a_swap_of_what_equals_no_copy_of_it_comes_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pystorage.stores.diskcache._ATTEMPTS", 3)
    with DiskCacheStorage[str, object](tmp_path, trust=True) as storage:
        storage["key"] = _Own()
        with pytest.raises(ConflictError, match="3 times"):
            storage.swap("key", _Any(), 1)


@needs_proc
def test_a_broken_shard_leaves_no_other_open(tmp_path: Path) -> None:
    diskcache.FanoutCache(str(tmp_path), shards=3).close()
    (tmp_path / "002" / "cache.db").write_bytes(b"no database " * 400)
    with pytest.raises(DecodeError):
        DiskCacheStorage(tmp_path)
    assert open_at(tmp_path) == 0
