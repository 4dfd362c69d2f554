"""version="auto": a function whose code was changed finds none of its old results."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage import memoize
from pystorage.memo.codeversion import code_version

BASE = '''
import textwrap
from pystorage import memoize

LIMIT = 5

def decorated(function):
    import functools
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

@memoize({}, version="auto")
def function(a, b=2):
    """Say something."""
    # a comment
    return doubled(a) + b

def doubled(a):
    return deeper(a) * 2

@decorated
def deeper(a):
    return len(textwrap.dedent(str(a)))
'''


@pytest.fixture
def version(tmp_path: Path) -> Any:
    count = 0

    def version(*changes: tuple[str, str]) -> str:
        nonlocal count
        count += 1
        source = BASE
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        path = tmp_path / f"number{count}" / "module.py"
        path.parent.mkdir()
        path.write_text(source)
        specification = importlib.util.spec_from_file_location("some_module", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules["some_module"] = module
        specification.loader.exec_module(module)
        prefix: str = module.function.key_prefix
        assert module.function.key_for(1).startswith(prefix)
        assert module.function(12) == 6
        return prefix

    yield version
    sys.modules.pop("some_module", None)


@pytest.mark.parametrize(
    "old, new",
    [
        ("# a comment", "# another comment"),
        ('"""Say something."""', '"""Say something else."""'),
        ("doubled(a) + b", "(doubled( a )  +\n    b)"),
        ("LIMIT = 5", "LIMIT = 6"),
        ("def doubled(a):", "\n\n\ndef doubled(a):"),
    ],
)
def test_what_makes_no_difference(version: Callable[..., str], old: str, new: str) -> None:
    assert version() == version((old, new))


@pytest.mark.parametrize(
    "old, new",
    [
        ("doubled(a) + b", "b + doubled(a)"),
        ("b=2", "b=1+1"),
        ("deeper(a) * 2", "2 * deeper(a)"),
        ("len(textwrap", "0 + len(textwrap"),
        ("return function(*args)", "return 0 + function(*args)"),
    ],
)
def test_what_makes_another_version(version: Callable[..., str], old: str, new: str) -> None:
    assert version() != version((old, new))


def test_without_source() -> None:
    def made(source: str) -> Any:
        space: dict[str, Any] = {"__name__": "nowhere"}
        exec(source, space)
        return space["function"]

    one = made("def function(a):\n    return a + 1")
    assert code_version(one) == code_version(made("def function(a):\n\n    return a + 1"))
    assert code_version(one) != code_version(made("def function(a):\n    return a + 2"))
    assert code_version(lambda: 1) != code_version(lambda: 2)


def test_what_is_not_written_in_python() -> None:
    with pytest.raises(TypeError, match="is not written in Python: give a version"):
        memoize({}, version="auto")(len)([])


def test_functions_that_name_one_another() -> None:
    assert code_version(even) == code_version(even)


def even(number: int) -> bool:
    return number == 0 or odd(number - 1)


def odd(number: int) -> bool:
    return number != 0 and even(number - 1)
