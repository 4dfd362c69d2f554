"""lru_cache: beside functools' own, and what that one has not."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import inspect
import os
import pickle
import sys
import threading
import weakref
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pystorage
from pystorage.testing import FakeClock
from tests.memoize.lru_on import PARTS, lru_on


@pytest.fixture(params=sorted(PARTS))
def name(request: pytest.FixtureRequest) -> Any:
    """Which implementation of the engine it is on."""
    return request.param


@pytest.fixture
def lru_cache(name: str) -> Any:
    return lru_on(name).lru_cache


@pytest.fixture
def timed(name: str) -> Any:
    """Give a decorator with a clock that is moved by hand, and that clock."""
    cache_type, function_type = PARTS[name]

    def decorator(maxsize: int | None, ttl: float) -> Any:
        clock = FakeClock()

        def cached(function: Any) -> Any:
            calls = cache_type(maxsize, ttl=ttl, timer=clock)
            return function_type(function, calls, False, pystorage.memo.CacheInfo)

        return cached, clock

    return decorator


# -------------------------------------------------------------------- beside functools


def spoken(*args: Any, **kwargs: Any) -> Any:
    """Say how it was called, so that a result of another call shows."""
    return args, tuple(kwargs.items()), [type(each) for each in (*args, *kwargs.values())]


class Same(int):
    """One that is equal to the int, and no int."""


NUMBERS = [0, 1, True, False, 1.0, 0.0, -0.0, -1, -2, 2**70, 0.5, 1j, Decimal(1), Fraction(1, 2), Same(1)]
OTHERS = ["", "a", "b", b"a", None, (), (1,), (True,), (1, "a"), ("a", 1), frozenset("a"), (((),),), int, str]
VALUES = st.sampled_from(NUMBERS + OTHERS)


@given(
    calls=st.lists(
        st.tuples(
            st.lists(VALUES, max_size=3),
            st.lists(st.tuples(st.sampled_from("abc"), VALUES), max_size=2, unique_by=lambda pair: pair[0]),
        ),
        max_size=40,
    ),
    maxsize=st.sampled_from([None, -1, 0, 1, 2, 5, 128]),
    typed=st.booleans(),
)
@settings(max_examples=150)
def test_call_by_call_it_is_that_of_functools(calls: Any, maxsize: int | None, typed: bool) -> None:
    mine = [lru_on(name).lru_cache(maxsize, typed)(spoken) for name in sorted(PARTS)]
    theirs = functools.lru_cache(maxsize, typed)(spoken)
    for args, named in calls:
        expected = theirs(*args, **dict(named))
        for one in mine:
            assert repr(one(*args, **dict(named))) == repr(expected)
            assert one.cache_info() == theirs.cache_info()


@pytest.mark.parametrize(
    "decorate",
    [
        lambda lru_cache: lru_cache("many"),
        lambda lru_cache: lru_cache(1.5),
        lambda lru_cache: lru_cache([]),
        lambda lru_cache: lru_cache(spoken, "typed"),
        lambda lru_cache: lru_cache(10)(None),
    ],
)
def test_what_functools_refuses_is_refused(lru_cache: Any, decorate: Any) -> None:
    for one in (lru_cache, functools.lru_cache):
        with pytest.raises(TypeError):
            decorate(one)


def test_it_looks_like_the_function(lru_cache: Any) -> None:
    @lru_cache(maxsize=7)
    def area(width: int, height: int = 2) -> int:
        """Give an area."""
        return width * height

    assert (area.__name__, area.__doc__, area.__module__) == ("area", "Give an area.", __name__)
    assert str(inspect.signature(area)) == str(inspect.signature(area.__wrapped__))
    assert inspect.isroutine(area)
    assert callable(area)
    area.note = 1
    assert vars(area)["note"] == 1
    assert area.cache_parameters() == {"maxsize": 7, "typed": False}
    area.cache_parameters()["maxsize"] = 8
    assert area.cache_parameters()["maxsize"] == 7
    assert repr(area.cache_info()) == "CacheInfo(hits=0, misses=0, maxsize=7, currsize=0)"


def test_the_names_of_arguments_may_be_any(lru_cache: Any) -> None:
    @lru_cache
    def function(self: int, function: int, args: int) -> int:
        return self + function + args

    assert function(self=1, function=2, args=3) == function(1, 2, 3) == 6


def test_a_built_in_function(lru_cache: Any) -> None:
    cached = lru_cache(len)
    assert (cached("abc"), cached("abc"), cached.cache_info()[:2]) == (3, 3, (1, 1))
    with pytest.raises(TypeError):
        cached()


def test_a_partial_and_an_object_that_is_called(lru_cache: Any) -> None:
    class Adder:
        def __call__(self, number: int) -> int:
            return number + 1

    assert lru_cache(functools.partial(pow, 2))(5) == 32
    assert lru_cache(Adder())(5) == 6


def test_static_and_class_methods(lru_cache: Any) -> None:
    class Shop:
        @classmethod
        @lru_cache
        def named(cls, name: str) -> str:
            return cls.__name__ + name

        @staticmethod
        @lru_cache(maxsize=None)
        def plain(name: str) -> str:
            return name * 2

        @lru_cache
        def own(self, name: str) -> Any:
            return self, name

    class Other(Shop):
        pass

    shop = Shop()
    assert (Shop.named("a"), Other.named("a"), shop.named("a")) == ("Shopa", "Othera", "Shopa")
    assert (Shop.plain("a"), shop.plain("a"), Shop.plain.cache_info()[:2]) == ("aa", "aa", (1, 1))
    assert shop.own("a") == (shop, "a")
    assert shop.own(name="a") == Shop.own(shop, "a") == (shop, "a")
    assert shop.own.cache_info() == Shop.own.cache_info() == (1, 2, 128, 2)
    assert shop.own.__wrapped__ is Shop.own.__wrapped__
    assert shop.own.cache_parameters() == {"maxsize": 128, "typed": False}
    shop.own.cache_clear()
    assert Shop.own.cache_info().currsize == 0


def test_copies_are_itself(lru_cache: Any) -> None:
    cached = lru_cache(spoken)
    assert copy.copy(cached) is copy.deepcopy(cached) is cached
    assert pickle.loads(pickle.dumps(pystorage.Key)) is pystorage.Key


def test_names_that_are_no_plain_str(lru_cache: Any) -> None:
    class Name(str):
        __slots__ = ()

    for one in (lru_cache(spoken), functools.lru_cache(spoken)):
        assert one(**{Name("a"): 1})[1] == one(a=1)[1] == (("a", 1),)
        assert one.cache_info()[:2] == (1, 1)


# -------------------------------------------------------------------- a time to live


def test_a_result_lives_for_its_time(timed: Any) -> None:
    made = []
    decorate, clock = timed(10, 5)
    cached = decorate(lambda number, more=0: made.append(number) or (number, more))
    for number in (1, 1, 2):
        cached(number), cached(number, more=number)
    clock.advance(4)
    cached(3)
    assert (made, cached.cache_info().currsize) == ([1, 1, 2, 2, 3], 5)
    clock.advance(1)
    assert cached.cache_info() == (2, 5, 10, 1)
    assert (cached(1), cached(1, more=1), cached(3), made) == ((1, 0), (1, 1), (3, 0), [1, 1, 2, 2, 3, 1, 1])


def test_the_time_begins_when_it_was_computed(timed: Any) -> None:
    decorate, clock = timed(10, 5)
    cached = decorate(lambda: clock.advance(100))
    cached()
    clock.advance(4)
    cached()
    assert cached.cache_info()[:2] == (1, 1)


def test_ttl_by_the_real_clock(lru_cache: Any) -> None:
    cached = lru_cache(maxsize=None, ttl=1e-9)(spoken)
    kept = lru_cache(ttl=60)(spoken)
    for _ in range(3):
        cached(1), kept(1)
    assert (cached.cache_info()[:2], kept.cache_info()[:2]) == ((0, 3), (2, 1))
    assert kept.cache_parameters() == {"maxsize": 128, "typed": False, "ttl": 60.0}


def test_a_bool_is_a_number(lru_cache: Any) -> None:
    assert lru_cache(True)(len).cache_parameters() == functools.lru_cache(True)(len).cache_parameters()


@pytest.mark.parametrize(
    "ttl, error",
    [(0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (True, TypeError)],
)
def test_what_is_no_ttl(lru_cache: Any, ttl: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="ttl"):
        lru_cache(ttl=ttl)
    with pytest.raises(error, match="ttl"):
        lru_cache(spoken, ttl=ttl)


def test_a_clock_that_fails(name: str) -> None:
    def timer() -> float:
        if broken:
            raise OSError("no clock")
        return 1.0

    broken: list[int] = []
    cache_type, function_type = PARTS[name]
    cached = function_type(spoken, cache_type(3, ttl=5, timer=timer), False, tuple)
    cached(1)
    broken.append(1)
    for _ in range(2):
        with pytest.raises(OSError, match="no clock"):
            cached(1)
    broken.clear()
    cached(1)


# -------------------------------------------------------------------- hostile arguments and functions


class Wild:
    """An argument with code of its own."""

    def __init__(self, number: int, act: Any = None, hash: int = 7) -> None:
        self.number, self.act, self.hash = number, act, hash

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> Any:
        if self.act is not None:
            self.act()
        return isinstance(other, Wild) and self.number == other.number


@pytest.mark.parametrize("maxsize", [2, None])
def test_an_argument_that_clears_the_cache_when_it_is_compared(lru_cache: Any, maxsize: int | None) -> None:
    cached = lru_cache(maxsize=maxsize)(lambda *args, **named: [args])
    for _ in range(3):
        for make in (lambda one: cached(one), lambda one: cached(1, a=one), lambda one: cached(one, one)):
            make(Wild(1))
            make(Wild(1, cached.cache_clear))
            make(Wild(1, lambda: cached(Wild(5, hash=3))))
    assert cached.cache_info().currsize <= 8


def test_an_argument_that_fails_when_it_is_compared(lru_cache: Any) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    cached = lru_cache(lambda one, **named: one.number)
    cached(Wild(1, fail, hash=1)), cached(Wild(1, fail, hash=2), a=1)
    for call in (lambda: cached(Wild(1, hash=1)), lambda: cached(Wild(1, hash=2), a=1)):
        with pytest.raises(ZeroDivisionError):
            call()
    assert cached(Wild(1, hash=3)) == 1
    assert cached.cache_info() == (0, 3, 128, 3)


def test_an_argument_that_cannot_be_hashed_is_no_miss(lru_cache: Any) -> None:
    cached = lru_cache(spoken)
    for call in (lambda: cached([]), lambda: cached(1, []), lambda: cached(a=[])):
        with pytest.raises(TypeError, match="unhashable"):
            call()
    assert cached.cache_info() == (0, 0, 128, 0)
    assert lru_cache(0)(len)([1]) == 1


def test_a_function_that_calls_and_clears_itself(lru_cache: Any) -> None:
    @lru_cache(maxsize=3)
    def restless(number: int) -> int:
        if number == 0:
            restless.cache_clear()
            return 0
        for other in range(number):
            restless(other)
        return restless(number - 1) + 1

    assert [restless(number) for number in range(8)] == list(range(8))
    assert restless.cache_info().currsize <= 3


@pytest.mark.parametrize("maxsize", [2, None])
def test_a_call_inside_the_same_call(lru_cache: Any, maxsize: int | None) -> None:
    found = []
    for decorate in (lru_cache, functools.lru_cache):
        inner: list[Any] = []

        @decorate(maxsize)
        def nested(number: int, inner: Any = inner, found: Any = found) -> list[int]:
            if not inner:
                inner.append(None)
                inner[0] = found[-1][0](number)
            return [number]

        found.append([nested])
        outer = nested(1)
        found[-1] += [outer is nested(1), inner[0] is nested(1), nested.cache_info()]
    assert found[0][1:] == found[1][1:]


def test_a_function_in_c_that_calls_it_without_end(lru_cache: Any) -> None:
    part = functools.partial(len)
    cached = lru_cache(part)
    part.__setstate__((cached, (), {}, {}))  # type: ignore[attr-defined]
    with pytest.raises(RecursionError):
        cached(1)
    part.__setstate__((len, (), {}, {}))  # type: ignore[attr-defined]
    assert cached("abc") == 3


def test_errors_are_not_kept(lru_cache: Any) -> None:
    for error in (ValueError, KeyboardInterrupt, KeyError):

        @lru_cache
        def fail(number: int, error: Any = error) -> None:
            raise error(number)

        for _ in range(2):
            with pytest.raises(error) as found:
                fail(1)
            assert found.value.__context__ is None
        assert fail.cache_info() == (0, 2, 128, 0)


def test_results_that_call_the_function_when_they_die(lru_cache: Any) -> None:
    class Dying:
        def __del__(self) -> None:
            with contextlib.suppress(ReferenceError):
                cached(-1)

    @lru_cache(maxsize=2)
    def cached(number: int) -> Any:
        return Dying() if number >= 0 else None

    for number in range(20):
        cached(number)
    cached.cache_clear()
    assert cached.cache_info().currsize <= 1


# -------------------------------------------------------------------- memory


def test_cycles_through_arguments_and_results_are_collected(lru_cache: Any) -> None:
    class Thing:
        pass

    def make() -> list[Any]:
        @lru_cache(maxsize=None)
        def cached(*args: Any, **named: Any) -> Any:
            return [cached, args]

        things = [Thing() for _ in range(4)]
        cached(things[0]), cached(1, things[1]), cached(a=things[2])
        for thing in things:
            thing.cached = cached  # type: ignore[attr-defined]
        cached.thing = things[3]
        return [weakref.ref(one) for one in (cached, *things)]

    references = make()
    gc.collect()
    assert [one() for one in references] == [None] * 5


def test_one_that_was_collected_may_still_be_called(lru_cache: Any) -> None:
    seen: list[Any] = []

    class Dying:
        def __del__(self) -> None:
            try:
                seen.append(self.cached(1))  # type: ignore[attr-defined]
            except ReferenceError as error:
                seen.append(error)

    dying = Dying()
    dying.cached = lru_cache(lambda number: number)  # type: ignore[attr-defined]
    dying.cached.dying = dying  # type: ignore[attr-defined]
    del dying
    gc.collect()
    assert len(seen) == 1


def test_each_reference_is_given_back(lru_cache: Any) -> None:
    class Thing:
        pass

    thing, result = Thing(), Thing()

    def run() -> None:
        for typed in (False, True):
            cached = lru_cache(3, typed)(lambda *args, **named: result)
            for _ in range(2):
                cached(thing), cached(thing, thing), cached(thing, a=thing), cached(a=1, b=thing), cached("a")
                with contextlib.suppress(TypeError):
                    cached(thing, [thing])
            cached.cache_info(), cached.cache_parameters(), cached.cache_clear()

    for _ in range(3):
        run()
    gc.collect()
    before = [sys.getrefcount(one) for one in (thing, result, Thing)]
    for _ in range(50):
        run()
    gc.collect()
    assert [sys.getrefcount(one) for one in (thing, result, Thing)] == before


# -------------------------------------------------------------------- threads, processes


def test_threads_that_miss_at_once_each_compute(lru_cache: Any) -> None:
    together = threading.Barrier(5)

    @lru_cache
    def slow(number: int) -> int:
        together.wait(20)
        return number

    threads = [threading.Thread(target=slow, args=(1,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slow.cache_info() == (0, 5, 128, 1)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_in_a_small_cache(lru_cache: Any) -> None:
    cached = lru_cache(maxsize=8)(lambda number, more: (number, more))
    wrong: list[Any] = []

    def work(seed: int) -> None:
        for number in range(3000):
            at = number * seed % 13
            if cached(at, more=seed) != (at, seed):
                wrong.append((at, seed))
            if number % 500 == 0:
                cached.cache_clear()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cached.cache_info().currsize <= 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="a lock that a waiting thread was just handed stays locked in the child, that of a dict as well",
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_fork_has_one_that_works(lru_cache: Any) -> None:
    cached = lru_cache(maxsize=50)(lambda number: number)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for number in range(100):
                cached(number)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                for number in range(100):
                    cached(number)
                os._exit(cached.cache_info().currsize)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 50
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_which_one_it_is() -> None:
    assert pystorage.lru_cache is lru_on(pystorage.engine.IMPLEMENTATION).lru_cache
