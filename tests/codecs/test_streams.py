"""Values as streams: bytes and gzip, piece by piece."""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.codecs import (
    BytesCodec,
    Codec,
    GzipCodec,
    JSONCodec,
    LzmaCodec,
    PickleCodec,
    TextCodec,
    ZlibCodec,
)
from pystorage.errors import DecodeError

STREAMS: list[Codec] = [
    BytesCodec(),
    GzipCodec(),
    GzipCodec(1),
    BytesCodec() | GzipCodec(),
    GzipCodec() | BytesCodec(),
    GzipCodec() | GzipCodec(),
]
by_stream = pytest.mark.parametrize("codec", STREAMS, ids=repr)

LINES = b"".join(b"line %d\n" % number for number in range(20_000))


class Stored(io.BytesIO):
    """Keeps what was written when it is closed."""

    def written(self) -> bytes:
        return self.getvalue()


def stored(codec: Codec, pieces: list[bytes]) -> bytes:
    file = Stored()
    writer = codec.writer(cast(BinaryIO, file))
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    if writer is not file:
        writer.close()
    return file.written()


def reading(codec: Codec, data: bytes) -> BinaryIO:
    return codec.reader(cast(BinaryIO, io.BytesIO(data)))


@by_stream
@given(pieces=st.lists(st.binary(max_size=50), max_size=6))
def test_what_was_written_in_pieces_comes_back(codec: Codec, pieces: list[bytes]) -> None:
    data = stored(codec, pieces)
    assert codec.decode(data, "name") == b"".join(pieces)
    with reading(codec, data) as file:
        assert file.read() == b"".join(pieces)


@by_stream
@given(value=st.binary(max_size=300), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_what_was_encoded_is_read_in_pieces(codec: Codec, value: bytes, sizes: list[int]) -> None:
    pieces = []
    with reading(codec, codec.encode(value, "name")) as file:
        while piece := file.read(sizes[len(pieces) % len(sizes)]):
            pieces.append(piece)
        assert file.read(1) == b""
    assert b"".join(pieces) == value


@by_stream
def test_the_stream_is_the_value_itself(codec: Codec) -> None:
    assert codec.decode(stored(codec, [LINES]), "name") == LINES
    assert codec.decode(stored(codec, [LINES[:7], LINES[7:]]), "name") == LINES


@by_stream
def test_a_reader_is_a_file(codec: Codec) -> None:
    with reading(codec, codec.encode(LINES, "name")) as file:
        assert file.readable()
        assert not file.closed
        assert file.readline() == b"line 0\n"
        assert next(iter(file)) == b"line 1\n"
        assert file.readlines(1) == [b"line 2\n"]
        buffer = bytearray(7)
        assert file.readinto(buffer) == 7  # type: ignore[attr-defined]
        assert buffer == b"line 3\n"
        assert file.tell() == 28
        assert file.seek(0) == 0
        target = io.BytesIO()
        shutil.copyfileobj(file, target)
        assert target.getvalue() == LINES
    assert file.closed
    file.close()


@by_stream
def test_closing_a_reader_closes_what_is_below(codec: Codec) -> None:
    below = io.BytesIO(codec.encode(b"value", "name"))
    codec.reader(cast(BinaryIO, below)).close()
    assert below.closed


@by_stream
def test_closing_a_writer_leaves_what_is_below_to_its_owner(codec: Codec) -> None:
    below = io.BytesIO()
    writer = codec.writer(cast(BinaryIO, below))
    writer.write(b"value")
    if writer is not below:
        writer.close()
        assert not below.closed
    assert codec.decode(below.getvalue(), "name") == b"value"


# -------------------------------------------------------------------- faults

READS: dict[str, Callable[[Any], Any]] = {
    "read": lambda file: file.read(),
    "read in pieces": lambda file: [piece for piece in iter(lambda: file.read(100), b"")],
    "readline": lambda file: file.readlines(),
    "iteration": list,
    "readinto": lambda file: [0 for _ in iter(lambda: file.readinto(bytearray(4096)), 0)],
    "read1": lambda file: [piece for piece in iter(lambda: file.read1(100), b"")],
    "seek": lambda file: (file.seek(len(LINES) - 1), file.read()),
    "copy": lambda file: shutil.copyfileobj(file, io.BytesIO()),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("damage", ["empty", "cut", "cut at the end", "changed", "junk", "more"])
@pytest.mark.parametrize("codec", [GzipCodec(), BytesCodec() | GzipCodec()], ids=repr)
def test_a_damaged_stream_is_a_decode_error_however_it_is_read(codec: Codec, damage: str, read: str) -> None:
    whole = codec.encode(LINES, "name")
    middle = len(whole) // 2
    data = {
        "empty": b"",
        "cut": whole[:middle],
        "cut at the end": whole[:-1],
        "changed": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "junk": LINES,
        "more": whole + b"junk",
    }[damage]
    with reading(codec, data) as file, pytest.raises(DecodeError, match="GzipCodec cannot read this"):
        READS[read](file)


def test_an_empty_value_is_read_as_one() -> None:
    for codec in STREAMS:
        with reading(codec, codec.encode(b"", "name")) as file:
            assert (file.read(), file.read(5), file.readline()) == (b"", b"", b"")


def test_several_archives_are_one_stream() -> None:
    with reading(GzipCodec(), gzip.compress(b"one ") + gzip.compress(b"two")) as file:
        assert file.read() == b"one two"


@pytest.mark.parametrize(
    "codec",
    [
        JSONCodec(),
        PickleCodec(),
        TextCodec(),
        ZlibCodec(),
        LzmaCodec(),
        JSONCodec() | GzipCodec(),
        GzipCodec() | ZlibCodec(),
    ],
    ids=repr,
)
def test_others_do_not_stream(codec: Codec) -> None:
    assert codec.streams is False
    for make in (codec.reader, codec.writer):
        with pytest.raises(TypeError, match="does not stream"):
            make(cast(BinaryIO, io.BytesIO()))
