"""SignedCodec: HMAC-SHA-256 over key, audience, chain and value."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from pystorage.codecs import BytesCodec, Codec, SignedCodec, resolve_codec
from pystorage.errors import StorageProviderError
from tests.codecs.bound import NEW, KeyedTests


class TestSignedCodec(KeyedTests):
    mismatch = "its signature does not match: it was changed, or moved from another key, audience or chain"

    def keyed(self, keys: Any, audience: str = "") -> Codec:
        return SignedCodec(keys, audience)


def framed(*parts: str) -> bytes:
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def test_the_signature_is_hmac_sha_256_as_the_standard_library_computes_it() -> None:
    # Long keys as well, which HMAC digests first.
    for key in (NEW, NEW * 2, NEW * 2 + b"x", NEW * 9):
        signed = (BytesCodec() | SignedCodec({"2026": key}, "app")).encode(b"value", "a/b")
        message = framed("pystorage signed 1", "app", "bytes", "2026", "a/b") + b"value"
        signature = hmac.new(key, message, hashlib.sha256).digest()
        assert signed == b"\1\4" + b"2026" + signature + b"value"


def test_a_signature_is_the_same_each_time() -> None:
    codec = SignedCodec(NEW)
    assert codec.encode(b"value", "key") == codec.encode(b"value", "key")


def test_it_costs_at_most_66_bytes() -> None:
    assert len(SignedCodec({"x" * 32: NEW}).encode(b"", "key")) == 66


def test_signatures_are_compared_in_constant_time(monkeypatch: Any) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("pystorage.codecs.protect.hmac.compare_digest", compare)
    codec = SignedCodec(NEW)
    assert codec.decode(codec.encode(b"value", "key"), "key") == b"value"
    assert [(len(one), len(other)) for one, other in compared] == [(32, 32)]


@pytest.mark.parametrize("name", ["json+signed", "signed", "json+sign", "pickle+encrypted", "encrypt"])
def test_a_name_alone_is_told_that_keys_are_needed(name: str) -> None:
    match = (
        r"needs keys, as in codec='.*': give codec= an object that ends in \| (Signed|Encrypted)Codec\(keys\)"
    )
    with pytest.raises(StorageProviderError, match=match):
        resolve_codec(name)
