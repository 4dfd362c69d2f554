"""The table of a cache: what is in it, in which order, and what it weighs.

Callers hold a lock, but that keeps out other threads only. A finalizer or a signal handler comes in wherever
CPython looks for them, which is after calls, at jumps back and on entering functions, and may use the cache
in the middle of any method here; a wild key's ``__eq__`` may do so too. So what a method changes it changes
without a call in between, by assignments and ``del`` alone. Two things cannot be done so. The entry that
``setdefault`` puts in gets its place in the order and its weight afterwards, unless it was taken out by then;
these only add and take away its own share, which comes out right in any order. And where there are wild keys,
taking one out of the dict calls them, which is done last; until then it is there and not ``stored``.

A linked list through the entries would need several steps for what ``OrderedDict`` does in one. It is keyed
by entries, never by keys, since its C code is not made for an ``__eq__`` that changes it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
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

    __slots__ = ("_changes", "_order", "_wild", "data", "deadlines", "promote", "weight")

    def __init__(self, recency: bool) -> None:
        #: Slot → entry. Looking up runs the code of wild keys.
        self.data: Final[dict[Any, Entry]] = {}
        self.deadlines: Final = Deadlines()
        self.weight = 0
        self._changes = 0
        self._wild = 0
        # Without recency it is the order of the dict, until somebody asks for the first.
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
            The entry, or the one that is there. One that is not ``stored`` is just being taken out, further
            up on the stack.

        Raises:
            Exception: What a key's ``__eq__`` raises; nothing has changed.
        """
        weight, deadline = entry.weight, entry.deadline
        ticket = 0 if deadline is None else self.deadlines.ticket()
        entry.ticket = ticket
        found = self.data.setdefault(entry.slot, entry)
        if found is entry:
            self.weight += weight
            self._changes += 1
            if type(entry.slot) is WildKey:
                self._wild += 1
            if entry.stored:
                if self._order is not None:
                    self._order[entry] = None
                if deadline is not None and entry.ticket == ticket:
                    self.deadlines.entries[ticket] = entry
                    self.deadlines.push(deadline, ticket)
        return found

    def change(
        self,
        entry: Entry,
        deadline: float | None,
        *,
        keep: bool = False,
        value: Any = NOTHING,
        weight: int = 0,
        expected: Any = NOTHING,
    ) -> Any:
        """Give an entry another deadline, another value, or both.

        Args:
            entry: An entry.
            deadline: The new deadline.
            keep: Whether the deadline that it has is kept instead.
            value: The new value; ``NOTHING`` leaves the old one.
            weight: The weight of the new value.
            expected: The value that must be there, the very object; ``NOTHING`` is any.

        Returns:
            The old value; ``NOTHING`` if the entry was taken out, or holds another one than expected.

        Raises:
            Nothing.
        """
        deadlines = self.deadlines
        ticket = 0 if keep or deadline is None else deadlines.ticket()
        old = entry.value
        if not entry.stored or (expected is not NOTHING and old is not expected):
            return NOTHING
        if value is not NOTHING:
            self.weight += weight - entry.weight
            entry.weight = weight
            entry.value = value
        if not keep:
            last = entry.ticket
            entry.deadline = deadline
            entry.ticket = ticket
            if last in deadlines.entries:
                del deadlines.entries[last]
            if deadline is not None:
                deadlines.entries[ticket] = entry
                deadlines.push(deadline, ticket)
        return old

    def use(self, entry: Entry) -> None:
        """Move an entry to the end, if the order is that of use.

        Args:
            entry: An entry; nothing happens to one that was taken out.

        Raises:
            Nothing.
        """
        if self.promote is not None:
            try:
                self.promote(entry)
            except KeyError:
                return

    def remove(self, entry: Entry) -> bool:
        """Take an entry out.

        Args:
            entry: An entry. The caller holds it, so that nothing is freed in here.

        Returns:
            Whether it was in; of several calls one gives True.

        Raises:
            Nothing.
        """
        slot = entry.slot
        if self._wild and type(slot) is not WildKey:
            slot = WildKey(slot, leaving=True)
        if not entry.stored:
            return False
        entry.stored = False
        last = entry.ticket
        self.weight -= entry.weight
        self._changes += 1
        if last in self.deadlines.entries:
            del self.deadlines.entries[last]
        if self._order is not None and entry in self._order:
            del self._order[entry]
        if slot is entry.slot and type(slot) is WildKey:
            slot.leaving = True
            self._wild -= 1
        del self.data[slot]
        if last:
            self.deadlines.tidy()
        return True

    def remove_first(self) -> Entry | None:
        """Take out the first entry.

        Returns:
            The entry; None if there is none.

        Raises:
            Nothing.

        Cost: O(1), but O(n) once for a table without recency.
        """
        order = self._ordered()
        while True:
            try:
                first, _ = order.popitem(last=False)
            except KeyError:
                return None
            if self.remove(first):
                return first

    def _ordered(self) -> OrderedDict[Entry, None]:
        """Give the order, as a dict finds its first key by passing the places of all that were before it."""
        while self._order is None:
            changes = self._changes
            order = OrderedDict.fromkeys(self.entries())
            if self._changes == changes:
                self._order = order
        return self._order

    def entries(self) -> list[Entry]:
        """Give all entries, the first to go at the beginning.

        Returns:
            A new list.

        Raises:
            Nothing.

        Cost: O(n).
        """
        entries = list(self.data.values() if self._order is None else self._order)
        return [entry for entry in entries if entry.stored]
