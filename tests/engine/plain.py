"""The policies in the plainest words: lists of keys, and no thought of speed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from pystorage.engine._ghosts import Ghosts, stir
from pystorage.engine._sketch import Sketch

NOBODY = object()


class Order:
    """Keys in a list, the first to go at the beginning; this one is LRU."""

    def __init__(self, maxsize: float, weighed: bool = False) -> None:
        self.weighed = weighed
        self.keys: list[Any] = []
        self.weights: dict[Any, int] = {}
        self.share(maxsize)

    def share(self, maxsize: float) -> None:
        """Take another limit."""

    def enter(self, key: Any, weight: int) -> None:
        self.weights[key] = weight
        self.keys.append(key)

    def use(self, key: Any, weight: int | None = None) -> None:
        if weight is not None:
            self.weights[key] = weight
        self.keys.append(self.keys.pop(self.keys.index(key)))

    def leave(self, key: Any) -> None:
        self.keys.remove(key)
        del self.weights[key]

    def victim(self, keep: Any = NOBODY) -> Any:
        return next((key for key in self.keys if key != keep), keep)

    def evicted(self, key: Any) -> None:
        """Take note of a key that is about to leave to make room."""

    def settle(self) -> None:
        """Do what is left to do when there is room."""

    def arrived(self, key: Any) -> None:
        """Take note that there is room for a new key."""

    def copied(self) -> None:
        """Forget what a copy does not know."""

    def cleared(self) -> None:
        """Forget what is forgotten with the last entry."""

    def order(self) -> list[Any]:
        """Give all keys in the order in which they would go."""
        rest, order = copy.deepcopy(self), []
        while rest.weights:
            order.append(rest.victim())
            rest.leave(order[-1])
        return order

    def lying(self) -> list[Any]:
        """Give all keys as they lie."""
        return list(self.keys)


class FIFO(Order):
    """Keys in the order in which they came."""

    def use(self, key: Any, weight: int | None = None) -> None:
        if weight is not None:
            self.weights[key] = weight


class SIEVE(FIFO):
    """The same with a hand."""

    def __init__(self, maxsize: float, weighed: bool = False) -> None:
        super().__init__(maxsize, weighed)
        self.visited: dict[Any, bool] = {}
        self.hand: Any = NOBODY

    def __deepcopy__(self, memo: Any) -> SIEVE:
        other = SIEVE(0)
        other.keys, other.weights = list(self.keys), dict(self.weights)
        other.visited, other.hand = dict(self.visited), self.hand
        return other

    def enter(self, key: Any, weight: int) -> None:
        super().enter(key, weight)
        self.visited[key] = False

    def use(self, key: Any, weight: int | None = None) -> None:
        super().use(key, weight)
        self.visited[key] = True

    def arrived(self, key: Any) -> None:
        if key == self.hand:
            self.hand = NOBODY

    def leave(self, key: Any) -> None:
        if key == self.hand:
            at = self.keys.index(key) + 1
            self.hand = self.keys[at] if at < len(self.keys) else NOBODY
        super().leave(key)
        del self.visited[key]

    def victim(self, keep: Any = NOBODY) -> Any:
        at = 0 if self.hand is NOBODY else self.keys.index(self.hand)
        while True:
            key = self.keys[at]
            if key == keep:
                if len(self.keys) == 1:
                    return key
            elif self.visited[key]:
                self.visited[key] = False
            else:
                self.hand = key
                return key
            at = (at + 1) % len(self.keys)


class S3FIFO(Order):
    """A small list and a main one; ghosts are as the engine in Python remembers them."""

    def __init__(self, maxsize: float, weighed: bool = False) -> None:
        super().__init__(maxsize, weighed)
        self.small: list[Any] = []
        self.main: list[Any] = []
        self.uses: dict[Any, int] = {}
        self.ghosts = Ghosts()

    def share(self, maxsize: float) -> None:
        self.tenth = maxsize if math.isinf(maxsize) else max(1, maxsize // 10)

    def __deepcopy__(self, memo: Any) -> S3FIFO:
        other = S3FIFO(0)
        other.tenth, other.weights, other.uses = self.tenth, dict(self.weights), dict(self.uses)
        other.small, other.main = list(self.small), list(self.main)
        return other

    def enter(self, key: Any, weight: int) -> None:
        (self.main if self.ghosts.take(hash(key), len(self.uses)) else self.small).append(key)
        self.weights[key], self.uses[key] = weight, 0

    def use(self, key: Any, weight: int | None = None) -> None:
        if weight is not None:
            self.weights[key] = weight
        self.uses[key] = min(3, self.uses[key] + 1)

    def leave(self, key: Any) -> None:
        (self.small if key in self.small else self.main).remove(key)
        del self.weights[key], self.uses[key]

    def victim(self, keep: Any = NOBODY) -> Any:
        while True:
            small, main = ([key for key in queue if key != keep] for queue in (self.small, self.main))
            if small and (sum(self.weights[key] for key in small) >= self.tenth or not main):
                if self.uses[small[0]] < 2:
                    return small[0]
                self.small.remove(small[0])
                self.main.append(small[0])
                self.uses[small[0]] = 0
            elif not main:
                return keep
            elif self.uses[main[0]] == 0:
                return main[0]
            else:
                self.main.remove(main[0])
                self.main.append(main[0])
                self.uses[main[0]] -= 1

    def evicted(self, key: Any) -> None:
        if key in self.small:
            self.ghosts.note(hash(key), len(self.uses))

    def copied(self) -> None:
        self.ghosts.forget()

    def cleared(self) -> None:
        self.ghosts.forget()

    def lying(self) -> list[Any]:
        return self.small + self.main


class TinyLFU(Order):
    """A window and a main part of two lists; the sketch is that of the engine in Python."""

    def __init__(self, maxsize: float, weighed: bool = False) -> None:
        super().__init__(maxsize, weighed)
        self.queues: list[list[Any]] = [[], [], []]
        self.counts: dict[Any, int] = {}
        self.sketch = Sketch()

    def share(self, maxsize: float) -> None:
        self.most = None if self.weighed or math.isinf(maxsize) else int(maxsize)
        self.window = maxsize if math.isinf(maxsize) else max(1, maxsize // 100)
        self.protected = maxsize if math.isinf(maxsize) else max(0, maxsize - self.window) * 4 // 5

    def __deepcopy__(self, memo: Any) -> TinyLFU:
        other = copy.copy(self)
        other.weights, other.counts, other.sketch = dict(self.weights), dict(self.counts), Sketch()
        other.queues = [list(queue) for queue in self.queues]
        return other

    def enter(self, key: Any, weight: int) -> None:
        self.sketch.reserve(len(self.weights) + 1, self.most)
        self.counts[key] = min(15, self.sketch.count(hash(key)) + 1)
        self.tick()
        self.queues[0].append(key)
        self.weights[key] = weight

    def tick(self) -> None:
        if self.sketch.tick():
            self.counts = {key: count // 2 for key, count in self.counts.items()}

    def use(self, key: Any, weight: int | None = None) -> None:
        if weight is not None:
            self.weights[key] = weight
        self.counts[key] = min(15, self.counts[key] + 1)
        if key in self.queues[0]:
            self.move(key, 0)
        else:
            self.move(key, 2)
        self.settle()
        self.tick()

    def leave(self, key: Any) -> None:
        next(queue for queue in self.queues if key in queue).remove(key)
        del self.weights[key]
        self.sketch.note(hash(key), self.counts.pop(key))

    def move(self, key: Any, to: int) -> None:
        queue = next(queue for queue in self.queues if key in queue)
        self.queues[to].append(queue.pop(queue.index(key)))

    def weight(self, number: int) -> int:
        return sum(self.weights[key] for key in self.queues[number])

    def settle(self) -> None:
        while self.weight(0) > self.window and len(self.queues[0]) > 1:
            self.move(self.queues[0][0], 1)
        while self.weight(2) > self.protected:
            self.move(self.queues[2][0], 1)

    def victim(self, keep: Any = NOBODY) -> Any:
        window = [key for key in self.queues[0] if key != keep]
        main = [key for key in self.queues[1] + self.queues[2] if key != keep]
        if not window or not main:
            return (window + main + [keep])[0]
        lead = self.counts[window[0]] - self.counts[main[0]]
        if lead > 1 or (lead == 1 and (stir(hash(window[0])) ^ stir(hash(main[0]))) % 64 == 0):
            self.move(window[0], 1)
            return main[0]
        return window[0]

    def copied(self) -> None:
        self.sketch = Sketch()
        for number in range(len(self.weights)):
            self.sketch.reserve(number + 1, self.most)

    def cleared(self) -> None:
        self.sketch.forget()

    def lying(self) -> list[Any]:
        return self.queues[0] + self.queues[1] + self.queues[2]


ORDERS: dict[str, Callable[[float, bool], Order]] = {
    "lru": Order,
    "fifo": FIFO,
    "sieve": SIEVE,
    "s3fifo": S3FIFO,
    "tinylfu": TinyLFU,
}
