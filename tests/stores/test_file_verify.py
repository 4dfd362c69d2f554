"""``verify``: what is broken is found, said and moved out of the way, by whichever codec; nothing is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage import DiskLRUStorage, FileStorage, VerifyReport
from pystorage.codecs import header
from pystorage.errors import ClosedError, DecodeError, UnavailableError
from pystorage.testing import FakeClock
from tests.stores.files import entries, needs_root, needs_strace, own, under_strace

Maker = Callable[..., Any]
LONG = "long " * 100


def flat(place: Path, **options: Any) -> FileStorage[Any, Any]:
    return FileStorage(place, **{"codec": "json+checksum", "suffix": "x", **options})


def tree(place: Path, **options: Any) -> FileStorage[Any, Any]:
    return FileStorage(place, **{"codec": "json+checksum", "suffix": "x", "layout": "tree", **options})


def bounded(place: Path, **options: Any) -> DiskLRUStorage[Any, Any]:
    return DiskLRUStorage(place, **{"codec": "json+checksum", "suffix": "x", "limit": 100, **options})


makers = pytest.mark.parametrize("make", [flat, tree, bounded])


def spoil(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def quarantined(place: Path) -> list[str]:
    folder = own(place, "x") / "quarantine"
    return sorted(path.name[:-9] for path in folder.iterdir()) if folder.exists() else []


@makers
def test_nothing_is_broken(tmp_path: Path, make: Maker) -> None:
    """A sound storage is looked through and left as it is, whatever its keys and deadlines."""
    clock = FakeClock()
    storage = make(tmp_path, timer=clock)
    assert storage.verify() == VerifyReport(0)
    storage.update({"a": 1, 2: 3, "b/c": 4, LONG: 5, ("t", None): 6})
    storage.set("dies", 1, ttl=5)
    assert storage.verify() == VerifyReport(6, ())
    clock.advance(5)
    assert not storage.verify().broken
    assert quarantined(tmp_path) == []
    assert str(storage.verify()).startswith("0 of ")


@makers
def test_each_kind_of_damage(tmp_path: Path, make: Maker) -> None:
    """A flipped bit, a lost end, a damaged header, an emptied file: found by name, with the reason."""
    storage = make(tmp_path)
    storage.update(dict.fromkeys(["sound", "flipped", "short", "empty", "d/eep"], "value"))
    storage.set("header", "value", ttl=10**9)
    spoil(tmp_path / "flipped.x")
    (tmp_path / "short.x").write_bytes((tmp_path / "short.x").read_bytes()[:-3])
    (tmp_path / "empty.x").write_bytes(b"")
    spoil(tmp_path / "header.x", 8)
    spoil(next(tmp_path.rglob("*eep.x")))
    report = storage.verify()
    assert report.checked == 6
    assert {one.key for one in report.broken} == {"flipped", "short", "empty", "header", "d/eep"}
    for one in report.broken:
        assert one.reason
        assert not os.path.exists(one.place)
        assert one.moved_to is not None
        assert Path(one.moved_to).parent == own(tmp_path, "x") / "quarantine"
        assert repr(one.key) in str(report)
    assert list(storage) == ["sound"]
    assert len(storage) == 1
    assert "flipped" not in storage
    assert len(quarantined(tmp_path)) == 5
    assert storage.verify() == VerifyReport(1)
    storage["flipped"] = "again"
    assert sorted(make(tmp_path)) == ["flipped", "sound"]


@makers
def test_a_long_key(tmp_path: Path, make: Maker) -> None:
    """An entry whose header no longer names its key has nobody who could read it."""
    storage = make(tmp_path)
    storage[LONG] = 1
    path = next(tmp_path.glob("*.x"))
    data = path.read_bytes()
    spoil(path, 20)
    report = storage.verify(quarantine=False)
    assert [(one.key, one.moved_to) for one in report.broken] == [(path.name[:-2], None)]
    path.write_bytes(header.pack(header.unpack(data)[1], name="another"))
    assert "does not name its key" in storage.verify(quarantine=False).broken[0].reason
    path.write_bytes(data)
    assert not storage.verify().broken
    spoil(path)
    assert storage.verify().broken[0].key == LONG


@makers
def test_only_looking(tmp_path: Path, make: Maker) -> None:
    """Without quarantine all stays; moved back by hand an entry is there again."""
    storage = make(tmp_path)
    storage["key"] = "value"
    data = (tmp_path / "key.x").read_bytes()
    spoil(tmp_path / "key.x")
    (broken,) = storage.verify(quarantine=False).broken
    assert (broken.place, broken.moved_to) == (str(tmp_path / "key.x"), None)
    with pytest.raises(DecodeError):
        storage["key"]
    (broken,) = storage.verify().broken
    moved = Path(broken.moved_to or "")
    moved.write_bytes(data)
    moved.rename(tmp_path / moved.name[:-9])
    assert storage["key"] == "value"


@makers
def test_what_is_not_ours_is_left(tmp_path: Path, make: Maker) -> None:
    """Files with other endings or names that no key has, and those of a newer pystorage."""
    storage = make(tmp_path)
    storage["key"] = 1
    for name in ("other.y", "not a key.x", "%p.x", ".x"):
        (tmp_path / name).write_text("?")
    newer = header.pack(b"1", deadline=10.0**9)
    (tmp_path / "newer.x").write_bytes(newer[:4] + b"\x02" + newer[5:])
    before = entries(tmp_path)
    report = storage.verify()
    assert [(one.key, one.moved_to) for one in report.broken] == [("newer", None)]
    assert "upgrade" in report.broken[0].reason
    assert entries(tmp_path) == before


@needs_root
@makers
def test_what_is_not_trusted_is_left(tmp_path: Path, make: Maker) -> None:
    """A pickle that others could have written is not loaded to be looked at, nor moved."""
    tmp_path.chmod(0o777)
    storage = make(tmp_path, codec="pickle", mode=0o600)
    storage.update(ours=1, theirs=2)
    os.chown(tmp_path / "theirs.x", 61_001, 61_001)
    report = storage.verify()
    assert [(one.key, one.moved_to) for one in report.broken] == [("theirs", None)]
    assert "belongs to user 61001" in report.broken[0].reason
    assert (tmp_path / "theirs.x").exists()


@makers
def test_what_is_written_meanwhile_stays(tmp_path: Path, make: Maker) -> None:
    """An entry that is replaced between the look and the move is not moved."""
    storage = make(tmp_path)
    storage["key"] = "value"
    spoil(tmp_path / "key.x")
    aside = storage._folder.set_aside

    def late(name: str, condition: Callable[[], bool]) -> str | None:
        make(tmp_path)["key"] = "new"
        found: str | None = aside(name, condition)
        return found

    storage._folder.set_aside = late
    (broken,) = storage.verify().broken
    assert broken.moved_to is None
    assert storage["key"] == "new"


def test_the_bound_knows_of_it(tmp_path: Path) -> None:
    """What is put aside does not count any more, for other handles neither."""
    storage, other = bounded(tmp_path, limit=3), bounded(tmp_path, limit=3)
    storage.update(a=1, b=2, c=3)
    assert len(other) == 3
    spoil(tmp_path / "b.x")
    assert storage.verify().checked == 3
    assert list(other) == list(storage) == ["a", "c"]
    assert other.stats().bytes == sum(path.stat().st_size for path in tmp_path.glob("*.x"))
    other["d"] = 4
    assert list(storage) == ["a", "c", "d"]


@needs_strace
@makers
def test_a_file_that_cannot_be_read(tmp_path: Path, make: Maker) -> None:
    """Where the disk fails, the file is reported with that, and moved away, if it can be."""
    place = tmp_path / "place"
    make(place)["key"] = "value"

    def look(*, quarantine: bool) -> VerifyReport:
        report: VerifyReport = make(place).verify(quarantine=quarantine)
        return report

    seen = under_strace(tmp_path, lambda: look(quarantine=False), ["read"])
    assert seen.result == VerifyReport(1)
    reads = [rest for name, rest in seen.calls if name == "read"]
    first = next(number for number, rest in enumerate(reads, 1) if "key.x>" in rest)
    found = under_strace(tmp_path, lambda: look(quarantine=True), ["read"], f"read:error=EIO:when={first}+")
    assert found.result is not None
    (broken,) = found.result.broken
    assert (broken.key, broken.reason) == ("key", os.strerror(errno.EIO))
    assert broken.moved_to is not None
    assert not (place / "key.x").exists()
    assert Path(broken.moved_to).read_bytes()


def test_without_a_checksum(tmp_path: Path) -> None:
    """What a codec cannot tell it does not find; compressed values have a checksum of their own."""
    storage = FileStorage[str, Any](tmp_path, codec="json+gzip", suffix="x")
    plain = FileStorage[str, Any](tmp_path, codec="json", suffix="y")
    storage["key"] = plain["key"] = "value"
    spoil(tmp_path / "key.x", -5)
    spoil(tmp_path / "key.y", 2)
    assert storage.verify().broken
    assert not plain.verify().broken


def test_it_says_when_it_cannot(tmp_path: Path) -> None:
    """A closed storage and a folder that is gone are errors, no reports."""
    storage = flat(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    with pytest.raises(UnavailableError, match="list"):
        storage.verify()
    storage.close()
    with pytest.raises(ClosedError):
        storage.verify()
