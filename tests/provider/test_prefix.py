"""Classes that register a URL scheme of their own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

import pystorage
from pystorage import FileStorage, MemoryStorage, Storage
from pystorage.errors import StorageProviderError
from pystorage.urls import SCHEMES, StorageURL


def test_a_class_with_a_prefix_is_opened_by_it() -> None:
    class Mine(MemoryStorage[str, int], prefix="mine"): ...

    for url in ("mine:", "mine://", "MINE:"):
        assert type(pystorage.open(url)) is Mine


def test_its_options_become_arguments() -> None:
    class Sized(MemoryStorage[str, int], prefix="sized"):
        url_options: ClassVar[dict[str, Any]] = {"size": int}

        def __init__(self, size: int = 1) -> None:
            super().__init__()
            self.size = size

    assert pystorage.open("sized:").size == 1
    assert pystorage.open("sized:?size=5").size == 5
    assert pystorage.open("sized:?size=5", size=7).size == 7
    with pytest.raises(StorageProviderError, match="'size' of a sized: URL cannot be 'x'"):
        pystorage.open("sized:?size=x")


def test_a_class_may_read_the_url_itself() -> None:
    class Placed(MemoryStorage[str, int], prefix="placed"):
        place = ""

        @classmethod
        def from_url(cls, url: StorageURL, **overrides: Any) -> Placed:
            made = cls(**overrides)
            made.place = f"{url.host}|{url.path}|{dict(url.options)}"
            return made

    assert pystorage.open("placed://host:1/a%20b?c=d").place == "host:1|/a b|{'c': 'd'}"


def test_an_heir_does_not_take_the_prefix_over() -> None:
    class First(MemoryStorage[str, int], prefix="first"): ...

    class Second(First): ...

    assert type(pystorage.open("first:")) is First
    assert type(Second.from_url(StorageURL.parse("first:"))) is Second


@pytest.mark.parametrize("prefix", ["file", "memory", "mem", "lru"])
def test_a_scheme_of_ours_cannot_be_taken(prefix: str) -> None:
    before = SCHEMES[prefix]
    with pytest.raises(StorageProviderError, match=f"the URL scheme {prefix!r} is taken by"):
        type("Thief", (MemoryStorage,), {}, prefix=prefix)
    assert SCHEMES[prefix] == before


def test_a_scheme_that_another_class_has_cannot_be_taken() -> None:
    class First(MemoryStorage[str, int], prefix="first"): ...

    with pytest.raises(StorageProviderError, match="'first' is taken by .*First"):

        class Other(MemoryStorage[str, int], prefix="first"): ...

    assert type(pystorage.open("first:")) is First


def test_a_module_that_is_loaded_again_keeps_its_scheme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reloaded_storage.py").write_text(
        "from pystorage import MemoryStorage\nclass Mine(MemoryStorage, prefix='reloaded'): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("reloaded_storage")
    try:
        first = module.Mine
        importlib.reload(module)
        assert module.Mine is not first
        assert type(pystorage.open("reloaded:")) is module.Mine
    finally:
        del sys.modules["reloaded_storage"]


@pytest.mark.parametrize(
    "prefix", ["", "c", "My", "1a", "a b", "a:", "a/b", "\N{LATIN SMALL LETTER E WITH ACUTE}a", "a_b"]
)
def test_a_prefix_that_no_url_could_have_is_refused(prefix: str) -> None:
    with pytest.raises(StorageProviderError, match="at least two of"):
        type("Mine", (MemoryStorage,), {}, prefix=prefix)
    assert prefix not in SCHEMES


def test_our_own_classes_are_named_in_the_table() -> None:
    # As text, so that naming a class does not import it.
    assert {scheme: place for scheme, place in SCHEMES.items() if not isinstance(place, str)} == {}
    assert SCHEMES["file"] == f"{FileStorage.__module__}:{FileStorage.__qualname__}"


def test_keywords_for_other_bases_go_on() -> None:
    class Named:
        name = ""

        def __init_subclass__(cls, *, name: str = "", **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.name = name

    class Mine(MemoryStorage[str, int], Named, prefix="mine", name="x"): ...

    assert Mine.name == "x"
    assert issubclass(Mine, Storage)
    with pytest.raises(TypeError):
        type("Wrong", (MemoryStorage,), {}, colour="red")
