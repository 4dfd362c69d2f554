"""Redis under asyncio keeps the laws, with no thread; and under trio, in threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pystorage import RedisStorage, aio
from pystorage.aio import AsyncStorage
from pystorage.aio.redis import RedisStorage as AsyncRedisStorage
from pystorage.storage import Capability
from pystorage.testing import AsyncStorageConformance, FakeClock
from pystorage.testing.asyncconformance import AsyncLaws
from pystorage.testing.laws.bulk import BulkLaws
from pystorage.testing.laws.mapping import IterationLaws, MappingLaws
from pystorage.testing.laws.stream import StreamLaws
from pystorage.testing.laws.tasks import TaskLaws
from pystorage.testing.samples import BYTES_VALUES
from tests.conformance.test_redis import SHARED, prefix_of
from tests.servers.redis import RedisClusterServers, RedisServer, TurnedServer


class TestRedisStorage(AsyncStorageConformance):
    capabilities = SHARED
    expires_by_itself = True
    reads_ahead = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_clock: TurnedServer) -> None:
        self.turned = redis_clock

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        self.turned.clock.follow(timer)
        return AsyncRedisStorage(url=self.turned.server.url, prefix=prefix_of(place), timer=timer)


class TestRedisStorageOfBytes(AsyncLaws, TaskLaws, StreamLaws):
    capabilities = SHARED & ~Capability.INCR
    values = BYTES_VALUES
    expires_by_itself = True
    reads_ahead = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_clock: TurnedServer) -> None:
        self.turned = redis_clock

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        self.turned.clock.follow(timer)
        url, prefix = self.turned.server.url, prefix_of(place)
        return aio.wrap(RedisStorage(url=url, prefix=prefix, codec="bytes", timer=timer))


class TestRedisStorageInRealTime(AsyncLaws, TaskLaws, MappingLaws):
    capabilities = SHARED
    reads_ahead = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_server: RedisServer) -> None:
        self.server = redis_server

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.VolatileStorage(aio.wrap(RedisStorage(url=self.server.url, prefix=prefix_of(place))), None)


class TestRedisStorageOnACluster(AsyncLaws, TaskLaws, MappingLaws, IterationLaws, BulkLaws):
    capabilities = SHARED
    reads_ahead = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_cluster: RedisClusterServers) -> None:
        self.cluster = redis_cluster

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return AsyncRedisStorage(url=self.cluster.url, prefix=prefix_of(place), timer=timer)
