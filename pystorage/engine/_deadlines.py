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
    an entry is freed when it is removed, and not when its time would have come. The table writes ``entries``
    by itself, in one step with the entry.

    Raises:
        Nothing.

    Cost: O(log n) to push a deadline and to find one that is due, amortized; at most twice as many places
        as there are deadlines, and 64.
    """

    __slots__ = ("_pushed", "_tickets", "entries", "heap")

    def __init__(self) -> None:
        #: Empty where nothing can expire.
        self.heap: list[tuple[float, int]] = []
        #: Ticket → entry.
        self.entries: Final[dict[int, Entry]] = {}
        self._tickets: Final = count(1)
        self._pushed = 0

    def ticket(self) -> int:
        """Give a ticket that leads nowhere yet.

        Returns:
            A number that was not given before, > 0.

        Raises:
            Nothing.
        """
        return next(self._tickets)

    def push(self, deadline: float, ticket: int) -> None:
        """Expect the entry of a ticket.

        Args:
            deadline: When.
            ticket: The ticket, which leads to the entry by now.

        Raises:
            Nothing.
        """
        place = (deadline, ticket)
        self._pushed += 1
        heappush(self.heap, place)
        self.tidy()

    def tidy(self) -> None:
        """Throw away tickets that lead nowhere, if there are many.

        Raises:
            Nothing.
        """
        if len(self.heap) > 2 * len(self.entries) + _SLACK:
            pushed = self._pushed
            places = [place for place in list(self.heap) if place[1] in self.entries]
            heapify(places)
            if self._pushed == pushed:  # or a finalizer added one, and it is put off to the next time
                self.heap = places

    def due(self, now: float) -> Entry | None:
        """Give an entry whose deadline has come; it stays the next one until it is removed.

        Args:
            now: The time.

        Returns:
            The entry; None if there is none.

        Raises:
            Nothing.
        """
        while True:
            heap = self.heap
            if not heap:
                return None
            deadline, ticket = heap[0]
            if ticket not in self.entries:
                heappop(heap)
            elif deadline <= now:
                return self.entries[ticket]
            else:
                return None
