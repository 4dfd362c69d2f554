"""The async faces of buckets, filesystems and folders of diskcache keep the laws that threads could break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pystorage import DiskCacheStorage, FilesystemStorage, S3Storage, aio
from pystorage.aio import AsyncStorage
from pystorage.storage import Capability
from pystorage.testing import FakeClock
from pystorage.testing.asyncconformance import AsyncLaws
from pystorage.testing.laws.atomic import AddLaws
from pystorage.testing.laws.bulk import BulkLaws
from pystorage.testing.laws.mapping import MappingLaws
from pystorage.testing.laws.tasks import TaskLaws
from tests.conformance.kinds import DISKCACHE
from tests.conformance.test_s3 import JSON, OnS3


class TestS3Storage(OnS3, AsyncLaws, TaskLaws, MappingLaws, BulkLaws, AddLaws):
    capabilities = JSON
    reads_ahead = True
    cancel_rounds = 3
    # Of fifty that add at once one wins, and all others ask again: that is minutes of requests.
    test_many_tasks_count_exactly = None
    test_many_entries = None

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        storage: S3Storage[str, Any] = S3Storage(
            self.bucket(place), "folder", client=self.client, codec="json", timer=timer
        )
        return aio.wrap(self.told(storage))


class TestFilesystemStorage(AsyncLaws, TaskLaws, MappingLaws, BulkLaws):
    capabilities = Capability.TTL | Capability.PERSISTENT | Capability.SHARED
    reads_ahead = True
    cancel_rounds = 5

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(FilesystemStorage(f"file://{place}", timer=timer))


class TestDiskCacheStorage(AsyncLaws, TaskLaws, MappingLaws):
    capabilities = DISKCACHE
    reads_ahead = True
    cancel_rounds = 3

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        return aio.wrap(DiskCacheStorage(place, codec="json"))
