"""Which methods are the general ones again when a subclass changes what they are made of."""

from __future__ import annotations

from typing import Any

import pytest

from pystorage import Storage
from pystorage._derive import _DERIVED
from pystorage.errors import UnsupportedOperation
from tests.storage.simple import Simple


def _marked(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"{name} was called")

    return method


#: A storage that writes everything itself.
EVERYTHING = sorted({*_DERIVED, *(other for others in _DERIVED.values() for other in others)})


def native() -> type[Simple]:
    return type("Native", (Simple,), {name: _marked(name) for name in EVERYTHING})


RULES = [(single, other) for single, others in _DERIVED.items() for other in others]


@pytest.mark.parametrize("single, other", RULES)
def test_changing_the_first_makes_the_second_general(single: str, other: str) -> None:
    base = native()
    heir = type("Heir", (base,), {single: _marked(f"changed {single}")})
    if other in ("set", "__setitem__"):
        with pytest.raises(AssertionError, match=f"changed {single} was called"):
            getattr(heir(), other)("a", 1)
    else:
        assert getattr(heir, other) is getattr(Storage, other)


@pytest.mark.parametrize("single, other", RULES)
def test_writing_both_keeps_both(single: str, other: str) -> None:
    mine = _marked("mine")
    heir = type("Heir", (native(),), {single: _marked("single"), other: mine})
    assert vars(heir)[other] is mine


@pytest.mark.parametrize("name", EVERYTHING)
def test_changing_nothing_changes_nothing(name: str) -> None:
    base = native()
    assert getattr(base, name) is vars(base)[name]
    assert getattr(type("Heir", (base,), {}), name) is vars(base)[name]


def test_changing_the_second_leaves_the_first() -> None:
    base = native()
    heir = type(
        "Heir", (base,), {"get_many": _marked("changed get_many"), "set_many": _marked("changed set_many")}
    )
    for name in set(EVERYTHING) - {"get_many", "set_many"}:
        assert getattr(heir, name) is vars(base)[name]


def test_a_mixin_counts_where_it_stands() -> None:
    base = native()
    mixin = type("Mixin", (), {"__getitem__": _marked("mixin")})
    before, behind = type("Before", (mixin, base), {}), type("Behind", (base, mixin), {})
    assert before.get_many is Storage.get_many
    assert behind.get_many is vars(base)["get_many"]


def test_a_mixin_with_both_keeps_both() -> None:
    get_many = _marked("mixin")
    mixin: Any = type("Mixin", (), {"__getitem__": _marked("mixin"), "get_many": get_many})
    assert type("Heir", (mixin, native()), {}).get_many is get_many  # type: ignore[attr-defined]


def test_an_heir_of_an_heir_may_be_native_again() -> None:
    heir = type("Heir", (native(),), {"__getitem__": _marked("changed")})
    mine = _marked("mine")
    again = type("Again", (heir,), {"get_many": mine})
    assert again.get_many is mine
    assert type("Last", (again,), {"__getitem__": _marked("changed again")}).get_many is Storage.get_many


def test_a_storage_that_only_writes_set_still_lacks_an_item() -> None:
    body = {
        name: vars(Simple)[name] for name in vars(Simple) if name.startswith("__") and name != "__setitem__"
    }
    kind = type("Setting", (Storage,), body | {"set": _marked("set")})
    with pytest.raises(TypeError, match="abstract"):
        kind()


class Tagging(Simple):
    """Changes the one of the two, and calls what it changes."""

    def set(self, key: Any, value: Any, *, ttl: float | None = None) -> None:
        super().set(key, f"<{value}>", ttl=ttl)


class Quoting(Tagging):
    """Changes the other."""

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, f"'{value}'")


class TaggingAgain(Quoting):
    """And the first one again."""

    def set(self, key: Any, value: Any, *, ttl: float | None = None) -> None:
        super().set(key, f"[{value}]", ttl=ttl)


class Mixin:
    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, f"({value})")  # type: ignore[misc]


class Mixed(Mixin, TaggingAgain): ...


@pytest.mark.parametrize(
    "kind, stored",
    [(Tagging, "<1>"), (Quoting, "<'1'>"), (TaggingAgain, "<'[1]'>"), (Mixed, "<'[(1)]'>")],
)
@pytest.mark.parametrize(
    "write",
    [
        lambda storage: storage.__setitem__("a", 1),
        lambda storage: storage.set("a", 1),
        lambda storage: storage.set("a", 1, ttl=float("inf")),
        lambda storage: storage.set_many({"a": 1}),
        lambda storage: storage.update(a=1),
        lambda storage: storage.setdefault("a", 1),
    ],
)
def test_no_write_goes_past_any_change_and_none_is_made_twice(
    kind: type[Simple], stored: str, write: Any
) -> None:
    storage = kind()
    write(storage)
    assert storage.data == {"a": stored}


@pytest.mark.parametrize("kind", [Simple, Tagging, Quoting, Mixed])
def test_a_life_is_refused_whoever_makes_set(kind: type[Simple]) -> None:
    storage = kind()
    with pytest.raises(UnsupportedOperation, match="TTL"):
        storage.set("a", 1, ttl=5)
    with pytest.raises(ValueError, match="more than 0"):
        storage.set("a", 1, ttl=-5)
    assert storage.data == {}


def test_what_is_made_is_documented() -> None:
    assert Simple.set.__doc__ == Storage.set.__doc__
