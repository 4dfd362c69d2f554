"""The services keep the laws."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from pystorage.services import GZipPickleStorageService, JSONStorageService, PickleStorageService
from pystorage.storage import Storage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import PICKLE_VALUES
from tests.conformance.kinds import FILES


class TestJSONStorageService(StorageConformance):
    capabilities = FILES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return JSONStorageService(place, timer=timer)


class TestPickleStorageService(StorageConformance):
    capabilities = FILES
    values = PICKLE_VALUES
    bad_value = threading.Lock()
    loads_pickles = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return PickleStorageService(place, timer=timer)


class TestGZipPickleStorageService(TestPickleStorageService):
    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return GZipPickleStorageService(place, timer=timer)
