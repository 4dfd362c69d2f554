"""EncryptedCodec: authenticated encryption, with two algorithms that read one another's bytes."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pystorage.codecs import BytesCodec, Codec, EncryptedCodec, JSONCodec
from pystorage.errors import EncodeError, IntegrityError, MissingDependencyError
from tests.codecs.bound import NEW, OLD, KeyedTests
from tests.codecs.secrets_hidden import fails_and_hides

aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")


class TestAESGCMSIV(KeyedTests):
    mismatch = "it does not decrypt: it was changed, or moved from another key, audience or chain"

    def keyed(self, keys: Any, audience: str = "") -> Codec:
        return EncryptedCodec(keys, audience)


class TestChaCha20Poly1305(TestAESGCMSIV):
    def keyed(self, keys: Any, audience: str = "") -> Codec:
        return EncryptedCodec(keys, audience, algorithm="chacha20-poly1305")


ALGORITHMS = ("aes-gcm-siv", "chacha20-poly1305")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_neither_value_nor_key_is_in_the_bytes(algorithm: Any) -> None:
    data = (JSONCodec() | EncryptedCodec(NEW, "app", algorithm=algorithm)).encode("a plain text", "the key")
    assert not any(plain in data for plain in (b"plain", b"the key", b"app", NEW))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_value_is_never_the_same_bytes(algorithm: Any) -> None:
    codec = EncryptedCodec(NEW, algorithm=algorithm)
    assert len({codec.encode(b"value", "key") for _ in range(100)}) == 100
    assert len({codec.encode(b"", "key") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("algorithm", "cipher"), [("aes-gcm-siv", "AESGCMSIV"), ("chacha20-poly1305", "ChaCha20Poly1305")]
)
def test_the_bytes_are_what_the_library_reads(algorithm: Any, cipher: str) -> None:
    def framed(*parts: str) -> bytes:
        return b"".join(len(part).to_bytes(4, "big") + part.encode() for part in parts)

    data = (BytesCodec() | EncryptedCodec({"2026": NEW}, "app", algorithm=algorithm)).encode(b"value", "a/b")
    code = 1 + ALGORITHMS.index(algorithm)
    assert data[:7] == bytes([1, code, 4]) + b"2026"
    context = framed("pystorage encrypted 1", "app", "bytes", "2026", str(code), "a/b")
    assert getattr(aead, cipher)(NEW).decrypt(data[7:19], data[19:], context) == b"value"


@pytest.mark.parametrize("value", [b"value", b"", b"\0"])
def test_each_algorithm_reads_the_other(value: bytes) -> None:
    first, second = (EncryptedCodec(NEW, algorithm=algorithm) for algorithm in ALGORITHMS)  # type: ignore[arg-type]
    assert first.decode(second.encode(value, "key"), "key") == value
    assert second.decode(first.encode(value, "key"), "key") == value
    assert first.outdated(second.encode(value, "key"), "key")
    assert not first.outdated(first.encode(value, "key"), "key")


def test_an_empty_value_is_never_given_to_the_cipher_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    # Some versions of OpenSSL refuse it.
    class Picky:
        def __init__(self, key: bytes) -> None:
            self._cipher = aead.ChaCha20Poly1305(key)

        def encrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
            if not data:
                raise ValueError("data must not be zero length")
            return bytes(self._cipher.encrypt(nonce, data, context))

        def decrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
            value = bytes(self._cipher.decrypt(nonce, data, context))
            if not value:
                raise ValueError("data must not be zero length")
            return value

    monkeypatch.setattr("pystorage.codecs.encrypt._kinds", lambda: {1: Picky, 2: Picky})
    codec = EncryptedCodec(NEW)
    assert codec.decode(codec.encode(b"", "key"), "key") == b""
    assert codec.decode(codec.encode(b"\0", "key"), "key") == b"\0"


def test_an_empty_value_cannot_be_made_of_another() -> None:
    codec = EncryptedCodec(NEW)
    data = bytearray(codec.encode(b"\0", "key"))
    data[1] ^= 0x80
    with pytest.raises(IntegrityError, match="it does not decrypt"):
        codec.decode(bytes(data), "key")


def test_it_costs_at_most_63_bytes() -> None:
    assert len(EncryptedCodec({"x" * 32: NEW}).encode(b"v", "key")) - 1 == 63


def test_a_value_beyond_what_the_library_takes_is_an_encode_error() -> None:
    # The bytes are never touched, so they take no memory.
    with pytest.raises(EncodeError, match="too large to be encrypted in one piece"):
        EncryptedCodec(NEW).encode(bytes(2**31), "key")


@pytest.mark.parametrize("size", [31, 33, 64])
def test_a_key_has_exactly_32_bytes(size: int) -> None:
    key = (OLD * 2)[:size]
    fails_and_hides(
        ValueError, f"has {size} bytes, and must have exactly 32", lambda: EncryptedCodec(key), key
    )


def test_an_unknown_algorithm_lists_those_there_are() -> None:
    fails_and_hides(
        ValueError,
        "must be one of aes-gcm-siv, chacha20-poly1305, not 'aes-ecb'",
        lambda: EncryptedCodec(NEW, algorithm="aes-ecb"),  # type: ignore[arg-type]
        NEW,
    )


def test_an_algorithm_that_openssl_lacks_names_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    data = EncryptedCodec({"a": NEW}).encode(b"value", "key")
    monkeypatch.setattr("pystorage.codecs.encrypt._kinds", lambda: {2: aead.ChaCha20Poly1305})
    fails_and_hides(
        ValueError,
        "aes-gcm-siv is not available here; choose chacha20-poly1305",
        lambda: EncryptedCodec(NEW),
        NEW,
    )
    codec = EncryptedCodec({"a": NEW}, algorithm="chacha20-poly1305")
    fails_and_hides(
        IntegrityError,
        "it is encrypted by aes-gcm-siv, which is not available here",
        lambda: codec.decode(data, "key"),
        NEW,
    )


def test_ciphers_of_an_older_openssl_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm

    from pystorage.codecs.encrypt import _kinds

    def refuse(key: bytes) -> None:
        raise UnsupportedAlgorithm("AES-GCM-SIV is not supported by this version of OpenSSL")

    monkeypatch.setattr(aead, "AESGCMSIV", refuse)
    assert list(_kinds()) == [2]


def test_a_format_from_the_future_is_refused() -> None:
    codec = EncryptedCodec({"a": NEW})
    data = bytearray(codec.encode(b"value", "key"))
    data[1] = 9
    with pytest.raises(IntegrityError, match="in a way that this pystorage does not know"):
        codec.decode(bytes(data), "key")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cryptography.exceptions", "cryptography.hazmat.primitives.ciphers.aead"):
        monkeypatch.setitem(sys.modules, module, None)
    fails_and_hides(
        MissingDependencyError, r"pip install 'pystorage\[crypto\]'", lambda: EncryptedCodec(NEW), NEW
    )
