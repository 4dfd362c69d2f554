"""Storages by URL and by path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage import CacheStorage, FileStorage, LRUStorage, MemoryStorage, StorageProvider
from pystorage.codecs import GzipCodec, PickleCodec
from pystorage.errors import StorageProviderError


@pytest.mark.parametrize("url", ["memory:", "mem:", "memory://", "mem://", "MEMORY:", "Mem://", "memory:?"])
def test_memory_is_fresh_each_time(url: str) -> None:
    first, second = pystorage.open(url), pystorage.open(url)
    assert type(first) is MemoryStorage
    first["key"] = "value"
    assert len(second) == 0


@pytest.mark.parametrize(
    "url", ["lru:?maxsize=5", "lru://?maxsize=5", "LRU:?maxsize=5", "lru:?max%73ize=%35"]
)
def test_lru(url: str) -> None:
    storage = pystorage.open(url)
    assert type(storage) is LRUStorage
    assert storage.maxsize == 5


def test_a_cache_has_a_policy() -> None:
    storage = pystorage.open("cache:?maxsize=5&policy=sieve&ttl=60")
    assert type(storage) is CacheStorage
    assert repr(storage) == "CacheStorage(5, policy='sieve', ttl=60.0)"
    assert pystorage.open("cache:?maxsize=none").policy == "lru"
    with pytest.raises(StorageProviderError, match="write cache:\\?maxsize="):
        pystorage.open("cache:")
    with pytest.raises(ValueError, match="'best' is no policy; known are 'lru', 'fifo'"):
        pystorage.open("cache:?maxsize=5&policy=best")


def test_lru_without_a_limit_says_what_is_missing() -> None:
    with pytest.raises(StorageProviderError, match="write lru:\\?maxsize="):
        pystorage.open("lru:")


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    storage = pystorage.open(f"file://{tmp_path}/my%20folder?codec=pickle+gzip&suffix=pkl.gz")
    assert type(storage) is FileStorage
    assert storage.path == f"{tmp_path}/my folder"
    storage["key"] = {1, 2}
    data = (tmp_path / "my folder" / "key.pkl.gz").read_bytes()
    assert (PickleCodec() | GzipCodec()).decode(data, "key") == {1, 2}


@pytest.mark.parametrize(
    "url", ["file:cache", "file:./cache", "cache", "./cache", Path("cache"), "FILE:cache"]
)
def test_relative_folders_are_below_the_current_one(url: Any, elsewhere: Path) -> None:
    assert pystorage.open(url).path == str(elsewhere / "cache")
    assert (elsewhere / "cache").is_dir()


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_file_url_may_name_this_host(host: str, tmp_path: Path) -> None:
    assert pystorage.open(f"file://{host}{tmp_path}/here").path == f"{tmp_path}/here"


@pytest.mark.parametrize("url", ["file:", "file://", "file://elsewhere/cache", "file://elsewhere"])
def test_a_file_url_without_a_folder_here_is_refused(url: str) -> None:
    with pytest.raises(StorageProviderError, match="a folder on this machine"):
        pystorage.open(url)


@pytest.mark.skipif(os.name == "nt", reason="there a name is text, and a drive is a drive")
def test_a_path_as_its_url_is_the_same_folder(elsewhere: Path) -> None:
    for name in (
        "plain",
        "blank and %25",
        "a#b?c",
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "a\nb",
        "\udce9",
    ):
        path = elsewhere / name
        assert pystorage.open(path.as_uri()).path == str(path)


def test_a_path_is_taken_as_it_is(elsewhere: Path) -> None:
    # A Path never is a URL, and a text is one only with a scheme before its first slash.
    for path in (Path("memory:"), "./memory:", "a/b:c", "x y?codec=pickle", "a%20b", "a#b"):
        storage = pystorage.open(path)
        assert type(storage) is FileStorage
        assert storage.path == os.path.join(elsewhere, os.path.normpath(path))


@pytest.mark.parametrize("path", ["C:\\cache", "C:cache", "c:/cache", "Z:"])
def test_a_windows_drive_is_no_scheme(path: str) -> None:
    storage = pystorage.open(path)
    assert type(storage) is FileStorage
    assert storage.path == os.path.abspath(path)


@pytest.mark.parametrize("url", [5, None, b"cache", bytearray(b"cache"), ["cache"]])
def test_what_is_neither_text_nor_path_is_a_type_error(url: Any, elsewhere: Path) -> None:
    with pytest.raises(TypeError):
        pystorage.open(url)
    assert list(elsewhere.iterdir()) == []


def test_nothing_is_no_url(elsewhere: Path) -> None:
    with pytest.raises(StorageProviderError, match="empty"):
        pystorage.open("")
    assert list(elsewhere.iterdir()) == []


# -------------------------------------------------------------------- arguments besides the URL


def test_arguments_win_over_options() -> None:
    assert pystorage.open("lru:?maxsize=5", maxsize=7).maxsize == 7
    assert pystorage.open("lru:", maxsize=7).maxsize == 7


def test_arguments_go_with_a_path() -> None:
    storage = pystorage.open("cache", codec="pickle", suffix="pkl")
    storage["key"] = (1, 2)
    assert storage["key"] == (1, 2)
    assert Path("cache/key.pkl").is_file()


@pytest.mark.parametrize("url", ["memory:", "lru:?maxsize=5", "file:cache", "cache"])
def test_an_unknown_argument_is_refused(url: str) -> None:
    with pytest.raises(StorageProviderError, match="unexpected keyword argument 'colour'"):
        pystorage.open(url, colour="red")


# -------------------------------------------------------------------- what is wrong with it


def test_an_unknown_scheme_lists_the_near_ones() -> None:
    with pytest.raises(StorageProviderError, match="'memroy' is unknown; did you mean 'memory'"):
        pystorage.open("memroy:")


def test_a_folder_that_looks_like_a_scheme_can_be_written_otherwise(elsewhere: Path) -> None:
    with pytest.raises(StorageProviderError, match="write './notes:today' for a folder of that name"):
        pystorage.open("notes:today")
    assert pystorage.open("./notes:today").path == str(elsewhere / "notes:today")


def test_an_unknown_option_lists_the_near_ones() -> None:
    with pytest.raises(StorageProviderError, match="not have the option 'maxsiez'; did you mean 'maxsize'"):
        pystorage.open("lru:?maxsize=5&maxsiez=5")


@pytest.mark.parametrize(
    "url, fault",
    [
        ("lru:?maxsize=many", "option 'maxsize' of a lru: URL cannot be 'many'"),
        ("lru:?maxsize=", "option 'maxsize' of a lru: URL cannot be ''"),
        ("lru:?maxsize", "'maxsize' .* has no value"),
        ("lru:?maxsize=1&maxsize=2", "'maxsize' .* is given twice"),
        ("lru:?maxsize=1&max%73ize=2", "'maxsize' .* is given twice"),
        ("lru:?%ff=1", "not percent-encoded UTF-8"),
        ("lru:?maxsize=%ff", "not percent-encoded UTF-8"),
        ("lru:?maxsize=5#top", "has a fragment"),
        ("lru:?maxsize=5#", "has a fragment"),
        ("lru:5?maxsize=5", "has no place, only options"),
        ("lru://5?maxsize=5", "has no place, only options"),
        ("memory:/a", "has no place, only options"),
        ("mem://host", "has no place, only options"),
        ("memory:?maxsize=5", "not have the option 'maxsize'"),
        ("file:cache?mode=rw", "option 'mode' of a file: URL cannot be 'rw'"),
        ("file:cache?trust=maybe", "write true or false"),
        ("file:a%00b", "NUL"),
        ("file:///a\nb", "control character"),
        ("file:a\tb", "control character"),
        ("file:a\x7fb", "control character"),
        ("file:a\0b", "control character"),
        ("file://[half/cache", "host .* cannot be read"),
        ("file://a\N{ACCOUNT OF}b/c", "host .* cannot be read"),
    ],
)
def test_a_malformed_url_says_what_is_wrong(url: str, fault: str, elsewhere: Path) -> None:
    with pytest.raises(StorageProviderError, match=fault):
        pystorage.open(url)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "url, fault",
    [
        ("file:a?codec=jsn", "codec named 'jsn'.*did you mean 'json'"),
        ("file:a?layout=round", "layout must be"),
    ],
)
def test_a_bad_value_is_the_error_of_the_storage(url: str, fault: str) -> None:
    with pytest.raises((StorageProviderError, ValueError), match=fault):
        pystorage.open(url)


def test_a_provider_opens_as_the_package_does() -> None:
    assert StorageProvider().open("lru:?maxsize=5").maxsize == 5
