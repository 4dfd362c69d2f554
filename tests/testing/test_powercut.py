"""The disk whose power is cut, and the law that stands on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.powercut import PowerCutDisk

MISSING = PowerCutDisk.missing()


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    if MISSING:
        pytest.skip(MISSING)
    disk = PowerCutDisk(tmp_path)
    try:
        disk.__enter__()
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    yield disk
    disk.__exit__()


def test_what_was_not_synced_is_lost_and_what_was_is_kept(disk: PowerCutDisk) -> None:
    synced, lost = disk.path / "synced", disk.path / "lost"
    with open(synced, "wb") as file:
        file.write(b"synced" * 1000)
        file.flush()
        os.fsync(file.fileno())
    descriptor = os.open(disk.path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    lost.write_bytes(b"lost" * 1000)
    assert lost.exists()
    disk.cut()
    assert synced.read_bytes() == b"synced" * 1000
    assert not lost.exists() or lost.read_bytes() != b"lost" * 1000


def test_a_disk_can_be_cut_again_and_again(disk: PowerCutDisk) -> None:
    storage: FileStorage[str, int] = FileStorage(disk.path / "place", durability="power")
    for number in range(3):
        storage["key"] = number
        storage.close()
        disk.cut()
        storage = FileStorage(disk.path / "place", durability="power")
        assert storage["key"] == number
    storage.close()


def test_nothing_is_left_mounted(tmp_path: Path) -> None:
    if MISSING:
        pytest.skip(MISSING)
    try:
        with PowerCutDisk(tmp_path) as disk:
            assert os.path.ismount(disk.path)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    assert not os.path.ismount(disk.path)


class Durable(StorageConformance):
    """Run below in another pytest: the name keeps it out of this one."""

    survives_power_cuts = True

    def make_storage(self, place: Path, timer: FakeClock) -> FileStorage[Any, Any]:
        return FileStorage(place, timer=timer, durability="power")


class Forgetful(Durable):
    def make_storage(self, place: Path, timer: FakeClock) -> FileStorage[Any, Any]:
        return FileStorage(place, timer=timer)


@pytest.mark.parametrize(("case", "outcome"), [("Durable", "1 passed"), ("Forgetful", "1 failed")])
def test_the_law_tells_who_syncs_from_who_does_not(
    disk: PowerCutDisk, case: str, outcome: str, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                f"--basetemp={tmp_path / 'base'}",
            ),
            *("-o", f"python_classes={case}", "-k", f"{case} and power_cut", __file__),
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert outcome in ran.stdout.splitlines()[-1], ran.stdout + ran.stderr


def test_where_there_can_be_no_disk_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert PowerCutDisk.missing() == "only the superuser of a Linux can mount a disk whose power is cut"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    assert PowerCutDisk.missing() == "mkfs.ext4 is not installed"
