"""Async faces against the sync storage in memory, and the worker thread that files cannot do without."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from benchmarks.conftest import Compare, in_turns
from pystorage import FileStorage, LRUStorage, RedisStorage, aio
from pystorage.aio import AsyncStorage
from tests.servers.redis import RedisServer, redis_at

HITS = 20_000
READS = 200


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def repeated(runner: asyncio.Runner, call: Callable[[], Awaitable[Any]], times: int) -> Callable[[], None]:
    async def loop() -> None:
        for _ in range(times):
            await call()

    return lambda: runner.run(loop())


def each(times: list[tuple[float, float]], number: int) -> list[tuple[float, float]]:
    return [(bare / number, ours / number) for bare, ours in times]


def test_a_hit_in_memory(compare: Compare, runner: asyncio.Runner) -> None:
    storage: LRUStorage[str, int] = LRUStorage(10_000)
    storage.update((f"key-{number}", number) for number in range(10_000))
    face = aio.wrap(storage)
    key = "key 5000"

    def bare() -> None:
        for _ in range(HITS):
            storage.get(key)

    ours = repeated(runner, lambda: face.get(key), HITS)
    times = in_turns(bare, ours, rounds=21, number=1, clock=time.process_time)
    compare.put_down("await get of a hit in memory / get", each(times, HITS), ours, added=1e-6)


def test_a_file(compare: Compare, runner: asyncio.Runner, tmp_path: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(tmp_path, codec="bytes")
    storage["key"] = b"x" * 100
    face = aio.wrap(storage)
    bare = repeated(runner, lambda: anyio.to_thread.run_sync(storage.get, "key"), READS)
    ours = repeated(runner, lambda: face.get("key"), READS)
    times = in_turns(bare, ours, rounds=21, number=1, clock=time.process_time)
    compare.put_down("await get of a file / to_thread.run_sync", each(times, READS), ours, bar=1.2)


# -------------------------------------------------------------------- Redis

MANY = 100


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_face(redis_server: RedisServer, runner: asyncio.Runner) -> Iterator[AsyncStorage[str, bytes]]:
    face: AsyncStorage[str, bytes] = aio.wrap(RedisStorage(url=redis_server.url, prefix="b:", codec="bytes"))
    runner.run(face.set_many({f"key-{number}": b"x" * 100 for number in range(MANY)}))
    yield face
    runner.run(face.close())


@pytest.fixture(params=["cashews", "aiocache"])
def peer(
    request: pytest.FixtureRequest, redis_server: RedisServer, runner: asyncio.Runner
) -> Iterator[tuple[str, Any, Any]]:
    """How a peer gets one key, and many."""
    package = pytest.importorskip(request.param)
    if request.param == "cashews":
        cache = package.Cache()
        cache.setup(redis_server.url, client_side=False)
        get, get_many = cache.get, lambda keys: cache.get_many(*keys)
    else:
        serializer = package.serializers.PickleSerializer()
        cache = package.RedisCache(serializer=serializer, endpoint="127.0.0.1", port=redis_server.port)
        get, get_many = cache.get, cache.multi_get
    for number in range(MANY):
        runner.run(cache.set(f"peer-{number}", b"x" * 100))
    yield request.param, get, get_many
    with warnings.catch_warnings():  # both close redis-py's client by its old name
        warnings.simplefilter("ignore", DeprecationWarning)
        runner.run(cache.close())


def test_redis_get(compare: Compare, runner: asyncio.Runner, redis_face: Any, peer: Any) -> None:
    name, get, _ = peer
    bare = repeated(runner, lambda: get("peer-50"), READS)
    ours = repeated(runner, lambda: redis_face.get("key-50"), READS)
    times = in_turns(bare, ours, rounds=21, number=1, clock=time.process_time)
    compare.put_down(f"await get from Redis / {name}", each(times, READS), ours, bar=0.6)


def test_redis_get_many(compare: Compare, runner: asyncio.Runner, redis_face: Any, peer: Any) -> None:
    name, _, get_many = peer
    theirs, keys = [f"peer-{number}" for number in range(MANY)], [f"key-{number}" for number in range(MANY)]
    assert len(runner.run(redis_face.get_many(keys))) == len(runner.run(get_many(theirs))) == MANY
    bare = repeated(runner, lambda: get_many(theirs), READS)
    ours = repeated(runner, lambda: redis_face.get_many(keys), READS)
    times = in_turns(bare, ours, rounds=21, number=1, clock=time.process_time)
    compare.put_down(f"await get_many of {MANY} from Redis / {name}", each(times, READS), ours, bar=0.3)
