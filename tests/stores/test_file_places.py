"""Places that fail: full, read-only, gone, or with something else where a file or the folder should be."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock
from tests.stores.files import ANN, as_user, needs_root, own, writing

#: Every way to read a key, to look at all, and to write; each is given a storage.
READS: dict[str, Callable[[Any], object]] = {
    "get": lambda storage: storage["key"],
    "get with a default": lambda storage: storage.get("key", "default"),
    "in": lambda storage: "key" in storage,
    "ttl": lambda storage: storage.ttl("key"),
    "get_many": lambda storage: storage.get_many(["key"]),
}
LISTS: dict[str, Callable[[Any], object]] = {
    "len": len,
    "list": list,
    "bool": bool,
    "items": lambda storage: list(storage.items()),
    "scan": lambda storage: list(storage.scan("k")),
    "stats": lambda storage: storage.stats(),
    "clear": lambda storage: storage.clear(),
}
WRITES: dict[str, Callable[[Any], object]] = {
    "set": lambda storage: storage.__setitem__("key", "new"),
    "set with a ttl": lambda storage: storage.set("key", "new", ttl=10),
    "add": lambda storage: storage.add("other", "new"),
    "incr": lambda storage: storage.incr("count"),
    "swap": lambda storage: storage.swap("key", "old", "new"),
    "setdefault": lambda storage: storage.setdefault("other", "new"),
    "lock": lambda storage: storage.lock("key", 10).__enter__(),
}
REMOVALS: dict[str, Callable[[Any], object]] = {
    "del": lambda storage: storage.__delitem__("key"),
    "pop": lambda storage: storage.pop("key", None),
    "delete_many": lambda storage: storage.delete_many(["key"]),
    "clear": lambda storage: storage.clear(),
}


def refused(use: Callable[[Any], object], storage: FileStorage[Any, Any], *codes: int) -> UnavailableError:
    """The one clear error that a use must raise."""
    with pytest.raises(UnavailableError) as caught:
        use(storage)
    assert not isinstance(caught.value, KeyError)
    assert caught.value.errno in codes
    assert str(storage.path) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    return caught.value


# ---------------------------------------------------------------------- full


@needs_root
def test_a_full_disk(small_disk: Path) -> None:
    """What does not fit is refused, the old value stands, nothing is left, and what is small still fits."""
    storage = FileStorage[str, str](small_disk)
    storage.update({"key": "old", "ballast": "x" * 100_000})
    for big in ("y" * 200_000, "y" * 10_000_000):
        for use in (
            lambda big=big: storage.__setitem__("key", big),
            lambda big=big: storage.set("key", big, ttl=10),
            lambda big=big: storage.add("new", big),
            lambda big=big: storage.swap("key", "old", big),
        ):
            error = refused(lambda _, use=use: use(), storage, errno.ENOSPC)
            assert "make room on the disk" in str(error)
            assert "'key'" in str(error) or "'new'" in str(error)
            assert storage["key"] == "old"
            assert "new" not in storage
            assert len(writing(small_disk)) == 1
    storage["key"] = "new"
    del storage["ballast"]
    storage["key"] = "y" * 200_000
    assert storage["key"] == "y" * 200_000


@needs_root
def test_a_full_disk_ends_a_stream(small_disk: Path) -> None:
    """A stream that does not fit fails as it is written or left, and the old value stands."""
    storage = FileStorage[str, bytes](small_disk, codec="bytes")
    storage["key"] = b"old"
    for pieces in (1, 1000):

        def write(_: object, pieces: int = pieces) -> None:
            with storage.open_write("key") as file:
                for _ in range(pieces):
                    file.write(b"y" * (1_000_000 // pieces))

        refused(write, storage, errno.ENOSPC)
        assert storage["key"] == b"old"
        assert len(writing(small_disk)) == 1
    storage["key"] = b"new"


@needs_root
def test_no_room_for_the_first_write(small_disk: Path) -> None:
    """A disk without room for the storage's own folders refuses writes, and can be read."""
    small_disk.joinpath("key.storage").write_text('"old"')
    storage = FileStorage[str, str](small_disk)
    subprocess.run(["mount", "-o", "remount,nr_inodes=4", str(small_disk)], check=True)
    refused(WRITES["set"], storage, errno.ENOSPC)
    assert dict(storage) == {"key": "old"}


# ---------------------------------------------------------------------- read-only


@needs_root
@pytest.mark.parametrize("debris", [False, True])
def test_a_disk_without_writes(small_disk: Path, debris: bool) -> None:
    """A disk mounted read-only can be opened and read, with what dead writers left; changes are refused."""
    clock = FakeClock()
    storage = FileStorage[str, Any](small_disk, timer=clock)
    storage.update({"key": "old", "count": 1, "x" * 1000: "long"})
    storage.set("dead", "x", ttl=1)
    clock.advance(1)
    storage.close()
    if debris:
        (own(small_disk) / "temporary" / "0123456789abcdef").touch()
        (own(small_disk) / "temporary" / "0123456789abcdef-0").touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = FileStorage[str, Any](small_disk, timer=clock)
    assert dict(again) == {"key": "old", "count": 1, "x" * 1000: "long"}
    assert (len(again), "dead" in again, again.get("dead"), again.ttl("key")) == (3, False, None, None)
    for use in (*WRITES.values(), *REMOVALS.values()):
        error = refused(use, again, errno.EROFS)
        assert "mounted read-only" in str(error)
    refused(lambda one: one.purge(), again, errno.EROFS)
    assert len(again) == 3
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    again["key"] = "new"
    assert again.purge() == 1
    again.close()


@needs_root
def test_a_folder_without_the_right_to_write(commons: Path) -> None:
    """Who may only read a folder can read it, and is told what to do when writing."""
    FileStorage[str, Any](commons, mode=0o644)["key"] = "old"
    storage = FileStorage[str, Any](commons, mode=0o644)

    def read_and_write() -> None:
        mine = FileStorage[str, Any](commons)
        for one in (mine, storage):
            assert dict(one) == {"key": "old"}
            assert ("key" in one, "other" in one, len(one), one.ttl("key")) == (True, False, 1, None)
        for use in (*WRITES.values(), *REMOVALS.values()):
            error = refused(use, mine, errno.EACCES)
            assert "give this user the right" in str(error)
        with pytest.raises(KeyError):
            del mine["other"]

    as_user(ANN, read_and_write)
    assert dict(storage) == {"key": "old"}


@needs_root
def test_a_folder_that_may_not_even_be_read(commons: Path) -> None:
    """A folder of somebody else's is ``UnavailableError`` for all uses, and when it is opened."""
    place = commons / "shut"
    storage = FileStorage[str, Any](place)
    storage.update({"key": "old", "count": 1})

    def try_it() -> None:
        for use in (*READS.values(), *LISTS.values(), *WRITES.values(), *REMOVALS.values()):
            refused(use, storage, errno.EACCES)
        for path in (place, commons / "new"):
            with pytest.raises(UnavailableError, match="could not open") as caught:
                FileStorage(path)
            assert caught.value.errno == errno.EACCES

    as_user(ANN, try_it)
    assert dict(storage) == {"key": "old", "count": 1}


@needs_root
def test_an_entry_that_may_not_be_read(commons: Path) -> None:
    """An entry of somebody else is there, also where entries may expire, but its value is refused."""
    commons.chmod(0o1777)
    FileStorage[str, Any](commons)["key"] = "old"

    def read() -> None:
        mine = FileStorage[str, Any](commons)
        for deadlines in (False, True):
            if deadlines:
                mine.set("mine", "value", ttl=1000)
            assert "key" in mine
            assert sorted(mine) == ["key", "mine"][: 1 + deadlines]
            assert len(mine) == 1 + deadlines
            refused(READS["get"], mine, errno.EACCES)
            refused(READS["get with a default"], mine, errno.EACCES)

    as_user(ANN, read)


# ---------------------------------------------------------------------- gone


@pytest.mark.parametrize("layout", ["flat", "tree"])
@pytest.mark.parametrize("used", [False, True])
def test_a_folder_that_is_gone(tmp_path: Path, layout: Any, used: bool) -> None:
    """When the folder is removed, nothing is absent and nothing is made in its stead: all is unavailable."""
    place = tmp_path / "place"
    storage = FileStorage[str, Any](place, layout=layout)
    if used:
        storage.update({"key": "old", "a/b": "old"})
    shutil.rmtree(place)
    for use in (*READS.values(), *LISTS.values(), *WRITES.values(), *REMOVALS.values()):
        error = refused(use, storage, errno.ENOENT)
        assert "make the folder again, or open the storage anew" in str(error)
    assert not place.exists()
    place.mkdir()
    assert len(storage) == 0
    storage["key"] = "new"
    assert dict(storage) == {"key": "new"}


@pytest.mark.parametrize("part", ["", "temporary", "locks", "leases"])
def test_the_own_folder_that_is_gone_is_made_again(tmp_path: Path, part: str) -> None:
    """What a cleaner of old files removes of the storage's own folder is made again when it is needed."""
    storage = FileStorage[str, Any](tmp_path)
    storage.update({"key": "old", "count": 1})
    with storage.lock("key", 10):
        pass
    for use in (*WRITES.values(), *REMOVALS.values()):
        storage["key"] = "old"
        shutil.rmtree(own(tmp_path) / part, ignore_errors=True)
        use(storage)
    with storage.lock("another key", 10):
        assert storage.add("last", "new")


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_a_file_where_the_folder_should_be(tmp_path: Path, layout: Any) -> None:
    """A file in the place of the folder is said, when it is opened and later, and left alone."""
    place = tmp_path / "place"
    place.write_text("mine")
    for path in (place, place / "below", place / "below" / "that"):
        with pytest.raises(
            UnavailableError, match="a file lies where the folder should be: move it away"
        ) as caught:
            FileStorage(path, layout=layout)
        assert caught.value.errno == errno.ENOTDIR
    place.unlink()
    storage = FileStorage[str, Any](place, layout=layout)
    shutil.rmtree(place)
    place.write_text("mine")
    for use in (*READS.values(), *LISTS.values(), *WRITES.values(), *REMOVALS.values()):
        refused(use, storage, errno.ENOTDIR)
    assert place.read_text() == "mine"


def test_a_link_to_nowhere_where_the_folder_should_be(tmp_path: Path) -> None:
    """A dangling link is not followed to make a folder elsewhere."""
    place = tmp_path / "place"
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnavailableError):
        FileStorage(place)
    assert not (tmp_path / "nowhere").exists()


def test_a_link_to_the_folder_is_followed(tmp_path: Path) -> None:
    """The folder that the caller names may be a link: that is the caller's own wish."""
    (tmp_path / "real").mkdir()
    (tmp_path / "place").symlink_to("real")
    FileStorage[str, str](tmp_path / "place")["key"] = "value"
    assert dict(FileStorage[str, str](tmp_path / "real")) == {"key": "value"}


# ---------------------------------------------------------------------- something else


@pytest.mark.parametrize("layout", ["flat", "tree"])
@pytest.mark.parametrize("filled", [False, True])
def test_a_folder_where_a_file_should_be(tmp_path: Path, layout: Any, filled: bool) -> None:
    """A folder under the name of an entry is no entry, its value is refused, and it stays."""
    storage = FileStorage[str, Any](tmp_path, layout=layout, codec="bytes")
    storage["other"] = b"value"
    folder = tmp_path / "key.storage"
    folder.mkdir()
    if filled:
        (folder / "file").write_text("mine")
    assert list(storage) == ["other"]
    assert "key" not in storage
    writes = [
        lambda one: one.__setitem__("key", b"new"),
        lambda one: one.set("key", b"new", ttl=10),
        lambda one: one.add("key", b"new"),
        lambda one: one.swap("key", b"old", b"new"),
    ]
    for use in (READS["get"], READS["get with a default"], lambda one: one.open_read("key"), *writes):
        error = refused(use, storage, errno.EISDIR)
        assert "a folder lies where the file should be: move it away" in str(error)
    with pytest.raises((UnavailableError, KeyError)):
        del storage["key"]
    assert folder.is_dir()
    assert len(writing(tmp_path)) == 1
    storage.clear()
    assert os.listdir(folder) == ["file"] * filled


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_a_pipe_or_a_socket_under_the_name_of_an_entry(tmp_path: Path, layout: Any) -> None:
    """Neither hangs a reader; both are refused, are no entries, and are replaced by a write."""
    storage = FileStorage[str, Any](tmp_path, layout=layout, codec="bytes")
    path = tmp_path / "key.storage"
    here = os.getcwd()
    for make in ("pipe", "pipe with a writer", "socket"):
        for deadlines in (False, True):
            if deadlines:
                storage.set("life", b"value", ttl=1000)
            writer = -1
            if make == "socket":
                with socket.socket(socket.AF_UNIX) as unix:
                    os.chdir(tmp_path)  # the path of a socket must be short
                    unix.bind(path.name)
                    os.chdir(here)
            else:
                os.mkfifo(path)
                writer = os.open(path, os.O_RDWR) if "writer" in make else -1
            assert len(storage) == deadlines
            for use in (READS["get"], lambda one: one.open_read("key"), lambda one: one.add("key", b"new")):
                refused(use, storage, errno.EINVAL, errno.EAGAIN, errno.ENXIO)
            storage["key"] = b"new"
            assert storage.pop("key") == b"new"
            if writer >= 0:
                os.close(writer)
        storage.clear()
        next(tmp_path.glob("*.settings")).unlink()


def test_pipes_under_the_names_of_own_files(tmp_path: Path) -> None:
    """A pipe in the place of the settings is refused at once; one among the new files hangs nobody."""
    storage = FileStorage[str, Any](tmp_path)
    storage["key"] = "value"
    storage.close()
    for name in ("0123456789abcdef", "0123456789abcdef-0", "junk"):
        os.mkfifo(own(tmp_path) / "temporary" / name)
    (own(tmp_path) / "temporary" / "fedcba9876543210").mkdir()
    assert dict(FileStorage[str, Any](tmp_path)) == {"key": "value"}
    os.mkfifo(tmp_path / "%pystorage.storage.settings")
    with pytest.raises(UnavailableError, match="no plain file"):
        FileStorage(tmp_path)


def test_settings_are_whole_where_the_system_takes_few_bytes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr("os.write", lambda file, data: write(file, data[:7]))
    storage = FileStorage[str, int](tmp_path)
    storage.set("key", 1, ttl=60)
    assert FileStorage[str, int](tmp_path)["key"] == 1


def test_a_file_of_somebody_else_that_goes_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage[str, int](tmp_path)

    def goes(name: str) -> NoReturn:
        os.unlink(storage._folder.file(name))
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    storage["key"] = 1
    monkeypatch.setattr(storage._folder, "open", goes)
    assert "key" not in storage
