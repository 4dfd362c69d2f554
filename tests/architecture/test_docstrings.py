"""Everything public says what it does, what it takes and what it raises."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from pystorage.storage import Storage
from tests.architecture.docstrings import Callable, documented_arguments, faults, public
from tests.architecture.imports import modules

MODULES = [name for name in modules() if not any(part.startswith("_") for part in name.split("."))]


@pytest.mark.parametrize("name", MODULES)
def test_it_is_all_documented(name: str) -> None:
    module = importlib.import_module(name)
    found = [f"{one.path} {fault}" for one in public(module) for fault in faults(one)]
    assert not found, "\n" + "\n".join(found)


def test_the_public_names_are_looked_at() -> None:
    paths = {one.path for name in MODULES for one in public(importlib.import_module(name))}
    assert paths >= {
        "pystorage.errors.StorageError",
        "pystorage.errors.near",
        "pystorage.storage.Storage.get_many",
        "pystorage.storage.Storage.timer",
        "pystorage.stores.file.FileStorage.adopt",
        "pystorage.stores.file.FileStorage.set_many",
        "pystorage.services.JSONStorageService",
        "pystorage.urls.StorageURL.parse",
    }
    assert len(paths) > 300
    assert not any("._" in path or ".test_" in path for path in paths)


# -------------------------------------------------------------------- the checker itself


def complete(first: int, *rest: int, word: str = "") -> int:
    """Add.

    Args:
        first: A number,
            which may be negative: it is.
        rest: More numbers.
        word: Not looked at.

    Returns:
        first: The sum.

    Raises:
        Nothing.
    """
    return first + sum(rest)


class Complete(NamedTuple):
    """A pair.

    Args:
        left: One.
        right: Another.

    Raises:
        Nothing.
    """

    left: int
    right: int


class Heir(Storage[str, int]):
    """A storage whose methods are documented where they come from.

    Raises:
        Nothing.
    """

    def set(self, key: str, value: int, *, ttl: float | None = None) -> None: ...

    def scan(self, prefix: str):
        """Give keys.

        Args:
            prefix: Their beginning.
            suffix: Their end.
        """


def undocumented(): ...


def halfway(one: int, two: int) -> None:
    """Says little, and goes on

    Args:
        one: A number.
        three: A number.
    """


def two_sentences() -> None:
    """Do this. Do that.

    Raises:
        Nothing.
    """


class Bare(Complete):
    def method(self) -> None: ...


def report(what: object, owner: type | None = None) -> Sequence[str]:
    return list(faults(Callable(f"here.{what.__name__}", what, owner)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", [complete, Complete, Heir])
def test_a_docstring_that_says_all_is_fine(what: object) -> None:
    assert report(what) == []


def test_arguments_are_those_of_their_section() -> None:
    assert documented_arguments(inspect.cleandoc(complete.__doc__ or "")) == ["first", "rest", "word"]


def test_what_is_missing_is_found() -> None:
    assert report(undocumented) == ["has no docstring"]
    assert report(two_sentences) == ["does not begin with a sentence of its own"]
    assert report(halfway) == [
        "does not begin with a sentence of its own",
        "does not say what it raises",
        "documents an argument three, which it does not have",
        "does not document its argument two",
    ]
    assert report(Bare) == ["has no docstring"]


def test_an_override_has_the_docstring_of_what_it_overrides() -> None:
    assert report(Heir.set, Heir) == []
    assert report(Heir.scan, Heir) == [
        "does not say what it raises",
        "documents an argument suffix, which it does not have",
    ]


def test_what_a_module_only_imports_is_not_its_own() -> None:
    module = types.ModuleType("elsewhere")
    vars(module).update(complete=complete, Complete=Complete)
    assert list(public(module)) == []
    module.__name__ = __name__
    assert [one.path for one in public(module)] == [f"{__name__}.complete", f"{__name__}.Complete"]
