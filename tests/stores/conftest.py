"""Places for storages that other users can reach, and disks of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


@pytest.fixture
def commons() -> Iterator[Path]:
    """An empty folder that every user can reach; ``tmp_path`` is ours alone."""
    folder = Path(tempfile.mkdtemp(prefix="pystorage-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)


@pytest.fixture(scope="session")
def folding_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk that takes capitals for small letters: FAT, ext4 or exFAT, whichever can be mounted here."""
    image = tmp_path_factory.mktemp("image") / "disk"
    folder = tmp_path_factory.mktemp("folding")
    place = folder / "place"
    faults = []
    for make, mount, fold in (
        (["mkfs.vfat"], ["mount", "-t", "vfat"], None),
        (["mkfs.ext4", "-q", "-O", "casefold"], ["mount", "-t", "ext4"], ["chattr", "+F"]),
        (["mkfs.exfat"], ["mount.exfat-fuse"], None),
    ):
        image.write_bytes(b"")
        os.truncate(image, 16 << 20)
        with ExitStack() as stack:
            try:
                _run(*make, image)
                device = _run("losetup", "-f", "--show", image)
                try:
                    _run(*mount, device, folder)
                finally:
                    _run("losetup", "-d", device)  # now, or else when it is unmounted
                stack.callback(_run, "umount", "-l", folder)
                place.mkdir()
                if fold:
                    _run(*fold, place)
                (place / "a").touch()
                if not (place / "A").exists():
                    raise OSError(f"{make[0]}: it tells letters apart")
                (place / "a").unlink()
            except (OSError, subprocess.CalledProcessError) as error:
                faults.append(str(getattr(error, "stderr", None) or error).strip())
                continue
            yield place
            return
    pytest.skip(f"no disk that folds case can be mounted here: {'; '.join(faults)}")


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()
