"""Values and headers: a bad value leaves the old one, damage is ``DecodeError``, no bytes are mistaken."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pystorage.codecs import header
from pystorage.errors import DecodeError, EncodeError, IntegrityError
from pystorage.naming import Naming
from pystorage.storage import Capability
from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock
from tests.stores.files import writing

CODECS = ("json", "pickle", "text", "bytes", "json+gzip", "pickle+zlib", "text+lzma", "bytes+gzip+gzip")
MAGIC = header.MAGIC
LONG = "k" * 1000


class Unwilling:
    """A value that raises an error of its own when it is pickled."""

    def __reduce__(self) -> str:
        raise KeyError("no business of the storage's")


def sample(codec: str) -> Any:
    """A value that a codec holds."""
    return b"some bytes " * 20 if codec.startswith("bytes") else "some text " * 20


def path_of(storage: FileStorage[str, Any], key: str) -> Path:
    """The file of an entry."""
    naming = Naming()
    return Path(storage.path) / f"{naming.shortened(naming.name(key))}.storage"


# ---------------------------------------------------------------------- bad values


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("key", ["key", LONG])
def test_a_bad_value_leaves_the_old_one(tmp_path: Path, codec: str, key: str) -> None:
    """A value that cannot be encoded is refused by every kind of write, and nothing changes."""
    clock = FakeClock()
    storage = FileStorage[str, Any](tmp_path, codec=codec, timer=clock)
    storage.set(key, sample(codec), ttl=10)
    bad = Unwilling() if codec.startswith("pickle") else object()
    before = {path: path.read_bytes() for path in tmp_path.glob("*.storage*") if path.is_file()}
    writes: list[Callable[[str], object]] = [
        lambda key: storage.__setitem__(key, bad),
        lambda key: storage.set(key, bad, ttl=5),
        lambda key: storage.add(key + "new", bad),
        lambda key: storage.swap(key, sample(codec), bad),
        lambda key: storage.update({key: bad}),
        lambda key: storage.setdefault(key + "new", bad),
    ]
    for write in writes:
        with pytest.raises(EncodeError, match="nothing was written, the old value stands") as caught:
            write(key)
        assert caught.value.key in (key, key + "new")
    assert storage[key] == sample(codec)
    assert storage.ttl(key) == 10
    assert {path: path.read_bytes() for path in tmp_path.glob("*.storage*") if path.is_file()} == before
    assert len(writing(tmp_path)) == 1


def test_a_bad_value_does_not_say_that_there_are_deadlines(tmp_path: Path) -> None:
    """The settings are written for an entry with a deadline, not for one that is refused."""
    storage = FileStorage[str, Any](tmp_path)
    with pytest.raises(EncodeError):
        storage.set("key", object(), ttl=10)
    assert list(tmp_path.glob("%pystorage*.settings")) == []


# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize("codec", [one for one in CODECS if one != "bytes"])
@pytest.mark.parametrize("key, ttl", [("key", None), ("key", 10), (LONG, None), (LONG, 10)])
def test_a_truncated_file_is_a_decode_error(tmp_path: Path, codec: str, key: str, ttl: Any) -> None:
    """Of an entry that is cut short nothing is given; but every beginning of a text is a text."""
    storage = FileStorage[str, Any](tmp_path, codec=codec, timer=FakeClock())
    storage.set(key, sample(codec), ttl=ttl)
    path = path_of(storage, key)
    whole = path.read_bytes()
    start = header.read(whole).size
    for length in [*range(0, len(whole), 1 + len(whole) // 60), len(whole) - 1]:
        path.write_bytes(whole[:length])
        if codec == "text" and (length >= start or (length == 0 and key == "key")):
            assert storage[key] == sample(codec)[: max(0, length - start)]
            continue
        with pytest.raises(DecodeError, match="the bytes are left where they are|of no key") as caught:
            storage[key]
        assert caught.value.key == key
        with pytest.raises(DecodeError):
            storage.get(key, "default")
        assert path.read_bytes() == whole[:length]
        assert key in storage
    del storage[key]
    assert key not in storage


@pytest.mark.parametrize("codec", ["json+gzip", "pickle+zlib", "text+lzma", "bytes+gzip+gzip"])
def test_a_flipped_bit_is_found(tmp_path: Path, codec: str) -> None:
    """Where the codec has a checksum, a changed bit is ``DecodeError``, or does not matter at all."""
    storage = FileStorage[str, Any](tmp_path, codec=codec)
    storage["key"] = sample(codec)
    path = path_of(storage, "key")
    whole, harmless = path.read_bytes(), 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            assert storage["key"] == sample(codec)
            harmless += 1
        except DecodeError:
            pass
    assert harmless <= 16, "gzip's time and system are the only bytes that say nothing"


@pytest.mark.parametrize("key, ttl", [("key", 10), (LONG, None), (LONG, 10)])
@pytest.mark.parametrize("codec", ["json", "bytes"])
def test_a_flipped_bit_in_a_header_is_found(tmp_path: Path, codec: str, key: str, ttl: Any) -> None:
    """A header that changed is ``DecodeError``; the entry is there all the same, and can be replaced."""
    storage = FileStorage[str, Any](tmp_path, codec=codec, timer=FakeClock())
    storage.set(key, sample(codec), ttl=ttl)
    storage.set("other", sample(codec), ttl=10)
    path = path_of(storage, key)
    whole = path.read_bytes()
    size = header.read(whole).size
    # Who changes the magic makes bytes that have no header: only those of a long key are sure to need one.
    first = 0 if key == LONG else len(MAGIC)
    for place in [*range(first, min(size, 30)), *range(30, size, 97)]:
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(DecodeError):
                storage[key]
            assert key in storage
    assert "other" in list(storage)
    assert len(storage) == (1 if key == LONG else 2)
    assert [found for found in storage.scan("o")] == ["other"]
    assert storage.purge() == 0
    storage[key] = sample(codec)
    assert dict(storage) == {key: sample(codec), "other": sample(codec)}


FOREIGN = {
    "empty": b"",
    "zeros": bytes(1000),
    "not UTF-8": b"\xff\xfe",
    "a header of a newer format": MAGIC + b"\x02\x00" + bytes(100),
    "a header with unknown flags": MAGIC + b"\x01\xf0" + bytes(100),
    "a header alone, cut short": MAGIC,
    "a header whose name is endless": MAGIC + b"\x01\x02" + bytes(4) + b"\xff\xff\xff\xff",
    "a header with a deadline of NaN": MAGIC + b"\x01\x01" + bytes(4) + b"\x7f\xf8" + bytes(6),
}


@pytest.mark.parametrize("codec", [one for one in CODECS if one not in ("bytes", "text")])
@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_a_decode_error(tmp_path: Path, codec: str, what: str) -> None:
    """A file that no storage wrote is ``DecodeError`` for who reads it, and disturbs nobody else."""
    storage = FileStorage[str, Any](tmp_path, codec=codec, timer=FakeClock())
    storage.set("other", sample(codec), ttl=10)
    (tmp_path / "key.storage").write_bytes(FOREIGN[what])
    reads: list[Callable[[], object]] = [
        lambda: storage["key"],
        lambda: storage.get("key"),
        lambda: storage.pop("key", None),
        lambda: dict(storage),
        lambda: storage.swap("key", 1, 2),
    ]
    if Capability.INCR in storage.capabilities:
        reads.append(lambda: storage.incr("key"))
    for read in reads:
        with pytest.raises(DecodeError) as caught:
            read()
        assert not isinstance(caught.value, KeyError)
    if "newer format" in what or "unknown flags" in what:
        assert "upgrade pystorage" in str(caught.value)
    assert sorted(storage) == ["key", "other"]
    assert storage["other"] == sample(codec)
    if "header" in what:
        with pytest.raises(DecodeError):
            storage.add("key", sample(codec))
    else:
        assert storage.add("key", sample(codec)) is False
    storage["key"] = sample(codec)
    assert storage["key"] == sample(codec)


# ---------------------------------------------------------------------- bytes that look like a header

HEADERS = [header.prefix(deadline=deadline, name=name) for deadline in (None, 5.0) for name in (None, "key")]
BYTES = [
    *(MAGIC[:length] for length in range(5)),
    *(MAGIC + bytes(length) for length in range(1, 7)),
    *(MAGIC + b"\x01\x00", MAGIC * 3, b"\0" + MAGIC),
    *HEADERS,
    *(one + b"value" for one in HEADERS),
    *(one + one + MAGIC for one in HEADERS),
]


@pytest.mark.parametrize("key", ["key", LONG])
@pytest.mark.parametrize("ttl", [None, 10])
@pytest.mark.parametrize("data", BYTES)
def test_bytes_that_begin_like_a_header_are_bytes(tmp_path: Path, key: str, ttl: Any, data: bytes) -> None:
    """Values that look like the storage's own header come back by every way as they were."""
    storage = FileStorage[str, Any](tmp_path, codec="bytes", timer=FakeClock())
    writes: list[Callable[[], object]] = [
        lambda: storage.set(key, data, ttl=ttl),
        lambda: storage.add(key, data, ttl=ttl),
        lambda: stream(storage, key, data, ttl),
    ]
    for write in writes:
        storage.clear()
        write()
        assert storage[key] == data
        with storage.open_read(key) as file:
            assert file.read() == data
        assert storage.ttl(key) == ttl
        assert list(storage.items()) == [(key, data)]
        storage.expire(key, 20)
        assert (storage[key], storage.ttl(key)) == (data, 20)
        storage.expire(key, None)
        assert (storage[key], storage.ttl(key)) == (data, None)
        assert storage.swap(key, data, data + b"!")
        assert storage[key] == data + b"!"


def stream(storage: FileStorage[str, Any], key: str, data: bytes, ttl: float | None) -> None:
    """Write bytes one by one."""
    with storage.open_write(key, ttl=ttl) as file:
        for place in range(len(data)):
            file.write(data[place : place + 1])
            file.flush()


@settings(max_examples=200)
@given(data=st.binary(max_size=40) | st.builds(MAGIC.__add__, st.binary(max_size=40)))
def test_any_bytes_are_packed_and_unpacked(data: bytes) -> None:
    """Whatever the bytes, with any header, they are found again, and bare ones are what no header is."""
    for deadline in (None, 0.5):
        for name in (None, "", "name" * 300):
            packed = header.pack(data, deadline=deadline, name=name)
            head, body = header.unpack(packed)
            assert (head.deadline, head.name, body) == (deadline, name, data)
    assert header.pack(data) == data or data.startswith(MAGIC)


# ---------------------------------------------------------------------- long keys


def test_the_entry_of_another_long_key_is_not_taken_for_it(tmp_path: Path) -> None:
    """A file under the short name of a long key that tells another key is ``IntegrityError``."""
    storage = FileStorage[str, Any](tmp_path, codec="bytes")
    storage.update({LONG: b"value", LONG + "2": b"other"})
    path_of(storage, LONG).write_bytes(path_of(storage, LONG + "2").read_bytes())
    for read in (storage.__getitem__, storage.open_read, storage.get):
        with pytest.raises(IntegrityError, match="is of another key") as caught:
            read(LONG)
        assert len(str(caught.value)) < 1000
    assert list(storage) == [LONG + "2"]
    path_of(storage, LONG).write_bytes(b"bare")
    for read in (storage.__getitem__, storage.open_read, storage.get):
        with pytest.raises(IntegrityError, match="is of no key"):
            read(LONG)
    assert list(storage) == [LONG + "2"]
    storage.clear()
    assert list(tmp_path.glob("*.storage")) == []


def test_a_very_long_key_with_a_deadline(tmp_path: Path) -> None:
    """A key of a megabyte is listed, expires and is purged like any other."""
    clock = FakeClock()
    storage = FileStorage[str, Any](tmp_path, timer=clock)
    keys = ["long" * 250_000, "long" * 250_000 + "!", "short"]
    for number, key in enumerate(keys):
        storage.set(key, number, ttl=10 + number)
    assert sorted(storage.items()) == sorted(zip(keys, range(3), strict=True))
    assert [key for key in storage.scan("long" * 250_000)] != []
    clock.advance(10)
    assert sorted(storage) == sorted(keys[1:])
    assert keys[0] not in storage
    clock.advance(1)
    assert storage.purge() == 1
    assert list(storage) == ["short"]
    assert len(list(tmp_path.glob("*.storage"))) == 1


@pytest.mark.parametrize("codec", ["json", "pickle"])
def test_plain_files_hold_the_value_and_nothing_else(tmp_path: Path, codec: str) -> None:
    """What other programs read is the encoded value itself."""
    storage = FileStorage[str, Any](tmp_path, codec=codec)
    storage["some_key"] = {"text": "Hello World!"}
    data = (tmp_path / "some_key.storage").read_bytes()
    assert (json if codec == "json" else pickle).loads(data) == {"text": "Hello World!"}  # type: ignore[attr-defined]


def test_an_error_of_counting_tells_a_key_that_no_text_shows(tmp_path: Path) -> None:
    """Python writes integers of so many digits in no text, and says so by an error of its own."""
    storage = FileStorage[Any, Any](tmp_path)
    storage[10**5000] = "text"
    with pytest.raises(TypeError, match="no int"):
        storage.incr(10**5000)
