"""A handle on a folder: pickled, copied, moved away from, closed, and what it holds open."""

from __future__ import annotations

import copy
import gc
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.codecs import GzipCodec, PickleCodec
from pystorage.errors import ClosedError
from pystorage.services import JSONStorageService, PickleStorageService
from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock
from tests.stores.files import open_files, writing


@pytest.mark.parametrize(
    "make",
    [
        lambda place: FileStorage(place),
        lambda place: FileStorage(place, codec="pickle+gzip", suffix="x", layout="tree", durability="power"),
        lambda place: FileStorage(
            place, codec=PickleCodec(2) | GzipCodec(9), mode=0o640, trust=True, suffix=""
        ),
        lambda place: FileStorage(place, timer=FakeClock(5.0)),
        lambda place: JSONStorageService(place),
        lambda place: PickleStorageService(place, "other.pkl", durability="none"),
    ],
)
def test_a_handle_pickles_as_its_settings(tmp_path: Path, make: Any) -> None:
    """A pickled or copied handle is another one on the same contents, with the same settings."""
    storage = make(tmp_path / "place")
    storage["key"] = "value"
    for copied in (
        pickle.loads(pickle.dumps(storage)),
        pickle.loads(pickle.dumps(storage, 2)),
        copy.copy(storage),
        copy.deepcopy(storage),
    ):
        assert type(copied) is type(storage)
        assert repr(copied) == repr(storage)
        assert copied == {"key": "value"}
        assert copied.capabilities == storage.capabilities
        assert copied.timer() == pytest.approx(storage.timer(), abs=60)
        copied["copy"] = "value"
        assert storage.pop("copy") == "value"
        copied.close()
        assert storage["key"] == "value"
    assert len(pickle.dumps(storage)) < 1000
    storage.close()
    assert pickle.loads(pickle.dumps(storage))["key"] == "value"


def test_another_working_folder_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is that of the moment when the storage is made."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    storage = FileStorage[str, int]("place")
    storage["key"] = 1
    monkeypatch.chdir(tmp_path / "elsewhere")
    storage["other"] = 2
    assert storage == {"key": 1, "other": 2}
    assert pickle.loads(pickle.dumps(storage)) == {"key": 1, "other": 2}
    assert storage.path == str(tmp_path / "place")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_closed_handle_says_so(tmp_path: Path) -> None:
    """After ``close`` every use is ``ClosedError``; closing again is fine, and others go on."""
    storage = FileStorage[str, Any](tmp_path, codec="bytes")
    storage["key"] = b"1"
    other = FileStorage[str, Any](tmp_path, codec="bytes")
    with storage:
        pass
    storage.close()
    uses: list[Callable[[], object]] = [
        lambda: storage["key"],
        lambda: storage.get("key"),
        lambda: "key" in storage,
        lambda: storage.__setitem__("key", b"2"),
        lambda: storage.__delitem__("key"),
        lambda: len(storage),
        lambda: list(storage),
        lambda: list(storage.scan("")),
        lambda: storage.ttl("key"),
        lambda: storage.lock("key", 1),
        lambda: storage.open_read("key"),
        lambda: storage.open_write("key"),
        lambda: storage.stats(),
        lambda: storage.purge(),
        lambda: storage.adopt(),
        lambda: storage.clear(),
    ]
    for use in uses:
        with pytest.raises(ClosedError):
            use()
    assert dict(other) == {"key": b"1"}


# ---------------------------------------------------------------------- open files


def test_ten_thousand_operations_leave_no_file_open(tmp_path: Path) -> None:
    """Neither good nor failing uses leave a descriptor behind."""
    storage = FileStorage[Any, Any](tmp_path, codec="bytes", timer=FakeClock())
    (tmp_path / "bad.storage").write_bytes(b"\x8fPyS\x02")
    (tmp_path / "folder.storage").mkdir()

    def use(number: int) -> None:
        key = f"key {number % 7}"
        storage[key] = b"x" * number
        storage.set(key, b"x", ttl=10)
        with storage.open_read(key) as file:
            file.read()
        with storage.open_write("stream") as file:
            file.write(b"x")
        storage.add(key, b"y")
        storage.expire(key, None)
        for key in ("absent", "bad", "folder", "k" * 1000, object()):
            for fail in (
                lambda key=key: storage[key],
                lambda key=key: storage.__delitem__("absent"),
                lambda key=key: storage.open_read(key),
                lambda key=key: storage.set(key, object()),
            ):
                with pytest.raises(Exception):  # noqa: B017, PT011
                    fail()
        if number % 10 == 0:
            with storage.lock("name", 10):
                pass
            len(storage)

    use(0)
    gc.collect()
    before = open_files()
    for number in range(400):
        use(number)
    assert open_files() == before


@pytest.mark.parametrize("ending", ["closed", "dropped"])
def test_a_thousand_storages_leave_no_file_open(tmp_path: Path, ending: str) -> None:
    """A storage that was closed, or is just not used any more, has let go of all it held open."""
    gc.collect()
    before = open_files()
    for number in range(1000):
        storage = FileStorage[str, int](tmp_path / str(number % 10))
        storage["key"] = number
        if number % 10 == 0:
            with storage.lock("name", 10):
                pass
        if ending == "closed":
            storage.close()
        del storage
        assert open_files() == before or number % 100
    assert [writing(tmp_path / str(number)) for number in range(10)] == [[]] * 10


def test_a_thousand_open_storages_that_only_read(tmp_path: Path) -> None:
    """A handle that did not write holds nothing open."""
    FileStorage[str, int](tmp_path)["key"] = 1
    before = open_files()
    storages = [FileStorage[str, int](tmp_path) for _ in range(1000)]
    assert [storage["key"] for storage in storages] == [1] * 1000
    assert open_files() == before
