"""Files that the original wrote are read, and ours are such files."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import DecodeError
from pystorage.services import GZipPickleStorageService, JSONStorageService, PickleStorageService


def write_json(path: Path, value: Any) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)


def write_pickle(path: Path, value: Any) -> None:
    with open(path, "wb") as file:
        pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)


def write_gzip(path: Path, value: Any) -> None:
    with gzip.open(path, "wb") as file:
        pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)


def read_json(path: Path) -> Any:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_pickle(path: Path) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


def read_gzip(path: Path) -> Any:
    with gzip.open(path, "rb") as file:
        return pickle.load(file)


#: Service, suffix, and how the original wrote and read.
SERVICES: dict[str, tuple[Any, str, Callable[[Path, Any], None], Callable[[Path], Any]]] = {
    "json": (JSONStorageService, "storage.json", write_json, read_json),
    "pickle": (PickleStorageService, "storage.pkl", write_pickle, read_pickle),
    "pickle and gzip": (GZipPickleStorageService, "storage.pkl.gz", write_gzip, read_gzip),
}
VALUES = [
    {"text": "Hello World!"},
    [1, [2.5, None]],
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    True,
    10**30,
    {},
    "",
]

by_service = pytest.mark.parametrize("name", SERVICES)


@by_service
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_old_file_is_an_entry(name: str, value: Any, tmp_path: Path) -> None:
    service, suffix, write, _ = SERVICES[name]
    write(tmp_path / f"some_key.{suffix}", value)
    storage = service(tmp_path)
    assert storage["some_key"] == value
    assert (list(storage), len(storage), "some_key" in storage) == (["some_key"], 1, True)
    storage["some_key"] = [value]
    assert storage["some_key"] == [value]
    del storage["some_key"]
    assert not (tmp_path / f"some_key.{suffix}").exists()


@by_service
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_entry_is_a_file_that_the_original_would_read(name: str, value: Any, tmp_path: Path) -> None:
    service, suffix, _, read = SERVICES[name]
    service(tmp_path)["some_key"] = value
    assert read(tmp_path / f"some_key.{suffix}") == value


@by_service
def test_json_and_pickle_files_are_the_same_to_the_byte(name: str, tmp_path: Path) -> None:
    service, suffix, write, _ = SERVICES[name]
    service(tmp_path)["ours"] = VALUES
    write(tmp_path / f"theirs.{suffix}", VALUES)
    ours, theirs = ((tmp_path / f"{key}.{suffix}").read_bytes() for key in ("ours", "theirs"))
    if name == "pickle and gzip":  # whose header holds a name and a time
        ours, theirs = gzip.decompress(ours), gzip.decompress(theirs)
    assert ours == theirs


@by_service
def test_an_old_number_is_a_text(name: str, tmp_path: Path) -> None:
    # The original formatted keys into the name, so it could not tell 1 from "1".
    service, suffix, write, _ = SERVICES[name]
    write(tmp_path / f"1.{suffix}", "old")
    storage = service(tmp_path)
    assert (storage.get("1"), storage.get(1)) == ("old", None)


@by_service
def test_old_names_that_are_none_of_ours_are_adopted(name: str, tmp_path: Path) -> None:
    service, suffix, write, _ = SERVICES[name]
    keys = ["two words", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "a%b", "q?", "plain"]
    for key in keys:
        write(tmp_path / f"{key}.{suffix}", key)
    storage = service(tmp_path)
    assert list(storage) == ["plain"]
    assert storage.adopt() == 4
    assert dict(storage) == {key: key for key in keys}
    assert storage.adopt() == 0


@by_service
def test_old_files_in_folders_are_read_as_a_tree(name: str, tmp_path: Path) -> None:
    # The original wrote the key a/b into the folder a if that was there, and never listed it.
    service, suffix, write, _ = SERVICES[name]
    (tmp_path / "a" / "b").mkdir(parents=True)
    write(tmp_path / "a" / f"one.{suffix}", 1)
    write(tmp_path / "a" / "b" / f"two.{suffix}", 2)
    write(tmp_path / f"top.{suffix}", 0)
    assert dict(service(tmp_path)) == {"top": 0}
    assert dict(service(tmp_path, layout="tree")) == {"a/one": 1, "a/b/two": 2, "top": 0}


@by_service
def test_half_an_old_file_is_no_value(name: str, tmp_path: Path) -> None:
    service, suffix, write, _ = SERVICES[name]
    path = tmp_path / f"some_key.{suffix}"
    write(path, {"text": "Hello World!"})
    data = path.read_bytes()
    storage = service(tmp_path)
    for half in (data[: len(data) // 2], data[:-1], b""):
        path.write_bytes(half)
        with pytest.raises(DecodeError, match="could not read 'some_key'"):
            storage["some_key"]
        assert path.read_bytes() == half
        assert "some_key" in storage


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_any_protocol_are_read(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "key.storage.pkl").write_bytes(pickle.dumps({1, 2}, protocol))
    assert PickleStorageService(tmp_path)["key"] == {1, 2}
