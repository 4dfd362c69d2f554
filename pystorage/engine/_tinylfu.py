"""W-TinyLFU: a window, and a main part into which an entry gets that is asked for more often.

After Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
Transactions on Storage 2017. The window that adapts, after Gil Einziger, Ohad Eytan, Roy Friedman, Ben Manes:
Adaptive Software Cache Management. Middleware 2018.
"""

from __future__ import annotations

import math
from typing import Final

from pystorage.engine._entry import Entry
from pystorage.engine._ghosts import stir
from pystorage.engine._queues import Policy
from pystorage.engine._sketch import MOST_COUNT, Sketch

_WINDOW: Final = 0
_PROBATION: Final = 1
_PROTECTED: Final = 2

#: A sample has as many requests as there are entries; fewer than the least say nothing about a small cache.
_SAMPLE_LEAST: Final = 2_000
#: What hits in the window count for beside those on probation, as they are not all at its end.
_WINDOW_PART: Final = 0.7
#: The largest step of the window, as a part of the room.
_STEP_MOST: Final = 0.2
#: By how many times itself the window grows at most: its hits say little about places far beyond its end.
_GROWTH_MOST: Final = 2.0
#: Of so many pairs that differ by one, one is let through.
_SPARED: Final = 64


class TinyLFU(Policy):
    """The order of W-TinyLFU: of two that are to go, the one that is asked for less goes.

    A new entry goes into the window, an LRU of a hundredth of the room at first. The one that was there for
    longest has to show that it is asked for more often than the first to go of the main part: the one of the
    two that is asked for less leaves, the other one stays in the main part. The main part is two lists, each
    an LRU: what was used there is protected, in up to four fifths of it; the first to go is one on probation
    while there is one.

    Each entry has its count, up to 15, and the sketch has those of what is not there. A new entry was asked
    for just now, and the other one was not: so more often is more often by two. Else, in a loop over more
    than there is room for, each that comes back would push out the one that is due next. One of 64 pairs that
    differ by one is let through, by their hashes, or what is dead might be there for ever.

    The window climbs the hill of hits by its slope. Hits in the window would be misses in a smaller one,
    unless the entry had been let into the main part; hits on probation would be misses in a smaller main
    part. After each sample the window grows where it had more of those hits for what it holds than probation
    had, and shrinks where it had fewer. It has a hundredth of the room at least, and four fifths at most.

    Raises:
        Nothing.

    Threads: one at a time; ``promote`` always asks for the lock.
    """

    __slots__ = ("_asked", "_limit", "_most", "_probation", "_shares", "_sketch", "_window")

    def __init__(self) -> None:
        super().__init__()
        self._sketch: Final = Sketch()
        self._most: int | None = None
        self._limit: int | None = None
        self._shares: list[float] = [0, 0, 0]
        self._begin()

    def share(self, maxsize: int | None, weighed: bool) -> None:
        self._most = None if weighed else maxsize
        self._limit = maxsize
        self._begin()
        self._share(math.inf if maxsize is None else max(1, maxsize // 100))

    def _share(self, window: float) -> None:
        """Share the room out: so much for the window, and of what is left four fifths for the protected."""
        if self._limit is None:
            self._shares = [window, 0, math.inf]
        else:
            self._shares = [window, 0, max(0, self._limit - window) * 4 // 5]

    def _begin(self) -> None:
        """Begin a sample: of another size, or after all was forgotten."""
        self._asked = self._window = self._probation = 0

    def _tick(self) -> bool:
        """Note that one more was asked for; say whether all counts were halved now."""
        self._asked += 1
        if self._asked >= max(self._sketch.room, _SAMPLE_LEAST) and self._limit is not None:
            self._climb(self._limit)
        if not self._sketch.tick():
            return False
        for queue in self.queues.order:
            for entry in [*queue]:
                entry.mark //= 2
        return True

    def _climb(self, limit: int) -> None:
        """Take a step at the end of a sample. Where there were no such hits, the window is of no use."""
        window, probation = (float(self.queues.lots[number]) for number in (_WINDOW, _PROBATION))
        gain = self._window * _WINDOW_PART / window if window > 0 else 0.0
        loss = self._probation / probation if probation > 0 else 0.0
        slope = (gain - loss) / (gain + loss) if gain + loss > 0 else -1.0
        step = min(slope * float(limit) * _STEP_MOST, float(self._shares[_WINDOW]) * _GROWTH_MOST)
        self._begin()
        self._move(limit, math.ceil(step) if step > 0 else math.floor(step))

    def _move(self, limit: int, by: int) -> None:
        """Give the window another share, and take what it grows by from the main part."""
        least = max(1, limit // 100)
        self._share(min(max(self._shares[_WINDOW] + by, least), max(limit * 4 // 5, least)))
        self.settle()
        queues, room = self.queues, self._shares[_WINDOW]
        while (entry := queues.first(_PROBATION, None) or queues.first(_PROTECTED, None)) is not None:
            if queues.lots[_WINDOW] + entry.weight > room:
                return
            queues.move(entry, _WINDOW, entry.mark)

    def use(self, entry: Entry) -> None:
        if entry.queue == _WINDOW:
            rival = self._rival(None)
            self._window += rival is not None and entry.mark <= rival.mark + 1
        elif entry.queue == _PROBATION:
            self._probation += 1
        mark = min(entry.mark + 1, MOST_COUNT)
        self.queues.move(entry, _WINDOW if entry.queue == _WINDOW else _PROTECTED, mark)
        self.settle()
        self._tick()

    def _reserve(self) -> None:
        room = self._sketch.room
        self._sketch.reserve(self.queues.count() + 1, self._most)
        if self._sketch.room != room:
            self._begin()

    def enter(self, entry: Entry) -> None:
        self._reserve()
        mark = min(self._sketch.count(hash(entry.slot)) + 1, MOST_COUNT)
        self.queues.put(entry, _WINDOW, mark // 2 if self._tick() else mark)

    def left(self, entry: Entry) -> None:
        self._sketch.note(hash(entry.slot), entry.mark)

    def restore(self, entry: Entry, mark: int) -> None:
        self._reserve()
        self.queues.put(entry, min(mark >> 4, _PROTECTED), mark & 15)
        # The window has at least what it held there.
        limit, lot = self._limit, self.queues.lots[_WINDOW]
        if limit is not None and lot > self._shares[_WINDOW] and len(self.queues.order[_WINDOW]) > 1:
            self._share(min(lot, max(limit * 4 // 5, limit // 100, 1)))
        self.settle()

    def _rival(self, keep: Entry | None) -> Entry | None:
        """Give the first to go of the main part."""
        first = self.queues.first(_PROBATION, keep)
        return first if first is not None else self.queues.first(_PROTECTED, keep)

    def victim(self, keep: Entry | None) -> Entry | None:
        queues = self.queues
        one, other = queues.first(_WINDOW, keep), self._rival(keep)
        if one is None or other is None:
            last = keep if queues.count() else None
            return one if one is not None else other if other is not None else last
        if _wins(one, other):
            queues.move(one, _PROBATION, one.mark)
            return other
        return one

    def settle(self) -> None:
        queues, shares = self.queues, self._shares
        while queues.lots[_WINDOW] > shares[_WINDOW] and len(queues.order[_WINDOW]) > 1:
            entry = queues.first(_WINDOW, None)
            if entry is not None:
                queues.move(entry, _PROBATION, entry.mark)
        while queues.lots[_PROTECTED] > shares[_PROTECTED]:
            entry = queues.first(_PROTECTED, None)
            if entry is not None:
                queues.move(entry, _PROBATION, entry.mark)

    def forget(self) -> None:
        self._sketch.forget()
        self._begin()

    def order(self) -> list[Entry]:
        window, probation, protected = ([*queue] for queue in self.queues.order)
        count = len(window) + len(probation) + len(protected)
        order: list[Entry] = []
        first = second = third = 0
        while len(order) < count:
            main, at = (probation, second) if second < len(probation) else (protected, third)
            if first < len(window) and (at == len(main) or not _wins(window[first], main[at])):
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
            (entry, entry.mark | number << 4)
            for number, queue in enumerate(self.queues.order)
            for entry in [*queue]
        ]


def _wins(one: Entry, other: Entry) -> bool:
    """Say whether an entry of the window is asked for more often than one of the main part."""
    count, rival = one.mark, other.mark + 1
    if count == rival:
        return (stir(hash(one.slot)) ^ stir(hash(other.slot))) % _SPARED == 0
    return count > rival
