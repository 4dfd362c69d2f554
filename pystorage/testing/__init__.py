"""The kit that proves a storage: laws that every storage keeps, and what tests need to try them.

The clock and the doubles need nothing else, all that runs tests needs the extra ``testing``; a name is loaded
when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pystorage.errors import MissingDependencyError

if TYPE_CHECKING:
    from pystorage.testing.asyncconformance import AsyncStorageConformance
    from pystorage.testing.clock import FakeClock
    from pystorage.testing.conformance import StorageConformance
    from pystorage.testing.faulty import FaultyStorage
    from pystorage.testing.latency import LatencyStorage
    from pystorage.testing.laws.base import law
    from pystorage.testing.machine import storage_machine
    from pystorage.testing.mapping_protocol import mapping_tests
    from pystorage.testing.recording import RecordingStorage
    from pystorage.testing.samples import HOSTILE_KEYS, REFUSED_KEYS

__all__ = [
    "HOSTILE_KEYS",
    "REFUSED_KEYS",
    "AsyncStorageConformance",
    "FakeClock",
    "FaultyStorage",
    "LatencyStorage",
    "RecordingStorage",
    "StorageConformance",
    "law",
    "mapping_tests",
    "storage_machine",
]

_MODULES = {
    "AsyncStorageConformance": "asyncconformance",
    "FakeClock": "clock",
    "FaultyStorage": "faulty",
    "LatencyStorage": "latency",
    "RecordingStorage": "recording",
    "StorageConformance": "conformance",
    "law": "laws.base",
    "storage_machine": "machine",
    "mapping_tests": "mapping_protocol",
    "HOSTILE_KEYS": "samples",
    "REFUSED_KEYS": "samples",
}

_EXTRA = frozenset({"pytest", "hypothesis", "anyio"})

# A law that fails shall show both sides, as a test of the caller's own does; pytest must hear of it before
# the laws are imported.
_pytest = sys.modules.get("pytest")
if _pytest is not None:
    _pytest.register_assert_rewrite("pystorage.testing.laws")


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        missing = MissingDependencyError(
            f"pystorage.testing.{name} needs {error.name}, which is not installed: "
            "pip install 'pystorage[testing]'"
        )
        missing.name = error.name
        raise missing from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
