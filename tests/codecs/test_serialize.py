"""JSON, pickle, text and bytes: what comes back, and what is refused on either side."""

from __future__ import annotations

import enum
import json
import math
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.codecs import BytesCodec, Codec, JSONCodec, PickleCodec, TextCodec
from pystorage.errors import DecodeError, EncodeError

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
values = st.recursive(
    scalars | st.binary() | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(scalars, inner, max_size=4)
        | st.frozensets(scalars, max_size=4)
    ),
    max_leaves=20,
)


def round_trip(codec: Codec, value: Any) -> Any:
    data = codec.encode(value, "name")
    assert type(data) is bytes
    return codec.decode(data, "name")


class Colour(enum.Enum):
    RED = 1


class Unpicklable:
    def __reduce__(self) -> Any:
        raise ZeroDivisionError("no")


def _cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def _deep(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


# -------------------------------------------------------------------- JSON


@given(json_values)
def test_json_gives_back_what_json_can_hold(value: Any) -> None:
    assert round_trip(JSONCodec(), value) == value


@given(json_values)
def test_json_is_what_json_dumps_writes(value: Any) -> None:
    assert JSONCodec().encode(value, "name") == json.dumps(value).encode()


@pytest.mark.parametrize(
    "value, back",
    [
        ((1, (2,)), [1, [2]]),
        ({2: "a", None: "b"}, {"2": "a", "null": "b"}),
        ({True: 1}, {"true": 1}),
        ({1.5: 1}, {"1.5": 1}),
        (enum.IntEnum("Level", "LOW").LOW, 1),  # type: ignore[attr-defined]
        (math.inf, math.inf),
        ("\ud800", "\ud800"),
    ],
)
def test_json_gives_back_what_json_makes_of_it(value: Any, back: Any) -> None:
    assert round_trip(JSONCodec(), value) == back


def test_json_keeps_what_equals_nothing() -> None:
    assert math.isnan(round_trip(JSONCodec(), math.nan))


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        {None: "a", "null": "b"},
        {True: "a", "true": "b"},
        {1.5: "a", "1.5": "b"},
        {math.nan: "a", "NaN": "b"},
        {10**20: "a", str(10**20): "b"},
        [{"deep": ({"down": [{1: "a", "1": "b"}]},)}],
    ],
    ids=repr,
)
def test_json_refuses_keys_that_would_be_one(value: Any) -> None:
    with pytest.raises(EncodeError, match="two keys of a dict would become the same text"):
        JSONCodec().encode(value, "name")


@given(st.dictionaries(scalars, st.none(), max_size=6))
def test_json_loses_no_entry(value: dict[Any, None]) -> None:
    try:
        data = JSONCodec().encode(value, "name")
    except EncodeError:
        assert len(json.loads(json.dumps(value))) < len(value)
    else:
        assert len(JSONCodec().decode(data, "name")) == len(value)


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", 1j, Colour.RED, {(1, 2): 3}, [object()], _cycle(), 10**5000, {b"a": 1}],
    ids=lambda value: type(value).__name__,
)
def test_json_refuses_what_it_cannot_hold(value: Any) -> None:
    with pytest.raises(EncodeError, match="JSON cannot hold it"):
        JSONCodec().encode(value, "name")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b'{"a": 1',
        b"nul",
        b"[1,]",
        b"{}{}",
        b"{} x",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"'a'",
        b"\x80\x04N.",
    ],
)
def test_json_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="this is not JSON"):
        JSONCodec().decode(data, "name")


def test_json_that_is_too_deep_or_too_long_is_refused() -> None:
    for data in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"1" * 5000):
        with pytest.raises(DecodeError):
            JSONCodec().decode(data, "name")
    with pytest.raises(EncodeError):
        JSONCodec().encode(_deep(100_000), "name")


# -------------------------------------------------------------------- pickle


@given(values)
def test_pickle_gives_back_what_it_was_given(value: Any) -> None:
    back = round_trip(PickleCodec(), value)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_any_protocol(protocol: int) -> None:
    codec = PickleCodec(protocol)
    value = {"a": (1, {2}), 3: [None, b"x", Colour.RED]}
    assert codec.encode(value, "name") == pickle.dumps(value, protocol)
    assert round_trip(codec, value) == value
    assert PickleCodec().decode(codec.encode(value, "name"), "name") == value


def test_pickle_uses_the_highest_protocol() -> None:
    assert PickleCodec().encode([1], "name") == pickle.dumps([1], pickle.HIGHEST_PROTOCOL)


@pytest.mark.parametrize("protocol", [-1, pickle.HIGHEST_PROTOCOL + 1])
def test_there_is_no_such_protocol(protocol: int) -> None:
    with pytest.raises(ValueError, match=f"protocol must be 0 … {pickle.HIGHEST_PROTOCOL}"):
        PickleCodec(protocol)


@pytest.mark.parametrize(
    "value",
    [lambda: 1, Unpicklable(), [Unpicklable()], sys, (one for one in "a")],
    ids=lambda value: type(value).__name__,
)
def test_pickle_refuses_what_it_cannot_hold(value: Any) -> None:
    with pytest.raises(EncodeError, match="pickle cannot hold it") as caught:
        PickleCodec().encode(value, "name")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\x80\x05",
        b"{}",
        b"\x80\x63N.",
        b"cno_such_module\nname\n.",
        b"cos\nno_such_name\n.",
        b"(lp0\n",
    ],
)
def test_a_pickle_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="this cannot be unpickled"):
        PickleCodec().decode(data, "name")


def test_nothing_may_follow_a_pickle() -> None:
    data = PickleCodec().encode([1], "name")
    for more in (b"x", b"\0", data):
        with pytest.raises(DecodeError, match="bytes follow its end"):
            PickleCodec().decode(data + more, "name")


def test_only_pickle_runs_code() -> None:
    assert PickleCodec().runs_code
    assert not any(codec.runs_code for codec in (JSONCodec(), TextCodec(), BytesCodec()))


# -------------------------------------------------------------------- text and bytes


@given(st.text())
def test_text_gives_back_text(value: str) -> None:
    assert round_trip(TextCodec(), value) == value
    assert TextCodec().encode(value, "name") == value.encode("utf-8")


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["a"], "\ud800", "a\udfffb"])
def test_text_refuses_the_rest(value: Any) -> None:
    with pytest.raises(EncodeError, match="must be a str here|UTF-8 cannot hold it"):
        TextCodec().encode(value, "name")


@pytest.mark.parametrize("data", [b"\xff", b"\xc3", b"a\xed\xa0\x80", b"\x80", b"\xc0\x80"])
def test_text_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="this is not UTF-8"):
        TextCodec().decode(data, "name")


@given(st.binary())
def test_bytes_are_bytes(value: bytes) -> None:
    for given_ in (value, bytearray(value), memoryview(value)):
        assert round_trip(BytesCodec(), given_) == value


def test_bytes_are_not_copied() -> None:
    value = b"value" * 1000
    assert BytesCodec().encode(value, "name") is value
    assert BytesCodec().decode(value, "name") is value


def test_a_view_of_anything_is_its_bytes() -> None:
    import array

    numbers = array.array("I", range(6))
    assert round_trip(BytesCodec(), memoryview(numbers)) == numbers.tobytes()
    assert round_trip(BytesCodec(), memoryview(b"abcdef")[::2]) == b"ace"


@pytest.mark.parametrize("value", [None, 5, "text", [1], (b"a",)])
def test_bytes_refuse_the_rest(value: Any) -> None:
    with pytest.raises(EncodeError, match=f"must be bytes here, not {type(value).__name__}"):
        BytesCodec().encode(value, "name")


# -------------------------------------------------------------------- junk


@pytest.mark.parametrize("codec", [JSONCodec(), TextCodec(), BytesCodec()], ids=repr)
@given(data=st.binary(max_size=60))
def test_junk_is_a_value_or_a_decode_error(codec: Codec, data: bytes) -> None:
    try:
        value = codec.decode(data, "name")
    except DecodeError:
        return
    assert codec.decode(codec.encode(value, "name"), "name") == value or value != value


# Junk is not given to pickle, which would run it; a pickle of plain values that is cut or changed is.


@given(values, st.data())
def test_a_cut_pickle_is_refused(value: Any, data: st.DataObject) -> None:
    whole = PickleCodec().encode(value, "name")
    half = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DecodeError):
        PickleCodec().decode(half, "name")


@pytest.mark.parametrize("value", [[1, 2.5, "text"], {"a": (None, b"bytes")}], ids=repr)
def test_a_pickle_with_any_byte_changed_is_a_value_or_a_decode_error(value: Any) -> None:
    whole = PickleCodec().encode(value, "name")
    refused = 0
    for at in range(len(whole)):
        # Only bits that leave letters letters: nothing that could name a function to call is in there.
        for bit in (1, 2, 128):
            changed = bytearray(whole)
            changed[at] ^= bit
            refused += is_refused(PickleCodec().decode, bytes(changed))
    assert refused > len(whole) // 2


def is_refused(decode: Callable[[bytes, str], Any], data: bytes) -> bool:
    try:
        decode(data, "name")
    except DecodeError:
        return True
    return False
