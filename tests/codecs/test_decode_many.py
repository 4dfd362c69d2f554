"""Several values at once: the same values as one by one, and never one made of the bytes of two."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.codecs import BytesCodec, Codec, GzipCodec, JSONCodec, PickleCodec, TextCodec
from pystorage.errors import DecodeError

HALVES = [b"[1", b"2]", b'"a', b'b"', b"{", b"}", b"nul", b"l", b"-", b"1e", b"5", b",", b"1,2", b"\xff"]
WHOLE = [b"1", b"[1,2]", b"null", b'"\xc3\xa9"', b'{"a": [1, {}]}']
ODD = [b"", b" ", b"\n", b"1 ", b" 1", b"1\n", b'"a\nb"', "é".encode()]
PIECES = st.sampled_from([*HALVES, *WHOLE, *ODD])


def one_by_one(codec: Codec, data: list[bytes]) -> list[Any] | str:
    try:
        return [codec.decode(each, "") for each in data]
    except DecodeError:
        return "cannot be read"


def all_at_once(codec: Codec, data: list[bytes]) -> list[Any] | str:
    try:
        return codec.decode_many(data, [""] * len(data))
    except DecodeError:
        return "cannot be read"


@given(st.lists(PIECES, max_size=5))
def test_no_json_is_made_of_the_bytes_of_two(data: list[bytes]) -> None:
    assert repr(all_at_once(JSONCodec(), data)) == repr(one_by_one(JSONCodec(), data))


@pytest.mark.parametrize(
    "codec", [JSONCodec(), PickleCodec(), TextCodec(), BytesCodec() | GzipCodec(), PickleCodec(allow=[])]
)
def test_values_come_back(codec: Codec) -> None:
    values: list[Any] = ["a", "é\n", "", "." * 100]
    if isinstance(codec, (JSONCodec, PickleCodec)):
        values += [{"a": [1, None, 2.5]}, [], 7]
    if not isinstance(codec, (JSONCodec, PickleCodec, TextCodec)):
        values = [value.encode() for value in values]
    data = [codec.encode(value, "") for value in values]
    assert codec.decode_many(data, [""] * len(data)) == values
    assert codec.decode_many([], []) == []


class Tuples(JSONCodec):
    def decode(self, data: bytes, name: str) -> Any:
        return name, *super().decode(data, name)


class Hex(BytesCodec):
    def decode(self, data: bytes, name: str) -> Any:
        return bytes.fromhex(super().decode(data, name).decode())


def test_a_codec_below_one_of_ours_reads_each_value_in_its_own_way() -> None:
    assert Tuples().decode_many([b"[1]", b"[2]"], ["a", "b"]) == [("a", 1), ("b", 2)]
    assert Hex().decode_many([b"00", b"ff"], ["a", "b"]) == [b"\0", b"\xff"]


def test_much_json_is_not_made_one_text() -> None:
    value = "x" * (1 << 20)
    codec = JSONCodec()
    assert codec.decode_many([codec.encode(value, "")] * 2, ["", ""]) == [value, value]


@given(st.binary(max_size=6), st.sampled_from([b"\x80\x05N.", b"\x80\x05\x8c\x01..", b"\x80\x05\x8c\x01a."]))
def test_nothing_may_follow_a_pickle(more: bytes, pickled: bytes) -> None:
    codec = PickleCodec()
    assert codec.decode(pickled, "") in (None, ".", "a")
    if more:
        with pytest.raises(DecodeError):
            codec.decode(pickled + more, "")
