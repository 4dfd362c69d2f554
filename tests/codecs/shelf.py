"""A storage of bytes in a dict, to look at and to disturb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pystorage.bytestorage import ByteStorage
from pystorage.codecs import Codec
from pystorage.naming import Naming
from pystorage.storage import Capability
from pystorage.testing import FakeClock


class Shelf(ByteStorage[Any, Any]):
    """``meanwhile`` runs with the name before each conditional write."""

    capabilities = Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR

    def __init__(self, codec: Codec, data: dict[str, bytes]) -> None:
        super().__init__(codec, Naming(), FakeClock())
        self.data = data
        self.meanwhile: Callable[[str], object] = lambda name: None
        self.writes = 0

    def _read(self, name: str) -> bytes | None:
        return self.data.get(name)

    def _write(self, name: str, data: bytes) -> None:
        self.data[name] = data

    def _remove(self, name: str) -> bool:
        return self.data.pop(name, None) is not None

    def _names(self, prefix: str) -> list[str]:
        return list(self.data)

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        self.writes += 1
        self.meanwhile(name)
        if self.data.get(name) != expected:
            return False
        self.data[name] = data
        return True
