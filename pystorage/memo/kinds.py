"""How each kind of value is written as a text: the alphabet of fingerprints.

Equal values have one text, in every process, and different values never share one. Each text begins with
the letter of its kind and says where it ends, by a count or a ``;``, so that texts can be joined:

    n E N  None, ..., NotImplemented    i int           f float         q fraction      c complex
    D      a Decimal beyond the others  s text          b B bytes       m memoryview    l list
    t      tuple                        d dict          o OrderedDict   C Counter       Q deque
    S      set                          r range         x slice         e enum          g flag
    k      dataclass                    T datetime      Y date          H time          P timedelta
    z      time zone                    u UUID          p w path        F class or function
    M      bound method                 R registered    Z a default     < an exact type before a text
    A a J  array, scalar, dtype         h frame         j time, nothing y model, of other libraries
    V G    partial function, pattern    I IP address    L U list[int], int | str
    #      the digest of a very long text

Letters and layout are part of what is stored for years: whoever changes one changes every key.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import pathlib
import sys
import types
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from pystorage.memo import numerals
from pystorage.memo.names import is_importable, label

if TYPE_CHECKING:
    from pystorage.memo.fingerprint import Walk

Encoder = Callable[[Any, "Walk"], str]

# From here on the digest of bytes stands for them: longer than itself, so never mistaken for the bytes.
_MANY_BYTES: Final = 1024


class Unfingerprintable(TypeError):
    """A value has no fingerprint.

    Args:
        why: What is missing.
        todo: The way out.

    Raises:
        Nothing.
    """

    def __init__(self, why: str, todo: str) -> None:
        super().__init__(f"{why}: {todo}")
        self.why = why
        self.todo = todo


class Bottomless(ValueError):
    """A value holds itself, or is nested so deeply that its fingerprint can't be made.

    Args:
        why: What is wrong.
        todo: The way out.

    Raises:
        Nothing.
    """

    def __init__(self, why: str, todo: str) -> None:
        super().__init__(f"{why}: {todo}")
        self.why = why
        self.todo = todo


class Default(enum.Enum):
    """What stands for a default value that has no fingerprint of its own, such as ``object()``.

    Raises:
        Nothing.
    """

    DEFAULT = "DEFAULT"


DEFAULT: Final = Default.DEFAULT


def sized(text: str) -> str:
    """Write a text behind its length.

    Args:
        text: Any text.

    Returns:
        The length, ``:`` and the text.

    Raises:
        Nothing.
    """
    return f"{len(text)}:{text}"


def class_label(kind: type) -> str:
    """Give the name of a class by which every process finds it.

    Args:
        kind: The class.

    Returns:
        Its name: with the module, or alone for the kinds of this module, some of which have moved between
        modules from one Python to the next.

    Raises:
        TypeError: Another process could not import the class by its name.
    """
    if kind in KINDS:
        return kind.__qualname__
    name = label(kind)
    if name is None or not is_importable(kind):
        raise Unfingerprintable(
            f"the class {name} cannot be imported by its name, so that another would be taken for it",
            "define it at the top of a module, or register_fingerprint() it",
        )
    return name


# ---------------------------------------------------------------------- texts and bytes


def _text(value: str, _: Walk) -> str:
    plain = str.__str__(value)
    return f"s{len(plain)}:{plain}"


def _bytes(value: bytes | bytearray, _: Walk) -> str:
    size = len(memoryview(value))
    if size > _MANY_BYTES:
        return f"B{size}:{blake2b(value, digest_size=32).hexdigest()};"
    return f"b{size}:{bytes(memoryview(value)).decode('latin-1')}"


def _memoryview(value: memoryview, walk: Walk) -> str:
    if value.ndim == 1 and value.format == "B":
        return _bytes(value.tobytes(), walk)
    return "m" + "".join(walk.texts(value, (value.shape, value.tolist())))


# ---------------------------------------------------------------------- containers


def _list(value: list[Any], walk: Walk) -> str:
    return _row("l", walk.texts(value, list.__iter__(value)))


def _tuple(value: tuple[Any, ...], walk: Walk) -> str:
    return _row("t", walk.texts(value, tuple.__iter__(value)))


def _deque(value: deque[Any], walk: Walk) -> str:
    return _row("Q", walk.texts(value, deque.__iter__(value)))


def _set(value: set[Any] | frozenset[Any], walk: Walk) -> str:
    members = set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value)
    return _row("S", sorted(walk.texts(value, members)))


def _dict(value: dict[Any, Any], walk: Walk) -> str:
    return _row("d", sorted(_pairs(value, dict.items(value), walk)))


def _mappingproxy(value: types.MappingProxyType[Any, Any], walk: Walk) -> str:
    return _row("d", sorted(_pairs(value, value.items(), walk)))


def _counter(value: Counter[Any], walk: Walk) -> str:
    # A Counter equals one that counts zero besides.
    return _row("C", sorted(_pairs(value, [item for item in dict.items(value) if item[1] != 0], walk)))


def _ordered(value: OrderedDict[Any, Any], walk: Walk) -> str:
    return _row("o", _pairs(value, OrderedDict.items(value), walk))


def _row(letter: str, texts: list[str]) -> str:
    return f"{letter}{len(texts)}:{''.join(texts)}"


def _pairs(value: object, items: Iterable[tuple[object, object]], walk: Walk) -> list[str]:
    texts = iter(walk.texts(value, chain.from_iterable(items)))
    return [key + found for key, found in zip(texts, texts, strict=True)]


def _range(value: range, _: Walk) -> str:
    # Ranges are equal when they give the same numbers.
    if not value:
        return "r;"
    first, last = value[0], value[-1]
    return f"r{first:x};" if first == last else f"r{first:x},{last:x},{value.step:x};"


def _slice(value: slice, walk: Walk) -> str:
    return "x" + "".join(walk.texts(value, (value.start, value.stop, value.step)))


# ---------------------------------------------------------------------- times


def _datetime(value: dt.datetime, _: Walk) -> str:
    fields = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return f"T{','.join(map(str, fields))},{value.fold},{_zone(value)}"


def _date(value: dt.date, _: Walk) -> str:
    return f"Y{value.year},{value.month},{value.day};"


def _time(value: dt.time, _: Walk) -> str:
    fields = (value.hour, value.minute, value.second, value.microsecond, value.fold)
    return f"H{','.join(map(str, fields))},{_zone(value)}"


def _zone(value: dt.datetime | dt.time) -> str:
    # Two clocks may show one instant; which of them shows it is part of the argument.
    if value.tzinfo is None:
        return ";"
    offset = value.utcoffset()
    name = value.tzname() or ""
    key = _zone_key(value.tzinfo)
    return f"{'' if offset is None else _microseconds(offset)}{sized(name)}{sized(key)};"


def _zone_key(zone: dt.tzinfo) -> str:
    key = getattr(zone, "key", None)  # zoneinfo's
    return key if isinstance(key, str) else ""


def _timezone(value: dt.timezone, _: Walk) -> str:
    return f"z{_microseconds(value.utcoffset(None))}{sized(value.tzname(None))};"


def _tzinfo(value: dt.tzinfo, walk: Walk) -> str:
    zoneinfo = sys.modules.get("zoneinfo")
    key = _zone_key(value)
    if zoneinfo is None or not isinstance(value, zoneinfo.ZoneInfo) or not key:
        return by_name(value, walk)
    return f"z{sized(key)};"


def _timedelta(value: dt.timedelta, _: Walk) -> str:
    return f"P{_microseconds(value)}"


def _microseconds(value: dt.timedelta) -> str:
    return f"{value // dt.timedelta(microseconds=1)};"


# ---------------------------------------------------------------------- things with a name


def _uuid(value: uuid.UUID, _: Walk) -> str:
    return f"u{value.int:x};"


def _posix_path(value: pathlib.PurePath, _: Walk) -> str:
    return f"p{sized(str(value))}"


def _windows_path(value: pathlib.PurePath, _: Walk) -> str:
    # Windows tells no capitals apart, and neither does equality.
    return f"w{sized(str(value).lower())}"


def _enum(value: enum.Enum, _: Walk) -> str:
    return f"e{sized(class_label(type(value)))}{sized(value.name)}"


def _flag(value: enum.Flag, _: Walk) -> str:
    return f"g{sized(class_label(type(value)))}{value.value:x};"


def _class(value: type, _: Walk) -> str:
    return f"F{sized(class_label(value))}"


def _method(value: types.MethodType, walk: Walk) -> str:
    owner, name = value.__self__, getattr(value.__func__, "__name__", "")
    if getattr(owner, name, None) != value:
        raise Unfingerprintable(
            f"the method {name} is not what {type(owner).__qualname__} has under that name",
            "give a method by the name that it has in its class",
        )
    # Equal objects of two classes may have different methods of one name.
    return f"M{sized(class_label(type(owner)))}{sized(name)}{walk.texts(value, (owner,))[0]}"


def by_name(value: object, _: Walk) -> str:
    """Write a value as the name under which it can be imported.

    Args:
        value: A function, or any other object that knows its module and its name.

    Returns:
        Its text.

    Raises:
        TypeError: It has no name, or another process would not find it under that name.
    """
    name = label(value)
    if name is not None and is_importable(value):
        return f"F{sized(name)}"
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        raise Unfingerprintable(
            f"the function {name} cannot be imported by its name, so that another would be taken for it",
            "give a function that is defined at the top of a module",
        )
    kind = type(value).__qualname__
    raise Unfingerprintable(
        f"{kind} has no fingerprint",
        f"register_fingerprint({kind}, function) with a function that gives what tells one from another",
    )


def dataclass_encoder(kind: type) -> Encoder:
    """Make the encoder of a dataclass: its name and the fields that it compares.

    Args:
        kind: The dataclass.

    Returns:
        The encoder.

    Raises:
        TypeError: It compares by identity, or another process could not import it by its name.
    """
    compare: object = kind.__eq__
    if compare is object.__eq__:
        raise Unfingerprintable(
            f"the dataclass {kind.__qualname__} has eq=False, so that no two of it are equal",
            "let it compare its fields, or register_fingerprint() it",
        )
    # The __eq__ that dataclass makes is compiled from a string; one that somebody wrote may read any field.
    made = getattr(getattr(compare, "__code__", None), "co_filename", "") == "<string>"
    fields = [field.name for field in dataclasses.fields(kind) if field.compare or not made]
    head = f"k{sized(class_label(kind))}{len(fields)}:{''.join(map(sized, fields))}"

    def encode(value: object, walk: Walk) -> str:
        return head + "".join(walk.texts(value, [getattr(value, name) for name in fields]))

    return encode


#: Kind → encoder. A subclass is written as the nearest kind above it, as long as it compares like that.
KINDS: Final[dict[type, Encoder]] = {
    type(None): lambda *_: "n;",
    type(...): lambda *_: "E;",
    type(NotImplemented): lambda *_: "N;",
    Default: lambda *_: "Z;",
    bool: numerals.integer,
    int: numerals.integer,
    float: numerals.real,
    complex: numerals.complex_number,
    Fraction: numerals.fraction,
    Decimal: numerals.decimal,
    str: _text,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _memoryview,
    list: _list,
    tuple: _tuple,
    deque: _deque,
    set: _set,
    frozenset: _set,
    dict: _dict,
    types.MappingProxyType: _mappingproxy,
    Counter: _counter,
    OrderedDict: _ordered,
    range: _range,
    slice: _slice,
    dt.datetime: _datetime,
    dt.date: _date,
    dt.time: _time,
    dt.timedelta: _timedelta,
    dt.timezone: _timezone,
    dt.tzinfo: _tzinfo,
    uuid.UUID: _uuid,
    pathlib.PurePosixPath: _posix_path,
    pathlib.PosixPath: _posix_path,
    pathlib.PureWindowsPath: _windows_path,
    pathlib.WindowsPath: _windows_path,
    enum.Enum: _enum,
    enum.Flag: _flag,
    type: _class,
    types.MethodType: _method,
}
