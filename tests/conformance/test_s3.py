"""S3Storage keeps the laws, with bytes and with JSON, by a client that is handed in and by one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pystorage.codecs import header
from pystorage.storage import Capability, Storage
from pystorage.stores._s3bucket import Conditions
from pystorage.stores.s3 import S3Storage
from pystorage.testing import FakeClock, StorageConformance
from pystorage.testing.laws.atomic import IncrLaws
from pystorage.testing.laws.base import Laws
from pystorage.testing.laws.errors import BadValueLaws
from pystorage.testing.laws.lifecycle import ClosingLaws, CopyLaws, ForkLaws
from pystorage.testing.laws.model import ModelLaws
from pystorage.testing.laws.stream import NoStreamLaws
from pystorage.testing.samples import BYTES_VALUES, HOSTILE_KEYS
from tests.servers.s3 import S3Server

JSON = (
    Capability.BULK | Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
    | Capability.SCAN | Capability.PERSISTENT | Capability.SHARED
)  # fmt: skip
BYTES = JSON & ~Capability.INCR | Capability.STREAM


def bucket_of(place: Path) -> str:
    """Give the name of a bucket for each place."""
    return f"b-{blake2b(str(place).encode(), digest_size=12).hexdigest()}"


class OnS3(Laws):
    """What the test classes here share: a server, and as few requests as tell the same."""

    lists_expired = True
    keys = tuple(HOSTILE_KEYS[number] for number in range(0, len(HOSTILE_KEYS), 5))
    histories = 2
    kills = 2

    #: What the first handle found out; trying it anew would take longer than most laws.
    conditions: ClassVar[Conditions | None] = None

    @pytest.fixture(autouse=True)
    def server(self, s3_server: S3Server, s3_client: Any) -> Iterator[None]:
        self.s3, self.client = s3_server, s3_client
        self.buckets: set[str] = set()
        yield
        for bucket in self.buckets:
            self.empty(bucket)

    def empty(self, bucket: str) -> None:
        """Let the server forget what is in a bucket, which it has in memory."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            objects = [{"Key": one["Key"]} for one in page.get("Contents", ())]
            if objects:
                self.client.delete_objects(Bucket=bucket, Delete={"Objects": objects})

    def bucket(self, place: Path) -> str:
        bucket = bucket_of(place)
        if bucket not in self.buckets:
            self.client.create_bucket(Bucket=bucket)
            self.buckets.add(bucket)
        return bucket

    def told(self, storage: S3Storage[Any, Any]) -> S3Storage[Any, Any]:
        """Tell a handle what the first one found out."""
        if OnS3.conditions is None:
            OnS3.conditions = storage._kept
        storage._conditions = OnS3.conditions
        return storage

    def plant(self, place: Path, data: bytes) -> None:
        bucket = self.bucket(place)
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in [one["Key"] for one in page.get("Contents", ())]:
                there = self.client.get_object(Bucket=bucket, Key=key)
                found = there["Body"].read()
                head = found[: header.read(found).size]
                self.client.put_object(Bucket=bucket, Key=key, Body=head + data, Metadata=there["Metadata"])


class TestS3Storage(OnS3, StorageConformance):
    capabilities = BYTES
    values = BYTES_VALUES

    # Of files, and whose they are; a pickle that lies anywhere is tried.
    test_a_planted_pickle_never_runs = None
    # More entries than this are tried on each server.
    test_many_entries = None

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return self.told(S3Storage(self.bucket(place), "some/folder", client=self.client, timer=timer))


class TestS3StorageOfJSON(OnS3, IncrLaws, NoStreamLaws, BadValueLaws, ModelLaws):
    """At the top of a bucket; what a codec cannot matter to is left out."""

    capabilities = JSON

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return self.told(S3Storage(self.bucket(place), client=self.client, codec="json", timer=timer))


class TestS3StorageWithAClientOfItsOwn(OnS3, ClosingLaws, CopyLaws, ForkLaws):
    capabilities = BYTES
    values = BYTES_VALUES

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return S3Storage(self.bucket(place), "folder", endpoint_url=self.s3.url, timer=timer)
