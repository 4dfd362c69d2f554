"""What a storage has without writing it: scans, streams, figures and views."""

from __future__ import annotations

import io
import math
from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any

import pytest

from pystorage import Capability, Stats
from pystorage.errors import UnsupportedOperation
from tests.storage.simple import Simple

# -------------------------------------------------------------------- scan, streams, figures


def test_scan_gives_texts_that_begin_so() -> None:
    storage = Simple()
    storage.data = dict.fromkeys(["a", "ab", "b", 1, None, b"a", ("a",), ""])
    assert list(storage.scan("a")) == ["a", "ab"]
    assert list(storage.scan("")) == ["a", "ab", "b", ""]


@pytest.mark.parametrize("prefix", [None, 1, b"a", ("a",)])
def test_a_prefix_is_a_text(prefix: Any) -> None:
    with pytest.raises(TypeError, match="a prefix to scan for is a str"):
        Simple().scan(prefix)


@pytest.mark.parametrize("value", [b"value", bytearray(b"value"), memoryview(b"value")])
def test_a_stream_of_bytes(value: Any) -> None:
    with Simple(a=value).open_read("a") as file:
        assert file.read(2) == b"va"
        assert file.read() == b"lue"


@pytest.mark.parametrize("value", ["value", None, 5, [1]])
def test_only_bytes_can_be_streamed(value: Any) -> None:
    with pytest.raises(UnsupportedOperation, match="a stream carries bytes"):
        Simple(a=value).open_read("a")


def test_an_absent_stream_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Simple().open_read("a")


def test_what_is_written_is_seen_after_a_clean_exit() -> None:
    storage = Simple(a=b"old")
    with storage.open_write("a") as file:
        file.write(b"n")
        file.write(b"ew")
        assert storage.data["a"] == b"old"
    assert storage.data["a"] == b"new"


def test_nothing_is_written_after_an_exception() -> None:
    storage = Simple(a=b"old")

    def fail() -> None:
        with storage.open_write("a") as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert storage.data["a"] == b"old"


def test_a_file_that_was_closed_inside_is_written() -> None:
    storage = Simple()
    with storage.open_write("a") as file, io.TextIOWrapper(file) as text:
        text.write("value")
    assert storage.data["a"] == b"value"


@pytest.mark.parametrize("ttl, kind", [(0, ValueError), ("5", TypeError), (math.nan, ValueError)])
def test_a_bad_life_of_a_stream_is_refused_at_once(ttl: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Simple().open_write("a", ttl=ttl)


def test_figures_that_are_unknown_are_none() -> None:
    assert Simple(a=1).stats() == Stats(size=1)
    assert Stats() == Stats(None, None, None, None, None, None, None, None)


def test_the_with_statement_closes() -> None:
    class Closing(Simple):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    with Closing() as storage:
        storage.flush()
        assert storage.closed == 0
    assert storage.closed == 1
    with pytest.raises(ZeroDivisionError), Closing() as storage:
        raise ZeroDivisionError
    assert storage.closed == 1


def test_capabilities_are_these() -> None:
    # The whole list is part of the contract.
    names = " ".join(flag.name or "" for flag in Capability)
    assert names == "BULK TTL ADD SWAP INCR LOCK SCAN STREAM STATS PERSISTENT SHARED NONBLOCKING ORDERED"
    assert not Capability.NONE


# -------------------------------------------------------------------- views


def test_the_views_are_views() -> None:
    storage = Simple(a=1, b=2)
    keys, values, items = storage.keys(), storage.values(), storage.items()
    assert isinstance(keys, KeysView)
    assert isinstance(values, ValuesView)
    assert isinstance(items, ItemsView)
    storage["c"] = 3
    assert (set(keys), list(values), list(items)) == (
        {"a", "b", "c"},
        [1, 2, 3],
        [("a", 1), ("b", 2), ("c", 3)],
    )
    assert (len(keys), len(values), len(items)) == (3, 3, 3)
    assert keys & {"a", "x"} == {"a"}
    assert items - {("a", 1)} == {("b", 2), ("c", 3)}


@pytest.mark.parametrize(
    "item, there",
    [
        (("a", 1), True),
        (("a", 1.0), True),
        (("a", 2), False),
        (("x", 1), False),
        (("a", 1, 1), False),
        (["a", 1], False),
        (5, False),
        (None, False),
        ("a1", False),
    ],
)
def test_an_item_is_in_the_items_as_in_those_of_a_dict(item: Any, there: bool) -> None:
    assert (item in Simple(a=1).items()) is there
    assert (item in {"a": 1}.items()) is there


def test_a_value_that_equals_nothing_is_found_by_itself() -> None:
    nan = math.nan
    assert nan in Simple(a=nan).values()
    assert ("a", nan) in Simple(a=nan).items()
    assert 5 not in Simple(a=nan).values()


def test_views_leave_out_what_is_removed_meanwhile() -> None:
    storage = Simple(a=1, b=2, c=3)
    items = iter(storage.items())
    assert next(items) == ("a", 1)
    del storage["b"]
    storage["d"] = 4
    assert list(items) == [("c", 3)]


def test_views_read_without_counting_as_a_use() -> None:
    class Counting(Simple):
        def _load(self, key: Any) -> Any:
            return self.data[key]

    storage = Counting(a=1)
    assert list(storage.values()) == [1]
    assert list(storage.items()) == [("a", 1)]
    assert ("a", 1) in storage.items()
    assert 1 in storage.values()
    assert storage == {"a": 1}
    assert storage.asked == []
