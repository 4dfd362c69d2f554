"""``durability="power"``: what reaches the disk, and in which order; the others ask for nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from pystorage.stores.file import FileStorage
from tests.stores.files import needs_strace, under_strace

pytestmark = needs_strace

CALLS = ("fsync", "fdatasync", "rename", "unlink", "mkdir", "write")
Layout = Literal["flat", "tree"]


def events(folder: Path, place: Path, function: Callable[[], object]) -> list[str]:
    """What a function does to a place, as ``fsync set.storage``; what is temporary has one name."""
    found = []
    for name, rest in under_strace(folder, function, CALLS).calls:
        paths = re.findall(rf"[<\"]{re.escape(str(place))}/?([^>\"]*)", rest)
        if paths:
            shown = [re.sub(r"^%pystorage\.storage\.own/temporary/.*", "NEW", path) or "." for path in paths]
            found.append(" ".join([name, *shown]))
    return found


def storages(place: Path, layout: Layout = "flat") -> tuple[FileStorage[str, Any], FileStorage[str, Any]]:
    """A storage of text and one of streams, warm: their own folders are made, and they are writers."""
    values = FileStorage[str, Any](place, layout=layout, durability="power")
    streams = FileStorage[str, Any](place, layout=layout, durability="power", codec="bytes")
    return values, streams


def warm(*both: FileStorage[str, Any]) -> None:
    for storage in both:
        storage["warm"] = b"" if storage is both[-1] else ""


def test_a_set_reaches_the_disk_before_and_after_it_is_visible(tmp_path: Path) -> None:
    """The new file is synced before it gets its name, and the folder after; so is each kind of write."""
    values, streams = storages(tmp_path)
    warm(values, streams)
    values.update({"incr": 1, "swap": "old"})

    def stream() -> None:
        with streams.open_write("key") as file:
            file.write(b"new")

    writes: dict[str, Callable[[], object]] = {
        "set": lambda: values.__setitem__("key", "new"),
        "stream": stream,
        "add": lambda: values.add("added", "new"),
        "incr": lambda: values.incr("incr"),
        "swap": lambda: values.swap("swap", "old", "new"),
    }
    for name, write in writes.items():

        def take(write: Callable[[], object] = write) -> None:
            warm(values, streams)  # in the child, which is a writer of its own
            write()

        *_, written, synced, renamed, folder = events(tmp_path, tmp_path, take)
        assert written == "write NEW", name
        assert synced == "fsync NEW", name
        assert renamed.startswith("rename NEW "), name
        assert folder == "fsync .", name


def test_a_delete_reaches_the_disk(tmp_path: Path) -> None:
    """The folder is synced after the file is gone."""
    values, streams = storages(tmp_path)
    warm(values, streams)
    values["key"] = "old"
    assert events(tmp_path, tmp_path, lambda: values.__delitem__("key")) == ["unlink key.storage", "fsync ."]


def test_new_folders_reach_the_disk(tmp_path: Path) -> None:
    """Each folder that is made for a key is synced in the one above it, before the key is in its place."""
    values, streams = storages(tmp_path, "tree")
    warm(values, streams)

    def take() -> None:
        warm(values, streams)
        values["a/b/c"] = "new"

    renamed = "rename NEW a/b/c.storage"  # which is tried first of all
    folders = ["mkdir a", "fsync .", "mkdir a/b", "fsync a"]
    expected = ["write NEW", "fsync NEW", renamed, *folders, renamed, "fsync a/b"]
    assert events(tmp_path, tmp_path, take)[-len(expected) :] == expected


def test_the_folder_itself_reaches_the_disk(tmp_path: Path) -> None:
    """So does the folder of a storage that is opened for the first time, with those above it."""
    place = tmp_path / "deep" / "er"
    made = events(tmp_path, tmp_path, lambda: FileStorage(place, durability="power"))
    assert made[:4] == ["mkdir deep", "fsync .", "mkdir deep/er", "fsync deep"]


def test_settings_reach_the_disk_before_what_needs_them(tmp_path: Path) -> None:
    """That there are deadlines is on the disk before the first entry with one, whatever the durability."""
    for durability, folder_syncs in (("power", 2), ("process", 0)):
        place = tmp_path / durability
        values = FileStorage[str, Any](place, durability=durability)
        values["key"] = "old"
        seen = events(tmp_path, place, lambda values=values: values.set("key", "new", ttl=10**6))
        settings = seen.index("rename NEW %pystorage.storage.settings")
        assert seen[settings - 1] == "fsync NEW"
        assert settings < seen.index("rename NEW key.storage")
        assert seen.count("fsync .") == folder_syncs


@pytest.mark.parametrize("durability", ["none", "process"])
def test_less_durability_asks_for_nothing(tmp_path: Path, durability: Any) -> None:
    """Without a promise about power cuts nothing waits for the disk."""
    storage = FileStorage[str, Any](tmp_path, durability=durability, codec="bytes")

    def take() -> None:
        storage["key"] = b"new"
        with storage.open_write("stream") as file:
            file.write(b"new")
        del storage["key"]

    assert [event for event in events(tmp_path, tmp_path, take) if "sync" in event.split()[0]] == []
