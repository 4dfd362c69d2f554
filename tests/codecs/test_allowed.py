"""PickleCodec(allow=…): calls only what is named, changes nothing outside the value, stays in bounds."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage import FileStorage
from pystorage.codecs import GzipCodec, PickleCodec
from pystorage.codecs.allowed import allowed_names, load_allowed
from pystorage.errors import DecodeError
from tests.codecs.picklable import Color, Evil, Frozen, Listed, Made, Mapped, Pair, Slotted, User, make_user

HERE = User.__module__


def loads(data: bytes, *allow: Any) -> Any:
    return PickleCodec(allow=allow).decode(data, "key")


# -------------------------------------------------------------------- what is read

PLAIN = [
    *(None, True, 0, 2**100, -1, 1.5, float("inf"), 1j, "text", b"bytes", bytearray(b"ab")),
    *([], [1, [2, (3,)]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": {1: {2: 3}}}),
    *({1, 2}, frozenset({(1, 2), "a"}), slice(1, 2)),
    {(1, (2, (3,))): [{"a"}]},
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_call_nothing(value: Any) -> None:
    codec = PickleCodec(allow=[])
    found = codec.decode(codec.encode(value, "key"), "key")
    assert found == value
    assert type(found) is type(value)


OBJECTS: list[tuple[Any, list[Any]]] = [
    (User("Ada", ["a"]), [User]),
    (Frozen(5), [Frozen]),
    (Slotted([1], {2}), [Slotted]),
    (Listed([1, [2]]), [Listed]),
    (Mapped({"a": [1]}), [Mapped]),
    (Pair(1, [2]), [Pair]),
    (Color.RED, [Color]),
    ([Color.RED, Color.RED, Color.BLUE], [Color]),
    (User.Inner, [User.Inner]),
    (decimal.Decimal("1.50"), [decimal.Decimal]),
    (fractions.Fraction(1, 3), [fractions.Fraction]),
    (dt.datetime(2026, 11, 21, tzinfo=dt.UTC), [dt.datetime, dt.timezone, dt.timedelta]),
    (collections.OrderedDict(a=1, b=[2]), [collections.OrderedDict]),
    (collections.Counter("abca"), [collections.Counter]),
    (collections.deque([1, 2], 3), [collections.deque]),
    (Path("a/b"), [type(Path())]),
]


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize(("value", "allow"), OBJECTS, ids=lambda value: repr(value)[:30])
def test_objects_of_allowed_classes_come_back(value: Any, allow: list[Any], protocol: int) -> None:
    codec = PickleCodec(protocol, allow=allow)
    found = codec.decode(codec.encode(value, "key"), "key")
    assert found == value
    assert type(found) is type(value)


def test_an_object_made_by_a_function_may_have_a_state() -> None:
    data = pickle.dumps(Made("Ada"))
    assert loads(data, make_user) == User("Ada", ["from a state"])


@pytest.mark.parametrize("protocol", [0, 1])
def test_old_protocols_need_their_helpers_named(protocol: int) -> None:
    class_, helpers = f"{HERE}.User", ["copyreg._reconstructor", "copy_reg._reconstructor", "builtins.object"]
    data = pickle.dumps(User("Ada"), protocol)
    assert loads(data, class_, *helpers, "__builtin__.object") == User("Ada")
    with pytest.raises(DecodeError, match="_reconstructor is not allowed"):
        loads(data, class_)


# -------------------------------------------------------------------- arguments


def test_names_are_sorted_and_shown() -> None:
    assert allowed_names([User, f"{HERE}.Frozen", User.Inner]) == (
        f"{HERE}.Frozen",
        f"{HERE}.User",
        f"{HERE}.User.Inner",
    )
    assert repr(PickleCodec(allow=[decimal.Decimal])) == "PickleCodec(allow=['decimal.Decimal'])"
    assert repr(PickleCodec(4, allow=[])) == "PickleCodec(4, allow=[])"


@pytest.mark.parametrize("allow", ["decimal.Decimal", [5], [None]])
def test_what_is_no_class_is_a_type_error(allow: Any) -> None:
    with pytest.raises(TypeError, match="allow"):
        PickleCodec(allow=allow)


@pytest.mark.parametrize("name", ["Decimal", "decimal.", ".Decimal", "", "."])
def test_a_name_without_a_module_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="is written as 'module.name'"):
        PickleCodec(allow=[name])


def test_it_runs_no_code_of_others(tmp_path: Path) -> None:
    codec = PickleCodec(allow=[User]) | GzipCodec()
    assert not codec.runs_code
    shared = FileStorage(tmp_path / "shared", codec=codec, mode=0o666)
    shared["ada"] = User("Ada")
    again = pickle.loads(pickle.dumps(shared))
    assert again["ada"] == User("Ada")
    (tmp_path / "shared" / "ada.storage").write_bytes(
        GzipCodec().encode(pickle.dumps(Evil(os.mkdir, "x")), "")
    )
    with pytest.raises(DecodeError, match="mkdir is not allowed"):
        again["ada"]


def test_the_loader_stands_at_the_end_of_the_pickle() -> None:
    file = io.BytesIO(pickle.dumps([1]) + b"more")
    assert load_allowed(file, ()) == [1]
    assert file.read() == b"more"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text()), inner, max_size=4)
        | st.sets(st.integers() | st.text(), max_size=4)
        | st.frozensets(st.tuples(st.text(), st.integers()), max_size=4)
        | st.builds(User, st.text(), inner)
    ),
    max_leaves=30,
)


@given(values, st.integers(4, pickle.HIGHEST_PROTOCOL))
def test_every_plain_value_is_kept(value: Any, protocol: int) -> None:
    codec = PickleCodec(protocol, allow=[User])
    assert codec.decode(codec.encode(value, ""), "") == value


@given(st.lists(values, max_size=3).map(lambda value: value * 2))
def test_shared_parts_stay_shared(value: list[Any]) -> None:
    codec = PickleCodec(allow=[User])
    found = codec.decode(codec.encode(value, ""), "")
    half = len(found) // 2
    assert all(
        one is other for one, other in zip(found[:half], found[half:], strict=True) if isinstance(one, list)
    )
