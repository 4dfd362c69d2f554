"""The figures of a module."""

from __future__ import annotations

import json
import warnings

import pytest

from pystorage.cli.measure import measure

SOURCE = b'''"""A module."""
import os.path, sys
from collections.abc import Mapping
from . import sibling
from .sibling import name

class Box:
    """A box."""

    async def open(self):
        with self:
            try:
                import json
            except ImportError:
                while True:
                    break

    def close(self):
        "Closes."
        def inner(): pass
        return lambda: [x for x in self]
'''


def test_counts() -> None:
    assert measure(SOURCE) == {
        "lines": 21,
        "functions": 3,
        "classes": 1,
        "deepest": 5,
        "documented": 0.6,
        "imports": ["collections", "json", "os", "sys"],
        "problem": None,
    }


def test_the_figures_are_json() -> None:
    figures = measure(SOURCE)
    assert json.loads(json.dumps(figures)) == figures


@pytest.mark.parametrize(
    ("source", "deepest"),
    [
        (b"", 0),
        (b"x = 1", 0),
        (b"if x: pass", 1),
        (b"if x: pass\nelif y: pass\nelif z: pass\nelse: pass", 1),
        (b"if x: pass\nelse:\n    if y: pass", 2),
        (b"def f():\n  if x: pass\n  elif y:\n    for z in y: pass", 3),
        (b"match x:\n  case 1:\n    if y: pass", 2),
        (b"try: pass\nexcept* OSError:\n  if y: pass", 2),
        (b"try: pass\nfinally:\n  with x: pass", 2),
        (b"for x in y: pass\nelse:\n  while z: pass", 2),
        (b"async def f():\n  async for x in y:\n    async with z: pass", 3),
    ],
)
def test_nesting(source: bytes, deepest: int) -> None:
    assert measure(source)["deepest"] == deepest


@pytest.mark.parametrize(
    "source",
    [
        b"def",
        b"print 'x'",
        b"x = '\0'",
        b"# coding: no-such\n",
        b"x = '\xff'",
        b"(" * 10_000,
        b"-" * 200_000 + b"1",
    ],
)
def test_what_does_not_parse_is_a_figure(source: bytes) -> None:
    figures = measure(source)
    assert figures["problem"]
    assert figures["functions"] == figures["classes"] == figures["deepest"] == 0


def test_a_declared_encoding_is_read() -> None:
    assert measure("# coding: latin-1\n'é'\n".encode("latin-1"))["documented"] == 1.0


def test_warnings_of_the_source_stay_there() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert measure(rb"x = '\d'; assert (x, 'y')")["problem"] is None
    assert not caught
