"""A clock that stands still until it is told to go on."""

from __future__ import annotations


class FakeClock:
    """A clock for tests: give it as ``timer=`` and move it by hand.

    Args:
        now: The time it begins with, in seconds.

    Raises:
        Nothing.

    Threads: any number may read it while one moves it.
    Processes: a copy in each.

    Example:
        >>> clock = FakeClock()
        >>> start = clock()
        >>> clock.advance(2.5)
        >>> clock() - start
        2.5
    """

    __slots__ = ("now",)

    # A time of the wall clock, so that a storage which takes it for one does not wonder; and one that a float
    # holds with room for small fractions, so that a deadline can be met exactly.
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: How long, ≥ 0.

        Raises:
            ValueError: It is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock goes on, not back: {seconds!r} seconds")
        self.now += seconds

    def __repr__(self) -> str:
        return f"FakeClock({self.now!r})"
