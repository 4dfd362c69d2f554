"""Count words once: a slow function whose results stay from one run to the next.

Run it twice: the second run reads what the first one left in the folder ``word-counts``.
"""

from __future__ import annotations

from collections import Counter

from pystorage import FileStorage, memoize

TEXT = "the wheel turns and the river runs and the wheel stays where the wheel is"


@memoize(FileStorage("word-counts"))
def most_common(text: str, count: int) -> list[list[object]]:
    """Say which words are the most common ones, and how often each occurs."""
    print("counting …")
    return [list(pair) for pair in Counter(text.split()).most_common(count)]


def main() -> None:
    """Ask twice: it counts once, or not at all if an earlier run did."""
    for _ in range(2):
        print(most_common(TEXT, count=2))
    print(most_common.cache_info())


if __name__ == "__main__":
    main()
