"""FilesystemStorage: archives, web pages and SFTP; what is read-only, hidden, refused, and back again."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage import FileStorage, FilesystemStorage, ReadOnlyError, StorageProvider
from pystorage.codecs import PickleCodec, SignedCodec
from pystorage.errors import DecodeError, MissingDependencyError, StorageProviderError, UnavailableError
from pystorage.storage import Capability
from pystorage.testing import servers
from tests.servers.files import PASSWORD, http, needs, sftp

ENTRIES = {"plain": 1, "a/b": [2], "two words": {"x": None}, ("t", 1): "tuple", "x" * 400: "long", "ü%2F": 5}


@pytest.fixture(autouse=True)
def _installed() -> None:
    servers.require("fsspec", needs("fsspec"))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with entries, as a storage wrote them."""
    folder = tmp_path / "written"
    storage: FilesystemStorage[Any, Any] = FilesystemStorage(f"file://{folder}")
    storage.update(ENTRIES)
    return folder


@pytest.fixture
def zipped(written: Path, tmp_path: Path) -> Iterator[FilesystemStorage[Any, Any]]:
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", written)
    with FilesystemStorage(f"zip://::file://{archive}") as storage:
        yield storage


@pytest.fixture
def served(written: Path) -> Iterator[FilesystemStorage[Any, Any]]:
    with http(written) as url, FilesystemStorage(url) as storage:
        yield storage


@pytest.fixture(params=["zipped", "served"])
def read_only(request: pytest.FixtureRequest) -> FilesystemStorage[Any, Any]:
    storage: FilesystemStorage[Any, Any] = request.getfixturevalue(request.param)
    return storage


def test_what_is_only_read_is_read(read_only: FilesystemStorage[Any, Any]) -> None:
    assert dict(read_only.items()) == ENTRIES
    assert len(read_only) == len(ENTRIES)
    assert sorted(read_only.scan("t")) == ["two words"]
    assert "plain" in read_only
    assert "absent" not in read_only
    assert read_only.get("absent", 7) == 7
    assert read_only.capabilities & ~Capability.SHARED == Capability.PERSISTENT
    with pytest.raises(KeyError):
        read_only["absent"]
    size = read_only.stats().size
    assert size == len(ENTRIES)


def test_what_is_only_read_refuses_writes(read_only: FilesystemStorage[Any, Any]) -> None:
    writes: list[Callable[[], object]] = [
        lambda: read_only.__setitem__("new", 1),
        lambda: read_only.set_many({"new": 1}),
        lambda: read_only.set("new", 1, ttl=5),
        lambda: read_only.expire("plain", 5),
        lambda: read_only.setdefault("new", 1),
        lambda: read_only.pop("plain"),
        lambda: read_only.__delitem__("plain"),
        lambda: read_only.delete_many(["plain"]),
        read_only.clear,
    ]
    for write in writes:
        with pytest.raises(ReadOnlyError, match="takes no writes"):
            write()
    assert read_only["plain"] == 1


@pytest.mark.parametrize("cache", ["simplecache", "filecache"])
def test_what_is_read_past_a_cache_is_only_read(cache: str, written: Path, tmp_path: Path) -> None:
    kept = {cache: {"cache_storage": str(tmp_path / "kept")}}
    with http(written) as url, FilesystemStorage(f"{cache}::{url}", **kept) as storage:
        assert dict(storage.items()) == ENTRIES
        with pytest.raises(ReadOnlyError):
            storage["plain"] = 2
        with pytest.raises(ReadOnlyError):
            del storage["plain"]


def test_deadlines_are_kept_by_what_is_only_read(tmp_path: Path) -> None:
    folder = tmp_path / "lives"
    source: FilesystemStorage[str, int] = FilesystemStorage(f"file://{folder}", timer=lambda: 0.0)
    source.set("short", 1, ttl=10)
    source["plain"] = 2
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", folder)
    with FilesystemStorage[str, int](f"zip://::file://{archive}", timer=lambda: 10.0) as later:
        assert dict(later) == {"plain": 2}
        assert "short" not in later


def test_an_archive_of_a_filesystem_that_was_handed_in(written: Path, tmp_path: Path) -> None:
    from fsspec.implementations.zip import ZipFileSystem

    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", written)
    filesystem = ZipFileSystem(archive)
    assert dict(FilesystemStorage[Any, Any](filesystem)) == ENTRIES
    filesystem.close()


def test_a_page_that_fails_is_no_absence(written: Path) -> None:
    with http(written) as url:
        storage: FilesystemStorage[Any, Any] = FilesystemStorage(url)
        assert storage["plain"] == 1
    for look in (lambda: storage["plain"], lambda: "plain" in storage, lambda: list(storage)):
        with pytest.raises(UnavailableError):
            look()
    storage.close()


# -------------------------------------------------------------------- files


def test_it_is_a_folder_of_plain_files(tmp_path: Path) -> None:
    storage: FilesystemStorage[Any, Any] = FilesystemStorage(f"file://{tmp_path}/made/here")
    storage["some_key"] = {"text": "Hello World!"}
    storage["a/b"] = 1
    folder = tmp_path / "made" / "here"
    assert (folder / "some_key").read_text() == '{"text": "Hello World!"}'
    same: FileStorage[Any, Any] = FileStorage(folder, suffix="")
    assert dict(same) == dict(storage)
    assert storage.stats().bytes == sum(map(len, ('{"text": "Hello World!"}', "1")))


def test_nested_folders_stay_apart(tmp_path: Path) -> None:
    outer: FilesystemStorage[str, int] = FilesystemStorage(f"file://{tmp_path}")
    inner: FilesystemStorage[str, int] = FilesystemStorage(f"file://{tmp_path}/inner")
    outer.update({"inner/x": 1, "x": 2})
    inner.update({"x": 3, "y": 4})
    assert (len(outer), len(inner)) == (2, 2)
    outer.clear()
    assert dict(inner) == {"x": 3, "y": 4}


def test_a_write_that_fails_leaves_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    storage: FilesystemStorage[str, str] = FilesystemStorage(f"file://{tmp_path}")
    storage["key"] = "old"
    rename = LocalFileSystem.mv

    def fails(self: Any, *arguments: Any, **options: Any) -> None:
        assert (tmp_path / "key").read_text() == '"old"'
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalFileSystem, "mv", fails)
    with pytest.raises(UnavailableError, match="No space left") as caught:
        storage["key"] = "new"
    assert caught.value.errno == 28
    monkeypatch.setattr(LocalFileSystem, "mv", rename)
    assert dict(storage) == {"key": "old"}
    assert not [path for path in (tmp_path / "%pystorage").iterdir() if "new-" in path.name]


def test_listings_that_fsspec_keeps_are_passed_by(written: Path) -> None:
    with http(written) as url, FilesystemStorage[Any, Any](url, use_listings_cache=True) as storage:
        assert "later" not in list(storage)
        (written / "later").write_text("6")
        assert "later" in list(storage)
        assert storage["later"] == 6


# -------------------------------------------------------------------- SFTP


def test_a_server_that_is_away_and_back(tmp_path: Path) -> None:
    port = servers.free_port()
    with sftp(tmp_path, port) as url:
        storage: FilesystemStorage[str, int] = FilesystemStorage(f"{url}/folder")
        storage["key"] = 1
    for use in (lambda: storage["key"], lambda: len(storage), lambda: storage.set("key", 2)):
        with pytest.raises(UnavailableError):
            use()
    with sftp(tmp_path, port):
        assert storage["key"] == 1
        storage.close()
    assert (tmp_path / "folder" / "key").read_text() == "1"


def test_no_password_is_shown_or_pickled(tmp_path: Path) -> None:
    with sftp(tmp_path) as url:
        storage: FilesystemStorage[str, int] = FilesystemStorage(f"{url}/folder")
        host = url.partition("@")[2]
        other: FilesystemStorage[str, int] = FilesystemStorage(
            f"sftp://{host}/folder", username="me", password=PASSWORD
        )
        for one in (storage, other):
            assert PASSWORD not in repr(one)
            assert PASSWORD.encode() not in pickle.dumps(one)
            same = copy.copy(one)
            same["key"] = 1
            assert one["key"] == 1
            same.close()
        with pytest.raises(StorageProviderError, match="codek") as caught:
            pystorage.open(f"fsspec:{url}/folder?codek=json")
        assert PASSWORD not in str(caught.value)
        with pytest.raises(UnavailableError) as failed:
            FilesystemStorage(f"sftp://{host}/folder", username="me", password=PASSWORD + "!")
        assert PASSWORD not in str(failed.value)
        storage.close()
        other.close()


def test_no_password_of_a_filesystem_behind_another_is_shown_or_pickled(tmp_path: Path) -> None:
    behind = f"http://me:{PASSWORD}@127.0.0.1:1/archive.zip?key={PASSWORD}"
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1/archive\.zip") as failed:
        FilesystemStorage(f"zip://::{behind}")
    assert PASSWORD not in str(failed.value)
    storage: FilesystemStorage[str, int] = FilesystemStorage(
        f"simplecache::http://me:{PASSWORD}@127.0.0.1:1/folder", http={"client_secret": PASSWORD}
    )
    assert PASSWORD.encode() not in pickle.dumps(storage)


# -------------------------------------------------------------------- arguments


def test_pickles_of_others_are_not_loaded(tmp_path: Path) -> None:
    url = f"file://{tmp_path}"
    with pytest.raises(ValueError, match="could run code|run a pickle"):
        FilesystemStorage(url, codec="pickle")
    signed: FilesystemStorage[str, set[int]] = FilesystemStorage(
        url, codec=PickleCodec() | SignedCodec(b"k" * 32, audience="tests")
    )
    signed["key"] = {1}
    assert signed["key"] == {1}
    (tmp_path / "key").write_bytes(pickle.dumps({2}))
    with pytest.raises(DecodeError):
        signed["key"]
    trusting: FilesystemStorage[str, set[int]] = FilesystemStorage(url, codec="pickle", trust=True)
    assert trusting["key"] == {2}


@pytest.mark.parametrize(
    "arguments, options, error",
    [
        ((5,), {}, TypeError),
        (("memory://x",), {"path": "y"}, TypeError),
        (("",), {}, ValueError),
        (("file://",), {}, ValueError),
        (("memory://x",), {"timer": 5}, TypeError),
        (("memory://x",), {"codec": "jsn"}, StorageProviderError),
        (("no-such-protocol://x",), {}, StorageProviderError),
    ],
)
def test_bad_arguments_are_refused(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        FilesystemStorage(*arguments, **options)


def test_what_a_filesystem_lacks_is_told() -> None:
    with pytest.raises(MissingDependencyError, match="another package"):
        FilesystemStorage("hdfs://nowhere:1/x")


def test_by_name_and_by_url(tmp_path: Path) -> None:
    storage = pystorage.open(f"fsspec:file://{tmp_path}?codec=text")
    storage["key"] = "value"
    assert (tmp_path / "key").read_text() == "value"
    again = StorageProvider().create(StorageProvider.STORAGE_FILESYSTEM, f"file://{tmp_path}", codec="text")
    assert again["key"] == "value"
    with pytest.raises(StorageProviderError, match="hold one of fsspec"):
        pystorage.open("fsspec://host/x")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("codecc", "did you mean 'codec'"),
        ("foldcase", "did you mean 'fold_case'"),
        ("ttl", "VolatileStorage"),
        ("size_limit", "DiskLRUStorage"),
    ],
)
def test_an_option_that_fsspec_would_leave_unused_is_refused(name: str, message: str) -> None:
    with pytest.raises(TypeError, match=f"has no {name}.*{message}"):
        FilesystemStorage("memory://mistaken", **{name: 1})


def test_options_of_fsspec_pass(tmp_path: Path) -> None:
    storage = FilesystemStorage[str, int](f"file://{tmp_path}/inner", auto_mkdir=True)
    storage["a"] = 1
    assert (tmp_path / "inner" / "a").is_file()
