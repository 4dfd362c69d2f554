"""Hit ratios, of policies and of storages."""

from __future__ import annotations

import pytest

from pystorage import LRUStorage, MemoryStorage
from pystorage.lab import LRU, hit_ratio


def test_a_storage_is_read_through() -> None:
    storage = LRUStorage(2)
    assert hit_ratio(storage, "abacb") == 1 / 5
    assert list(storage) == ["c", "b"]
    assert storage.stats().hits == 1


def test_any_mapping_will_do() -> None:
    assert hit_ratio({}, "aab") == hit_ratio(MemoryStorage(), "aab") == 1 / 3


def test_none_is_a_value() -> None:
    assert hit_ratio({"a": None}, "a") == 1


def test_it_goes_on_from_what_is_there() -> None:
    policy = LRU(2)
    assert (hit_ratio(policy, "ab"), hit_ratio(policy, iter("ab"))) == (0, 1)


def test_an_empty_trace_has_none() -> None:
    with pytest.raises(ValueError, match="without requests"):
        hit_ratio(LRU(2), [])


def test_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        hit_ratio(3, "a")  # type: ignore[arg-type]
