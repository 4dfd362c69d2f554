"""DiskLRUStorage keeps the laws, with room enough for them, with every durability and kind of codec."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from pystorage.services import DiskLRUStorageService
from pystorage.storage import Capability, Storage
from pystorage.stores.disklru import DiskLRUStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.durability import DurabilityLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.order import OrderLaws
from pystorage.testing.laws.power import PowerLaws
from pystorage.testing.laws.processes import ProcessLaws
from pystorage.testing.laws.stream import StreamLaws
from pystorage.testing.samples import BYTES_VALUES, PICKLE_VALUES
from tests.conformance.kinds import FILES, STREAMING

_LRU = Capability.STATS | Capability.ORDERED


class TestDiskLRUStorage(StorageConformance):
    capabilities = FILES | _LRU

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return DiskLRUStorage(place, limit=10_000, size_limit=10**9, codec="json", timer=timer)


class TestDiskLRUStorageService(StorageConformance):
    capabilities = FILES | _LRU
    values = PICKLE_VALUES
    bad_value = threading.Lock()
    loads_pickles = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return DiskLRUStorageService(place, limit=10_000, timer=timer)


class TestDiskLRUStorageOfBytes(StorageConformance):
    capabilities = STREAMING | _LRU
    values = BYTES_VALUES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return DiskLRUStorage(place, codec="bytes", suffix="lru", size_limit=10**9, timer=timer)


class TestDiskLRUStorageForPower(MappingLaws, OrderLaws, StreamLaws, ProcessLaws, DurabilityLaws, PowerLaws):
    """Each write waits for the disk, so only the laws that this could matter to are tried."""

    capabilities = STREAMING | _LRU
    values = BYTES_VALUES
    kills = 5
    survives_power_cuts = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return DiskLRUStorage(place / "made", limit=1000, codec="bytes", durability="power", timer=timer)
