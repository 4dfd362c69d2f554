"""The arguments that stay: their names, their order and their defaults are a promise."""

from __future__ import annotations

import importlib
import inspect
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage import (
    FileStorage,
    FilesystemStorage,
    LRUStorage,
    MemoryStorage,
    RedisStorage,
    S3Storage,
    StorageProvider,
    VolatileStorage,
)
from pystorage.services import (
    GZipPickleStorageService,
    JSONStorageService,
    LRUStorageService,
    PickleStorageService,
    RedisJSONStorageService,
    RedisStorageService,
    S3StorageService,
    StorageService,
    VolatileStorageService,
)

NEEDED = inspect.Parameter.empty

#: Class → its positional arguments and those by keyword only, with their defaults. More may be added.
PROMISED: dict[Any, tuple[dict[str, Any], dict[str, Any]]] = {
    JSONStorageService: ({"path": None, "suffix": "storage.json"}, {}),
    PickleStorageService: ({"path": None, "suffix": "storage.pkl"}, {}),
    GZipPickleStorageService: ({"path": None, "suffix": "storage.pkl.gz"}, {}),
    LRUStorageService: ({"memory_blocks": 10}, {}),
    RedisStorageService: (
        {"redis_client": None, "expiration": None},
        {"url": None, "prefix": "pystorage:text:"},
    ),
    RedisJSONStorageService: (
        {"redis_client": None, "expiration": None},
        {"url": None, "prefix": "pystorage:json:"},
    ),
    RedisStorage: (
        {"redis_client": None},
        {"url": None, "prefix": "pystorage:", "expiration": None, "codec": None},
    ),
    S3StorageService: (
        {"bucket": NEEDED, "folder": "", "region": None},
        {"endpoint_url": None, "client": None, "create_bucket": False},
    ),
    S3Storage: (
        {"bucket": NEEDED, "folder": ""},
        {"client": None, "region": None, "endpoint_url": None, "create_bucket": False, "codec": None},
    ),
    FilesystemStorage: ({"url": NEEDED}, {"codec": None}),
    VolatileStorageService: (
        {"storage": None, "expiration": 3600},
        {"sliding": False, "jitter": 0.0, "timer": None},
    ),
    MemoryStorage: ({}, {}),
    LRUStorage: (
        {"maxsize": NEEDED},
        {"ttl": None, "weigher": None, "on_evict": None, "timer": time.monotonic},
    ),
    FileStorage: (
        {"path": NEEDED},
        {
            "codec": None,
            "suffix": "storage",
            "layout": "flat",
            "durability": "process",
            "mode": 0o600,
            "timer": time.time,
        },
    ),
    StorageProvider: ({}, {}),
    StorageProvider.register: ({"self": NEEDED, "name": NEEDED, "factory": NEEDED}, {"replace": False}),
    StorageProvider.from_config: ({"self": NEEDED, "config": NEEDED}, {}),
    StorageProvider.open: ({"self": NEEDED, "url": NEEDED}, {}),
    StorageProvider.names: ({"self": NEEDED}, {}),
    StorageProvider.create: ({"self": NEEDED, "name": NEEDED}, {}),
    pystorage.open: ({"url": NEEDED}, {}),
    pystorage.memoize: (
        {"storage": None},
        {"ttl": None, "ignore": (), "typed": False, "version": None},
    ),
}


@pytest.mark.parametrize("what", PROMISED, ids=lambda what: what.__qualname__)
def test_the_signature_is_the_one_promised(what: Any) -> None:
    positional, by_keyword = PROMISED[what]
    parameters = inspect.signature(what).parameters.values()
    assert {
        one.name: one.default
        for one in parameters
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.POSITIONAL_ONLY)
    } == positional
    assert [one.name for one in parameters if one.name in positional] == list(positional)
    found = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert {name: found.get(name, "missing") for name in by_keyword} == by_keyword
    assert NEEDED not in found.values()


@pytest.mark.parametrize(
    "service, suffix",
    [
        (JSONStorageService, "storage.json"),
        (PickleStorageService, "storage.pkl"),
        (GZipPickleStorageService, "storage.pkl.gz"),
    ],
)
def test_the_usual_place_is_the_temporary_folder(service: Any, suffix: str, temporary: Path) -> None:
    storage = service()
    assert storage.path == str(temporary) == tempfile.gettempdir()
    storage["key"] = [1, 2]
    assert (temporary / f"key.{suffix}").is_file()


@pytest.mark.parametrize("service", [JSONStorageService, PickleStorageService, GZipPickleStorageService])
def test_services_take_what_files_take(service: Any, tmp_path: Path) -> None:
    storage = service(tmp_path / "cache", "txt", durability="power", mode=0o640)
    storage["a/b"] = "value"
    (path,) = [path for path in (tmp_path / "cache").iterdir() if path.is_file()]
    assert path.name == "a%2Fb.txt"
    assert path.stat().st_mode & 0o777 == 0o640
    assert service(tmp_path / "tree", layout="tree").capabilities == storage.capabilities
    with pytest.raises(TypeError):
        service(tmp_path, codec="json")


@pytest.mark.parametrize("blocks", [0, -1, 1.5, math.inf, None, "10", True])
def test_memory_blocks_is_a_whole_number_above_nothing(blocks: Any) -> None:
    with pytest.raises(ValueError, match="memory_blocks must be an int of at least 1"):
        LRUStorageService(blocks)


def test_two_names_are_others_for_the_same() -> None:
    assert StorageService is pystorage.Storage
    assert VolatileStorageService is VolatileStorage


def test_every_service_is_public() -> None:
    services = importlib.import_module("pystorage.services")
    for name in vars(services):
        if name.endswith("Service"):
            assert getattr(pystorage, name) is getattr(services, name)
            assert name in pystorage.__all__
