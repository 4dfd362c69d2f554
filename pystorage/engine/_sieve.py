"""SIEVE: one queue, and a hand that goes through it.

After Yazhuo Zhang, Juncheng Yang, Yao Yue, Ymir Vigfusson, K. V. Rashmi: SIEVE is Simpler than LRU: an
Efficient Turn-Key Eviction Algorithm for Web Caches. NSDI 2024.
"""

from __future__ import annotations

from typing import Final

from pystorage.engine._entry import Entry
from pystorage.engine._queues import Policy

#: In what a copy is made from: the hand stands at this entry.
_AT_HAND: Final = 8


class Sieve(Policy):
    """The order of SIEVE: the first entry that was not used since the hand came by last is the next to go.

    The hand goes from the oldest entry to the newest and begins again. The queue is in two parts, the one
    ahead of the hand, which stands at its first entry, and the one behind it. What the hand passes over goes
    from the one to the other; where nothing is ahead the two change places.

    Raises:
        Nothing.

    Threads: one at a time, but ``promote`` needs no lock.
    """

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0

    def promote(self, entry: Entry) -> None:
        entry.mark = 1

    use = promote

    def enter(self, entry: Entry) -> None:
        if not self.queues.order[self._ahead]:
            self._ahead = 1 - self._ahead
        self.queues.put(entry, self._ahead, 0)

    def restore(self, entry: Entry, mark: int) -> None:
        if mark & _AT_HAND:
            self._ahead = 1 - self._ahead  # all that came before lies behind the hand
        self.queues.put(entry, self._ahead, mark & 1)

    def victim(self, keep: Entry | None) -> Entry | None:
        queues = self.queues
        while True:
            if not queues.order[self._ahead]:
                self._ahead = 1 - self._ahead
            ahead = self._ahead
            entry = queues.first(ahead, None)
            if entry is None:
                if not queues.order[0] and not queues.order[1]:
                    return None
            elif entry is keep:
                if len(queues.order[0]) + len(queues.order[1]) == 1:
                    return entry
                queues.move(entry, 1 - ahead, entry.mark)
            elif not entry.mark:
                return entry
            else:
                queues.move(entry, 1 - ahead, 0)

    def arrived(self, entry: Entry) -> None:
        # Where only the new entry is ahead of it, the hand came to the end of the queue: as the paper has it,
        # who comes in comes when room was made.
        ahead, queues = self._ahead, self.queues
        if queues.first(ahead, entry) is None and entry.stored and entry.queue == ahead:
            queues.move(entry, 1 - ahead, entry.mark)
            self._ahead = 1 - ahead

    def order(self) -> list[Entry]:
        ahead = self._ahead
        entries = [*self.queues.order[ahead], *self.queues.order[1 - ahead]]
        return [entry for entry in entries if not entry.mark] + [entry for entry in entries if entry.mark]

    def marks(self) -> list[tuple[Entry, int]]:
        ahead = self._ahead
        behind, coming = [*self.queues.order[1 - ahead]], [*self.queues.order[ahead]]
        marks = [(entry, entry.mark) for entry in behind + coming]
        if behind and coming:
            marks[len(behind)] = coming[0], coming[0].mark | _AT_HAND
        return marks
