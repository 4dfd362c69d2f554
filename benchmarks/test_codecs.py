"""What protection and compression add, beside what is promised and beside the library's own call."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.conftest import Compare, in_turns
from pystorage.codecs import BytesCodec, Codec

DATA = b"x" * 100
MEGABYTE = b"".join(random.Random(1).choices([b"a", b"bc", b"def", b"0", b"\n"], k=600_000))[:1_000_000]


def added(
    codec: Codec, call: Callable[[Codec], Callable[[], object]], promised: float
) -> list[tuple[float, float]]:
    """Give, by round, the seconds promised and those that a codec takes beyond one of bytes alone."""
    times = in_turns(call(BytesCodec()), call(codec), rounds=21, number=2000, clock=time.process_time)
    return [(promised, ours - bare) for bare, ours in times]


def writing(codec: Codec) -> Callable[[], object]:
    return lambda: codec.encode(DATA, "some_key")


def reading(codec: Codec) -> Callable[[], object]:
    data = codec.encode(DATA, "some_key")
    return lambda: codec.decode(data, "some_key")


@pytest.mark.parametrize("call", [writing, reading])
@pytest.mark.parametrize(("kind", "promised"), [("SignedCodec", 5e-6), ("EncryptedCodec", 15e-6)])
def test_protection_of_100_bytes(compare: Compare, kind: str, promised: float, call: Any) -> None:
    if kind == "EncryptedCodec":
        pytest.importorskip("cryptography")
    from pystorage import codecs

    codec = getattr(codecs, kind)(secrets.token_bytes(32), audience="benchmark")
    what = f"{call.__name__} 100 B adds: {kind}, beside what is promised"
    compare.put_down(what, added(codec, call, promised), call(codec), bar=1.0)


@pytest.mark.parametrize("call", ["compress", "decompress"])
def test_zstd_of_a_megabyte(compare: Compare, call: str) -> None:
    zstd = pytest.importorskip("backports.zstd")
    from pystorage.codecs import ZstdCodec

    codec, data = ZstdCodec(), zstd.compress(MEGABYTE, 3)
    if call == "compress":
        compare(
            "zstd, 1 MB, write",
            lambda: zstd.compress(MEGABYTE, 3),
            lambda: codec.encode(MEGABYTE, "k"),
            bar=1.2,
        )
    else:
        compare("zstd, 1 MB, read", lambda: zstd.decompress(data), lambda: codec.decode(data, "k"), bar=1.2)
