"""Settings: which are refused, how they are shown, and those of a URL."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from pystorage import StorageProviderError, engine
from pystorage.engine._checks import POLICIES
from pystorage.testing import FakeClock
from pystorage.urls import StorageURL
from tests.engine.whole import Implementation


@pytest.mark.parametrize(
    "maxsize",
    [-1, -0.5, -math.inf, math.nan, 1.5, True, False, "10", b"1", [], Fraction(2), Decimal(2)],
)
def test_a_limit_is_a_whole_number(memory: Implementation, maxsize: Any) -> None:
    with pytest.raises(ValueError, match="maxsize"):
        memory.LRUStorage(maxsize)
    lru = memory.LRUStorage(2)
    with pytest.raises(ValueError, match="maxsize"):
        lru.resize(maxsize)
    assert lru.maxsize == 2


def test_a_limit_is_given(memory: Implementation) -> None:
    with pytest.raises(TypeError, match="maxsize"):
        memory.LRUStorage()
    assert type(memory.LRUStorage(10.0).maxsize) is int


@pytest.mark.parametrize("name", ["weigher", "on_evict", "timer"])
def test_functions_are_functions(memory: Implementation, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        memory.LRUStorage(5, **{name: 5})


def size_of(key: Any, value: Any) -> int:
    return len(value)


def test_repr_shows_settings_and_no_contents(memory: Implementation, clock: FakeClock) -> None:
    lru = memory.LRUStorage(10)
    lru["secret"] = "secret"
    assert repr(lru) == "LRUStorage(10)"
    assert repr(memory.LRUStorage(None, ttl=5)) == "LRUStorage(None, ttl=5.0)"
    assert repr(memory.LRUStorage(1, weigher=size_of, on_evict=print, timer=clock)) == (
        "LRUStorage(1, weigher=size_of, on_evict=print, timer=FakeClock)"
    )
    assert repr(memory.MemoryStorage()) == "MemoryStorage()"
    assert repr(memory.MemoryStorage(timer=time.time)) == "MemoryStorage(timer=time)"
    assert memory.MemoryStorage(timer=clock).timer is clock
    assert memory.LRUStorage(5).timer is time.monotonic


def test_urls(memory: Implementation) -> None:
    lru = memory.LRUStorage.from_url(StorageURL.parse("lru:?maxsize=1000&ttl=2.5"))
    assert repr(lru) == "LRUStorage(1000, ttl=2.5)"
    assert memory.LRUStorage.from_url(StorageURL.parse("lru:?maxsize=none")).maxsize is None
    assert memory.LRUStorage.from_url(StorageURL.parse("lru:"), maxsize=5).maxsize == 5
    assert repr(memory.MemoryStorage.from_url(StorageURL.parse("memory:"))) == "MemoryStorage()"
    assert repr(memory.MemoryStorage.from_url(StorageURL.parse("mem://"))) == "MemoryStorage()"


@pytest.mark.parametrize(
    "url", ["lru:", "lru:?maxsize=ten", "lru:?maxsize=5&policy=x", "lru://host?maxsize=5"]
)
def test_urls_that_say_nothing(memory: Implementation, url: str) -> None:
    with pytest.raises(StorageProviderError, match="maxsize|policy|place"):
        memory.LRUStorage.from_url(StorageURL.parse(url))


@pytest.mark.parametrize("policy", ["", "LRU", "best", None, 1, b"lru", [], "lru "])
def test_a_policy_that_is_unknown_is_refused(memory: Implementation, policy: Any) -> None:
    known = ", ".join(map(repr, POLICIES))
    with pytest.raises(ValueError, match=f"is no policy; known are {known}$"):
        memory.CacheStorage(5, policy=policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_shown_and_can_only_be_read(memory: Implementation, policy: Any) -> None:
    cache = memory.CacheStorage(5, policy=policy, ttl=3)
    assert (cache.policy, repr(cache)) == (policy, f"CacheStorage(5, policy={policy!r}, ttl=3.0)")
    with pytest.raises(AttributeError):
        cache.policy = "lru"


def test_which_engine_is_in_use() -> None:
    assert engine.IMPLEMENTATION in ("c", "python")
    assert issubclass(engine.Cache, object)
