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
from pystorage.engine._queues import Policy, first_of
from pystorage.engine._s3fifo import S3FIFO
from pystorage.engine._sieve import Sieve
from pystorage.engine._tinylfu import TinyLFU

#: The policies that need more than one list.
_POLICIES: Final[dict[str, Callable[[], Policy]]] = {"sieve": Sieve, "s3fifo": S3FIFO, "tinylfu": TinyLFU}


class Table:
    """Entries by key, and in the order in which they are to go.

    Args:
        policy: With ``"lru"`` an entry that is used goes to the end; with ``"fifo"`` entries stay in the
            order in which they came; any other has its own class.

    Raises:
        Nothing.

    Threads: one at a time; ``data`` and ``promote`` may be used without a lock.
    """

    __slots__ = ("_changes", "_order", "_wild", "data", "deadlines", "policy", "promote", "weight")

    def __init__(self, policy: str) -> None:
        #: Slot → entry. Looking up runs the code of wild keys.
        self.data: Final[dict[Any, Entry]] = {}
        self.deadlines: Final = Deadlines()
        self.weight = 0
        self._changes = 0
        self._wild = 0
        #: None where one list does.
        self.policy: Final = _POLICIES[policy]() if policy in _POLICIES else None
        # In the order of insertion it is that of the dict, until somebody asks for the first.
        self._order: OrderedDict[Entry, None] | None = OrderedDict() if policy == "lru" else None
        #: Notes a use in one step, or raises KeyError if the entry was taken out or this needs the lock.
        self.promote: Final[Callable[[Entry], None] | None] = (
            self.policy.promote
            if self.policy is not None
            else None
            if self._order is None
            else self._order.move_to_end
        )

    def insert(self, entry: Entry, mark: int | None = None) -> Entry:
        """File a new entry, unless its key is there.

        Args:
            entry: The entry.
            mark: What ``marks`` of another table gave for it; None is for one that is new.

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
            if self.policy is not None:
                if mark is None:
                    self.policy.enter(entry)
                else:
                    self.policy.restore(entry, mark)
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
            if self.policy is not None and entry.queue >= 0:
                self.policy.queues.lots[entry.queue] += weight - entry.weight
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
            elif last:
                deadlines.tidy()
        return old

    def share(self, maxsize: int | None, weighed: bool) -> None:
        """Tell the policy of a limit.

        Args:
            maxsize: The limit; None is none.
            weighed: Whether it is one of weight, and not of entries.

        Raises:
            Nothing.
        """
        if self.policy is not None:
            self.policy.share(maxsize, weighed)

    def use(self, entry: Entry) -> None:
        """Note that an entry was used.

        Args:
            entry: An entry; nothing happens to one that was taken out.

        Raises:
            Nothing.
        """
        if self.policy is not None:
            self.policy.use(entry)
        elif self.promote is not None:
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
        elif self.policy is not None and entry.queue >= 0:
            del self.policy.queues.order[entry.queue][entry]
            self.policy.queues.lots[entry.queue] -= entry.weight
            self.policy.left(entry)
        if slot is entry.slot and type(slot) is WildKey:
            slot.leaving = True
            self._wild -= 1
        del self.data[slot]
        if last:
            self.deadlines.tidy()
        return True

    def remove_first(self, keep: Entry | None = None) -> Entry | None:
        """Take out the entry that is the next to go.

        Args:
            keep: An entry that goes only if there is no other.

        Returns:
            The entry; None if there is none.

        Raises:
            Nothing.

        Cost: O(1), but O(n) once for a table in the order of insertion.
        """
        while True:
            first = self._first(keep)
            if first is None or self.remove(first):
                return first

    def _first(self, keep: Entry | None) -> Entry | None:
        if self.policy is not None:
            return self.policy.victim(keep)
        order = self._ordered()
        return first_of(order, keep) or first_of(order, None)

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
        if self.policy is not None:
            entries = list(dict.fromkeys(self.policy.order()))
        else:
            entries = list(self.data.values() if self._order is None else self._order)
        return [entry for entry in entries if entry.stored]

    def marks(self) -> list[tuple[Entry, int]]:
        """Give all entries as they lie, and for each what the policy has to know of it in a copy.

        Returns:
            A new list.

        Raises:
            Nothing.

        Cost: O(n).
        """
        if self.policy is None:
            return [(entry, 0) for entry in self.entries()]
        return [(entry, mark) for entry, mark in self.policy.marks() if entry.stored]
