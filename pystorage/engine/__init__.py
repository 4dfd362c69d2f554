"""The cache in memory: entries by key and by age, with a limit, deadlines and callbacks.

``Cache``, ``CachedFunction`` (a function with a cache for its results) and ``Front`` (the base of memoized
functions) are of the implementation that was chosen when this was imported. ``IMPLEMENTATION`` says which one
that is: ``"c"``, or ``"python"`` where that is not CPython, the C part was not compiled, or the environment
has ``PYSTORAGE_PURE=1``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

IMPLEMENTATION: Literal["c", "python"] = "python"

if TYPE_CHECKING:
    from pystorage.engine._cache import Cache
    from pystorage.engine._front import Front
    from pystorage.engine._function import CachedFunction
else:
    if os.environ.get("PYSTORAGE_PURE") != "1" and sys.implementation.name == "cpython":
        try:
            from pystorage.engine._engine import Cache, CachedFunction, Front

            IMPLEMENTATION = "c"
        except ImportError:
            pass
    if IMPLEMENTATION == "python":
        from pystorage.engine._cache import Cache
        from pystorage.engine._front import Front
        from pystorage.engine._function import CachedFunction

__all__ = ["IMPLEMENTATION", "Cache", "CachedFunction", "Front"]
