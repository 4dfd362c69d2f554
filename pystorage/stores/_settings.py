"""What a folder of files must remember, in one small file beside them, written when there is something."""

from __future__ import annotations

import errno
import json
import os
from typing import Any, Final

from pystorage.errors import DecodeError
from pystorage.stores._disk import READ_FLAGS, check_plain, sync_folder, write_all
from pystorage.stores._folder import Folder
from pystorage.stores._trust import user

_FORMAT: Final = 1
_MAX_SIZE: Final = 65536


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
        # Not the folder itself, which may have these.
        self._own, self._sync, self._folder = folder.own, folder.sync, folder.path
        self._path = folder.own.settings
        # What the file looked like from outside, and what stood in it; replaced together.
        self._known: tuple[tuple[int, ...], dict[str, Any]] = ((), {})
        self._load()

    def __getitem__(self, name: str) -> bool:
        return self._load().get(name) is True

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
        own = self._own
        with own.lock("settings"):
            values = {"format": _FORMAT, **self._load(), name: True}
            with own.new_file() as file:
                write_all(file.descriptor, json.dumps(values, sort_keys=True).encode() + b"\n")
                # Whatever is promised of values: without a sound file here none of them could be read.
                file.complete(sync=True)
                os.replace(file.path, self._path)
            if self._sync:
                sync_folder(os.path.dirname(self._path))

    def _load(self) -> dict[str, Any]:
        path = self._path
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return {}
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        known, values = self._known
        if seen != known:
            try:
                values = self._read()
            except FileNotFoundError:
                return {}
            self._known = (seen, values)
        return values

    def _read(self) -> dict[str, Any]:
        path = self._path
        descriptor = os.open(path, READ_FLAGS)
        try:
            found = check_plain(descriptor)
            if self._own.open_to_all and found.st_uid != user():
                raise PermissionError(errno.EPERM, f"user {found.st_uid} made this file of ours", path)
            data = os.read(descriptor, _MAX_SIZE)
        finally:
            os.close(descriptor)
        try:
            values: dict[str, Any] = json.loads(data)
            version = values["format"]
            if type(version) is not int or version < 1:
                raise ValueError(f"its format is {version!r}")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DecodeError(
                f"the settings of a storage in {path!r} are damaged ({error!r}); restore the file, or remove "
                "it if no entry of the storage ever had a time to live and its disk tells capitals from "
                "small letters",
                storage=path,
            ) from error
        if version > _FORMAT:
            raise DecodeError(
                f"the storage in {self._folder!r} is of format {version}, and this pystorage knows "
                f"formats up to {_FORMAT}: upgrade pystorage to use it",
                storage=path,
            )
        return values
