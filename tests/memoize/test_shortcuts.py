"""Calls that are known again without making their keys: they give what they gave, and see what changed."""

from __future__ import annotations

import dataclasses
import enum
import gc
import sys
import threading
import weakref
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pystorage import LRUStorage, MemoryStorage, memoize
from pystorage.engine import IMPLEMENTATION
from pystorage.memo import Memoized
from pystorage.memo.options import Options
from pystorage.testing import FakeClock

in_c = pytest.mark.skipif(IMPLEMENTATION != "c", reason="only the engine in C takes shortcuts")


class Number(enum.IntEnum):
    ONE = 1


class Same(int):
    """One that is equal to the int, and no int."""


@dataclasses.dataclass(frozen=True)
class Point:
    x: int


def spoken(a: Any = 0, b: Any = 1, *more: Any, c: Any = 2, **others: Any) -> Any:
    return [a, b, more, c, sorted(others.items())]


PLAIN = [0, 1, True, False, 1.0, 0.0, -0.0, float("nan"), "", "a", "1", b"a", b"1", None, (), -1, -2]
DEEP = [(1,), (True,), (1.0,), ((1,), "a"), ((True,), "a"), 2**62, 2**63, -(2**63), "a" * 300, (0,) * 20]
OTHERS = [
    Decimal(1),
    Number.ONE,
    Same(1),
    Point(1),
    frozenset({1}),
    [1],
    {"a": 1},
    (Number.ONE,),
    int,
    ([1],),
]
VALUES = st.sampled_from([*PLAIN, *DEEP, *OTHERS])
NAMED = st.lists(st.tuples(st.sampled_from("abcde"), VALUES), max_size=2, unique_by=lambda pair: pair[0])


@given(
    calls=st.lists(st.tuples(st.lists(VALUES, max_size=3), NAMED), max_size=30),
    typed=st.booleans(),
    size=st.sampled_from([1, 3, 100]),
)
@settings(max_examples=200)
def test_each_call_finds_what_its_key_says(calls: Any, typed: bool, size: int) -> None:
    made: list[Any] = []

    def function(*args: Any, **named: Any) -> Any:
        made.append((args, named))
        return len(made)

    function.__wrapped__ = spoken  # type: ignore[attr-defined]
    quick = memoize(LRUStorage(size), typed=typed)(function)
    keys = memoize({}, typed=typed)(function)
    model: dict[str, int] = {}
    for args, pairs in calls:
        named = dict(pairs)
        try:
            key = keys.key_for(*args, **named)
        except TypeError:
            with pytest.raises(TypeError):
                quick(*args, **named)
            continue
        before = len(made)
        if key in model:
            expected = model.pop(key)
            model[key] = expected
        else:
            expected = model[key] = before + 1
            if len(model) > size:
                del model[next(iter(model))]
        assert quick(*args, **named) == expected
        assert list(quick.storage.items()) == list(model.items())
    assert quick.cache_info().misses == len(made)


@pytest.mark.parametrize(
    "equal", [(1.0, True), (0.0, False), ((1,), (1.0,), (True,)), (("a", 1), ("a", True), ("a", 1.0))]
)
@pytest.mark.parametrize("more", [(), ("more",)])
def test_equal_arguments_of_other_types_never_take_the_place_of_one_another(equal: Any, more: Any) -> None:
    @memoize(typed=True)
    def spelled(argument: Any, *_: Any) -> str:
        return repr(argument)

    for argument in [*equal, *reversed(equal), *equal]:
        assert spelled(argument, *more) == repr(argument)
    assert spelled.cache_info().misses == len(equal)


@pytest.fixture(params=["own", "LRUStorage", "MemoryStorage"])
def double(request: pytest.FixtureRequest) -> Any:
    storage = {"own": lambda: None, "LRUStorage": lambda: LRUStorage(3), "MemoryStorage": MemoryStorage}
    made: list[int] = []

    @memoize(storage[request.param]())
    def doubled(number: int) -> list[int]:
        made.append(number)
        return [2 * number]

    doubled.made = made  # type: ignore[attr-defined]
    return doubled


def test_what_is_changed_in_the_storage_is_seen(double: Any) -> None:
    for _ in range(3):
        assert double(4) == [8]
    double.storage[double.key_for(4)] = "changed"
    assert [double(4), double(4)] == ["changed"] * 2
    del double.storage[double.key_for(4)]
    assert [double(4), double(4)] == [[8], [8]]
    assert double.invalidate(4)
    double.set("set", 4)
    assert [double(4), double(4)] == ["set"] * 2
    assert double.refresh(4) == [8] == double(4)
    double.storage.clear()
    assert double(4) == [8]
    double.cache_clear()
    assert (double(4), double.cache_info()[:2]) == ([8], (0, 1))
    assert double.made == [4] * 5


def test_what_another_entry_took_the_place_of_is_seen() -> None:
    @memoize(LRUStorage(2))
    def text(number: int) -> str:
        return str(number)

    for numbers in ((1, 2), (2, 1, 1), (3, 1), (4, 5, 6), (1, 6, 6, 2)):
        for number in numbers * 2:
            assert text(number) == str(number)
    text.storage["other"] = "else"
    text.storage["another"] = "else"
    assert [text(number) for number in (2, 6, 2, 6)] == ["2", "6", "2", "6"]


def test_use_and_figures_are_those_of_the_storage() -> None:
    text = memoize(str_of)
    storage: Any = text.storage
    storage.resize(2)
    text(1), text(2), text(1), text(1), text(3)
    assert text.cache_info()[:2] == (2, 3) == (storage.stats().hits, storage.stats().misses)
    assert [text.peek("absent", number) for number in (1, 2, 3)] == ["1", "absent", "3"]


def str_of(number: Any) -> str:
    return str(number)


def test_a_result_that_expired_is_computed_anew() -> None:
    clock = FakeClock()
    storage = LRUStorage[Any, Any](5, timer=clock)
    made: list[int] = []

    @memoize(storage, ttl=10)
    def aging(number: int) -> int:
        made.append(number)
        return number

    for _ in range(3):
        aging(1)
    clock.advance(9.9)
    aging(1)
    assert made == [1]
    clock.advance(0.1)
    aging(1), aging(1)
    assert made == [1, 1]
    storage.expire(aging.key_for(1), 5)
    clock.advance(5)
    aging(1)
    assert (made, storage.stats().expirations) == ([1, 1, 1], 2)


def test_a_clock_that_fails_is_heard() -> None:
    def timer() -> float:
        if broken:
            raise OSError("no clock")
        return 1.0

    broken: list[int] = []
    text = memoize(LRUStorage(5, timer=timer), ttl=10)(str_of)
    text(1), text(1)
    broken.append(1)
    with pytest.raises(OSError, match="no clock"):
        text(1)


def test_arguments_that_change_have_another_key_each_time() -> None:
    class Box:
        def __init__(self, content: int) -> None:
            self.content = content

    from pystorage.memo import register_fingerprint

    register_fingerprint(Box, lambda box: box.content)
    opened = memoize(lambda_of(lambda box: box.content))
    box, items = Box(1), [1]
    assert (opened(box), opened(box)) == (1, 1)
    box.content = 2
    assert opened(box) == 2
    total = memoize(lambda_of(lambda items: sum(items[0])))
    assert total((items,)) == 1
    items.append(5)
    assert total((items,)) == 6


def lambda_of(function: Any) -> Any:
    def one(argument: Any) -> Any:
        return function(argument)

    return one


def test_what_key_asks_for_is_asked_each_time() -> None:
    user = ["anna"]

    @memoize(key=lambda page: (page, user[0]))
    def show(page: int) -> str:
        return f"{page} for {user[0]}"

    assert (show(1), show(1)) == ("1 for anna",) * 2
    user[0] = "ben"
    assert show(1) == "1 for ben"


def test_ignored_arguments_share_the_result() -> None:
    @memoize(ignore="verbose")
    def show(page: int, verbose: Any = False) -> list[int]:
        return [page]

    assert show(1) is show(1, True) is show(page=1, verbose=[]) is show(1, verbose=None)


@in_c
def test_calls_that_are_large_are_not_remembered() -> None:
    text = memoize(lambda_of(lambda argument: 5))
    for argument in ("a" * 10_000, b"a" * 10_000, 10**100, (0,) * 100, (((((0,),),),),), frozenset(), [1]):
        before = sys.getrefcount(argument)
        assert text(argument) == text(argument) == 5
        assert sys.getrefcount(argument) == before


def test_a_storage_with_a_get_of_its_own_is_asked_by_it() -> None:
    class Loud(LRUStorage[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:  # type: ignore[override]
            asked.append(key)
            return super().get(key, default)

    asked: list[Any] = []
    text = memoize(Loud(5))(str_of)
    assert [text(1) for _ in range(4)] == ["1"] * 4
    assert len(asked) >= 4
    assert text.cache_info()[:2] == (3, 1)


def test_keys_of_others_in_the_storage_do_no_harm() -> None:
    class Wild:
        def __init__(self, hash: int) -> None:
            self.hash = hash

        def __hash__(self) -> int:
            return self.hash

        def __eq__(self, other: object) -> bool:
            met.append(other)
            if len(met) % 3 == 0:
                storage.clear()
            return False

    met: list[object] = []
    storage = MemoryStorage[Any, Any]()
    text = memoize(storage)(str_of)
    for number in range(30):
        storage[Wild(hash(text.key_for(number)))] = 1
        assert [text(number) for _ in range(3)] == [str(number)] * 3
    assert met


def test_the_names_of_arguments_may_be_any() -> None:
    @memoize
    def function(self: int, key: int, args: int) -> int:
        return self + key + args

    assert function(self=1, key=2, args=3) == function(1, 2, 3) == function(1, args=3, key=2) == 6


def test_a_class_below_may_have_a_call_of_its_own() -> None:
    class Twice(Memoized[Any, Any]):
        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs) * 2

    made = memoize(str_of)
    twice = Twice(str_of, {}, made._call_key, options=Options(), own=False, parameters={})
    assert (twice(4), twice(4), made(4)) == ("44", "44", "4")


def test_it_is_collected_with_its_storage() -> None:
    def made() -> Any:
        storage = LRUStorage[Any, Any](5)
        held: list[Any] = []
        itself = memoize(storage)(lambda_of(lambda argument: held))
        held.append(itself)
        itself(1), itself("a"), itself(1)
        return weakref.ref(itself)

    reference = made()
    gc.collect()
    assert reference() is None


def test_each_reference_is_given_back() -> None:
    class Thing:
        pass

    thing, texts = Thing(), ["a text of its own", b"bytes", (1, "deep"), 12345.5]

    def run() -> None:
        for storage in (None, {}, LRUStorage(2), MemoryStorage()):
            made = memoize(storage)(lambda_of(lambda argument: thing))
            for _ in range(3):
                for text in texts:
                    made(text), made(argument=text)
                with pytest.raises(TypeError):
                    made(object())
            made.cache_info(), made.cache_clear()

    for _ in range(3):
        run()
    gc.collect()
    before = [sys.getrefcount(one) for one in (thing, *texts)]
    for _ in range(30):
        run()
    gc.collect()
    assert [sys.getrefcount(one) for one in (thing, *texts)] == before


@pytest.mark.usefixtures("hasty_threads")
def test_threads_with_few_places() -> None:
    text = memoize(LRUStorage(5))(str_of)
    wrong: list[Any] = []

    def work(step: int) -> None:
        for number in range(4000):
            at = number * step % 11
            if text(at) != str(at) or text(number=at) != str(at):
                wrong.append(at)
            if number % 400 == 0:
                text.cache_clear()

    threads = [threading.Thread(target=work, args=(step,)) for step in (1, 2, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
