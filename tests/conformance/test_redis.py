"""RedisStorage keeps the laws: with every kind of codec, behind clients of all kinds, and on a cluster."""

from __future__ import annotations

import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster

from pystorage import RedisJSONStorageService, RedisStorage, RedisStorageService
from pystorage.storage import Capability, Storage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.atomic import IncrLaws
from pystorage.testing.laws.base import AnyStorage, Laws, Opener
from pystorage.testing.laws.bulk import BulkLaws
from pystorage.testing.laws.keys import KeyLaws
from pystorage.testing.laws.lifecycle import CopyLaws, ForkLaws
from pystorage.testing.laws.locks import LeaseLaws, LockLaws
from pystorage.testing.laws.mapping import IterationLaws, MappingLaws
from pystorage.testing.laws.processes import ProcessLaws
from pystorage.testing.laws.scan import ScanLaws
from pystorage.testing.parallel import Child, Line
from pystorage.testing.samples import BYTES_VALUES
from tests.servers.redis import RedisClusterServers, RedisServer, TurnedServer, until

SHARED = (
    Capability.BULK | Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
    | Capability.SCAN | Capability.PERSISTENT | Capability.SHARED
)  # fmt: skip


def prefix_of(place: Path) -> str:
    """A prefix of a test's own, the same for each handle that it opens."""
    return f"{blake2b(str(place).encode(), digest_size=6).hexdigest()}:"


class RedisServerLaws(Laws):
    """On a server whose clock goes with the test's."""

    capabilities = SHARED
    expires_by_itself = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_clock: TurnedServer) -> None:
        self.turned = redis_clock

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        self.turned.clock.follow(timer)
        return self.make_redis(self.turned.server.url, prefix_of(place), timer)

    def make_redis(self, url: str, prefix: str, timer: FakeClock) -> Storage[Any, Any]:
        return RedisStorage(url=url, prefix=prefix, timer=timer)


class RedisLaws(RedisServerLaws, StorageConformance):
    """All laws there."""

    def test_a_killed_holder_frees_its_lock(
        self, storage: AnyStorage, open_storage: Opener, timer: FakeClock
    ) -> None:
        """The same as the law, which waits for a clock that stands still here."""

        def hold() -> None:
            with open_storage().lock("name", 2):
                line.say()
                time.sleep(60)  # until it is killed

        with Line() as line, Child(hold) as child:
            assert line.hear(), "the child did not take the lock"
            child.kill()
        with pytest.raises(TimeoutError):
            storage.lock("name", 2, timeout=0).__enter__()
        timer.advance(2)
        with storage.lock("name", 2, timeout=0):
            pass

    def plant(self, place: Path, data: bytes) -> None:
        client = self.turned.server.client()
        for key in client.scan_iter(f"{prefix_of(place)}*"):
            client.set(key, data, keepttl=True)


class TestRedisStorage(RedisLaws):
    pass


class TestRedisStorageInRealTime(LockLaws, ForkLaws, ProcessLaws):
    """On a server whose clock nobody touches."""

    capabilities = SHARED

    @pytest.fixture(autouse=True)
    def _server(self, redis_server: RedisServer) -> None:
        self.server = redis_server

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return RedisStorage(url=self.server.url, prefix=prefix_of(place), timer=timer)

    test_a_killed_holder_frees_its_lock = LeaseLaws.test_a_killed_holder_frees_its_lock


class TestRedisStorageOfAClientThatDecodes(RedisLaws):
    def make_redis(self, url: str, prefix: str, timer: FakeClock) -> Storage[Any, Any]:
        client = redis.Redis.from_url(url, decode_responses=True, protocol=2)
        return RedisStorage(client, prefix=prefix, expiration=1000, timer=timer)

    default_ttl = 1000.0


class TestRedisStorageOfBytes(RedisLaws):
    capabilities = SHARED & ~Capability.INCR
    values = BYTES_VALUES

    def make_redis(self, url: str, prefix: str, timer: FakeClock) -> Storage[Any, Any]:
        client = redis.Redis.from_url(url, decode_responses=True)
        return RedisStorage(client, prefix=prefix, codec="bytes", timer=timer)


class TestRedisStorageService(RedisLaws):
    capabilities = SHARED & ~Capability.INCR
    values = ("text", "", "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{PILE OF POO}\0\n", "x" * 20_000)

    def make_redis(self, url: str, prefix: str, timer: FakeClock) -> Storage[Any, Any]:
        return RedisStorageService(url=url, prefix=prefix, timer=timer)


class TestRedisJSONStorageService(RedisServerLaws, MappingLaws, BulkLaws, IncrLaws, CopyLaws):
    def make_redis(self, url: str, prefix: str, timer: FakeClock) -> Storage[Any, Any]:
        return RedisJSONStorageService(url=url, prefix=prefix, timer=timer)


class ClusterLaws(
    *(MappingLaws, IterationLaws, KeyLaws, BulkLaws, ScanLaws, LockLaws, CopyLaws, ForkLaws, ProcessLaws)  # type: ignore[misc]
):
    """Those laws that the ways of a cluster could matter to."""

    capabilities = SHARED

    @pytest.fixture(autouse=True)
    def _server(self, redis_cluster: RedisClusterServers) -> None:
        self.cluster = redis_cluster

    def test_scan_leaves_out_what_has_expired(self, storage: AnyStorage, timer: FakeClock) -> None:
        """The same as the law, by the clocks of the nodes, which nobody can turn."""
        storage.set("key short", self.value(1), ttl=0.001)
        storage.set("key long", self.value(2), ttl=1000)
        until(lambda: list(storage.scan("key")) == ["key long"])


class TestRedisCluster(ClusterLaws):
    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return RedisStorage(url=self.cluster.url, prefix=prefix_of(place), timer=timer)


class TestRedisClusterOfAClientThatDecodes(MappingLaws, BulkLaws, CopyLaws):
    capabilities = SHARED

    @pytest.fixture(autouse=True)
    def _server(self, redis_cluster: RedisClusterServers) -> None:
        self.cluster = redis_cluster

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        port = self.cluster.nodes[0].port
        client = RedisCluster(host="127.0.0.1", port=port, decode_responses=True)
        return RedisStorage(client, prefix=prefix_of(place), timer=timer)


class TestRedisClusterInOneSlot(MappingLaws, BulkLaws):
    """A hash tag in the prefix keeps all entries on one node."""

    capabilities = SHARED

    @pytest.fixture(autouse=True)
    def _server(self, redis_cluster: RedisClusterServers) -> None:
        self.cluster = redis_cluster

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        prefix = f"{{{prefix_of(place)}}}:"
        return RedisStorage(url=self.cluster.url, prefix=prefix, timer=timer)
