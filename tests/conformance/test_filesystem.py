"""FilesystemStorage keeps the laws, as far as each filesystem can do what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pystorage.storage import Capability, Storage
from pystorage.stores.filesystem import FilesystemStorage
from pystorage.testing import FakeClock, StorageConformance, servers
from pystorage.testing.laws.atomic import RefusingLaws
from pystorage.testing.laws.base import Laws
from pystorage.testing.laws.bulk import BulkLaws
from pystorage.testing.laws.errors import AbsentKeyLaws, BadValueLaws
from pystorage.testing.laws.keys import KeyLaws
from pystorage.testing.laws.lifecycle import ClosingLaws, ForkLaws
from pystorage.testing.laws.mapping import IterationLaws, MappingLaws
from pystorage.testing.laws.threads import ThreadLaws
from pystorage.testing.samples import HOSTILE_KEYS
from tests.servers.files import needs, sftp

SHARED = Capability.TTL | Capability.PERSISTENT | Capability.SHARED


@pytest.fixture(scope="module")
def sftp_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sftp(tmp_path_factory.mktemp("sftp")) as url:
        yield url


class OnFsspec(Laws):
    histories = 5
    kills = 5

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        servers.require("fsspec", needs("fsspec"))


class TestFilesystemOfFiles(OnFsspec, StorageConformance):
    capabilities = SHARED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FilesystemStorage(f"file://{place}", timer=timer)


class TestFilesystemInMemory(OnFsspec, StorageConformance):
    capabilities = Capability.TTL

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FilesystemStorage(f"memory:/{place}", timer=timer)


class TestFilesystemThatWasHandedIn(OnFsspec, MappingLaws, KeyLaws, ClosingLaws):
    capabilities = SHARED

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        from fsspec.implementations.dirfs import DirFileSystem
        from fsspec.implementations.local import LocalFileSystem

        return FilesystemStorage(DirFileSystem(str(place), LocalFileSystem()), timer=timer)


class TestFilesystemOverSFTP(
    OnFsspec,
    MappingLaws,
    IterationLaws,
    KeyLaws,
    BulkLaws,
    RefusingLaws,
    AbsentKeyLaws,
    BadValueLaws,
    ClosingLaws,
    ForkLaws,
    ThreadLaws,
):
    capabilities = SHARED
    keys = tuple(HOSTILE_KEYS[number] for number in range(0, len(HOSTILE_KEYS), 9))
    # One connection serves all threads, so that this takes very long and shows no more than the others.
    test_threads_read_whole_values = None

    @pytest.fixture(autouse=True)
    def server(self, sftp_url: str) -> None:
        self.url = sftp_url

    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return FilesystemStorage(f"{self.url}/{place.parent.name}", timer=timer)
