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

from pystorage.errors import StorageError
from pystorage.storage import Capability
from pystorage.testing.laws.base import AnyStorage, Laws, Opener, law

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
    """Values in a place that others can write to are data.

    Raises:
        Nothing.
    """

    @law(needs=Capability.PERSISTENT)
    @pytest.mark.parametrize("form", _FORMS)
    @pytest.mark.parametrize("theirs", ["writable by others", "of another owner"])
    def test_a_planted_pickle_never_runs(
        self, storage: AnyStorage, open_storage: Opener, place: Path, form: str, theirs: str
    ) -> None:
        """A pickle that was put behind the back of the storage, where others can write, is not loaded."""
        keys = ["key", 1, ("a", "b"), "x" * 1_000]
        storage.set_many({key: self.value(1) for key in keys})
        storage.close()
        mark = place.parent / "it ran"
        planted = _FORMS[form](pickle.dumps(Planted(mark)))
        self._hand_over(place, theirs, planted)
        reads: list[Callable[[AnyStorage], Any]] = [
            *(lambda again, key=key: again[key] for key in keys),
            lambda again: list(again.items()),
            lambda again: again.get_many(keys),
            lambda again: again.popitem(),
            lambda again: again.open_read("key").read(),
        ]
        for read in reads:
            with suppress(StorageError, KeyError):
                read(open_storage())
            assert not mark.exists(), "a planted pickle was run"

    def _hand_over(self, place: Path, theirs: str, planted: bytes) -> None:
        for path in [place, *place.rglob("*")]:
            if path.is_file():
                path.write_bytes(planted)
            if theirs == "writable by others":
                path.chmod(0o777 if path.is_dir() else 0o666)
            elif os.geteuid() == 0:
                os.chown(path, _NOBODY, _NOBODY)
            else:
                pytest.skip("only the superuser can give a file to another user")
