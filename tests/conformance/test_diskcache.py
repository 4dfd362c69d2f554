"""DiskCacheStorage keeps the laws, on a cache and on one in shards."""

from __future__ import annotations

import gc
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import diskcache.core
import pytest

from pystorage.storage import Storage
from pystorage.stores.diskcache import DiskCacheStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.atomic import AddLaws, IncrLaws, SwapLaws
from pystorage.testing.laws.base import AnyStorage, Laws, Opener
from pystorage.testing.laws.life import LifeLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.safety import SafetyLaws
from tests.conformance.kinds import DISKCACHE


class OfDiskCache(Laws):
    capabilities = DISKCACHE
    options: dict[str, Any] = {"codec": "json"}  # noqa: RUF012

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """A folder in memory, where there is one: the package waits for the disk many times as it opens."""
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with TemporaryDirectory(prefix="pystorage-law-", dir=memory) as folder:
            place = Path(folder, "place")
            place.mkdir(mode=0o700)
            yield place

    @pytest.fixture(autouse=True)
    def nothing_left(self) -> None:
        """Have the connections gone that threads of an earlier law left, as a law counts open files."""
        gc.collect()

    @pytest.fixture(autouse=True)
    def clock(self, timer: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the package count on the clock of the laws, as it takes none."""
        monkeypatch.setattr(diskcache.core, "time", SimpleNamespace(time=timer, sleep=time.sleep))

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return DiskCacheStorage(place, **self.options)

    def plant(self, place: Path, data: bytes) -> None:
        for path in place.rglob("cache.db"):
            database = sqlite3.connect(path)
            with database:
                # As a pickle, and where it was before as a value of another kind.
                database.execute(
                    "UPDATE Cache SET value = ?, filename = NULL, mode = 4 WHERE rowid % 2", (data,)
                )
                database.execute("UPDATE Cache SET value = ?, filename = NULL WHERE NOT rowid % 2", (data,))
            database.close()


class TestDiskCacheStorageWithACodec(OfDiskCache, StorageConformance):
    # Each of its histories opens the folder many times, which takes the package minutes in all.
    test_agrees_with_a_dict = None  # type: ignore[assignment]
    # After more, what dead writers leave would pile up: their files stay until the package checks the folder.
    kills = 2

    def test_a_closed_storage_holds_nothing_open(self, storage: AnyStorage, open_storage: Opener) -> None:
        """The same as the law, from the second handle on.

        As locks of files are those of the process, SQLite keeps the descriptor of one closed connection for
        the next, as long as another one is open.
        """
        self._use(storage)
        open_storage().close()
        super().test_a_closed_storage_holds_nothing_open(storage, open_storage)


class TestDiskCacheStorage(OfDiskCache, MappingLaws, LifeLaws, AddLaws, SwapLaws, IncrLaws, SafetyLaws):
    """Of what diskcache holds without pickling."""

    options: dict[str, Any] = {}  # noqa: RUF012
    # Integers of 64 bits is what it has.
    test_incr_is_exact = None  # type: ignore[assignment]
    values = (
        "text",
        "",
        "caf\xe9\0\n\r\n",
        "x" * 50_000 + "\r\n",
        b"bytes",
        b"",
        b"\0" * 50_000,
        0,
        -1,
        2**62,
        0.5,
    )


class TestFanout(OfDiskCache, MappingLaws, LifeLaws, AddLaws, SwapLaws, IncrLaws):
    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        if not (place / "000").exists():
            diskcache.FanoutCache(str(place), shards=3).close()
        return DiskCacheStorage(place, codec="json")
