"""The cache in memory: entries by key and by age, with a limit, deadlines and callbacks.

``Cache`` is the implementation that was chosen when this was imported, and ``IMPLEMENTATION`` says which one
that is; with ``PYSTORAGE_PURE=1`` in the environment it is always ``"python"``.
"""

from __future__ import annotations

from typing import Final

from pystorage.engine._cache import Cache

IMPLEMENTATION: Final = "python"

__all__ = ["IMPLEMENTATION", "Cache"]
