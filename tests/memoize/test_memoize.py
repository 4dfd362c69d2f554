"""memoize: what is computed, what is kept, and what the memoized function offers."""

from __future__ import annotations

import asyncio
import collections
import copy
import functools
import inspect
import json
import logging
import pickle
import pydoc
import shelve
import threading

import pytest

import pystorage
from pystorage.errors import DecodeError, UnsupportedOperation
from pystorage.memo import CacheInfo, Memoized, memoize, register_fingerprint
from pystorage.storage import Capability, Storage
from pystorage.stores.file import FileStorage


class DictStorage(Storage):
    """A storage that keeps the very objects."""

    def __init__(self):
        self.data = {}

    def __getitem__(self, key):
        return self.data[key]

    def __setitem__(self, key, value):
        self.data[key] = value

    def __delitem__(self, key):
        del self.data[key]

    def __iter__(self):
        return iter(list(self.data))

    def __len__(self):
        return len(self.data)

    def __repr__(self):
        return "DictStorage()"


class JSONStorage(DictStorage):
    """A storage of texts: what is no JSON can't be decoded."""

    def __getitem__(self, key):
        try:
            return json.loads(self.data[key])
        except ValueError as error:
            raise DecodeError(f"no JSON under {key!r}") from error

    def __setitem__(self, key, value):
        self.data[key] = json.dumps(value)


class DeadlineStorage(DictStorage):
    capabilities = Capability.TTL

    def __init__(self):
        super().__init__()
        self.lives = {}

    def set(self, key, value, *, ttl=None):
        self.data[key] = value
        self.lives[key] = ttl


class ForgetfulStorage(DictStorage):
    def __setitem__(self, key, value):
        pass


class FakeClock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Calls:
    """Counts the calls of what it makes."""

    def __init__(self):
        self.made = []

    def function(self, storage=None, **options):
        @memoize(storage, **options)
        def add(a, b=2):
            """Add two."""
            self.made.append((a, b))
            return a + b

        return add


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture(params=[dict, DictStorage, JSONStorage, collections.OrderedDict, lambda: None])
def storage(request):
    return request.param()


# -------------------------------------------------------------------- calls


def test_computes_once(calls, storage):
    add = calls.function(storage)
    assert add(1) == add(1) == add(a=1) == add(1, 2) == add(b=2, a=1.0) == 3
    assert calls.made == [(1, 2)]
    assert add(1, 3) == 4
    assert add.cache_info()[:2] == (4, 2)


def test_bare():
    @memoize
    def double(number):
        made.append(number)
        return 2 * number

    made = []
    assert double(1) == double(1) == 2
    assert made == [1]
    assert double.cache_info() == (1, 1, 1024, 1)


def test_bare_with_options():
    made = []

    def double(number, session=None):
        made.append(number)
        return 2 * number

    double = memoize(double, ignore="session")
    assert double(1) == double(1, session=object()) == 2
    assert made == [1]
    assert memoize()(len)("ab") == 2


def test_its_own_memory_is_bounded():
    @memoize
    def same(number):
        return number

    for number in range(1500):
        same(number)
    assert same.cache_info().currsize == len(same.storage) == 1024


def test_functions_do_not_share_their_own_memory():
    assert memoize(len).storage is not memoize(len).storage


def test_from_the_package():
    assert pystorage.memoize is memoize


def test_none_is_a_result(storage):
    made = []

    @memoize(storage)
    def nothing(number):
        made.append(number)

    assert nothing(1) is nothing(1) is None
    assert made == [1]


def test_exceptions_are_not_kept(storage):
    made = []

    @memoize(storage)
    def fail(number):
        made.append(number)
        raise KeyError(number)

    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            fail(1)
        assert caught.value.args == (1,)
    assert made == [1, 1]
    assert fail.cache_info()[:2] == (0, 2)


def test_a_miss_gives_what_a_hit_gives():
    storage = JSONStorage()

    @memoize(storage)
    def pair(number):
        return (number, {number: None})

    assert pair(1) == pair(1) == [1, {"1": None}]
    assert pair.refresh(1) == [1, {"1": None}]


def test_a_storage_that_drops_at_once():
    @memoize(ForgetfulStorage())
    def pair(number):
        return (number,)

    assert pair(1) == pair(1) == (1,)
    assert pair.cache_info().misses == 2


def test_files(tmp_path, calls):
    clock = FakeClock()
    storage = FileStorage(tmp_path, timer=clock)

    @memoize(storage, ttl=60)
    def pair(number):
        calls.made.append(number)
        return (number, None)

    assert pair(1) == pair(number=1.0) == [1, None]
    assert calls.made == [1]
    clock.now += 61
    assert pair.peek("gone", 1) == "gone"
    assert pair(1) == [1, None]
    assert calls.made == [1, 1]
    storage["other"] = 1
    pair.cache_clear()
    assert list(storage) == ["other"]


def test_a_damaged_file_is_computed_anew(tmp_path):
    add = Calls().function(FileStorage(tmp_path))
    add(1)
    (file,) = tmp_path.glob("*.storage")
    file.write_bytes(b"{")
    assert add(1) == add(1) == 3
    assert add.undecodable == 1


def test_shared_by_processes_of_another_time():
    storage, first, second = {}, Calls(), Calls()
    assert first.function(storage)(1) == second.function(storage)(1)
    assert second.made == []


def test_functions_on_one_storage_are_told_apart(storage):
    @memoize(storage)
    def first(a):
        return 1

    @memoize(storage)
    def second(a):
        return 2

    assert (first(0), second(0), first(0), second(0)) == (1, 2, 1, 2)


def test_made_inside_a_function(storage):
    def make(step):
        @memoize(storage)
        def stepped(number):
            return number + step

        return stepped

    assert make(1)(1) == 2
    assert make(2)(1) == 3


def test_typed(calls, storage):
    add = calls.function(storage, typed=True)
    assert add(1) == add(1.0) == add(1) == 3
    assert calls.made == [(1, 2), (1.0, 2)]


def test_version(calls):
    storage = {}
    assert calls.function(storage)(1) == calls.function(storage, version=2)(1)
    assert len(calls.made) == 2
    assert len(storage) == 2


def test_key(calls, storage):
    add = calls.function(storage, key=lambda a: a % 10)
    assert add(1) == add(11) == add(21, 5) == 3
    assert calls.made == [(1, 2)]


def test_does_not_ask_a_default_factory():
    storage = collections.defaultdict(list)

    @memoize(storage)
    def same(number):
        return number

    assert same(1) == same(1) == 1
    assert len(storage) == 1


def test_shelve(tmp_path):
    with shelve.open(str(tmp_path / "shelf")) as shelf:
        add = Calls().function(shelf)
        assert add(1) == add(1) == 3
        assert add.cache_info().hits == 1


def test_unhashable_arguments(calls, storage):
    @memoize(storage)
    def total(numbers, table):
        calls.made.append(0)
        return sum(numbers) + len(table)

    assert total([1, 2], {"a": 1, "b": 2}) == total([1, 2], {"b": 2, "a": 1}) == 5
    assert len(calls.made) == 1


def test_recursion():
    storage = {}

    @memoize(storage)
    def fib(number):
        return number if number < 2 else fib(number - 1) + fib(number - 2)

    assert fib(80) == 23416728348467685
    assert fib.cache_info().misses == 81


def test_counts_are_exact_among_threads():
    @memoize({})
    def same(number):
        return number

    same(1)

    def work():
        for _ in range(2000):
            same(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(3):
        assert same.cache_info()[:2] == (16000, 1)


# -------------------------------------------------------------------- what can't be decoded


def test_what_cannot_be_decoded_is_a_miss(caplog, calls):
    storage = JSONStorage()
    add, other = calls.function(storage), Calls().function(storage, version=2)
    for argument in (1, 2):
        storage.data[add.key_for(argument)] = "{"
    storage.data[other.key_for(1)] = "{"
    with caplog.at_level(logging.WARNING):
        assert (add(1), add(2), add(1), other(1)) == (3, 4, 3, 3)
    assert calls.made == [(1, 2), (2, 2)]
    assert add.cache_info()[:2] == (1, 2)
    assert add.undecodable == 2
    # Once for each function, and without keys or values.
    assert [record.name for record in caplog.records] == ["pystorage.memo"] * 2
    assert "add() cannot be decoded (DecodeError)" in caplog.text
    assert add.key_for(1) not in caplog.text


def test_what_cannot_be_decoded_right_after_the_write():
    class Broken(JSONStorage):
        def __setitem__(self, key, value):
            self.data[key] = "{"

    @memoize(Broken())
    def pair(number):
        return (number,)

    assert pair(1) == (1,)
    assert pair(1) == (1,)
    assert pair.peek("none", 1) == "none"
    assert pair.undecodable == 1


def test_other_errors_come_through():
    class Down(DictStorage):
        def __getitem__(self, key):
            raise pystorage.UnavailableError("down")

    with pytest.raises(pystorage.UnavailableError):
        Calls().function(Down())(1)


def test_a_value_that_cannot_be_kept(calls):
    @memoize(JSONStorage())
    def strange():
        return {1, 2}

    with pytest.raises(TypeError, match="not JSON serializable"):
        strange()


# -------------------------------------------------------------------- ttl


def test_ttl():
    storage = DeadlineStorage()
    add = Calls().function(storage, ttl=60)
    assert add(1) == 3
    assert list(storage.lives.values()) == [60.0]
    add.set(5, 1)
    add.refresh(2)
    assert list(storage.lives.values()) == [60.0, 60.0]


def test_without_ttl_the_storage_decides():
    storage = DeadlineStorage()
    Calls().function(storage)(1)
    assert list(storage.lives.values()) == [None]


def test_ttl_of_its_own_memory():
    assert Calls().function(ttl=60)(1) == 3


@pytest.mark.parametrize("place", [{}, DictStorage()])
def test_ttl_needs_deadlines(place):
    with pytest.raises(
        UnsupportedOperation, match=r"ttl=60.* needs a storage with deadlines.*VolatileStorage"
    ):
        memoize(place, ttl=60)


def test_ttl_error_shows_no_contents():
    with pytest.raises(UnsupportedOperation) as caught:
        memoize({"secret": "value"}, ttl=60)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "ttl, error",
    [(0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("60", TypeError), (True, TypeError)],
)
def test_what_is_no_ttl(ttl, error):
    with pytest.raises(error, match="ttl"):
        memoize(DeadlineStorage(), ttl=ttl)
    with pytest.raises(error, match="ttl"):
        memoize(len, ttl=ttl)


# -------------------------------------------------------------------- handling


def test_key_for(calls):
    storage = {}
    add = calls.function(storage)
    key = add.key_for(1)
    assert key == add.key_for(a=1, b=2)
    assert calls.made == []
    assert key.startswith(add.key_prefix)
    add(1)
    assert storage == {key: 3}


def test_peek(calls, storage):
    add = calls.function(storage)
    assert add.peek(None, 1) is None
    assert add.peek("absent", a=1) == "absent"
    add(1)
    assert add.peek(None, 1) == 3
    assert add.cache_info()[:2] == (0, 1)
    assert calls.made == [(1, 2)]


def test_set(calls, storage):
    add = calls.function(storage)
    add.set(100, 1)
    assert add(1) == 100
    add.set(200, b=2, a=1)
    assert add(1) == 200
    assert calls.made == []


def test_invalidate(calls, storage):
    add = calls.function(storage)
    add(1), add(2)
    assert add.invalidate(1) is True
    assert add.invalidate(a=1) is False
    assert add(1) == add(1) == 3
    assert add(2) == 4
    assert calls.made == [(1, 2), (2, 2), (1, 2)]


def test_refresh(storage):
    made = []

    @memoize(storage)
    def count(number):
        made.append(number)
        if len(made) == 3:
            raise OSError("third time")
        return len(made)

    assert count(1) == 1
    assert count.refresh(1) == 2
    assert count(1) == 2
    with pytest.raises(OSError, match="third time"):
        count.refresh(1)
    assert count(1) == 2


def test_handling_takes_any_parameter_names():
    @memoize({})
    def odd(self, value, default, key, args, kwargs=0):
        return value

    passed = {"self": 1, "value": 2, "default": 3, "key": 4, "args": 5}
    assert odd(**passed) == 2
    assert odd.peek(None, **passed) == 2
    odd.set(7, **passed)
    assert odd.key_for(**passed) == odd.key_for(1, 2, 3, 4, 5, 0)
    assert odd.refresh(**passed) == 2
    assert odd.invalidate(**passed) is True


@pytest.mark.parametrize("make", [dict, DictStorage])
def test_cache_clear_removes_only_its_own(make):
    storage = make()
    storage["mine"] = storage[1] = storage[None] = 0
    first, other, version = Calls().function(storage), Calls(), Calls().function(storage, version=1)

    @memoize(storage)
    def added(a):
        return a

    first(1), first(2), added(1), version(1)
    first.cache_clear()
    assert set(storage) == {"mine", 1, None, added.key_for(1), version.key_for(1)}
    assert first.cache_info()[:2] == (0, 0)
    assert other.made == []


def test_cache_clear_of_its_own_memory(calls):
    add = calls.function()
    add(1), add(1)
    assert add.cache_info() == (1, 1, 1024, 1)
    add.cache_clear()
    assert add.cache_info() == (0, 0, 1024, 0)
    assert len(add.storage) == 0


def test_cache_info():
    add = Calls().function({})
    add(1), add(1)
    assert add.cache_info() == CacheInfo(hits=1, misses=1, maxsize=None, currsize=None)
    assert add.cache_info()._fields == functools.lru_cache(len).cache_info()._fields


def test_cache_parameters():
    def asked(a):
        return a

    add = Calls().function(DeadlineStorage(), ttl=5, key=asked, version=3, typed=True)
    assert add.cache_parameters() == {
        "maxsize": None,
        "typed": True,
        "ttl": 5,
        "stale": None,
        "jitter": 0.0,
        "key": asked,
        "ignore": (),
        "version": 3,
        "tags": (),
        "lock": None,
        "lock_ttl": 10.0,
        "lock_timeout": None,
        "on_error": "raise",
        "copy": None,
        "early": 0.0,
        "ahead": None,
        "errors": None,
        "leases": None,
    }
    assert Calls().function(ignore="b").cache_parameters()["ignore"] == ("b",)
    once = Calls().function(ignore=iter(["b"]))
    assert once.cache_parameters()["ignore"] == ("b",)
    assert once.key_for(1, object()) == once.key_for(1)


def test_storage():
    storage = {}
    assert Calls().function(storage).storage is storage


# -------------------------------------------------------------------- as a function


@memoize({})
def documented(a: int, b: str = "x") -> str:
    """Say something."""
    return f"{a}{b}"


documented.mark = "kept"


def test_looks_like_the_function():
    assert documented.__name__ == documented.__qualname__ == "documented"
    assert documented.__module__ == __name__
    assert documented.__doc__ == "Say something."
    assert documented.__annotations__ == {"a": "int", "b": "str", "return": "str"}
    assert str(inspect.signature(documented)) == "(a: 'int', b: 'str' = 'x') -> 'str'"
    assert documented.__wrapped__(1) == "1x"
    assert callable(documented)
    assert isinstance(documented, Memoized)
    assert "Say something." in pydoc.render_doc(documented)


def test_attributes_of_the_function_are_kept():
    def function():
        return 1

    function.mark = "kept"
    function._storage = "of the function"
    memoized = memoize({})(function)
    assert memoized.mark == "kept"
    assert memoized() == 1
    assert memoize({})(memoized)() == 1


def test_pickles_by_its_name():
    assert pickle.loads(pickle.dumps(documented)) is documented
    assert copy.copy(documented) is documented
    assert copy.deepcopy([documented])[0] is documented


def test_repr_shows_no_contents():
    add = Calls().function({"secret": "value"})
    assert "secret" not in repr(add)
    assert repr(add).startswith(f"<memoized {__name__}.Calls.function")
    assert repr(Calls().function(DictStorage())).endswith("in DictStorage()>")


# -------------------------------------------------------------------- methods


class Circle:
    def __init__(self, radius):
        self.radius = radius
        self.made = 0

    @memoize({})
    def area(self, factor=1):
        """Give the area."""
        self.made += 1
        return factor * self.radius**2

    @memoize({}, ignore="self")
    def shared(self, number):
        return (self.radius, number)

    @memoize({}, key=lambda self, factor: (self.radius, factor))
    def keyed(self, factor=1):
        self.made += 1
        return factor * self.radius**2

    @staticmethod
    @memoize({})
    def static(number):
        return number

    @classmethod
    @memoize({})
    def made_by(cls, number):
        return (cls.__name__, number)


class Hoop(Circle):
    pass


class Bare:
    @memoize({})
    def method(self):
        return 1


@pytest.fixture
def _registered():
    register_fingerprint(Circle, lambda circle: circle.radius)


@pytest.mark.usefixtures("_registered")
def test_self_is_an_argument():
    one, same, other = Circle(1), Circle(1), Circle(2)
    Circle.area.cache_clear()
    assert one.area() == same.area(factor=1) == Circle.area(one) == 1
    assert other.area() == 4
    assert (one.made, same.made, other.made) == (1, 0, 1)
    assert one.area.cache_info()[:2] == (2, 2)


def test_self_without_a_fingerprint():
    with pytest.raises(TypeError, match="argument 'self', of type Bare, has no fingerprint.*ignore="):
        Bare().method()


def test_self_ignored_or_asked():
    assert Circle(1).shared(2) == Circle(3).shared(2)
    one, same = Circle(5), Circle(5)
    assert one.keyed() == same.keyed() == 25
    assert (one.made, same.made) == (1, 0)


@pytest.mark.usefixtures("_registered")
def test_a_bound_method_is_handled_without_its_object():
    circle = Circle(10)
    area = circle.area
    assert area.key_for() == Circle.area.key_for(circle, 1)
    assert area.peek(None, 7) is None
    area.set(70, 7)
    assert area(7) == area.peek(None, 7) == 70
    assert area.refresh(7) == 700
    assert area.invalidate(7) is True
    assert area.invalidate(7) is False
    assert area.storage is Circle.area.storage
    assert area.key_prefix == Circle.area.key_prefix
    assert area.cache_parameters() == Circle.area.cache_parameters()
    assert area.undecodable == 0
    area.cache_clear()
    assert len(Circle.area.storage) == 0


@pytest.mark.usefixtures("_registered")
def test_a_bound_method_looks_like_one():
    circle = Circle(1)
    assert circle.area == circle.area
    assert hash(circle.area) == hash(circle.area)
    assert circle.area != Circle(1).area
    assert circle.area != circle.keyed
    assert circle.area != 1
    assert circle.area.__self__ is circle
    assert circle.area.__func__ is Circle.area
    assert circle.area.__name__ == "area"
    assert circle.area.__wrapped__(2) == 2
    assert str(inspect.signature(circle.area)) == "(factor=1)"
    assert pickle.loads(pickle.dumps(circle.area))(3) == 3
    assert "of Circle" in repr(circle.area)


def test_static_and_class_methods():
    assert Circle.static(1) == Circle(1).static(1) == 1
    assert Circle.made_by(1) == Circle(1).made_by(1) == ("Circle", 1)
    assert Hoop.made_by(1) == ("Hoop", 1)


# -------------------------------------------------------------------- what can't be memoized


async def coroutine():
    return 1


async def async_generator():
    yield 1


def generator():
    yield 1


@pytest.mark.parametrize(
    "function, why",
    [
        (functools.partial(coroutine), "no"),
        (async_generator, "it is a generator function"),
        (generator, "generator: it is a generator function.*gives a list"),
        (Circle, "Circle is a class"),
        (staticmethod(len), "write @staticmethod above @memoize"),
        (classmethod(len), "write @classmethod above @memoize"),
        (functools.partial(len), "has none: wrap it in a function"),
        ([].append, "bound to one list|has none"),
        (Calls().function, "bound to one Calls.*decorate the function in its class"),
        (Circle(1).area, "bound to one Circle|has none"),
        ("abc".upper, "bound to one str|has none"),
        (max, "the signature of max is not known"),
    ],
)
@pytest.mark.parametrize("decorate", [memoize, memoize({})])
def test_what_is_no_plain_function(function, why, decorate):
    with pytest.raises(TypeError, match=why):
        decorate(function)


@pytest.mark.parametrize("function", [None, 1, "name", [len], Circle(1)])
def test_what_cannot_be_called(function):
    with pytest.raises(TypeError, match="decorates a function, not"):
        memoize({})(function)


@pytest.mark.parametrize("storage", [1, "redis://", [], object()])
def test_what_is_no_storage(storage):
    with pytest.raises(TypeError, match="takes a storage or another mutable mapping"):
        memoize(storage)


@pytest.mark.parametrize("storage", [dict, DictStorage])
def test_a_class_of_storages_is_none(storage):
    with pytest.raises(TypeError, match="is a class: call it"):
        memoize(storage)


def test_lambdas_need_a_name_where_others_store():
    double = memoize(lambda number: 2 * number)
    assert double(2) == double(2) == 4
    with pytest.raises(TypeError, match=r"a lambda has no name.*use def"):
        memoize({})(lambda number: number)
    storage = {}
    assert memoize(storage, version="double")(lambda number: 2 * number)(2) == 4
    assert memoize(storage, version="triple")(lambda number: 3 * number)(2) == 6


def test_a_coroutine_from_a_function_that_is_not_async():
    storage = {}

    @memoize(storage)
    def hidden():
        return coroutine()

    @memoize(storage)
    def hidden_generator():
        return generator()

    @memoize(storage)
    def hidden_async_generator():
        return async_generator()

    with pytest.raises(TypeError, match=r"gave one coroutine, which can be used once"):
        hidden()
    with pytest.raises(TypeError, match="gave one generator"):
        hidden_generator()
    with pytest.raises(TypeError, match="gave one async_generator"):
        hidden_async_generator()
    assert storage == {}
    assert asyncio.run(coroutine()) == 1


@pytest.mark.parametrize(
    "made", [lambda: map(str, [1]), lambda: filter(None, [1]), lambda: zip([1]), lambda: enumerate([1])]
)
def test_what_is_empty_for_whoever_is_given_it_next(made):
    storage = {}
    with pytest.raises(TypeError, match=r"gave one \w+, which can be used once"):
        memoize(storage, version=1)(made)()
    assert storage == {}


# -------------------------------------------------------------------- a hostile user


@pytest.mark.parametrize("make", [dict, lambda: None])
def test_a_default_that_the_function_changes_is_one_call_for_ever(make):
    storage = make()

    @memoize(storage)
    def gather(number, seen=[], table={}):  # noqa: B006
        seen.append(number)
        table[number] = number
        return list(seen)

    keys = {gather.key_for(1), gather.key_for(1, []), gather.key_for(1, table={})}
    assert (gather(1), gather(2), gather(1), gather(number=1)) == ([1], [1, 2], [1], [1])
    assert {gather.key_for(1), gather.key_for(1, []), gather.key_for(1, table={})} == keys
    assert len(keys) == 1
    assert gather.key_for(1, [1]) not in keys
    assert gather.cache_info()[:2] == (2, 2)


def test_functions_that_captured_other_functions_are_told_apart():
    storage = {}

    def make(step):
        @memoize(storage)
        def stepped(number):
            return step(number)

        return stepped

    def double(number):
        return 2 * number

    def negative(number):
        return -number

    steps = [double, negative, lambda number: number + 1, lambda number: number + 2, abs, len]
    found = [make(step)(3) for step in steps[:-1]]
    assert found == [6, -3, 4, 5, 3]
    assert make(double).key_for(3) == make(double).key_for(3)


def test_a_name_that_is_by_position_and_by_name():
    @memoize({})
    def odd(x, /, *args, y=1, **kwargs):
        return (x, args, y, kwargs)

    calls = [
        lambda: odd(1),
        lambda: odd(1, x=1),
        lambda: odd(1, 1),
        lambda: odd(1, args=1),
        lambda: odd(1, kwargs=1),
        lambda: odd(1, kwargs={}),
        lambda: odd(1, ()),
        lambda: odd(1, y=2),
        lambda: odd(1, self=1, function=2, key=3, storage=4),
    ]
    first = [call() for call in calls]
    assert [call() for call in calls] == first
    assert odd.cache_info()[:2] == (len(calls), len(calls))
    assert odd(1, b=1, a=2) is odd(1, a=2, b=1)


def test_memoized_twice():
    storage = {}

    def double(number):
        made.append(number)
        return 2 * number

    made = []
    twice = memoize(storage)(memoize(storage)(double))
    assert twice(2) == twice(2) == 4
    assert made == [2]
    assert memoize(memoize(storage)(double))(2) == 4
    assert made == [2]


def test_code_without_a_source():
    names = {"__name__": "elsewhere"}
    exec("def double(number, seen=[]):\n    return 2 * number", names)
    storage = {}
    assert memoize(storage)(names["double"])(2) == 4
    assert memoize(storage, version="auto")(names["double"])(2) == 4
    assert all(key.startswith("elsewhere.double") for key in storage)
    nameless = {}
    exec("def double(number):\n    return 2 * number", nameless)
    with pytest.raises(TypeError, match="needs a function with a name"):
        memoize(storage)(nameless["double"])


def test_numbers_and_texts_that_look_alike():
    @memoize({})
    def same(value):
        return value

    key = same.key_for
    assert len({key(1), key(True), key(1.0), key(1 + 0j)}) == 1
    assert key(0.0) == key(-0.0) == key(False)
    assert key(float("nan")) == key(float("nan"))
    values = [
        "1",
        b"1",
        1,
        [1],
        (1,),
        {1},
        {1: 1},
        "\ud800",
        "\ud801",
        "a\0b",
        "a\0c",
        2**64,
        2**64 + 1,
        None,
        "",
    ]
    values += [
        10**5000,
        -(10**5000),
        float("inf"),
        float("-inf"),
        float("nan"),
        "nan",
        [],
        (),
        {},
        set(),
        [[]],
    ]
    assert len({key(value) for value in values}) == len(values)
    assert key({1, "a", None, (1, 2)}) == key({(1, 2), None, "a", 1})


def test_what_a_storage_marks_absence_with_is_a_result_too():
    from pystorage.storage import ABSENT

    for value in (ABSENT, None, ..., NotImplemented, False):

        @memoize
        def give(value=value):
            return value

        assert give() is give() is value
