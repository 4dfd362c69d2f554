"""What a folder of files must remember, in one small file beside them, written when there is something."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from pystorage.errors import DecodeError
from pystorage.stores._folder import Folder

_FORMAT: Final = 1


class Settings:
    """The settings of one folder, read again when another process changed them.

    Args:
        folder: The folder.

    Raises:
        DecodeError: The file is damaged, or the folder is of a newer format.
        OSError: The file cannot be read.

    Threads: any number.
    Processes: any number.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._seen: tuple[int, ...] = ()
        self._values: dict[str, Any] = {}
        self._load()

    def __getitem__(self, name: str) -> bool:
        self._load()
        return bool(self._values.get(name, False))

    def note(self, name: str) -> None:
        """Remember that something is so.

        Args:
            name: What, such as ``deadlines``.

        Raises:
            DecodeError: The file is damaged, or the folder is of a newer format.
            OSError: The file cannot be written.
        """
        if self[name]:
            return
        folder = self._folder
        with folder.lock("settings"):
            self._load()
            values = {"format": _FORMAT, **self._values, name: True}
            text = json.dumps(values, sort_keys=True) + "\n"
            with folder.new_file() as (path, descriptor):
                os.write(descriptor, text.encode())
                if folder.sync:
                    os.fsync(descriptor)
                os.replace(path, folder.settings)
        self._load()

    def _load(self) -> None:
        path = self._folder.settings
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            self._seen, self._values = (), {}
            return
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb") as file:
            data = file.read(65536)
        try:
            values = json.loads(data)
            version = values["format"]
            if not isinstance(version, int):
                raise ValueError(f"its format is {version!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise DecodeError(
                f"the settings of a storage in {path!r} are damaged ({error}); restore the file, or remove it if no "
                "entry of the storage ever had a time to live and its disk tells capitals from small letters",
                storage=path,
            ) from error
        if version > _FORMAT:
            raise DecodeError(
                f"the storage in {self._folder.path!r} is of format {version}, and this pystorage knows formats up "
                f"to {_FORMAT}: upgrade pystorage to use it",
                storage=path,
            )
        self._seen, self._values = seen, values
