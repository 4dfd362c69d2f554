"""reencode: every entry from one codec to another, whatever happens meanwhile."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pystorage import FileStorage, MemoryStorage, VolatileStorage
from pystorage.codecs import (
    BytesCodec,
    Codec,
    EncryptedCodec,
    GzipCodec,
    JSONCodec,
    PickleCodec,
    SignedCodec,
    VersionedCodec,
    reencode,
)
from pystorage.errors import (
    DecodeError,
    EncodeError,
    IntegrityError,
    StorageError,
    StorageProviderError,
    UnavailableError,
)
from pystorage.testing import HOSTILE_KEYS, FakeClock

OLD, NEW = b"o" * 32, b"n" * 32

OLD_KEY = JSONCodec() | SignedCodec({"old": OLD}, "app")
BOTH_KEYS = JSONCodec() | SignedCodec({"new": NEW, "old": OLD}, "app")
NEW_KEY = JSONCodec() | SignedCodec({"new": NEW}, "app")


def files(path: Path, codec: Codec | str, **options: Any) -> FileStorage[Any, Any]:
    return FileStorage(path, codec=codec, **options)


def add_one(value: int) -> int:
    return value + 1


# -------------------------------------------------------------------- from one to another

PAIRS: list[tuple[Codec | str, Codec | str]] = [
    ("json", NEW_KEY),
    ("json", "pickle"),
    ("json", "json+gzip"),
    ("json+gzip", "json"),
    ("json", JSONCodec() | EncryptedCodec(NEW)),
    ("pickle", NEW_KEY),
    ("pickle", "json"),
    ("pickle", PickleCodec() | SignedCodec(NEW)),
    ("pickle+gzip", "pickle"),
    ("pickle", "pickle+lzma"),
    (OLD_KEY, NEW_KEY),
    (OLD_KEY, BOTH_KEYS),
    (OLD_KEY, JSONCodec() | SignedCodec({"old": OLD}, "another app")),
    (OLD_KEY, JSONCodec() | EncryptedCodec({"new": NEW})),
    (OLD_KEY, "json"),
    (JSONCodec() | EncryptedCodec({"old": OLD}), JSONCodec() | EncryptedCodec({"new": NEW, "old": OLD})),
    (JSONCodec() | EncryptedCodec(NEW), JSONCodec() | EncryptedCodec(NEW, algorithm="chacha20-poly1305")),
    ("json", VersionedCodec(JSONCodec(), 1)),
    (VersionedCodec(JSONCodec() | SignedCodec({"old": OLD}), 1), VersionedCodec(BOTH_KEYS, 1)),
    (VersionedCodec(PickleCodec(), 1), "json"),
]


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=lambda codec: repr(codec)[:60])
def test_every_entry_is_written_anew_once(tmp_path: Path, old: Codec | str, new: Codec | str) -> None:
    clock = FakeClock()
    values = {key: {"number": number} for number, key in enumerate(HOSTILE_KEYS)}
    before = files(tmp_path, old, timer=clock)
    before.update(values)
    before.set("lives", [1], ttl=100)
    before.set("x" * 3000, [2], ttl=50)
    before.set("dead", [3], ttl=10)
    clock.advance(20)
    given: FileStorage[Any, Any] = before if before._codec.runs_code else files(tmp_path, new, timer=clock)

    assert reencode(given, old, new) == len(values) + 2
    after = files(tmp_path, new, timer=clock)
    found = dict(after)
    assert found.pop("lives") == [1]
    assert found.pop("x" * 3000) == [2]
    assert found == values
    assert (after.ttl("lives"), after.ttl("x" * 3000), after.ttl("a/b")) == (80, 30, None)
    assert reencode(given, old, new) == 0
    assert dict(files(tmp_path, new, timer=clock)).keys() == {*values, "lives", "x" * 3000}


@pytest.mark.parametrize("by_way_of", ["bytes+checksum", "bytes+checksum+gzip"])
def test_what_nobody_could_tell_apart_goes_by_way_of_a_checksum(tmp_path: Path, by_way_of: str) -> None:
    values = {"a": b"text", "b": b"", "c": GzipCodec().encode(b"gz", "")}
    storage = files(tmp_path, "bytes")
    storage.update(values)
    with pytest.raises(ValueError, match="go by way of a codec that marks what it writes, such as Checksum"):
        reencode(storage, "bytes", "bytes+gzip")
    assert dict(storage) == values
    assert reencode(storage, "bytes", by_way_of) == len(values)
    assert dict(files(tmp_path, by_way_of)) == values
    assert reencode(storage, by_way_of, "bytes+gzip") == len(values)
    assert reencode(storage, by_way_of, "bytes+gzip") == 0
    assert dict(files(tmp_path, "bytes+gzip")) == values


def test_a_signature_is_taken_off_again(tmp_path: Path) -> None:
    # Bytes can be anything, but what a signature vouches for was signed.
    signed = BytesCodec() | SignedCodec(OLD)
    files(tmp_path, signed).update({"a": b"1", "b": b"2"})
    files(tmp_path, "bytes")["c"] = b"3"
    assert reencode(files(tmp_path, "bytes"), signed, "bytes") == 2
    assert dict(files(tmp_path, "bytes")) == {"a": b"1", "b": b"2", "c": b"3"}


def test_older_versions_are_migrated_and_not_only_relabelled(tmp_path: Path) -> None:
    first = VersionedCodec(JSONCodec(), 1)
    third = VersionedCodec(JSONCodec(), 3, {1: add_one, 2: add_one})
    files(tmp_path, "json")["bare"] = 10
    files(tmp_path, first)["first"] = 20
    files(tmp_path, VersionedCodec(JSONCodec(), 2))["second"] = 30
    files(tmp_path, third)["third"] = 40
    assert reencode(files(tmp_path, third), first, third) == 3
    migrated = {"bare": 12, "first": 22, "second": 31, "third": 40}
    assert dict(files(tmp_path, VersionedCodec(JSONCodec(), 3))) == migrated


def test_values_without_versions_are_of_version_1_for_the_new_codec(tmp_path: Path) -> None:
    second = VersionedCodec(JSONCodec(), 2, {1: add_one})
    files(tmp_path, "json")["bare"] = 10
    assert reencode(files(tmp_path, "json"), "json", second) == 1
    assert dict(files(tmp_path, VersionedCodec(JSONCodec(), 2))) == {"bare": 11}


def test_a_storage_may_be_opened_with_either_codec(tmp_path: Path) -> None:
    files(tmp_path, OLD_KEY).update(a=1, b=2)
    assert reencode(files(tmp_path, "text"), OLD_KEY, BOTH_KEYS) == 2
    assert reencode(files(tmp_path, NEW_KEY), BOTH_KEYS, NEW_KEY) == 0
    assert dict(files(tmp_path, NEW_KEY)) == {"a": 1, "b": 2}


def test_the_whole_way_of_a_rotation(tmp_path: Path) -> None:
    """No step of it stops a program that runs with the codec of the step before or after."""
    old, both, new = (files(tmp_path, codec) for codec in (OLD_KEY, BOTH_KEYS, NEW_KEY))
    old["a"] = 1
    assert both["a"] == 1
    both["b"] = 2
    with pytest.raises(IntegrityError, match="by the key 'old', which is none of <keys new>"):
        new["a"]
    assert reencode(both, OLD_KEY, BOTH_KEYS) == 1
    assert dict(new) == dict(both) == {"a": 1, "b": 2}
    with pytest.raises(IntegrityError, match="by the key 'new', which is none of <keys old>"):
        old["a"]


# -------------------------------------------------------------------- what it leaves alone


def test_what_the_new_codec_wrote_is_not_touched(tmp_path: Path) -> None:
    files(tmp_path, NEW_KEY)["a"] = 1
    files(tmp_path, OLD_KEY)["b"] = 2
    before = os.stat(tmp_path / "a.storage")
    assert reencode(files(tmp_path, NEW_KEY), OLD_KEY, NEW_KEY) == 1
    after = os.stat(tmp_path / "a.storage")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_files_of_others_are_not_touched(tmp_path: Path) -> None:
    storage = files(tmp_path, "json")
    storage["a"] = 1
    others = {"two words.storage": b"theirs", "b.txt": b"theirs", "%zz.storage": b"theirs", "%~.storage": b""}
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
    files(tmp_path, "json", suffix="other")["a"] = 2
    assert reencode(storage, "json", NEW_KEY) == 1
    assert {name: (tmp_path / name).read_bytes() for name in others} == others
    assert files(tmp_path, "json", suffix="other")["a"] == 2


def test_what_has_expired_is_left_out_and_an_empty_storage_is_fine(tmp_path: Path) -> None:
    clock = FakeClock()
    storage = files(tmp_path, "json", timer=clock)
    assert reencode(storage, "json", NEW_KEY) == 0
    storage.set("a", 1, ttl=5)
    clock.advance(5)
    assert reencode(storage, "json", NEW_KEY) == 0


def test_bytes_that_begin_like_a_header_stay_a_value(tmp_path: Path) -> None:
    values = {"a": b"\x8fPyS", "b": b"\x8fPyS" + bytes(50)}
    files(tmp_path, "bytes+checksum").update(values)
    assert reencode(files(tmp_path, "bytes"), "bytes+checksum", "bytes") == 2
    assert dict(files(tmp_path, "bytes")) == values


# -------------------------------------------------------------------- progress and faults


def test_progress_is_told_after_each_entry(tmp_path: Path) -> None:
    files(tmp_path, OLD_KEY).update({str(number): number for number in range(5)})
    files(tmp_path, NEW_KEY)["new"] = 1
    told: list[tuple[int, int]] = []
    assert reencode(files(tmp_path, NEW_KEY), OLD_KEY, NEW_KEY, progress=lambda *said: told.append(said)) == 5
    assert told == [(number, 6) for number in range(1, 7)]


def test_an_entry_that_neither_reads_stops_it_and_stays(tmp_path: Path) -> None:
    storage = files(tmp_path, OLD_KEY)
    storage.update(a=1, c=3)
    (tmp_path / "b.storage").write_bytes(b"torn")
    with pytest.raises(
        DecodeError, match=r"could not reencode 'b' in .*the bytes are left where they are"
    ) as caught:
        reencode(storage, OLD_KEY, NEW_KEY)
    assert (caught.value.key, caught.value.storage) == ("b", repr(storage))
    assert (tmp_path / "b.storage").read_bytes() == b"torn"


@pytest.mark.parametrize("key", ["b", ("b", 1), "b" * 3000])
def test_skip_hears_of_it_and_the_rest_goes_on(tmp_path: Path, key: Any) -> None:
    storage = files(tmp_path, OLD_KEY)
    storage.update({"a": 1, "c": 3, key: 2})
    place = storage._naming.shortened(storage._naming.name(key))
    path = tmp_path / f"{place}.storage"
    torn = path.read_bytes()[:-1]
    path.write_bytes(torn)
    errors: list[StorageError] = []
    told: list[tuple[int, int]] = []
    progress = lambda *said: told.append(said)  # noqa: E731
    assert reencode(storage, OLD_KEY, NEW_KEY, skip=errors.append, progress=progress) == 2
    assert [(type(error), error.key) for error in errors] == [(IntegrityError, key)]
    assert path.read_bytes() == torn
    assert told == [(1, 3), (2, 3), (3, 3)]
    new = files(tmp_path, NEW_KEY)
    assert (new["a"], new["c"]) == (1, 3)


@pytest.mark.parametrize("data", [b"", b"bare", b"\x8fPyS", b"\x8fPyS\1\2" + bytes(50)])
def test_a_long_key_without_a_sound_header_is_said_too(tmp_path: Path, data: bytes) -> None:
    storage = files(tmp_path, OLD_KEY)
    storage["x" * 3000] = 1
    (path,) = tmp_path.glob("xxx*")
    path.write_bytes(data)
    errors: list[StorageError] = []
    assert reencode(storage, OLD_KEY, NEW_KEY, skip=errors.append) == 0
    assert [type(error) for error in errors] == [DecodeError]
    assert path.read_bytes() == data


def test_an_entry_moved_to_another_long_key_is_said(tmp_path: Path) -> None:
    storage = files(tmp_path, "json")
    storage["x" * 3000] = 1
    (path,) = tmp_path.glob("xxx*")
    storage["y" * 3000] = 2
    (other,) = tmp_path.glob("yyy*")
    other.write_bytes(path.read_bytes())
    with pytest.raises(DecodeError, match="does not name its key"):
        reencode(storage, "json", NEW_KEY)


def test_a_value_that_the_new_codec_cannot_hold_stops_it_and_stays(tmp_path: Path) -> None:
    storage = files(tmp_path, "pickle")
    storage["a"] = {1, 2}
    with pytest.raises(EncodeError, match="could not reencode 'a' in .*JSON cannot hold it") as caught:
        reencode(storage, "pickle", "json", skip=lambda error: None)
    assert caught.value.key == "a"
    assert storage["a"] == {1, 2}


def test_a_place_that_refuses_writes_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = files(tmp_path, "json")
    storage["a b"] = 1

    def refuse(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage._folder, "write", refuse)
    with pytest.raises(UnavailableError, match="could not reencode 'a b' in .*No space left") as caught:
        reencode(storage, "json", NEW_KEY)
    assert (caught.value.key, caught.value.errno) == ("a b", 28)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("text", "json"),
        ("json", "text"),
        ("bytes", "json"),
        ("json", "bytes"),
        ("bytes", "text"),
        ("pickle", "bytes"),
    ],
)
def test_a_pair_that_nobody_can_tell_apart_is_refused_before_anything_is_written(
    tmp_path: Path, old: str, new: str
) -> None:
    storage = files(tmp_path, old)
    storage.update({"a": b"5", "b": b"6"} if old == "bytes" else {"a": "5", "b": "6"})
    before = {path: path.read_bytes() for path in tmp_path.glob("*.storage")}
    with pytest.raises(ValueError, match="can both read the entry '[ab]', so nobody can tell which wrote it"):
        reencode(storage, old, new)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.storage")} == before


def test_what_has_no_codec_is_refused(tmp_path: Path) -> None:
    for storage in (MemoryStorage(), VolatileStorage(files(tmp_path, "json"))):
        with pytest.raises(TypeError, match="only storages of bytes have a codec, and .* is none"):
            reencode(storage, "json", NEW_KEY)  # type: ignore[arg-type]


def test_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageProviderError, match="no codec named 'jsno'.*; did you mean 'json'"):
        reencode(files(tmp_path, "json"), "jsno", "json")


# -------------------------------------------------------------------- pickles of others


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(("old", "new"), [("pickle", NEW_KEY), ("json", "pickle"), ("pickle+gzip", "json")])
def test_bare_pickles_need_a_storage_that_looks_who_wrote_them(tmp_path: Path, old: Any, new: Any) -> None:
    with pytest.raises(ValueError, match="can run code, and .* was opened with a codec that cannot"):
        reencode(files(tmp_path, "json"), old, new)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no modes of files here")
@pytest.mark.parametrize("new", [NEW_KEY, "json", "pickle+gzip"], ids=repr)
def test_a_pickle_that_another_user_could_have_written_is_not_loaded(tmp_path: Path, new: Any) -> None:
    folder, mark = tmp_path / "folder", tmp_path / "it ran"
    files(folder, "pickle")["a"] = 1
    (folder / "a.storage").write_bytes(pickle.dumps(Evil(mark)))
    (folder / "a.storage").chmod(0o666)
    folder.chmod(0o777)
    with pytest.raises(DecodeError, match="others may write to it"):
        reencode(files(folder, "pickle"), "pickle", new)
    assert not mark.exists()


@pytest.mark.parametrize("new", ["pickle", "pickle+gzip", "json+gzip", "bytes+checksum"])
@pytest.mark.parametrize("old", ["bytes", "bytes+gzip", "json", "pickle"])
def test_a_value_that_is_a_pickle_is_never_loaded_to_see_which_codec_wrote_it(
    tmp_path: Path, old: str, new: str
) -> None:
    """Values may come from anybody, though only we write the files."""
    folder, mark = tmp_path / "folder", tmp_path / "it ran"
    evil = pickle.dumps(Evil(mark))
    for codec in (old, new):
        files(folder, codec)[codec] = evil if codec.startswith("bytes") else evil.decode("latin-1")
    if old != "pickle":
        (folder / "planted.storage").write_bytes(evil)
    with suppress(ValueError, StorageError):
        reencode(files(folder, "pickle"), old, new, skip=lambda error: None)
    assert not mark.exists()
