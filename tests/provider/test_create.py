"""Storages by name."""

from __future__ import annotations

from typing import Any

import pytest

from pystorage import CacheStorage, FileStorage, LRUStorage, MemoryStorage, StorageProvider, VolatileStorage
from pystorage.errors import StorageError, StorageProviderError
from pystorage.services import (
    GZipPickleStorageService,
    JSONStorageService,
    LRUStorageService,
    PickleStorageService,
)

#: What the original and its README name, and what stands for it.
SEED = {
    "STORAGE_LRU": ("storage.lru", LRUStorageService),
    "STORAGE_JSON": ("storage.json", JSONStorageService),
    "STORAGE_PICKLE": ("storage.pickle", PickleStorageService),
    "STORAGE_PICKLE_GZIP": ("storage.pickle.gzip", GZipPickleStorageService),
    "STORAGE_VOLATILE": ("storage.volatile", VolatileStorage),
}


@pytest.mark.parametrize("constant", SEED)
def test_the_names_of_the_original_make_its_services(constant: str) -> None:
    name, service = SEED[constant]
    assert getattr(StorageProvider, constant) == getattr(StorageProvider(), constant) == name
    assert type(StorageProvider().create(name)) is service


def test_every_store_has_a_name_too() -> None:
    assert type(StorageProvider().create(StorageProvider.STORAGE_MEMORY)) is MemoryStorage
    assert type(StorageProvider().create(StorageProvider.STORAGE_FILE, "folder")) is FileStorage
    cache = StorageProvider().create(StorageProvider.STORAGE_CACHE, 10, policy="sieve")
    assert (type(cache), cache.policy) == (CacheStorage, "sieve")


def test_every_constant_is_a_name_that_can_be_created() -> None:
    constants = {value for name, value in vars(StorageProvider).items() if name.startswith("STORAGE_")}
    assert constants == {name for name in StorageProvider().names() if name.startswith("storage.")}


def test_arguments_reach_the_constructor() -> None:
    provider = StorageProvider()
    assert provider.create("storage.lru", 2).maxsize == 2
    assert provider.create("storage.lru", memory_blocks=3).maxsize == 3
    assert provider.create("storage.json", path="a", suffix="json").path.endswith("a")


def test_each_call_makes_another_one() -> None:
    provider = StorageProvider()
    first, second = (provider.create("storage.memory") for _ in range(2))
    first["key"] = "value"
    assert "key" not in second


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(StorageProviderError, match=r"'storage.jsn'; did you mean 'storage.json'"):
        StorageProvider().create("storage.jsn")


def test_an_unknown_name_that_is_near_to_none_lists_all() -> None:
    with pytest.raises(StorageProviderError) as caught:
        StorageProvider().create("?")
    assert all(name in str(caught.value) for name in StorageProvider().names())


def test_an_unknown_name_is_a_lookup_error_and_no_key_error() -> None:
    with pytest.raises(LookupError) as caught:
        StorageProvider().create("no.such")
    assert isinstance(caught.value, StorageError)
    assert not isinstance(caught.value, KeyError)


@pytest.mark.parametrize("name", [None, 5, b"storage.json", ["storage.json"], MemoryStorage])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(TypeError, match="named by a str"):
        StorageProvider().create(name)


def test_names_are_sorted_and_whole() -> None:
    provider = StorageProvider().register("a.first", dict).register("z.last", dict)
    names = provider.names()
    assert names == sorted(names)
    assert {"a.first", "z.last", *(name for name, _ in SEED.values())} <= set(names)


# -------------------------------------------------------------------- what constructors raise


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError, LookupError, AttributeError, ImportError])
def test_what_a_constructor_raises_comes_through(kind: type[Exception]) -> None:
    error = kind("from inside")

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    provider = StorageProvider().register("my.failing", fail)
    for call in (
        lambda: provider.create("my.failing"),
        lambda: provider.create("my.failing", 1, a=2),
        lambda: provider.from_config({"storage": "my.failing", "a": 2}),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value is error


def test_a_wrong_argument_is_the_type_error_of_the_call() -> None:
    with pytest.raises(TypeError, match="memory_block") as caught:
        StorageProvider().create("storage.lru", memory_block=5)
    assert not isinstance(caught.value, StorageError)


def test_a_bad_argument_is_the_error_of_the_service() -> None:
    with pytest.raises(ValueError, match="memory_blocks must be an int of at least 1, not 0"):
        StorageProvider().create("storage.lru", 0)


# -------------------------------------------------------------------- registering


class Squares(MemoryStorage[int, int]):
    def __init__(self, count: int, *, offset: int = 0) -> None:
        super().__init__()
        self.update({number: number**2 + offset for number in range(count)})


def test_a_registered_service_is_made_with_its_arguments() -> None:
    provider = StorageProvider().register("my.service", Squares)
    assert provider.create("my.service", 3, offset=1) == {0: 1, 1: 2, 2: 5}


def test_register_gives_the_provider() -> None:
    provider = StorageProvider()
    assert provider.register("my.service", Squares) is provider


def test_a_function_can_be_registered() -> None:
    made = (
        StorageProvider().register("my.function", lambda size: LRUStorage(size * 2)).create("my.function", 4)
    )
    assert made.maxsize == 8


def test_a_provider_keeps_its_registrations_to_itself() -> None:
    one, other = StorageProvider(), StorageProvider()
    one.register("my.service", Squares)
    assert "my.service" in one.names()
    assert "my.service" not in other.names()
    with pytest.raises(StorageProviderError):
        other.create("my.service", 3)


@pytest.mark.parametrize("name", ["storage.json", "my.service"])
def test_a_taken_name_is_refused(name: str) -> None:
    provider = StorageProvider().register("my.service", Squares)
    with pytest.raises(StorageProviderError, match=f"{name!r} is taken"):
        provider.register(name, dict)
    assert provider.create("my.service", 1) == {0: 0}


@pytest.mark.parametrize("name", ["storage.json", "my.service"])
def test_a_taken_name_is_replaced_on_purpose(name: str) -> None:
    provider = StorageProvider().register("my.service", Squares)
    assert provider.register(name, dict, replace=True).create(name, a=1) == {"a": 1}
    assert type(StorageProvider().create("storage.json")) is JSONStorageService


def test_replacing_a_name_that_is_free_is_fine() -> None:
    assert StorageProvider().register("my.own", dict, replace=True).create("my.own") == {}


@pytest.mark.parametrize("name", ["", None, 5, b"my.service"])
def test_only_texts_are_names(name: Any) -> None:
    with pytest.raises(TypeError, match="a str that is not empty"):
        StorageProvider().register(name, dict)


@pytest.mark.parametrize("factory", [None, "pystorage.stores.memory:MemoryStorage", {}])
def test_only_what_can_be_called_is_registered(factory: Any) -> None:
    provider = StorageProvider()
    with pytest.raises(TypeError, match="class or function"):
        provider.register("my.service", factory)
    assert "my.service" not in provider.names()


def test_a_factory_that_is_false_is_a_factory_all_the_same() -> None:
    class Empty:
        def __len__(self) -> int:
            return 0

        def __call__(self) -> str:
            return "made"

    assert StorageProvider().register("my.empty", Empty()).create("my.empty") == "made"
