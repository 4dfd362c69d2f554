"""FileStorage keeps the laws, with every layout, durability and kind of codec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystorage.storage import Storage
from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.durability import DurabilityLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.power import PowerLaws
from pystorage.testing.laws.processes import ProcessLaws
from pystorage.testing.laws.stream import StreamLaws
from pystorage.testing.samples import BYTES_VALUES
from tests.conformance.kinds import FILES, STREAMING


class TestFileStorage(StorageConformance):
    capabilities = FILES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FileStorage(place, timer=timer)


class TestFileStorageOfBytes(StorageConformance):
    capabilities = STREAMING
    values = BYTES_VALUES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FileStorage(place, codec="bytes", suffix="", timer=timer)


class TestFileStorageOfCompressedBytes(TestFileStorageOfBytes):
    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FileStorage(place, codec="bytes+gzip", timer=timer)


class TestFileStorageAsTree(StorageConformance):
    capabilities = FILES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FileStorage(place, layout="tree", timer=timer)


class TestFileStorageForPower(MappingLaws, StreamLaws, ProcessLaws, DurabilityLaws, PowerLaws):
    """Each write waits for the disk, so only the laws that this could matter to are tried."""

    capabilities = STREAMING
    values = BYTES_VALUES
    kills = 5
    survives_power_cuts = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FileStorage(place / "made", codec="bytes", durability="power", timer=timer)
