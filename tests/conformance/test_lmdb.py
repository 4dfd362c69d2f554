"""LMDBStorage keeps the laws, with and without limits."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pystorage.codecs import header
from pystorage.errors import DecodeError
from pystorage.storage import Storage
from pystorage.stores.lmdb import LMDBStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.durability import DurabilityLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.power import PowerLaws
from pystorage.testing.laws.processes import ProcessLaws
from pystorage.testing.samples import BYTES_VALUES
from tests.conformance.kinds import LMDB, LMDB_LIMITED


def plant(place: Path, data: bytes) -> None:
    """Put bytes in the place of every value, past the storage."""
    import lmdb

    with lmdb.open(str(place), max_dbs=4) as environment, environment.begin(write=True) as transaction:
        for name, found in list(transaction.cursor()):
            if not name.startswith(b"%pystorage"):
                head = b""
                with suppress(DecodeError):
                    head = found[: header.read(found).size]
                transaction.put(name, head + data)


class TestLMDBStorage(StorageConformance):
    capabilities = LMDB

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LMDBStorage(place, timer=timer)

    def plant(self, place: Path, data: bytes) -> None:
        plant(place, data)


class TestLMDBStorageOfBytes(TestLMDBStorage):
    capabilities = LMDB & ~type(LMDB).INCR
    values = BYTES_VALUES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LMDBStorage(place, codec="bytes", timer=timer)


class TestLMDBStorageWithLimits(TestLMDBStorage):
    capabilities = LMDB_LIMITED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LMDBStorage(place, limit=100_000, size_limit=1 << 30, timer=timer)


class TestLMDBStorageForPower(MappingLaws, ProcessLaws, DurabilityLaws, PowerLaws):
    """Each write waits for the disk, so only the laws that this could matter to are tried."""

    capabilities = LMDB
    kills = 5
    survives_power_cuts = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LMDBStorage(place / "made", durability="power", timer=timer)
