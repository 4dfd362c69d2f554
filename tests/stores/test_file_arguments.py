"""The arguments of FileStorage, and the same in URLs: what is wrong is refused before anything is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage.codecs import GzipCodec, JSONCodec, PickleCodec
from pystorage.errors import StorageProviderError, UnavailableError
from pystorage.stores.file import FileStorage


@pytest.mark.parametrize(
    "arguments, kind, says",
    [
        ({"suffix": "a/b"}, ValueError, "suffix must be"),
        ({"suffix": ".x"}, ValueError, "suffix must be"),
        ({"suffix": "x."}, ValueError, "suffix must be"),
        ({"suffix": "x" * 41}, ValueError, "suffix must be"),
        ({"suffix": "é"}, ValueError, "suffix must be"),
        ({"suffix": "a b"}, ValueError, "suffix must be"),
        ({"suffix": "con"}, ValueError, "suffix must be"),
        ({"suffix": "%"}, ValueError, "suffix must be"),
        ({"suffix": None}, TypeError, "suffix must be a str"),
        ({"suffix": b"x"}, TypeError, "suffix must be a str"),
        ({"suffix": 5}, TypeError, "suffix must be a str"),
        ({"layout": "bush"}, ValueError, "layout must be 'flat' or 'tree'"),
        ({"layout": None}, ValueError, "layout must be 'flat' or 'tree'"),
        ({"layout": "tree", "suffix": ""}, ValueError, "layout='tree' needs a suffix"),
        ({"durability": "eternal"}, ValueError, "durability must be"),
        ({"durability": None}, ValueError, "durability must be"),
        ({"mode": 0o400}, ValueError, "mode must be"),
        ({"mode": 0o1600}, ValueError, "mode must be"),
        ({"mode": -0o200}, ValueError, "mode must be"),
        ({"mode": "0600"}, ValueError, "mode must be"),
        ({"mode": True}, ValueError, "mode must be"),
        ({"mode": None}, ValueError, "mode must be"),
        ({"mode": 0o660, "codec": "pickle"}, ValueError, "trust=True"),
        ({"timer": 5.0}, TypeError, "timer must be a function"),
        ({"timer": None}, TypeError, "timer must be a function"),
        ({"codec": "jsn"}, StorageProviderError, "did you mean 'json'"),
        ({"codec": "gzip+json"}, TypeError, "put it first"),
        ({"codec": 5}, TypeError, "codec must be"),
        ({"codec": JSONCodec}, TypeError, "codec must be"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_a_wrong_argument_is_refused(
    tmp_path: Path, arguments: Any, kind: type[Exception], says: str
) -> None:
    """Each is its own error that says what is allowed, and no folder is made."""
    with pytest.raises(kind, match=says):
        FileStorage(tmp_path / "place", **arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["", b"", Path("nul\0byte")])
def test_a_path_that_is_none(path: Any) -> None:
    """An empty path is no folder: who means the current one writes a dot."""
    with pytest.raises(ValueError, match="write '.' for the current folder|null"):
        FileStorage(path)


@pytest.mark.parametrize("path", [None, 5, object()])
def test_a_path_of_another_type(path: Any) -> None:
    """What is no path is ``TypeError``."""
    with pytest.raises(TypeError):
        FileStorage(path)


def test_paths_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is text, bytes or an object that is one; whatever its characters, and however long the way."""
    monkeypatch.chdir(tmp_path)
    odd = os.fsdecode(b"\xff odd \n \xc3\xa9 %2F [*] {x}")
    deep = "/".join(["deep" * 20] * 10)
    for path in ("a", b"b", Path("c"), odd, "e/", "./f/../g", "~", " ", deep):
        storage = FileStorage[str, int](path, layout="tree")
        storage.set("a/b", 1, ttl=1000)
        assert dict(storage) == {"a/b": 1}
        assert storage.path == os.path.abspath(os.fsdecode(path))
        assert repr(storage.path) in repr(storage)
    assert "~" in os.listdir(tmp_path)
    with pytest.raises(UnavailableError):
        FileStorage("x" * 300)


def test_the_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    """A missing folder is made when the storage is, and stays empty until it is written to."""
    storage = FileStorage[str, int](tmp_path / "a" / "b" / "c")
    assert list((tmp_path / "a").rglob("*")) == [tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert len(storage) == 0


def test_repr_shows_what_is_not_usual(tmp_path: Path) -> None:
    """It is short for the usual settings and names the others; no content."""
    storage = FileStorage[str, str](tmp_path)
    storage["secret"] = "secret"
    assert repr(storage) == f"FileStorage({str(tmp_path)!r}, codec=JSONCodec(), suffix='storage')"
    odd = FileStorage[str, str](
        tmp_path,
        codec=PickleCodec() | GzipCodec(1),
        layout="tree",
        durability="power",
        mode=0o640,
        trust=True,
    )
    assert repr(odd) == (
        f"FileStorage({str(tmp_path)!r}, codec=PickleCodec() | GzipCodec(1), suffix='storage', "
        "layout='tree', durability='power', trust=True, mode=0o640)"
    )


# ---------------------------------------------------------------------- URLs


def test_a_url_says_all_that_arguments_do(tmp_path: Path) -> None:
    """Every option of a URL is the argument of its name."""
    place = tmp_path / "my cache"
    url = f"file://{tmp_path}/my%20cache"
    assert repr(pystorage.open(url)) == repr(FileStorage(place))
    options = "?codec=pickle+gzip&suffix=x.y&layout=tree&durability=power&mode=0640&trust=yes"
    made = FileStorage(
        place, codec="pickle+gzip", suffix="x.y", layout="tree", durability="power", mode=0o640, trust=True
    )
    assert repr(pystorage.open(url + options)) == repr(made)
    assert repr(pystorage.open(f"file://localhost{tmp_path}/my%20cache")) == repr(FileStorage(place))
    assert repr(pystorage.open(url + "?suffix=")) == repr(FileStorage(place, suffix=""))
    assert repr(pystorage.open(url, codec="bytes")) == repr(FileStorage(place, codec="bytes"))
    assert repr(pystorage.open(place)) == repr(pystorage.open(str(place))) == repr(FileStorage(place))
    odd = os.fsdecode(b"\xff")
    assert pystorage.open(f"file://{tmp_path}/%FF%0A%3F%23").path == str(tmp_path / f"{odd}\n?#")  # type: ignore[attr-defined]


def test_a_relative_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``file:cache`` is a folder of the current one."""
    monkeypatch.chdir(tmp_path)
    assert repr(pystorage.open("file:cache")) == repr(FileStorage(tmp_path / "cache"))
    assert repr(pystorage.open("file:a/b?codec=text")) == repr(
        FileStorage(tmp_path / "a" / "b", codec="text")
    )


@pytest.mark.parametrize(
    "url, says",
    [
        ("file:", "name a folder on this machine"),
        ("file://", "name a folder on this machine"),
        ("file://server/folder", "name a folder on this machine"),
        ("file:place?codek=json", "did you mean 'codec'"),
        ("file:place?codec=json&codec=text", "given twice"),
        ("file:place?codec", "no value"),
        ("file:place?mode=9", "mode"),
        ("file:place?trust=maybe", "write true or false"),
        ("file:place?timer=5", "option 'timer'"),
        ("file:place#fragment", "%23"),
        ("file:place?codec=jsn", "did you mean 'json'"),
        ("file:pla\nce", "newline|line"),
        ("file:pla\tce", "tab|control|%09"),
    ],
)
def test_a_wrong_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, says: str) -> None:
    """A URL that cannot be meant is one error that says why, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageProviderError, match=says):
        pystorage.open(url)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "option", ["layout=bush", "durability=never", "mode=0400", "suffix=a/b", "codec=pickle&mode=0666"]
)
def test_an_option_that_the_storage_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """What the storage refuses as an argument it refuses in a URL, by the same words."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, StorageProviderError), match="must be|trust=True"):
        pystorage.open(f"file:place?{option}")
    assert os.listdir(tmp_path) == []
