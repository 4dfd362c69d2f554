"""Laws of scanning: it gives what a filter over all keys would give."""

from __future__ import annotations

from typing import Any

import pytest

from pystorage.storage import Capability
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import AnyStorage, Laws, law

_ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}"
_PREFIXES = (
    *("", "a", "a/", "a//", "/", "..", "%", "%i", "key", "C", "CON", "CASE", "1", "nul\0", "absent"),
    *("x" * 150, "long" * 50, "long" * 16_000, f"caf{_ACUTE}", _ACUTE * 100),
)


class ScanLaws(Laws):
    """``scan`` gives the text keys that begin with a prefix.

    Raises:
        Nothing.
    """

    def test_scan_is_a_filter(self, storage: AnyStorage) -> None:
        """For each prefix ``scan`` gives the text keys that begin with it, each once, as a loop would."""
        storage.set_many({key: self.value(number) for number, key in enumerate(self.keys)})
        texts = [key for key in storage if isinstance(key, str)]
        for prefix in _PREFIXES:
            found = list(storage.scan(prefix))
            assert len(found) == len(set(found)), f"{prefix!r:.40} gives a key twice"
            assert set(found) == {key for key in texts if key.startswith(prefix)}, f"{prefix!r:.40}"

    def test_scan_keeps_the_order(self, storage: AnyStorage) -> None:
        """``scan`` gives the keys in the order of the iteration, where there is one."""
        storage.update({f"{letter}{number}": self.value(number) for number in range(9) for letter in "ba"})
        if Capability.ORDERED in storage.capabilities:
            assert list(storage.scan("a")) == [key for key in storage if key.startswith("a")]
        assert sorted(storage.scan("a")) == [f"a{number}" for number in range(9)]

    def test_a_prefix_is_text(self, storage: AnyStorage) -> None:
        """A prefix that is no text is ``TypeError``."""
        wrong: list[Any] = [None, b"a", 1, ("a",)]
        for prefix in wrong:
            with pytest.raises(TypeError):
                storage.scan(prefix)

    def test_scanning_while_writing(self, storage: AnyStorage) -> None:
        """A scan is over a snapshot: it neither fails nor loops, whatever is written meanwhile."""
        storage.update({f"key {number}": self.value(number) for number in range(10)})
        for number, key in enumerate(storage.scan("key")):
            del storage[key]
            storage[f"key new {number}"] = self.value(number)
            assert number < 1_000, "the scan loops"
        assert sorted(storage) == sorted(f"key new {number}" for number in range(10))

    @law(needs=Capability.TTL)
    def test_scan_leaves_out_what_has_expired(self, storage: AnyStorage, timer: FakeClock) -> None:
        """What has expired is not found."""
        storage.set("key short", self.value(1), ttl=10)
        storage.set("key long", self.value(2), ttl=20)
        timer.advance(10)
        self.settle(storage)
        assert list(storage.scan("key")) == ["key long"]
        assert list(storage.scan("")) == ["key long"]
