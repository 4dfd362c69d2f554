"""Disks that take capitals for small letters: keys that differ in nothing else stay apart, also in a copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pystorage.stores import file as file_module
from pystorage.stores._disk import folds_case
from pystorage.stores.file import FileStorage
from pystorage.testing.parallel import in_processes
from pystorage.testing.samples import HOSTILE_KEYS, returned
from tests.stores.files import entries, own

TWINS = {
    "key": 1,
    "Key": 2,
    "KEY": 3,
    "kEy": 4,
    "é": 5,
    "É": 6,
    "ß": 7,
    "SS": 8,
    "\u212a": 9,
    "K": 10,
    "k": 11,
}
LAYOUTS = ["flat", "tree"]


def settings_of(place: Path) -> dict[str, Any]:
    """What the storage in a folder remembers of it."""
    path = place / "%pystorage.storage.settings"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


@pytest.fixture
def folding(folding_disk: Path) -> Iterator[Path]:
    """An empty folder of a disk that folds case."""
    yield folding_disk
    for path in folding_disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


# ---------------------------------------------------------------------- a real disk


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("below", ["", "sub", "SUB/Folder"])
def test_case_twins_stay_apart(folding: Path, layout: Any, below: str) -> None:
    """Keys that differ only in case are several entries from the first one on, in a folder of any name."""
    place = folding / below
    storage = FileStorage[str, Any](place, layout=layout)
    for key, value in TWINS.items():
        storage[key] = value
    assert dict(storage) == TWINS
    assert {key: storage[key] for key in TWINS} == TWINS
    assert dict(FileStorage[str, Any](place, layout=layout)) == TWINS
    assert settings_of(place)["fold_case"] is True
    for key in TWINS:
        del storage[key]
        assert key not in storage
    assert len(storage) == 0


def test_a_handle_that_was_opened_on_the_empty_folder_sees_all(folding: Path) -> None:
    """Who opened it before anything was written reads and writes what the others do."""
    before = FileStorage[str, Any](folding)
    FileStorage[str, Any](folding).update(TWINS)
    assert dict(before) == TWINS
    before["Another"] = 1
    assert FileStorage[str, Any](folding)["Another"] == 1
    assert "another" not in before


def test_opening_leaves_nothing_behind(folding: Path) -> None:
    """To look at a folder changes nothing in it."""
    for _ in range(2):
        assert len(FileStorage[str, Any](folding)) == 0
        assert os.listdir(folding) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hostile_keys_on_a_folding_disk(folding: Path, layout: Any) -> None:
    """Every hostile key is an entry of its own, by which it is listed."""
    storage = FileStorage[Any, Any](folding, layout=layout)
    keys = [key for key in HOSTILE_KEYS if not (isinstance(key, str) and len(key) > 10_000)]
    for number, key in enumerate(keys):
        storage[key] = number
    assert dict(storage) == {returned(key): number for number, key in enumerate(keys)}


def test_processes_on_a_folding_disk(folding: Path) -> None:
    """Locks and counters work on such a disk too."""

    def count() -> None:
        storage = FileStorage[str, Any](folding)
        for _ in range(20):
            storage.incr("Count")
            storage.incr("count", 2)

    in_processes(*[count] * 3)
    assert dict(FileStorage[str, Any](folding)) == {"Count": 60, "count": 120}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_copy_on_a_normal_disk_stays_readable(folding: Path, tmp_path: Path, layout: Any) -> None:
    """The settings go along with a copy, so it is read and written there by the same names."""
    keys: dict[Any, int] = {
        **TWINS,
        "X" * 500: 12,
        ("Tu", "ple"): 13,
        b"BYTES": 14,
        "Fold/Er": 15,
        "fold/er": 16,
    }
    FileStorage[Any, int](folding, layout=layout).update(keys)
    copy = tmp_path / "copy"
    shutil.copytree(folding, copy)
    storage = FileStorage[Any, int](copy, layout=layout)
    assert dict(storage) == keys
    storage["New"] = 17
    storage["KEY"] = 18
    assert dict(FileStorage[Any, int](copy, layout=layout)) == {**keys, "New": 17, "KEY": 18}


def test_a_copy_from_a_normal_disk_is_adopted(folding: Path, tmp_path: Path) -> None:
    """A folder that was written on a normal disk is read here once its files were renamed."""
    source = tmp_path / "source"
    keys = {"Key": 1, "other": 2, "É/A b": 3, "%41": 4}
    FileStorage[str, int](source).update(keys)
    for path in source.glob("*.storage"):
        shutil.copy(path, folding)
    storage = FileStorage[str, int](folding)
    assert dict(storage) == {"other": 2, "%41": 4}
    assert storage.adopt() == 2
    assert dict(storage) == keys
    assert storage.adopt() == 0


# ---------------------------------------------------------------------- found out


def test_a_normal_disk_is_known_for_one(tmp_path: Path) -> None:
    """A disk that tells letters apart has no settings about it, and plain names."""
    for prepare in ("nothing", "file", "folder", "own"):
        place = tmp_path / prepare
        place.mkdir()
        if prepare == "file":
            (place / "Some File").touch()
        elif prepare == "folder":
            (place / "Some Folder").mkdir()
        elif prepare == "own":
            FileStorage[str, int](place)["warm"] = 1
        before = sorted(os.listdir(place))
        assert folds_case(str(place), str(own(place))) is False
        assert sorted(os.listdir(place)) == before
        storage = FileStorage[str, int](place)
        storage.update({"Key": 1, "key": 2})
        assert {"Key.storage", "key.storage"} <= set(entries(place))
        assert settings_of(place) == {}


def test_two_names_of_one_file_do_not_look_like_a_folding_disk(tmp_path: Path) -> None:
    """Links that differ in case, which somebody made, are no reason to name files otherwise."""
    (tmp_path / "key.storage").write_text("1")
    os.link(tmp_path / "key.storage", tmp_path / "KEY.STORAGE")
    (tmp_path / "other").symlink_to("OTHER")
    (tmp_path / "OTHER").mkdir()
    assert folds_case(str(tmp_path), str(own(tmp_path))) is False


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the disk is, a new folder is taken for one that folds case."""
    monkeypatch.setattr(file_module, "folds_case", lambda *_: True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_for_a_folding_disk(tmp_path: Path, folded: None, layout: Any, monkeypatch: Any) -> None:
    """All names differ whatever their case; capitals are written as escapes, and the settings say so."""
    storage = FileStorage[Any, int](tmp_path, layout=layout)
    keys: dict[Any, int] = {**TWINS, "A/B": 12, "a/b": 13, "A" * 500: 14, "a" * 500: 15}
    storage.update(keys)
    names = entries(tmp_path)
    assert len({name.casefold() for name in names}) == len(names)
    assert "%4B%45%59.storage" in names
    assert settings_of(tmp_path) == {"format": 1, "fold_case": True}
    monkeypatch.setattr(file_module, "folds_case", lambda *_: False)
    again = FileStorage[Any, int](tmp_path, layout=layout)
    assert dict(again) == keys
    assert sorted(key for key in again.scan("A")) == sorted(["A/B", "A" * 500])


def test_a_copy_without_the_settings_is_adopted(tmp_path: Path, folded: None, monkeypatch: Any) -> None:
    """Where the settings were left behind, ``adopt`` gives the files the names of this disk."""
    FileStorage[Any, int](tmp_path).update({"Key": 1, "key": 2, "É": 3})
    (tmp_path / "%pystorage.storage.settings").unlink()
    monkeypatch.setattr(file_module, "folds_case", lambda *_: False)
    storage = FileStorage[Any, int](tmp_path)
    assert dict(storage) == {"key": 2, "É": 3}
    assert storage.adopt() == 1
    assert dict(storage) == {"Key": 1, "key": 2, "É": 3}
    assert entries(tmp_path) == ["%C3%89.storage", "Key.storage", "key.storage"]
