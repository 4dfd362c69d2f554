"""Laws of order: looking does not change who goes next."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pystorage.storage import Capability
from pystorage.testing.laws.base import AnyStorage, Laws, law

_LOOKS: dict[str, Callable[[AnyStorage], object]] = {
    "in": lambda storage: "b" in storage,
    "in keys": lambda storage: "b" in storage.keys(),  # noqa: SIM118  the view is what is tried
    "len": len,
    "bool": bool,
    "repr": repr,
    "iteration": list,
    "keys": lambda storage: list(storage.keys()),
    "values": lambda storage: list(storage.values()),
    "items": lambda storage: list(storage.items()),
    "reading the first item": lambda storage: next(iter(storage.items())),
    "==": lambda storage: storage == dict.fromkeys("dcba"),
    "in items": lambda storage: ("b", 0) in storage.items(),
    "scan": lambda storage: list(storage.scan("b")),
    "ttl": lambda storage: storage.ttl("b"),
    "expires_at": lambda storage: storage.expires_at("b"),
    "stats": lambda storage: storage.stats(),
    "purge": lambda storage: storage.purge(),
}


class OrderLaws(Laws):
    """A storage that iterates in an order keeps it.

    Raises:
        Nothing.
    """

    @law(needs=Capability.ORDERED)
    @pytest.mark.parametrize("look", _LOOKS)
    def test_looking_keeps_the_order(self, storage: AnyStorage, look: str) -> None:
        """Neither ``in``, ``len``, iteration, the views nor figures change the order."""
        for number, key in enumerate("abcd"):
            storage[key] = self.value(number)
        before = list(storage)
        _LOOKS[look](storage)
        assert list(storage) == before

    @law(needs=Capability.ORDERED)
    def test_all_looks_have_one_order(self, storage: AnyStorage) -> None:
        """Keys, values, items and reversal of none: all views give the entries in the same order."""
        for number, key in enumerate("abcd"):
            storage[key] = self.value(number)
        keys = list(storage)
        assert list(storage.keys()) == list(storage.scan("")) == keys
        assert list(storage.items()) == [(key, self.value("abcd".index(key))) for key in keys]
        assert list(storage.values()) == [self.value("abcd".index(key)) for key in keys]
