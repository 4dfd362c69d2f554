"""Streams of files: of any size in little memory, visible when they are whole, their damage said."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.codecs import header
from pystorage.errors import DecodeError, UnavailableError
from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock
from pystorage.testing.parallel import Child
from tests.stores.files import entries, open_files, writing

MEGABYTE = 1 << 20
CODECS = ["bytes", "bytes+gzip", "bytes+gzip+gzip"]


def opened(place: Path, codec: str = "bytes", **options: Any) -> FileStorage[str, bytes]:
    return FileStorage(place, codec=codec, **options)


def peak() -> int:
    """The most memory this process ever had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@pytest.mark.parametrize("codec", CODECS[:2])
def test_256_mebibytes_in_little_memory(tmp_path: Path, codec: str) -> None:
    """A value far larger than what may be used of memory is written, with a deadline, and read back."""
    piece = bytes(range(256)) * (MEGABYTE // 256)

    def handle() -> int:
        storage, before = opened(tmp_path, codec), peak()
        with storage.open_write("key", ttl=1000) as file:
            for number in range(256):
                file.write(number.to_bytes(4, "big") + piece[4:])
        with storage.open_read("key") as file:
            for number in range(256):
                assert file.read(MEGABYTE) == number.to_bytes(4, "big") + piece[4:]
            assert file.read(1) == b""
        return peak() - before

    with Child(handle) as child:
        assert child.result() < 8 * MEGABYTE


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("pieces", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("ttl", [None, 10])
def test_a_body_that_begins_like_a_header(tmp_path: Path, codec: str, pieces: int, ttl: Any) -> None:
    """Bytes like the storage's own header, written in pieces of every size, are the value."""
    storage = opened(tmp_path, codec, timer=FakeClock())
    for body in (header.MAGIC, header.MAGIC * 5, header.prefix(deadline=1.0) + b"x", header.MAGIC[:3] + b"x"):
        with storage.open_write("key", ttl=ttl) as file:
            for start in range(0, len(body), pieces):
                assert file.write(body[start : start + pieces]) == len(body[start : start + pieces])
                file.flush()
        with storage.open_read("key") as file:
            assert file.read() == body
        assert storage["key"] == body
        assert storage.ttl("key") == ttl


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("size", [0, 3, 1_000_000])
@pytest.mark.parametrize("ttl", [None, 10])
def test_an_exception_leaves_nothing(tmp_path: Path, codec: str, error: Any, size: int, ttl: Any) -> None:
    """A body that raises leaves no value, file or open descriptor, nor a warning when it is collected."""
    storage = opened(tmp_path, codec)
    storage["key"] = b"old"
    gc.collect()
    before, files = entries(tmp_path), open_files()

    def write() -> None:
        with storage.open_write("key", ttl=ttl) as file:
            file.write(b"x" * size)
            raise error

    with pytest.raises(error):
        write()
    gc.collect()
    assert storage["key"] == b"old"
    assert (entries(tmp_path), open_files()) == (before, files)
    assert len(writing(tmp_path)) == 1


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_that_is_never_left_leaves_nothing(tmp_path: Path, codec: str) -> None:
    """A stream that is entered and dropped writes nothing."""
    storage = opened(tmp_path, codec)
    storage["other"] = b""
    gc.collect()
    files = open_files()
    stream = storage.open_write("key")
    stream.__enter__().write(b"x" * 1_000_000)
    del stream
    gc.collect()
    assert list(storage) == ["other"]
    assert len(writing(tmp_path)) == 1
    assert open_files() == files


@pytest.mark.parametrize("codec", CODECS)
def test_a_body_that_closes_the_file(tmp_path: Path, codec: str) -> None:
    """The file may be closed by the body, and takes nothing after the end."""
    storage = opened(tmp_path, codec)
    with storage.open_write("key") as file:
        file.write(b"value")
        file.close()
    assert storage["key"] == b"value"
    with storage.open_write("key") as file:
        file.write(b"value 2")
    with pytest.raises(ValueError, match="closed"):
        file.write(b"more")
    assert storage["key"] == b"value 2"


@pytest.mark.parametrize("codec", CODECS)
def test_a_reader_keeps_what_it_opened(tmp_path: Path, codec: str) -> None:
    """Who reads while the value is replaced, removed, or expires, reads the old one to its end."""
    clock = FakeClock()
    storage = opened(tmp_path, codec, timer=clock)
    old = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(20_000))
    changes: list[Callable[[], object]] = [
        lambda: storage.__setitem__("key", b"new"),
        lambda: storage.__delitem__("key"),
        lambda: clock.advance(10),
        storage.clear,
        storage.close,
    ]
    for change in changes:
        storage.set("key", old, ttl=10)
        with storage.open_read("key") as file:
            begin = file.read(100)
            change()
            assert begin + file.read() == old


# ---------------------------------------------------------------------- damage

READS: dict[str, Callable[[Any], object]] = {
    "read": lambda file: file.read(),
    "read in pieces": lambda file: [piece for piece in iter(lambda: file.read(100), b"")],
    "read1": lambda file: [piece for piece in iter(lambda: file.read1(100), b"")],
    "readinto": lambda file: [size for size in iter(lambda: file.readinto(bytearray(100)), 0)],
    "readline": lambda file: [line for line in iter(file.readline, b"")],
    "lines": list,
    "readlines": lambda file: file.readlines(),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_truncated_archive_is_a_decode_error(tmp_path: Path, codec: str, read: str) -> None:
    """However it is read, a compressed stream that is cut short or changed is ``DecodeError``."""
    storage = opened(tmp_path, codec)
    value = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\n" for number in range(500))
    storage["key"] = value
    path = tmp_path / "key.storage"
    whole = path.read_bytes()
    with storage.open_read("key") as file:
        READS[read](file)
    changed = bytearray(whole)
    changed[-5] ^= 1
    cuts = [whole[:length] for length in (0, 1, 9, 10, 15, len(whole) // 2, len(whole) - 8, len(whole) - 1)]
    gc.collect()
    files = open_files()
    for data in (*cuts, bytes(changed), b"not an archive", b"\x1f\x8b" + bytes(50)):
        path.write_bytes(data)

        def use() -> None:
            with storage.open_read("key") as file:
                READS[read](file)

        with pytest.raises(DecodeError):
            use()
        assert path.read_bytes() == data
    gc.collect()
    assert open_files() == files


@pytest.mark.parametrize("what", ["cut short", "of a newer format", "with an endless name"])
def test_a_damaged_header_is_a_decode_error(tmp_path: Path, what: str) -> None:
    """A stream with a header that cannot be read is refused when it is opened, in little memory."""
    storage = opened(tmp_path)
    storage.set("key", b"value", ttl=10)
    path = tmp_path / "key.storage"
    data = {
        "cut short": header.prefix(deadline=5.0)[:-1],
        "of a newer format": header.MAGIC + b"\x02" + bytes(100),
        "with an endless name": header.MAGIC + b"\x01\x02" + bytes(4) + b"\xff" * 4 + bytes(100),
    }[what]
    path.write_bytes(data)
    before = peak()
    for read in (storage.open_read, storage.__getitem__):
        with pytest.raises(DecodeError, match="the bytes are left where they are"):
            read("key")
    assert "key" in storage
    assert peak() - before < 8 * MEGABYTE


def test_a_long_archive_of_several_parts(tmp_path: Path) -> None:
    """Archives one behind the other are one value, as other programs write them."""
    storage = opened(tmp_path, "bytes+gzip")
    (tmp_path / "key.storage").write_bytes(gzip.compress(b"one ") + gzip.compress(b"two") + bytes(20))
    assert storage["key"] == b"one two"
    with storage.open_read("key") as file:
        assert file.read() == b"one two"


# ---------------------------------------------------------------------- places in a stream


@pytest.mark.parametrize("key", ["key", "k" * 1000])
@pytest.mark.parametrize("ttl", [None, 10])
def test_the_header_is_no_part_of_a_stream(tmp_path: Path, key: str, ttl: Any) -> None:
    """Places count from the beginning of the value, and none lies before it."""
    storage = opened(tmp_path, timer=FakeClock())
    storage.set(key, bytes(range(200)), ttl=ttl)
    with storage.open_read(key) as file:
        assert file.tell() == 0
        assert file.seek(100) == file.tell() == 100
        assert file.read(2) == b"de"
        assert file.seek(-2, io.SEEK_CUR) == 100
        assert file.seek(-200, io.SEEK_END) == 0
        assert file.read(1) == b"\0"
        assert file.seek(0, io.SEEK_END) == 200
        assert file.seek(500) == 500
        assert file.read() == b""
        assert file.seek(0) == 0
        for offset, whence in ((-1, io.SEEK_SET), (-1, io.SEEK_CUR), (-201, io.SEEK_END)):
            with pytest.raises((ValueError, OSError)):
                file.seek(offset, whence)
        assert file.seek(10) == 10
        assert file.read() == bytes(range(10, 200))
        assert file.seekable()
        assert not file.writable()


def test_a_codec_of_values_streams_through_memory(tmp_path: Path) -> None:
    """Where values are no bytes, bytes that were pickled can be read as a stream all the same."""
    storage = FileStorage[str, Any](tmp_path, codec="pickle")
    with storage.open_write("key") as file:
        file.write(b"value")
    assert storage["key"] == b"value"
    with storage.open_read("key") as file:
        assert file.read() == b"value"


def test_a_storage_that_is_closed_finishes_its_streams(tmp_path: Path) -> None:
    """Closing the storage in the middle of a stream does not give its file away to who sweeps."""
    storage = opened(tmp_path)
    with storage.open_write("key") as file:
        file.write(b"one ")
        storage.close()
        assert len(opened(tmp_path)) == 0
        file.write(b"two")
    assert opened(tmp_path)["key"] == b"one two"
    assert writing(tmp_path) == []


def test_a_folder_that_goes_away_under_a_stream(tmp_path: Path) -> None:
    """A stream whose place was removed fails as it is left, and once."""
    place = tmp_path / "place"
    storage = opened(place)

    def write() -> None:
        with storage.open_write("key") as file:
            file.write(b"x" * 1000)
            os.rename(place, tmp_path / "moved")

    with pytest.raises(UnavailableError, match="could not write 'key'"):
        write()
    assert not place.exists()
