"""What cannot be is refused when decorating or at the call, with the argument and the way out named.

Each on plain functions and on async ones, one key at a time and many.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, aio, invalidate_tags, memoize
from pystorage import memoize_many as many
from pystorage.errors import UnsupportedOperation


def plain(numbers: Any, session: Any = None) -> Any:
    return dict.fromkeys(numbers, 1)


async def asynchronous(numbers: Any, session: Any = None) -> Any:
    return dict.fromkeys(numbers, 1)


FUNCTIONS = [plain, asynchronous]
SECONDS = [
    (0, ValueError, "must be more than 0"),
    (-1, ValueError, "must be more than 0"),
    (math.nan, ValueError, "must be more than 0"),
    ("60", TypeError, "must be a number of seconds or None, not str"),
    (True, TypeError, "must be a number of seconds or None, not bool"),
]


@pytest.fixture(params=FUNCTIONS, ids=["plain", "async"])
def function(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[memoize, many], ids=["memoize", "memoize_many"])
def decorator(request: pytest.FixtureRequest) -> Any:
    return request.param


# -------------------------------------------------------------------- when it is decorated


@pytest.mark.parametrize("seconds, error, why", SECONDS)
def test_seconds(decorator: Any, function: Any, seconds: Any, error: Any, why: str) -> None:
    for given in ((LRUStorage(5),), ()):
        with pytest.raises(error, match=f"ttl {why}"):
            decorator(*given, ttl=seconds)(function)
    with pytest.raises(error, match=f"ttl {why}"):
        decorator(function, ttl=seconds)


@pytest.mark.parametrize("name", ["stale", "ahead", "lock_ttl", "lock_timeout"])
@pytest.mark.parametrize("seconds, error, why", SECONDS)
def test_other_seconds(name: str, function: Any, seconds: Any, error: Any, why: str) -> None:
    with pytest.raises(error, match=f"{name} {why}"):
        memoize(function, ttl=5, **{name: seconds})


@pytest.mark.parametrize("seconds, error, why", SECONDS)
def test_seconds_of_errors(function: Any, seconds: Any, error: Any, why: str) -> None:
    with pytest.raises(error, match=rf"errors\[LookupError\] {why}"):
        memoize(function, errors={LookupError: seconds})


@pytest.mark.parametrize("seconds, error, why", SECONDS[:3])
def test_seconds_that_are_made_of_the_value(
    decorator: Any, function: Any, seconds: Any, error: Any, why: str
) -> None:
    memoized = decorator(function, ttl=lambda value: seconds)
    with pytest.raises(error, match=rf"what ttl= of {function.__name__}\(\) gave {why}"):
        called(memoized, (1, 2))


@pytest.mark.parametrize("name, value", [("stale", 5), ("ahead", 5), ("early", 5), ("jitter", 0.5)])
def test_what_is_about_the_end_of_a_life_needs_one(name: str, value: float, function: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}= is about the end of a life: give ttl=, too"):
        memoize(function, **{name: value})


@pytest.mark.parametrize("value", [1, -0.5, math.nan])
def test_jitter(decorator: Any, function: Any, value: float) -> None:
    with pytest.raises(ValueError, match="jitter must be at least 0 and less than 1, not"):
        decorator(function, jitter=value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_early(function: Any, value: float) -> None:
    with pytest.raises(ValueError, match="early must be at least 0, and 1 is usual, not"):
        memoize(function, ttl=5, early=value)


def test_ignore_names_no_parameter(decorator: Any, function: Any) -> None:
    for ignore in ("sesion", ("session", "sesion")):
        with pytest.raises(
            ValueError, match=r"ignore= names 'sesion', .* no parameter of .*numbers, session"
        ):
            decorator(ignore=ignore)(function)
    with pytest.raises(TypeError, match="ignore= is the names of parameters"):
        decorator(ignore=5)(function)


def test_key_and_tags_name_no_parameter(function: Any) -> None:
    with pytest.raises(TypeError, match=r"key= takes 'user', which is no parameter of .*numbers, session"):
        memoize(function, key=lambda user: user)
    with pytest.raises(TypeError, match=r"tags= names 'user' in '\{user\}', .*numbers, session"):
        memoize(function, tags="{user}")


def test_options_that_are_async(function: Any) -> None:
    """What makes keys and lives is called, not awaited, also for an async function."""
    with pytest.raises(TypeError, match=r"key= of .* is async"):
        memoize(function, key=asynchronous)
    with pytest.raises(TypeError, match="ttl is seconds, or a plain function of the value that gives them"):
        memoize(function, ttl=asynchronous)
    with pytest.raises(TypeError, match="ttl is seconds, or a plain function"):
        many(function, ttl=asynchronous)


def test_a_plain_function_in_a_storage_that_is_async(decorator: Any, tmp_path: Path) -> None:
    face = aio.wrap(FileStorage(tmp_path / "results"))
    with pytest.raises(
        TypeError,
        match=r"of plain\(\) in .* is async: decorate an async def, or take a storage that is not",
    ):
        decorator(face)(plain)
    assert asyncio.run(decorator(face)(asynchronous)((1,))) is not None


def test_what_the_storage_cannot_do(function: Any) -> None:
    for storage in (LRUStorage(5), aio.wrap(MemoryStorage())):
        with pytest.raises(UnsupportedOperation, match=r"lock=True.*in a FileStorage, or leave lock out"):
            memoize(storage, lock=True)
    with pytest.raises(UnsupportedOperation, match=r"ttl=5.* a storage with deadlines.*VolatileStorage"):
        memoize({}, ttl=5)(function)


async def generator() -> Any:
    yield 1


def test_what_is_no_function_of_a_result(decorator: Any) -> None:
    with pytest.raises(TypeError, match="it is a generator function.*memoize a function that gives a list"):
        decorator(generator)
    with pytest.raises(TypeError, match="wrap it in a function made by def"):
        memoize({})(functools.partial(asynchronous))
    with pytest.raises(TypeError, match="write @staticmethod above"):
        decorator({})(staticmethod(asynchronous))


def test_tags_are_let_go_of_in_the_storage_of_the_results(function: Any) -> None:
    with pytest.raises(TypeError, match=r"takes the storage of the results, not .*function\.storage"):
        invalidate_tags(memoize(function), "user:7")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="takes texts such as 'user:7', not 7"):
        invalidate_tags({}, 7)  # type: ignore[arg-type]


# -------------------------------------------------------------------- at the call


class Bare:
    """It has no fingerprint."""


def called(memoized: Callable[..., Any], *args: Any) -> Any:
    found = memoized(*args)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


WAYS_OUT = r"argument 'session', of type Bare, has no fingerprint.*register_fingerprint\(Bare, .*ignore="


def test_an_argument_without_a_fingerprint(decorator: Any, function: Any) -> None:
    memoized = decorator(function)
    with pytest.raises(TypeError, match=WAYS_OUT):
        called(memoized, (1,), Bare())
    with pytest.raises(TypeError, match=WAYS_OUT):
        memoized.key_for(1, Bare())
    assert memoized.cache_info()[:2] == (0, 0)
    assert called(decorator(ignore="session")(function), (1,), Bare()) == {1: 1}


def test_arguments_that_the_function_does_not_take(decorator: Any, function: Any) -> None:
    with pytest.raises(TypeError, match=r"plain\(\)|asynchronous\(\)"):
        called(decorator(function), (1,), 2, 3)


@pytest.mark.parametrize("handle", ["peek", "set", "refresh"])
def test_handling_takes_arguments_as_the_call_does(handle: str, function: Any) -> None:
    first = {"peek": (None,), "set": ({},), "refresh": ()}[handle]
    with pytest.raises(TypeError, match=WAYS_OUT):
        called(getattr(memoize(function), handle), *first, (1,), Bare())
