"""What Redis does in one step, in how many round trips, from many processes; and clocks that differ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from pystorage import ABSENT, RedisStorage, VolatileStorage, memoize
from pystorage.codecs import reencode
from pystorage.testing.parallel import in_processes
from tests.servers.redis import RedisServer, TurnedServer, redis_at

PROCESSES = 8


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that only this test asks."""
    with redis_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


def test_round_trips(alone: RedisServer) -> None:
    storage: RedisStorage[str, Any] = RedisStorage(alone.client(), prefix="trips:")
    observer = alone.client()
    bulk = {f"key {number}": number for number in range(1000)}

    def trips(use: Any) -> int:
        def reads() -> int:
            return int(observer.info("stats")["total_reads_processed"])

        use()  # so that scripts are known
        before = reads()
        use()
        return reads() - before - 1

    storage.update(old=1, set={"b": 1, "a": 2}, other=1.0)
    assert trips(lambda: storage["old"]) == 1
    assert trips(lambda: storage.set("old", 1, ttl=5)) == 1
    assert trips(lambda: "old" in storage) == 1
    assert trips(lambda: storage.add("old", 1)) == 1
    assert trips(lambda: storage.swap("old", 1, 1)) == 1
    assert trips(lambda: storage.swap("old", 7, 1)) == 1
    assert trips(lambda: storage.swap("other", 1, 1.0)) == 2  # equal, and stored as 1.0
    assert trips(lambda: storage.swap("absent", ABSENT, 1)) == 1
    assert trips(lambda: storage.incr("count")) == 1
    assert trips(lambda: storage.incr("count", ttl=5)) == 1
    assert trips(lambda: storage.ttl("old")) == 1
    assert trips(lambda: storage.expire("old", 5)) == 1
    assert trips(lambda: storage.expire("old", None)) == 1
    assert trips(lambda: storage.lock("name", 5).__enter__()) >= 1
    observer.delete("trips:%pystorage.lock.name")
    with storage.lock("name", 5) as lease:
        assert trips(lambda: lease.extend()) == 1
    assert trips(lambda: storage.get_many(bulk)) <= 2
    assert trips(lambda: storage.delete_many(bulk)) <= 2
    # A pipeline is written at once and read by the server in pieces.
    assert trips(lambda: storage.set_many(bulk)) < 20


def test_integers_of_all_sizes(redis_server: RedisServer) -> None:
    storage: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="integers:", expiration=100)
    storage.clear()
    steps = [2**62, 2**62, 2**62, -(2**63), 2**80, -(2**80), 1]
    total = 0
    for step in steps:
        total += step
        assert storage.incr("key", step) == total
        assert storage["key"] == total
    storage["float"] = 5.0
    storage["text"] = "5"
    storage["bool"] = True
    for key in ("float", "text", "bool"):
        with pytest.raises(TypeError, match="no int"):
            storage.incr(key)
    assert storage.get_many(["float", "text", "bool"]) == {"float": 5.0, "text": "5", "bool": True}
    assert storage.incr("new", 2**70, ttl=50) == 2**70
    assert 20 < (storage.ttl("new") or 0) <= 50
    assert 70 < (storage.ttl("key") or 0) <= 100
    storage.clear()


def test_equal_values_are_swapped_however_they_are_stored(redis_server: RedisServer) -> None:
    storage: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="equal:")
    storage["key"] = {"a": 1, "b": 2}
    assert storage.swap("key", {"b": 2, "a": 1}, [1, 2])
    assert not storage.swap("key", (1, 2), 5)  # a tuple is no list
    assert not storage.swap("key", object(), 5)
    assert not storage.swap("absent", object(), 5)
    assert not storage.swap("absent", 1, 5)
    assert storage["key"] == [1, 2]
    for codec in ("json+gzip", "bytes"):
        other: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="equal:", codec=codec)
        first, second = (b"one", b"two") if codec == "bytes" else ("one", "two")
        other["key"] = first
        assert other.swap("key", first, second)
        assert other["key"] == second
    storage.clear()


def test_eight_processes_lose_nothing(redis_server: RedisServer) -> None:
    def work(process: int) -> tuple[int, int]:
        storage: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="eight:")
        for _ in range(200):
            storage.incr("count")
            storage.incr("living", ttl=1000)
        won = sum(storage.add(f"key {number}", process) for number in range(100))
        for _ in range(15):
            with storage.lock("common", 60):
                storage["locked"] = storage.get("locked", 0) + 1
        swapped = 0
        while swapped < 15:
            old = storage.setdefault("swapped", 0)
            swapped += storage.swap("swapped", old, old + 1)
        storage.close()
        return won, swapped

    storage: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="eight:")
    storage.clear()
    done = in_processes(*(lambda process=process: work(process) for process in range(PROCESSES)))
    assert sum(won for won, _ in done) == 100
    assert storage["count"] == storage["living"] == 200 * PROCESSES
    assert storage["locked"] == storage["swapped"] == 15 * PROCESSES
    storage.clear()


@pytest.mark.parametrize("skew", [-86_400.0, 0.5, 86_400.0])
def test_a_server_whose_clock_is_wrong(redis_clock: TurnedServer, skew: float) -> None:
    """Its clock alone counts lives, so it does not matter how far it is from ours."""
    clock = redis_clock.clock
    clock.set(time.time() + skew)
    storage: RedisStorage[str, int] = RedisStorage(
        url=redis_clock.server.url, prefix="skewed:", expiration=50
    )
    storage.set("key", 1, ttl=10)
    storage["plain"] = 2
    assert storage.ttl("key") == 10
    assert storage.ttl("plain") == 50
    assert storage.expires_at("key") == pytest.approx(time.time() + 10, abs=60)
    lock = storage.lock("name", 20)
    lock.__enter__()
    clock.set(time.time() + skew + 15)
    assert dict(storage) == {"plain": 2}
    with pytest.raises(TimeoutError):
        storage.lock("name", 20, timeout=0).__enter__()
    clock.set(time.time() + skew + 30)
    with storage.lock("name", 20, timeout=0):
        pass
    storage.clear()


# -------------------------------------------------------------------- what is built on storages


def test_a_new_codec_and_a_new_key_leave_the_deadline(redis_server: RedisServer) -> None:
    old: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="recoded:", codec="json")
    old.clear()
    old.set("lives", {"a": 1}, ttl=500)
    old["stays"] = [1, 2]
    new: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="recoded:", codec="json+gzip")
    assert reencode(new, "json", "json+gzip") == 2
    assert dict(new) == {"lives": {"a": 1}, "stays": [1, 2]}
    assert 450 < (new.ttl("lives") or 0) <= 500
    assert new.ttl("stays") is None
    new.clear()


def test_wrappers_use_what_redis_does(redis_server: RedisServer) -> None:
    inner: RedisStorage[str, Any] = RedisStorage(url=redis_server.url, prefix="wrapped:")
    inner.clear()
    storage = VolatileStorage(inner, expiration=50)
    storage["key"] = 1
    assert 20 < (inner.ttl("key") or 0) <= 50
    assert inner["key"] == 1
    assert storage.incr("count") == 1

    calls = []

    @memoize(storage)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert [double(4), double(4)] == [8, 8]
    assert calls == [4]
    assert len(inner) == 3
    storage.clear()
    assert len(inner) == 0
