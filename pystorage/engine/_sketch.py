"""A sketch of how often each key was asked for lately, of keys that are not in the table too.

After Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
Transactions on Storage 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pystorage.engine._ghosts import stir

_ROWS: Final = 4
_WIDTH: Final = 32
_BLOCK: Final = _ROWS * _WIDTH
_MOST: Final = 15
_SAMPLE: Final = 10
_HALVES: Final = bytes(count // 2 for count in range(256))


class Sketch:
    """A count-min sketch: the least of the four counters of a hash is how often it was counted, or more.

    Only the counters that are the least are raised, up to 15. When ten times as many were counted as the
    sketch is made for, all counters are halved. The four counters of a hash are in one block.

    Raises:
        Nothing.

    Cost: O(1), and halving is amortized.
    Threads: one at a time; who comes in between may make it forget something.
    """

    __slots__ = ("_blocks", "_counted", "_counters", "room")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget all.

        Raises:
            Nothing.
        """
        self._counters = bytearray()
        self._blocks = self._counted = 0
        #: For how many entries it is made.
        self.room = 0

    def reserve(self, need: int, most: int | None, hashes: Callable[[], Iterable[int]]) -> None:
        """See to it that the sketch is made for so many entries.

        Args:
            need: How many.
            most: More than which there can never be; None is any number.
            hashes: Gives the hashes of which all that is known is to stay.

        Raises:
            Nothing.

        Cost: O(n) where it grows, amortized.
        """
        if most is not None and need > most:
            need = most
        if need <= self.room:
            return
        room = 16 if self.room < 8 else self.room * 2
        if most is not None and room > most:
            room = most
        other = Sketch()
        other._blocks = (room * 3 + 31) // 32
        other._counters = bytearray(other._blocks * _BLOCK)
        for hashed in hashes():
            other.at_least(hashed, self.frequency(hashed))
        self._counters, self._blocks, self.room = other._counters, other._blocks, room

    def _places(self, hashed: int) -> list[int]:
        bits = stir(hashed)
        begin = ((bits >> 32) * self._blocks >> 32) * _BLOCK
        return [begin + row * _WIDTH + (bits >> row * 5 & 31) for row in range(_ROWS)]

    def frequency(self, hashed: int) -> int:
        """Say how often a hash was counted, as far as is known.

        Args:
            hashed: What ``hash`` gave.

        Returns:
            A number ≥ 0, at most 15.

        Raises:
            Nothing.
        """
        counters = self._counters
        return min([counters[place] for place in self._places(hashed)]) if counters else 0

    def at_least(self, hashed: int, count: int) -> None:
        """See to it that a hash counts as often as that.

        Args:
            hashed: What ``hash`` gave.
            count: How often, at most 15.

        Raises:
            Nothing.
        """
        counters = self._counters
        if counters:
            for place in self._places(hashed):
                counters[place] = max(counters[place], count)

    def count(self, hashed: int) -> None:
        """Count a hash once more.

        Args:
            hashed: What ``hash`` gave.

        Raises:
            Nothing.
        """
        least = self.frequency(hashed)
        if least < _MOST:
            self.at_least(hashed, least + 1)
        self._counted += 1
        if self._counted >= _SAMPLE * self.room:
            self._counted //= 2
            self._counters = self._counters.translate(_HALVES)
