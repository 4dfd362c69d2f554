"""W-TinyLFU: a window, and a main part into which an entry gets that is asked for more often.

After Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
Transactions on Storage 2017. The window's size, after Gil Einziger, Ohad Eytan, Roy Friedman, Ben Manes:
Adaptive Software Cache Management. Middleware 2018.
"""

from __future__ import annotations

import math
from typing import Final

from pystorage.engine._entry import Entry
from pystorage.engine._queues import Policy
from pystorage.engine._sketch import Sketch

_WINDOW: Final = 0
_PROBATION: Final = 1
_PROTECTED: Final = 2

#: A sample is so many requests for each entry; fewer than the least say nothing about a small cache.
_SAMPLE: Final = 10
_SAMPLE_LEAST: Final = 20_000
#: The first step, as a part of the room, and what each is of the one before.
_STEP: Final = 0.125
_DECAY: Final = 0.98


class TinyLFU(Policy):
    """The order of W-TinyLFU: of two that are to go, the one that is asked for less goes.

    A new entry goes into the window, an LRU of a hundredth of the room at first. The one that was there for
    longest has to show that it is asked for more often than the first to go of the main part: the one of the
    two that is asked for less leaves, the other one stays in the main part. The main part is two lists, each
    an LRU: what was used there is protected, in up to four fifths of it; the first to go is one on probation
    while there is one.

    The window climbs the hill of hits: after each sample its share moves by a step, on in the same direction
    if there were no fewer hits than in the sample before, else back. Steps become smaller each time, but are
    as large as at first where the hits change by a twentieth of the sample. The window has a hundredth of the
    room at least, and four fifths at most.

    Raises:
        Nothing.

    Threads: one at a time; ``promote`` always asks for the lock.
    """

    __slots__ = ("_asked", "_before", "_hits", "_limit", "_most", "_shares", "_sketch", "_step")

    def __init__(self) -> None:
        super().__init__()
        self._sketch: Final = Sketch()
        self._most: int | None = None
        self._limit: int | None = None
        self._step = 0.0
        self._asked = self._hits = 0
        self._before = -1
        self._shares: list[float] = [0, 0, 0]

    def share(self, maxsize: int | None, weighed: bool) -> None:
        self._most = None if weighed else maxsize
        self._limit = maxsize
        self._step = 0.0 if maxsize is None else maxsize * _STEP
        self._begin()
        self._share(math.inf if maxsize is None else max(1, maxsize // 100))

    def _share(self, window: float) -> None:
        """Share the room out: so much for the window, and of what is left four fifths for the protected."""
        if self._limit is None:
            self._shares = [window, 0, math.inf]
        else:
            self._shares = [window, 0, max(0, self._limit - window) * 4 // 5]

    def _begin(self) -> None:
        """Begin a sample that is compared with none: of another size, or after all was forgotten."""
        self._asked = self._hits = 0
        self._before = -1

    def _count(self, entry: Entry, hit: bool) -> None:
        self._sketch.count(hash(entry.slot))
        self._hits += hit
        self._asked += 1
        if self._limit is not None and self._asked >= max(_SAMPLE * self._sketch.room, _SAMPLE_LEAST):
            self._climb(self._limit)

    def _climb(self, limit: int) -> None:
        """Take a step at the end of a sample."""
        hits, before, asked = self._hits, self._before, self._asked
        self._asked = self._hits = 0
        self._before = hits
        if before < 0:
            return
        change = hits - before
        step = -self._step if change < 0 else self._step
        self._move(limit, int(step))
        if abs(change) * 20 >= asked:
            self._step = math.copysign(limit * _STEP, step)
        else:
            self._step = step * _DECAY

    def _move(self, limit: int, by: int) -> None:
        """Give the window another share, and take what it grows by from the main part."""
        least = max(1, limit // 100)
        self._share(min(max(self._shares[_WINDOW] + by, least), max(limit * 4 // 5, least)))
        self.settle()
        queues, room = self.queues, self._shares[_WINDOW]
        while (entry := queues.first(_PROBATION, None) or queues.first(_PROTECTED, None)) is not None:
            if queues.lots[_WINDOW] + entry.weight > room:
                return
            queues.move(entry, _WINDOW, 0)

    def _frequency(self, entry: Entry) -> int:
        return self._sketch.frequency(hash(entry.slot))

    def use(self, entry: Entry) -> None:
        self._count(entry, True)
        self.queues.move(entry, _WINDOW if entry.queue == _WINDOW else _PROTECTED, 0)
        self.settle()

    def _hashes(self) -> list[int]:
        return [hash(entry.slot) for queue in self.queues.order for entry in [*queue]]

    def _reserve(self) -> None:
        room = self._sketch.room
        self._sketch.reserve(self.queues.count() + 1, self._most, self._hashes)
        if self._sketch.room != room:
            self._begin()

    def enter(self, entry: Entry) -> None:
        self._reserve()
        self._count(entry, False)
        self.queues.put(entry, _WINDOW, 0)

    def restore(self, entry: Entry, mark: int) -> None:
        self._reserve()
        self._sketch.at_least(hash(entry.slot), mark & 15)
        self.queues.put(entry, min(mark >> 4, _PROTECTED), 0)
        # The window has at least what it held there.
        limit, lot = self._limit, self.queues.lots[_WINDOW]
        if limit is not None and lot > self._shares[_WINDOW] and len(self.queues.order[_WINDOW]) > 1:
            self._share(min(lot, max(limit * 4 // 5, limit // 100, 1)))
        self.settle()

    def victim(self, keep: Entry | None) -> Entry | None:
        queues = self.queues
        one, other = queues.first(_WINDOW, keep), queues.first(_PROBATION, keep)
        if other is None:
            other = queues.first(_PROTECTED, keep)
        if one is None or other is None:
            last = keep if queues.count() else None
            return one if one is not None else other if other is not None else last
        if self._frequency(one) > self._frequency(other):
            queues.move(one, _PROBATION, 0)
            return other
        return one

    def settle(self) -> None:
        queues, shares = self.queues, self._shares
        while queues.lots[_WINDOW] > shares[_WINDOW] and len(queues.order[_WINDOW]) > 1:
            entry = queues.first(_WINDOW, None)
            if entry is not None:
                queues.move(entry, _PROBATION, 0)
        while queues.lots[_PROTECTED] > shares[_PROTECTED]:
            entry = queues.first(_PROTECTED, None)
            if entry is not None:
                queues.move(entry, _PROBATION, 0)

    def forget(self) -> None:
        self._sketch.forget()
        self._begin()

    def order(self) -> list[Entry]:
        window, probation, protected = ([*queue] for queue in self.queues.order)
        frequency = {entry: self._frequency(entry) for entry in window + probation + protected}
        order: list[Entry] = []
        first = second = third = 0
        while len(order) < len(frequency):
            main, at = (probation, second) if second < len(probation) else (protected, third)
            if first < len(window) and (at == len(main) or frequency[window[first]] <= frequency[main[at]]):
                order.append(window[first])
                first += 1
                continue
            order.append(main[at])
            if main is probation:
                second += 1
            else:
                third += 1
            if first < len(window):
                probation.append(window[first])
                first += 1
        return order

    def marks(self) -> list[tuple[Entry, int]]:
        return [
            (entry, self._frequency(entry) | number << 4)
            for number, queue in enumerate(self.queues.order)
            for entry in [*queue]
        ]
