"""MsgspecCodec: values of a declared type come back as that type, or are refused before they are written."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import pickle
import sys
import uuid
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage import FileStorage
from pystorage.codecs import JSONCodec, MsgspecCodec, resolve_codec
from pystorage.errors import DecodeError, EncodeError, MissingDependencyError

msgspec = pytest.importorskip("msgspec")

UTC = dt.UTC


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Order(msgspec.Struct):  # type: ignore[misc, name-defined, unused-ignore]
    number: int
    lines: list[Point]
    placed: dt.datetime
    paid: dt.date | None = None
    kind: Literal["web", "shop"] = "web"


class Row(msgspec.Struct, tag=True, array_like=True, frozen=True):  # type: ignore[misc, name-defined, unused-ignore]
    values: tuple[int, ...]


class Thrifty(msgspec.Struct, omit_defaults=True, rename="camel"):  # type: ignore[misc, name-defined, unused-ignore]
    first_name: str = ""
    nick_names: frozenset[str] = frozenset()


class Movie(TypedDict):
    name: str
    year: int


class Pair(NamedTuple):
    left: str
    right: bytes


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Strict:
    pass


@dataclasses.dataclass
class Loose:
    anything: Any


@dataclasses.dataclass(eq=False)
class Lonely:
    number: int


@dataclasses.dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise LookupError("negative")


NOON = dt.datetime(2026, 11, 21, 12, 0, 0, 123456)

VALUES: list[tuple[Any, Any]] = [
    (Point, Point(1, 2.5)),
    (list[Point], [Point(1), Point(-1, float(2**60))]),
    (Order, Order(7, [Point(1)], NOON.replace(tzinfo=UTC), dt.date(2026, 11, 22), "shop")),
    (dict[str, Order], {"a": Order(7, [], NOON)}),
    (Row, Row((1, 2, 3))),
    (Thrifty, Thrifty("Ada", frozenset({"a", "b", "c"}))),
    (Thrifty, Thrifty()),
    (Movie, Movie(name="Brazil", year=1985)),
    (Pair, Pair("a", b"\0\xff")),
    (dt.datetime, NOON),
    (dt.datetime, NOON.replace(tzinfo=UTC)),
    (dt.date, dt.date(1, 1, 1)),
    (dt.time, dt.time(23, 59, 59, 999999)),
    (dt.timedelta, dt.timedelta(days=-1, microseconds=1)),
    (uuid.UUID, uuid.UUID(int=2**127)),
    (dict[uuid.UUID, list[dt.date]], {uuid.UUID(int=1): [dt.date(2026, 1, 1)]}),
    (decimal.Decimal, decimal.Decimal("1.50")),
    (set[int], {1, 2, 3}),
    (frozenset[tuple[int, str]], frozenset({(1, "a"), (2, "b")})),
    (tuple[int, str], (1, "a")),
    (bytes, bytes(range(256))),
    (dict[int, str], {1: "a", -1: "b"}),
    (Color, Color.BLUE),
    (Point | None, None),
    (int | str | None, "5"),
    (Any, {"a": [1, 2.5, None, True, "é", {"null": []}]}),
]


@pytest.mark.parametrize("format_", ["json", "msgpack"])
@pytest.mark.parametrize(("type_", "value"), VALUES, ids=lambda value: repr(value)[:60])
def test_a_value_comes_back_as_it_was(type_: Any, value: Any, format_: Any) -> None:
    codec = MsgspecCodec(type_, format_)
    found = codec.decode(codec.encode(value, "key"), "key")
    assert found == value
    assert type(found) is type(value)


def test_a_storage_of_typed_values(tmp_path: Path) -> None:
    storage: FileStorage[str, Order] = FileStorage(tmp_path, codec=MsgspecCodec(Order))
    order = Order(7, [Point(1)], NOON.replace(tzinfo=UTC))
    storage["a"] = order
    assert storage["a"] == order
    assert storage["a"].lines[0].x == 1
    text = (tmp_path / "a.storage").read_text()
    assert text.startswith('{"number":7,"lines":[{"x":1,"y":0.0}],"placed":"2026-11-21T12:00:00.123456Z"')


def test_the_formats_have_names() -> None:
    assert MsgspecCodec().encode({"a": 1}, "") == b'{"a":1}'
    assert resolve_codec("msgpack") == MsgspecCodec(format="msgpack")
    assert resolve_codec("msgpack").encode({"a": 1}, "") == b"\x81\xa1a\x01"


def test_json_codec_and_this_one_read_each_other() -> None:
    assert JSONCodec().decode(MsgspecCodec(Point).encode(Point(1), ""), "") == {"x": 1, "y": 0.0}
    assert MsgspecCodec(Point).decode(JSONCodec().encode({"x": 1}, ""), "") == Point(1)


# -------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize("format_", ["json", "msgpack"])
@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Point, {"x": "one"}),
        (Point, {"y": 1.0}),
        (Point, Point("one")),  # type: ignore[arg-type]
        (int, "5"),
        (Movie, {"name": "Brazil"}),
        (uuid.UUID, "no uuid"),
        (dt.datetime, "yesterday"),
        (Color, "green"),
        (list[int], [1, None]),
        (Any, object()),
        (Any, {(1, 2): object()}),
        (Any, Strict()),
        (Positive, {"number": -1}),
        (str, "\ud800"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_does_not_fit_is_refused_before_it_is_written(type_: Any, value: Any, format_: Any) -> None:
    with pytest.raises(EncodeError, match="cannot hold it"):
        MsgspecCodec(type_, format_).encode(value, "key")


def test_json_that_would_lose_an_entry_is_refused() -> None:
    key = uuid.UUID(int=1)
    for value in ({1: "a", "1": "b"}, [{"a": {key: 1, str(key): 2}}], {1.5: 0, "1.5": 1}):
        with pytest.raises(EncodeError, match="would come back as another value"):
            MsgspecCodec().encode(value, "key")
    packed = MsgspecCodec(format="msgpack")
    assert packed.decode(packed.encode({1: "a", "1": "b"}, ""), "") == {1: "a", "1": "b"}


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_lacks_are_refused_and_not_made_null(number: float) -> None:
    for type_, value in (
        (Any, [None, {"a": [number]}]),
        (list[float | None], [number]),
        (Point, Point(1, number)),
    ):
        with pytest.raises(EncodeError):
            MsgspecCodec(type_).encode(value, "key")
    packed = MsgspecCodec(float, "msgpack")
    assert repr(packed.decode(packed.encode(number, ""), "")) == repr(number)


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        uuid.UUID(int=1),
        NOON,
        dt.date(2026, 1, 1),
        decimal.Decimal(1),
        Color.RED,
        Point(1),
        [[Point(1)]],
    ],
    ids=repr,
)
def test_what_would_come_back_as_text_or_dict_asks_for_a_type(value: Any) -> None:
    for type_ in (Any, str, Any | None):
        with pytest.raises(EncodeError, match="it would come back as another value, of type|Expected `str`"):
            MsgspecCodec(type_).encode(value, "key")
    with pytest.raises(EncodeError, match="of type dict: give its type="):
        MsgspecCodec().encode({"a": value}, "key")


def test_a_field_that_does_not_fit_its_type_is_refused() -> None:
    with pytest.raises(EncodeError, match="it would come back as another value"):
        MsgspecCodec(Thrifty).encode(Thrifty(b"bytes"), "key")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        ({"a": {1}, "b": frozenset({2})}, {"a": [1], "b": [2]}),
        (Pair("a", "b"), ["a", "b"]),  # type: ignore[arg-type]
        ([Loose((1, [(2,)]))], [Loose([1, [[2]]])]),
    ],
    ids=repr,
)
def test_any_turns_tuples_and_sets_into_lists(value: Any, found: Any) -> None:
    for format_ in ("json", "msgpack"):
        type_ = list[Loose] if isinstance(found[0] if isinstance(found, list) else 0, Loose) else Any
        codec = MsgspecCodec(type_, format_)  # type: ignore[arg-type]
        assert codec.decode(codec.encode(value, ""), "") == found


def test_json_turns_keys_that_are_numbers_into_texts() -> None:
    value = {1: "a", -2.5: {3: "b"}, 10**20: "c", 1e300: "d"}
    texts = MsgspecCodec().decode(MsgspecCodec().encode(value, ""), "")
    assert texts == {"1": "a", "-2.5": {"3": "b"}, str(10**20): "c", "1e300": "d"}
    packed = MsgspecCodec(format="msgpack")
    del value[10**20]
    assert packed.decode(packed.encode(value, ""), "") == value


def test_objects_that_equal_only_themselves_are_kept() -> None:
    codec = MsgspecCodec(list[Lonely])
    found = codec.decode(codec.encode([Lonely(5)], ""), "")
    assert [type(one) for one in found] == [Lonely]
    assert found[0].number == 5


def test_raw_json_is_taken_as_it_is() -> None:
    codec = MsgspecCodec(msgspec.Raw)
    assert bytes(codec.decode(codec.encode(msgspec.Raw(b'{"a": 1}'), ""), "")) == b'{"a": 1}'


def test_a_number_beyond_messagepack_is_refused() -> None:
    with pytest.raises(EncodeError, match="2\\*\\*6"):
        MsgspecCodec(format="msgpack").encode(2**64, "key")
    assert MsgspecCodec().decode(MsgspecCodec().encode(2**70, ""), "") == 2**70


@pytest.mark.parametrize("format_", ["json", "msgpack"])
def test_a_value_that_holds_itself_is_refused(format_: Any) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(EncodeError):
        MsgspecCodec(Any, format_).encode(value, "key")


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("json", b""),
        ("json", b"{"),
        ("json", b'{"x": 1}}'),
        ("json", b'{"x": "one"}'),
        ("json", b'{"x": 1e999}'),
        ("json", b"\xff\xfe"),
        ("json", b"null"),
        ("json", b'{"x":' * 100_000),
        ("json", b'{"x":' + b"1" * 5000 + b"}"),
        ("msgpack", b""),
        ("msgpack", b"\xc1"),
        ("msgpack", b"\x81\xa1x\xa3one"),
        ("msgpack", b"\xdf\xff\xff\xff\xff"),
        ("msgpack", b"\x81\xa1x\x01\x00"),
        ("msgpack", b"\x91" * 100_000),
    ],
    ids=lambda data: repr(data)[:30],
)
def test_what_is_no_such_value_is_a_decode_error(format_: Any, data: bytes) -> None:
    with pytest.raises(DecodeError, match="this is not a value of MsgspecCodec"):
        MsgspecCodec(Point, format_).decode(data, "key")


def test_an_error_of_the_type_itself_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="negative") as caught:
        MsgspecCodec(Positive).decode(b'{"number": -1}', "key")
    assert isinstance(caught.value.__cause__, LookupError)


def test_deep_nesting_is_a_decode_error() -> None:
    for format_, data in (("json", b"[" * 10**6 + b"]" * 10**6), ("msgpack", b"\x91" * 10**6 + b"\xc0")):
        with pytest.raises(DecodeError, match="recursion"):
            MsgspecCodec(Any, format_).decode(data, "key")  # type: ignore[arg-type]


# -------------------------------------------------------------------- the codec itself


def test_a_format_or_type_that_is_none() -> None:
    with pytest.raises(ValueError, match="format must be 'json' or 'msgpack', not 'yaml'"):
        MsgspecCodec(format="yaml")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="values cannot be decoded as"):
        MsgspecCodec(int | float | Point | Movie)
    with pytest.raises(TypeError, match="values cannot be decoded as 5"):
        MsgspecCodec(5)


def test_the_repr_names_the_type() -> None:
    assert repr(MsgspecCodec(list[int])) == "MsgspecCodec(list[int], 'json')"
    assert repr(MsgspecCodec(int, "msgpack")) == "MsgspecCodec(int, 'msgpack')"
    assert MsgspecCodec(int) != MsgspecCodec(str)
    assert MsgspecCodec(int) != MsgspecCodec(int, "msgpack")


@pytest.mark.parametrize("type_", [Any, Point, list[Order], dict[str, uuid.UUID]])
def test_it_is_pickled_as_its_settings(type_: Any, tmp_path: Path) -> None:
    codec = MsgspecCodec(type_, "msgpack")
    assert pickle.loads(pickle.dumps(codec)) == codec
    storage = pickle.loads(pickle.dumps(FileStorage(tmp_path, codec=codec)))
    assert repr(storage) == repr(FileStorage(tmp_path, codec=codec))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    for make in (MsgspecCodec, lambda: resolve_codec("msgpack")):
        with pytest.raises(MissingDependencyError, match=r"pip install 'pystorage\[msgspec\]'"):
            make()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def fits(codec: MsgspecCodec, value: Any) -> None:
    try:
        data = codec.encode(value, "")
    except EncodeError:
        return
    assert codec.decode(data, "") == value


@given(plain)
def test_any_value_of_the_format_is_kept_or_refused(value: Any) -> None:
    for format_ in ("json", "msgpack"):
        fits(MsgspecCodec(Any, format_), value)  # type: ignore[arg-type]


@given(st.dictionaries(st.integers(-5, 5) | st.sampled_from(["1", "-1", "a"]), st.integers(), max_size=8))
def test_a_dict_of_mixed_keys_loses_nothing(value: dict[Any, int]) -> None:
    codec = MsgspecCodec()
    try:
        data = codec.encode(value, "")
    except EncodeError:
        assert len({str(key) for key in value}) < len(value)
        return
    assert codec.decode(data, "") == {str(key): number for key, number in value.items()}


@given(
    st.builds(Point, st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False))
    | st.builds(Thrifty, st.text(st.characters(codec="utf-8")), st.frozensets(st.sampled_from("abcde")))
    | st.builds(Row, st.lists(st.integers(-(2**63), 2**63)).map(tuple))
)
def test_objects_are_never_refused_without_a_reason(value: Any) -> None:
    for format_ in ("json", "msgpack"):
        codec = MsgspecCodec(type(value), format_)  # type: ignore[arg-type]
        assert codec.decode(codec.encode(value, ""), "") == value
