"""A sketch of how often each key was asked for lately that is not in the table.

After Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
Transactions on Storage 2017.
"""

from __future__ import annotations

from typing import Final

from pystorage.engine._ghosts import stir

_ROWS: Final = 4
_WIDTH: Final = 16
_BLOCK: Final = _ROWS * _WIDTH
_BLOCK_ENTRIES: Final = 10
_PERIOD: Final = 10
_HALVES: Final = bytes(count // 2 for count in range(256))

#: No count is more than that.
MOST_COUNT: Final = 15


class Sketch:
    """Counts of what has left, in little room: two bits each in a Bloom filter, the doorkeeper, for those
    that were asked for once, and a count-min sketch for those that count more.

    The least of the four counters of a hash is its count, or more. No counter is raised beyond the count that
    is noted. When ten times as many were asked for as the sketch is made for, all are halved, and the
    doorkeeper begins anew. All that is known of a hash is in one block, of which each ten entries have one.

    Raises:
        Nothing.

    Cost: O(1), and halving is amortized.
    Threads: one at a time; who comes in between may make it forget something.
    """

    __slots__ = ("_counted", "_parts", "room")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget all.

        Raises:
            Nothing.
        """
        self._make(0, 0)
        self._counted = 0

    def _make(self, blocks: int, room: int) -> None:
        #: The doorkeeper, a number for each block, and the counters: read and replaced together.
        self._parts = ([0] * blocks, bytearray(blocks * _BLOCK))
        #: For how many entries it is made.
        self.room = room

    def reserve(self, need: int, most: int | None) -> None:
        """See to it that the sketch is made for so many entries. A larger one begins anew.

        Args:
            need: How many.
            most: More than which there can never be; None is any number.

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
        self._make((room + _BLOCK_ENTRIES - 1) // _BLOCK_ENTRIES, room)

    def count(self, hashed: int) -> int:
        """Say how often a key was asked for that is not in the table, as far as is known.

        Args:
            hashed: What ``hash`` gave.

        Returns:
            A number ≥ 0, at most 15.

        Raises:
            Nothing.
        """
        seen, counters = self._parts
        if not seen:
            return 0
        bits = stir(hashed)
        block = (bits >> 32) * len(seen) >> 32
        least = min([counters[place] for place in _places(block, bits)])
        return least or int(seen[block] & _door(bits) == _door(bits))

    def note(self, hashed: int, count: int) -> None:
        """Note the count of a key that leaves.

        Args:
            hashed: What ``hash`` gave.
            count: How often it was asked for, at most 15.

        Raises:
            Nothing.
        """
        seen, counters = self._parts
        if not seen or count == 0:
            return
        bits = stir(hashed)
        block = (bits >> 32) * len(seen) >> 32
        seen[block] |= _door(bits)
        if count > 1:
            for place in _places(block, bits):
                counters[place] = max(counters[place], count)

    def tick(self) -> bool:
        """Note that one more was asked for.

        Returns:
            Whether all counts were halved now; then those in the table are to be halved, too.

        Raises:
            Nothing.
        """
        self._counted += 1
        if self._counted < _PERIOD * self.room:
            return False
        self._counted //= 2
        seen, counters = self._parts
        self._parts = ([0] * len(seen), counters.translate(_HALVES))
        return True


def _places(block: int, bits: int) -> list[int]:
    """Give the places of the four counters of a hash, one in each row."""
    return [block * _BLOCK + row * _WIDTH + (bits >> row * 4 & 15) for row in range(_ROWS)]


def _door(bits: int) -> int:
    """Give the bits of a hash in the doorkeeper of its block, one in each half."""
    return 1 << (bits >> 16 & 127) | 1 << 128 + (bits >> 24 & 127)
