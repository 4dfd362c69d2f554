"""Every decoder, sound bytes of each, and what may come of any bytes: a value or our errors.

Given to Hypothesis, to a coverage-guided fuzzer, and to a process whose memory is limited.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pickle
import random
import uuid
from collections.abc import Callable
from typing import Any

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
    TextCodec,
    VersionedCodec,
    ZlibCodec,
    ZstdCodec,
    header,
)
from pystorage.errors import DecodeError

KEYS = {"2026": b"n" * 32, "2025": b"o" * 32}
LIMIT = 4 << 20


@dataclasses.dataclass
class Order:
    number: int
    lines: list[tuple[str, float]]
    placed: dt.datetime | None = None
    id: uuid.UUID | None = None


def first_to_second(value: Any) -> Any:
    return {"value": value}


def second_to_third(value: Any) -> Any:
    return {**value, "more": len(value["value"])}


ORDER = Order(7, [("a", 1.5), ("é", -0.0)], dt.datetime(2026, 11, 21, tzinfo=dt.UTC), uuid.UUID(int=5))
PLAIN = {"a": [1, 2.5, None, True, "é"], "b": {"c": [[], {}]}}
PICKLABLE = {"a": [1, 2.5, None, (b"bytes", {1, 2}), ORDER], 5: frozenset({("x",)})}

_VERSIONED = VersionedCodec(JSONCodec(), 3, {1: first_to_second, 2: second_to_third})

#: Name → codec, and a value of it.
CODECS: dict[str, tuple[Codec, Any]] = {
    "json": (JSONCodec(), PLAIN),
    "text": (TextCodec(), "a text é"),
    "bytes": (BytesCodec(), b"bytes"),
    "gzip": (GzipCodec(max_size=LIMIT), b"line\n" * 100),
    "zlib": (ZlibCodec(max_size=LIMIT), b"line\n" * 100),
    "lzma": (LzmaCodec(max_size=LIMIT), b"line\n" * 100),
    "zstd": (ZstdCodec(max_size=LIMIT), b"line\n" * 100),
    "checksum": (ChecksumCodec("app"), b"value"),
    "signed": (SignedCodec(KEYS, "app"), b"value"),
    "encrypted": (EncryptedCodec(KEYS, "app"), b"value"),
    "msgspec json": (MsgspecCodec(), PLAIN),
    "msgspec msgpack": (MsgspecCodec(format="msgpack"), PLAIN),
    "typed json": (MsgspecCodec(Order), ORDER),
    "typed msgpack": (MsgspecCodec(dict[str, Order], "msgpack"), {"a": ORDER}),
    "versioned": (_VERSIONED, {"value": "a", "more": 1}),
    "allowed": (PickleCodec(allow=[Order, dt.datetime, dt.timezone, dt.timedelta, uuid.UUID]), PICKLABLE),
    "allowed 4": (PickleCodec(4, allow=[]), [{"a": (1, 2)}, {3}]),
    "json+zstd+signed": (JSONCodec() | ZstdCodec(max_size=LIMIT) | SignedCodec(KEYS), PLAIN),
    "pickle+signed+gzip": (PickleCodec() | SignedCodec(KEYS) | GzipCodec(max_size=LIMIT), PICKLABLE),
    "versioned+encrypted": (_VERSIONED | EncryptedCodec(KEYS), {"value": "a", "more": 1}),
    "json+checksum+lzma": (JSONCodec() | ChecksumCodec() | LzmaCodec(max_size=LIMIT), PLAIN),
}


def unpack(data: bytes) -> Any:
    """Read the header of an entry, as if it were a codec."""
    head, body = header.unpack(data)
    assert len(body) == len(data) - head.size
    return head


def _decoding(codec: Codec) -> Callable[[bytes], Any]:
    return lambda data: codec.decode(data, "key")


#: Name → function that reads bytes.
DECODERS: dict[str, Callable[[bytes], Any]] = {
    **{name: _decoding(codec) for name, (codec, _) in CODECS.items()},
    "header": unpack,
}

#: Sound bytes of each, which other bytes are made from.
SOUND: dict[str, list[bytes]] = {
    **{name: [codec.encode(value, "key")] for name, (codec, value) in CODECS.items()},
    "header": [
        header.pack(b"value"),
        header.pack(b"value", deadline=1.7e9),
        header.pack(b"value", deadline=-1.0, name="x" * 300),
        header.pack(header.MAGIC + b"value"),
    ],
}
SOUND["versioned"] += [b'"bare"', VersionedCodec(JSONCodec(), 2).encode({"value": []}, "key")]

ALL_SOUND = [
    *(data for found in SOUND.values() for data in found),
    *(pickle.dumps(PICKLABLE, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
]


def check(name: str, data: bytes) -> None:
    """See that a decoder gives a value or one of our errors for any bytes; everything else passes through."""
    try:
        DECODERS[name](data)
    except DecodeError as error:
        if _memory(error):
            raise MemoryError(f"{name} took more memory than there is for {data[:100]!r}") from error


def check_all(data: bytes) -> None:
    for name in DECODERS:
        check(name, data)


def _memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__
    return False


def mutated(chance: random.Random) -> bytes:
    """Make bytes of sound ones: cut, with flipped bits, with other pieces in them, or random altogether."""
    data = bytearray(chance.choice(ALL_SOUND))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                del data[at:]
            case 1:
                del data[:at]
            case 2 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 3 if at < len(data):
                data[at] = chance.choice(b'\0\1\x7f\x80\xff.([{"0-')
            case 4:
                data[at:at] = chance.randbytes(chance.randrange(9))
            case 5:
                other = chance.choice(ALL_SOUND)
                begin = chance.randrange(len(other) + 1)
                data[at:] = other[begin:]
            case 6:
                end = min(len(data), at + chance.randrange(20))
                data[at:at] = data[at:end] * chance.choice((1, 1, 2, 50))
    return bytes(data)
