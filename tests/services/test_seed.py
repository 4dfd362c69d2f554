"""The use cases that the original's README shows, as it shows them."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
import redis

from pystorage import MemoryStorage
from pystorage.errors import StorageProviderError
from pystorage.services import (
    GZipPickleStorageService,
    JSONStorageService,
    LRUStorageService,
    PickleStorageService,
    StorageService,
    VolatileStorageService,
)
from pystorage.storage_provider import StorageProvider
from pystorage.testing import FakeClock
from tests.servers.redis import RedisServer


def test_loading_and_creating_storages() -> None:
    # Create a new instance of a LRU Storage Service:
    service = StorageProvider().create(StorageProvider.STORAGE_LRU, *())
    assert isinstance(service, LRUStorageService)


def test_registering_a_new_service() -> None:
    class MyStorageService(MemoryStorage[str, int]):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.size = size

    # Register a new Service into the ServiceProvider. Then create a new instance.
    provider = StorageProvider().register("my.service", MyStorageService)
    service = provider.create("my.service", 5)
    assert type(service) is MyStorageService
    assert service.size == 5


def test_an_unknown_service() -> None:
    with pytest.raises(StorageProviderError):
        StorageProvider().create("my.service")


def test_an_abstract_interface_by_the_container_types() -> None:
    assert issubclass(StorageService, MutableMapping)
    with pytest.raises(TypeError):
        StorageService()  # type: ignore[abstract]
    for service in (JSONStorageService, PickleStorageService, GZipPickleStorageService, LRUStorageService):
        assert isinstance(service(), StorageService)
    assert isinstance(VolatileStorageService(), StorageService)


def test_simple_storage(temporary: Path) -> None:
    storage = StorageProvider().create(StorageProvider.STORAGE_JSON)
    storage["some_key"] = {"text": "Hello World!"}
    assert storage["some_key"] == {"text": "Hello World!"}
    assert (temporary / "some_key.storage.json").read_bytes() == b'{"text": "Hello World!"}'
    assert len(storage) == 1
    del storage["some_key"]
    with pytest.raises(KeyError) as caught:
        storage["some_key"]
    assert caught.value.args == ("some_key",)
    assert not (temporary / "some_key.storage.json").exists()
    assert len(storage) == 0


def test_storage_with_expiration(temporary: Path) -> None:
    clock = FakeClock()
    pkl_storage = StorageProvider().create(StorageProvider.STORAGE_PICKLE, timer=clock)
    storage = StorageProvider().create(StorageProvider.STORAGE_VOLATILE, storage=pkl_storage, expiration=5)
    storage["key"] = "value"
    assert storage["key"] == "value"
    clock.advance(4.999)
    assert storage["key"] == "value"
    assert (temporary / "key.storage.pkl").is_file()
    # After 5 seconds the same command will raise a KeyError and the pickle file will not exist anymore.
    clock.advance(0.001)
    with pytest.raises(KeyError):
        storage["key"]
    assert not (temporary / "key.storage.pkl").exists()


@pytest.mark.parametrize(
    "access, said",
    [
        (len, 0),
        (list, []),
        (lambda storage: "key" in storage, False),
        (lambda storage: storage.get("key"), None),
        (bool, False),
    ],
)
def test_all_ways_to_look_agree_that_it_has_expired(access: Any, said: Any, temporary: Path) -> None:
    clock = FakeClock()
    pkl_storage = StorageProvider().create(StorageProvider.STORAGE_PICKLE, timer=clock)
    storage = StorageProvider().create(StorageProvider.STORAGE_VOLATILE, storage=pkl_storage, expiration=5)
    storage["key"] = "value"
    assert (len(storage), list(storage), "key" in storage) == (1, ["key"], True)
    clock.advance(5)
    assert access(storage) == said
    assert not (temporary / "key.storage.pkl").exists()
    assert (len(storage), list(storage), "key" in storage, len(pkl_storage)) == (0, [], False, 0)


def test_storage_with_expiration_by_the_wall_clock(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    pkl_storage = StorageProvider().create(StorageProvider.STORAGE_PICKLE)
    storage = StorageProvider().create(StorageProvider.STORAGE_VOLATILE, storage=pkl_storage, expiration=5)
    assert storage.timer is time.time
    storage["key"] = "value"
    assert 4 < (storage.ttl("key") or 0) <= 5
    assert now + 5 <= (storage.expires_at("key") or 0) <= time.time() + 5


@pytest.mark.parametrize("name", ["STORAGE_JSON", "STORAGE_PICKLE", "STORAGE_PICKLE_GZIP"])
def test_services_share_the_temporary_folder_and_not_their_keys(name: str, temporary: Path) -> None:
    (temporary / "of somebody else.txt").write_text("untouched")
    names = ["STORAGE_JSON", "STORAGE_PICKLE", "STORAGE_PICKLE_GZIP"]
    storages = {each: StorageProvider().create(getattr(StorageProvider, each)) for each in names}
    for each, storage in storages.items():
        storage["key"] = each
    storages[name].clear()
    for each, storage in storages.items():
        assert dict(storage) == ({} if each == name else {"key": each})
    assert (temporary / "of somebody else.txt").read_text() == "untouched"


def test_a_volatile_storage_without_arguments_has_a_mapping_of_its_own() -> None:
    # The original shared one dict among all of them.
    one, other = (StorageProvider().create(StorageProvider.STORAGE_VOLATILE) for _ in range(2))
    one["key"] = "value"
    assert "key" not in other
    assert one.ttl("key") > 3599


def test_what_is_least_recently_used_makes_room() -> None:
    storage = StorageProvider().create(StorageProvider.STORAGE_LRU, memory_blocks=2)
    storage["a"], storage["b"] = 1, 2
    assert storage["a"] == 1
    storage["c"] = 3
    assert (sorted(storage), len(storage)) == (["a", "c"], 2)
    assert "b" not in storage


def test_keys_may_be_numbers() -> None:
    storage = StorageProvider().create(StorageProvider.STORAGE_JSON)
    storage[1], storage["1"] = "a number", "a text"
    assert (storage[1], storage["1"], len(storage)) == ("a number", "a text", 2)


def test_store_on_redis(redis_server: RedisServer) -> None:
    redis_client = redis.from_url(redis_server.url)
    redis_client.delete("pystorage:text:key")
    storage = StorageProvider().create(StorageProvider.STORAGE_REDIS, redis_client=redis_client)
    storage["key"] = "value"
    assert storage["key"] == "value"
    assert len(storage) == 1
    del storage["key"]
    with pytest.raises(KeyError) as caught:
        storage["key"]
    assert caught.value.args == ("key",)
    assert len(storage) == 0
