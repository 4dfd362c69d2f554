"""CPython's own tests of ``functools.lru_cache``, on ours, in both implementations of the engine."""

from __future__ import annotations

import functools
import types
import unittest
import weakref
from typing import Any

import pytest

from pystorage.memo import CacheInfo
from tests.memoize.lru_on import PARTS, lru_on

theirs = pytest.importorskip("test.test_functools", reason="this Python comes without its tests")


def module_on(name: str) -> Any:
    """Give what those tests take for ``functools``: all of it, but for the cache."""
    lru_cache = lru_on(name).lru_cache
    return types.SimpleNamespace(**{**vars(functools), "lru_cache": lru_cache, "_CacheInfo": CacheInfo})


ON = {name: module_on(name) for name in PARTS}


@ON["python"].lru_cache()
def cached_in_python(x: int, y: int) -> int:
    return 3 * x + y


class TestInPython(theirs.TestLRU, unittest.TestCase):  # type: ignore[misc, name-defined]
    module = ON["python"]
    cached_func = (cached_in_python,)

    @module.lru_cache()
    def cached_meth(self, x: int, y: int) -> int:
        return 3 * x + y

    @staticmethod
    @module.lru_cache()
    def cached_staticmeth(x: int, y: int) -> int:
        return 3 * x + y


@ON.get("c", functools).lru_cache()
def cached_in_c(x: int, y: int) -> int:
    return 3 * x + y


@unittest.skipIf("c" not in ON, "the engine in C was not compiled")
class TestInC(theirs.TestLRU, unittest.TestCase):  # type: ignore[misc, name-defined]
    module = ON.get("c", functools)
    cached_func = (cached_in_c,)

    @module.lru_cache()
    def cached_meth(self, x: int, y: int) -> int:
        return 3 * x + y

    @staticmethod
    @module.lru_cache()
    def cached_staticmeth(x: int, y: int) -> int:
        return 3 * x + y


@pytest.mark.parametrize("name", sorted(ON))
def test_they_are_ours(name: str) -> None:
    function = TestInC.cached_func[0] if name == "c" else TestInPython.cached_func[0]
    assert type(function) is PARTS[name][1]
    assert weakref.ref(function)() is function
