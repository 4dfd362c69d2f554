"""Laws of safety: what others could have written is never run."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pickle
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from pystorage.codecs import header
from pystorage.errors import DecodeError, StorageError
from pystorage.storage import Capability
from pystorage.testing.laws.base import AnyStorage, Laws, Opener, law, where_no_place_is_trusted

_FORMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "bare": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "lzma": lzma.compress,
    "bz2": bz2.compress,
}

# What "nobody" is on most systems: another user than the one who runs the tests.
_NOBODY = 65_534


class Planted:
    """A value whose pickle makes a folder when it is loaded.

    Args:
        mark: The folder.

    Raises:
        Nothing.
    """

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


class SafetyLaws(Laws):
    """Values are data: what lies in a place that others can write to is never run.

    Raises:
        Nothing.
    """

    def plant(self, place: Path, data: bytes) -> None:
        """Put bytes in the place of every value, behind the back of the storage, which is closed.

        A test class of a storage that keeps its values otherwise than one in a file overrides it.

        Args:
            place: What the storage was made with.
            data: What somebody else left there.

        Raises:
            OSError: The place cannot be written to.
        """
        for path in place.rglob("*"):
            if path.is_file():
                found, head = path.read_bytes(), b""
                with suppress(DecodeError):  # with the same deadline and key
                    head = found[: header.read(found).size]
                path.write_bytes(head + data)

    @law(needs=Capability.PERSISTENT)
    @pytest.mark.parametrize("form", _FORMS)
    @pytest.mark.parametrize("theirs", ["writable by others", "of another owner"])
    def test_a_planted_pickle_never_runs(
        self, storage: AnyStorage, open_storage: Opener, place: Path, form: str, theirs: str
    ) -> None:
        """A pickle that was put behind the back of the storage, where others can write, is not loaded."""
        self._plant_and_read(storage, open_storage, place, form, theirs)

    @law(needs=Capability.PERSISTENT, when=where_no_place_is_trusted)
    @pytest.mark.parametrize("form", _FORMS)
    def test_a_planted_pickle_never_runs_wherever_it_lies(
        self, storage: AnyStorage, open_storage: Opener, place: Path, form: str
    ) -> None:
        """Nor is it where nobody else can write, unless somebody asked for a codec that loads pickles."""
        self._plant_and_read(storage, open_storage, place, form, None)

    def _plant_and_read(
        self, storage: AnyStorage, open_storage: Opener, place: Path, form: str, theirs: str | None
    ) -> None:
        keys = ["key", 1, ("a", "b"), "x" * 1_000]
        storage.set_many({key: self.value(1) for key in keys})
        if Capability.TTL in storage.capabilities:
            keys.append("lives")
            storage.set("lives", self.value(1), ttl=60)
        storage.close()
        mark = place.parent / "it ran"
        self.plant(place, _FORMS[form](pickle.dumps(Planted(mark))))
        if theirs is not None:
            _hand_over(place, theirs)
        reads: list[Callable[[AnyStorage], Any]] = [
            *(lambda again, key=key: again[key] for key in keys),
            lambda again: list(again.items()),
            lambda again: list(again.values()),
            lambda again: again.get_many(keys),
            _stream,
            lambda again: again.setdefault("key", self.value(2)),
            lambda again: again.swap("key", self.value(1), self.value(2)),
            lambda again: again.incr("key"),
            lambda again: again.touch("key", 60),
            lambda again: again.pop("key"),
            lambda again: again.popitem(),
        ]
        for read in reads:
            with suppress(StorageError, KeyError, TypeError):
                read(open_storage())
            assert not mark.exists(), "a planted pickle was run"


def _stream(storage: AnyStorage) -> bytes:
    with storage.open_read("key") as file:
        return file.read()


def _hand_over(place: Path, theirs: str) -> None:
    for path in [place, *place.rglob("*")]:
        if theirs == "writable by others":
            path.chmod(0o777 if path.is_dir() else 0o666)
        elif os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)
        else:
            pytest.skip("only the superuser can give a file to another user")
