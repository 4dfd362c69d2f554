"""A disk whose power can be cut: an ext4 file system in a file, of which only what was synced is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

_MEGABYTES: Final = 64
_PATIENCE: Final = 30.0
# Nothing is written but what a program asks for: no journal every few seconds, no help for those who rename
# without syncing.
_OPTIONS: Final = "loop,commit=300,noauto_da_alloc,nodev,nosuid"


class PowerCutDisk:
    """A small disk of its own, mounted in a folder; only the superuser of a Linux can have one.

    What was written to it and not synced lies in the memory of the system alone. A cut keeps what is in the
    file below it at that moment, and mounts that instead, as a machine does that starts again.

    Args:
        folder: A folder for the disk's files; it is mounted in a folder below.

    Raises:
        Nothing.

    Threads: one.
    Processes: one, but any number may write to the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.path: Final = folder / "disk"
        self._image = folder / "disk.image"
        self._left = folder / "disk.left"
        self._mounted = False

    @staticmethod
    def missing() -> str | None:
        """Say why there can be no such disk here.

        Returns:
            The reason; None where there can be one, as far as can be seen.

        Raises:
            Nothing.
        """
        if sys.platform != "linux" or os.geteuid() != 0:
            return "only the superuser of a Linux can mount a disk whose power is cut"
        for program in ("mkfs.ext4", "mount", "umount", "cp"):
            if shutil.which(program) is None:
                return f"{program} is not installed"
        if not os.path.exists("/dev/loop-control"):
            return "there are no loop devices"
        return None

    def __enter__(self) -> Self:
        with open(self._image, "wb") as image:
            image.truncate(_MEGABYTES << 20)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.path.mkdir()
        self._mount(self._image)
        return self

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            self._unmount()

    def cut(self) -> None:
        """Cut the power and start again: what was not synced is lost.

        Nobody may hold a file of the disk open.

        Raises:
            OSError: Something is still in use there, or the disk cannot be mounted any more.
        """
        _run("cp", "--sparse=always", str(self._image), str(self._left))
        self._unmount()
        os.replace(self._left, self._image)
        self._mount(self._image)

    def _mount(self, image: Path) -> None:
        _run("mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(self.path))
        self._mounted = True

    def _unmount(self) -> None:
        _run("umount", str(self.path))
        self._mounted = False


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    if done.returncode:
        raise OSError(f"{' '.join(command)} failed: {done.stderr.strip()}")
