"""What type checkers are to make of the package; checked by them, and never run.

Each line that must be refused says so by an ignore, which is an error itself where it is not needed.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator
from typing import Any, assert_type

from pystorage import (
    FileStorage,
    JSONStorageService,
    LRUStorage,
    MemoryStorage,
    Stats,
    Storage,
    VolatileStorage,
    lru_cache,
    memoize,
)
from pystorage.codecs import ChainCodec, GzipCodec, JSONCodec, SignedCodec

prices: FileStorage[str, float] = FileStorage("prices", codec="json")
assert_type(prices["apple"], float)
assert_type(prices.get("apple"), float | None)
assert_type(prices.get("apple", 0.0), float)
assert_type(prices.get("apple", "none"), float | str)
assert_type(prices.pop("apple"), float)
assert_type(prices.pop("apple", None), float | None)
assert_type(prices.get_many(["apple"]), dict[str, float])
assert_type(prices.add("apple", 1.0, ttl=5), bool)
assert_type(prices.swap("apple", 1.0, 2.0), bool)
assert_type(prices.incr("count"), int)
assert_type(prices.ttl("apple"), float | None)
assert_type(prices.items(), ItemsView[str, float])
assert_type(iter(prices), Iterator[str])
assert_type(prices.popitem(), tuple[str, float])
assert_type(prices.stats(), Stats)
prices["apple"] = "expensive"  # type: ignore[assignment]
prices.set("apple", "expensive")  # type: ignore[arg-type]
prices.set_many({"apple": 1.0}, ttl=5)
prices.set_many({1: 1.0})  # type: ignore[arg-type]
prices[7]  # type: ignore[index]

# Without a hint a storage holds anything, and what it gives is not looked at.
assert_type(FileStorage("anything"), FileStorage[Any, Any])
assert_type(JSONStorageService(), JSONStorageService[Any, Any])
assert_type(LRUStorage(10), LRUStorage[Any, Any])
assert_type(MemoryStorage(), MemoryStorage[Any, Any])

# A wrapper holds what the storage inside holds.
assert_type(VolatileStorage(prices), VolatileStorage[str, float])
assert_type(VolatileStorage({"a": 1})["a"], int)
assert_type(VolatileStorage(prices).inner, Storage[str, float])

with prices as opened:
    assert_type(opened, FileStorage[str, float])
    with opened.open_write("stream") as file:
        assert_type(file.write(b""), int)

assert_type(JSONCodec() | GzipCodec(), ChainCodec)
SignedCodec("a text")  # type: ignore[arg-type]


@memoize(prices)
def price(fruit: str, *, grams: int = 100) -> float:
    """Give the price of some fruit."""
    return grams * len(fruit) / 100


@memoize
def doubled(number: int) -> int:
    """Give twice a number."""
    return 2 * number


assert_type(price("apple"), float)
assert_type(price("apple", grams=5), float)
assert_type(doubled(3), int)
assert_type(doubled.cache_info().hits, int)
price(5)  # type: ignore[arg-type]


@lru_cache(maxsize=10, ttl=60)
def halved(number: int) -> float:
    """Give half of a number."""
    return number / 2


@lru_cache
def tripled(number: int) -> int:
    """Give three times a number."""
    return 3 * number


assert_type(halved(3), float)
assert_type(tripled(3), int)
assert_type(tripled.cache_info().misses, int)
assert_type(tripled.__wrapped__(3), int)
tripled("3")  # type: ignore[arg-type]


class Ruler:
    """Cached methods too."""

    @lru_cache(maxsize=None)
    def marks(self, step: int) -> list[int]:
        """Give the marks."""
        return list(range(0, 30, step))


assert_type(Ruler().marks(5), list[int])
assert_type(Ruler.marks(Ruler(), 5), list[int])
Ruler().marks.cache_clear()
Ruler().marks("5")  # type: ignore[arg-type]
price("apple", kilos=1)  # type: ignore[call-arg]
