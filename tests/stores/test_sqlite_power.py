"""``durability``: what reaches the disk, and in which order; and power cuts under a bounded storage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.storage import Capability, Storage
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing import FakeClock
from pystorage.testing.laws.power import PowerLaws
from tests.conformance.test_sqlite import BYTES
from tests.stores.files import needs_strace, under_strace

CALLS = ("fsync", "fdatasync", "unlink", "mkdir", "pwrite64", "write")


def events(folder: Path, function: Callable[[], object]) -> list[str]:
    """What a function does to a folder, as ``sync x.db-wal``; repeated ones once, values under one name."""
    found: list[str] = []
    for name, rest in under_strace(folder, function, CALLS).calls:
        paths = re.findall(rf"[<\"]{re.escape(str(folder))}/?([^>\"]*)", rest)
        if paths:
            path = re.sub(r"/[0-9a-f]{16}-[0-9a-f]+$", "/VALUE", paths[0]) or "."
            one = f"{'sync' if 'sync' in name else name.removesuffix('64')} {path}"
            if found[-1:] != [one]:
                found.append(one)
    return found


def warm(storage: SQLiteStorage[str, Any]) -> None:
    """In the child: have a connection, and be a writer of values."""
    storage["warm"] = bytes(5_000)


@needs_strace
def test_a_write_reaches_the_disk_before_it_is_told_of(tmp_path: Path) -> None:
    """A value beside the database reaches it before the row that names it, and the old one goes after."""
    storage: SQLiteStorage[str, Any] = SQLiteStorage(
        tmp_path / "x.db", codec="bytes", durability="power", large=1_000
    )
    storage["large"] = bytes(2_000)
    storage["small"] = b"small"
    log = ["pwrite x.db-wal", "sync x.db-wal"]
    value = ["write x.db.values/VALUE", "sync x.db.values/VALUE", "sync x.db.values"]
    gone = ["unlink x.db.values/VALUE"]

    def stream() -> None:
        with storage.open_write("large") as file:
            file.write(bytes(2_000))

    writes: dict[str, tuple[Callable[[], object], list[str]]] = {
        "small": (lambda: storage.__setitem__("small", b"new"), log),
        "large": (lambda: storage.__setitem__("large", bytes(3_000)), [*value, *log, *gone]),
        "stream": (stream, [*value, *log, *gone]),
        "delete": (lambda: storage.__delitem__("small"), log),
        "bulk": (lambda: storage.set_many({"a": b"", "b": b""}), log),
    }
    for name, (write, expected) in writes.items():

        def take(write: Callable[[], object] = write) -> None:
            warm(storage)
            write()

        assert events(tmp_path, take)[-len(expected) :] == expected, name


@needs_strace
@pytest.mark.parametrize("durability", ["none", "process"])
def test_less_durability_waits_for_nothing(tmp_path: Path, durability: Any) -> None:
    storage: SQLiteStorage[str, Any] = SQLiteStorage(
        tmp_path / "x.db", codec="bytes", durability=durability, large=1_000
    )
    seen = len([0 for event in events(tmp_path, lambda: warm(storage)) if event.startswith("sync")])

    def take() -> None:
        warm(storage)
        for number in range(20):
            storage["key"] = bytes(number)
            storage["large"] = bytes(2_000)

    assert len([0 for event in events(tmp_path, take) if event.startswith("sync")]) <= seen + 1


class TestPowerCuts(PowerLaws):
    """Every value is near the border between the database and a file, and the oldest make room."""

    capabilities = BYTES | Capability.ORDERED
    values = (b"bytes",)
    survives_power_cuts = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return SQLiteStorage(
            place / "x.db", codec="bytes", limit=50, durability="power", large=60_000, timer=timer
        )
