"""The implementations of the engine, side by side, with the storages on each of them."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

from pystorage import engine
from pystorage.engine import _cache
from pystorage.stores import memory as chosen
from tests.engine.whole import Implementation

try:
    from pystorage.engine import _engine
except ImportError:
    _engine = None  # type: ignore[assignment]

#: Name → the type of caches. The one that was compiled is there only where it was.
CACHES: dict[str, Any] = {"python": _cache.Cache} | ({} if _engine is None else {"c": _engine.Cache})


@cache
def memory_on(name: str) -> ModuleType:
    """Give ``pystorage.stores.memory`` as it is where that implementation was chosen."""
    if name == engine.IMPLEMENTATION:
        return chosen
    spec = importlib.util.spec_from_file_location(f"{chosen.__name__}_on_{name}", str(chosen.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where pickles of its classes look for them
    before = engine.Cache
    engine.Cache = CACHES[name]  # type: ignore[misc]
    try:
        spec.loader.exec_module(module)
    finally:
        engine.Cache = before  # type: ignore[misc]
    return module


def on(name: str) -> Implementation:
    """Give the storages on an implementation."""
    module = memory_on(name)
    return Implementation(name, module.LRUStorage, module.MemoryStorage, module.CacheStorage)
