"""VolatileStorage keeps the laws over a dict and over every kind of storage."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from pystorage.storage import Capability, Storage
from pystorage.stores.file import FileStorage
from pystorage.stores.memory import LRUStorage, MemoryStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import PICKLE_VALUES
from pystorage.wrappers.volatile import VolatileStorage
from tests.conformance.kinds import FILES, MEMORY


class TestVolatileOverMemory(StorageConformance):
    capabilities = MEMORY
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True
    default_ttl = 3600.0

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return VolatileStorage(MemoryStorage(timer=timer))


class TestVolatileOverLRU(TestVolatileOverMemory):
    capabilities = MEMORY | Capability.ORDERED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return VolatileStorage(LRUStorage(100_000, timer=timer))


class TestVolatileOverDict(StorageConformance):
    capabilities = Capability.TTL
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True
    default_ttl = 3600.0

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return VolatileStorage({}, timer=timer)


class TestVolatileForEver(StorageConformance):
    capabilities = MEMORY
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return VolatileStorage(MemoryStorage(timer=timer), expiration=None)


class TestVolatileOverPickles(StorageConformance):
    capabilities = FILES
    values = PICKLE_VALUES
    loads_pickles = True
    bad_value = threading.Lock()
    default_ttl = 3600.0

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return VolatileStorage(FileStorage(place, codec="pickle", timer=timer))
