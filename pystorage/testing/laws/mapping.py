"""Laws of a mapping: a storage is a MutableMapping and behaves as a dict does."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from pystorage.testing.laws.base import MISSING, AnyStorage, Laws, subclassed


class MappingLaws(Laws):
    """One key, all keys, and the methods that a dict has.

    Raises:
        Nothing.
    """

    def test_is_a_mutable_mapping(self, storage: AnyStorage) -> None:
        """A storage is a ``MutableMapping``, and as a mutable one it has no hash."""
        assert isinstance(storage, MutableMapping)
        with pytest.raises(TypeError):
            hash(storage)

    def test_declares_its_capabilities(self, storage: AnyStorage) -> None:
        """What the test class says of the capabilities is what the storage declares."""
        assert type(self).capabilities in (None, storage.capabilities)

    def test_a_value_comes_back(self, storage: AnyStorage) -> None:
        """Each value comes back equal and of its type."""
        for value in self.values:
            storage["key"] = value
            found = storage["key"]
            assert found == value
            assert type(found) is type(value)

    def test_values_are_kept_apart(self, storage: AnyStorage) -> None:
        """Many values, each under a key of its own, come back under these."""
        for number, value in enumerate(self.values):
            storage[f"key {number}"] = value
        assert {key: storage[key] for key in storage} == {f"key {n}": v for n, v in enumerate(self.values)}

    def test_overwriting(self, storage: AnyStorage) -> None:
        """A second write of a key replaces the first and adds no entry."""
        storage["key"] = self.value(1)
        storage["key"] = self.value(2)
        assert storage["key"] == self.value(2)
        assert len(storage) == len(list(storage)) == 1

    def test_deleting(self, storage: AnyStorage) -> None:
        """What was deleted is gone, and nothing else."""
        storage.update({"a": self.value(1), "b": self.value(2)})
        del storage["a"]
        assert "a" not in storage
        assert storage.get("a", MISSING) is MISSING
        assert dict(storage) == {"b": self.value(2)}

    def test_an_empty_storage(self, storage: AnyStorage) -> None:
        """A new storage is empty, false, and equal to an empty dict."""
        assert not storage
        assert len(storage) == 0
        assert list(storage) == list(storage.keys()) == list(storage.values()) == list(storage.items()) == []
        assert storage == {}
        assert storage.get("key") is None

    def test_bool(self, storage: AnyStorage) -> None:
        """A storage is true as long as it has an entry, also one of a false key and a false value."""
        storage[""] = self.values[1]
        assert storage
        del storage[""]
        assert not storage

    def test_equality_with_a_dict(self, storage: AnyStorage) -> None:
        """A storage equals the dict of its entries, and no other."""
        entries = {"a": self.value(1), "b": self.value(2)}
        storage.update(entries)
        assert storage == entries
        assert entries == storage
        assert storage != {"a": self.value(1)}
        assert storage != {**entries, "b": self.value(3)}
        assert storage != sorted(entries)  # type: ignore[comparison-overlap]

    def test_get(self, storage: AnyStorage) -> None:
        """``get`` gives the value, or the default, and stores nothing."""
        storage["key"] = self.value(1)
        assert storage.get("key", MISSING) == self.value(1)
        assert storage.get("absent") is None
        assert storage.get("absent", MISSING) is MISSING
        assert list(storage) == ["key"]

    def test_false_values_are_values(self, storage: AnyStorage) -> None:
        """A value that is false, ``None`` among them, is never taken for a miss."""
        for number, value in enumerate(value for value in self.values if not value):
            key = f"key {number}"
            storage[key] = value
            assert storage.get(key, MISSING) == value
            assert key in storage
            assert storage.get_many([key]) == {key: value}
            assert storage.setdefault(key, self.value(1)) == value
            assert storage[key] == value
            assert storage.pop(key, MISSING) == value
            assert key not in storage

    def test_pop(self, storage: AnyStorage) -> None:
        """``pop`` gives the value and removes it; of an absent key it gives the default."""
        storage["key"] = self.value(1)
        assert storage.pop("key") == self.value(1)
        assert "key" not in storage
        assert storage.pop("key", MISSING) is MISSING
        assert storage.pop("key", None) is None

    def test_popitem(self, storage: AnyStorage) -> None:
        """``popitem`` takes out one entry after the other, then raises ``KeyError``."""
        entries = {f"key {number}": self.value(number) for number in range(5)}
        storage.update(entries)
        taken = [storage.popitem() for _ in entries]
        assert dict(taken) == entries
        assert len(storage) == 0
        with pytest.raises(KeyError):
            storage.popitem()

    def test_popitem_takes_the_next_of_the_iteration(self, storage: AnyStorage) -> None:
        """``popitem`` takes the key that iteration begins with."""
        storage.update({f"key {number}": self.value(number) for number in range(5)})
        expected = next(iter(storage))
        assert storage.popitem()[0] == expected

    def test_setdefault(self, storage: AnyStorage) -> None:
        """``setdefault`` stores where nothing is, and gives what is there."""
        assert storage.setdefault("key", self.value(1)) == self.value(1)
        assert storage.setdefault("key", self.value(2)) == self.value(1)
        assert dict(storage) == {"key": self.value(1)}

    def test_update(self, storage: AnyStorage) -> None:
        """``update`` takes a mapping, pairs, an iterator of pairs, keywords, and all that has ``keys``."""

        class Keyed:
            def keys(self) -> list[str]:
                return ["keyed"]

            def __getitem__(self, key: str) -> Any:
                return one

        one, two = self.value(1), self.value(2)
        storage.update({"mapping": one}, mapping=two, keyword=one)
        storage.update([("pairs", one)])
        storage.update((pair for pair in [("iterator", one)]), self=two, other=two)
        storage.update(Keyed())
        storage.update()
        ones = dict.fromkeys(("keyword", "pairs", "iterator", "keyed"), one)
        assert dict(storage) == {**ones, "mapping": two, "self": two, "other": two}

    def test_update_refuses_what_dict_refuses(self, storage: AnyStorage) -> None:
        """``update`` raises as that of a dict does, and its argument's own errors come through."""

        class Oops(Exception):
            pass

        def failing() -> Any:
            yield "first", self.value(1)
            raise Oops

        for wrong in (42, [1], [("a", "b", "c")]):
            with pytest.raises((TypeError, ValueError)):
                storage.update(wrong)
        assert len(storage) == 0
        with pytest.raises(Oops):
            storage.update(failing())

    def test_clear(self, storage: AnyStorage) -> None:
        """``clear`` removes all, also from an empty storage, and the storage goes on."""
        storage.update({f"key {number}": self.value(number) for number in range(5)})
        storage.clear()
        assert list(storage) == []
        assert len(storage) == 0
        storage.clear()
        storage["key"] = self.value(1)
        assert dict(storage) == {"key": self.value(1)}

    def test_views(self, storage: AnyStorage) -> None:
        """``keys``, ``values`` and ``items`` are views: of the size, containing, comparable and iterable."""
        entries = {"a": self.value(1), "b": self.value(2)}
        storage.update(entries)
        keys, values, items = storage.keys(), storage.values(), storage.items()
        assert len(keys) == len(values) == len(items) == 2
        assert "a" in keys
        assert "c" not in keys
        assert self.value(1) in values
        assert self.value(3) not in values
        assert ("a", self.value(1)) in items
        assert ("a", self.value(2)) not in items
        assert ("c", self.value(1)) not in items
        assert keys == {"a", "b"}
        assert keys & {"a", "c"} == {"a"}
        assert sorted(values) == sorted(entries.values())
        assert sorted(items) == sorted(entries.items())
        storage["c"] = self.value(3)
        assert len(keys) == 3
        assert ("c", self.value(3)) in items

    def test_length_is_that_of_the_iteration(self, storage: AnyStorage) -> None:
        """``len`` counts what iteration gives, and iteration gives each key once."""
        for number in range(20):
            storage[f"key {number}"] = self.value(number)
        for number in range(0, 20, 3):
            del storage[f"key {number}"]
        keys = list(storage)
        assert len(keys) == len(set(keys)) == len(storage) == 13

    def test_in_never_loads_a_value(self, storage: AnyStorage) -> None:
        """``in``, ``len`` and iteration over keys look for keys and read no value."""
        storage["key"] = self.value(1)

        def loading(*_: object, **__: object) -> Any:
            raise AssertionError("a value was loaded")

        if not subclassed(storage, {"__getitem__": loading, "get": loading, "_load": loading}):
            pytest.skip("Python does not let a subclass take the place of this class")
        assert "key" in storage
        assert "absent" not in storage
        assert "key" in storage.keys()  # noqa: SIM118  the view is what is tried
        assert list(storage) == list(storage.keys()) == ["key"]
        assert len(storage) == 1
        assert storage


class IterationLaws(Laws):
    """Iteration is over a snapshot: it neither fails nor loops, whatever is written meanwhile.

    Raises:
        Nothing.
    """

    def test_deleting_while_iterating(self, storage: AnyStorage) -> None:
        """A loop over a storage may delete each key that it comes to."""
        self._fill(storage)
        for key in storage:
            del storage[key]
        assert len(storage) == 0

    def test_clearing_while_iterating(self, storage: AnyStorage) -> None:
        """A loop over a storage may clear it."""
        self._fill(storage)
        for _ in storage:
            storage.clear()
        assert len(storage) == 0

    def test_adding_while_iterating(self, storage: AnyStorage) -> None:
        """A loop that adds a key at each step comes to its end, and has not missed a key that was there."""
        self._fill(storage)
        before, met = set(storage), []
        for number, key in enumerate(storage):
            storage[f"new {number}"] = self.value(number)
            met.append(key)
            assert number < 1_000, "the iteration loops"
        assert before <= set(met)
        assert len(met) == len(set(met))

    def test_overwriting_while_iterating(self, storage: AnyStorage) -> None:
        """A loop that reads and overwrites each key meets each once."""
        self._fill(storage)
        met = []
        for number, key in enumerate(storage):
            storage[key] = self.number_of(storage[key]) and self.value(100)
            met.append(key)
            assert number < 1_000, "the iteration loops"
        assert sorted(met) == sorted(storage)

    def test_views_leave_out_what_was_removed(self, storage: AnyStorage) -> None:
        """``values`` and ``items`` leave out an entry that was removed before they came to it."""
        for view in (storage.values, storage.items):
            self._fill(storage)
            iterator = iter(view())
            next(iterator)
            storage.clear()
            assert list(iterator) == []

    def test_iterators_do_not_disturb_each_other(self, storage: AnyStorage) -> None:
        """Two iterators over one storage are independent."""
        self._fill(storage)
        expected = list(storage)
        first, second = iter(storage), iter(storage)
        met = [key for pair in zip(first, second, strict=True) for key in pair]
        assert met == [key for key in expected for _ in range(2)]

    def test_an_iterator_may_be_dropped(self, storage: AnyStorage) -> None:
        """An iteration that is not brought to its end holds nothing up."""
        self._fill(storage)
        iterators = [iter(storage), iter(storage.items()), iter(storage.values())]
        for iterator in iterators:
            next(iterator)
        storage["key 1"] = self.value(2)
        del iterators, iterator
        del storage["key 1"]
        assert len(storage) == 9

    def _fill(self, storage: AnyStorage) -> None:
        storage.update({f"key {number}": self.value(number + 1) for number in range(10)})
