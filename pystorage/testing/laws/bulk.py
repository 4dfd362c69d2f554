"""Laws of bulk operations: each does what a loop over single keys would do."""

from __future__ import annotations

from typing import Any

import pytest

from pystorage.testing.laws.base import AnyStorage, Laws, subclassed


class BulkLaws(Laws):
    """``get_many``, ``set_many`` and ``delete_many``.

    Raises:
        Nothing.
    """

    def test_set_many_is_a_loop(self, storage: AnyStorage) -> None:
        """``set_many`` writes every entry of a mapping, of pairs, and of an iterator."""
        one, two = self.value(1), self.value(2)
        storage.set_many({"mapping": one, "again": one})
        storage.set_many([("pairs", one), ("again", two)])
        storage.set_many(pair for pair in [("iterator", one)])
        storage.set_many({})
        assert dict(storage) == {"mapping": one, "again": two, "pairs": one, "iterator": one}

    def test_set_many_takes_the_last_of_equal_keys(self, storage: AnyStorage) -> None:
        """Where a key comes twice, the later value stands."""
        storage.set_many([("key", self.value(1)), ("other", self.value(2)), ("key", self.value(3))])
        assert dict(storage) == {"key": self.value(3), "other": self.value(2)}

    def test_set_many_of_itself(self, storage: AnyStorage) -> None:
        """A storage may be written to itself."""
        entries = {"a": self.value(1), "b": self.value(2)}
        storage.update(entries)
        storage.set_many(storage)
        assert dict(storage) == entries

    def test_get_many_gives_those_present(self, storage: AnyStorage) -> None:
        """``get_many`` gives a dict of the keys that are there, in the order asked."""
        storage.update({key: self.value(number) for number, key in enumerate("abc")})
        found = storage.get_many(["c", "absent", "a"])
        assert type(found) is dict
        assert list(found.items()) == [("c", self.value(2)), ("a", self.value(0))]
        assert storage.get_many([]) == {}
        assert storage.get_many(key for key in ["a", "a"]) == {"a": self.value(0)}

    def test_delete_many_counts(self, storage: AnyStorage) -> None:
        """``delete_many`` removes what is there and says how many that were; a key twice counts once."""
        storage.update({key: self.value(number) for number, key in enumerate("abcd")})
        assert storage.delete_many(["a", "absent", "a"]) == 1
        assert storage.delete_many(key for key in ["b", "c"]) == 2
        assert storage.delete_many([]) == 0
        assert list(storage) == ["d"]

    def test_many_entries(self, storage: AnyStorage) -> None:
        """A bulk of some hundred entries is written, read and removed whole."""
        entries = {f"key {number}": self.value(number) for number in range(300)}
        storage.set_many(entries)
        assert len(storage) == 300
        assert storage.get_many(entries) == entries
        assert storage.delete_many(entries) == 300
        assert len(storage) == 0

    def test_bulk_reads_all_written_singly(self, storage: AnyStorage) -> None:
        """What is written key by key is found in bulk, and the other way round."""
        storage["single"] = self.value(1)
        storage.set_many({"bulk": self.value(2)})
        assert storage.get_many(["single", "bulk"]) == {"single": storage["single"], "bulk": storage["bulk"]}
        assert storage.delete_many(["single"]) == 1
        del storage["bulk"]
        assert len(storage) == 0


class OverridingLaws(Laws):
    """A subclass that overrides a single-key method is never bypassed by those that take many.

    Raises:
        Nothing.
    """

    def test_an_overridden_read_is_never_bypassed(self, storage: AnyStorage) -> None:
        """With ``__getitem__`` overridden, every method that gives a value goes through it."""
        storage.update({"a": self.value(1), "b": self.value(2), "c": self.value(3)})
        base, asked = type(storage), []

        def __getitem__(self: AnyStorage, key: Any) -> Any:
            asked.append(key)
            return base.__getitem__(self, key)

        self._override(storage, __getitem__=__getitem__)
        reads = {
            "[]": lambda: storage["a"],
            "get": lambda: storage.get("a"),
            "get_many": lambda: storage.get_many(["a"]),
            "setdefault": lambda: storage.setdefault("a", self.value(9)),
            "values": lambda: list(storage.values()),
            "items": lambda: list(storage.items()),
            "==": lambda: storage == {},
            "pop": lambda: storage.pop("a"),
            "popitem": storage.popitem,
        }
        for name, read in reads.items():
            asked.clear()
            read()
            assert asked, f"{name} went past an overridden __getitem__"

    @pytest.mark.parametrize("method", ["__setitem__", "set"])
    def test_an_overridden_write_is_never_bypassed(self, storage: AnyStorage, method: str) -> None:
        """With ``__setitem__`` or ``set`` overridden, the methods that write many entries go through it."""
        base, asked = type(storage), []

        def overridden(self: AnyStorage, key: Any, value: Any, **options: Any) -> None:
            asked.append(key)
            getattr(base, method)(self, key, value, **options)

        self._override(storage, **{method: overridden})
        storage.set_many({"set_many": self.value(1)})
        storage.update({"update": self.value(2)})
        storage.update(keyword=self.value(3))
        storage["[]"] = self.value(4)
        storage.set("set", self.value(5))
        assert asked == ["set_many", "update", "keyword", "[]", "set"]
        assert len(storage) == 5

    def test_an_overridden_removal_is_never_bypassed(self, storage: AnyStorage) -> None:
        """With ``__delitem__`` overridden, every method that removes goes through it."""
        storage.update({key: self.value(number) for number, key in enumerate("abcde")})
        base, asked = type(storage), []

        def __delitem__(self: AnyStorage, key: Any) -> None:
            asked.append(key)
            base.__delitem__(self, key)

        self._override(storage, __delitem__=__delitem__)
        storage.delete_many(["a"])
        storage.pop("b")
        storage.popitem()
        storage.clear()
        assert sorted(asked) == list("abcde")

    def _override(self, storage: AnyStorage, **methods: Any) -> None:
        if not subclassed(storage, methods):
            pytest.skip("Python does not let a subclass take the place of this class")
