"""Methods: results of each object, which go when it goes, and results that objects share by a key."""

from __future__ import annotations

import abc
import asyncio
import copy
import dataclasses
import enum
import functools
import gc
import inspect
import pickle
import sys
import threading
import time
import weakref
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_type_hints

import pytest

from pystorage import FileStorage, LRUStorage, memoize
from pystorage.memo import register_fingerprint

T = TypeVar("T")


class Circle:
    """Equal circles are several objects, and none has a hash."""

    def __init__(self, radius: int) -> None:
        self.radius = radius
        self.made: list[Any] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circle) and self.radius == other.radius

    __hash__ = None  # type: ignore[assignment]

    @memoize
    def area(self, factor: int = 1) -> int:
        """Give the area."""
        self.made.append(factor)
        return factor * self.radius**2

    @property
    @memoize
    def round(self) -> int:
        self.made.append("round")
        return self.radius * 6

    @memoize(ttl=100, stale=50, tags=("radius:{self.radius}",))
    def fresh(self, factor: int) -> int:
        self.made.append(factor)
        return factor * self.radius

    @memoize
    async def later(self, factor: int = 1) -> int:
        self.made.append(factor)
        await asyncio.sleep(0)
        return factor * self.radius


class Hoop(Circle):
    @memoize
    def area(self, factor: int = 1) -> int:
        return -super().area(factor)


def test_each_object_has_its_own_results() -> None:
    one, equal = Circle(2), Circle(2)
    assert one == equal
    assert one.area() == one.area(1) == one.area(factor=1) == Circle.area(one) == Circle.area(self=one) == 4
    assert equal.area() == 4
    assert (one.made, equal.made) == ([1], [1])
    assert one.area.cache_info() == (4, 1, 1024, 1)
    assert equal.area.cache_info()[:2] == (0, 1)
    assert one.area.storage is not equal.area.storage


def test_an_object_that_changed_keeps_its_results_until_they_are_let_go_of() -> None:
    one = Circle(2)
    assert one.area() == 4
    one.radius = 3
    assert one.area() == 4
    assert one.area.invalidate()
    assert one.area() == 9


def test_results_go_with_their_object() -> None:
    class Big:
        pass

    class Maker:
        @memoize
        def big(self) -> Big:
            return Big()

    maker = Maker()
    value, owner = weakref.ref(maker.big()), weakref.ref(maker)
    assert maker.big() is value()
    del maker
    gc.collect()
    assert (owner(), value()) == (None, None)
    assert not Maker.big._kept


def test_an_object_in_a_cycle_goes_too() -> None:
    class Node:
        @memoize
        def name(self) -> str:
            return "node"

    node: Any = Node()
    node.itself = node
    assert node.name() == "node"
    reference = weakref.ref(node)
    del node
    gc.collect()
    assert reference() is None
    assert not Node.name._kept


def test_an_address_that_is_used_again_finds_nothing() -> None:
    class Small:
        __slots__ = ("__weakref__", "number")

        def __init__(self, number: int) -> None:
            self.number = number

        @memoize
        def get(self) -> int:
            return self.number

    addresses = set()
    for number in range(2000):
        small = Small(number)
        addresses.add(id(small))
        assert small.get() == number
        del small
    assert len(addresses) < 2000
    assert not Small.get._kept


def test_an_object_may_ask_itself_while_it_ends() -> None:
    said: list[int] = []

    class Last:
        def __init__(self) -> None:
            self.itself = self

        @memoize
        def word(self) -> int:
            return 7

        def __del__(self) -> None:
            said.append(self.word())

    for _ in range(10):
        Last().word()
    gc.collect()
    assert said == [7] * 10
    assert not Last.word._kept


class Tight:
    __slots__ = ("number",)

    @memoize
    def get(self) -> int:
        return 1

    @memoize(key=lambda self: self.number)
    def keyed(self) -> int:
        return self.number


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    number: int

    @memoize
    def get(self) -> int:
        return self.number

    @memoize({})
    def shared(self) -> int:
        return self.number


@dataclasses.dataclass(slots=True, weakref_slot=True)
class Loose:
    number: int

    @memoize
    def get(self) -> int:
        return self.number


class Row(NamedTuple):
    number: int


class Number(int):
    @memoize
    def double(self) -> int:
        return 2 * self


def test_an_object_without_weak_references_is_refused_with_the_way_out() -> None:
    for thing in (Tight().get, Pair(1).get, Number(3).double):
        with pytest.raises(
            TypeError, match=r"cannot be referred to weakly.*__weakref__.*key=.*@staticmethod"
        ):
            thing()
    tight = Tight()
    tight.number = 5
    assert (tight.keyed(), Pair(4).shared(), Loose(2).get(), Loose(2).get()) == (5, 4, 2, 2)
    assert hasattr(tight, "get")  # looking at it computes nothing, and refuses nothing
    assert [name for name, _ in inspect.getmembers(tight) if name in ("get", "keyed")] == ["get", "keyed"]


def test_copies_and_pickles_of_an_object_are_as_without() -> None:
    one = Circle(2)
    one.area()
    others = (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)))
    assert all(vars(other) == vars(one) for other in others)
    for other in others:
        assert other.area() == 4
        assert other.area.cache_info()[:2] == (0, 1)
    assert set(vars(one)) == {"radius", "made"}
    bound = pickle.loads(pickle.dumps(one.area))
    assert bound(2) == 8
    assert pickle.loads(pickle.dumps(Circle.area)) is copy.deepcopy(Circle.area) is Circle.area


def test_inherited_and_overridden() -> None:
    hoop, circle = Hoop(2), Circle(2)
    assert (hoop.area(), hoop.area(), circle.area(), hoop.made) == (-4, -4, 4, [1])
    assert Circle.area(hoop) == 4  # by its own name it is another method
    assert hoop.made == [1]
    assert hoop.round == hoop.round == 12
    assert hoop.made == [1, "round"]


def test_a_property() -> None:
    one, equal = Circle(2), Circle(2)
    assert (one.round, one.round, equal.round) == (12, 12, 12)
    assert (one.made, equal.made) == (["round"], ["round"])


def test_decorators_above() -> None:
    def loud(function: Any) -> Any:
        @functools.wraps(function)
        def louder(*args: Any) -> str:
            return f"{function(*args)}!"

        return louder

    class Shop:
        @loud
        @memoize
        def price(self, fruit: str) -> int:
            made.append(fruit)
            return len(fruit)

        @functools.cached_property
        @memoize
        def name(self) -> str:
            return "shop"

    made: list[str] = []
    one, other = Shop(), Shop()
    assert (one.price("fig"), one.price("fig"), other.price("fig"), one.name) == ("3!", "3!", "3!", "shop")
    assert made == ["fig", "fig"]


def test_another_name_for_self_and_a_method_given_later() -> None:
    made: list[Any] = []

    def late(this: Any, number: int) -> int:
        made.append(number)
        return number

    class Shop:
        @memoize
        def price(this, fruit: str) -> int:
            made.append(fruit)
            return len(fruit)

    Shop.late = memoize(late)  # type: ignore[attr-defined]
    one, other = Shop(), Shop()
    for _ in range(2):
        assert (one.price("fig"), other.price("fig"), Shop.price(one, "fig")) == (3, 3, 3)
        assert (one.late(1), other.late(1)) == (1, 1)  # type: ignore[attr-defined]
    assert made == ["fig", 1, "fig", 1] or sorted(map(str, made)) == ["1", "1", "fig", "fig"]


def test_static_and_class_methods_have_no_objects() -> None:
    assert Tools.static(3) == Tools().static(3) == 3
    assert Tools.of_class(1) == Tools().of_class(1) == ("Tools", 1)
    assert Better.of_class(1) == ("Better", 1)
    assert Tools.made == [3, "Tools", "Better"]


def test_what_is_beside_a_call_of_a_class_method_never_takes_an_argument_for_the_class() -> None:
    assert Better.of_class(2) == ("Better", 2)
    bound = sys.version_info < (3, 13)
    if not bound:
        for ask in (Better.of_class.invalidate, Better.of_class.key_for, Better.of_class.refresh):
            with pytest.raises(TypeError, match=r"takes the class first: Tools.of_class.invalidate\(Tools, "):
                ask(2)
    first = () if bound else (Better,)
    assert Better.of_class.peek(None, *first, 2) == ("Better", 2)
    assert Better.of_class.invalidate(*first, 2)
    assert Better.of_class.peek(None, *first, 2) is None


class Tools:
    made: ClassVar[list[Any]] = []

    @staticmethod
    @memoize
    def static(number: int) -> int:
        Tools.made.append(number)
        return number

    @classmethod
    @memoize
    def of_class(cls, number: int) -> tuple[str, int]:
        Tools.made.append(cls.__name__)
        return (cls.__name__, number)


class Better(Tools):
    pass


class Meta(type):
    @memoize
    def name(cls) -> str:
        return cls.__name__


class Made(metaclass=Meta):
    pass


def test_a_method_of_a_metaclass() -> None:
    assert Made.name() == Made.name() == "Made"
    assert Made.name.cache_info()[:2] == (1, 1)


def test_abstract_and_generic() -> None:
    class Shape(abc.ABC):
        @memoize
        @abc.abstractmethod
        def area(self) -> int: ...

        @abc.abstractmethod
        @memoize
        def size(self) -> int: ...

    class Box(Generic[T]):
        def __init__(self, content: T) -> None:
            self.content = content

        @memoize
        def get(self) -> T:
            return self.content

    assert Shape.__abstractmethods__ == {"area", "size"}
    with pytest.raises(TypeError, match="abstract"):
        Shape()  # type: ignore[abstract]
    assert Box[int](1).get() == 1
    assert Box[str]("a").get() == "a"


class Fruit(enum.Enum):
    FIG = 3

    @memoize
    def price(self) -> int:
        return int(self.value)


def test_members_of_an_enum() -> None:
    assert Fruit.FIG.price() == Fruit.FIG.price() == 3
    assert list(Fruit) == [Fruit.FIG]
    assert Fruit.FIG.price.cache_info().hits == 1


def test_parameters_of_any_name() -> None:
    class Odd:
        @memoize
        def method(self, /, default: int, value: int = 0, *args: int, **kwargs: int) -> Any:
            return (default, value, args, kwargs)

    odd = Odd()
    found = odd.method(1, 2, 3, self=4, instance=5)
    assert found == (1, 2, (3,), {"self": 4, "instance": 5})
    assert odd.method.peek(None, 1, 2, 3, self=4, instance=5) is found
    with pytest.raises(TypeError, match=r"Odd.method\(\).*missing.*'default'"):
        odd.method()
    with pytest.raises(TypeError, match="takes its object first"):
        Odd.method()


def test_what_can_be_asked() -> None:
    one, other = Circle(3), Circle(4)
    area = one.area
    area.set(7, 2)
    assert (area(2), area.peek(None, 2), other.area.peek(None, 2)) == (7, 7, None)
    assert area.refresh(2) == 18
    assert area.prefetch([(1,), (2,)]) == 1
    assert Circle.area.prefetch([(other, 1), (one, 1)]) == 1
    assert Circle.area.peek(None, other) == 16
    assert area.key_for(2) == Circle.area.key_for(other, factor=2)
    assert area.key_for(2).startswith(Circle.area.key_prefix)
    Circle.area.set(0, other)
    assert other.area() == 0
    assert Circle.area.refresh(other) == 16
    assert Circle.area.invalidate(other)
    assert area.cache_parameters() == {**Circle.area.cache_parameters(), "maxsize": 1024}
    with pytest.raises(AttributeError, match=r"object.area.storage"):
        _ = Circle.area.storage
    for figures in (area, Circle.area, one.later, Circle.later, one.fresh, Circle.fresh):
        assert (figures.undecodable, figures.unavailable) == (0, 0)
        assert (figures.refreshes, figures.failed_refreshes) == (0, 0)
    other.area()
    before = other.area.cache_info()
    area.cache_clear()
    assert one.area.cache_info() == (0, 0, 1024, 0)
    assert other.area.cache_info() == before
    Circle.area.cache_clear()
    assert other.area.cache_info().currsize == 0
    assert Circle.area.cache_info() == (0, 0, None, 0)
    assert "object by object" in repr(Circle.area)
    assert Circle.area.__doc__ == "Give the area."
    assert str(inspect.signature(one.area)) == "(factor: 'int' = 1) -> 'int'"
    assert one.area.__wrapped__(2) == 18


class Documented:
    @memoize
    def plain(self, number: int) -> str:
        """Give a text."""
        return str(number)

    @memoize
    async def later(self, number: int) -> str:
        """Give a text later."""
        return str(number)

    @memoize({}, ignore="self")
    def shared(self, number: int) -> str:
        """Give a text to all."""
        return str(number)


@pytest.mark.parametrize("name", ["plain", "later", "shared"])
def test_a_method_is_described_as_its_function_is(name: str) -> None:
    method, function = getattr(Documented(), name), vars(Documented)[name].__wrapped__
    assert method.__doc__ == inspect.getdoc(method) == function.__doc__
    assert (method.__name__, method.__qualname__) == (name, f"Documented.{name}")
    assert get_type_hints(method) == {"number": int, "return": str}
    assert str(inspect.signature(method, eval_str=True)) == "(number: int) -> str"
    assert not hasattr(method, "nothing")
    assert type(method).__doc__.startswith("A memoized ")
    again = copy.copy(method)
    assert again == method
    assert again.__self__ is method.__self__


def test_fresh_results_of_an_object() -> None:
    one = Circle(3)
    assert one.fresh(2) == one.fresh(2) == 6
    assert one.made == [2]
    assert one.fresh.refresh(2) == 6


def test_async_methods() -> None:
    async def main() -> None:
        one, equal = Circle(2), Circle(2)
        found = await asyncio.gather(*(each.later(3) for each in (one, equal) for _ in range(5)))
        assert found == [6] * 10
        assert (one.made, equal.made) == ([3], [3])
        assert await Circle(5).later(2) == 10  # nobody else holds the object meanwhile
        assert await Circle(5).later.refresh(2) == 10
        assert await Circle.later(one, 3) == 6
        assert one.later.cache_info()[:2] == (5, 1)
        assert await one.later.peek(None, 3) == 6
        await one.later.cache_clear()
        assert await one.later.peek(None, 3) is None
        assert await equal.later.peek(None, 3) == 6
        await Circle.later.cache_clear()
        assert await equal.later.peek(None, 3) is None

    asyncio.run(main())
    for known in (inspect, asyncio):
        assert known.iscoroutinefunction(Circle(1).later)
        assert known.iscoroutinefunction(Circle.later)
        assert not known.iscoroutinefunction(Circle(1).area)
    gc.collect()
    assert not Circle.later._kept


def test_threads_share_the_results_of_one_object() -> None:
    for _ in range(30):
        one = Circle(2)
        found: list[int] = []

        start = threading.Barrier(8)

        def ask(one: Circle = one, start: threading.Barrier = start, found: list[int] = found) -> None:
            start.wait()
            found.append(one.area())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [4] * 8
        assert one.made == [1]


# -------------------------------------------------------------------- shared by a key


class User:
    def __init__(self, number: int) -> None:
        self.number = number


@pytest.mark.parametrize("asynchronous", [False, True])
def test_objects_share_what_is_kept_by_a_key(tmp_path: Any, asynchronous: bool) -> None:
    def asked(value: Any) -> Any:
        async def awaited() -> Any:
            return await value

        return asyncio.run(awaited()) if asynchronous else value

    def price(self: Any, fruit: str) -> int:
        made.append(fruit)
        return len(fruit)

    async def async_price(self: Any, fruit: str) -> int:
        return price(self, fruit)

    for options, storage in (
        ({"key": lambda self, fruit: (self.number, fruit)}, FileStorage[str, Any](tmp_path / "one")),
        ({}, FileStorage[str, Any](tmp_path / "two")),
        ({}, LRUStorage[str, Any](100)),
        ({"key": lambda self, fruit: (self.number, fruit)}, None),
    ):
        made: list[str] = []
        shop = type("Shop", (User,), {})
        if not options:
            register_fingerprint(shop, lambda shop: shop.number)
        shop.price = memoize(storage, **options)(  # type: ignore[attr-defined]
            async_price if asynchronous else price
        )
        one, same, other = shop(1), shop(1), shop(2)
        for each in (one, same, other):
            assert asked(each.price("fig")) == 3  # type: ignore[attr-defined]
        assert made == ["fig", "fig"]


def test_a_storage_needs_a_key_of_the_object(tmp_path: Any) -> None:
    for storage in ({}, LRUStorage[str, Any](10), FileStorage[str, Any](tmp_path)):

        class Shop:
            @memoize(storage)
            def price(self) -> int:
                return 1

        with pytest.raises(TypeError, match=r"'self', of type .*Shop.*register_fingerprint.*ignore=.*key="):
            Shop().price()


def test_all_objects_share_where_they_make_no_difference() -> None:
    class Shop:
        @memoize(ignore="self")
        def price(self, fruit: str) -> int:
            made.append(fruit)
            return len(fruit)

    made: list[str] = []
    assert Shop().price("fig") == Shop().price("fig") == 3
    assert made == ["fig"]


def test_recursion_may_be_deep() -> None:
    class Chain:
        @memoize
        def length(self, number: int) -> int:
            return 0 if number == 0 else 1 + self.length(number - 1)

    # In Python, each call is six frames; functools' is one.
    assert Chain().length(100) == 100


def test_a_background_refresh_outlives_nobody() -> None:
    class Shop:
        @memoize(ttl=1000, early=1e15)
        def price(self) -> int:
            done.append(1)
            return 1

    done: list[int] = []
    shop = Shop()
    shop.price()
    shop.price()
    reference = weakref.ref(shop)
    del shop
    end = time.monotonic() + 10
    while (len(done) < 2 or reference() is not None) and time.monotonic() < end:
        time.sleep(0.002)
        gc.collect()
    assert (len(done), reference()) == (2, None)


def test_a_method_with_arguments_filled_in() -> None:
    class Shop:
        @memoize
        def price(self, fruit: str, count: int) -> int:
            return len(fruit) * count

        figs = functools.partialmethod(price, "fig")

    shop = Shop()
    assert shop.figs(2) == shop.price("fig", 2) == 6
    assert shop.price.cache_info()[:2] == (1, 1)
