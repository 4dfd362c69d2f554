"""RedisStorage against redis-py with hiredis, and against dogpile.cache, on a server of its own."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from benchmarks.conftest import Compare
from pystorage import RedisStorage
from tests.servers.redis import RedisServer, redis_at

DATA = b"x" * 100
VALUE = {"name": "x" * 60, "number": 5, "flags": [True, False]}
MANY = [f"key{number}" for number in range(100)]
OWN, FOREIGN = 10_000, 1_000_000
CODECS: dict[str, tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "bytes": (DATA, bytes, bytes),
    "json": (VALUE, lambda value: json.dumps(value).encode(), json.loads),
    "pickle": (VALUE, pickle.dumps, pickle.loads),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> redis.Redis:
    client = redis.Redis(port=server.port)
    client.flushall()
    return client


def storage_of(client: redis.Redis, codec: str = "bytes") -> RedisStorage[str, Any]:
    return RedisStorage(client, prefix="own:", codec=codec, trust=True)


# A round trip is mostly waiting, which belongs to it: so the clock on the wall decides, and the CPU is shown.
CLOCKS = {"": time.perf_counter, ", CPU": time.process_time}


@pytest.mark.parametrize("clock", CLOCKS)
def test_get(clock: str, compare: Compare, client: redis.Redis) -> None:
    storage = storage_of(client)
    storage["key"] = DATA
    compare(
        f"get, 100 B{clock}",
        lambda: client.get("own:key"),
        lambda: storage["key"],
        bar=0.75,
        number=500,
        clock=CLOCKS[clock],
    )


@pytest.mark.parametrize("clock", CLOCKS)
def test_set(clock: str, compare: Compare, client: redis.Redis) -> None:
    storage = storage_of(client)

    def ours() -> None:
        storage["key"] = DATA

    compare(
        f"set, 100 B{clock}",
        lambda: client.set("own:key", DATA),
        ours,
        bar=0.75,
        number=500,
        clock=CLOCKS[clock],
    )


def test_set_for_a_while(compare: Compare, client: redis.Redis) -> None:
    storage = storage_of(client)
    compare(
        "set with a ttl, 100 B",
        lambda: client.set("own:key", DATA, px=60_000),
        lambda: storage.set("key", DATA, ttl=60),
        number=500,
    )


@pytest.mark.parametrize("clock", CLOCKS)
def test_get_many(clock: str, compare: Compare, client: redis.Redis) -> None:
    storage, places = storage_of(client), [f"own:{key}" for key in MANY]
    storage.set_many(dict.fromkeys(MANY, DATA))
    compare(
        f"get_many of 100; bare is mget{clock}",
        lambda: client.mget(places),
        lambda: storage.get_many(MANY),
        bar=1.1,
        number=50,
        clock=CLOCKS[clock],
    )


@pytest.mark.parametrize("name", ["json", "pickle"])
def test_get_many_decoded(name: str, compare: Compare, client: redis.Redis) -> None:
    storage, places = storage_of(client, name), [f"own:{key}" for key in MANY]
    value, _, decoded = CODECS[name]
    storage.set_many(dict.fromkeys(MANY, value))
    compare(
        f"get_many of 100, {name}; bare is mget and the decoding",
        lambda: [decoded(data) for data in client.mget(places)],
        lambda: storage.get_many(MANY),
        bar=1.1 if name == "json" else None,
        number=50,
        clock=time.perf_counter,
    )


@pytest.mark.parametrize("codec", ["bytes", "pickle"])
def test_get_many_and_dogpile(codec: str, compare: Compare, client: redis.Redis, server: RedisServer) -> None:
    dogpile = pytest.importorskip("dogpile.cache")
    region = dogpile.make_region().configure(
        "dogpile.cache.redis", arguments={"host": "127.0.0.1", "port": server.port}
    )
    storage = storage_of(client, codec)
    entries = dict.fromkeys(MANY, DATA)
    region.set_multi(entries)
    storage.set_many(entries)
    assert region.get_multi(MANY)[0] == DATA
    compare(
        f"get_many of 100, {codec}; bare is dogpile.cache",
        lambda: region.get_multi(MANY),
        lambda: storage.get_many(MANY),
        bar=0.3,
        number=20,
        clock=time.perf_counter,
    )


def test_set_many(compare: Compare, client: redis.Redis) -> None:
    storage = storage_of(client)
    entries = dict.fromkeys(MANY, DATA)
    places = {f"own:{key}": DATA for key in MANY}

    def bare() -> None:
        pipeline = client.pipeline(transaction=False)
        for place, data in places.items():
            pipeline.set(place, data)
        pipeline.execute()

    compare("set_many of 100; bare is a pipeline", bare, lambda: storage.set_many(entries), number=20)


def test_incr(compare: Compare, client: redis.Redis) -> None:
    storage = storage_of(client, "json")
    compare("incr", lambda: client.incrby("own:bare"), lambda: storage.incr("count"), number=200)


def test_lock(compare: Compare, client: redis.Redis) -> None:
    storage = storage_of(client, "json")

    def bare() -> None:
        with client.lock("own:lock", timeout=10):
            pass

    def ours() -> None:
        with storage.lock("lock", 10):
            pass

    compare("lock and release; bare is redis-py's", bare, ours, number=100)


@pytest.fixture(scope="module")
def crowded(server: RedisServer) -> redis.Redis:
    client = redis.Redis(port=server.port, db=1)
    for start in range(0, FOREIGN, 10_000):
        client.mset({f"foreign:{number}": b"" for number in range(start, start + 10_000)})
    storage_of(client).set_many({f"key{number}": b"" for number in range(OWN)})
    return client


LOOKS: dict[str, Callable[[Any], object]] = {"iterate": lambda storage: list(iter(storage)), "len of": len}


@pytest.mark.parametrize("look", LOOKS)
def test_all_keys_among_foreign_ones(look: str, compare: Compare, crowded: redis.Redis) -> None:
    storage = storage_of(crowded)

    def bare() -> list[bytes]:
        return list(crowded.scan_iter("own:*", count=1000))

    assert len(bare()) == len(storage) == OWN
    what = f"{look} {OWN:,} among {OWN + FOREIGN:,}; bare is SCAN"
    compare(what, bare, lambda: LOOKS[look](storage), bar=1.1, rounds=5, clock=time.perf_counter)
