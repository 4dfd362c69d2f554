"""Fingerprints: equal values have one text, different values never share one."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import enum
import fractions
import functools
import gc
import json
import math
import operator
import pathlib
import re
import types
import uuid
import weakref
import zoneinfo
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.memo import register_fingerprint
from pystorage.memo.fingerprint import canonical

INF, NAN = math.inf, math.nan


def text(value, typed=False):
    return canonical((value,), typed)


class Color(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796
    GREEN = 2


class Fruit(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    A = "a"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Loud(enum.Enum):
    A = 1

    def __eq__(self, other):
        return True

    __hash__ = enum.Enum.__hash__


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0
    seen: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True)
class Spot:
    x: object
    y: object = 0


@dataclasses.dataclass(eq=False)
class Entity:
    x: int


@dataclasses.dataclass
class Judged:
    x: int
    y: int = dataclasses.field(compare=False)

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)


class Undecorated(Point):
    pass


class Name(str):
    pass


class Shouted(str):
    def __eq__(self, other):
        return self.upper() == other.upper()

    __hash__ = str.__hash__


class Number(int):
    def __format__(self, _=""):
        return "nonsense"

    __str__ = __repr__ = __int__ = __index__ = __format__


class Odd:
    pass


class Zone(dt.tzinfo):
    """A time zone that nobody knows."""


class Meta(type):
    pass


class Made(metaclass=Meta):
    pass


Pair = collections.namedtuple("Pair", "a b")


def function():
    """A function to be found by name."""


@functools.lru_cache
def wrapped():
    """An object that is found by name, and no function."""


# -------------------------------------------------------------------- kinds


SAME = [
    (1, 1.0),
    (1, True),
    (1, Decimal("1.00")),
    (1, Fraction(2, 2)),
    (1, 1 + 0j),
    (1, Size.ONE),
    (Number(1), 1),
    (0, -0.0),
    (0, Decimal("-0E+5000000")),
    (int(1e300), 1e300),
    (2**1000, float(2**1000)),
    (2**1000, Decimal(2**1000)),
    (10**4000, Decimal("1E+4000")),
    (0.5, Fraction(1, 2)),
    (0.5, Decimal("0.50")),
    (0.5, 0.5 + 0j),
    (0.1, Fraction(*(0.1).as_integer_ratio())),
    (5e-324, Decimal.from_float(5e-324)),
    (Fraction(1, 10), Decimal("0.1")),
    (INF, Decimal("Infinity")),
    (-INF, Decimal("-Infinity")),
    (1 + 2j, complex(1.0, 2.0)),
    ("a", Name("a")),
    ("a", Word.A),
    (b"a", bytearray(b"a")),
    (b"a", memoryview(b"a")),
    (b"a" * 5000, bytearray(b"a" * 5000)),
    ((1, 2), Pair(1, 2)),
    ([1, (2,)], [True, (2.0,)]),
    ({1}, frozenset({1.0})),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1: 2}, collections.defaultdict(int, {1.0: 2})),
    ({1: 2}, types.MappingProxyType({1: 2})),
    (collections.Counter("ab"), collections.Counter("ab", c=0)),
    (collections.OrderedDict(a=1), collections.OrderedDict(a=1.0)),
    (collections.deque([1]), collections.deque([1], maxlen=9)),
    (range(0), range(3, 1)),
    (range(0, 3, 2), range(0, 4, 2)),
    (range(5, 6), range(5, 9, 7)),
    (range(10**40), range(0, 10**40, 1)),
    (slice(1), slice(None, 1.0, None)),
    (Color.RED, Color.CRIMSON),
    (Mode.READ | Mode.WRITE, Mode.WRITE | Mode.READ),
    (Point(1), Point(1.0, False, seen=7)),
    (pathlib.PurePosixPath("a//b/."), pathlib.PosixPath("a/b")),
    (pathlib.PureWindowsPath("A/b"), pathlib.PureWindowsPath("a\\B")),
    (dt.timedelta(days=1), dt.timedelta(hours=24)),
    (uuid.UUID(int=5), uuid.UUID("00000000-0000-0000-0000-000000000005")),
]

#: No two of these are equal.
DIFFERENT = [
    None,
    ...,
    NotImplemented,
    0,
    1,
    -1,
    10**5000,
    10**5000 + 1,
    Decimal("1E+999999999"),
    Decimal("-1E+999999999"),
    Decimal("12E+999999998"),
    Decimal("1E-999999999"),
    0.5,
    0.1,
    Decimal("0.1"),
    Fraction(1, 3),
    Fraction(1, 2**2000),
    Fraction(2**2000 + 1, 2**2000),
    Fraction(2**2000 + 1, 2),
    INF,
    -INF,
    NAN,
    Decimal("NaN"),
    Decimal("NaN7"),
    1j,
    -1j,
    complex(1, NAN),
    "",
    "0",
    "1",
    "i1;",
    "n;",
    "é",
    "e\u0301",
    "\ud800",
    "\ud83d\ude00",
    "\U0001f600",
    b"",
    b"1",
    b"i1;",
    b"\xff" * 2000,
    b"\xff" * 2001,
    array.array("i", [1, 2]).tobytes(),
    memoryview(array.array("i", [1, 2])),
    memoryview(array.array("i", [1, 2, 3])),
    memoryview(b"abcd").cast("B", (2, 2)),
    [],
    [[]],
    [1],
    [1, 1],
    ["1"],
    (),
    ((),),
    (1,),
    (1, 1),
    ("a", "b"),
    ("ab",),
    ("a,b",),
    set(),
    {1},
    {"1"},
    {(1, 2), 3},
    {(1, 2, 3)},
    {},
    {1: 2},
    {1: {2: 3}},
    {2: 1},
    {1: None},
    {"a": 1, "b": 2},
    {"a": 2, "b": 1},
    collections.OrderedDict(a=1, b=2),
    collections.OrderedDict(b=2, a=1),
    collections.Counter(),
    collections.Counter("a"),
    collections.deque(),
    collections.deque([1]),
    range(0),
    range(1),
    range(2),
    range(2, 0, -1),
    range(0, 4, 2),
    range(0, 3, 1),
    slice(None),
    slice(1),
    slice(1, None),
    Color.RED,
    Color.GREEN,
    Fruit.RED,
    Mode.READ,
    Mode.READ | Mode.WRITE,
    Mode(0),
    Loud.A,
    Point(1, 2),
    Point(2, 1),
    Point((1, 2), 0),
    Spot(1, 2),
    Judged(1, 1),
    Judged(1, 2),
    dt.date(2020, 1, 1),
    dt.datetime(2020, 1, 1),
    dt.datetime(2020, 1, 1, 0, 0, 0, 1),
    dt.datetime(2020, 1, 1, fold=1),
    dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "CET")),
    dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    dt.time(),
    dt.time(1),
    dt.time(1, tzinfo=dt.UTC),
    dt.timedelta(0),
    dt.timedelta(microseconds=1),
    dt.timedelta(days=-1),
    dt.UTC,
    dt.timezone(dt.timedelta(0), "GMT"),
    dt.timezone(dt.timedelta(hours=1)),
    uuid.UUID(int=0),
    uuid.UUID(int=1),
    pathlib.PurePosixPath("a/b"),
    pathlib.PurePosixPath("A/b"),
    pathlib.PurePosixPath("/a/b"),
    pathlib.PurePosixPath("\udcff"),
    pathlib.PureWindowsPath("a/b"),
    int,
    float,
    str,
    type(None),
    Point,
    Spot,
    Meta,
    Made,
    Color,
    function,
    wrapped,
    len,
    math.sqrt,
    str.upper,
    str.lower,
    Fraction.from_float,
    Fraction.from_decimal,
]


@pytest.mark.parametrize("one, other", SAME, ids=lambda value: type(value).__name__)
def test_equal_values_are_one(one, other):
    assert one == other
    assert text(one) == text(other)
    if type(one) is not type(other):
        assert text(one, typed=True) != text(other, typed=True)


@pytest.mark.parametrize("typed", [False, True])
def test_different_values_are_not(typed):
    seen = {}
    for value in DIFFERENT:
        written = text(value, typed)
        assert written not in seen, f"{value!r} and {seen[written]!r}"
        seen[written] = value


def test_zones():
    berlin, paris = zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Europe/Paris")
    texts = {text(zone) for zone in (berlin, paris)}
    texts |= {text(dt.datetime(2020, 7, 1, tzinfo=zone)) for zone in (berlin, paris)}
    texts |= {text(dt.datetime(2020, 10, 25, 2, 30, tzinfo=berlin, fold=fold)) for fold in (0, 1)}
    texts |= {text(dt.time(1, tzinfo=zone)) for zone in (berlin, paris)}
    assert len(texts) == 8
    assert text(dt.datetime(2020, 7, 1, tzinfo=berlin)) == text(dt.datetime(2020, 7, 1, tzinfo=berlin))


def test_nan_is_one_argument():
    assert text(NAN) == text(float("nan")) == text(-NAN)
    assert text([NAN]) == text([float("nan")])


def test_a_set_may_hold_several_nan():
    assert text({NAN}) != text({NAN, float("-nan")})


def test_typed_at_every_depth():
    deep = [{"a": (1, frozenset({2}))}]
    for other in ([{"a": (1.0, frozenset({2}))}], [{"a": (1, frozenset({2.0}))}], [{Name("a"): (1, {2})}]):
        assert text(deep) == text(other)
        assert text(deep, typed=True) != text(other, typed=True)
    assert text(Point(1), typed=True) != text(Point(1.0), typed=True)


def test_typed_tells_subclasses():
    for one, other in [("a", Name("a")), ((1, 2), Pair(1, 2)), (1, Size.ONE), (1, Number(1))]:
        assert text(one, typed=True) != text(other, typed=True)
    assert text(function, typed=True) == text(function)


def test_a_method_of_a_class_is_its_class_and_its_name():
    assert text(Fraction.from_float) == text(fractions.Fraction.from_float)


class Greeting(str):
    def said(self):
        return f"{self}!"


class Question(str):
    def said(self):
        return f"{self}?"


def test_a_bound_method_is_its_object_and_its_name():
    assert text(Spot(1).__eq__) == text(Spot(1.0).__eq__)
    assert text(Spot(1).__eq__) != text(Spot(2).__eq__)
    assert text(Greeting("a").said) != text(Question("a").said)
    stranger = types.MethodType(function, Greeting("a"))
    with pytest.raises(TypeError, match="is not what Greeting has under that name"):
        text(stranger)


def test_the_text_is_pinned():
    # Stored keys are made of it: whoever changes it leaves everything behind that was ever stored.
    values = [None, True, -26, 0.1, "é", b"\xff", [1], (1,), {"a": 1}, {2, 1}, Fraction(1, 3), 1j]
    assert canonical(values) == ("n;i1;i-1a;f0.1;s1:éb1:\xffl1:i1;t1:i1;d1:s1:ai1;S2:i1;i2;q1/3;ci0;i1;")
    assert text([1, "a"], typed=True) == "<4:listl2:<3:inti1;<3:strs1:a"
    assert text(Color.RED) == f"e{len(__name__) + 6}:{__name__}:Color3:RED"


# -------------------------------------------------------------------- what has none


def local():
    class Hidden:
        pass

    @dataclasses.dataclass
    class Data:
        x: int = 0

    class Tint(enum.Enum):
        RED = 1

    return [Hidden(), Data(), Tint.RED, Hidden, lambda: 0]


@pytest.mark.parametrize(
    "value, why",
    [
        (object(), "object has no fingerprint: register_fingerprint"),
        (Odd(), "Odd has no fingerprint: register_fingerprint"),
        ([{"a": Odd()}], "Odd has no fingerprint"),
        (lambda: 0, "lambda> cannot be imported by its name.*defined at the top of a module"),
        ([].append, "cannot be imported by its name"),
        (Entity(1), "eq=False, so that no two of it are equal"),
        (Undecorated(1), "Undecorated has no fingerprint"),
        (Shouted("a"), "Shouted is a str that compares in a way of its own"),
        (functools.partial(lambda: 0), "cannot be imported by its name"),
        (re.match("a", "a"), "Match has no fingerprint"),
        (iter([1]), "list_iterator has no fingerprint"),
        (Zone(), "Zone has no fingerprint"),
        (operator.itemgetter(1), "itemgetter has no fingerprint"),
        *((value, "cannot be imported by its name|no fingerprint") for value in local()),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_what_has_none(value, why, typed):
    with pytest.raises(TypeError, match=why):
        text(value, typed)


def test_a_class_that_has_the_name_of_another():
    stranger = dataclasses.make_dataclass("Spot", ["x"])
    stranger.__module__ = __name__
    with pytest.raises(TypeError, match="cannot be imported by its name"):
        text(stranger(1))
    text(Spot(1))


def test_containers_that_hold_themselves():
    row = [1]
    row.append(row)
    table = {}
    table["a"] = (table,)
    circle = Point(0)
    circle.x = [circle]
    for value in (row, table, circle):
        with pytest.raises(ValueError, match="holds itself"):
            text(value)


def test_one_value_in_two_places_is_fine():
    row = [1]
    assert text([row, row]) == text([[1], [1]])
    assert text({"a": row, "b": (row,)}) == text({"a": [1], "b": ([1],)})


def nested(levels, value, twice):
    for _ in range(levels):
        value = twice(value)
    return value


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize(
    "twice", [lambda value: [value, value], lambda value: {"a": value, "b": (value,)}], ids=["lists", "dicts"]
)
def test_what_is_held_twice_by_what_is_held_twice_and_so_on(twice, typed):
    value = nested(60, ["leaf"], twice)  # 2 ** 60 leaves
    assert text(value, typed=typed) == text(nested(60, ["leaf"], twice), typed=typed)
    assert text(value, typed=typed) != text(nested(60, ["another"], twice), typed=typed)
    assert text(value, typed=typed) != text(nested(59, ["leaf"], twice), typed=typed)
    assert len(text(value, typed=typed)) < 200_000


def test_long_texts_are_the_same_whether_parts_are_shared_or_equal():
    shared = nested(14, ["leaf", 1.5], lambda value: [value, value])
    assert text(shared) == text(json.loads(json.dumps(shared)))
    assert text([shared, 1]) != text([shared, 2])


def test_long_leaves_equal_those_of_other_kinds():
    class Text(str):
        pass

    long = "x" * 100_000
    assert text(long) == text(Text(long))
    assert text([long]) == text([Text(long)])
    number = 10**100_000
    assert text(number) == text(Fraction(number))
    assert text([number]) == text([Fraction(number)])


def test_values_made_on_the_way_are_not_taken_for_one_another():
    class Long:
        def __init__(self, size):
            self.size = size

    register_fingerprint(Long, lambda value: [*range(value.size)])
    values = [Long(size) for size in (500, 501, 500, 502)]
    texts = [text(value) for value in values]
    assert text(values) == f"l4:{''.join(texts)}"
    assert len(set(texts)) == 3


def test_too_deep():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        text(value)
    # Taken apart here: a chain this long is not freed quietly by every Python.
    while value:
        value = value.pop()


# -------------------------------------------------------------------- registered


class Money:
    def __init__(self, amount, unit):
        self.amount, self.unit = amount, unit


class Coin(Money):
    pass


@pytest.fixture
def money():
    register_fingerprint(Money, lambda money: (money.amount, money.unit))


@pytest.mark.usefixtures("money")
def test_registered():
    assert text(Money(1, "€")) == text(Money(1.0, "€"))
    assert text(Money(1, "€"), typed=True) != text(Money(1.0, "€"), typed=True)
    assert text(Money(1, "€")) != text(Money(1, "£"))
    assert text(Money(1, "€")) != text((1, "€"))
    assert text([Money(1, "€")]) == text([Money(1, "€")])


@pytest.mark.usefixtures("money")
def test_registered_for_subclasses_under_their_own_names():
    assert text(Coin(1, "€")) == text(Coin(1, "€"))
    assert text(Coin(1, "€")) != text(Money(1, "€"))
    register_fingerprint(Coin, lambda coin: "a coin")
    assert text(Coin(1, "€")) == text(Coin(2, "£"))


def test_registered_where_nothing_else_helps():
    class Local:
        def __init__(self, x):
            self.x = x

    with pytest.raises(TypeError):
        text(Local(1))
    register_fingerprint(Local, lambda value: value.x)
    for typed in (False, True):
        assert text(Local(1), typed) == text(Local(1), typed)
        assert text(Local(1), typed) != text(Local(2), typed)

    class Polite(Shouted):
        pass

    register_fingerprint(Polite, str.upper)
    assert text(Polite("a")) == text(Polite("A"))


def test_registered_again():
    class Local:
        pass

    register_fingerprint(Local, lambda _: 1)
    before = text(Local())
    register_fingerprint(Local, lambda _: 2)
    assert text(Local()) != before


def test_registered_that_gives_itself():
    class Local:
        pass

    register_fingerprint(Local, lambda value: value)
    with pytest.raises(ValueError, match="holds itself"):
        text(Local())
    register_fingerprint(Local, lambda value: Local())
    with pytest.raises(ValueError, match="nested too deeply"):
        text(Local())


def test_errors_of_a_registered_function_come_through():
    class Local:
        pass

    register_fingerprint(Local, lambda value: value.missing)
    with pytest.raises(AttributeError, match="missing"):
        text(Local())


@pytest.mark.parametrize(
    "kind, function, error, why",
    [
        ("Money", len, TypeError, "takes a class first, not 'Money'"),
        (Money, "amount", TypeError, "takes a function second"),
        (str, len, ValueError, "has a fingerprint of its own"),
        (list, len, ValueError, "register a subclass"),
    ],
)
def test_what_cannot_be_registered(kind, function, error, why):
    with pytest.raises(error, match=why):
        register_fingerprint(kind, function)


def test_classes_are_not_kept_alive():
    class Local(str):
        pass

    text(Local("a"))
    seen = weakref.ref(Local)
    del Local
    gc.collect()
    assert seen() is None


# -------------------------------------------------------------------- laws

numbers = st.one_of(
    st.sampled_from([0, 1, 2, -1, True, False, 0.0, -0.0, 1.0, 0.5, 1 + 0j, 0.5 + 0j, 1j, 10**30, 1e30]),
    st.sampled_from(
        [Decimal(1), Decimal("0.5"), Decimal("0.1"), Fraction(1, 2), Fraction(1, 10), Fraction(1)]
    ),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.complex_numbers(allow_nan=False),
)
# Characters of which the texts themselves are made.
texts = st.text(alphabet=st.sampled_from("s1:i;0bltdSn<\ud800é"), max_size=6)
scalars = st.one_of(
    numbers,
    texts,
    texts.map(Name),
    st.binary(max_size=2),
    st.binary(max_size=2).map(bytearray),
    st.sampled_from([None, ..., Color.RED, Fruit.RED, Size.ONE, dt.date(2020, 1, 1)]),
)
hashable = st.recursive(
    scalars.filter(lambda value: not isinstance(value, bytearray)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Spot, inner, inner),
    ),
    max_leaves=4,
)
values = st.recursive(
    st.one_of(scalars, hashable),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.tuples(inner, inner).map(lambda pair: Pair(*pair)),
        st.sets(hashable, max_size=3),
        st.dictionaries(hashable, inner, max_size=3),
        st.builds(Point, inner, inner, st.integers(0, 1)),
    ),
    max_leaves=6,
)


def form(value):
    """Give a value with the types it is made of, in a way that compares."""
    kind = type(value)
    if isinstance(value, (list, tuple)):
        return kind, tuple(form(each) for each in value)
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(form(each) for each in value)
    if isinstance(value, dict):
        return kind, frozenset((form(key), form(each)) for key, each in value.items())
    if isinstance(value, (Point, Spot)):
        return kind, form(value.x), form(value.y)
    return kind, bytes(value) if isinstance(value, bytearray) else value


@given(values, values)
def test_one_text_exactly_where_values_are_equal(one, other):
    assert (text(one) == text(other)) == (one == other)
    assert (text(one, typed=True) == text(other, typed=True)) == (form(one) == form(other))


@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_texts_can_be_joined(some, others):
    assert (canonical(some) == canonical(others)) == (some == others)


@given(numbers, numbers)
def test_numbers_are_one_exactly_where_equal(one, other):
    assert (text(one) == text(other)) == (one == other)


@given(values)
def test_order_of_dicts_and_sets_is_nothing(value):
    def turned(value):
        if type(value) is dict:
            return {key: turned(value[key]) for key in reversed(list(value))}
        if type(value) in (list, tuple):
            return type(value)(turned(each) for each in value)
        return set(reversed(list(value))) if type(value) is set else value

    assert text(turned(value)) == text(value)
    assert text(turned(value), typed=True) == text(value, typed=True)
