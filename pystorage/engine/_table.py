"""The table of a cache: what is in it, in which order, and what it weighs.

Callers hold a lock, but that keeps out other threads only. A finalizer or a signal handler may come in
wherever CPython looks for them, which is after a call, at a jump back and on entering a function, and may
use the cache in the middle of any method here; a wild key's ``__eq__`` may do so too. So each change begins
with one step that decides it (``setdefault`` puts an entry in, ``stored = False`` takes it out), and what
follows only adds or takes away that entry's own share, which comes out right in any order.

A linked list through the entries would need several steps for what ``OrderedDict`` does in one. It is keyed
by entries, never by keys, since its C code is not made for an ``__eq__`` that changes it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from pystorage.engine._deadlines import Deadlines
from pystorage.engine._entry import NOTHING, Entry, WildKey


class Table:
    """Entries by key, and in the order in which they are to go.

    Args:
        recency: Whether an entry that is used goes to the end; else entries stay in the order in which
            they came.

    Raises:
        Nothing.

    Threads: one at a time; ``data`` and ``promote`` may be used without a lock.
    """

    __slots__ = ("_order", "data", "deadlines", "promote", "weight")

    def __init__(self, recency: bool) -> None:
        #: Slot → entry. Looking up runs the code of wild keys.
        self.data: Final[dict[Any, Entry]] = {}
        self.deadlines: Final = Deadlines()
        self.weight = 0
        # Without recency this is the order of the dict, which only fails where the first one is asked for.
        self._order: OrderedDict[Entry, None] | None = OrderedDict() if recency else None
        #: Moves an entry to the end in one step, or raises KeyError if it was taken out.
        self.promote: Final[Callable[[Entry], None] | None] = (
            None if self._order is None else self._order.move_to_end
        )

    def insert(self, entry: Entry) -> Entry:
        """File a new entry, unless its key is there.

        Args:
            entry: The entry.

        Returns:
            The entry, or the one that is there.

        Raises:
            Exception: What a key's ``__eq__`` raises; nothing has changed.
        """
        weight = entry.weight
        found = self.data.setdefault(entry.slot, entry)
        if found is entry:
            self.weight += weight
            if entry.stored:
                if self._order is not None:
                    self._order[entry] = None
                if entry.deadline is not None:
                    self.deadlines.watch(entry)
        return found

    def replace(
        self, entry: Entry, value: Any, weight: int, deadline: float | None, expected: Any = NOTHING
    ) -> Any:
        """Give an entry another value; it counts as used.

        Args:
            entry: An entry.
            value: The new value.
            weight: The new weight.
            deadline: The new deadline.
            expected: The value that must be there, the very object; ``NOTHING`` is any.

        Returns:
            The old value; ``NOTHING`` if the entry was taken out, or holds another one than expected.

        Raises:
            Nothing.
        """
        old = entry.value
        if not entry.stored or (expected is not NOTHING and old is not expected):
            return NOTHING
        self.weight += weight - entry.weight
        entry.weight = weight
        entry.value = value
        self.redate(entry, deadline)
        self.use(entry)
        return old

    def redate(self, entry: Entry, deadline: float | None) -> None:
        """Give an entry another deadline.

        Args:
            entry: An entry; nothing happens to one that was taken out.
            deadline: The new deadline.

        Raises:
            Nothing.
        """
        if entry.stored and deadline is not entry.deadline:
            entry.deadline = deadline
            self.deadlines.watch(entry)

    def use(self, entry: Entry) -> None:
        """Move an entry to the end, if the order is that of use.

        Args:
            entry: An entry; nothing happens to one that was taken out.

        Raises:
            Nothing.
        """
        if self.promote is not None:
            with suppress(KeyError):
                self.promote(entry)

    def remove(self, entry: Entry) -> bool:
        """Take an entry out.

        Args:
            entry: An entry. The caller holds it, so that nothing is freed in here.

        Returns:
            Whether it was in; of several calls one gives True.

        Raises:
            Nothing.
        """
        if not entry.stored:
            return False
        entry.stored = False
        slot = entry.slot
        if type(slot) is WildKey:
            slot.leaving = True
        del self.data[slot]
        self.weight -= entry.weight
        if self._order is not None:
            self._order.pop(entry, None)
        if entry.ticket:
            self.deadlines.forget(entry)
        return True

    def remove_first(self) -> Entry | None:
        """Take out the first entry.

        Returns:
            The entry; None if there is none.

        Raises:
            Nothing.

        Cost: O(1), but O(n) once for a table without recency.
        """
        while self.data:
            if self._order is None:
                # A dict finds its first key by passing the places of all those that were before it.
                self._order = OrderedDict()
            if not self._order:
                self._order.update(dict.fromkeys(self.data.values()))
            first, _ = self._order.popitem(last=False)
            if self.remove(first):
                return first
        return None

    def entries(self) -> list[Entry]:
        """Give all entries, the first to go at the beginning.

        Returns:
            A new list.

        Raises:
            Nothing.

        Cost: O(n), in one step.
        """
        return list(self.data.values() if self._order is None else self._order)
