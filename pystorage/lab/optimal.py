"""The limit that no policy can pass: to know the future."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from heapq import heappop, heappush
from typing import Final

from pystorage.lab.policies import Policy

_NEVER: Final = 2**62


class OPT(Policy):
    """Belady's optimum: who is asked for again last, or never, goes first, be it the one that just came.

    It is made for one trace, and is asked for the keys of that trace, one after the other.

    Source: L. A. Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems
    Journal 5 (1966); that it is the best: R. L. Mattson and others, Evaluation techniques for storage
    hierarchies, IBM Systems Journal 9 (1970).

    Args:
        size: How many keys it holds, ≥ 1.
        trace: All keys that it will be asked for, in order.

    Raises:
        ValueError: The size is less than 1.

    Example:
        >>> trace = "abcabc"
        >>> policy = OPT(2, trace)
        >>> [policy.request(key) for key in trace]
        [False, False, False, True, True, False]
    """

    def __init__(self, size: int, trace: Sequence[Hashable]) -> None:
        super().__init__(size)
        self._trace = trace
        self._next = _next_uses(trace)
        self._at = 0
        self._held: dict[Hashable, int] = {}  # key → when it is asked for next
        self._heap: list[
            tuple[int, int]
        ] = []  # minus that, and where the key stands in the trace; also old ones

    def request(self, key: Hashable) -> bool:
        """Ask for the next key of the trace.

        Args:
            key: The one that comes next in the trace.

        Returns:
            Whether it was a hit.

        Raises:
            ValueError: Another key comes next in the trace, or none.
        """
        if self._at == len(self._trace) or self._trace[self._at] != key:
            raise ValueError(f"the trace that OPT was made for does not have {key!r} as request {self._at}")
        hit = key in self._held
        self._held[key] = again = self._next[self._at]
        heappush(self._heap, (-again, self._at))
        self._at += 1
        if len(self._held) > self.size:
            self._evict()
        return hit

    def _evict(self) -> None:
        while True:
            again, at = heappop(self._heap)
            if self._held.get(self._trace[at]) == -again:
                del self._held[self._trace[at]]
                return


def _next_uses(trace: Sequence[Hashable]) -> array[int]:
    """Give for each request where its key is asked for again."""
    uses = array("q", [_NEVER]) * len(trace)
    seen: dict[Hashable, int] = {}
    for at in range(len(trace) - 1, -1, -1):
        uses[at] = seen.get(trace[at], _NEVER)
        seen[trace[at]] = at
    return uses
