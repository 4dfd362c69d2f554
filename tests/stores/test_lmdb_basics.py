"""LMDBStorage beyond the laws: arguments, limits, expiry, handles in one process, figures, verify."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import lmdb
import pytest

import pystorage
from pystorage.codecs import BytesCodec, ChecksumCodec
from pystorage.errors import CapacityError, ClosedError, DecodeError, MissingDependencyError, UnavailableError
from pystorage.storage_provider import StorageProvider
from pystorage.stores.lmdb import LMDBStorage
from pystorage.testing import FakeClock


def raw(place: Path) -> Any:
    """The file, opened past the storage, which must be closed."""
    return lmdb.open(str(place), max_dbs=4)


def test_it_is_made_by_name_and_by_url(tmp_path: Path) -> None:
    with StorageProvider().create(StorageProvider.STORAGE_LMDB, tmp_path / "a") as storage:
        assert type(storage) is pystorage.LMDBStorage
    with pystorage.open(f"lmdb://{tmp_path}/b?codec=bytes&limit=5&size_limit=1000") as storage:
        assert (
            repr(storage)
            == f"LMDBStorage({str(tmp_path / 'b')!r}, codec=BytesCodec(), limit=5, size_limit=1000)"
        )


@pytest.mark.parametrize(
    "options, error",
    [
        ({"limit": 0}, ValueError),
        ({"limit": True}, TypeError),
        ({"size_limit": 1.5}, TypeError),
        ({"size_limit": -1}, ValueError),
        ({"durability": "much"}, ValueError),
        ({"timer": 5}, TypeError),
    ],
)
def test_bad_arguments_make_nothing(tmp_path: Path, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        LMDBStorage(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_without_the_package_it_says_which_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingDependencyError, match=r"pystorage\[lmdb\]"):
        LMDBStorage(tmp_path / "new")


# -------------------------------------------------------------------- limits


def test_the_least_recently_used_goes(tmp_path: Path) -> None:
    storage = LMDBStorage[str, int](tmp_path, limit=3)
    storage.update(a=1, b=2, c=3)
    assert storage["a"] == 1
    storage["d"] = 4
    assert list(storage) == ["c", "a", "d"]
    storage["c"] = 5  # overwriting evicts nobody
    assert list(storage) == ["a", "d", "c"]
    assert storage.get_many(["a"]) == {"a": 1}
    storage.update({"e": 6, "f": 7})
    assert list(storage) == ["a", "e", "f"]
    storage.close()


def test_a_size_limit_holds_and_is_counted(tmp_path: Path) -> None:
    storage = LMDBStorage[str, bytes](tmp_path, codec="bytes", size_limit=1000)
    for number in range(50):
        storage[f"key {number}"] = b"x" * (number * 7 % 90)
        stats = storage.stats()
        assert stats.bytes is not None
        assert stats.bytes <= 1000
    kept = sum(len(key.replace(" ", "%20")) + len(value) for key, value in storage.items())
    assert storage.stats().bytes == kept
    storage["key 49"] = b"y"
    del storage["key 48"]
    kept = sum(len(key.replace(" ", "%20")) + len(value) for key, value in storage.items())
    assert storage.stats().bytes == kept
    storage.clear()
    assert storage.stats().bytes == 0
    storage.close()


def test_what_is_too_large_is_refused_and_the_old_value_stands(tmp_path: Path) -> None:
    storage = LMDBStorage[str, bytes](tmp_path, codec="bytes", size_limit=1000)
    storage["key"] = b"old"
    writes = [
        lambda: storage.__setitem__("key", bytes(1000)),
        lambda: storage.set("key", bytes(1000), ttl=5),
        lambda: storage.set_many({"other": b"", "key": bytes(1000)}),
        lambda: storage.add("new", bytes(1000)),
        lambda: storage.swap("key", b"old", bytes(1000)),
    ]
    for write in writes:
        with pytest.raises(CapacityError, match="size_limit is 1000"):
            write()
    assert dict(storage) == {"key": b"old"}
    storage["key"] = bytes(997)
    storage.close()


def test_a_lowered_limit_is_reached_at_once(tmp_path: Path) -> None:
    with LMDBStorage[str, int](tmp_path, limit=100) as storage:
        storage.update({f"key{number}": number for number in range(100)})
        storage["key3"]
    with LMDBStorage[str, int](tmp_path, limit=5) as storage:
        assert list(storage) == ["key96", "key97", "key98", "key99", "key3"]


def test_entries_from_before_the_limit_are_in_the_order(tmp_path: Path) -> None:
    with LMDBStorage[str, int](tmp_path) as storage:
        storage.update({f"key{number}": number for number in range(10)})
        with LMDBStorage[str, int](tmp_path, limit=4) as limited:
            assert len(storage) == len(limited) == 4
            storage["new"] = 1  # a handle without a limit keeps the order too
            assert list(limited)[-1] == "new"
            limited["more"] = 2
            assert len(storage) == 4


def test_what_has_expired_makes_room_first(tmp_path: Path) -> None:
    timer = FakeClock()
    with LMDBStorage[str, int](tmp_path, limit=3, timer=timer) as storage:
        storage["first"] = 1
        storage.set("short", 2, ttl=5)
        storage["last"] = 3
        timer.advance(5)
        storage["new"] = 4
        assert list(storage) == ["first", "last", "new"]


def test_another_process_sees_what_was_read_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = FakeClock(100.0)
    monkeypatch.setattr("pystorage.stores._lmdbentries.time.monotonic", now)
    with LMDBStorage[str, int](tmp_path, limit=3) as storage:
        storage.update(a=1, b=2, c=3)
        storage["a"]
        now.advance(2)
        storage["b"]
        assert not storage._database.used
        assert [name for name in storage._database.read(lambda t: _order(storage, t))] == [b"c", b"a", b"b"]


def _order(storage: LMDBStorage[str, int], transaction: Any) -> list[bytes]:
    from pystorage.stores import _lmdbindex

    return _lmdbindex.in_order(storage._database, transaction)


# -------------------------------------------------------------------- expiry


def test_the_dead_are_swept_by_writes(tmp_path: Path) -> None:
    timer = FakeClock()
    with LMDBStorage[str, int](tmp_path, timer=timer) as storage:
        storage.set_many({f"key{number}": number for number in range(20)}, ttl=10)
        storage["stays"] = 0
        timer.advance(10)
        assert len(storage) == 1
        assert list(storage) == ["stays"]
        for _ in range(3):
            storage["stays"] = 1
        assert storage.purge() == 0
    with raw(tmp_path) as file, file.begin() as transaction:
        names = [bytes(name) for name in transaction.cursor().iternext(values=False)]
        assert names == [b"%pystorage", b"%pystorage.deadlines", b"stays"]


def test_a_new_deadline_replaces_the_old_one(tmp_path: Path) -> None:
    timer = FakeClock()
    with LMDBStorage[str, int](tmp_path, timer=timer) as storage:
        storage.set("key", 1, ttl=10)
        storage.expire("key", 100)
        timer.advance(50)
        assert (storage.purge(), len(storage), storage["key"]) == (0, 1, 1)
        storage["key"] = 2
        timer.advance(100)
        assert (storage.purge(), storage["key"]) == (0, 2)


def test_times_before_the_epoch_are_times(tmp_path: Path) -> None:
    timer = FakeClock(-1000.0)
    with LMDBStorage[str, int](tmp_path, timer=timer) as storage:
        storage.set_many({"a": 1, "b": 2}, ttl=10)
        storage.set("c", 3, ttl=1000)
        storage.set("d", 3, ttl=2000)
        timer.advance(10)
        assert list(storage) == ["c", "d"]
        timer.advance(990)
        assert list(storage) == ["d"]
        assert storage.purge() == 3


# -------------------------------------------------------------------- handles


def test_handles_of_one_process_share_the_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "place")
    one = LMDBStorage[str, int](tmp_path / "place")
    other = LMDBStorage[str, int](tmp_path / "link", durability="power")
    one["key"] = 1
    assert other["key"] == 1
    one.close()
    assert other["key"] == 1
    with pytest.raises(ClosedError):
        one["key"]
    other.close()
    raw(tmp_path / "place").close()  # which LMDB refuses while it is open here


def test_a_forgotten_handle_lets_go(tmp_path: Path) -> None:
    LMDBStorage[str, int](tmp_path)["key"] = 1
    gc.collect()
    raw(tmp_path).close()


def test_files_are_ours_alone(tmp_path: Path) -> None:
    with LMDBStorage[str, int](tmp_path / "new" / "er") as storage:
        storage["key"] = 1
        with storage.lock("key", 5):
            pass
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*")}
    assert modes["er"] == modes["leases"] == 0o700
    assert modes["data.mdb"] == modes["lock.mdb"] == 0o600


def test_figures_need_no_scan(tmp_path: Path) -> None:
    with LMDBStorage[str, bytes](tmp_path, codec="bytes") as storage:
        storage.set_many({f"key{number}": bytes(1000) for number in range(1000)})
        stats = storage.stats()
        assert stats.size == 1000
        assert 1_000_000 < (stats.bytes or 0) < 2_000_000


def test_keys_of_all_kinds_come_back_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pystorage.stores._lmdbentries._PART", 7)
    keys = [*(f"key{n}" for n in range(50)), *range(20), "a b", ".", "..", "con", "x" * 5000, ("a", 1), b"\n"]
    with LMDBStorage[Any, int](tmp_path) as storage:
        storage.set_many((key, 1) for key in keys)
        assert set(storage) == set(keys)
        assert len(storage) == len(list(storage)) == len(keys)


def test_a_scan_finds_long_keys(tmp_path: Path) -> None:
    with LMDBStorage[str, int](tmp_path) as storage:
        for end in ("", "a", "b" * 1000, "é"):
            storage["x" * 150 + end] = 1
            storage["y" * 90 + end] = 1
        assert len(list(storage.scan("x" * 150))) == 4
        assert len(list(storage.scan("x" * 151))) == 0
        assert list(storage.scan("x" * 150 + "bb")) == ["x" * 150 + "b" * 1000]
        assert len(list(storage.scan("y"))) == 4


# -------------------------------------------------------------------- verify


def test_verify_takes_out_what_is_broken(tmp_path: Path) -> None:
    codec = BytesCodec() | ChecksumCodec()
    with LMDBStorage[str, bytes](tmp_path, codec=codec) as storage:
        storage.update({"good": b"1", "bad": b"2", "x" * 1000: b"3"})
        assert storage.verify().broken == ()
        assert storage.verify().checked == 3
    with raw(tmp_path) as file, file.begin(write=True) as transaction:
        transaction.put(b"bad", b"damaged")
        transaction.put(b"no \xff key", b"foreign")
    with LMDBStorage[str, bytes](tmp_path, codec=codec) as storage:
        with pytest.raises(DecodeError, match="'bad'"):
            storage["bad"]
        report = storage.verify()
        assert report.checked == 4
        assert {one.key for one in report.broken} == {"bad", "no \xff key"}
        left = {Path(str(one.moved_to)).read_bytes() for one in report.broken}
        assert left == {b"damaged", b"foreign"}
        assert set(storage) == {"good", "x" * 1000}
        assert storage.verify().broken == ()


# -------------------------------------------------------------------- hostile files


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with raw(tmp_path) as file, file.begin(write=True) as transaction:
        transaction.put(b"theirs", b"1")
    with pytest.raises(DecodeError, match="another program"):
        LMDBStorage(tmp_path)
    with raw(tmp_path) as file, file.begin() as transaction:
        assert transaction.stat()["entries"] == 1


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b'{"format": 1, "databases": 5}', b"\xff"])
def test_a_damaged_record_is_refused(tmp_path: Path, record: bytes) -> None:
    LMDBStorage(tmp_path).close()
    with raw(tmp_path) as file, file.begin(write=True) as transaction:
        transaction.put(b"%pystorage", record)
    with pytest.raises(DecodeError, match="settings is damaged"):
        LMDBStorage(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    LMDBStorage(tmp_path).close()
    with raw(tmp_path) as file, file.begin(write=True) as transaction:
        transaction.put(b"%pystorage", b'{"format": 2, "databases": []}')
    with pytest.raises(DecodeError, match="newer than this pystorage"):
        LMDBStorage(tmp_path)


@pytest.mark.parametrize("data", [b"not lmdb" * 4096, b"x", bytes(8192)])
def test_a_file_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(data)
    with pytest.raises((DecodeError, UnavailableError), match=r"data\.mdb|" + str(tmp_path)):
        LMDBStorage(tmp_path)


def test_a_file_without_its_end_is_refused(tmp_path: Path) -> None:
    with LMDBStorage[str, bytes](tmp_path, codec="bytes") as storage:
        storage.set_many({f"key{number}": bytes(1000) for number in range(1000)})
    os.truncate(tmp_path / "data.mdb", 40_960)
    with pytest.raises(DecodeError, match="cut short"):
        LMDBStorage(tmp_path)


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_no_plain_file_is_refused(tmp_path: Path, what: str) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    file = place / "data.mdb"
    if what == "link":
        (tmp_path / "elsewhere").touch()
        file.symlink_to(tmp_path / "elsewhere")
    elif what == "folder":
        file.mkdir()
    else:
        os.mkfifo(file)
    with pytest.raises(UnavailableError, match="no plain file"):
        LMDBStorage(place)


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with LMDBStorage[str, int](place) as storage:
        storage["key"] = 1
    place.chmod(0o777)
    (place / "data.mdb").chmod(0o666)
    with pytest.raises(DecodeError, match="others may write to it"):
        LMDBStorage(place)
    with LMDBStorage[str, int](place, trust=True) as storage:
        assert storage["key"] == 1


def test_damaged_pages_are_reported_and_kill_nobody(tmp_path: Path) -> None:
    """Whatever a page is overwritten with, reading and writing give a value, a miss or an error of ours."""
    from pystorage.testing.parallel import Child

    with LMDBStorage[str, bytes](tmp_path / "sound", codec="bytes") as storage:
        storage.set_many({f"key{number:04}": b"%04d" % number * 30 for number in range(300)})
    sound = (tmp_path / "sound" / "data.mdb").read_bytes()
    pages = len(sound) // 4096

    def use(place: Path) -> None:
        try:
            with LMDBStorage[str, bytes](place, codec="bytes") as storage:
                for number in range(0, 300, 7):
                    storage.get(f"key{number:04}")
                list(storage)
                storage["key"] = b"new"
        except (DecodeError, UnavailableError):
            return

    for page in range(2, pages, 3):
        place = tmp_path / f"page {page}"
        place.mkdir(mode=0o700)
        (place / "data.mdb").write_bytes(sound[: page * 4096] + bytes(4096) + sound[(page + 1) * 4096 :])
        with Child(lambda place=place: use(place)) as child:  # type: ignore[misc]
            child.result()


def test_its_pickle_is_its_settings(tmp_path: Path) -> None:
    with LMDBStorage[str, int](tmp_path, limit=5) as storage:
        storage["key"] = 1
        with pickle.loads(pickle.dumps(storage)) as again:
            assert (again["key"], repr(again)) == (1, repr(storage))


def test_nothing_is_written_to_a_file_that_was_removed(tmp_path: Path) -> None:
    storage: LMDBStorage[str, int] = LMDBStorage(tmp_path / "place")
    storage["a"] = 1
    (tmp_path / "place").rename(tmp_path / "moved")
    time.sleep(0.11)  # it looks ten times a second
    for write in (lambda: storage.update(a=2), lambda: storage.pop("a"), storage.clear):
        with pytest.raises(UnavailableError, match="open the storage anew") as caught:
            write()
        assert caught.value.errno == errno.ENOENT
    with LMDBStorage(tmp_path / "place") as anew:  # whose file is not the one that is open already
        assert dict(anew) == {}
        anew["b"] = 2
        with pytest.raises(UnavailableError, match="not the one there any more"):
            storage["a"] = 2
    assert dict(storage) == {"a": 1}
    storage.close()
    with LMDBStorage(tmp_path / "moved") as moved, LMDBStorage(tmp_path / "place") as there:
        assert (dict(moved), dict(there)) == ({"a": 1}, {"b": 2})
