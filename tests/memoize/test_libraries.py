"""Fingerprints of numpy, pandas, polars and pydantic, and of modules of Python that are not always loaded."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import ipaddress
import re
from typing import Any

import pytest

from pystorage import memoize
from pystorage.memo import register_fingerprint


@memoize({})
def asked(value: Any) -> int:
    return 1


@memoize({}, typed=True)
def typed(value: Any) -> int:
    return 1


key = asked.key_for


def are_all_different(values: list[Any]) -> bool:
    return len({key(value) for value in values}) == len(values)


def test_modules_of_python() -> None:
    several = [
        functools.partial(int, "5"),
        functools.partial(int, base=10),
        functools.partial(int, base=16),
        functools.partial(float, "5"),
        re.compile("a"),
        re.compile("a", re.IGNORECASE),
        re.compile(b"a"),
        ipaddress.ip_address("1.1.1.1"),
        ipaddress.ip_network("1.1.1.1"),
        ipaddress.ip_interface("1.1.1.1"),
        ipaddress.ip_address("::1"),
        ipaddress.ip_address("::1%eth0"),
        list[int],
        list[str],
        dict[str, int],
        int | str,
        int | None,
        list[int | None],
    ]
    assert are_all_different(several)
    assert [key(copy.copy(each)) for each in several] == [key(each) for each in several]
    assert key(int | str) == key(str | int)
    assert key(ipaddress.ip_address("0:0::1")) == key(ipaddress.ip_address("::1"))
    assert len({typed.key_for(each) for each in several}) == len(several)
    with pytest.raises(TypeError, match="the argument 'value', of type partial"):
        key(functools.partial(lambda: 1))


def test_what_captured_other_partial_functions_is_another() -> None:
    kept: dict[str, Any] = {}

    def reader(read: Any) -> Any:
        @memoize(kept)
        def number(text: str) -> int:
            return int(read(text))

        return number

    readers = [reader(functools.partial(int, base=base)) for base in (10, 16)]
    assert [read("11") for read in readers] == [11, 17]


def test_scalars_of_numpy_are_the_numbers_that_they_are() -> None:
    np = pytest.importorskip("numpy")
    for scalar, plain in (
        (np.int64(1), 1),
        (np.uint8(1), True),
        (np.bool_(True), 1),
        (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5),
        (np.float16(2), 2),
        (np.complex128(1j), 1j),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), b"a"),
        (np.float64("nan"), float("nan")),
        (np.float64(-0.0), 0),
    ):
        assert key(scalar) == key(plain)
        assert key([scalar]) == key([plain])
        assert typed.key_for(scalar) != typed.key_for(plain)
    third = np.longdouble(1) / 3
    assert key(third) == key(np.longdouble(1) / 3) != key(float(third))
    times = [
        np.datetime64("2020-01-01"),
        np.datetime64("NaT", "s"),
        np.datetime64(5, "ns"),
        np.timedelta64(5, "ns"),
        5,
    ]
    assert are_all_different(times)
    assert key(np.dtype("f8")) == key(np.dtype(float)) != key(np.dtype("f4"))
    assert key(np.float64) != key(np.float32)


def test_arrays_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    ones = np.ones((2, 3))
    assert key(ones) == key(ones.copy()) == key(np.asfortranarray(ones)) == key(ones.astype(">f8"))
    assert key(ones[:, ::2]) == key(np.ones((2, 2)))
    assert are_all_different(
        [
            ones,
            np.ones((3, 2)),
            np.ones(6),
            ones.astype(int),
            ones.astype("f4"),
            np.zeros((2, 3)),
            ones.tolist(),
            np.array(1.0),
            1.0,
            np.array(["a", "b"]),
            np.array(["a", "b"], object),
            np.array([b"a", b"b"]),
            np.array([[1, "a"], [None, 2.5]], object),
            np.array([1, "a", None, 2.5], object),
            np.zeros(2, [("a", "i1"), ("b", "f8")]),
            np.zeros(2, [("a", "i1"), ("c", "f8")]),
            np.array(["2020-01-01"], "M8[D]"),
            np.array(["2020-01-01"], "M8[ns]"),
            np.array([], float),
            np.array([], int),
            np.ones(2, np.longdouble) / 3,
        ]
    )
    for other in (np.ma.array([1, 2], mask=[0, 1]), np.ones(2).view(np.recarray)):
        with pytest.raises(TypeError, match=r"may hold more than a ndarray.*give a plain ndarray"):
            key(other)
    itself = np.empty(1, object)
    itself[0] = itself
    with pytest.raises(ValueError, match="holds itself|nested too deeply"):
        key(itself)
    made: list[int] = []

    @memoize
    def total(values: Any, scale: float = 1.0) -> float:
        made.append(1)
        return float(values.sum() * scale)

    assert total(np.arange(5)) == total(np.arange(5), scale=np.float64(1)) == 10
    assert made == [1]


def test_frames_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, float("nan")]})
    assert key(frame) == key(frame.copy()) == key(frame.reset_index(drop=True))
    assert are_all_different(
        [
            frame,
            frame[["b", "a", "c"]],
            frame.rename(columns={"a": "d"}),
            frame.set_index("a"),
            frame.iloc[::-1],
            frame.astype({"a": float}),
            frame.astype({"b": "category"}),
            frame["a"],
            frame["a"].rename("d"),
            frame["b"],
            frame.index,
            frame.columns,
            pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
            pd.Series([1, None], dtype="Int64"),
            pd.Series([1.0, None]),
            pd.Series(pd.to_datetime(["2020-01-01"])),
            pd.Series(pd.to_datetime(["2020-01-01"])).dt.tz_localize("UTC"),
            pd.Series(pd.Categorical(["a"], categories=["a", "b"])),
            pd.Series(pd.Categorical(["a"], categories=["b", "a"])),
            pd.NA,
            pd.NaT,
            None,
            pd.Timestamp(2020, 1, 1, nanosecond=5),
            pd.Timestamp(2020, 1, 1),
            pd.Timedelta(5, "ns"),
            pd.Timedelta(5, "us"),
        ]
    )
    assert key(pd.Timestamp(2020, 1, 1)) == key(dt.datetime(2020, 1, 1))
    assert key(pd.Timedelta(5, "us")) == key(dt.timedelta(microseconds=5))


def test_frames_of_polars() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert key(frame) == key(frame.clone())
    assert are_all_different(
        [
            frame,
            frame.select("b", "a"),
            frame.with_columns(pl.col("a").cast(pl.Float64)),
            frame.rename({"a": "c"}),
            frame["a"],
            frame["b"],
            frame["a"].rename("c"),
            pl.Series("a", [[1], [2]]),
        ]
    )
    with pytest.raises(TypeError, match="LazyFrame has no fingerprint"):
        key(frame.lazy())


pydantic = pytest.importorskip("pydantic")


class Point(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    x: int
    y: list[int] = pydantic.Field(default_factory=list)
    _hidden: int = pydantic.PrivateAttr(default=1)


class Spot(Point):
    pass


class Own(pydantic.BaseModel):
    x: int

    def __eq__(self, other: object) -> bool:
        return True


def test_models_of_pydantic() -> None:
    hidden = Point(x=1)
    hidden._hidden = 2
    assert Point(x=1) == Point(x=1, y=[])
    assert key(Point(x=1)) == key(Point(x=1, y=[])) == key(Point.model_validate({"x": "1"}))
    assert are_all_different(
        [Point(x=1), Point(x=2), Point(x=1, y=[1]), Point(x=1, z=1), Spot(x=1), hidden, {"x": 1, "y": []}]
    )
    with pytest.raises(TypeError, match="compares in a way of its own"):
        key(Own(x=1))

    class Local(pydantic.BaseModel):
        x: int

    with pytest.raises(TypeError, match="cannot be imported by its name"):
        key(Local(x=1))
    register_fingerprint(Local, lambda model: model.x)
    assert key(Local(x=1)) == key(Local(x=1)) != key(Local(x=2))
