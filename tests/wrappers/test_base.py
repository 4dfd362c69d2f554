"""WrapperStorage: what is forwarded, and what a subclass can't be passed by."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pystorage import ABSENT, FileStorage, LRUStorage, MemoryStorage, Storage, VolatileStorage, WrapperStorage
from pystorage.storage import Capability
from pystorage.testing import FakeClock


def wrapped(kind: type[WrapperStorage[str, Any]] = WrapperStorage) -> WrapperStorage[str, Any]:
    storage = kind(MemoryStorage())
    storage.inner.update({"a": "one", "b": "two"})
    return storage


@pytest.mark.parametrize("thing", [{}, None, 5, [], MemoryStorage])
def test_only_a_storage_can_be_wrapped(thing: Any) -> None:
    with pytest.raises(TypeError, match="wraps a Storage"):
        WrapperStorage(thing)


def test_every_operation_is_forwarded() -> None:
    # What a Storage has and a wrapper does not write itself is made of what it does write.
    made_of_others = {
        *("items", "values", "keys", "pop", "popitem", "setdefault", "update", "get", "from_url"),
        *("capabilities", "url_options", "timer"),
    }
    public = {name for name in dir(Storage) if not name.startswith("_")}
    assert public - set(vars(WrapperStorage)) <= made_of_others
    for name in public - made_of_others:
        own, general = (inspect.signature(getattr(kind, name)) for kind in (WrapperStorage, Storage))
        assert str(own) == str(general), name


CALLS: dict[str, Callable[[Any], Any]] = {
    "[]": lambda storage: storage["a"],
    "in": lambda storage: ("a" in storage, "absent" in storage),
    "iter": list,
    "len": len,
    "bool": bool,
    "get": lambda storage: storage.get("absent", 5),
    "get_many": lambda storage: storage.get_many(["a", "absent"]),
    "set_many": lambda storage: storage.set_many({"c": "three"}, ttl=5),
    "delete_many": lambda storage: storage.delete_many(["a", "absent"]),
    "clear": lambda storage: storage.clear(),
    "set": lambda storage: storage.set("c", "three", ttl=5),
    "ttl": lambda storage: (storage.expire("a", 5), storage.ttl("a"), storage.ttl("b")),
    "expires_at": lambda storage: (storage.expire("a", 5), storage.expires_at("a")),
    "touch": lambda storage: (storage.touch("a", 5), storage.touch("absent", 5)),
    "purge": lambda storage: storage.purge(),
    "add": lambda storage: (storage.add("a", 5), storage.add("c", 5, ttl=5)),
    "swap": lambda storage: (storage.swap("a", "one", "1"), storage.swap("c", ABSENT, "3")),
    "incr": lambda storage: (storage.incr("n"), storage.incr("n", 5, ttl=5)),
    "scan": lambda storage: list(storage.scan("a")),
    "pop": lambda storage: (storage.pop("a"), storage.pop("absent", None)),
    "popitem": lambda storage: storage.popitem(),
    "items": lambda storage: list(storage.items()),
    "values": lambda storage: list(storage.values()),
    "setdefault": lambda storage: (storage.setdefault("a", 5), storage.setdefault("c", 5)),
    "update": lambda storage: storage.update({"c": 1}, d=2),
    "stats": lambda storage: storage.stats(),
    "capabilities": lambda storage: storage.capabilities,
    "timer": lambda storage: storage.timer,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_plain_wrapper_changes_nothing(call: str) -> None:
    clock = FakeClock()
    bare, inner = (LRUStorage[str, Any](9, timer=clock) for _ in range(2))
    storage = WrapperStorage(inner)
    for one in (bare, inner):
        one.update({"a": "one", "b": "two"})
    assert CALLS[call](storage) == CALLS[call](bare)
    assert list(inner.items()) == list(bare.items())
    assert [inner.ttl(key) for key in inner] == [bare.ttl(key) for key in bare]


def test_locks_streams_and_the_end_are_forwarded(tmp_path: Path) -> None:
    storage: WrapperStorage[str, bytes] = WrapperStorage(FileStorage(tmp_path, codec="bytes"))
    with storage.open_write("key") as file:
        file.write(b"value")
    with storage.open_read("key") as file:
        assert file.read() == b"value"
    with (
        storage.lock("key", 5) as lease,
        pytest.raises(TimeoutError),
        storage.inner.lock("key", 5, timeout=0),
    ):
        assert lease.ttl == 5
    assert storage.capabilities == storage.inner.capabilities
    storage.flush()
    storage.close()
    with pytest.raises(Exception, match="closed"):
        storage.inner["key"]


def test_a_copy_is_closed_for_itself(tmp_path: Path) -> None:
    storage: VolatileStorage[str, Any] = VolatileStorage(
        WrapperStorage(FileStorage(tmp_path)), 5, sliding=True
    )
    with copy.copy(storage) as again:
        again["key"] = "value"
        assert repr(again) == repr(storage)
    assert storage["key"] == "value"


def test_its_repr_shows_what_is_inside_and_its_settings() -> None:
    class Named(WrapperStorage[str, Any]):
        def _settings(self) -> dict[str, Any]:
            return {"name": "x", "size": 5}

    assert (
        repr(WrapperStorage(WrapperStorage(MemoryStorage())))
        == "WrapperStorage(WrapperStorage(MemoryStorage()))"
    )
    assert repr(Named(MemoryStorage())) == "Named(MemoryStorage(), name='x', size=5)"


# -------------------------------------------------------------------- no bulk call goes past a subclass


class Shouting(WrapperStorage[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(key).upper()


class Marking(WrapperStorage[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, f"<{value}>")


class MarkingSet(WrapperStorage[str, Any]):
    def set(self, key: str, value: Any, *, ttl: float | None = None) -> None:
        super().set(key, f"<{value}>", ttl=ttl)


class Keeping(WrapperStorage[str, Any]):
    """Lets nobody remove the key a."""

    def __delitem__(self, key: str) -> None:
        if key == "a":
            raise KeyError(key)
        super().__delitem__(key)


class Hiding(WrapperStorage[str, Any]):
    """Shows only the keys that begin with b."""

    def __iter__(self) -> Iterator[str]:
        return (key for key in super().__iter__() if key.startswith("b"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


READS: dict[str, Callable[[Any], Any]] = {
    "get": lambda storage: storage.get("a"),
    "get_many": lambda storage: storage.get_many(["a"])["a"],
    "pop": lambda storage: storage.pop("a"),
    "popitem": lambda storage: storage.popitem()[1],
    "setdefault": lambda storage: storage.setdefault("a", "other"),
    "values": lambda storage: next(iter(storage.values())),
    "items": lambda storage: dict(storage.items())["a"],
}


@pytest.mark.parametrize("read", READS)
def test_no_read_goes_past_a_changed_item(read: str) -> None:
    assert READS[read](wrapped(Shouting)) == "ONE"


def test_a_stream_goes_through_a_changed_item(tmp_path: Path) -> None:
    class Reversed(WrapperStorage[str, bytes]):
        def __getitem__(self, key: str) -> bytes:
            return super().__getitem__(key)[::-1]

    storage = Reversed(FileStorage(tmp_path, codec="bytes"))
    storage["key"] = b"abc"
    with storage.open_read("key") as file:
        assert file.read() == b"cba"


WRITES: dict[str, Callable[[Any], Any]] = {
    "[]": lambda storage: storage.__setitem__("c", "three"),
    "set": lambda storage: storage.set("c", "three"),
    "set_many": lambda storage: storage.set_many({"c": "three"}),
    "update": lambda storage: storage.update(c="three"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", [Marking, MarkingSet])
def test_no_write_goes_past_a_changed_write(write: str, kind: type[WrapperStorage[str, Any]]) -> None:
    storage = wrapped(kind)
    WRITES[write](storage)
    assert storage.inner["c"] == "<three>"


def test_no_stream_goes_past_a_changed_write(tmp_path: Path) -> None:
    class Reversing(WrapperStorage[str, bytes]):
        def __setitem__(self, key: str, value: bytes) -> None:
            super().__setitem__(key, value[::-1])

    storage = Reversing(FileStorage(tmp_path, codec="bytes"))
    with storage.open_write("key") as file:
        file.write(b"abc")
    assert storage.inner["key"] == b"cba"


@pytest.mark.parametrize(
    "remove",
    [
        lambda storage: storage.delete_many(["a", "b"]),
        lambda storage: storage.clear(),
        lambda storage: (storage.pop("a", None), storage.pop("b", None)),
        lambda storage: [storage.pop(key, None) for key in list(storage)],
    ],
)
def test_no_removal_goes_past_a_changed_one(remove: Callable[[Any], Any]) -> None:
    storage = wrapped(Keeping)
    remove(storage)
    assert dict(storage.inner) == {"a": "one"}


@pytest.mark.parametrize(
    "look, seen",
    [
        (list, ["b"]),
        (len, 1),
        (lambda storage: list(storage.keys()), ["b"]),
        (lambda storage: list(storage.values()), ["two"]),
        (lambda storage: list(storage.scan("")), ["b"]),
        (lambda storage: list(storage.scan("a")), []),
        (lambda storage: storage.popitem(), ("b", "two")),
    ],
)
def test_nothing_looks_past_a_changed_iteration(look: Callable[[Any], Any], seen: Any) -> None:
    assert look(wrapped(Hiding)) == seen


def test_clearing_removes_only_what_the_iteration_shows() -> None:
    storage = wrapped(Hiding)
    storage.clear()
    assert dict(storage.inner) == {"a": "one"}
    assert not storage


@pytest.mark.parametrize("base", [VolatileStorage, MemoryStorage, WrapperStorage, FileStorage])
def test_this_holds_for_a_subclass_of_any_storage(base: Any, tmp_path: Path) -> None:
    class Doubling(base):  # type: ignore[misc]
        def __getitem__(self, key: str) -> Any:
            return super().__getitem__(key) * 2

    place: dict[Any, tuple[Any, ...]] = {WrapperStorage: (MemoryStorage(),), FileStorage: (tmp_path,)}
    storage = Doubling(*place.get(base, ()))
    storage["a"] = 1
    assert (storage["a"], storage.get("a"), storage.get_many(["a"]), storage.pop("a")) == (2, 2, {"a": 2}, 2)


def test_a_mixin_changes_what_the_bulk_calls_do_too() -> None:
    class Loud:
        def __getitem__(self, key: str) -> Any:
            return super().__getitem__(key).upper()  # type: ignore[misc]

    class Both(Loud, WrapperStorage[str, Any]): ...

    storage = wrapped(Both)
    assert (storage["a"], storage.get("a"), storage.get_many(["a", "b"])) == (
        "ONE",
        "ONE",
        {"a": "ONE", "b": "TWO"},
    )


def test_a_subclass_that_writes_both_is_asked_for_both() -> None:
    class Both(Shouting):
        def get_many(self, keys: Any) -> Any:
            return {"asked": list(keys)}

    assert wrapped(Both).get_many(["a"]) == {"asked": ["a"]}


def test_what_nobody_changed_stays_native() -> None:
    assert Shouting.set_many is WrapperStorage.set_many
    assert Shouting.delete_many is WrapperStorage.delete_many
    assert Marking.get_many is WrapperStorage.get_many
    assert MemoryStorage.get_many is not Storage.get_many
    assert VolatileStorage.open_read is not Storage.open_read


def test_a_stream_of_a_volatile_file_takes_no_memory_for_the_whole(tmp_path: Path) -> None:
    storage: VolatileStorage[str, bytes] = VolatileStorage(FileStorage(tmp_path, codec="bytes"))
    assert Capability.STREAM in storage.capabilities
    with storage.open_write("key") as file:
        file.write(b"value")
    with storage.open_read("key") as file:
        assert not hasattr(file, "getvalue")
        assert file.read() == b"value"
    assert storage.ttl("key") is not None
