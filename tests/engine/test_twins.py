"""Both implementations do the same, to the letter: results, errors, order, figures and what they tell."""

from __future__ import annotations

import copy
import inspect
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pystorage import ABSENT, KEEP
from pystorage.engine._checks import POLICIES
from pystorage.testing import FakeClock
from tests.engine.implementations import CACHES, on
from tests.engine.whole import Calls, Implementation, assert_whole

pytestmark = pytest.mark.skipif("c" not in CACHES, reason="the engine in C was not compiled")


@dataclass(frozen=True)
class Wild:
    """A key whose hash and equality are code of its own."""

    name: str

    def __hash__(self) -> int:
        return hash("a")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wild) and self.name == other.name


class Text(str):
    """A text that is equal to the plain one."""

    __slots__ = ()


class Angry:
    """A key that is never told apart from others of its hash without an error."""

    def __hash__(self) -> int:
        return hash("b")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        raise LookupError("cannot say")


ANGRY = Angry()
PLAIN = [0, 1, True, 2.0, -1, -2, 2**70, "a", "b", "é", "€", "c" * 40, ("t", 1), ("t", (1, 2.5)), None, b"b"]
ODD = [frozenset({1}), Wild("x"), Wild("y"), Text("a"), ANGRY, 2**61 - 1, -1.0, (), []]
KEYS = st.sampled_from(PLAIN + ODD)
VALUES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 2**80, True, 2.5, "text", None])
TTLS = st.sampled_from([None, None, 1, 2, 5, 5, math.inf, 0, math.nan, "5"])
LIMITS = st.sampled_from([0, 1, 2, 5, 8, 2**70, math.inf, None, -1, math.nan, "8"])


def weigh(key: Any, value: Any) -> Any:
    return value  # all but the whole numbers are refused


OPERATIONS: dict[str, tuple[Callable[..., object], list[st.SearchStrategy[Any]]]] = {
    "[]": (lambda s, key: s[key], [KEYS]),
    "get": (lambda s, key: s.get(key), [KEYS]),
    "get with default": (lambda s, key, value: s.get(key, default=value), [KEYS, VALUES]),
    "peek": (lambda s, key, value: s.peek(key, value), [KEYS, VALUES]),
    "in": (lambda s, key: key in s, [KEYS]),
    "ttl": (lambda s, key: s.ttl(key), [KEYS]),
    "expires_at": (lambda s, key: s.expires_at(key), [KEYS]),
    "[]=": (lambda s, key, value: s.__setitem__(key, value), [KEYS, VALUES]),
    "set": (lambda s, key, value, ttl: s.set(key, value, ttl=ttl), [KEYS, VALUES, TTLS]),
    "add": (lambda s, key, value, ttl: s.add(key, value, ttl=ttl), [KEYS, VALUES, TTLS]),
    "setdefault": (lambda s, key, value: s.setdefault(key, value), [KEYS, VALUES]),
    "swap": (
        lambda s, key, old, new, ttl: s.swap(key, old, new, ttl=ttl),
        [KEYS, VALUES | st.just(ABSENT), VALUES, TTLS | st.just(KEEP)],
    ),
    "incr": (lambda s, key, by, ttl: s.incr(key, by, ttl=ttl), [KEYS, VALUES, TTLS]),
    "expire": (lambda s, key, ttl: s.expire(key, ttl), [KEYS, TTLS]),
    "touch": (lambda s, key, ttl: s.touch(key, ttl), [KEYS, TTLS]),
    "del": (lambda s, key: s.__delitem__(key), [KEYS]),
    "pop": (lambda s, key: s.pop(key), [KEYS]),
    "pop with default": (lambda s, key: s.pop(key, default=None), [KEYS]),
    "popitem": (lambda s: s.popitem(), []),
    "get_many": (lambda s, keys: s.get_many(keys), [st.lists(KEYS, max_size=5)]),
    "delete_many": (lambda s, keys: s.delete_many(keys), [st.lists(KEYS, max_size=5)]),
    "set_many": (
        lambda s, items, ttl: s.set_many(items, ttl=ttl),
        [st.lists(st.tuples(KEYS, VALUES), max_size=5), TTLS],
    ),
    "clear": (lambda s: s.clear(), []),
    "purge": (lambda s: s.purge(), []),
    "resize": (lambda s, maxsize: s.resize(maxsize), [LIMITS]),
    "wait": (lambda s, seconds: s.timer.advance(seconds), [st.sampled_from([0.5, 1, 2, 6])]),
    "len": (len, []),
    "backwards": (lambda s: list(reversed(s)), []),
    "currsize": (lambda s: s.currsize, []),
    "repr": (repr, []),
    "copy": (lambda s: copy.copy(s).__getstate__(), []),
    "make anew": (lambda s: s.__init__(3, timer=s.timer), []),
    "use": (lambda s, keys: [s.get(key) for key in keys], [st.lists(KEYS, max_size=5)]),
}
STEPS = st.sampled_from(sorted(OPERATIONS)).flatmap(
    lambda name: st.tuples(st.just(name), *OPERATIONS[name][1])  # type: ignore[arg-type]
)


def outcome(storage: Any, name: str, arguments: tuple[Any, ...]) -> tuple[str, object]:
    try:
        return "gave", OPERATIONS[name][0](storage, *arguments)
    except Exception as error:
        return type(error).__name__, str(error)


@settings(max_examples=400)
@given(
    kind=st.sampled_from(["LRUStorage", *POLICIES]),
    maxsize=st.sampled_from([1, 2, 4, 8, None]),
    ttl=st.sampled_from([None, None, 3]),
    weigher=st.sampled_from([None, None, weigh]),
    steps=st.lists(STEPS, max_size=60),
)
# Limits that no sum of weights comes near, and weights near them.
@example("LRUStorage", 1, None, weigh, [("resize", 2**70), ("[]=", 0, 2**80)])
@example("LRUStorage", 1, None, weigh, [("resize", 2**63), ("[]=", 0, 2**63 - 1), ("[]=", 1, 1)])
def test_they_do_the_same(kind: str, maxsize: Any, ttl: Any, weigher: Any, steps: list[Any]) -> None:
    calls = [Calls(), Calls()]
    pair = [
        on(name).made(kind, maxsize, ttl=ttl, weigher=weigher, on_evict=told, timer=FakeClock())
        for name, told in zip(("c", "python"), calls, strict=True)
    ]
    for name, *arguments in steps:
        one, two = (outcome(storage, name, tuple(arguments)) for storage in pair)
        if name == "copy" and one[0] == two[0] == "gave":
            for _, state in (one, two):
                for what in ("on_evict", "timer"):
                    state["settings"].pop(what)  # type: ignore[index]
        assert one == two, name
        in_c, in_python = (told.taken() for told in calls)
        # Of what expired at the same time either may be told of first.
        assert Counter(map(repr, in_c)) == Counter(map(repr, in_python)), name
        assert [call for call in in_c if call[2] != "expired"] == [
            call for call in in_python if call[2] != "expired"
        ], name
        figures = [storage._figures() for storage in pair]
        assert figures[0] == figures[1], name
        for storage in pair:
            if hasattr(storage, "_check"):
                storage._check()
    assert list(pair[0].items()) == list(pair[1].items())
    assert [type(key) for key in pair[0]] == [type(key) for key in pair[1]]
    for storage in pair:
        assert_whole(storage)


@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize("maxsize", [None, 500, 4_096])
@pytest.mark.parametrize("kind", ["LRUStorage", *POLICIES[1:]])
def test_they_do_the_same_when_they_are_large(kind: str, maxsize: Any, ttl: Any) -> None:
    pair = [on(name).made(kind, maxsize, ttl=ttl, timer=FakeClock()) for name in ("c", "python")]
    for storage in pair:
        for number in range(20_000):
            storage[number * 2**20 if number % 3 else f"key:{number}"] = number
            storage.set(number * 7 % 3_001, number, ttl=None if number % 5 else number % 50 + 1)
            storage.get(number * 13 % 5_003)
            if number % 4 == 0:
                storage.pop(number * 11 % 3_001, None)
            if number % 1_000 == 0:
                storage.timer.advance(7)
        assert_whole(storage)
    assert list(pair[0].items()) == list(pair[1].items())
    assert pair[0].stats() == pair[1].stats()
    for storage in pair:
        while storage:
            storage.popitem()
        assert_whole(storage)


@pytest.mark.parametrize("kind", POLICIES)
def test_they_do_the_same_where_nobody_is_told(kind: str) -> None:
    pair = [on(name).made(kind, 50) for name in ("c", "python")]
    rolls = random.Random(3)
    for number in range(10_000):
        key = int(rolls.paretovariate(0.7))
        for storage in pair:
            if storage.get(key) is None:
                storage[key] = number
        assert number % 20 or list(pair[0]) == list(pair[1])
    assert pair[0]._contents() == pair[1]._contents()


def test_they_have_the_same_methods_and_signatures() -> None:
    one, two = CACHES["c"], CACHES["python"]
    public = {name for name in dir(two) if not name.startswith("_")}
    assert public == {name for name in dir(one) if not name.startswith("_")}
    for name in sorted(public):
        if callable(getattr(two, name)):
            in_c, in_python = (list(inspect.signature(getattr(cls, name)).parameters) for cls in (one, two))
            assert in_c == in_python, name
        assert getattr(one, name).__doc__, name
    for slot in ("__getitem__", "__setitem__", "__contains__", "__len__", "__iter__", "__bool__"):
        assert hasattr(one, slot), slot
        assert hasattr(two, slot), slot


def test_a_storage_on_c_goes_into_c_at_once() -> None:
    implementation = on("c")
    for cls in (implementation.LRUStorage, implementation.CacheStorage, implementation.MemoryStorage):
        for slot in ("__getitem__", "__setitem__", "__delitem__", "__contains__", "__len__", "pop"):
            assert not inspect.isfunction(getattr(cls, slot)), slot
            assert getattr(cls, slot) is getattr(CACHES["c"], slot), slot
        # The same one, that of this very class: CPython calls it without a detour.
        assert type(cls.get) is type(CACHES["c"].get)
        assert cls.get.__objclass__ is cls
        assert cls._has_this_get()


def test_a_get_of_somebody_else_is_known(memory: Implementation) -> None:
    class Below(memory.LRUStorage):  # type: ignore[misc, name-defined]
        pass

    class Other(Below):
        def get(self, key: Any, default: Any = None) -> Any:
            return "other"

    assert (Below._has_this_get(), Other._has_this_get()) == (True, False)
    assert (Below(1).get("a", 5), Below(1).get("a"), Other(1).get("a")) == (5, None, "other")
