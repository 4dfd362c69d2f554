"""Count visits from many processes at once, and begin anew a day after the first."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

from pystorage import FileStorage

DAY = 24 * 3600


def visit(name: str) -> int:
    """Note a visit and say how many there have been: each process opens the folder for itself."""
    with FileStorage[str, int]("visits") as visits:
        # Not `visits[name] += 1`: another process might write between the read and the write.
        return visits.incr(name, ttl=DAY)


def main() -> None:
    """Forty visits by two people, from four processes."""
    with ProcessPoolExecutor(4) as processes:
        list(processes.map(visit, ["ann", "bob"] * 20))
    with FileStorage[str, int]("visits") as visits:
        for name in sorted(visits):
            print(name, "came", visits[name], "times")


if __name__ == "__main__":
    main()
