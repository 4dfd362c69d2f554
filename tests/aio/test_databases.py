"""The async faces of databases and bounded folders keep the laws that their threads could break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystorage import DiskLRUStorage, LMDBStorage, SQLiteStorage, aio
from pystorage.aio import AsyncStorage
from pystorage.storage import Capability
from pystorage.testing import FakeClock
from pystorage.testing.asyncconformance import AsyncLaws
from pystorage.testing.laws.atomic import AddLaws, SwapLaws
from pystorage.testing.laws.bulk import BulkLaws
from pystorage.testing.laws.life import LifeLaws
from pystorage.testing.laws.mapping import IterationLaws, MappingLaws
from pystorage.testing.laws.scan import ScanLaws
from pystorage.testing.laws.stream import StreamLaws
from pystorage.testing.laws.tasks import TaskLaws
from pystorage.testing.samples import BYTES_VALUES
from tests.conformance.kinds import FILES, LMDB
from tests.conformance.test_sqlite import BYTES, TABLES


class FaceLaws(
    AsyncLaws, TaskLaws, MappingLaws, IterationLaws, BulkLaws, LifeLaws, AddLaws, SwapLaws, ScanLaws
):
    reads_ahead = True


class TestSQLiteStorage(FaceLaws):
    capabilities = TABLES

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(SQLiteStorage(place / "x.db", timer=timer))


class TestSQLiteStorageOfBytes(AsyncLaws, TaskLaws, StreamLaws):
    capabilities = BYTES
    values = BYTES_VALUES
    reads_ahead = True

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(SQLiteStorage(place / "x.db", codec="bytes", timer=timer))


class TestLMDBStorage(FaceLaws):
    capabilities = LMDB

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(LMDBStorage(place, timer=timer))


class TestDiskLRUStorage(FaceLaws):
    capabilities = FILES | Capability.ORDERED | Capability.STATS

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(DiskLRUStorage(place, limit=100_000, codec="json", timer=timer))
