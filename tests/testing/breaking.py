"""How broken storages become test classes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from pystorage.storage import Storage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import PICKLE_VALUES
from tests.testing.reference import Plain, Shelf


def conformance_of(names: dict[str, Any]) -> dict[str, type[StorageConformance]]:
    """Make a test class for each storage of a module that says which laws it breaks."""
    broken = [one for one in names.values() if isinstance(one, type) and hasattr(one, "breaks")]
    return {f"Test{one.__name__}": _test_class(one) for one in broken}


def _test_class(storage: Any) -> type[StorageConformance]:
    on_disk = issubclass(storage, Shelf)

    def make_storage(self: Any, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        made: Storage[Any, Any] = storage(place, timer) if on_disk else storage(timer)
        return made

    settings = {
        "make_storage": make_storage,
        "values": PICKLE_VALUES,
        "bad_value": threading.Lock() if on_disk else None,
        "any_hashable_key": issubclass(storage, Plain),
        "kills": 10,
        "breaks": storage.breaks,
    }
    return type(f"Test{storage.__name__}", (StorageConformance,), settings)
