"""Prints the keys of many calls: run by fresh interpreters, whose answers must be one."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import json
import math
import pathlib
import random
import sys
import uuid
from decimal import Decimal
from fractions import Fraction

from pystorage.memo import memoize, register_fingerprint


class Color(enum.Enum):
    RED = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Size(enum.IntEnum):
    BIG = 9


@dataclasses.dataclass(frozen=True)
class Point:
    x: object
    y: object = 0


class Money:
    def __init__(self, amount):
        self.amount = amount


register_fingerprint(Money, lambda money: money.amount)


def plain(value, other=None): ...


def every(a, /, b=2, *args, c=3, **kwargs): ...


class Owner:
    def method(self, value): ...


def make(step):
    def made(value):
        return value + step

    return made


VALUES = [
    None,
    ...,
    True,
    -(10**50),
    10**6000,
    0.1,
    1e300,
    math.inf,
    math.nan,
    1j,
    Decimal("0.1"),
    Decimal("1E+99999"),
    Fraction(1, 3),
    "text",
    "é\ud800\U0001f600",
    b"\xff" * 10,
    bytearray(b"\xff" * 5000),
    [1, [2]],
    (1, "a"),
    {"b", "a", "c", 1, 2.5, None, (1, 2)},
    frozenset("abcdefghij"),
    {"b": 1, "a": {"d", "e", "f"}},
    {frozenset("xyz"): 1, (): 2},
    collections.OrderedDict(b=1, a=2),
    collections.Counter("abracadabra"),
    collections.deque("ab"),
    collections.defaultdict(list, a=[1]),
    range(10),
    slice(1, None, 2),
    Color.RED,
    Mode.READ | Mode.WRITE,
    Size.BIG,
    Point(1, Point({"x", "y"}, None)),
    Money(Decimal("9.99")),
    dt.date(2020, 2, 29),
    dt.datetime(2020, 2, 29, 12, 30, 1, 5, fold=1),
    dt.datetime(2020, 2, 29, tzinfo=dt.UTC),
    dt.time(1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=-3))),
    dt.timedelta(days=-1, microseconds=1),
    dt.UTC,
    uuid.UUID(int=2**100),
    pathlib.PurePosixPath("/a/b"),
    pathlib.PureWindowsPath("C:/A"),
    pathlib.Path("a/b"),
    pathlib.PosixPath,
    int,
    Point,
    plain,
    len,
    str.upper,
    Fraction.from_float,
    NotImplemented,
]


def scrambled(value, rng):
    """Build an equal value whose sets and dicts were filled in another order."""
    if type(value) is dict:
        items = [(key, scrambled(each, rng)) for key, each in value.items()]
        rng.shuffle(items)
        return dict(items)
    if type(value) in (set, frozenset):
        items = list(value)
        rng.shuffle(items)
        return type(value)(items)
    return value


def keys():
    """Give the keys of the calls, in their order."""
    rng = random.Random()
    found = []
    for typed in (False, True):
        function = memoize({}, typed=typed)(plain)
        for value in VALUES:
            found.append(function.key_for(scrambled(value, rng)))
            found.append(function.key_for([value], other={"x": scrambled(value, rng)}))
    function = memoize({}, version="2-b")(every)
    found.append(function.key_for(1, 2, 3, 4, c=5, d=6, e=7))
    found.append(function.key_for(1, e=7, d=6))
    found.append(memoize({}, ignore="self")(Owner.method).key_for(None, 1))
    found.append(memoize({}, key=lambda value: {value, "b"})(plain).key_for("a"))
    found.extend(memoize({})(make(step)).key_for(0) for step in (1, "a", frozenset("abc")))
    found.append(memoize({})(json.dumps).key_for({"a": 1}, indent=2))
    return found


if __name__ == "__main__":
    import sample_calls

    json.dump(sample_calls.keys(), sys.stdout)
