"""The async faces of all storages keep the laws, under asyncio and trio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystorage import FileStorage, LRUStorage, MemoryStorage, VolatileStorage, aio
from pystorage.aio import AsyncStorage
from pystorage.storage import Capability
from pystorage.testing import AsyncStorageConformance, FakeClock
from pystorage.testing.asyncconformance import AsyncLaws
from pystorage.testing.laws.life import LifeLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.stream import StreamLaws
from pystorage.testing.laws.tasks import TaskLaws
from pystorage.testing.samples import BYTES_VALUES, PICKLE_VALUES
from tests.conformance.kinds import FILES, MEMORY, STREAMING


class TestMemoryStorage(AsyncStorageConformance):
    capabilities = MEMORY
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(MemoryStorage(timer=timer))


class TestLRUStorage(TestMemoryStorage):
    capabilities = MEMORY | Capability.ORDERED

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(LRUStorage(100_000, timer=timer))


class TestVolatileAroundTheFace(TestMemoryStorage):
    default_ttl = 100.0

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.VolatileStorage(aio.wrap(MemoryStorage(timer=timer)), 100)


class TestFileStorage(AsyncStorageConformance):
    capabilities = FILES
    reads_ahead = True

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(FileStorage(place, timer=timer))


class TestFileStorageOfBytes(AsyncLaws, TaskLaws, MappingLaws, StreamLaws):
    capabilities = STREAMING
    values = BYTES_VALUES
    reads_ahead = True

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(FileStorage(place, codec="bytes", timer=timer), threads=3)


class TestANestOfWrappers(AsyncLaws, TaskLaws, MappingLaws, LifeLaws):
    capabilities = FILES
    default_ttl = 100.0
    reads_ahead = True

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(VolatileStorage(FileStorage(place, timer=timer), 100))
