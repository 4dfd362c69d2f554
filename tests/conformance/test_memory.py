"""The storages in memory keep the laws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystorage.storage import Capability, Storage
from pystorage.stores.memory import LRUStorage, MemoryStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import PICKLE_VALUES
from tests.conformance.kinds import MEMORY


class TestMemoryStorage(StorageConformance):
    capabilities = MEMORY
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return MemoryStorage(timer=timer)


class TestLRUStorage(TestMemoryStorage):
    capabilities = MEMORY | Capability.ORDERED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LRUStorage(100_000, timer=timer)


class TestLRUStorageWithTTL(TestLRUStorage):
    default_ttl = 100.0

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LRUStorage(None, ttl=100, timer=timer)
