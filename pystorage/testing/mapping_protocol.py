"""CPython's own tests of the mapping protocol, run over a storage."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pystorage.storage import Storage
from pystorage.testing.clock import FakeClock

Make = Callable[[Path, FakeClock], Storage[Any, Any]]

#: The names of CPython's tests.
PROTOCOL: Final[tuple[str, ...]] = (
    *("test_read", "test_write", "test_constructor", "test_bool", "test_keys", "test_values", "test_items"),
    *("test_len", "test_getitem", "test_update", "test_get", "test_setdefault", "test_popitem", "test_pop"),
)


def mapping_tests(make: Make, *, values: Sequence[Any] = ("one", "two", "three")) -> type[unittest.TestCase]:
    """Make a test case of ``test.mapping_tests.BasicTestMappingProtocol`` over a storage.

    Args:
        make: Makes a storage in an empty folder, with a clock.
        values: Three values that the storage can hold: hashable, comparable, and not equal.

    Returns:
        A test case; where Python ships without its own tests, each is skipped.

    Raises:
        Nothing.

    Example:
        >>> from pystorage.storage import Storage
        >>> tests = mapping_tests(lambda place, timer: Storage())
        >>> issubclass(tests, unittest.TestCase)
        True
    """
    try:
        base: Any = import_module("test.mapping_tests").BasicTestMappingProtocol
    except ImportError:
        return type("MappingProtocol", (unittest.TestCase,), dict.fromkeys(PROTOCOL, _skipped))

    def empty(self: unittest.TestCase) -> Storage[Any, Any]:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        storage = make(Path(folder.name), FakeClock())
        self.addCleanup(storage.close)
        return storage

    def reference(self: unittest.TestCase) -> Mapping[str, Any]:
        return dict(zip(("1", "key1", "key2"), values, strict=True))

    def update(self: unittest.TestCase) -> None:
        if not all(isinstance(value, str) for value in values):
            self.skipTest("CPython's test of update stores text, which this storage does not hold")
        base.test_update(self)

    methods = {"_empty_mapping": empty, "_reference": reference, "test_update": update}
    return type("MappingProtocol", (base,), methods)


def _skipped(self: unittest.TestCase) -> None:
    self.skipTest("this Python ships without its own tests")
