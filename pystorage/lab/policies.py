"""Eviction policies as their papers have them, to be read: a set of keys, and who leaves it for whom.

Each is told of one request after the other and says whether it was a hit; there are no values. A miss brings
the key in. They are slow, and share nothing with the engine, so that they can judge it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Final

#: Keys in a queue: the first is the next to be looked at for eviction, the last came last.
_Queue = OrderedDict[Hashable, None]


class Policy(ABC):
    """A policy of so many entries.

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a policy holds at least one key, not {size}")
        self.size = size

    @abstractmethod
    def request(self, key: Hashable) -> bool:
        """Ask for a key, which is brought in if it is absent.

        Args:
            key: What is asked for.

        Returns:
            Whether it was a hit.

        Raises:
            TypeError: The key cannot be hashed.
        """


class FIFO(Policy):
    """First in, first out: who came first goes first, used or not.

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> policy = FIFO(2)
        >>> [policy.request(key) for key in "abaca"]
        [False, False, True, False, False]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._queue: _Queue = OrderedDict()

    def request(self, key: Hashable) -> bool:
        if key in self._queue:
            return True
        if len(self._queue) == self.size:
            self._queue.popitem(last=False)
        self._queue[key] = None
        return False


class LRU(FIFO):
    """Least recently used: who was not used for longest goes first.

    Source: L. A. Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems
    Journal 5 (1966).

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> policy = LRU(2)
        >>> [policy.request(key) for key in "abaca"]
        [False, False, True, False, True]
    """

    def request(self, key: Hashable) -> bool:
        hit = super().request(key)
        self._queue.move_to_end(key)
        return hit


class _Node:
    """A key in the queue of SIEVE."""

    __slots__ = ("key", "newer", "older", "visited")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.visited = False
        self.newer: _Node | None = None
        self.older: _Node | None = None


class Sieve(Policy):
    """A queue that nobody moves in, and a hand that goes from old to new and spares who was used since.

    Source: Y. Zhang and others, SIEVE is simpler than LRU: an efficient turn-key eviction algorithm for web
    caches, NSDI 2024, algorithm 1.

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> policy = Sieve(2)
        >>> [policy.request(key) for key in "abacacba"]
        [False, False, True, False, True, True, False, False]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._nodes: dict[Hashable, _Node] = {}
        self._oldest: _Node | None = None
        self._newest: _Node | None = None
        self._hand: _Node | None = None

    def request(self, key: Hashable) -> bool:
        node = self._nodes.get(key)
        if node is not None:
            node.visited = True
            return True
        if len(self._nodes) == self.size:
            self._evict()
        node = _Node(key)
        node.older, self._newest = self._newest, node
        if node.older is None:
            self._oldest = node
        else:
            node.older.newer = node
        self._nodes[key] = node
        return False

    def _evict(self) -> None:
        node = self._hand or self._oldest
        assert node is not None
        while node.visited:
            node.visited = False
            node = node.newer or self._oldest
            assert node is not None
        self._hand = node.newer
        if node.older is None:
            self._oldest = node.newer
        else:
            node.older.newer = node.newer
        if node.newer is None:
            self._newest = node.older
        else:
            node.newer.older = node.older
        del self._nodes[node.key]


class S3FIFO(Policy):
    """Three queues: a small one where new keys prove themselves, the main one, and one of keys that left.

    The small queue has a tenth of the size, and as many keys as the main one holds are remembered after they
    left the small one: who comes back while it is remembered goes to the main queue at once.

    Source: J. Yang and others, FIFO queues are all you need for cache eviction, SOSP 2023, algorithm 1.

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> policy = S3FIFO(10)
        >>> [policy.request(key) for key in "aab"]
        [False, True, False]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._small_size = max(1, size // 10)
        self._main_size = size - self._small_size
        self._small: OrderedDict[Hashable, int] = OrderedDict()  # key → uses since it came, three at most
        self._main: OrderedDict[Hashable, int] = OrderedDict()
        self._ghosts: _Queue = OrderedDict()

    def request(self, key: Hashable) -> bool:
        for queue in (self._small, self._main):
            if key in queue:
                queue[key] = min(queue[key] + 1, 3)
                return True
        while len(self._small) + len(self._main) >= self.size:
            self._evict()
        if key in self._ghosts:
            del self._ghosts[key]
            self._main[key] = 0
        else:
            self._small[key] = 0
        return False

    def _evict(self) -> None:
        if len(self._small) >= self._small_size or not self._main:
            self._evict_from_small()
        else:
            self._evict_from_main()

    def _evict_from_small(self) -> None:
        while self._small:
            key, uses = self._small.popitem(last=False)
            if uses <= 1:
                self._remember(key)
                return
            if len(self._main) >= self._main_size and self._main:
                self._evict_from_main()
            self._main[key] = 0

    def _evict_from_main(self) -> None:
        while True:
            key, uses = self._main.popitem(last=False)
            if uses == 0:
                return
            self._main[key] = uses - 1

    def _remember(self, key: Hashable) -> None:
        self._ghosts[key] = None
        if len(self._ghosts) > self._main_size:
            self._ghosts.popitem(last=False)


class WTinyLFU(Policy):
    """A small LRU window before a main part that admits who is asked for more often than who would go.

    The window has a hundredth of the size; the main part is a segmented LRU, four fifths of it protected. How
    often a key is asked for is counted up to 15, and halved after ten times as many requests as the size. The
    counts are exact here where the paper has a sketch that approximates them.

    Source: G. Einziger, R. Friedman and B. Manes, TinyLFU: a highly efficient cache admission policy, ACM
    Transactions on Storage 13 (2017).

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> policy = WTinyLFU(2)
        >>> [policy.request(key) for key in "aabca"]
        [False, True, False, False, True]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._divide(max(1, size // 100))
        self._window: _Queue = OrderedDict()
        self._probation: _Queue = OrderedDict()
        self._protected: _Queue = OrderedDict()
        self._counts: dict[Hashable, int] = {}
        self._counted = 0

    def _divide(self, window: int) -> None:
        self._window_size = window
        self._main_size = self.size - window
        self._protected_size = self._main_size * 4 // 5

    def request(self, key: Hashable) -> bool:
        self._count(key)
        for queue in (self._window, self._protected):
            if key in queue:
                queue.move_to_end(key)
                return True
        if key in self._probation:
            self._protect(key)
            return True
        self._window[key] = None
        if len(self._window) > self._window_size:
            self._admit(self._window.popitem(last=False)[0])
        return False

    def _count(self, key: Hashable) -> None:
        self._counts[key] = min(self._counts.get(key, 0) + 1, 15)
        self._counted += 1
        if self._counted == 10 * self.size:
            self._counts = {known: count // 2 for known, count in self._counts.items() if count > 1}
            self._counted //= 2

    def _protect(self, key: Hashable) -> None:
        del self._probation[key]
        self._protected[key] = None
        self._shrink(self._protected, self._protected_size)

    def _shrink(self, queue: _Queue, size: int) -> None:
        """Let what is too much for a queue go on probation."""
        while len(queue) > size:
            self._probation[queue.popitem(last=False)[0]] = None

    def _admit(self, candidate: Hashable) -> None:
        if len(self._probation) + len(self._protected) < self._main_size:
            self._probation[candidate] = None
            return
        queue = self._probation or self._protected
        if queue and self._wins(candidate):
            queue.popitem(last=False)
            self._probation[candidate] = None

    def _wins(self, candidate: Hashable) -> bool:
        return self._lead(candidate) > 0

    def _lead(self, key: Hashable) -> float:
        """How much more often a key was asked for than the one that is the first to go of the main part."""
        queue = self._probation or self._protected
        return self._counts.get(key, 0) - self._counts.get(next(iter(queue)), 0) if queue else math.inf


class AdaptiveWTinyLFU(WTinyLFU):
    """W-TinyLFU with a window that adapts, and an admission that loops do not mislead.

    A key at the end of the window was asked for just now, and the one that would go for it was not: it has to
    lead by two, where the paper says by one, but one in 64 of those that lead by one gets in. Otherwise, in a
    loop, each that comes back would push out the one that is due next.

    The window climbs the hill of hits, by its slope: after as many requests as the size, 2,000 at least, it
    grows where it had more hits for its keys than probation, and else shrinks: by a fifth of the size, and to
    three times itself, at most. Only hits on keys that the main part would not have let in count, and for
    seven tenths. It has from a hundredth to four fifths of the size.

    Source: the window that adapts, by other signs: G. Einziger, O. Eytan, R. Friedman and B. Manes, Adaptive
    software cache management, Middleware 2018.

    Args:
        size: How many keys it holds, ≥ 1.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> policy = AdaptiveWTinyLFU(2)
        >>> [policy.request(key) for key in "aabca"]
        [False, True, False, False, True]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._least = self._window_size
        self._most = max(self._least, size * 4 // 5)
        self._begin()
        self._close = 0

    def _begin(self) -> None:
        self._asked = self._gain = self._loss = 0

    def request(self, key: Hashable) -> bool:
        self._gain += key in self._window and self._lead(key) <= 1
        self._loss += key in self._probation
        hit = super().request(key)
        self._asked += 1
        if self._asked == max(self.size, 2_000):
            self._climb()
        return hit

    def _wins(self, candidate: Hashable) -> bool:
        lead = self._lead(candidate)
        self._close += lead == 1
        return lead > 1 or (lead == 1 and self._close % 64 == 0)

    def _climb(self) -> None:
        gain = 0.7 * self._gain / len(self._window) if self._window else 0
        loss = self._loss / len(self._probation) if self._probation else 0
        slope = (gain - loss) / (gain + loss) if gain + loss else -1
        step = min(slope * self.size / 5, 2 * self._window_size)
        window = self._window_size + (math.ceil(step) if step > 0 else math.floor(step))
        self._begin()
        self._divide(min(max(window, self._least), self._most))
        self._shrink(self._window, self._window_size)
        self._shrink(self._protected, self._protected_size)
        while len(self._window) < self._window_size and (queue := self._probation or self._protected):
            self._window[queue.popitem(last=False)[0]] = None


#: The policies by the names that ``CacheStorage`` has for them.
POLICIES: Final[Mapping[str, Callable[[int], Policy]]] = MappingProxyType(
    {"lru": LRU, "fifo": FIFO, "sieve": Sieve, "s3fifo": S3FIFO, "tinylfu": AdaptiveWTinyLFU}
)
