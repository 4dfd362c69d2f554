"""VersionedCodec: values of older shapes are migrated when they are read, and newer ones refused."""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage import FileStorage
from pystorage.codecs import (
    BytesCodec,
    ChecksumCodec,
    Codec,
    GzipCodec,
    JSONCodec,
    PickleCodec,
    SignedCodec,
    TextCodec,
    VersionedCodec,
    label_of,
)
from pystorage.codecs.versioned import split_version
from pystorage.errors import CapacityError, DecodeError, EncodeError, ReadOnlyError
from pystorage.testing import FakeClock
from tests.codecs.shelf import Shelf


def split_name(user: dict[str, Any]) -> dict[str, Any]:
    first, _, last = user["name"].partition(" ")
    return {"first": first, "last": last}


def add_mail(user: dict[str, Any]) -> dict[str, Any]:
    return {**user, "mail": None}


ADA = {"name": "Ada Lovelace"}
ADA_2 = {"first": "Ada", "last": "Lovelace"}
ADA_3 = {"first": "Ada", "last": "Lovelace", "mail": None}


def codec(version: int, **options: Any) -> VersionedCodec:
    migrations = {1: split_name, 2: add_mail}
    known = {number: migrations[number] for number in range(1, version)}
    return VersionedCodec(JSONCodec(), version, known, **options)


# -------------------------------------------------------------------- migrating


def test_the_current_version_is_read_as_it_is() -> None:
    assert codec(3).decode(codec(3).encode(ADA_3, "key"), "key") == ADA_3


@pytest.mark.parametrize(("version", "value"), [(1, ADA), (2, ADA_2), (3, ADA_3)])
def test_every_older_version_becomes_the_current_one(version: int, value: object) -> None:
    assert codec(3).decode(codec(version).encode(value, "key"), "key") == ADA_3


def test_values_from_before_there_were_versions_are_of_version_1() -> None:
    assert codec(3).decode(b'{"name": "Ada Lovelace"}', "key") == ADA_3
    assert codec(1).decode(b'{"name": "Ada Lovelace"}', "key") == ADA


def test_migrations_run_in_order_and_once_each() -> None:
    ran: list[tuple[int, object]] = []

    def step(number: int) -> Callable[[Any], Any]:
        def migrate(value: Any) -> Any:
            ran.append((number, value))
            return [*value, number]

        return migrate

    versioned = VersionedCodec(JSONCodec(), 5, {number: step(number) for number in (1, 2, 3, 4)})
    data = VersionedCodec(JSONCodec(), 2).encode([], "key")
    assert versioned.decode(data, "key") == [2, 3, 4]
    assert ran == [(2, []), (3, [2]), (4, [2, 3])]


def test_a_newer_version_is_refused_with_what_to_do() -> None:
    data = codec(3).encode(ADA_3, "key")
    with pytest.raises(
        DecodeError, match="of version 3, and this program knows versions up to 2: upgrade the program"
    ):
        codec(2).decode(data, "key")


def test_a_version_too_old_to_be_migrated_says_which_migration_is_missing() -> None:
    recent = VersionedCodec(JSONCodec(), 3, {2: add_mail})
    assert recent.decode(codec(2).encode(ADA_2, "key"), "key") == ADA_3
    with pytest.raises(DecodeError, match="no migration to version 3: give migrations={1: …}"):
        recent.decode(codec(1).encode(ADA, "key"), "key")
    with pytest.raises(DecodeError, match="no migration"):
        recent.decode(b'{"name": "Ada Lovelace"}', "key")


def test_a_migration_that_fails_is_a_decode_error_with_its_cause() -> None:
    with pytest.raises(
        DecodeError, match=r"the migration from version 1 failed: KeyError\('name'\)"
    ) as caught:
        codec(3).decode(codec(1).encode({}, "key"), "key")
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("old", [PickleCodec(), TextCodec()])
def test_older_values_may_be_in_another_codec(old: Codec) -> None:
    versioned = VersionedCodec(JSONCodec(), 2, {1: list}, old=old)
    assert versioned.decode(VersionedCodec(old, 1).encode("ab", "key"), "key") == ["a", "b"]
    assert versioned.decode(old.encode("ab", "key"), "key") == ["a", "b"]
    assert versioned.decode(versioned.encode(["c"], "key"), "key") == ["c"]
    assert versioned.runs_code is old.runs_code


@pytest.mark.parametrize("data", [b"\xc1V", b"\xc1V\0\0\0", b"\xc1V\0\0\0\0[]"])
def test_a_damaged_version_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="its version is"):
        codec(3).decode(data, "key")


def test_what_the_codec_cannot_hold_or_read_is_said_by_the_codec() -> None:
    with pytest.raises(EncodeError, match="JSON cannot hold it"):
        codec(2).encode({1, 2}, "key")
    with pytest.raises(DecodeError, match="this is not JSON"):
        codec(2).decode(codec(2).encode(ADA_2, "key")[:-1], "key")


def test_the_version_stands_before_the_value() -> None:
    assert codec(2).encode({}, "key") == b"\xc1V\0\0\0\2{}"
    assert split_version(b"\xc1V\0\0\0\2{}") == (2, b"{}")
    assert VersionedCodec(BytesCodec(), 2**32 - 1).encode(b"", "key") == b"\xc1V\xff\xff\xff\xff"


# -------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    "migrations", [{1: str, 3: str}, {2: str}, {1: str, 2: str, 3: str, 4: str}, {0: str}, {-1: str}]
)
def test_a_gap_in_the_migrations_is_refused(migrations: Any) -> None:
    with pytest.raises(ValueError, match="too many or missing"):
        VersionedCodec(JSONCodec(), 4, migrations)


def test_migrations_that_would_never_run_are_refused() -> None:
    with pytest.raises(ValueError, match=r"to 0; too many or missing: \[1\]"):
        VersionedCodec(JSONCodec(), 1, {1: str})


@pytest.mark.parametrize(
    ("version", "kind"),
    [(0, ValueError), (-1, ValueError), (2**32, ValueError), (True, TypeError), ("2", TypeError)],
)
def test_a_version_is_a_number_from_1(version: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="version must be"):
        VersionedCodec(JSONCodec(), version)


@pytest.mark.parametrize("arguments", [{"codec": "json"}, {"codec": JSONCodec(), "old": "json"}])
def test_it_is_made_around_codecs(arguments: Any) -> None:
    with pytest.raises(TypeError, match="made around a codec, not around str"):
        VersionedCodec(version=1, **arguments)


def test_it_is_first_in_a_chain() -> None:
    chain = codec(2) | GzipCodec() | ChecksumCodec()
    assert chain.decode((codec(1) | GzipCodec() | ChecksumCodec()).encode(ADA, "key"), "key") == ADA_2
    with pytest.raises(TypeError, match="put it first"):
        JSONCodec() | codec(2)


def test_all_versions_have_one_label() -> None:
    assert label_of(codec(1)) == label_of(codec(3)) == "versioned json"


def test_equality_counts_what_changes_the_value() -> None:
    assert codec(3) == codec(3)
    assert hash(codec(3)) == hash(codec(3))
    assert codec(3) != codec(2)
    assert codec(3) != codec(3, write_back=True)
    assert codec(2) != VersionedCodec(JSONCodec(), 2, {1: add_mail})
    assert repr(codec(2, write_back=True)) == "VersionedCodec(JSONCodec(), version=2, write_back=True)"


def test_it_is_pickled_with_its_migrations_by_reference() -> None:
    again = pickle.loads(pickle.dumps(codec(3)))
    assert again == codec(3)
    assert again.decode(b'{"name": "Ada Lovelace"}', "key") == ADA_3


def test_what_is_outdated() -> None:
    assert codec(3).outdated(codec(2).encode(ADA_2, "key"), "key")
    assert codec(3).outdated(b"{}", "key")
    assert not codec(3).outdated(codec(3).encode(ADA_3, "key"), "key")
    new, old = SignedCodec({"b": b"b" * 32, "a": b"a" * 32}), SignedCodec({"a": b"a" * 32})
    inside = VersionedCodec(JSONCodec() | new, 2)
    assert inside.outdated(VersionedCodec(JSONCodec() | old, 2).encode(1, "key"), "key")
    assert not inside.outdated(inside.encode(1, "key"), "key")


# -------------------------------------------------------------------- in a storage


def test_a_read_leaves_the_bytes_unless_asked_to_write_back(tmp_path: Path) -> None:
    FileStorage(tmp_path, codec=codec(1))["ada"] = ADA
    before = (tmp_path / "ada.storage").read_bytes()
    storage = FileStorage(tmp_path, codec=codec(3))
    assert storage["ada"] == ADA_3
    assert (tmp_path / "ada.storage").read_bytes() == before
    storage["ada"] = ADA_3
    assert FileStorage(tmp_path, codec=codec(3))["ada"] == ADA_3


@pytest.mark.parametrize("failing", ["newer", "migration", "cut"])
def test_what_cannot_be_read_stays_as_it_is(tmp_path: Path, failing: str) -> None:
    FileStorage(tmp_path, codec=codec(3 if failing == "newer" else 1))["ada"] = {}
    path = tmp_path / "ada.storage"
    if failing == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    storage = FileStorage(tmp_path, codec=codec(2, write_back=True))
    with pytest.raises(DecodeError, match="could not read 'ada' in .*the bytes are left where they are"):
        storage["ada"]
    assert path.read_bytes() == before
    assert "ada" in storage


KEYS = ["ada", "a/b", ("user", 1), "x" * 5000]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key)[:10])
@pytest.mark.parametrize("read", ["[]", "get", "get_many", "items", "pop", "open"])
def test_write_back_migrates_what_is_read(tmp_path: Path, key: Any, read: str) -> None:
    FileStorage(tmp_path, codec=codec(1))[key] = ADA
    storage: FileStorage[Any, Any] = FileStorage(tmp_path, codec=codec(3, write_back=True))
    if read == "[]":
        assert storage[key] == ADA_3
    elif read == "get":
        assert storage.get(key) == ADA_3
    elif read == "get_many":
        assert storage.get_many([key]) == {key: ADA_3}
    elif read == "items":
        assert dict(storage.items()) == {key: ADA_3}
    elif read == "pop":
        assert storage.pop(key) == ADA_3
        assert key not in storage
        return
    else:
        assert dict(FileStorage(tmp_path, codec=codec(3, write_back=True))) == {key: ADA_3}
    strict = VersionedCodec(JSONCodec(), 3)
    assert dict(FileStorage(tmp_path, codec=strict)) == {key: ADA_3}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key)[:10])
def test_write_back_keeps_the_deadline(tmp_path: Path, key: Any) -> None:
    clock = FakeClock()
    FileStorage(tmp_path, codec=codec(1), timer=clock).set(key, ADA, ttl=100)
    clock.advance(40)
    storage: FileStorage[Any, Any] = FileStorage(tmp_path, codec=codec(2, write_back=True), timer=clock)
    assert storage[key] == ADA_2
    assert storage.ttl(key) == 60
    assert FileStorage(tmp_path, codec=VersionedCodec(JSONCodec(), 2), timer=clock)[key] == ADA_2
    clock.advance(60)
    assert key not in storage


def test_write_back_writes_once(tmp_path: Path) -> None:
    FileStorage(tmp_path, codec=codec(1))["ada"] = ADA
    storage = FileStorage(tmp_path, codec=codec(3, write_back=True))
    assert storage["ada"] == ADA_3
    written = os.stat(tmp_path / "ada.storage")
    assert storage["ada"] == ADA_3
    again = os.stat(tmp_path / "ada.storage")
    assert (again.st_ino, again.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders are not made read-only like this here")
def test_a_folder_that_takes_no_writes_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    FileStorage(folder, codec=codec(1))["ada"] = ADA
    before = (folder / "ada.storage").read_bytes()
    storage = FileStorage(folder, codec=codec(2, write_back=True))
    if os.geteuid() == 0:  # whom no permission stops

        def refuse(*_: object) -> bool:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(storage._folder, "write", refuse)
    else:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert storage["ada"] == ADA_2
    finally:
        folder.chmod(0o700)
    assert (folder / "ada.storage").read_bytes() == before


def test_write_back_never_overwrites_what_somebody_wrote_meanwhile() -> None:
    data = {"ada": codec(1).encode(ADA, "ada")}
    storage = Shelf(codec(2, write_back=True), data)
    theirs = codec(2).encode({"first": "Grace"}, "ada")
    storage.meanwhile = lambda name: data.update(ada=theirs)
    assert storage["ada"] == ADA_2
    assert (storage.writes, data["ada"]) == (1, theirs)


def test_write_back_leaves_what_somebody_wrote_while_it_was_migrated() -> None:
    data = {"ada": codec(1).encode(ADA, "ada")}
    theirs = codec(1).encode({"name": "Grace Hopper"}, "ada")

    def migrate(user: dict[str, Any]) -> dict[str, Any]:
        data["ada"] = theirs
        return split_name(user)

    storage = Shelf(VersionedCodec(JSONCodec(), 2, {1: migrate}, write_back=True), data)
    assert storage["ada"] == ADA_2
    assert data["ada"] == theirs


@pytest.mark.parametrize("gone", [True, False])
def test_write_back_brings_nothing_back_that_was_deleted_meanwhile(gone: bool) -> None:
    data = {"ada": codec(1).encode(ADA, "ada")}

    def migrate(user: dict[str, Any]) -> dict[str, Any]:
        if gone:
            del data["ada"]
        return split_name(user)

    storage = Shelf(VersionedCodec(JSONCodec(), 2, {1: migrate}, write_back=True), data)
    assert storage["ada"] == ADA_2
    assert ("ada" in data) is not gone
    assert storage.writes == (0 if gone else 1)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ReadOnlyError("no"), CapacityError("no")]
)
def test_whatever_a_place_refuses_the_write_with_the_value_is_given(error: Exception) -> None:
    data = {"ada": codec(1).encode(ADA, "ada")}
    storage = Shelf(codec(2, write_back=True), data)

    def refuse(name: str) -> None:
        raise error

    storage.meanwhile = refuse
    assert storage["ada"] == ADA_2
    assert data["ada"] == codec(1).encode(ADA, "ada")


def test_a_migrated_value_that_cannot_be_written_is_given_all_the_same() -> None:
    data = {"ada": codec(1).encode(ADA, "ada")}
    storage = Shelf(VersionedCodec(JSONCodec(), 2, {1: lambda user: {*user}}, write_back=True), data)
    assert storage["ada"] == {"name"}
    assert data["ada"] == codec(1).encode(ADA, "ada")


def test_another_codec_asks_for_write_back_too() -> None:
    # A chain asks for all of its codecs: an outdated signature is renewed along with the version.
    new, old = SignedCodec({"b": b"b" * 32, "a": b"a" * 32}), SignedCodec({"a": b"a" * 32})
    data = {"ada": (codec(2) | old).encode(ADA_2, "ada")}
    storage = Shelf(codec(2, write_back=True) | new, data)
    assert storage["ada"] == ADA_2
    assert data["ada"] == (codec(2) | new).encode(ADA_2, "ada")
    inside = VersionedCodec(codec(2, write_back=True) | new, 1)
    assert inside.writes_back
