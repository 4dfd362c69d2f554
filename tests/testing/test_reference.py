"""The two reference storages keep every law: so a law that another storage breaks can be kept."""

from __future__ import annotations

import threading
from pathlib import Path

from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import PICKLE_VALUES
from tests.testing.reference import Plain, Shelf


class TestPlain(StorageConformance):
    capabilities = Plain.capabilities
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True

    def make_storage(self, place: Path, timer: FakeClock) -> Plain:
        return Plain(timer)


class TestShelf(StorageConformance):
    capabilities = Shelf.capabilities
    values = PICKLE_VALUES
    bad_value = threading.Lock()
    loads_pickles = True

    def make_storage(self, place: Path, timer: FakeClock) -> Shelf:
        return Shelf(place, timer)
