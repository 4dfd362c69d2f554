"""The one folder that the tour writes to: how it is made, known again, weighed and removed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pystorage.errors import StorageError, UnavailableError

#: Its presence says that the tour made what lies beside it; it lists the folders that had to be made for it.
MARKER = "pystorage-tour.json"

#: One storage each.
PARTS = ("figures", "runs", "notes", "tokens", "sessions")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a folder weighs.

    Args:
        files: How many there are.
        size: The bytes in them.
        allocated: The bytes of the disk blocks that they take.

    Raises:
        Nothing.
    """

    files: int
    size: int
    allocated: int


def claim(path: Path) -> None:
    """Make a folder the tour's, or know it again.

    Args:
        path: An absolute path: nothing yet, an empty folder, or a folder of an earlier tour.

    Raises:
        StorageError: The folder holds something and no tour made it.
        UnavailableError: The folder cannot be made or read.
    """
    with _explained(f"cannot use {path}, choose another with --path"):
        if (path / MARKER).is_file():
            return
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StorageError(
                f"will not write to {path}: it holds files and no tour made it; choose another with --path"
            )
        (path / MARKER).write_text(
            json.dumps({"made by": "pystorage tour", "folders": [str(folder) for folder in missing]}) + "\n",
            encoding="utf-8",
        )


def clean(path: Path) -> Usage | None:
    """Remove what the tour made, and nothing else.

    Args:
        path: The folder that :func:`claim` was given.

    Returns:
        What was removed; None when there is no such folder. Files that the tour did not make stay, and so do
        the folders that hold them and those that were there before the tour.

    Raises:
        StorageError: No tour made this folder; nothing was removed.
        UnavailableError: Something cannot be removed.
    """
    with _explained(f"cannot clean {path}"):
        if not path.exists():
            return None
        if not (path / MARKER).is_file():
            raise StorageError(f"will not clean {path}: no tour made it; name the folder of one with --path")
        before = usage(path)
        for part in PARTS:
            if (path / part).is_dir() and not (path / part).is_symlink():
                shutil.rmtree(path / part)
        made = _made_folders(path)
        # Last, so that a clean which was cut short can be run again.
        (path / MARKER).unlink()
        for folder in (path, *path.parents):
            if str(folder) not in made or any(folder.iterdir()):
                break
            folder.rmdir()
        after = usage(path)
    return Usage(before.files - after.files, before.size - after.size, before.allocated - after.allocated)


def usage(path: Path) -> Usage:
    """Weigh a folder.

    Args:
        path: The folder; one that does not exist weighs nothing.

    Returns:
        Its files and bytes, those of the folders below it too.

    Raises:
        UnavailableError: A file cannot be looked at.
    """
    files = size = allocated = 0
    with _explained(f"cannot weigh {path}"):
        for folder, _, names in os.walk(path):
            for name in names:
                status = os.lstat(os.path.join(folder, name))
                files += 1
                size += status.st_size
                # Windows does not say how many blocks a file takes.
                allocated += getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
    return Usage(files, size, allocated)


def _made_folders(path: Path) -> frozenset[str]:
    try:
        folders = json.loads((path / MARKER).read_bytes())["folders"]
    except (ValueError, TypeError, LookupError):
        # Cut short while it was written: better to leave an empty folder than to remove somebody's.
        return frozenset()
    return frozenset(folders) if isinstance(folders, list) else frozenset()


@contextmanager
def _explained(trouble: str) -> Iterator[None]:
    try:
        yield
    except UnavailableError:
        raise
    except OSError as error:
        explained = UnavailableError(f"{trouble}: {error.strerror or error}")
        explained.errno = error.errno
        raise explained from error
