"""Where a SQLiteStorage may lie, what it finds there, and what it says when it cannot be used."""

from __future__ import annotations

import errno
import os
import pickle
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage.codecs import PickleCodec, SignedCodec
from pystorage.errors import (
    ClosedError,
    DecodeError,
    StorageProviderError,
    UnavailableError,
)
from pystorage.storage_provider import StorageProvider
from pystorage.stores import _network
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing.parallel import Child, Line

Store = SQLiteStorage[Any, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


# ---------------------------------------------------------------------- made and named


def test_folders_are_made_for_us_alone(tmp_path: Path) -> None:
    storage: Store = SQLiteStorage(tmp_path / "a" / "b" / "x.db", large=10)
    storage["a"] = "x" * 100
    for file in (tmp_path / "a" / "b").rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_by_name_and_by_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my app.db"
    with StorageProvider().create(StorageProvider.STORAGE_SQLITE, path) as storage:
        assert type(storage) is pystorage.SQLiteStorage
        storage["a"] = 1
    quoted = f"{tmp_path}/my%20app.db"
    for url in (f"sqlite://{quoted}", f"sqlite:///{quoted}", "sqlite:my%20app.db", "sqlite:./my%20app.db"):
        with pystorage.open(url) as found:
            assert dict(found) == {"a": 1}
            assert os.path.samefile(found.path, path)  # type: ignore[attr-defined]
    url = f"sqlite://{tmp_path}/y.db?codec=bytes&limit=5&size_limit=100&durability=power&timeout=2.5&large=9"
    with pystorage.open(url) as storage:
        assert "limit=5, size_limit=100, durability='power', timeout=2.5" in repr(storage)
    for wrong in ("sqlite:", "sqlite://", "sqlite:///", "sqlite://host/x.db", "sqlite:x.db?limit=many"):
        with pytest.raises(StorageProviderError):
            pystorage.open(wrong)


@pytest.mark.parametrize(
    "options",
    [{"durability": "some"}, {"timeout": 0}, {"timeout": float("nan")}, {"large": -1}],
)
def test_arguments_out_of_range(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SQLiteStorage(path, **options)
    with pytest.raises(ValueError, match="empty"):
        SQLiteStorage("")
    with pytest.raises(TypeError):
        SQLiteStorage(path, timer=5)  # type: ignore[arg-type]
    assert not path.exists()


def test_a_name_that_is_odd(tmp_path: Path) -> None:
    """Characters that mean something in a URI of SQLite are just part of the name."""
    for name in ("a?mode=memory", "50%41.db", "#x", ":memory:", "file:x", "caf\xe9 \N{PILE OF POO}.db"):
        with SQLiteStorage[Any, Any](tmp_path / name) as storage:
            storage["a"] = name
        with SQLiteStorage[Any, Any](tmp_path / name) as storage:
            assert storage["a"] == name
        assert (tmp_path / name).stat().st_size > 0


def test_a_link_is_the_file_behind_it(tmp_path: Path, path: Path) -> None:
    """Through both names it is one storage, with one folder of large values."""
    (tmp_path / "link.db").symlink_to(path)
    one: Store = SQLiteStorage(path, large=10)
    two: Store = SQLiteStorage(tmp_path / "link.db", large=10)
    two["a"] = "x" * 100
    assert one["a"] == "x" * 100
    assert not (tmp_path / "link.db.values").exists()


# ---------------------------------------------------------------------- what lies there


def test_an_empty_file_becomes_a_storage(path: Path) -> None:
    path.touch()
    with SQLiteStorage[Any, Any](path) as storage:
        storage["a"] = 1
        assert dict(storage) == {"a": 1}


def test_a_foreign_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE entries (name, value)")
        database.commit()
    before = path.read_bytes()
    with pytest.raises(DecodeError, match="another program") as caught:
        SQLiteStorage(path)
    assert str(path) in str(caught.value)
    assert "another path" in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("pragma", ["application_id = 77", "user_version = 3"])
def test_a_foreign_database_without_tables_is_left_alone(path: Path, pragma: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA {pragma}")
    before = path.read_bytes()
    with pytest.raises(DecodeError, match="another program"):
        SQLiteStorage(path)
    assert path.read_bytes() == before


def test_a_newer_format_is_left_alone(path: Path) -> None:
    with SQLiteStorage[Any, Any](path) as storage:
        storage["a"] = 1
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(DecodeError, match="upgrade pystorage") as caught:
        SQLiteStorage(path)
    assert str(path) in str(caught.value)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (99,)
        database.execute("PRAGMA user_version = 1")
    assert SQLiteStorage[Any, Any](path)["a"] == 1


@pytest.mark.parametrize("data", [b"not a database at all " * 100, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_what_is_no_database_is_left_alone(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=r"x\.db") as caught:
        SQLiteStorage(path)
    assert "move" in str(caught.value)
    assert path.read_bytes() == data


def test_tables_that_are_gone(path: Path) -> None:
    storage: Store = SQLiteStorage(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE entries")
    uses = (lambda: storage["a"], lambda: storage.update(a=1), lambda: list(storage), lambda: len(storage))
    for use in uses:
        with pytest.raises(DecodeError, match=r"x\.db"):
            use()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="plain file"):
        SQLiteStorage(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError):
        SQLiteStorage(tmp_path / "file" / "x.db")


def test_a_database_that_was_removed(path: Path) -> None:
    """Who opens it anew finds it gone, and says so; nothing empty is put in its place."""
    storage: Store = SQLiteStorage(path)
    storage["a"] = 1

    def read() -> tuple[str, int | None]:
        path.unlink()
        with pytest.raises(UnavailableError) as caught:
            storage["a"]
        return str(caught.value), caught.value.errno

    with Child(read) as child:  # which has no connection yet
        said, code = child.result()
    assert str(path) in said
    assert code == errno.ENOENT
    assert not path.exists()


def test_nothing_is_written_to_a_database_that_was_removed(path: Path) -> None:
    storage: Store = SQLiteStorage(path)
    storage["a"] = 1
    moved = path.with_name("moved.db")
    path.rename(moved)
    writes: list[Callable[[], object]] = [
        lambda: storage.update(a=2),
        lambda: storage.pop("a"),
        storage.clear,
        lambda: storage.lock("a", 5).__enter__(),
    ]
    for write in writes:
        with pytest.raises(UnavailableError, match="open the storage anew") as caught:
            write()
        assert caught.value.errno == errno.ENOENT
    moved.rename(path)
    storage["a"] = 4
    for beside in ("", "-wal", "-shm"):
        Path(f"{path}{beside}").unlink()
    with SQLiteStorage(path) as other:  # another one in its place
        other["b"] = 3
        with pytest.raises(UnavailableError, match="not the one there any more"):
            storage["a"] = 2
        assert dict(other) == {"b": 3}
    storage.close()
    with SQLiteStorage(path) as again:
        assert dict(again) == {"b": 3}


# ---------------------------------------------------------------------- others


def held(path: Path, line: Line, statement: str) -> None:
    """Hold a database, as a program does that began to write and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(statement)
        line.say()
        time.sleep(60)


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_database_that_is_held(path: Path, statement: str) -> None:
    """Reads go on; who writes waits, and gets UnavailableError in the end; nothing is lost by it."""
    storage: Store = SQLiteStorage(path, timeout=0.3, limit=5)
    storage["a"] = 1
    with Line() as line, Child(lambda: held(path, line, statement)) as child:
        assert line.hear()
        assert storage["a"] == 1
        assert list(storage) == ["a"]
        writes = {
            "set": lambda: storage.update(a=2),
            "delete": lambda: storage.pop("a"),
            "incr": lambda: storage.incr("a"),
            "expire": lambda: storage.expire("a", 5),
            "lock": lambda: storage.lock("a", 5).__enter__(),
            "clear": storage.clear,
        }
        for name, write in writes.items():
            with pytest.raises(UnavailableError, match="held by somebody else") as caught:
                write()
            assert caught.value.errno == errno.ETIMEDOUT, name
            assert str(path) in str(caught.value), name
        other: Store = SQLiteStorage(path, timeout=0.3)  # opening needs nobody's leave
        assert dict(other) == {"a": 1}
        child.kill()
    storage["a"] = 2
    assert dict(storage) == {"a": 2}
    assert storage.ttl("a") is None


def test_a_write_waits_for_its_turn(path: Path) -> None:
    storage: Store = SQLiteStorage(path, timeout=30)

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            line.say()
            time.sleep(0.3)
            database.execute("COMMIT")

    with Line() as line, Child(hold) as child:
        assert line.hear()
        storage["a"] = 1
        child.result()
    assert storage["a"] == 1


def test_a_full_disk(small_disk: Path) -> None:
    """It is UnavailableError, the old value stands, and it works again when there is room."""
    storage: Store = SQLiteStorage(small_disk / "x.db", codec="bytes", large=20_000)
    storage["key"] = b"old"
    storage["large"] = bytes(30_000)

    def write(size: int) -> None:
        for number in range(100):
            storage["key" if size > 20_000 else number] = bytes(size)

    def stream() -> None:
        with storage.open_write("key") as file:
            for _ in range(100):
                file.write(bytes(10_000))

    for size in (1_000_000, 15_000):
        with pytest.raises(UnavailableError, match="make room") as caught:
            write(size)
        assert caught.value.errno == errno.ENOSPC
        assert storage["key"] == b"old"
        assert storage["large"] == bytes(30_000)
    with pytest.raises(UnavailableError):
        stream()
    assert storage["key"] == b"old"
    del storage["large"]
    storage["key"] = b"new"
    storage["again"] = b"x"
    assert storage["key"] == b"new"
    assert storage.verify().broken == ()


def test_no_right_to_write(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    SQLiteStorage[Any, Any](path)["a"] = 1
    path.chmod(0o400)
    with pytest.raises(UnavailableError, match="right"):
        SQLiteStorage[Any, Any](path)["a"] = 2


# ---------------------------------------------------------------------- pickles


def test_pickles_are_read_where_only_we_write(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="pickle", large=50)
    storage["a"] = {1, 2}
    storage["b"] = bytes(100)
    assert (storage["a"], storage["b"]) == ({1, 2}, bytes(100))


@pytest.mark.parametrize("what", ["", "-wal", ".values", "folder"])
def test_pickles_are_refused_where_others_write(path: Path, what: str) -> None:
    opened: Store = SQLiteStorage(path, codec="pickle", large=50)
    opened["b"] = bytes(100)
    target = path.parent if what == "folder" else Path(f"{path}{what}")
    mode = target.stat().st_mode
    target.chmod(0o777 if target.is_dir() else 0o666)
    with pytest.raises(DecodeError, match="trust=True") as caught:
        SQLiteStorage(path, codec="pickle", large=50)
    assert str(target) in str(caught.value)
    trusting: Store = SQLiteStorage(path, codec="pickle", trust=True)
    assert trusting["b"] == bytes(100)
    SQLiteStorage[Any, Any](path, codec=PickleCodec() | SignedCodec(bytes(32)))["c"] = 1
    SQLiteStorage[Any, Any](path, codec="json")["d"] = 1
    target.chmod(mode)
    assert SQLiteStorage[Any, Any](path, codec="pickle", timeout=7)["b"] == bytes(100)


def test_pickles_are_refused_through_a_second_name(path: Path) -> None:
    SQLiteStorage[Any, Any](path, codec="pickle").close()
    os.link(path, path.parent / "other")
    with pytest.raises(DecodeError, match="other names"):
        SQLiteStorage(path, codec="pickle")


# ---------------------------------------------------------------------- network file systems

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:30 / /net rw shared:1 - nfs4 server:/export rw,vers=4.2
31 30 0:31 / /net/local rw - xfs /dev/sdb rw
32 22 0:32 / /mnt/my\\040share rw - cifs //server/share rw
33 22 0:33 / /ssh rw - fuse.sshfs me@host:/ rw
34 22 0:34 / /over rw - nfs server:/x rw
35 34 0:35 / /over rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    "place, kind",
    [
        ("/var/x.db", None),
        ("/net/x.db", "nfs4"),
        ("/network/x.db", None),
        ("/net/local/x.db", None),
        ("/mnt/my share/x.db", "cifs"),
        ("/ssh/a/b", "fuse.sshfs"),
        ("/over/x.db", None),
    ],
)
def test_a_network_file_system_is_known(tmp_path: Path, place: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert _network.network_filesystem(place, str(mounts)) == kind
    assert _network.network_filesystem(place, str(tmp_path / "none")) is None


def test_it_is_warned_of_once(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 254:0 / / rw - ext4 /dev/vda rw\n30 22 0:30 / {tmp_path} rw - nfs server:/ rw\n")
    with pytest.warns(pystorage.NetworkFilesystemWarning, match=r"nfs.*FileStorage"):
        _network.warn_of_network(str(tmp_path), "a database of SQLite", str(mounts))
    # Another warning would be an error.
    _network.warn_of_network(str(tmp_path), "a database of SQLite", str(mounts))


def test_this_disk_is_none(path: Path) -> None:
    """A warning would be an error here."""
    SQLiteStorage(path)
    assert _network.network_filesystem("/") is None


# ---------------------------------------------------------------------- handles


def test_settings_are_pickled(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="bytes", limit=3, size_limit=99, durability="none", large=5)
    other = pickle.loads(pickle.dumps(storage))
    assert repr(other) == repr(storage)
    assert other._state == storage._state


def test_a_closed_one_says_so(path: Path) -> None:
    storage: Store = SQLiteStorage(path, codec="bytes")
    storage.close()
    uses = (storage.flush, storage.verify, storage.stats, storage.popitem, lambda: storage.touch("a", 5))
    for use in (*uses, lambda: storage.open_read("a"), lambda: storage.lock("a", 5).__enter__()):
        with pytest.raises(ClosedError):
            use()
