"""What codecs add to a value, and compression against the libraries' own calls."""

from __future__ import annotations

import gzip
import json
import lzma
import random
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from benchmarks.conftest import Compare
from pystorage.codecs import (
    BytesCodec,
    ChecksumCodec,
    Codec,
    EncryptedCodec,
    GzipCodec,
    JSONCodec,
    LzmaCodec,
    MsgspecCodec,
    PickleCodec,
    SignedCodec,
    VersionedCodec,
    ZlibCodec,
    ZstdCodec,
)

KEYS = {"2026": bytes(32), "2025": bytes(range(32))}
NAME = "user:12345"
SMALL = b"x" * 100
_CHANCE = random.Random(20261121)
#: A megabyte of JSON, as an application that compresses would have it.
LARGE = json.dumps(
    [
        {
            "id": number,
            "name": f"customer {_CHANCE.randrange(10**6)}",
            "balance": _CHANCE.random(),
            "active": True,
        }
        for number in range(12_000)
    ]
).encode()[: 1 << 20]
ORDER = {"name": "x" * 60, "number": 5, "flags": [True, False]}

#: Codec → what it may add to a value of 100 B, in seconds; None where nothing is promised.
ADDED: dict[str, tuple[Codec, float | None]] = {
    "signed": (SignedCodec(KEYS, "shop"), 5e-6),
    "encrypted": (EncryptedCodec(KEYS, "shop"), 15e-6),
    "encrypted, ChaCha20": (EncryptedCodec(KEYS, "shop", algorithm="chacha20-poly1305"), 15e-6),
    "checksum": (ChecksumCodec("shop"), None),
}


def library(name: str) -> tuple[Codec, Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Give a codec, and the library's own calls with the same settings."""
    zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    checked = {zstd.CompressionParameter.compression_level: 3, zstd.CompressionParameter.checksum_flag: 1}
    calls: dict[str, tuple[Codec, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
        "zstd": (ZstdCodec(), lambda data: bytes(zstd.compress(data, 3)), zstd.decompress),
        "zstd with a checksum": (
            ZstdCodec(),
            lambda data: bytes(zstd.compress(data, options=checked)),
            zstd.decompress,
        ),
        "gzip": (GzipCodec(), lambda data: gzip.compress(data, 6, mtime=0), gzip.decompress),
        "zlib": (ZlibCodec(), lambda data: zlib.compress(data, 6), zlib.decompress),
        "lzma": (LzmaCodec(0), lambda data: lzma.compress(data, preset=0), lzma.decompress),
    }
    return calls[name]


@pytest.mark.parametrize("name", ADDED)
def test_writing_100_bytes(compare: Compare, name: str) -> None:
    codec, added = ADDED[name]
    bare, ours = BytesCodec(), BytesCodec() | codec
    what = f"write 100 B, {name}"
    compare(
        what, lambda: bare.encode(SMALL, NAME), lambda: ours.encode(SMALL, NAME), added=added, number=2000
    )


@pytest.mark.parametrize("name", ADDED)
def test_reading_100_bytes(compare: Compare, name: str) -> None:
    codec, added = ADDED[name]
    bare, ours = BytesCodec(), BytesCodec() | codec
    data = ours.encode(SMALL, NAME)
    what = f"read 100 B, {name}"
    compare(what, lambda: bare.decode(SMALL, NAME), lambda: ours.decode(data, NAME), added=added, number=2000)


@pytest.mark.parametrize("name", ADDED)
def test_reading_a_megabyte(compare: Compare, name: str) -> None:
    codec, _ = ADDED[name]
    data = codec.encode(LARGE, NAME)
    compare(
        f"read 1 MB, {name}; bare: copy it",
        lambda: bytearray(data),
        lambda: codec.decode(data, NAME),
        number=5,
    )


@pytest.mark.parametrize("name", ["zstd", "zstd with a checksum", "gzip", "zlib", "lzma"])
def test_compressing_a_megabyte(compare: Compare, name: str) -> None:
    codec, compress, _ = library(name)
    bar = 1.2 if name.startswith("zstd") else None
    compare(
        f"compress 1 MB, {name}",
        lambda: compress(LARGE),
        lambda: codec.encode(LARGE, NAME),
        bar=bar,
        rounds=11,
    )


@pytest.mark.parametrize("name", ["zstd", "gzip", "zlib", "lzma"])
def test_decompressing_a_megabyte(compare: Compare, name: str) -> None:
    codec, compress, decompress = library(name)
    bar = 1.2 if name.startswith("zstd") else None
    bare, ours = compress(LARGE), codec.encode(LARGE, NAME)
    what = f"decompress 1 MB, {name}"
    compare(what, lambda: decompress(bare), lambda: codec.decode(ours, NAME), bar=bar, rounds=11)


def test_one_version(compare: Compare) -> None:
    bare, ours = JSONCodec(), VersionedCodec(JSONCodec(), 3, {1: dict, 2: dict})
    data, versioned = bare.encode(ORDER, NAME), ours.encode(ORDER, NAME)
    compare(
        "read JSON, versioned",
        lambda: bare.decode(data, NAME),
        lambda: ours.decode(versioned, NAME),
        number=2000,
    )


@pytest.mark.parametrize("format_", ["json", "msgpack"])
def test_typed_values(compare: Compare, format_: Any) -> None:
    bare, ours = JSONCodec(), MsgspecCodec(dict[str, Any], format_)
    data, typed = bare.encode(ORDER, NAME), ours.encode(ORDER, NAME)
    what = f"read as {format_} by msgspec; bare: JSON"
    compare(what, lambda: bare.decode(data, NAME), lambda: ours.decode(typed, NAME), number=2000)


def test_pickles_with_a_list_of_what_is_allowed(compare: Compare) -> None:
    bare, ours = PickleCodec(), PickleCodec(allow=[])
    data = bare.encode(ORDER, NAME)
    compare(
        "read a pickle, allow=[]",
        lambda: bare.decode(data, NAME),
        lambda: ours.decode(data, NAME),
        number=500,
    )
