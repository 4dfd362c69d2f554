"""The header before a value: packed, read, cut and changed."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.codecs import header
from pystorage.errors import DecodeError

deadlines = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="ascii"), max_size=300)
fields = st.tuples(st.none() | deadlines, st.none() | names)
some_fields = fields.filter(lambda both: both != (None, None))
bodies = st.binary(max_size=60) | st.binary(max_size=20).map(lambda body: header.MAGIC + body)


@given(bodies, fields)
def test_any_bytes_come_back_with_their_fields(body: bytes, both: tuple[Any, Any]) -> None:
    deadline, name = both
    data = header.pack(body, deadline=deadline, name=name)
    found, rest = header.unpack(data)
    assert rest == body
    assert (found.deadline, found.name) == both
    assert data[found.size :] == body


@given(st.binary(max_size=60))
def test_bytes_that_need_no_header_have_none(body: bytes) -> None:
    assert header.pack(body) == (header.prefix() + body if body.startswith(header.MAGIC) else body)


@given(st.binary(max_size=60).filter(lambda body: not body.startswith(header.MAGIC)))
def test_bytes_without_a_header_are_bare(body: bytes) -> None:
    assert header.read(body) == header.BARE
    assert header.unpack(body) == (header.BARE, body)


def test_a_value_that_is_stored_already_can_be_stored_again() -> None:
    data = b"value"
    for _ in range(3):
        data = header.pack(data, deadline=5.0)
    for _ in range(3):
        found, data = header.unpack(data)
        assert found.deadline == 5.0
    assert data == b"value"


@given(bodies, some_fields)
def test_a_header_is_read_from_its_beginning_alone(body: bytes, both: tuple[Any, Any]) -> None:
    data = header.pack(body, deadline=both[0], name=both[1])
    size = header.read(data).size
    assert header.read(data[:size]) == header.read(data)


def needed(data: bytes) -> int:
    with pytest.raises(header.Truncated) as caught:
        header.read(data)
    return caught.value.needed


@given(bodies, some_fields, st.data())
def test_a_cut_header_says_how_much_is_needed(
    body: bytes, both: tuple[Any, Any], data: st.DataObject
) -> None:
    whole = header.pack(body, deadline=both[0], name=both[1])
    size = header.read(whole).size
    end = data.draw(st.integers(len(header.MAGIC), size - 1))
    with pytest.raises(header.Truncated, match="cut short") as caught:
        header.read(whole[:end])
    # Reading as much as it asks for comes to an end.
    sizes = [end, caught.value.needed]
    while sizes[-1] < size:
        sizes.append(needed(whole[: sizes[-1]]))
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == size
    with pytest.raises(DecodeError):
        header.unpack(whole[:end])


@pytest.mark.parametrize("end", range(len(header.MAGIC)))
def test_less_than_the_magic_is_a_value(end: int) -> None:
    cut = header.pack(b"value", deadline=5.0)[:end]
    assert header.unpack(cut) == (header.BARE, cut)


@pytest.mark.parametrize("both", [(5.0, None), (None, "a%2Fb"), (-1e300, "n" * 40), (0.0, "")])
@pytest.mark.parametrize("body", [b"", b"value", header.MAGIC * 5, bytes(40)])
def test_no_changed_byte_changes_what_is_read(both: tuple[Any, Any], body: bytes) -> None:
    whole = header.pack(body, deadline=both[0], name=both[1])
    size = header.read(whole).size
    for at in range(len(header.MAGIC), size):
        for value in {0, 1, 2, 3, 127, 128, 255, whole[at] ^ 1, whole[at] ^ 128} - {whole[at]}:
            changed = bytearray(whole)
            changed[at] = value
            with pytest.raises(DecodeError):
                header.unpack(bytes(changed))


@given(bodies, some_fields, st.data())
def test_no_changed_bytes_change_what_is_read(
    body: bytes, both: tuple[Any, Any], data: st.DataObject
) -> None:
    whole = header.pack(body, deadline=both[0], name=both[1])
    size = header.read(whole).size
    changed = bytearray(whole)
    for at in data.draw(st.lists(st.integers(len(header.MAGIC), size - 1), min_size=1, max_size=3)):
        changed[at] = data.draw(st.integers(0, 255))
    try:
        found, rest = header.unpack(bytes(changed))
    except DecodeError:
        return
    assert (found.deadline, found.name, rest) == (*both, body)


def test_without_its_magic_it_is_a_value() -> None:
    whole = header.pack(b"value", deadline=5.0)
    for at in range(len(header.MAGIC)):
        changed = bytearray(whole)
        changed[at] ^= 1
        assert header.unpack(bytes(changed)) == (header.BARE, bytes(changed))


@given(st.binary(max_size=80))
def test_junk_behind_the_magic_is_refused(junk: bytes) -> None:
    # All that is fine there is a header without fields, whose checksum is that of nothing.
    data = header.MAGIC + junk
    try:
        found, rest = header.unpack(data)
    except DecodeError:
        return
    assert data == header.pack(rest, deadline=found.deadline, name=found.name)


@pytest.mark.parametrize("version, flags", [(0, 0), (2, 0), (255, 1), (1, 4), (1, 128), (1, 7)])
def test_a_newer_format_says_what_to_do(version: int, flags: int) -> None:
    data = struct.pack(">4sBBI", header.MAGIC, version, flags, 0) + bytes(20)
    with pytest.raises(DecodeError, match=f"format {version} with flags .*: upgrade pystorage"):
        header.read(data)


@pytest.mark.parametrize("deadline", [math.nan, math.inf, -math.inf])
def test_a_deadline_that_is_no_time_is_damage(deadline: float) -> None:
    with pytest.raises(DecodeError, match="damaged"):
        header.read(header.prefix(deadline=deadline))


def test_a_name_is_ascii() -> None:
    with pytest.raises(UnicodeEncodeError):
        header.pack(b"", name="caf\N{LATIN SMALL LETTER E WITH ACUTE}")


def test_the_format_is_the_one_that_is_written_down() -> None:
    # Files of this format exist: it can only be followed by another version.
    assert header.pack(b"value", deadline=1.5, name="ab").hex() == (
        "8f5079530103ccdba85c3ff800000000000000000002616276616c7565"
    )
    assert header.prefix().hex() == "8f507953010000000000"


def test_the_usual_size_holds_any_usual_header() -> None:
    assert header.read(header.prefix(deadline=1.0, name="n" * 400)).size < header.USUAL_SIZE
