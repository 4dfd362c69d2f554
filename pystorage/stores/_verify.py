"""What ``verify`` of a store found: how much it looked at, what is broken, and where that is now."""

from __future__ import annotations

from typing import NamedTuple

from pystorage.storage import shown


class Broken(NamedTuple):
    """An entry that cannot be read as a value.

    Args:
        key: Its key; where nothing tells the key, the name of what lies there.
        place: Where it was found: a path, or the path of a database and what it is called in there.
        reason: What is wrong with it.
        moved_to: Where it was moved, out of the way of reads and writes; None where it was left.

    Raises:
        Nothing.
    """

    key: object
    place: str
    reason: str
    moved_to: str | None = None

    def __str__(self) -> str:
        went = "left where it is" if self.moved_to is None else f"moved to {self.moved_to!r}"
        return f"{shown(self.key)} ({self.place!r}): {self.reason}; {went}"


class VerifyReport(NamedTuple):
    """What ``verify`` found.

    Args:
        checked: How many entries were looked at, the broken ones among them.
        broken: What cannot be read.

    Raises:
        Nothing.

    Example:
        >>> print(VerifyReport(2, (Broken("a", "/cache/a.storage", "checksum does not match"),)))
        1 of 2 entries broken
        'a' ('/cache/a.storage'): checksum does not match; left where it is
    """

    checked: int
    broken: tuple[Broken, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{len(self.broken)} of {self.checked} entries broken", *map(str, self.broken)])
