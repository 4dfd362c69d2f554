"""Chains of codecs, and codecs by name."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.codecs import (
    CODECS,
    BytesCodec,
    ChainCodec,
    Codec,
    GzipCodec,
    JSONCodec,
    LzmaCodec,
    PickleCodec,
    TextCodec,
    ZlibCodec,
    resolve_codec,
)
from pystorage.errors import DecodeError, EncodeError, StorageProviderError

FIRST: list[Codec] = [JSONCodec(), PickleCodec(), TextCodec(), BytesCodec(), GzipCodec()]
BEHIND: list[Codec] = [BytesCodec(), GzipCodec(), ZlibCodec(), LzmaCodec(1)]


class Spelling(Codec):
    """Takes bytes and writes down the name that it was given."""

    __slots__ = ("mark",)
    takes_bytes = True

    def __init__(self, mark: bytes) -> None:
        self.mark = mark

    def encode(self, value: Any, name: str) -> bytes:
        return bytes(value) + self.mark + name.encode()

    def decode(self, data: bytes, name: str) -> Any:
        end = self.mark + name.encode()
        if not data.endswith(end):
            raise DecodeError("it is of another name")
        return data[: -len(end)]

    def __repr__(self) -> str:
        return f"Spelling({self.mark!r})"


@given(st.sampled_from(BEHIND), st.sampled_from(BEHIND), st.text())
def test_a_chain_gives_back_what_it_was_given(one: Codec, other: Codec, value: str) -> None:
    for chain in (
        TextCodec() | one | other,
        JSONCodec() | (one | other),
        ChainCodec(PickleCodec(), one, other),
    ):
        assert chain.decode(chain.encode(value, "name"), "name") == value


def test_each_takes_what_the_one_before_gave() -> None:
    chain = TextCodec() | Spelling(b"1") | Spelling(b"2")
    assert chain.encode("value", "n") == b"value1n2n"
    assert chain.decode(b"value1n2n", "n") == "value"
    with pytest.raises(DecodeError, match="of another name"):
        chain.decode(b"value1n2n", "m")


def test_chains_are_flat() -> None:
    one, two, three = JSONCodec(), GzipCodec(), ZlibCodec()
    expected = ChainCodec(one, two, three)
    assert (one | two | three).codecs == (one | (two | three)).codecs == expected.codecs == (one, two, three)
    assert (one | two) | three == one | (two | three) == expected
    assert ChainCodec(one).codecs == (one,)


@pytest.mark.parametrize("last", [JSONCodec(), PickleCodec(), TextCodec()], ids=repr)
@pytest.mark.parametrize("first", FIRST, ids=repr)
def test_what_takes_values_stands_first(first: Codec, last: Codec) -> None:
    for make in (
        lambda: first | last,
        lambda: ChainCodec(first, last),
        lambda: ChainCodec(first, GzipCodec(), last),
        lambda: first | (last | GzipCodec()),
    ):
        with pytest.raises(TypeError, match="takes values, not bytes; put it first"):
            make()


@pytest.mark.parametrize("other", [None, 5, "gzip", GzipCodec, b""])
def test_a_chain_is_made_of_codecs(other: Any) -> None:
    with pytest.raises(TypeError):
        JSONCodec() | other
    with pytest.raises(TypeError):
        other | JSONCodec()
    with pytest.raises(TypeError, match="a chain is made of codecs"):
        ChainCodec(JSONCodec(), other)


def test_a_chain_is_not_empty() -> None:
    with pytest.raises(TypeError, match="at least one"):
        ChainCodec()


def test_a_chain_is_shown_and_compared_by_its_links() -> None:
    chain = PickleCodec(4) | GzipCodec(9)
    assert repr(chain) == "PickleCodec(4) | GzipCodec(9)"
    assert chain == PickleCodec(4) | GzipCodec(9)
    assert hash(chain) == hash(PickleCodec(4) | GzipCodec(9))
    assert chain != PickleCodec(4) | GzipCodec(8)
    assert chain != PickleCodec(4)
    assert chain != "PickleCodec(4) | GzipCodec(9)"


def test_a_chain_runs_code_and_streams_as_its_links_do() -> None:
    assert (PickleCodec() | GzipCodec()).runs_code
    assert not (JSONCodec() | GzipCodec()).runs_code
    assert (BytesCodec() | GzipCodec()).streams
    assert not (BytesCodec() | ZlibCodec()).streams
    assert not (JSONCodec() | GzipCodec()).streams


def test_faults_of_any_link_come_through() -> None:
    chain = JSONCodec() | GzipCodec()
    with pytest.raises(EncodeError, match="JSON cannot hold it"):
        chain.encode(object(), "name")
    with pytest.raises(DecodeError, match="GzipCodec cannot read this"):
        chain.decode(b"{}", "name")
    with pytest.raises(DecodeError, match="this is not JSON"):
        chain.decode(GzipCodec().encode(b"{", ""), "name")


EVERY: list[Codec] = [*FIRST, *BEHIND, PickleCodec(2), JSONCodec() | GzipCodec(1), ChainCodec(JSONCodec())]


@pytest.mark.parametrize("codec", EVERY, ids=repr)
def test_codecs_can_be_copied_and_pickled(codec: Codec) -> None:
    for again in (copy.copy(codec), copy.deepcopy(codec), pickle.loads(pickle.dumps(codec))):
        assert again == codec
        assert repr(again) == repr(codec)
        assert again.decode(again.encode(b"value" if codec.takes_bytes else "value", "n"), "n") in (
            "value",
            b"value",
        )


@pytest.mark.parametrize("codec", EVERY, ids=repr)
def test_a_codec_is_equal_to_its_like_only(codec: Codec) -> None:
    assert [other for other in {*map(repr, EVERY)} if other == repr(codec)] == [repr(codec)]
    assert codec == copy.copy(codec)
    assert codec not in [other for other in EVERY if repr(other) != repr(codec)]
    assert codec != repr(codec)
    assert {codec: 1}[copy.copy(codec)] == 1


# -------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    "name, codec",
    [
        ("json", JSONCodec()),
        ("pickle", PickleCodec()),
        ("text", TextCodec()),
        ("bytes", BytesCodec()),
        ("gzip", GzipCodec()),
        ("zlib", ZlibCodec()),
        ("lzma", LzmaCodec()),
        ("pickle+gzip", PickleCodec() | GzipCodec()),
        ("json + zlib + lzma", JSONCodec() | ZlibCodec() | LzmaCodec()),
        (None, JSONCodec()),
    ],
)
def test_a_name_is_a_codec(name: str | None, codec: Codec) -> None:
    assert resolve_codec(name) == codec
    assert name is None or set(map(str.strip, name.split("+"))) <= set(CODECS)


def test_a_codec_is_itself() -> None:
    codec = PickleCodec(2)
    assert resolve_codec(codec) is codec


def test_none_is_the_default() -> None:
    assert resolve_codec(None, "pickle+gzip") == PickleCodec() | GzipCodec()


@pytest.mark.parametrize(
    "name", ["jsn", "pickle+gzp", "", "json+", "+json", "JSON", "json|gzip", "json gzip"]
)
def test_an_unknown_name_lists_the_near_ones(name: str) -> None:
    with pytest.raises(StorageProviderError, match=r"no codec named .*(did you mean|there are)") as caught:
        resolve_codec(name)
    assert f"as in codec={name!r}" in str(caught.value)


def test_a_near_name_is_named() -> None:
    with pytest.raises(StorageProviderError, match="'jsn'.*did you mean 'json'"):
        resolve_codec("pickle+jsn")


@pytest.mark.parametrize("name", ["gzip+json", "json+pickle", "bytes+text"])
def test_names_in_an_order_that_cannot_work_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="put it first"):
        resolve_codec(name)


@pytest.mark.parametrize("codec", [5, b"json", ["json"], JSONCodec, object()])
def test_what_is_neither_codec_nor_name_is_refused(codec: Any) -> None:
    with pytest.raises(TypeError, match="codec must be a Codec or a name"):
        resolve_codec(codec)


def test_a_codec_is_what_encodes_and_decodes() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Codec()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (Codec,), {"encode": lambda self, value, name: b""})()
