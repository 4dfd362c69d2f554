"""The deadlines of a table, the next one first."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from pystorage.engine._entry import Entry

_SLACK: Final = 64


class Deadlines:
    """A heap of deadlines, each with a ticket that leads to its entry while it is the entry's deadline.

    A ticket that leads nowhere is left in the heap until half of the heap are such. It is a number, so that
    an entry is freed when it is removed, and not when its time would have come.

    Raises:
        Nothing.

    Cost: O(log n) to watch an entry and to find one that is due, O(1) to forget one, each amortized; at
        most twice as many places as there are deadlines, and 64.
    """

    __slots__ = ("_entries", "_tickets", "heap")

    def __init__(self) -> None:
        #: Read elsewhere only to see whether there is any.
        self.heap: list[tuple[float, int]] = []
        self._entries: Final[dict[int, Entry]] = {}
        self._tickets: Final = count(1)

    def watch(self, entry: Entry) -> None:
        """Expect an entry at its deadline and no longer at the one it had before.

        Args:
            entry: An entry of the table.

        Raises:
            Nothing.
        """
        if entry.ticket:
            self.forget(entry)
        deadline = entry.deadline
        if deadline is not None:
            entry.ticket = ticket = next(self._tickets)
            self._entries[ticket] = entry
            heappush(self.heap, (deadline, ticket))

    def forget(self, entry: Entry) -> None:
        """Expect an entry no longer.

        Args:
            entry: An entry that was watched, or was not.

        Raises:
            Nothing.
        """
        self._entries.pop(entry.ticket, None)
        entry.ticket = 0
        if len(self.heap) > 2 * len(self._entries) + _SLACK:
            # A finalizer may come in between and watch another entry: its place must not be lost.
            places, self.heap = self.heap, []
            self.heap.extend([place for place in places if place[1] in self._entries])
            heapify(self.heap)

    def due(self, now: float) -> Entry | None:
        """Take out an entry whose deadline has come.

        Args:
            now: The time.

        Returns:
            The entry, no longer watched; None if there is none.

        Raises:
            Nothing.
        """
        while self.heap and self.heap[0][0] <= now:
            entry = self._entries.pop(heappop(self.heap)[1], None)
            if entry is None:
                continue
            entry.ticket = 0
            if entry.deadline is not None and entry.deadline <= now:
                return entry
            self.watch(entry)  # a finalizer gave it another deadline while this one was filed
        return None
