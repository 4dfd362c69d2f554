"""The tree of errors, and what each of them carries and survives."""

from __future__ import annotations

import copy
import errno
import inspect
import pickle
import re
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from pystorage import errors
from pystorage.codecs.header import Truncated
from pystorage.errors import (
    DecodeError,
    IntegrityError,
    MissingDependencyError,
    NotFoundError,
    StorageError,
    StorageProviderError,
    UnavailableError,
    near,
)

#: Each error, its parent in our tree and the builtin that it also is.
TREE: dict[str, tuple[str, tuple[type[Exception], ...]]] = {
    "StorageProviderError": ("StorageError", (LookupError,)),
    "MissingDependencyError": ("StorageProviderError", (ImportError,)),
    "InvalidKeyError": ("StorageError", (TypeError, ValueError)),
    "ReadOnlyError": ("StorageError", ()),
    "ClosedError": ("StorageError", ()),
    "EncodeError": ("StorageError", (ValueError,)),
    "DecodeError": ("StorageError", (ValueError,)),
    "IntegrityError": ("DecodeError", ()),
    "CapacityError": ("StorageError", (ValueError,)),
    "UnavailableError": ("StorageError", (OSError,)),
    "ConflictError": ("StorageError", ()),
    "NotFoundError": ("StorageError", (KeyError,)),
    "UnsupportedOperation": ("StorageError", (NotImplementedError,)),
}
KINDS: list[type[StorageError]] = [StorageError, *(getattr(errors, name) for name in TREE)]
#: Builtins that a caller may be catching for something else.
CAUGHT = (KeyError, OSError, ImportError, TypeError, ValueError, LookupError, NotImplementedError)

by_kind = pytest.mark.parametrize("kind", KINDS)


def test_the_tree_is_whole() -> None:
    found = {
        name
        for name, what in vars(errors).items()
        if inspect.isclass(what) and what.__module__ == "pystorage.errors" and issubclass(what, BaseException)
    }
    assert found == {"StorageError", *TREE}


@pytest.mark.parametrize("name", TREE)
def test_the_place_in_the_tree(name: str) -> None:
    kind, (parent, builtins) = getattr(errors, name), TREE[name]
    assert kind.__bases__ == (getattr(errors, parent), *builtins)


@pytest.mark.parametrize("name", TREE)
def test_an_error_is_no_builtin_that_it_should_not_be(name: str) -> None:
    meant: set[type] = set()
    at: str | None = name
    while at in TREE:
        at, builtins = TREE[at]
        meant.update(ancestor for builtin in builtins for ancestor in builtin.__mro__)
    assert {caught for caught in CAUGHT if issubclass(getattr(errors, name), caught)} == meant & set(CAUGHT)


def test_the_docstring_draws_the_tree() -> None:
    drawn = re.findall(r"([├└│ ─]*)(\w+)(?:\((.*?)\))?[ \n]", errors.__doc__ or "")
    branches = {name: builtins or "" for stem, name, builtins in drawn if "─" in stem}
    assert branches == {name: ", ".join(kind.__name__ for kind in kinds) for name, (_, kinds) in TREE.items()}


@by_kind
def test_what_it_carries(kind: type[StorageError]) -> None:
    error = kind("could not", storage="Box('x')", key=("a", 1))
    assert (error.message, error.storage, error.key) == ("could not", "Box('x')", ("a", 1))
    assert str(error) == "could not"
    assert repr(error) == f"{kind.__name__}('could not')"
    assert error.args == ("could not",)
    assert traceback.format_exception_only(error) == [f"pystorage.errors.{kind.__name__}: could not\n"]


@by_kind
def test_nothing_is_needed(kind: type[StorageError]) -> None:
    error = kind()
    assert (str(error), error.storage, error.key) == ("", None, None)


@by_kind
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_survives_a_pickle(kind: type[StorageError], protocol: int) -> None:
    error = kind("could not", storage="Box('x')", key=b"key")
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is kind
    assert (str(again), again.storage, again.key, again.args) == (
        "could not",
        "Box('x')",
        b"key",
        ("could not",),
    )
    assert again.__notes__ == ["a note"]


@by_kind
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_it_survives_a_copy(kind: type[StorageError], copied: Any) -> None:
    error = kind("could not", storage="Box('x')", key=["a key", "that is mutable"])
    again = copied(error)
    assert again is not error
    assert (type(again), str(again), again.storage, again.key) == (
        kind,
        "could not",
        error.storage,
        error.key,
    )


def test_the_errno_of_an_outage_survives() -> None:
    error = UnavailableError("disk full")
    assert error.errno is None
    error.errno = errno.ENOSPC
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert again.errno == errno.ENOSPC
        assert str(again) == "disk full"


def test_the_name_of_a_missing_package_survives() -> None:
    error = MissingDependencyError("install it")
    error.name = "redis"
    again = pickle.loads(pickle.dumps(error))
    assert (again.name, again.path) == ("redis", None)


def test_an_heir_with_arguments_of_its_own_survives() -> None:
    error = Truncated(500)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.needed, str(again)) == (Truncated, 500, str(error))


def fail() -> None:
    raise NotFoundError("no such tag", storage="Box('x')", key="tag")


def test_it_comes_back_from_another_process() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(NotFoundError) as caught,
    ):
        pool.submit(fail).result(timeout=60)
    assert (str(caught.value), caught.value.storage, caught.value.key) == ("no such tag", "Box('x')", "tag")


def test_a_missing_tag_does_not_quote_its_message() -> None:
    # As a KeyError would.
    assert str(NotFoundError("no such tag 'x'")) == "no such tag 'x'"


def test_integrity_is_a_way_of_not_being_readable() -> None:
    with pytest.raises(DecodeError):
        raise IntegrityError("the signature does not match")


def test_a_missing_package_is_caught_both_ways() -> None:
    for kind in (ImportError, StorageProviderError, LookupError):
        with pytest.raises(kind):
            raise MissingDependencyError("pip install 'pystorage[redis]'")


@pytest.mark.parametrize(
    "name, known, said",
    [
        ("codek", ["codec", "path"], "; did you mean 'codec'?"),
        ("mem", ["memo", "memory", "file"], "; did you mean 'memo' or 'memory'?"),
        ("zzz", ["b", "a"], "; there are a, b"),
        ("", ["b", "a"], "; there are a, b"),
        ("zzz", [], "; there are none"),
        ("a", iter(["a"]), "; did you mean 'a'?"),
    ],
)
def test_near_names(name: str, known: Any, said: str) -> None:
    assert near(name, known) == said
