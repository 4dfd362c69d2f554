"""FileStorage keeps the laws with the codecs that sign, encrypt, compress, check types and count versions."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from pystorage.codecs import (
    EncryptedCodec,
    EnvironmentKeys,
    JSONCodec,
    MsgspecCodec,
    PickleCodec,
    SignedCodec,
    VersionedCodec,
    ZstdCodec,
)
from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import JSON_VALUES, PICKLE_VALUES
from tests.conformance.kinds import FILES


class TestSigned(StorageConformance):
    """Raw keys are not put into pickles, and a law pickles the storage: the keys come from outside."""

    capabilities = FILES

    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        encoded = [base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2)]
        monkeypatch.setenv("PYSTORAGE_TEST_KEYS", f"new:{encoded[0]},old:{encoded[1]}")

    def make_storage(self, place: Path, timer: FakeClock) -> FileStorage[Any, Any]:
        pytest.importorskip("backports.zstd")
        codec = JSONCodec() | ZstdCodec() | SignedCodec(EnvironmentKeys("PYSTORAGE_TEST_KEYS"), "tests")
        return FileStorage(place, codec=codec, timer=timer)


class TestEncryptedPickles(TestSigned):
    values = PICKLE_VALUES
    bad_value = staticmethod(lambda: None)

    def make_storage(self, place: Path, timer: FakeClock) -> FileStorage[Any, Any]:
        pytest.importorskip("cryptography")
        codec = PickleCodec() | EncryptedCodec(EnvironmentKeys("PYSTORAGE_TEST_KEYS"), "tests")
        return FileStorage(place, codec=codec, timer=timer)


class TestVersioned(StorageConformance):
    capabilities = FILES
    values = tuple(value for value in JSON_VALUES if value != float("inf"))

    def make_storage(self, place: Path, timer: FakeClock) -> FileStorage[Any, Any]:
        pytest.importorskip("msgspec")
        codec = VersionedCodec(MsgspecCodec(), 2, {1: list}, write_back=True)
        return FileStorage(place, codec=codec, timer=timer)
