"""A folder of entry files whose names are paths: folders are made when needed, and go when they are empty."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pystorage.naming import OWN
from pystorage.stores._folder import Folder

# Each failure means that another process removed a folder in between that had become empty.
_ATTEMPTS: Final = 100


class TreeFolder(Folder):
    """The files of one storage in a folder and all below it.

    Names hold ``/`` between folders. A link in the place of a folder is not followed.

    Args:
        path: The folder, absolute; made if it is missing.
        suffix: What entry files end in, without the dot.
        mode: The permissions of the files; folders get the matching ones.
        sync: Whether a write survives a power cut.

    Raises:
        OSError: The folder is missing and cannot be made, or is no folder.

    Threads: any number.
    Processes: any number.
    """

    def walk(self, below: str) -> list[str]:
        """List the entries below a folder.

        Args:
            below: The name of the folder; ``""`` is all.

        Returns:
            Names, of entries and perhaps of others; none where a link leads there.

        Raises:
            OSError: A folder cannot be read.
        """
        length = -len(self.ending) or None
        names: list[str] = []
        waiting = [f"{below}/" if below else ""]
        try:
            self._check_way(waiting[0])
        except OSError as error:
            if error.errno == errno.ELOOP:
                return []
            raise
        while waiting:
            folder = waiting.pop()
            try:
                found = os.scandir(self.start + folder)
            except (FileNotFoundError, NotADirectoryError):
                self.check()
                continue
            with found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith(OWN):
                            waiting.append(f"{folder}{entry.name}/")
                    elif entry.name.endswith(self.ending) and entry.is_file(follow_symlinks=False):
                        names.append(folder + entry.name[:length])
        return names

    def _check_way(self, name: str) -> None:
        """Refuse to go through a link that lies where a folder should be."""
        end = name.find("/")
        while end >= 0:
            path = self.start + name[:end]
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return
            if stat.S_ISLNK(found.st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            end = name.find("/", end + 1)

    def read(self, name: str, guarded: bool = False) -> bytes | None:
        self._check_way(name)
        return super().read(name, guarded)

    def open(self, name: str) -> int | None:
        self._check_way(name)
        return super().open(name)

    def put(self, path: str, name: str, condition: Callable[[], bool] | None = None) -> bool:
        self._check_way(name)
        return super().put(path, name, condition)

    def _rename(self, path: str, target: str) -> None:
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError):
                os.replace(path, target)
                return
            # The folder may be missing yet, or another process may just have removed it.
            self.check()
            if not os.path.lexists(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            with suppress(FileNotFoundError):
                self.make(os.path.dirname(target))
        raise FileNotFoundError(errno.ENOENT, "its folder goes away again and again", target)

    def remove(self, name: str, condition: Callable[[], bool] | None = None) -> bool:
        self._check_way(name)
        removed = super().remove(name, condition)
        if removed:
            self._prune(name)
        return removed

    def rename(self, name: str, new: str) -> bool:
        self._check_way(name)
        self._check_way(new)
        renamed = super().rename(name, new)
        if renamed:
            self._prune(name)
        return renamed

    def _prune(self, name: str) -> None:
        """Remove the folders of a name that have become empty."""
        parent = os.path.dirname(self.file(name))
        with suppress(OSError):  # one that is not empty stays
            while len(parent) > len(self.path):
                os.rmdir(parent)
                parent = os.path.dirname(parent)
