"""Laws of keys: none is lost, none is taken for another, and what cannot be a key is just absent."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, Final

import pytest

from pystorage.errors import InvalidKeyError
from pystorage.storage import ABSENT, Capability
from pystorage.testing.laws.base import (
    MISSING,
    AnyStorage,
    Laws,
    Opener,
    law,
    where_any_hashable_is_a_key,
    where_some_hashable_cannot_be_a_key,
)
from pystorage.testing.samples import REFUSED_KEYS, UNHASHABLE, returned

Write = Callable[[AnyStorage, Any, Any], object]


def _write_stream(storage: AnyStorage, key: Any, value: Any) -> None:
    with storage.open_write(key) as file:
        file.write(b"streamed")


#: Name → what the storage must be capable of, and a write of a value to a key.
_WRITES: Final[dict[str, tuple[Capability, Write]]] = {
    "[]": (Capability.NONE, lambda storage, key, value: storage.__setitem__(key, value)),
    "set": (Capability.NONE, lambda storage, key, value: storage.set(key, value)),
    "set with a ttl": (Capability.TTL, lambda storage, key, value: storage.set(key, value, ttl=5)),
    "setdefault": (Capability.NONE, lambda storage, key, value: storage.setdefault(key, value)),
    "update": (Capability.NONE, lambda storage, key, value: storage.update([(key, value)])),
    "set_many": (Capability.NONE, lambda storage, key, value: storage.set_many([(key, value)])),
    "add": (Capability.ADD, lambda storage, key, value: storage.add(key, value)),
    "swap from absence": (Capability.SWAP, lambda storage, key, value: storage.swap(key, ABSENT, value)),
    "swap": (Capability.SWAP, lambda storage, key, value: storage.swap(key, value, value)),
    "incr": (Capability.INCR, lambda storage, key, value: storage.incr(key)),
    "open_write": (Capability.STREAM, _write_stream),
}


def writes(storage: AnyStorage) -> dict[str, Write]:
    """Give every kind of write that a storage is capable of.

    Args:
        storage: The storage.

    Returns:
        Name → a function of storage, key and value.

    Raises:
        Nothing.
    """
    return {name: write for name, (needed, write) in _WRITES.items() if needed in storage.capabilities}


class _Text(str):
    """A text whose ``str()`` is another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"

    def __repr__(self) -> str:
        return "other"


class _Number(int):
    """An integer that is shown as another one."""

    def __str__(self) -> str:
        return "99"

    def __repr__(self) -> str:
        return "99"


class _Color(enum.Enum):
    """Members that equal nothing but themselves."""

    RED = "red"


class _Level(enum.IntEnum):
    """Members that equal an integer."""

    HIGH = 3


class _Name(enum.StrEnum):
    """Members that equal a text."""

    FIRST = "first"


#: Pairs that a dict takes for one key, with the one that a storage of bytes gives back.
_EQUAL_KEYS: Final[tuple[tuple[Hashable, Hashable], ...]] = (
    *((1, True), (1, 1.0), (0, False), (0, -0.0), (2**53, 2.0**53)),
    *((3, _Level.HIGH), (7, _Number(7)), ("text", _Text("text")), ("first", _Name.FIRST)),
    *(((1, "a"), (True, "a")), ((2,), (2.0,)), (("text",), (_Text("text"),))),
)


class KeyLaws(Laws):
    """Every key comes back as it was, and no two are mixed up.

    Raises:
        Nothing.
    """

    def test_each_key_alone(self, storage: AnyStorage) -> None:
        """Each key is found again by ``[]``, ``get``, ``in``, iteration and ``del``, being the only one."""
        for number, key in enumerate(self.keys):
            which = f"key number {number}, a {type(key).__name__}"
            storage[key] = self.value(number)
            assert storage[key] == self.value(number), which
            assert storage.get(key) == self.value(number), which
            assert key in storage, which
            self._same_keys(list(storage), [key], which)
            assert len(storage) == 1, which
            del storage[key]
            assert key not in storage, which
            assert list(storage) == [], which
            assert len(storage) == 0, which

    def test_all_keys_together(self, storage: AnyStorage) -> None:
        """All keys at once are kept apart: none is lost, changed, or reached by another."""
        for number, key in enumerate(self.keys):
            storage[key] = self.value(number)
        assert len(storage) == len(self.keys)
        for number, key in enumerate(self.keys):
            assert storage[key] == self.value(number), f"key number {number} was overwritten"
        self._same_keys(list(storage), list(self.keys), "all keys")
        for number, key in enumerate(self.keys):
            assert storage.pop(key, MISSING) == self.value(number), f"key number {number} was removed"
        assert len(storage) == 0

    def test_keys_in_bulk(self, storage: AnyStorage) -> None:
        """Bulk operations know the same keys."""
        entries = {key: self.value(number) for number, key in enumerate(self.keys)}
        storage.set_many(entries)
        assert storage.get_many(self.keys) == entries
        assert dict(storage.items()) == entries
        assert storage.delete_many(self.keys) == len(entries)
        assert len(storage) == 0

    @law(needs=Capability.PERSISTENT)
    def test_keys_outlive_the_handle(self, storage: AnyStorage, open_storage: Opener) -> None:
        """A second handle finds every key of the first."""
        for number, key in enumerate(self.keys):
            storage[key] = self.value(number)
        storage.close()
        again = open_storage()
        self._same_keys(list(again), list(self.keys), "all keys")
        assert all(again[key] == self.value(number) for number, key in enumerate(self.keys))

    def test_equal_keys_are_one(self, storage: AnyStorage) -> None:
        """Keys that a dict takes for one are one; a subclass counts as the plain value that it equals."""
        for plain, other in _EQUAL_KEYS:
            for first, second in ((plain, other), (other, plain)):
                storage[first] = self.value(1)
                assert storage[second] == self.value(1)
                assert second in storage
                storage[second] = self.value(2)
                assert storage[first] == self.value(2)
                assert len(storage) == 1
                self._same_keys(list(storage), [first if self.any_hashable_key else plain], f"{type(first)}")
                del storage[second]
                assert first not in storage

    def test_a_number_is_not_its_text(self, storage: AnyStorage) -> None:
        """``1``, ``'1'`` and ``b'1'`` are three keys, and so are tuples of them."""
        apart: list[Hashable] = [1, "1", b"1", (1,), ("1",), (b"1",), 1.5, "1.5", None, "None"]
        for number, key in enumerate(apart):
            storage[key] = self.value(number)
        assert len(storage) == len(apart)
        assert [storage[key] for key in apart] == [self.value(number) for number in range(len(apart))]

    def _same_keys(self, found: list[Hashable], written: list[Hashable], which: str) -> None:
        """See that keys came back, each of the type that it should have."""
        expected = written if self.any_hashable_key else [returned(key) for key in written]
        assert len(found) == len(expected), which
        assert set(map(_exact, found)) == set(map(_exact, expected)), which


class RefusedKeyLaws(Laws):
    """What cannot be a key is refused by a write before anything is written, and absent for a read.

    Raises:
        Nothing.
    """

    @law(when=where_some_hashable_cannot_be_a_key)
    @pytest.mark.parametrize("which", REFUSED_KEYS)
    def test_a_refused_key_cannot_be_written(self, storage: AnyStorage, which: str) -> None:
        """Every kind of write raises ``InvalidKeyError`` and writes nothing."""
        refused = REFUSED_KEYS[which]
        storage["key"] = self.value(1)
        for name, write in writes(storage).items():
            with pytest.raises(InvalidKeyError) as caught:
                write(storage, refused, self.value(2))
            assert caught.value.key is refused, name
            assert isinstance(caught.value, TypeError), name
            assert isinstance(caught.value, ValueError), name
            assert dict(storage) == {"key": self.value(1)}, name

    @law(when=where_some_hashable_cannot_be_a_key)
    @pytest.mark.parametrize("which", REFUSED_KEYS)
    def test_a_refused_key_is_absent(self, storage: AnyStorage, which: str) -> None:
        """Reads do not find it, and what raises for an absent key raises ``KeyError`` with the very key."""
        refused = REFUSED_KEYS[which]
        storage["key"] = self.value(1)
        assert refused not in storage
        assert refused not in storage.keys()  # noqa: SIM118  the view is what is tried
        assert storage.get(refused, MISSING) is MISSING
        assert storage.pop(refused, MISSING) is MISSING
        assert storage.get_many([refused, "key"]) == {"key": self.value(1)}
        assert storage.delete_many([refused]) == 0
        for read in _raising_reads(storage):
            with pytest.raises(KeyError) as caught:
                read(refused)
            assert caught.value.args[0] is refused

    @law(when=where_any_hashable_is_a_key)
    def test_any_hashable_is_a_key(self, storage: AnyStorage) -> None:
        """Whatever is hashable is found again as the very object that it is."""
        keys = [object(), frozenset({1}), 1j, Fraction(1, 3), _Color.RED, len, ("a", object()), "a\ud800"]
        for number, key in enumerate(keys):
            storage[key] = self.value(number)
        assert {id(key) for key in storage} == {id(key) for key in keys}
        assert [storage.pop(key) for key in keys] == [self.value(number) for number in range(len(keys))]

    @law(when=where_any_hashable_is_a_key)
    def test_the_first_key_object_stays(self, storage: AnyStorage) -> None:
        """Where equal keys are written one after the other, the first object stays, as in a dict."""
        storage[1] = self.value(1)
        storage[True] = self.value(2)
        (key,) = storage
        assert type(key) is int


class UnhashableKeyLaws(Laws):
    """What no dict takes for a key is a ``TypeError``, for reads as for writes.

    Raises:
        Nothing.
    """

    @pytest.mark.parametrize("which", UNHASHABLE)
    def test_an_unhashable_key_is_a_type_error(self, storage: AnyStorage, which: str) -> None:
        """Reads and writes of an unhashable key raise ``TypeError``, and nothing is written."""
        key = UNHASHABLE[which]
        storage["key"] = self.value(1)
        for operation in _all_operations(storage, self.value(2)):
            with pytest.raises(TypeError):
                operation(key)
        assert dict(storage) == {"key": self.value(1)}


def _raising_reads(storage: AnyStorage) -> Iterator[Callable[[Any], object]]:
    yield storage.__getitem__
    yield storage.__delitem__
    yield storage.pop
    yield storage.ttl
    yield storage.expires_at
    yield storage.open_read
    if Capability.TTL in storage.capabilities:
        yield lambda key: storage.expire(key, 5)


def _all_operations(storage: AnyStorage, value: Any) -> Iterator[Callable[[Any], object]]:
    yield from _raising_reads(storage)
    yield storage.get
    yield storage.__contains__
    yield lambda key: storage.pop(key, None)
    yield lambda key: storage.get_many([key])
    yield lambda key: storage.delete_many([key])
    for write in writes(storage).values():
        yield partial(_written, storage, write, value)


def _written(storage: AnyStorage, write: Write, value: Any, key: Any) -> None:
    write(storage, key, value)


def _exact(key: Hashable) -> Hashable:
    """Give what differs where a key or a part of it has another type."""
    return (type(key), tuple(map(_exact, key)) if isinstance(key, tuple) else key)
