"""What VolatileStorage is put around here."""

from __future__ import annotations

import collections
import shelve
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from pystorage import Capability, Storage, VolatileStorage
from pystorage.testing import FakeClock

Mapping = MutableMapping[str, Any]


class ForeignStorage(Storage[str, Any]):
    """A storage that knows no deadlines, as somebody else may have written one."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.data[key] = value

    def __delitem__(self, key: str) -> None:
        del self.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.data))

    def __len__(self) -> int:
        return len(self.data)


def _shelf(path: Path) -> Any:
    return shelve.open(str(path / "shelf"))


#: Mappings that know no deadlines.
FOREIGN: dict[str, Callable[[Path], Any]] = {
    "dict": lambda _: {},
    "defaultdict": lambda _: collections.defaultdict(lambda: "made up"),
    "OrderedDict": lambda _: collections.OrderedDict(),
    "UserDict": lambda _: collections.UserDict(),
    "ChainMap": lambda _: collections.ChainMap(),
    "shelve": _shelf,
    "a storage": lambda _: ForeignStorage(),
}


def volatile(inner: Mapping | None, clock: FakeClock, **options: Any) -> VolatileStorage[str, Any]:
    """Put a VolatileStorage of five seconds around a mapping, on a clock of the test's own."""
    native = isinstance(inner, Storage) and Capability.TTL in inner.capabilities
    return VolatileStorage(inner, **{"expiration": 5, **options}, **({} if native else {"timer": clock}))
