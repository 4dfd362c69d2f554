"""What type checkers are to make of the provider, views, methods that are memoized, and test doubles."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, ValuesView
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, assert_type

import pystorage
from pystorage import (
    ABSENT,
    ByteStorage,
    Capability,
    FileStorage,
    LRUStorage,
    MemoryStorage,
    Storage,
    StorageProvider,
    VolatileStorage,
    WrapperStorage,
    aio,
    invalidate_tags,
    memoize,
    memoize_many,
)
from pystorage.codecs import EncryptedCodec, EnvironmentKeys, JSONCodec, MsgspecCodec, reencode
from pystorage.testing import FakeClock, FaultyStorage, LatencyStorage, RecordingStorage

# -------------------------------------------------------------------- the provider

provider = StorageProvider()
assert_type(provider.register("my", dict), StorageProvider)
assert_type(provider.names(), list[str])
assert_type(provider.open("lru:?maxsize=5"), Storage[Any, Any])
assert_type(pystorage.open("cache"), Storage[Any, Any])
names: Storage[str, str] = pystorage.open("cache")
made: dict[str, int] = provider.create("my", a=1)
provider.open(5)  # type: ignore[arg-type]

# -------------------------------------------------------------------- a storage as a mapping

counts: LRUStorage[str, int] = LRUStorage(10, ttl=5, weigher=lambda key, value: len(key) + value)
assert_type(counts.setdefault("a", 1), int)
assert_type(counts.keys(), KeysView[str])
assert_type(counts.values(), ValuesView[int])
assert_type(dict(counts), dict[str, int])
assert_type(counts.scan("a"), Iterator[str])
assert_type(counts.expires_at("a"), float | None)
assert_type(counts.delete_many(["a"]), int)
assert_type(counts.swap("a", ABSENT, 1), bool)
assert_type(counts.touch("a", None), bool)
assert_type(counts.open_read("a"), BinaryIO)
assert_type(counts.open_write("a"), AbstractContextManager[BinaryIO])
assert_type(counts.capabilities, Capability)
assert_type(LRUStorage[str, int](10)["a"], int)
counts.set_many([("a", 1), ("b", 2)])
counts.set_many([("a", "b")])  # type: ignore[list-item]
counts.setdefault("a", "b")  # type: ignore[arg-type]
counts.setdefault("a")  # type: ignore[call-arg]
counts.add(1, 1)  # type: ignore[arg-type]

optional: MemoryStorage[str, int | None] = MemoryStorage()
assert_type(optional.setdefault("a"), int | None)

with counts.lock("a", 5) as lease:
    assert_type(lease.token, str)


def count(storage: Storage[str, int]) -> int:
    """Give how many there are."""
    return len(storage)


count(LRUStorage(5))
count(VolatileStorage(counts, expiration=5))
count(FileStorage("counts"))
count(names)  # type: ignore[arg-type]

# -------------------------------------------------------------------- storages of one's own


class Shelf(ByteStorage[str, int]):
    """A storage of bytes with types of its own."""

    def _read(self, name: str) -> bytes | None:
        return None

    def _write(self, name: str, data: bytes) -> None:
        pass

    def _remove(self, name: str) -> bool:
        return False

    def _names(self, prefix: str) -> list[str]:
        return []


class Doubling(WrapperStorage[str, int]):
    """A wrapper with types of its own."""

    def __getitem__(self, key: str) -> int:
        return 2 * super().__getitem__(key)


assert_type(Doubling(counts)["a"], int)
assert_type(Doubling(counts).inner, Storage[str, int])
Doubling(names)  # type: ignore[arg-type]

# -------------------------------------------------------------------- codecs

keys = EnvironmentKeys("KEYS")
secret = JSONCodec() | EncryptedCodec({"2026": b"", "2025": b""}) | EncryptedCodec(keys)
assert_type(secret.encode(1, "name"), bytes)
EncryptedCodec(b"", algorithm="aes-ecb")  # type: ignore[arg-type]
MsgspecCodec(int, "yaml")  # type: ignore[arg-type]
files: FileStorage[str, int] = FileStorage("files", codec=secret)
assert_type(reencode(files, "json", secret, progress=lambda done, total: done / total), int)
reencode(counts, "json", secret)  # type: ignore[arg-type]

# -------------------------------------------------------------------- memoize


class Shop:
    """Methods are memoized too."""

    @memoize
    def price(self, fruit: str) -> float:
        """Give a price."""
        return float(len(fruit))

    @memoize(ttl=5, ignore="verbose")
    def stock(self, fruit: str, *, verbose: bool = False) -> list[int]:
        """Give a stock."""
        return [len(fruit)]


shop = Shop()
assert_type(shop.price("apple"), float)
assert_type(shop.stock("apple", verbose=True), list[int])
shop.price(5)  # type: ignore[arg-type]
shop.stock("apple", loud=True)  # type: ignore[call-arg]


@memoize
async def fetched(url: str, *, tries: int = 1) -> bytes:
    """Fetch something."""
    return url.encode() * tries


@memoize(ttl=5, stale=5, tags="url:{url}")
async def counted(url: str) -> int:
    """Count something."""
    return len(url)


class Client:
    """Async methods are memoized too."""

    @memoize(ignore="self", ttl=lambda value: 5.0)
    async def status(self, url: str) -> int:
        """Give a status."""
        return len(url)


@memoize_many(ttl=5)
def lengths(words: list[str], factor: int = 1) -> dict[str, int]:
    """Give lengths."""
    return {word: len(word) * factor for word in words}


@memoize_many(ttl=5, chunk=100)
async def sizes(urls: list[str], factor: int = 1) -> dict[str, int]:
    """Give sizes."""
    return {url: len(url) * factor for url in urls}


async def fetching() -> None:
    """Await what is memoized."""
    assert_type(await fetched("a", tries=2), bytes)
    assert_type(await counted("a"), int)
    assert_type(await counted.peek(None, "a"), int | None)
    assert_type(await Client().status("a"), int)
    assert_type(await fetched.prefetch([("a",)], tasks=2), int)
    assert_type(await sizes({"a"}, factor=2), dict[str, int])
    assert_type(await invalidate_tags(aio.wrap(MemoryStorage[str, int]()), "url:a"), int)
    await sizes([5])  # type: ignore[list-item]
    await fetched(5)  # type: ignore[arg-type]


assert_type(lengths({"a"}, factor=2), dict[str, int])
lengths([5])  # type: ignore[list-item]
assert_type(invalidate_tags({}, "url:a"), int)
memoize(on_error="ignore")  # type: ignore[call-overload]

# -------------------------------------------------------------------- doubles

clock = FakeClock()
assert_type(FaultyStorage(counts), FaultyStorage[str, int])
assert_type(RecordingStorage(counts)["a"], int)
assert_type(LatencyStorage(counts, {"get": 0.1}, sleep=clock.advance).inner, Storage[str, int])
FaultyStorage(counts).fail(OSError, on=["get"], keys={"a"}, nth=2)
FaultyStorage({})  # type: ignore[arg-type]
