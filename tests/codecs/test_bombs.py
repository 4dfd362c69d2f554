"""A few bytes that would become very many, or very deep, are refused before they take memory."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from pystorage import FileStorage
from pystorage.codecs import BytesCodec, Codec, GzipCodec, LzmaCodec, ZlibCodec, ZstdCodec
from pystorage.errors import DecodeError

zstd: Any = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

ROOT = Path(__file__).parents[2]
SIZE = 256 << 20
LIMIT = 1 << 20


def zeros(compressor: Any) -> bytes:
    """Compress very many zeros without holding them."""
    piece = bytes(1 << 20)
    return b"".join([*(compressor.compress(piece) for _ in range(SIZE >> 20)), compressor.flush()])


def greedy_zstd() -> bytes:
    below = io.BytesIO()
    with zstd.ZstdFile(below, "wb", options={zstd.CompressionParameter.window_log: 31}) as file:
        file.write(b"a few bytes")
    return below.getvalue()


COMPRESSED: dict[str, tuple[Codec, bytes]] = {
    "gzip": (GzipCodec(max_size=LIMIT), zeros(zlib.compressobj(9, wbits=31))),
    "gzip of gzip": (
        BytesCodec() | GzipCodec(max_size=LIMIT) | GzipCodec(max_size=LIMIT),
        gzip.compress(zeros(zlib.compressobj(9, wbits=31))),
    ),
    "gzip, many small ones": (GzipCodec(max_size=LIMIT), gzip.compress(bytes(LIMIT // 2)) * 100),
    "zlib": (ZlibCodec(max_size=LIMIT), zeros(zlib.compressobj(9))),
    "lzma": (LzmaCodec(max_size=LIMIT), zeros(lzma.LZMACompressor(preset=0))),
    "lzma with a large window": (LzmaCodec(max_size=LIMIT), lzma.compress(b"a few bytes", preset=9)),
    "zstd": (ZstdCodec(max_size=LIMIT), zeros(zstd.ZstdCompressor())),
    "zstd, its size told": (ZstdCodec(max_size=LIMIT), zstd.compress(bytes(64 << 20))),
    "zstd, many small ones": (ZstdCodec(max_size=LIMIT), zstd.compress(bytes(LIMIT // 2)) * 100),
    "zstd with a large window": (ZstdCodec(max_size=LIMIT), greedy_zstd()),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_bomb_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    codec, bomb = COMPRESSED[name]
    match = (
        "memory|limit" if "window" in name else f"it becomes more than max_size={LIMIT} bytes; allow more if"
    )
    with pytest.raises(DecodeError, match=match):
        codec.decode(bomb, "key")
    storage: FileStorage[str, bytes] = FileStorage(tmp_path, codec=codec)
    (tmp_path / "key.storage").write_bytes(bomb)
    with pytest.raises(DecodeError, match="could not read 'key' in"):
        storage["key"]


def test_many_small_archives_behind_one_another_take_time_in_proportion() -> None:
    # Looking at what is left anew for each of them would take very long.
    for codec in (GzipCodec(), ZstdCodec()):
        one = codec.encode(b"", "key")
        assert codec.decode(one * (500_000 // len(one)), "key") == b""


DEEP: dict[str, bytes] = {
    "a JSON list": b"[" * 100_000 + b"]" * 100_000,
    "a JSON dict": b'{"":' * 100_000 + b"1" + b"}" * 100_000,
    "a JSON number": b"9" * 100_000,
    "a MessagePack list": b"\x91" * 100_000 + b"\xc0",
    "a MessagePack dict": b"\x81\xa0" * 100_000 + b"\xc0",
    "a MessagePack list of many": b"\xdd\xff\xff\xff\xff",
    "a MessagePack text of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "a pickled tuple": b"\x80\x04)" + b"\x85" * 100_000 + b".",
    "a pickled text of 2**40": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b".",
    "a pickled bytearray of 2**40": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "a place in the memo of a pickle": b"\x80\x04Nr\xff\xff\xff\x7f.",
    "a header with a name of 4 GiB": b"\x8fPyS\x01\x02" + bytes(4) + b"\xff\xff\xff\xff",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process reliably")
def test_no_decoder_takes_more_than_64_MiB_for_any_bytes() -> None:
    for needed in ("cryptography", "msgspec"):
        pytest.importorskip(needed)
    bombs = [*(bomb for _, bomb in COMPRESSED.values()), *DEEP.values()]
    seconds = float(os.environ.get("PYSTORAGE_FUZZ_SECONDS", "3"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.limited"],
        input=pickle.dumps((bombs, 20261121, seconds)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        timeout=60 + seconds,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert int(done.stdout) > 100
