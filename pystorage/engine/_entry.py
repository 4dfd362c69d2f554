"""What a table keeps of one key, and how a key is filed."""

from __future__ import annotations

from typing import Any, Final

#: Types whose hash and equality are the interpreter's own: they cannot raise, change or run other code.
_TAME: Final = frozenset({str, int, float, complex, bytes, bool, type(None)})

#: What no caller can mean or store: absence.
NOTHING: Final = object()


class Entry:
    """A key, its value and what the table knows about them.

    Args:
        slot: What the key is filed under, of ``slot_of``.
        key: The key as it was first given.
        value: The value.
        weight: What it takes of the room, ≥ 0.
        deadline: When it expires, on the cache's clock; None is never.

    Raises:
        Nothing.

    Threads: a reader without a lock reads ``deadline`` first and ``value`` after it; a writer writes
        them the other way round, so that nobody gets an old value for the sake of a new deadline.
    """

    __slots__ = ("deadline", "key", "mark", "queue", "slot", "stored", "ticket", "value", "weight")

    def __init__(self, slot: Any, key: Any, value: Any, weight: int, deadline: float | None) -> None:
        self.slot = slot
        self.key = key
        self.value = value
        self.weight = weight
        self.deadline = deadline
        #: Its place among the deadlines; 0 is none.
        self.ticket = 0
        #: The number of the queue that it is in, and what the policy notes there; -1 is none.
        self.queue = -1
        self.mark = 0
        #: False from the moment that somebody takes it out; whoever sets it False does so alone.
        self.stored = True


class WildKey:
    """A key whose hash and equality are code of its own, filed so that only callers run that code.

    A dict asks a key for its hash when it is taken out again, and compares it with others. An eviction must
    not depend on the answers: that code might raise, say something else than before, or come back to the
    cache. So the hash is kept, and a key that is ``leaving`` is equal to the very object that is filed only.

    Args:
        key: The key.
        leaving: Whether this is for taking out a key that is filed as it is.

    Raises:
        TypeError: It is unhashable.
        Exception: What its ``__hash__`` raises.
    """

    __slots__ = ("hash", "key", "leaving")

    def __init__(self, key: Any, leaving: bool = False) -> None:
        self.key = key
        self.hash = hash(key)
        self.leaving = leaving

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: Any) -> Any:
        if self.leaving:
            return other is self.key
        if type(other) is WildKey:
            if other.leaving:
                return False
            other = other.key
        # The answer goes to the dict as it is, which takes its truth as it would take that of the keys.
        return self.key is other or self.key == other


def slot_of(key: Any) -> Any:
    """Give what a key is filed under: itself where that is safe.

    Args:
        key: Any key.

    Returns:
        The key, or a ``WildKey`` around it, which a dict takes for equal to the key.

    Raises:
        TypeError: It is unhashable.
        Exception: What its ``__hash__`` raises.

    Example:
        >>> slot_of(("a", 1)), {slot_of(frozenset("a")): 1}[frozenset("a")]
        (('a', 1), 1)
    """
    kind = type(key)
    if kind in _TAME or (kind is tuple and _TAME.issuperset(map(type, key))):
        return key
    return WildKey(key)
