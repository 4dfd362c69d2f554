"""Pickles: only what nobody else can have written is loaded; nothing planted ever runs."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.codecs import GzipCodec, PickleCodec
from pystorage.errors import DecodeError, IntegrityError, StorageError
from pystorage.services import GZipPickleStorageService, JSONStorageService, PickleStorageService
from pystorage.stores._trust import check_ours
from pystorage.stores.file import FileStorage
from tests.stores.files import ANN, BOB, TEAM, as_user, becomes, needs_root

RAN = "it ran"


class Planted:
    """A value whose pickle makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.mkdir, (str(self.mark), 0o777)


@pytest.fixture
def mark(commons: Path) -> Path:
    """What a planted pickle makes if it runs; everybody could."""
    commons.chmod(0o777)
    return commons / RAN


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that is ours alone."""
    return tmp_path / "place"


def plant(path: Path, mark: Path, mode: int = 0o600) -> None:
    """Put a pickle that shall not run under the name of an entry, and beside it one compressed."""
    for file, data in (
        (path, pickle.dumps(Planted(mark))),
        (path.with_suffix(".gz"), gzip.compress(pickle.dumps(Planted(mark)))),
    ):
        file.write_bytes(data)
        file.chmod(mode)


def must_refuse(place: Path, mark: Path, *, says: str) -> None:
    """Try to read the planted entry in every way: each is a ``DecodeError`` that says what to do."""
    for codec, suffix in (("pickle", "storage"), (PickleCodec() | GzipCodec(), "gz")):
        storage = FileStorage[str, Any](place, codec=codec, suffix=suffix)
        reads: list[Callable[[], object]] = [
            lambda storage=storage: storage["key"],
            lambda storage=storage: storage.get("key"),
            lambda storage=storage: storage.pop("key", None),
            lambda storage=storage: storage.get_many(["key"]),
            lambda storage=storage: dict(storage),
            lambda storage=storage: storage.swap("key", "old", "new"),
            lambda storage=storage: storage.incr("key"),
            lambda storage=storage: storage.open_read("key"),
            lambda storage=storage: storage.setdefault("key", "new"),
        ]
        for read in reads:
            with pytest.raises(DecodeError) as caught:
                read()
            assert not isinstance(caught.value, IntegrityError)
            message = str(caught.value)
            for text in (says, "'key'", str(place / f"key.{suffix}"), "chmod go-w", "trust=True", "JSON"):
                assert text in message
            assert caught.value.key == "key"
        assert "key" in storage
        assert len(storage) == 1
        assert not mark.exists()


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("folder", [0o777, 0o770, 0o1777])
def test_a_file_that_others_may_write_is_refused(place: Path, mark: Path, mode: int, folder: int) -> None:
    """In a folder that others may write to, a file that they may write to is not loaded."""
    place.mkdir()
    place.chmod(folder)
    plant(place / "key.storage", mark, mode)
    must_refuse(place, mark, says="others may write to it")
    (place / "key.storage").chmod(0o600)
    storage = FileStorage[str, Any](place, codec="pickle")
    storage["key"] = {1, 2}
    assert storage["key"] == {1, 2}


@needs_root
@pytest.mark.parametrize("folder", [0o777, 0o770, 0o1777, 0o700, 0o755])
def test_a_file_of_another_owner_is_refused(commons: Path, mark: Path, folder: int) -> None:
    """A file of somebody else is not loaded where others may write, nor in a folder of theirs."""
    place = commons / "place"
    place.mkdir()
    plant(place / "key.storage", mark)
    for path in (place, *place.iterdir()):
        os.chown(path, ANN if path != place or folder in (0o700, 0o755) else 0, -1)
    place.chmod(folder)
    must_refuse(place, mark, says=f"it belongs to user {ANN}")
    storage = FileStorage[str, Any](place, codec="pickle")
    storage["other"] = {1, 2}
    assert storage["other"] == {1, 2}


@needs_root
@pytest.mark.parametrize("above", [0o777, 0o775])
def test_a_folder_below_one_that_others_may_change_is_not_ours(commons: Path, mark: Path, above: int) -> None:
    """Who may rename our folder may put another in its place, so what is in it is looked at one by one."""
    outer = commons / "outer"
    place = outer / "inner" / "place"
    place.mkdir(parents=True)
    for path in (place, place.parent):
        path.chmod(0o700)
    outer.chmod(above)
    plant(place / "key.storage", mark)
    for path in place.iterdir():
        os.chown(path, ANN, ANN)
    must_refuse(place, mark, says=f"it belongs to user {ANN}")
    outer.chmod(0o755)
    os.chown(outer, ANN, ANN)
    must_refuse(place, mark, says=f"it belongs to user {ANN}")


def test_a_second_name_of_a_file_of_ours_is_refused(place: Path, mark: Path) -> None:
    """A link to another file of ours, in which somebody may have made us write, is not loaded."""
    place.mkdir()
    place.chmod(0o777)
    plant(place / "upload.txt", mark)
    for suffix in (".txt", ".gz"):
        source, name = place / f"upload{suffix}", place / f"key{'.storage' if suffix == '.txt' else suffix}"
        os.link(source, name)
    (place / "upload.gz").rename(place / "upload.bin")
    must_refuse(place, mark, says="it has other names as well")


@needs_root
def test_the_superuser_does_not_load_pickles_of_users(commons: Path, mark: Path) -> None:
    """A user's storage of pickles, opened by the superuser, is refused; the user himself goes on."""
    place = commons / "place"

    def ann() -> Any:
        storage = PickleStorageService[str, Any](place)
        storage["key"] = {1, 2}
        return storage["key"]

    assert as_user(ANN, ann) == {1, 2}
    with pytest.raises(DecodeError, match=f"it belongs to user {ANN}"):
        PickleStorageService(place)["key"]
    assert as_user(ANN, lambda: PickleStorageService(place)["key"]) == {1, 2}


@needs_root
def test_a_file_of_the_superuser_is_trusted(commons: Path) -> None:
    """Who could do anything anyway may write pickles for others, as in a folder of settings."""
    commons.chmod(0o1777)
    (commons / "key.storage").write_bytes(pickle.dumps({1, 2}))
    (commons / "key.storage").chmod(0o644)
    assert as_user(ANN, lambda: FileStorage[str, Any](commons, codec="pickle")["key"]) == {1, 2}


def test_a_file_that_was_exchanged_after_the_opening_is_refused(place: Path, mark: Path) -> None:
    """In a shared folder each file is looked at each time that it is read."""
    place.mkdir()
    place.chmod(0o1777)
    storage = FileStorage[str, Any](place, codec="pickle")
    storage["key"] = {1, 2}
    assert storage["key"] == {1, 2}
    plant(place / "key.storage", mark, 0o666)
    with pytest.raises(DecodeError):
        storage["key"]
    assert not mark.exists()


# ---------------------------------------------------------------------- allowed


def test_in_a_folder_of_ours_all_is_loaded(place: Path) -> None:
    """In a folder that nobody else may write to, files are loaded as they are, whatever their permissions."""
    storage = FileStorage[str, Any](place, codec="pickle")
    storage["key"] = {1, 2}
    (place / "key.storage").chmod(0o666)
    os.link(place / "key.storage", place / "other.storage")
    assert dict(storage) == {"key": {1, 2}, "other": {1, 2}}


def test_trust_loads_what_others_wrote(place: Path, mark: Path) -> None:
    """With ``trust=True`` the caller takes the blame: the pickle runs."""
    place.mkdir()
    place.chmod(0o777)
    plant(place / "key.storage", mark, 0o666)
    storage = FileStorage[str, Any](place, codec="pickle", trust=True)
    assert storage["key"] is None
    assert mark.exists()


def test_a_storage_of_data_needs_no_trust(place: Path, mark: Path) -> None:
    """A pickle among data is no value of theirs, and does not run; other people's JSON is read."""
    place.mkdir()
    place.chmod(0o777)
    plant(place / "key.storage", mark, 0o666)
    (place / "theirs.storage").write_text('["value"]')
    (place / "theirs.storage").chmod(0o666)
    for codec in (None, "json", "text", "json+gzip", "json+lzma", "json+zlib"):
        storage = FileStorage[str, Any](place, codec=codec)
        with pytest.raises(DecodeError):
            storage["key"]
    assert FileStorage[str, Any](place)["theirs"] == ["value"]
    assert JSONStorageService[str, Any](place, suffix="storage")["theirs"] == ["value"]
    assert isinstance(FileStorage[str, Any](place, codec="bytes")["key"], bytes)
    assert not mark.exists()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o660, 0o666])
@pytest.mark.parametrize("codec", ["pickle", "pickle+gzip"])
def test_pickles_are_not_shared_by_accident(place: Path, mode: int, codec: str) -> None:
    """A mode that lets others write pickles needs ``trust=True``, and is refused before anything is made."""
    with pytest.raises(ValueError, match="trust=True") as caught:
        FileStorage(place, codec=codec, mode=mode)
    assert not isinstance(caught.value, StorageError)
    assert not place.exists()
    storage = FileStorage[str, Any](place, codec=codec, mode=mode, trust=True)
    storage["key"] = {1}
    assert storage["key"] == {1}
    FileStorage(place, codec=codec, mode=0o644)


@needs_root
def test_a_trusting_team_shares_pickles(commons: Path) -> None:
    """With ``trust=True`` the members of a group load what the others wrote."""
    place = commons / "place"
    commons.chmod(0o777)

    def write(name: str) -> None:
        FileStorage[str, Any](place, codec="pickle", mode=0o660, trust=True)[name] = {name}

    as_user(ANN, lambda: write("ann"), groups=[TEAM])
    as_user(BOB, lambda: write("bob"), groups=[TEAM])

    def read() -> dict[str, Any]:
        return dict(FileStorage[str, Any](place, codec="pickle", mode=0o660, trust=True))

    assert as_user(ANN, read, groups=[TEAM]) == {"ann": {"ann"}, "bob": {"bob"}}

    def distrust() -> None:
        becomes(BOB, [TEAM])
        with pytest.raises(DecodeError):
            GZipPickleStorageService(place)["ann"]

    assert as_user(0, lambda: None) is None
    with pytest.raises(DecodeError, match="belongs to user"):
        PickleStorageService(place, suffix="storage")["ann"]


def test_a_file_that_was_replaced_after_it_was_opened_is_not_refused(tmp_path: Path) -> None:
    """It has no name any more; what it held was as much ours as what came after it."""
    path = tmp_path / "value"
    path.write_bytes(b"old")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        path.unlink()
        check_ours(descriptor, str(path))
    finally:
        os.close(descriptor)
