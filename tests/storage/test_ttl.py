"""Seconds to live, and keys in messages."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage import ABSENT, KEEP
from pystorage.storage import checked_prefix, checked_ttl, pairs, shown


@given(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    | st.integers(min_value=1, max_value=10**300)
)
def test_seconds_come_back_as_a_float(seconds: float) -> None:
    found = checked_ttl(seconds)
    assert type(found) is float
    assert found == float(seconds)


@pytest.mark.parametrize("ttl", [None, math.inf, 10**400])
def test_for_ever_is_none(ttl: Any) -> None:
    assert checked_ttl(ttl) is None


@given(st.floats(max_value=0) | st.integers(max_value=0) | st.just(math.nan))
def test_no_life_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"^life must be more than 0 seconds, not .*; None is for ever$"):
        checked_ttl(seconds, name="life")


@pytest.mark.parametrize("ttl", [0, -(10**5000)], ids=["nothing", "very much less"])
def test_the_message_stays_short(ttl: int) -> None:
    with pytest.raises(ValueError, match="more than 0") as caught:
        checked_ttl(ttl)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "ttl",
    ["5", b"5", True, False, [], object(), 5j, timedelta(seconds=5), Decimal(5), Fraction(5), ABSENT, KEEP],
)
def test_what_is_no_number_is_refused(ttl: Any) -> None:
    with pytest.raises(TypeError, match=f"ttl must be a number of seconds or None, not {type(ttl).__name__}"):
        checked_ttl(ttl)


def test_an_int_that_is_also_something_else_is_a_number() -> None:
    class Seconds(int): ...

    class Moment(float): ...

    assert type(checked_ttl(Seconds(5))) is type(checked_ttl(Moment(5))) is float


@given(st.text(max_size=200) | st.integers() | st.binary(max_size=200) | st.tuples(st.text(max_size=200)))
def test_a_key_in_a_message_is_short(key: Any) -> None:
    assert len(shown(key)) <= 110


def test_a_short_key_is_shown_whole() -> None:
    assert [shown(key) for key in ("a/b", 5, ("a", None), b"x", None)] == [
        "'a/b'",
        "5",
        "('a', None)",
        "b'x'",
        "None",
    ]


def test_a_key_that_cannot_be_shown_is_shown_somehow() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "Shy" in shown(Shy())
    assert len(shown(10**5000)) < 200
    assert len(shown(-(10**5000))) < 200


def test_the_two_values_that_nobody_can_mean() -> None:
    assert (repr(ABSENT), repr(KEEP)) == ("ABSENT", "KEEP")
    assert len({ABSENT, KEEP, None}) == 3


@given(st.dictionaries(st.text(), st.integers()))
def test_pairs_are_those_of_a_dict(entries: dict[str, int]) -> None:
    assert list(pairs(entries)) == list(pairs(entries.items())) == list(pairs(iter(entries.items())))
    assert dict(pairs(entries)) == entries


def test_a_prefix_is_given_back() -> None:
    class Text(str): ...

    assert checked_prefix(Text("a")) == "a"
    with pytest.raises(TypeError):
        checked_prefix(b"a")
