"""The storages in memory keep the laws."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pystorage.engine._checks import POLICIES
from pystorage.storage import Capability, Storage
from pystorage.stores.memory import CacheStorage, LRUStorage, MemoryStorage, Policy
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.samples import PICKLE_VALUES
from tests.conformance.kinds import MEMORY


class TestMemoryStorage(StorageConformance):
    capabilities = MEMORY
    values = PICKLE_VALUES
    bad_value = None
    any_hashable_key = True

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return MemoryStorage(timer=timer)


class TestLRUStorage(TestMemoryStorage):
    capabilities = MEMORY | Capability.ORDERED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LRUStorage(100_000, timer=timer)


class TestLRUStorageWithTTL(TestLRUStorage):
    default_ttl = 100.0

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return LRUStorage(None, ttl=100, timer=timer)


class TestCacheStorage(TestLRUStorage):
    policy: Policy = "lru"

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return CacheStorage(100_000, policy=self.policy, timer=timer)


class TestCacheStorageFIFO(TestCacheStorage):
    policy: Policy = "fifo"


class TestCacheStorageSIEVE(TestCacheStorage):
    policy: Policy = "sieve"


class TestCacheStorageS3FIFO(TestCacheStorage):
    policy: Policy = "s3fifo"


class TestCacheStorageTinyLFU(TestCacheStorage):
    policy: Policy = "tinylfu"


def test_each_policy_is_here() -> None:
    here = [cls.policy for cls in (TestCacheStorage, *TestCacheStorage.__subclasses__())]
    assert here == list(POLICIES) == list(get_args(Policy))
