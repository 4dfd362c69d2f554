"""Gzip, zlib and xz: what comes back, and what is refused."""

from __future__ import annotations

import gzip
import lzma
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.codecs import Codec, GzipCodec, LzmaCodec, ZlibCodec
from pystorage.errors import DecodeError, EncodeError

CODECS: list[Codec] = [GzipCodec(), ZlibCodec(), LzmaCodec()]
KINDS: list[Any] = [GzipCodec, ZlibCodec, LzmaCodec]

by_codec = pytest.mark.parametrize("codec", CODECS, ids=repr)
by_kind = pytest.mark.parametrize("kind", KINDS)

VALUE = b"It was a bright cold day in April, and the clocks were striking thirteen. " * 3


@by_codec
@given(value=st.binary(max_size=2000) | st.binary(max_size=5).map(lambda piece: piece * 1000))
def test_what_was_compressed_comes_back(codec: Codec, value: bytes) -> None:
    for given_ in (value, bytearray(value), memoryview(value)):
        data = codec.encode(given_, "name")
        assert type(data) is bytes
        assert codec.decode(data, "name") == value


@by_codec
def test_it_becomes_smaller(codec: Codec) -> None:
    assert len(codec.encode(b"x" * 100_000, "name")) < 1000


@by_codec
def test_the_same_bytes_give_the_same_result(codec: Codec) -> None:
    assert codec.encode(VALUE, "name") == codec.encode(VALUE, "other name")


@pytest.mark.parametrize(
    "codec, compress, decompress",
    [
        (GzipCodec(), gzip.compress, gzip.decompress),
        (ZlibCodec(), zlib.compress, zlib.decompress),
        (LzmaCodec(), lzma.compress, lzma.decompress),
    ],
    ids=["gzip", "zlib", "xz"],
)
def test_the_formats_are_the_usual_ones(codec: Codec, compress: Any, decompress: Any) -> None:
    assert decompress(codec.encode(VALUE, "name")) == VALUE
    assert codec.decode(compress(VALUE), "name") == VALUE


@by_codec
@pytest.mark.parametrize("value", [None, 5, "text", [1], {"a": 1}])
def test_only_bytes_are_compressed(codec: Codec, value: Any) -> None:
    with pytest.raises(EncodeError, match=f"must be bytes here, not {type(value).__name__}"):
        codec.encode(value, "name")


@by_kind
@pytest.mark.parametrize("level", range(10))
def test_any_level_is_read_by_any_other(kind: Any, level: int) -> None:
    if (kind, level) == (LzmaCodec, 9):
        pytest.skip("this level takes 700 MB of memory")
    assert kind().decode(kind(level).encode(VALUE, "name"), "name") == VALUE


@by_kind
@pytest.mark.parametrize("level", [-1, 10, 1.5, "6", True, False, 99])
def test_there_is_no_such_level(kind: Any, level: Any) -> None:
    with pytest.raises(ValueError, match="level must be 0 … 9"):
        kind(level)


@by_kind
def test_settings_are_shown_and_compared(kind: Any) -> None:
    name = kind.__name__
    assert repr(kind()) == repr(kind(6)) == f"{name}()"
    assert repr(kind(1)) == f"{name}(1)"
    assert kind() == kind(6)
    assert hash(kind()) == hash(kind(6))
    assert kind(1) != kind(2)
    assert len({kind(), kind(6), kind(1), *(other() for other in KINDS)}) == 4


# -------------------------------------------------------------------- what is no archive


@by_codec
@given(data=st.binary(max_size=80))
def test_junk_is_refused(codec: Codec, data: bytes) -> None:
    said = ""
    try:
        value = codec.decode(data, "name")
    except DecodeError as error:
        said = str(error)
    if said:
        assert type(codec).__name__ in said
    else:  # a few bytes of zlib's format are short enough to be found by chance
        assert codec == ZlibCodec()
        assert zlib.decompress(data) == value


@by_codec
def test_nothing_is_no_archive(codec: Codec) -> None:
    with pytest.raises(DecodeError):
        codec.decode(b"", "name")
    assert codec.decode(codec.encode(b"", "name"), "name") == b""


@by_codec
@pytest.mark.parametrize("value", [b"", VALUE])
def test_a_cut_archive_is_refused(codec: Codec, value: bytes) -> None:
    whole = codec.encode(value, "name")
    for end in range(len(whole)):
        with pytest.raises(DecodeError):
            codec.decode(whole[:end], "name")


@by_codec
@pytest.mark.parametrize("value", [b"", VALUE])
def test_no_changed_bit_changes_the_value(codec: Codec, value: bytes) -> None:
    # Where it says nothing (gzip's header holds a time, a system and flags) the value is the same.
    whole = codec.encode(value, "name")
    refused = 0
    for at in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        try:
            assert codec.decode(bytes(changed), "name") == value
        except DecodeError:
            refused += 1
    assert refused > len(whole) * 4


@by_codec
@pytest.mark.parametrize("more", [b"x", b"junk" * 10, b"\0x", b"\x1f\x8b"])
def test_nothing_may_follow_an_archive(codec: Codec, more: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode(codec.encode(VALUE, "name") + more, "name")


def test_archives_of_other_formats_are_refused() -> None:
    for codec in CODECS:
        for other in CODECS:
            if other is not codec:
                with pytest.raises(DecodeError):
                    codec.decode(other.encode(VALUE, "name"), "name")


def test_the_old_format_of_lzma_is_refused() -> None:
    # It has no checksum, so that changed bytes would go unseen.
    with pytest.raises(DecodeError):
        LzmaCodec().decode(lzma.compress(VALUE, format=lzma.FORMAT_ALONE), "name")


def test_a_gzip_file_may_be_several_archives() -> None:
    codec = GzipCodec()
    assert codec.decode(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 20, "name") == b"one two"


# -------------------------------------------------------------------- a largest size


@by_kind
def test_few_bytes_that_become_many_are_refused(kind: Any) -> None:
    bomb = kind().encode(bytes(1_000_000), "name")
    assert len(bomb) < 5000
    assert kind(max_size=1_000_000).decode(bomb, "name") == bytes(1_000_000)
    with pytest.raises(DecodeError, match="max_size=999999"):
        kind(max_size=999_999).decode(bomb, "name")
    assert len(kind(max_size=None).decode(bomb, "name")) == 1_000_000


@by_kind
def test_what_could_not_be_read_is_not_written(kind: Any) -> None:
    assert kind(max_size=5).decode(kind(max_size=5).encode(b"12345", "name"), "name") == b"12345"
    with pytest.raises(EncodeError, match="6 bytes, more than the max_size=5"):
        kind(max_size=5).encode(b"123456", "name")


@by_kind
@pytest.mark.parametrize("max_size", [0, -1, 1.5, "5", True])
def test_a_largest_size_is_a_number_of_bytes(kind: Any, max_size: Any) -> None:
    with pytest.raises(ValueError, match="max_size must be at least 1 byte"):
        kind(max_size=max_size)
