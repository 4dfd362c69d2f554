"""Files that older programs wrote, and the small file in which a folder remembers what it is."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import DecodeError, UnavailableError
from pystorage.services import GZipPickleStorageService, JSONStorageService, PickleStorageService
from pystorage.stores.file import FileStorage
from pystorage.testing.parallel import in_processes
from tests.stores.files import entries

VALUE = {"text": "Hello World!", "list": [1, 2.5, None, True]}
SETTINGS = "%pystorage.storage.settings"


# ---------------------------------------------------------------------- files of the original


@pytest.mark.parametrize(
    "service, suffix, dumps",
    [
        (JSONStorageService, "storage.json", lambda value: json.dumps(value).encode()),
        (PickleStorageService, "storage.pkl", lambda value: pickle.dumps(value, pickle.HIGHEST_PROTOCOL)),
        (PickleStorageService, "storage.pkl", lambda value: pickle.dumps(value, 0)),
        (GZipPickleStorageService, "storage.pkl.gz", lambda value: gzip.compress(pickle.dumps(value, 2))),
    ],
)
def test_files_of_the_original_are_read(tmp_path: Path, service: Any, suffix: str, dumps: Any) -> None:
    """``{path}/{key}.{suffix}`` as it always was is read, listed, replaced and removed like our own."""
    for key in ("some_key", "1", "a-b.c"):
        path = tmp_path / f"{key}.{suffix}"
        path.write_bytes(dumps(VALUE))
        path.chmod(0o644)
    before = sorted(os.listdir(tmp_path))
    storage = service(tmp_path)
    assert dict(storage) == {"some_key": VALUE, "1": VALUE, "a-b.c": VALUE}
    assert 1 not in storage
    assert sorted(os.listdir(tmp_path)) == before
    storage["1"] = "new"
    del storage["a-b.c"]
    assert dict(service(tmp_path)) == {"some_key": VALUE, "1": "new"}
    assert {f"1.{suffix}", f"some_key.{suffix}"} <= set(os.listdir(tmp_path))


def test_files_in_folders_of_the_original_are_read_as_a_tree(tmp_path: Path) -> None:
    """The original's key ``a/b`` was a file in a folder that somebody had made: a tree reads it."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x.storage.json").write_text("1")
    (tmp_path / "a" / "b" / "y.storage.json").write_text("2")
    assert dict(JSONStorageService(tmp_path)) == {}
    assert dict(JSONStorageService(tmp_path, layout="tree")) == {"a/x": 1, "a/b/y": 2}


RAW = [
    "two words",
    "é",
    "CON",
    "dot.",
    "%",
    "100%",
    "a+b",
    "new\nline",
    "~",
    ".hidden",
    "x" * 190 + " y",
    "[*]?",
]


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_odd_names_are_adopted(tmp_path: Path, layout: Any) -> None:
    """Files whose names are the keys as they are become entries of these keys; all others stay."""
    folder = tmp_path / "some folder" if layout == "tree" else tmp_path
    folder.mkdir(exist_ok=True)
    below = "some folder/" if layout == "tree" else ""
    for number, name in enumerate(RAW):
        (folder / f"{name}.storage").write_text(str(number))
    (folder / "plain.storage").write_text("100")
    (folder / "a%20b.storage").write_text("101")
    (folder / "README").write_text("mine")
    (folder / os.fsdecode(b"\xff.storage")).write_text("102")
    storage = FileStorage[str, int](tmp_path, layout=layout)
    already = {"plain": 100, "a b": 101} if layout == "flat" else {}
    assert dict(storage) == already
    assert storage.adopt() == len(RAW) + (2 if layout == "tree" else 0)
    expected = {f"{below}{name}": number for number, name in enumerate(RAW)}
    spaced = "a b" if layout == "flat" else f"{below}a%20b"  # as all of it was no name of ours
    assert dict(storage) == {**expected, f"{below}plain": 100, spaced: 101}
    assert storage.adopt() == 0
    assert (folder / "README").read_text() == "mine"
    assert (folder / os.fsdecode(b"\xff.storage")).exists()


def test_a_name_that_is_taken_is_not_adopted(tmp_path: Path) -> None:
    """Where the key is there already, the old file stays where it is."""
    (tmp_path / "two words.storage").write_text("1")
    storage = FileStorage[str, int](tmp_path)
    storage["two words"] = 2
    assert storage.adopt() == 0
    assert dict(storage) == {"two words": 2}
    assert (tmp_path / "two words.storage").read_text() == "1"


def test_what_would_need_a_header_is_not_adopted(tmp_path: Path) -> None:
    """A name that is too long when it is escaped stays: its key would have to stand in the file."""
    (tmp_path / f"{'é' * 100}.storage").write_text("1")
    storage = FileStorage[str, int](tmp_path)
    assert storage.adopt() == 0
    assert list(storage) == []


def test_several_processes_adopt(tmp_path: Path) -> None:
    """Each file is renamed once, by whoever comes first, and nobody fails."""
    for number in range(200):
        (tmp_path / f"key {number}.storage").write_text(str(number))
    renamed = in_processes(*[lambda: FileStorage[str, int](tmp_path).adopt()] * 4)
    assert sum(renamed) == 200
    assert dict(FileStorage[str, int](tmp_path)) == {f"key {number}": number for number in range(200)}


# ---------------------------------------------------------------------- settings


def test_settings_are_written_when_there_is_something(tmp_path: Path) -> None:
    """A folder without deadlines has none; later they say the format, and keep what they said before."""
    storage = FileStorage[str, int](tmp_path)
    storage["key"] = 1
    assert entries(tmp_path) == ["key.storage"]
    assert not (tmp_path / SETTINGS).exists()
    storage.set("life", 1, ttl=10)
    assert json.loads((tmp_path / SETTINGS).read_text()) == {"format": 1, "deadlines": True}
    (tmp_path / SETTINGS).write_text('{"format": 1, "fold_case": true, "of the future": [1]}')
    storage.set("life", 1, ttl=10)
    known = {"format": 1, "fold_case": True, "of the future": [1], "deadlines": True}
    assert json.loads((tmp_path / SETTINGS).read_text()) == known


@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_newer_format_is_refused(tmp_path: Path, opened: str) -> None:
    """A folder of a format that is not known yet is neither read nor written, and is told what to do."""
    storage = FileStorage[str, int](tmp_path)
    storage["key"] = 1
    (tmp_path / SETTINGS).write_text('{"format": 2, "shuffled": true}')
    what = r"is of format 2, and this pystorage knows formats up to 1: upgrade pystorage"
    if opened == "after":
        with pytest.raises(DecodeError, match=what):
            FileStorage(tmp_path)
    else:
        for use in (len, list, lambda one: one.set("key", 2, ttl=10), lambda one: one.purge()):
            with pytest.raises(DecodeError, match=what):
                use(storage)
        with pytest.raises(DecodeError, match=what):
            del storage["key"]
    assert (tmp_path / "key.storage").read_text() == "1"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[]", '"format"', "{}", "[" * 60_000, "\x00" * 50, "\ufffd"),
        *('{"format": "1"}', '{"format": true}', '{"format": 0}', '{"format": null}'),
    ],
    ids=lambda text: text[:10] or "nothing",
)
def test_damaged_settings_are_refused(tmp_path: Path, text: str) -> None:
    """Settings that cannot be read are ``DecodeError`` with what to do, never taken for none."""
    (tmp_path / "key.storage").write_text("1")
    (tmp_path / SETTINGS).write_text(text)
    with pytest.raises(DecodeError, match="restore the file, or remove it if") as caught:
        FileStorage(tmp_path)
    assert SETTINGS in str(caught.value)
    assert (tmp_path / SETTINGS).read_text() == text
    (tmp_path / SETTINGS).unlink()
    assert dict(FileStorage[str, int](tmp_path)) == {"key": 1}


def test_settings_that_are_no_file(tmp_path: Path) -> None:
    """A folder in their place is ``UnavailableError``, and so is a link, which is not followed."""
    (tmp_path / SETTINGS).mkdir()
    with pytest.raises(UnavailableError, match="a folder lies where the file should be"):
        FileStorage(tmp_path)
    (tmp_path / SETTINGS).rmdir()
    (tmp_path / "real").write_text('{"format": 1}')
    (tmp_path / SETTINGS).symlink_to("real")
    with pytest.raises(UnavailableError, match="symbolic link"):
        FileStorage(tmp_path)


def test_settings_are_noted_by_many_at_once(tmp_path: Path) -> None:
    """Two settings that are noted at the same time are both remembered."""
    for number in range(30):
        place = tmp_path / str(number)
        place.mkdir()
        storage = FileStorage[str, int](place)

        def note(name: str, place: Path = place) -> None:
            FileStorage[str, int](place)._settings.note(name)

        in_processes(*(lambda name=name: note(name) for name in ("deadlines", "fold_case")))
        assert json.loads((place / SETTINGS).read_text()) == {
            "format": 1,
            "deadlines": True,
            "fold_case": True,
        }
        assert storage._settings["deadlines"]
