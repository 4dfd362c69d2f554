"""The doubles keep every law themselves: they do nothing to a storage but what they are told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystorage.storage import Capability
from pystorage.stores.file import FileStorage
from pystorage.stores.memory import LRUStorage
from pystorage.testing import (
    FakeClock,
    FaultyStorage,
    LatencyStorage,
    RecordingStorage,
    StorageConformance,
)
from pystorage.testing.samples import BYTES_VALUES, PICKLE_VALUES
from tests.conformance.kinds import FILES, MEMORY, STREAMING


class TestFaultyStorage(StorageConformance):
    capabilities = FILES

    def make_storage(self, place: Path, timer: FakeClock) -> FaultyStorage[Any, Any]:
        return FaultyStorage(FileStorage(place, timer=timer))


class TestLatencyStorage(StorageConformance):
    capabilities = (MEMORY | Capability.ORDERED) & ~Capability.NONBLOCKING
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True

    def make_storage(self, place: Path, timer: FakeClock) -> LatencyStorage[Any, Any]:
        waited: list[float] = []
        return LatencyStorage(LRUStorage(100_000, timer=timer), 0.001, sleep=waited.append)


class TestRecordingStorage(StorageConformance):
    capabilities = STREAMING
    values = BYTES_VALUES

    def make_storage(self, place: Path, timer: FakeClock) -> RecordingStorage[Any, Any]:
        return RecordingStorage(FileStorage(place, codec="bytes", timer=timer))
