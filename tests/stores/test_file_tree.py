"""Folders: the tree layout with many writers, storages below and beside one another, foreign files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.file import FileStorage
from pystorage.testing.parallel import in_processes, in_threads
from tests.stores.files import entries, writing


def tree(place: Path, **options: Any) -> FileStorage[Any, Any]:
    return FileStorage(place, layout="tree", **options)


# ---------------------------------------------------------------------- a tree


def test_a_tree_lies_in_folders(tmp_path: Path) -> None:
    """Text keys are paths; all else lies at the top; what is removed takes its empty folders along."""
    storage = tree(tmp_path)
    keys = ["a", "a/b", "a/b/c", "a/storage", "/", "x//y", ("a/b", 1), 5, "long/" * 100, "l" * 500, "../up"]
    storage.update({key: number for number, key in enumerate(keys)})
    assert dict(storage) == {key: number for number, key in enumerate(keys)}
    files = [path for path in entries(tmp_path) if path.endswith(".storage")]
    assert {"a.storage", "a/b.storage", "a/b/c.storage", "a/storage.storage", "x/%s/y.storage"} <= set(files)
    assert len(files) == len(keys)
    del storage["a/b/c"]
    assert (tmp_path / "a").is_dir()
    assert not (tmp_path / "a" / "b").exists()
    storage.clear()
    assert entries(tmp_path) == []


@pytest.mark.parametrize("suffix", ["storage", "x", "a.b", "STORAGE"])
def test_a_key_like_a_file_is_a_folder_beside_it(tmp_path: Path, suffix: str) -> None:
    """``a.storage/b`` needs a folder where the file of ``a`` lies, and gets another one."""
    storage = tree(tmp_path, suffix=suffix)
    keys = [
        "a",
        f"a.{suffix}",
        f"a.{suffix}/b",
        f"a.{suffix}/b.{suffix}/c",
        f"a.{suffix}.{suffix}",
        f"A.{suffix}/b",
    ]
    for order in (keys, keys[::-1]):
        storage.update({key: key for key in order})
        assert dict(storage) == {key: key for key in keys}
        for key in order:
            del storage[key]
        assert entries(tmp_path) == []


def test_a_scan_looks_below_a_folder_only(tmp_path: Path) -> None:
    """A prefix with a folder is looked for there and among long names; nothing odd in it is an error."""
    storage = tree(tmp_path)
    keys = ["a/b", "a/c/d", "ab", "a", "b/a", "a/" + "l" * 500, "a/" * 300, ("a/b",), "/a/b", "é/x"]
    storage.update(dict.fromkeys(keys, 1))
    texts = [key for key in keys if isinstance(key, str)]
    prefixes = [
        "a/",
        "a/c/",
        "a/b",
        "a/l",
        "é/",
        "/",
        "/a/",
        "a/a/a/",
        "b/c/",
        "a//",
        "x" * 300 + "/",
        "\ud800/",
        "\0/",
    ]
    for prefix in prefixes:
        assert sorted(storage.scan(prefix)) == sorted(key for key in texts if key.startswith(prefix)), prefix
    assert sorted(storage.scan("")) == sorted(texts)


def test_writers_and_removers_of_one_folder(tmp_path: Path) -> None:
    """While some remove the last key of a folder others write into it: nothing fails and nothing is lost."""

    def work(who: int) -> None:
        storage = tree(tmp_path)
        for number in range(120):
            mine = f"a/b/c/d/{who} {number}"
            storage[mine] = number
            assert storage[mine] == number
            del storage[mine]
            storage[f"a/{who}/stays"] = number
            assert f"a/{who}/stays" in list(storage.scan("a/"))

    in_processes(*(lambda who=who: in_threads(lambda: work(who), lambda: work(who + 10)) for who in range(3)))
    assert dict(tree(tmp_path)) == {f"a/{who}/stays": 119 for who in (0, 1, 2, 10, 11, 12)}
    assert not (tmp_path / "a" / "b").exists()


def test_a_file_or_a_link_where_a_folder_should_be(tmp_path: Path) -> None:
    """Below what is no folder there are no entries, and none can be written; it is left alone."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "b.storage").write_text('"not ours"')
    place = tmp_path / "place"
    storage = tree(place)
    (place / "a").write_text("mine")
    (place / "link").symlink_to(target)
    for key, code in (("a/b", errno.ENOTDIR), ("a/b/c", errno.ENOTDIR), ("link/b", errno.ELOOP)):
        assert key not in storage
        with pytest.raises(UnavailableError) as caught:
            storage[key] = 1
        assert caught.value.errno == code
    assert storage.get("a/b") is None
    with pytest.raises(UnavailableError, match="symbolic link lies there"):
        storage["link/b"]
    assert list(storage) == list(storage.scan("link/")) == list(storage.scan("a/")) == []
    storage.clear()
    assert (place / "a").read_text() == "mine"
    assert os.listdir(target) == ["b.storage"]
    assert len(writing(place)) == 1


def test_folders_of_others_in_a_tree(tmp_path: Path) -> None:
    """A tree leaves files of other programs alone, and folders that are not empty."""
    storage = tree(tmp_path)
    storage.update({"a/b": 1, "c/d": 2})
    (tmp_path / "a" / "README").write_text("mine")
    storage.clear()
    assert entries(tmp_path) == ["a", "a/README"]


# ---------------------------------------------------------------------- several storages


@pytest.mark.parametrize("names", [("outer", "outer/inner"), ("a.storage", "a.storage/b.storage")])
def test_one_storage_below_the_other(tmp_path: Path, names: tuple[str, str]) -> None:
    """Two flat storages, one in a folder below the other, never see each other's entries."""
    outer, inner = (FileStorage[str, int](tmp_path / name) for name in names)
    outer.update({"key": 1, "inner": 2, "inner/key": 3, "../key": 4})
    inner.update({"key": 5, "../outer": 6})
    assert dict(outer) == {"key": 1, "inner": 2, "inner/key": 3, "../key": 4}
    assert dict(inner) == {"key": 5, "../outer": 6}
    outer.clear()
    assert len(inner) == 2
    inner.clear()
    assert len(outer) == 0


def test_storages_of_several_suffixes_share_a_folder(tmp_path: Path) -> None:
    """Storages with suffixes of which none ends in another do not meet."""
    suffixes = ["json", "pkl", "a.b", "b.a", "settings", "own"]
    storages = {suffix: FileStorage[Any, Any](tmp_path, suffix=suffix) for suffix in suffixes}
    for suffix, storage in storages.items():
        for key in ("key", 1, "a/b", "l" * 300, "json", "settings", "%pystorage", "own"):
            storage[key] = suffix
        storage.set("life", suffix, ttl=1000)
        assert storage.incr("count") == 1
    for suffix, storage in storages.items():
        assert len(storage) == 10
        assert {storage[key] for key in storage} == {suffix, 1}
    storages["json"].clear()
    assert [len(storage) for storage in storages.values()] == [0, 10, 10, 10, 10, 10]


@pytest.mark.parametrize("suffix", ["storage", ""])
def test_what_others_left_in_the_folder(tmp_path: Path, suffix: str) -> None:
    """Files of other programs are neither listed nor touched, whatever they are called."""
    ending = f".{suffix}" if suffix else ""
    names = [
        ".hidden",
        "two words",
        "é",
        "%zz",
        "%pystorage",
        "%p",
        "a%2fb",
        "%i05",
        "CON",
        "x" * 210,
        "%t",
        "a\nb",
    ]
    for name in names:
        (tmp_path / f"{name}{ending}").write_bytes(b"mine")
    (tmp_path / os.fsdecode(b"\xff\xfe" + ending.encode())).write_bytes(b"mine")
    (tmp_path / "l").symlink_to("nowhere")
    storage = FileStorage[str, int](tmp_path, suffix=suffix)
    for deadlines in (False, True):
        storage["key"] = 1
        if deadlines:
            storage.set("life", 2, ttl=1000)
        assert sorted(storage) == ["key", "life"][: 1 + deadlines]
        assert len(storage) == 1 + deadlines
        assert storage.stats().size == 1 + deadlines
    storage.clear()
    assert len(storage) == 0
    for name in names:
        assert (tmp_path / f"{name}{ending}").read_bytes() == b"mine"
