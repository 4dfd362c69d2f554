"""The type variables of storages that a caller makes: without a hint they hold anything.

With a hint they hold what it says: ``prices: FileStorage[str, float] = FileStorage("prices")``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Defaults of type variables are in typing from Python 3.13 on; checkers know this name everywhere.
    from typing_extensions import TypeVar

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

__all__ = ["K", "V"]
