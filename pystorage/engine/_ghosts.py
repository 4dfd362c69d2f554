"""Ghosts: hashes of what has left a cache, in little room."""

from __future__ import annotations

from typing import Final

_WAYS: Final = 16
_MASK: Final = 2**64 - 1
_MARK: Final = 0xFFFF0000


def stir(hashed: int) -> int:
    """Spread a hash over 64 bits, all of them well.

    Args:
        hashed: What ``hash`` gave.

    Returns:
        A number ≥ 0 and < 2**64, the same as in C.

    Raises:
        Nothing.

    Example:
        >>> stir(0), stir(1) == stir(1 + 2**64)
        (0, True)
    """
    bits = hashed & _MASK
    bits = (bits ^ bits >> 32) * 0x9E3779B97F4A7C15 & _MASK
    bits = (bits ^ bits >> 29) * 0xD6E8FEB86659FD93 & _MASK
    return bits ^ bits >> 32


class Ghosts:
    """Hashes in the order of time, as many as the main queue of S3-FIFO may have entries.

    They lie in buckets of sixteen, each with 16 bits of the hash and the lower bits of the time when it came,
    counted in ghosts. The oldest of its bucket makes room for the next.

    Raises:
        Nothing.

    Cost: O(1).
    Threads: one at a time; who comes in between may make it forget something.
    """

    __slots__ = ("_buckets", "_shift", "_slots", "_time")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget all.

        Raises:
            Nothing.
        """
        self._slots: list[int] = []
        self._buckets = self._time = self._shift = 0

    def _age(self, ghost: int) -> int:
        return ((self._time >> self._shift) - ghost & 0xFFFF) << self._shift

    def note(self, hashed: int, used: int) -> None:
        """Remember a hash.

        Args:
            hashed: What ``hash`` gave for the key that leaves.
            used: How many entries there are, with that one.

        Raises:
            Nothing.
        """
        if self._buckets * (_WAYS - 2) < used:
            self.forget()
            self._buckets = used // (_WAYS - 4) + 1
            self._slots = [0] * (self._buckets * _WAYS)
            while 1 << self._shift << 8 < self._buckets:
                self._shift += 1
        slots, bits = self._slots, stir(hashed)
        begin, mark = (bits >> 32) * self._buckets >> 32, bits & _MARK
        self._time += 1
        oldest, at = 0, begin * _WAYS
        for place in range(begin * _WAYS, (begin + 1) * _WAYS):
            slot = slots[place]
            age = 2**64 if not slot else 2**65 if slot & _MARK == mark else self._age(slot)
            if age > oldest:
                oldest, at = age, place
        slots[at] = mark | self._time >> self._shift & 0xFFFF

    def take(self, hashed: int, used: int) -> bool:
        """Say whether a hash is remembered, which is over with that.

        Args:
            hashed: What ``hash`` gave for the key that comes.
            used: How many entries there are.

        Returns:
            Whether it is.

        Raises:
            Nothing.
        """
        slots, bits = self._slots, stir(hashed)
        begin = (bits >> 32) * self._buckets >> 32
        for place in range(begin * _WAYS, min((begin + 1) * _WAYS, len(slots))):
            slot = slots[place]
            if slot and slot & _MARK == bits & _MARK:
                slots[place] = 0
                return self._age(slot) < used - used // 10
        return False
