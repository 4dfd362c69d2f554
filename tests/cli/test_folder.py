"""The folder of the tour: only what it made is removed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pystorage.cli import folder
from pystorage.errors import StorageError, UnavailableError


def test_all_that_was_made_is_removed(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "tour"
    folder.claim(place)
    (place / "figures").mkdir()
    (place / "figures" / "x").write_bytes(b"12345")
    removed = folder.clean(place)
    assert removed is not None
    assert removed.files == 2
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_and_stays(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    folder.claim(place)
    folder.clean(place)
    assert list(place.iterdir()) == []


def test_a_parent_that_is_used_meanwhile_stays(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "tour"
    folder.claim(place)
    (tmp_path / "a" / "other").write_text("mine")
    folder.clean(place)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["other"]


def test_a_folder_of_somebody_is_neither_used_nor_cleaned(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "precious").write_text("mine")
    with pytest.raises(StorageError, match="no tour made it"):
        folder.claim(tmp_path)
    with pytest.raises(StorageError, match="no tour made it"):
        folder.clean(tmp_path)
    assert (tmp_path / "figures" / "precious").read_text() == "mine"


def test_what_others_put_into_the_folder_stays(tmp_path: Path) -> None:
    place = tmp_path / "tour"
    folder.claim(place)
    (place / "notes").mkdir()
    (place / "letter").write_text("mine")
    (place / "figures").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "outside").write_text("mine")
    folder.clean(place)
    assert {path.name for path in place.iterdir()} == {"letter", "figures"}
    assert (tmp_path / "outside").read_text() == "mine"


def test_it_is_known_again(tmp_path: Path) -> None:
    place = tmp_path / "tour"
    folder.claim(place)
    (place / "notes").mkdir()
    folder.claim(place)
    folder.clean(place)
    assert not place.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folders": 1}'])
def test_a_damaged_marker_leaves_the_folder_itself(tmp_path: Path, text: str) -> None:
    place = tmp_path / "tour"
    folder.claim(place)
    (place / folder.MARKER).write_text(text)
    folder.clean(place)
    assert list(place.iterdir()) == []


def test_nothing_to_clean(tmp_path: Path) -> None:
    assert folder.clean(tmp_path / "none") is None


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UnavailableError, match="choose another with --path: Not a dir") as caught:
        folder.claim(tmp_path / "file" / "tour")
    assert caught.value.errno == errno.ENOTDIR
    with pytest.raises(UnavailableError):
        folder.claim(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_usage(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "below" / "three").write_bytes(b"123")
    used = folder.usage(tmp_path)
    assert (used.files, used.size) == (2, 4)
    assert folder.usage(tmp_path / "none") == folder.Usage(0, 0, 0)
