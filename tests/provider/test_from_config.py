"""Storages from configuration: mappings and TOML files, nested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, StorageProvider, VolatileStorage
from pystorage.errors import StorageProviderError
from pystorage.services import JSONStorageService, LRUStorageService


def make(config: Any, **registered: Any) -> Any:
    provider = StorageProvider()
    for name, factory in registered.items():
        provider.register(name, factory)
    return provider.from_config(config)


def test_a_storage_by_name() -> None:
    storage = make({"storage": "storage.lru", "memory_blocks": 3})
    assert type(storage) is LRUStorageService
    assert storage.maxsize == 3


@pytest.mark.parametrize("name", ["storage.json", "json"])
def test_the_beginning_of_a_name_may_be_left_out(name: str) -> None:
    storage = make({"storage": name, "path": "folder"})
    assert type(storage) is JSONStorageService


def test_a_name_of_its_own_wins_over_one_of_ours() -> None:
    assert make({"storage": "json", "a": 1}, json=dict) == {"a": 1}


@pytest.mark.parametrize(
    "kind", [dict, MappingProxyType, lambda items: dict(sorted(items.items(), reverse=True))]
)
def test_any_mapping_in_any_order(kind: Any) -> None:
    config = kind({"storage": "volatile", "expiration": 5, "inner": kind({"storage": "memory"})})
    assert repr(make(config)) == "VolatileStorage(MemoryStorage(), expiration=5.0)"


def test_the_configuration_is_left_as_it_is() -> None:
    config = {"storage": "volatile", "inner": {"url": "lru:", "maxsize": 5}, "expiration": 5}
    before = repr(config)
    make(config)
    assert repr(config) == before


def test_a_storage_by_url() -> None:
    storage = make({"url": "lru:?maxsize=5&ttl=3", "maxsize": 7})
    assert type(storage) is LRUStorage
    assert repr(storage) == "LRUStorage(7, ttl=3.0)"


def test_a_path_for_a_url() -> None:
    storage = make({"url": "./folder", "codec": "text"})
    assert type(storage) is FileStorage
    storage["key"] = "value"
    assert Path("folder/key.storage").read_text() == "value"


@pytest.mark.parametrize(
    "inner", ["memory:", {"storage": "memory"}, {"url": "memory:"}, {"storage": "storage.memory"}]
)
def test_the_inner_storage_of_a_wrapper(inner: Any) -> None:
    storage = make({"storage": "volatile", "inner": inner})
    assert type(storage) is VolatileStorage
    assert type(storage.inner) is MemoryStorage


def test_wrappers_nest_to_any_depth() -> None:
    config: Any = "memory:"
    for depth in range(1, 6):
        config = {"storage": "volatile", "expiration": depth, "inner": config}
    storage = make(config)
    for depth in range(5, 0, -1):
        assert repr(storage).endswith(f"expiration={depth}.0)")
        storage = storage.inner
    assert type(storage) is MemoryStorage


class Several:
    """Takes storages in every form that a wrapper of several has."""

    def __init__(
        self, tiers: list[Any], *, mounts: Mapping[str, Any], fallback: Any = None, note: Any = None
    ):
        self.tiers, self.mounts, self.fallback, self.note = tiers, mounts, fallback, note


def test_several_storages_inside() -> None:
    made = make(
        {
            "storage": "several",
            "tiers": ["lru:?maxsize=5", {"storage": "file", "path": "folder"}],
            "mounts": {"a": "memory:", "b": {"storage": "lru"}},
            "fallback": "memory:",
            "note": "memory:",
        },
        several=Several,
    )
    assert [type(tier) for tier in made.tiers] == [LRUStorage, FileStorage]
    assert {name: type(inner) for name, inner in made.mounts.items()} == {
        "a": MemoryStorage,
        "b": LRUStorageService,
    }
    assert type(made.fallback) is MemoryStorage
    assert made.note == "memory:"


@pytest.mark.parametrize("contents", [{}, {"storage": "json"}, {"url": "memory:"}])
def test_a_storage_that_is_made_already_may_stand_inside(contents: dict[str, str]) -> None:
    inner: MemoryStorage[str, str] = MemoryStorage()
    inner.update(contents)
    assert make({"storage": "volatile", "inner": inner}).inner is inner
    made = make({"storage": "several", "tiers": (inner,), "mounts": {"a": inner}}, several=Several)
    assert made.tiers[0] is made.mounts["a"] is inner


def test_a_path_inside_is_a_folder() -> None:
    assert make({"storage": "volatile", "inner": Path("memory:")}).inner.path == str(Path.cwd() / "memory:")


def test_inner_is_the_argument_of_that_name_or_else_the_first_one() -> None:
    def named(size: int, *, inner: Any) -> tuple[int, Any]:
        return size, inner

    def first(around: Any, size: int = 0) -> tuple[int, Any]:
        return size, around

    for factory in (named, first):
        size, inner = make({"storage": "f", "size": 3, "inner": "memory:"}, f=factory)
        assert size == 3
        assert type(inner) is MemoryStorage


def test_a_builtin_that_does_not_tell_its_arguments_can_be_made() -> None:
    made = make({"storage": "d", "a": 1, "inner": "memory:"}, d=dict)
    assert made["a"] == 1
    assert type(made["inner"]) is MemoryStorage


# -------------------------------------------------------------------- TOML


def test_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "storage.toml"
    path.write_text(
        'storage = "volatile"\nexpiration = 60\nsliding = true\n\n'
        '[inner]\nstorage = "json"\npath = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"\nmode = 0o640\n',
        encoding="utf-8",
    )
    for given in (path, str(path)):
        storage = make(given)
        assert type(storage) is VolatileStorage
        assert type(storage.inner) is JSONStorageService
        storage["key"] = [1]
        assert Path("caf\N{LATIN SMALL LETTER E WITH ACUTE}/key.storage.json").read_bytes().endswith(b"[1]")
        assert "sliding=True" in repr(storage)
        assert "mode=0o640" in repr(storage.inner)


def test_a_toml_file_with_a_list(tmp_path: Path) -> None:
    path = tmp_path / "storage.toml"
    path.write_text(
        'storage = "several"\n[[tiers]]\nurl = "lru:"\nmaxsize = 5\n[[tiers]]\nstorage = "memory"\n'
        '[mounts.a]\nstorage = "lru"\n',
        encoding="utf-8",
    )
    made = make(path, several=Several)
    assert [type(tier) for tier in made.tiers] == [LRUStorage, MemoryStorage]
    assert type(made.mounts["a"]) is LRUStorageService


@pytest.mark.parametrize("data", [b"storage = ", b"\xff = 1", b"storage = 'a'\nstorage = 'b'", b"{}"])
def test_a_file_that_is_no_toml(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "storage.toml"
    path.write_bytes(data)
    with pytest.raises(StorageProviderError, match="storage.toml' is not TOML"):
        make(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "absent.toml")


# -------------------------------------------------------------------- what is wrong with it


@pytest.mark.parametrize(
    "config, fault",
    [
        ({}, "must say either storage = a name, or url = a URL; there are .*storage.json"),
        ({"path": "x"}, "must say either"),
        ({"storage": "json", "url": "memory:"}, "must say either"),
        ({"storage": 5}, "must say either"),
        ({"storage": None}, "must say either"),
        ({"url": 5}, "must say either"),
        ({"storage": {"storage": "memory"}}, "must say either"),
        ({"storage": "jsn"}, "no storage is named 'jsn'"),
        ({"storage": "storage.jsn"}, "did you mean 'storage.json'"),
        ({"url": "memroy:"}, "did you mean 'memory'"),
        ({"url": "lru:?maxsize=x"}, "cannot be 'x'"),
        ({"storage": "lru", "memory_block": 5}, "does not fit LRUStorageService.*'memory_block'"),
        ({"storage": "file"}, "does not fit FileStorage.*'path'"),
        ({"storage": "memory", "self": 5}, "'self'"),
        ({"url": "memory:", "colour": "red"}, "does not fit MemoryStorage.*'colour'"),
        ({"url": "./x", "colour": "red"}, "does not fit FileStorage.*'colour'"),
        ({"url": "file:x", "path": "y"}, "multiple values for argument 'path'"),
        ({"storage": "file", "path": "x", "inner": "memory:"}, "either inner or path"),
        ({"storage": "volatile", "inner": {"storage": "jsn"}}, "no storage is named 'jsn'"),
        ({"storage": "volatile", "inner": {"url": "memory:", "a": 1}}, "does not fit MemoryStorage.*'a'"),
        (
            {"storage": "volatile", "inner": {"storage": "lru", "a": 1}},
            "the configuration, inner does not fit",
        ),
        ({"storage": "no_inner", "inner": "memory:"}, "takes no inner storage"),
        ({"storage": "volatile", "inner": {}}, "the configuration, inner must say either"),
        ({"storage": "volatile", "inner": {"path": "x"}}, "the configuration, inner must say either"),
        ({"storage": "several", "tiers": [{"path": "x"}], "mounts": {}}, r"tiers\[0\] must say either"),
        ({"storage": "several", "tiers": [], "mounts": {"a": {"path": "x"}}}, r"mounts\.a must say either"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(config: Any, fault: str, elsewhere: Path) -> None:
    def no_inner(*, size: int = 0) -> None: ...

    with pytest.raises(StorageProviderError, match=fault):
        make(config, no_inner=no_inner, several=Several)
    assert list(elsewhere.iterdir()) == []


def test_a_fault_inside_says_where(tmp_path: Path) -> None:
    path = tmp_path / "storage.toml"
    path.write_text(
        'storage = "several"\ntiers = ["memory:", {storage = "lru", size = 5}]\n', encoding="utf-8"
    )
    with pytest.raises(
        StorageProviderError, match=r"storage.toml', tiers\[1\] does not fit LRUStorageService"
    ):
        make(path, several=Several)
    with pytest.raises(StorageProviderError, match=r"the configuration, mounts\.a does not fit"):
        make(
            {"storage": "several", "tiers": [], "mounts": {"a": {"storage": "lru", "b": 1}}}, several=Several
        )


def test_what_a_constructor_refuses_comes_through() -> None:
    with pytest.raises(ValueError, match="expiration must be more than 0"):
        make({"storage": "volatile", "expiration": -1})
    with pytest.raises(TypeError, match="mutable mapping"):
        make({"storage": "volatile", "inner": 5})


@pytest.mark.parametrize("config", [None, 5, ["memory:"]])
def test_what_is_neither_mapping_nor_path_is_a_type_error(config: Any) -> None:
    with pytest.raises(TypeError):
        make(config)
