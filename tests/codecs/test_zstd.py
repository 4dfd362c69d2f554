"""ZstdCodec: frames that any zstd program reads, streams, and a bound on memory."""

from __future__ import annotations

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from pystorage import FileStorage
from pystorage.codecs import BytesCodec, JSONCodec, ZstdCodec, resolve_codec
from pystorage.errors import DecodeError, EncodeError, MissingDependencyError

zstd: Any = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

LINES = b"".join(b"line %d\n" % number for number in range(5000))


def streamed(codec: ZstdCodec, data: bytes) -> bytes:
    below = io.BytesIO()
    with codec.writer(below) as file:
        file.write(data)
    return below.getvalue()


@pytest.mark.parametrize("level", [None, -131072, -1, 0, 3, 19, 20, 22])
@pytest.mark.parametrize("size", [0, 1, 1025, 200_000])
def test_what_is_written_is_read(level: int | None, size: int) -> None:
    value = os.urandom(size // 2) + bytes(size - size // 2)
    for max_size in (None, max(size, 1), 10 * size + 1):
        codec = ZstdCodec(level, max_size=max_size)
        assert codec.decode(codec.encode(value, ""), "") == value
        if level != 22:  # whose streams take a tenth of a second each, however short
            assert codec.decode(streamed(codec, value), "") == value
        assert codec.reader(io.BytesIO(codec.encode(value, ""))).read() == value


def test_the_library_reads_it_and_it_reads_the_library() -> None:
    assert zstd.decompress(ZstdCodec().encode(LINES, "")) == LINES
    assert ZstdCodec().decode(zstd.compress(LINES), "") == LINES


def test_it_has_a_name() -> None:
    assert resolve_codec("json+zstd") == JSONCodec() | ZstdCodec()


def test_frames_behind_one_another_are_one_value() -> None:
    codec = ZstdCodec()
    frames = b"".join(codec.encode(piece, "") for piece in (b"ab", b"", b"cd"))
    assert codec.decode(frames, "") == b"abcd"


@pytest.mark.parametrize("level", [-131073, 23, True, 1.5, "3"])
def test_levels_are_checked(level: Any) -> None:
    with pytest.raises(ValueError, match="level must be -131072 … 22, not"):
        ZstdCodec(level)


@pytest.mark.parametrize("max_size", [0, -1, True, 1.5, "3"])
def test_sizes_are_checked(max_size: Any) -> None:
    with pytest.raises(ValueError, match="max_size must be at least 1 byte, or None, not"):
        ZstdCodec(max_size=max_size)


def test_a_value_that_is_too_large_is_refused_on_both_ways() -> None:
    codec = ZstdCodec(max_size=1000)
    assert codec.decode(codec.encode(bytes(1000), ""), "") == bytes(1000)
    with pytest.raises(EncodeError, match="it has 1001 bytes, more than the max_size=1000"):
        codec.encode(bytes(1001), "")
    for data in (zstd.compress(bytes(1001)), streamed(ZstdCodec(), bytes(1001))):
        with pytest.raises(DecodeError, match="it becomes more than max_size=1000 bytes"):
            codec.decode(data, "")


def test_frames_behind_one_another_count_together() -> None:
    with pytest.raises(DecodeError, match="max_size=1000"):
        ZstdCodec(max_size=1000).decode(zstd.compress(bytes(600)) * 2, "")
    assert ZstdCodec(max_size=1000).decode(zstd.compress(bytes(500)) * 2, "") == bytes(1000)


def test_a_frame_that_asks_for_a_large_window_is_refused() -> None:
    greedy = {zstd.CompressionParameter.window_log: 27}
    below = io.BytesIO()
    with zstd.ZstdFile(below, "wb", options=greedy) as file:
        file.write(b"a few bytes")
    data = below.getvalue()
    with pytest.raises(DecodeError, match="too much memory"):
        ZstdCodec(max_size=1 << 20).decode(data, "")
    with pytest.raises(DecodeError, match="too much memory"):
        ZstdCodec(max_size=1 << 20).reader(io.BytesIO(data)).read()
    assert ZstdCodec().decode(data, "") == b"a few bytes"


WRITTEN = ZstdCodec().encode(LINES, "")

DAMAGED = {
    "nothing": b"",
    "garbage": b"garbage",
    "a cut end": WRITTEN[:-3],
    "a cut beginning": WRITTEN[3:],
    "more behind it": WRITTEN + b"xx",
    "a changed middle": WRITTEN[:200] + bytes(20) + WRITTEN[220:],
    "the head alone": WRITTEN[:6],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="cannot read this"):
        ZstdCodec().decode(data, "")


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("way", ["read", "readline", "readlines", "read1", "readinto", "iteration", "seek"])
def test_damage_in_a_stream_is_a_decode_error_whatever_reads_it(data: bytes, way: str) -> None:
    file = ZstdCodec().reader(io.BytesIO(data))

    def use() -> None:
        if way == "iteration":
            list(file)
        elif way == "seek":
            file.seek(10**6)
        elif way == "readinto":
            while file.readinto(bytearray(10_000)):  # type: ignore[attr-defined]
                pass
        else:
            while getattr(file, way)():
                pass

    with pytest.raises(DecodeError, match="ZstdCodec cannot read this"):
        use()


def test_a_stream_closes_what_is_below_it() -> None:
    below = io.BytesIO(zstd.compress(LINES))
    with ZstdCodec().reader(below) as file:
        assert file.readline() == b"line 0\n"
    assert below.closed


def test_a_stream_can_be_read_from_the_middle() -> None:
    with ZstdCodec().reader(io.BytesIO(zstd.compress(LINES))) as file:
        assert file.seekable()
        file.seek(1000)
        assert (file.tell(), file.read(5)) == (1000, LINES[1000:1005])
        file.seek(10)
        assert file.read() == LINES[10:]


def test_a_storage_streams_through_it(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, codec=BytesCodec() | ZstdCodec(22, max_size=1 << 20))
    with storage.open_write("key", ttl=60) as file:
        for line in LINES.splitlines(keepends=True):
            file.write(line)
    assert storage["key"] == LINES
    with storage.open_read("key") as file:
        assert list(file) == LINES.splitlines(keepends=True)
    assert os.path.getsize(tmp_path / "key.storage") < len(LINES) / 4


def test_it_is_pickled_as_its_settings() -> None:
    codec = ZstdCodec(19, max_size=1000)
    again = pickle.loads(pickle.dumps(codec))
    assert again == codec
    assert repr(again) == "ZstdCodec(19, max_size=1000)"
    with pytest.raises(DecodeError, match="max_size=1000"):
        again.decode(zstd.compress(bytes(1001)), "")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pystorage\[zstd\]'"):
        ZstdCodec()
