"""A bounded folder with 100,000 files, and one whose power is cut."""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pystorage.stores.disklru import DiskLRUStorage
from pystorage.testing.parallel import Child, Line
from pystorage.testing.powercut import PowerCutDisk

MANY = 100_000


@pytest.mark.timeout(300)
def test_a_folder_with_100_000_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened, listed in order and written to; a write looks at no more files than in a small one."""
    now = time.time_ns()
    for number in range(MANY):
        path = f"{tmp_path}/{number:06}.disklru.pkl"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        if number % 1000 == 0:  # they become the oldest, in the order of their numbers
            os.utime(path, ns=(0, now - 10**12 + number))
    storage = DiskLRUStorage[str, Any](tmp_path, limit=MANY, codec="bytes")
    assert len(storage) == MANY
    keys = list(storage)
    assert keys[:3] == ["000000", "001000", "002000"]
    assert sorted(keys) == [f"{number:06}" for number in range(MANY)]
    assert storage.stats().bytes == 0

    def refuse(*_: object) -> Any:
        raise AssertionError("the folder was listed")

    looks = []
    lstat = os.lstat
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        patch.setattr(os, "listdir", refuse)
        patch.setattr(os, "lstat", lambda path, **options: looks.append(path) or lstat(path, **options))
        for number in range(100):
            storage[f"new {number}"] = b"new"
    assert len(looks) < 300
    assert len(storage) == MANY
    assert next(iter(storage)) == "000001"
    assert "099000" not in storage
    with DiskLRUStorage[str, Any](tmp_path, limit=10, codec="bytes") as small:
        assert list(small) == [f"new {number}" for number in range(90, 100)]
    assert len(list(tmp_path.glob("*.disklru.pkl"))) == 10


def test_a_power_cut_of_a_bounded_folder(tmp_path: Path) -> None:
    """After each cut all is there that was acknowledged and had not to go; the bound holds at once."""
    missing = PowerCutDisk.missing()
    if missing is not None:
        pytest.skip(missing)
    limit, chance, last = 8, random.Random(5), 0

    def opened(disk: PowerCutDisk) -> DiskLRUStorage[str, Any]:
        return DiskLRUStorage(disk.path / "place", limit=limit, durability="power", codec="json+checksum")

    with ExitStack() as stack:
        try:
            disk = stack.enter_context(PowerCutDisk(tmp_path))
        except OSError as error:
            pytest.skip(f"no disk can be mounted here: {error}")
        for _ in range(4):

            def write(line: Line, first: int) -> None:
                mine = opened(disk)
                for number in range(first, 10**9):
                    mine[f"{number}"] = [number] * (1 + number % 5000)
                    line.say(number.to_bytes(4, "big"))

            with Line() as line, Child(lambda line=line, last=last: write(line, last + 1)) as child:
                heard = b""
                for _ in range(chance.randrange(15, 40)):
                    heard = (heard + line.hear())[-4:]
                child.kill()
                last = int.from_bytes((heard + line.hear(0))[-4:], "big")
            disk.cut()
            assert len(list(disk.path.glob("place/*.disklru.pkl"))) <= limit
            with opened(disk) as storage:
                assert not storage.verify().broken
                # One more may have been written, of which nobody was told, and another gone for it.
                kept = [f"{number}" for number in range(last - limit + 2, last + 1)]
                assert set(kept) <= set(storage) <= {f"{last - limit + 1}", *kept, f"{last + 1}"}
                assert [key for key in storage if key in kept] == kept
                assert all(storage[key] == [int(key)] * (1 + int(key) % 5000) for key in storage)
            last += 1
