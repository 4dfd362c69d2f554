"""SQLiteStorage keeps the laws, with every kind of codec, with limits and with every durability."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from pystorage.codecs import PickleCodec
from pystorage.storage import Capability, Storage
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.durability import DurabilityLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.power import PowerLaws
from pystorage.testing.laws.processes import ProcessLaws
from pystorage.testing.laws.stream import StreamLaws
from pystorage.testing.samples import BYTES_VALUES, PICKLE_VALUES
from tests.conformance.kinds import FILES, STREAMING

TABLES = FILES | Capability.BULK
BYTES = STREAMING | Capability.BULK


def plant(place: Path, data: bytes) -> None:
    """Put bytes in the place of every value: in the table, and in the files beside it."""
    with closing(sqlite3.connect(place / "x.db", isolation_level=None)) as database:
        database.execute("UPDATE entries SET value = ?, size = ? WHERE file IS NULL", (data, len(data)))
        database.execute("UPDATE entries SET size = ? WHERE file IS NOT NULL", (len(data),))
        for (file,) in database.execute("SELECT file FROM entries WHERE file IS NOT NULL"):
            (place / "x.db.values" / file).write_bytes(data)


class TestSQLiteStorage(StorageConformance):
    capabilities = TABLES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return SQLiteStorage(place / "x.db", timer=timer)

    def plant(self, place: Path, data: bytes) -> None:
        plant(place, data)


class TestSQLiteStorageWithLimits(TestSQLiteStorage):
    capabilities = TABLES | Capability.ORDERED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return SQLiteStorage(place / "x.db", limit=10_000, size_limit=1 << 30, timer=timer)


class TestSQLiteStorageOfBytes(TestSQLiteStorage):
    capabilities = BYTES
    values = BYTES_VALUES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return SQLiteStorage(place / "x.db", codec="bytes", timer=timer)


class TestSQLiteStorageOfFiles(TestSQLiteStorageOfBytes):
    """Every value lies beside the database."""

    capabilities = BYTES | Capability.ORDERED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return SQLiteStorage(place / "x.db", codec="bytes+gzip", limit=10_000, large=0, timer=timer)


class TestSQLiteStorageOfPickles(TestSQLiteStorage):
    values = PICKLE_VALUES
    bad_value = (number for number in [1])
    loads_pickles = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return SQLiteStorage(place / "x.db", codec=PickleCodec(), timer=timer)


class TestSQLiteStorageForPower(MappingLaws, StreamLaws, ProcessLaws, DurabilityLaws, PowerLaws):
    """Each write waits for the disk, so only the laws that this could matter to are tried."""

    capabilities = BYTES
    values = BYTES_VALUES
    kills = 5
    survives_power_cuts = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        path = place / "made" / "x.db"
        return SQLiteStorage(path, codec="bytes", durability="power", large=50_000, timer=timer)
