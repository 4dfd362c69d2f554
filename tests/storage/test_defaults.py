"""What a storage has without writing it: the general hooks of the base class."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from pystorage import ABSENT, KEEP, Capability, Storage
from pystorage.errors import DecodeError, UnavailableError, UnsupportedOperation
from tests.storage.simple import Simple


@pytest.mark.parametrize("missing", ["__getitem__", "__setitem__", "__delitem__", "__iter__", "__len__"])
def test_the_five_methods_of_a_mapping_are_needed(missing: str) -> None:
    body = {name: vars(Simple)[name] for name in vars(Simple) if name != missing and name.startswith("__")}
    with pytest.raises(TypeError, match=f"abstract method '?{missing}"):
        type("Lacking", (Storage,), body)()


def test_it_is_a_mutable_mapping() -> None:
    storage = Simple(a=1)
    assert isinstance(storage, MutableMapping)
    assert storage == {"a": 1}
    assert storage != {"a": 2}
    assert storage != {}
    assert {**storage} == dict(storage) == {"a": 1}
    assert (len(storage), bool(storage), bool(Simple())) == (1, True, False)


def test_it_has_no_state_of_its_own() -> None:
    assert Storage.__slots__ == ()

    class Bare(Simple):
        __slots__ = ()

    assert "__dict__" not in {name for kind in (Storage, MutableMapping) for name in vars(kind)}
    assert Bare(a=1) == {"a": 1}


def test_whether_it_is_empty_is_found_with_one_key() -> None:
    class Endless(Simple):
        def __iter__(self) -> Any:
            yield "first"
            raise AssertionError("nobody asked for a second key")

        def __len__(self) -> int:
            raise AssertionError("nobody asked for all keys")

    assert bool(Endless()) is True


# -------------------------------------------------------------------- reading and removing


def test_only_absence_is_a_miss() -> None:
    class Broken(Simple):
        error: Exception = DecodeError("cannot read")

        def __getitem__(self, key: Any) -> Any:
            raise self.error

    for error in (DecodeError("cannot read"), UnavailableError("gone"), RuntimeError("bug")):
        storage = Broken(a=1)
        storage.error = error
        for call in (
            lambda one: one.get("a", 5),
            lambda one: one.pop("a", 5),
            lambda one: one.setdefault("a", 5),
            lambda one: one.get_many(["a"]),
            lambda one: one.popitem(),
            lambda one: "a" in one,
            lambda one: list(one.items()),
        ):
            with pytest.raises(type(error)):
                call(storage)
        assert storage.data == {"a": 1}


def test_pop() -> None:
    storage = Simple(a=1, b=None)
    assert storage.pop("a") == 1
    assert storage.pop("b", 5) is None
    assert storage.pop("a", 5) == 5
    assert storage.pop("a", None) is None
    assert storage.pop("a", default=6) == 6
    assert storage.pop("a", ABSENT) is ABSENT
    with pytest.raises(KeyError) as caught:
        storage.pop("a")
    assert caught.value.args == ("a",)


def test_pop_of_what_is_removed_meanwhile_is_a_miss() -> None:
    class Racing(Simple):
        def __getitem__(self, key: Any) -> Any:
            return self.data.pop(key)

    assert Racing(a=1).pop("a", 5) == 5
    with pytest.raises(KeyError):
        Racing(a=1).pop("a")


def test_popitem_takes_the_first_key() -> None:
    storage = Simple(a=1, b=2)
    assert [storage.popitem(), storage.popitem()] == [("a", 1), ("b", 2)]
    with pytest.raises(KeyError, match="empty"):
        storage.popitem()


def test_popitem_goes_on_where_a_key_is_removed_meanwhile() -> None:
    class Racing(Simple):
        def __iter__(self) -> Any:
            return iter(["gone", *self.data])

    assert Racing(a=1).popitem() == ("a", 1)


def test_setdefault() -> None:
    storage = Simple(a=None)
    assert storage.setdefault("a", 5) is None
    assert storage.setdefault("b", 5) == 5
    assert storage.setdefault("c") is None
    assert storage.data == {"a": None, "b": 5, "c": None}


def test_setdefault_is_atomic_where_add_is() -> None:
    class Adding(Simple):
        capabilities = Capability.ADD

        def add(self, key: Any, value: Any, *, ttl: float | None = None) -> bool:
            self.data[key] = "somebody else's"  # who was faster
            return False

    storage = Adding()
    assert storage.setdefault("a", 5) == "somebody else's"
    assert ("write", "a", 5) not in storage.asked


# -------------------------------------------------------------------- bulk


def test_get_many_gives_what_is_there_in_the_order_asked() -> None:
    storage = Simple(a=1, b=None, c=3)
    assert list(storage.get_many(["c", "x", "b", "c"]).items()) == [("c", 3), ("b", None)]
    assert storage.get_many([]) == {}
    assert storage.get_many(key for key in "ab") == {"a": 1, "b": None}


class Keyed:
    """Has keys and items, and is no Mapping."""

    def keys(self) -> list[str]:
        return ["a", "b"]

    def __getitem__(self, key: str) -> str:
        return key * 2


@pytest.mark.parametrize(
    "items",
    [
        lambda: {"a": "aa", "b": "bb"},
        lambda: [("a", "aa"), ("b", "bb")],
        lambda: iter([["a", "aa"], ["b", "bb"]]),
        lambda: (pair for pair in [("a", "aa"), ("b", "bb")]),
        Keyed,
        lambda: Simple(a="aa", b="bb"),
    ],
)
@pytest.mark.parametrize("write", [Simple.set_many, Simple.update])
def test_many_are_given_as_to_a_dict(items: Callable[[], Any], write: Callable[..., None]) -> None:
    storage = Simple()
    write(storage, items())
    assert storage.data == {"a": "aa", "b": "bb"}


@pytest.mark.parametrize(
    "items, kind", [(5, TypeError), (None, TypeError), ([5], TypeError), ([(1, 2, 3)], ValueError)]
)
@pytest.mark.parametrize("write", [Simple.set_many, Simple.update, dict.update])
def test_what_a_dict_would_not_take_is_not_taken(items: Any, kind: type[Exception], write: Any) -> None:
    with pytest.raises(kind):
        write({} if write is dict.update else Simple(), items)


def test_update_takes_keywords_of_any_name() -> None:
    storage = Simple()
    storage.update({"a": 1}, self=2, other=3, ttl=4)
    storage.update(b=5)
    storage.update()
    assert storage.data == {"a": 1, "self": 2, "other": 3, "ttl": 4, "b": 5}


def test_update_with_itself_changes_nothing() -> None:
    storage = Simple(a=1, b=2)
    storage.update(storage)
    assert storage.data == {"a": 1, "b": 2}


def test_delete_many_counts() -> None:
    storage = Simple(a=1, b=2, c=3)
    assert storage.delete_many(["a", "x", "b", "a"]) == 2
    assert storage.data == {"c": 3}
    assert storage.delete_many([]) == 0


def test_clear() -> None:
    storage = Simple(a=1, b=2)
    storage.clear()
    storage.clear()
    assert storage.data == {}


# -------------------------------------------------------------------- life


def test_without_ttl_entries_live_for_ever() -> None:
    storage = Simple(a=1)
    assert (storage.ttl("a"), storage.expires_at("a"), storage.purge()) == (None, None, 0)
    storage.set("b", 2)
    storage.set("c", 3, ttl=None)
    storage.set("d", 4, ttl=math.inf)
    storage.set_many({"e": 5}, ttl=math.inf)
    assert storage.data == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    for look in (storage.ttl, storage.expires_at):
        with pytest.raises(KeyError) as caught:
            look("absent")
        assert caught.value.args == ("absent",)


def test_a_deadline_is_on_the_clock_of_the_storage() -> None:
    class Living(Simple):
        timer = staticmethod(lambda: 100.0)  # type: ignore[assignment]

        def ttl(self, key: Any) -> float | None:
            return 5.0

    assert Simple().timer is time.time
    assert Living(a=1).expires_at("a") == 105.0


UNSUPPORTED: dict[str, tuple[Callable[[Storage[Any, Any]], Any], str]] = {
    "set": (lambda storage: storage.set("a", 2, ttl=5), "TTL"),
    "set_many": (lambda storage: storage.set_many({"a": 2}, ttl=5), "TTL"),
    "expire": (lambda storage: storage.expire("a", 5), "TTL"),
    "touch": (lambda storage: storage.touch("a", 5), "TTL"),
    "add": (lambda storage: storage.add("b", 2), "ADD"),
    "swap": (lambda storage: storage.swap("a", 1, 2), "SWAP"),
    "swap absent": (lambda storage: storage.swap("b", ABSENT, 2, ttl=KEEP), "SWAP"),
    "incr": (lambda storage: storage.incr("a"), "INCR"),
    "lock": (lambda storage: storage.lock("a", 5), "LOCK"),
}


@pytest.mark.parametrize("call", UNSUPPORTED)
def test_what_would_race_is_refused(call: str) -> None:
    storage = Simple(a=1)
    act, capability = UNSUPPORTED[call]
    with pytest.raises(
        UnsupportedOperation, match=f"Simple\\(\\) cannot .*; it lacks Capability.{capability}"
    ) as caught:
        act(storage)
    assert isinstance(caught.value, NotImplementedError)
    assert caught.value.storage == "Simple()"
    assert storage.data == {"a": 1}
    assert storage.capabilities == Capability.NONE
