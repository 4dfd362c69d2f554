"""``lru_cache`` on each implementation of the engine."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

from pystorage import engine
from pystorage.engine import _cache, _function
from pystorage.memo import lru as chosen

try:
    from pystorage.engine import _engine
except ImportError:
    _engine = None  # type: ignore[assignment]

#: Name → caches and functions. What was compiled is there only where it was.
PARTS: dict[str, tuple[Any, Any]] = {"python": (_cache.Cache, _function.CachedFunction)}
if _engine is not None:
    PARTS["c"] = (_engine.Cache, _engine.CachedFunction)


@cache
def lru_on(name: str) -> ModuleType:
    """Give ``pystorage.memo.lru`` as it is where that implementation was chosen."""
    if name == engine.IMPLEMENTATION:
        return chosen
    spec = importlib.util.spec_from_file_location(f"{chosen.__name__}_on_{name}", str(chosen.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    before = engine.Cache, engine.CachedFunction
    engine.Cache, engine.CachedFunction = PARTS[name]  # type: ignore[misc]
    try:
        spec.loader.exec_module(module)
    finally:
        engine.Cache, engine.CachedFunction = before  # type: ignore[misc]
    return module
