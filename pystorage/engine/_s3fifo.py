"""S3-FIFO: a small queue, a main queue, and ghosts.

After Juncheng Yang, Yazhuo Zhang, Ziyue Qiu, Yao Yue, K. V. Rashmi: FIFO Queues are All You Need for Cache
Eviction. SOSP 2023.
"""

from __future__ import annotations

from typing import Final

from pystorage.engine._entry import Entry
from pystorage.engine._ghosts import Ghosts
from pystorage.engine._queues import Policy

_SMALL: Final = 0
_MAIN: Final = 1
_MOST_USES: Final = 3


class S3FIFO(Policy):
    """The order of S3-FIFO: a new entry has to be used in the small queue to get into the main one.

    The small queue has a tenth of the room. What is not used more than once until it comes to the front
    leaves the cache, and its hash becomes a ghost. All else goes into the main queue, and so does a new entry
    whose ghost is still there. In the main queue an entry that comes to the front goes to the end again for
    each of up to three uses since.

    Raises:
        Nothing.

    Threads: one at a time, but ``promote`` needs no lock.
    """

    __slots__ = ("_ghosts", "_share")

    def __init__(self) -> None:
        super().__init__()
        self._ghosts: Final = Ghosts()
        self._share: float = 0

    def share(self, maxsize: int | None, weighed: bool) -> None:
        self._share = float("inf") if maxsize is None else max(1, maxsize // 10)

    def promote(self, entry: Entry) -> None:
        if entry.mark < _MOST_USES:
            entry.mark += 1

    use = promote

    def enter(self, entry: Entry) -> None:
        known = self._ghosts.take(hash(entry.slot), self.queues.count())
        self.queues.put(entry, _MAIN if known else _SMALL, 0)

    def restore(self, entry: Entry, mark: int) -> None:
        self.queues.put(entry, _MAIN if mark >> 4 & 1 else _SMALL, mark & _MOST_USES)

    def victim(self, keep: Entry | None) -> Entry | None:
        queues = self.queues
        while True:
            small, main = queues.first(_SMALL, keep), queues.first(_MAIN, keep)
            weight = queues.lots[_SMALL]
            if keep is not None and keep.stored and keep.queue == _SMALL:
                weight -= keep.weight
            if small is not None and (weight >= self._share or main is None):
                if small.mark <= 1:
                    return small
                queues.move(small, _MAIN, 0)
            elif main is None:
                return keep if queues.count() else None
            elif not main.mark:
                return main
            else:
                queues.move(main, _MAIN, main.mark - 1)

    def evicted(self, entry: Entry) -> None:
        if entry.queue == _SMALL:
            self._ghosts.note(hash(entry.slot), self.queues.count() + 1)

    def forget(self) -> None:
        self._ghosts.forget()

    def order(self) -> list[Entry]:
        small = [*self.queues.order[_SMALL]][::-1]
        # Copied in one step first: a signal's handler may write between any two of this loop's.
        main = [(entry, entry.mark) for entry in [*self.queues.order[_MAIN]]][::-1]
        weight = sum(entry.weight for entry in small)
        order: list[Entry] = []
        again: list[tuple[Entry, int]] = []
        while small or main or again:
            if not main:
                main, again = again[::-1], []
            if small and (weight >= self._share or not main):
                entry = small.pop()
                weight -= entry.weight
                if entry.mark <= 1:
                    order.append(entry)
                else:
                    again.append((entry, 0))
            else:
                entry, uses = main.pop()
                if uses:
                    again.append((entry, uses - 1))
                else:
                    order.append(entry)
        return order

    def marks(self) -> list[tuple[Entry, int]]:
        small, main = [*self.queues.order[_SMALL]], [*self.queues.order[_MAIN]]
        return [(entry, entry.mark) for entry in small] + [(entry, entry.mark | _MAIN << 4) for entry in main]
