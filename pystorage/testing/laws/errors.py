"""Laws of errors: what went wrong is said, and nothing is lost by it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import EncodeError
from pystorage.storage import ABSENT, Capability
from pystorage.testing.laws.base import AnyStorage, Laws, law, where_some_value_cannot_be_stored
from pystorage.testing.laws.keys import writes

_READS = ("__getitem__", "__delitem__", "pop", "ttl", "expires_at", "open_read")


class AbsentKeyLaws(Laws):
    """Absence, and only absence, is the builtin ``KeyError``.

    Raises:
        Nothing.
    """

    @pytest.mark.parametrize("method", _READS)
    def test_an_absent_key_is_a_key_error(self, storage: AnyStorage, method: str) -> None:
        """The error is a plain ``KeyError`` with the caller's own key, as it was given."""
        storage["other"] = self.value(1)
        for key in ("absent", 1.0, True, ("a", 2.0), "", "x" * 5_000, "a/b", b"other"):
            with pytest.raises(KeyError) as caught:
                getattr(storage, method)(key)
            assert caught.type is KeyError
            assert len(caught.value.args) == 1
            assert caught.value.args[0] is key
        assert dict(storage) == {"other": self.value(1)}


class BadValueLaws(Laws):
    """A value that cannot be stored is refused before anything is written.

    Raises:
        Nothing.
    """

    @law(when=where_some_value_cannot_be_stored)
    def test_a_bad_value_leaves_the_old_one(self, storage: AnyStorage, place: Path) -> None:
        """Every kind of write raises ``EncodeError``; the old value stands, and no file is left behind."""
        bad = type(self).bad_value
        storage["key"] = self.value(1)
        files = sorted(place.rglob("*"))
        replace: dict[str, Callable[[], Any]] = {
            name: partial(write, storage, "key", bad)
            for name, write in writes(storage).items()
            if name in ("[]", "set", "set with a ttl", "update", "set_many")
        }
        if Capability.SWAP in storage.capabilities:
            replace["swap"] = lambda: storage.swap("key", self.value(1), bad)
        for name, write in replace.items():
            with pytest.raises(EncodeError) as caught:
                write()
            assert caught.value.key == "key", name
            assert isinstance(caught.value, ValueError), name
            assert dict(storage) == {"key": self.value(1)}, name
            assert storage.ttl("key") == self.default_ttl, name
        if Capability.TTL not in storage.capabilities:
            assert sorted(place.rglob("*")) == files

    @law(when=where_some_value_cannot_be_stored)
    def test_a_bad_value_makes_no_entry(self, storage: AnyStorage) -> None:
        """Where nothing was, nothing is after a failed write."""
        bad = type(self).bad_value
        make: list[Callable[[], Any]] = [
            lambda: storage.__setitem__("key", bad),
            lambda: storage.set("key", bad),
            lambda: storage.setdefault("key", bad),
            lambda: storage.set_many({"key": bad}),
        ]
        if Capability.ADD in storage.capabilities:
            make.append(lambda: storage.add("key", bad))
        if Capability.SWAP in storage.capabilities:
            make.append(lambda: storage.swap("key", ABSENT, bad))
        for write in make:
            with pytest.raises(EncodeError):
                write()
            assert len(storage) == len(list(storage)) == 0
            assert "key" not in storage

    @law(when=where_some_value_cannot_be_stored)
    def test_an_error_can_be_pickled(self, storage: AnyStorage) -> None:
        """An error crosses a process boundary with what it says."""
        with pytest.raises(EncodeError) as caught:
            storage["key"] = type(self).bad_value
        error = pickle.loads(pickle.dumps(caught.value))
        assert type(error) is type(caught.value)
        assert str(error) == str(caught.value)
        assert error.key == "key"

    @law(when=where_some_value_cannot_be_stored)
    def test_an_error_says_what_and_where(self, storage: AnyStorage) -> None:
        """The message tells of the storage and the key, however long or odd, and stays short."""
        for key in self.keys:
            with pytest.raises(EncodeError) as caught:
                storage[key] = type(self).bad_value
            where = caught.value.storage
            assert where is not None
            assert where in str(caught.value)
            assert len(str(caught.value)) < len(where) + 1_000
        assert len(storage) == 0
