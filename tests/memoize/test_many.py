"""A function of many keys is asked for those only that are not kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from pystorage import FileStorage, LRUStorage, memoize, memoize_many
from pystorage.errors import UnavailableError
from pystorage.memo import flight
from pystorage.testing import FakeClock, FaultyStorage

LONG = 20.0


class Source:
    """Prices, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def under(self, *given: Any, **options: Any) -> Any:
        @memoize_many(*given, **options)
        def prices(names: list[str], currency: str = "EUR") -> Mapping[str, Any]:
            self.asked.append(names)
            return {name: (name, currency) for name in names if name != "none"}

        return prices


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture(params=["own", "dict", "memory", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    made = {"own": lambda: None, "dict": dict, "memory": lambda: LRUStorage(100)}
    return made.get(request.param, lambda: FileStorage(tmp_path / "results"))()


def test_only_the_missing_ones_are_asked_for(source: Source, storage: Any) -> None:
    prices = source.under(storage)
    pair = list if isinstance(storage, FileStorage) else tuple
    assert prices(["a", "b", "a"]) == {"a": pair(("a", "EUR")), "b": pair(("b", "EUR"))}
    assert list(prices(iter(["c", "b", "a"]))) == ["c", "b", "a"]
    assert prices(["a"], "USD") == {"a": pair(("a", "USD"))}
    assert prices([]) == {}
    assert source.asked == [["a", "b"], ["c"], ["a"]]
    assert prices.cache_info()[:2] == (2, 4)
    assert prices.invalidate(["a", "z"]) == 1
    prices(["a", "b"])
    assert source.asked[3:] == [["a"]]


def test_what_has_no_result_is_left_out_and_asked_for_again(source: Source, storage: Any) -> None:
    prices = source.under(storage)
    assert list(prices(["none", "a"])) == ["a"]
    assert prices(["none"]) == {}
    assert source.asked == [["none", "a"], ["none"]]


def test_ttl(source: Source) -> None:
    clock = FakeClock()
    storage = LRUStorage[str, Any](100, timer=clock)
    prices = source.under(storage, ttl=lambda value: 5 if value[0] == "a" else 10, copy="shallow")
    for _ in range(2):
        prices(["a", "b"])
        clock.advance(5)
    assert source.asked == [["a", "b"], ["a"]]


def test_a_storage_that_is_down(source: Source) -> None:
    storage = FaultyStorage(LRUStorage[str, Any](5))
    prices = source.under(storage, on_error="recompute")
    storage.fail(UnavailableError("away"), on=["get", "get_many", "set", "set_many"])
    assert prices(["a"]) == {"a": ("a", "EUR")}
    with pytest.raises(UnavailableError):
        source.under(storage)(["a"])


def test_threads_that_miss_the_same_keys_compute_each_once() -> None:
    inside, gate = threading.Event(), threading.Event()
    asked: list[str] = []

    @memoize_many
    def slow(keys: list[str]) -> dict[str, str]:
        asked.extend(keys)
        inside.set()
        assert gate.wait(LONG)
        return {key: key * 2 for key in keys}

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(slow(["a", "b"])))]
    threads[0].start()
    assert inside.wait(LONG)
    threads += [threading.Thread(target=lambda: found.append(slow(["b", "c", "a"]))) for _ in range(5)]
    for thread in threads[1:]:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(LONG)
    assert sorted(asked) == ["a", "b", "c"]
    assert all(one == {key: key * 2 for key in one} for one in found)
    assert len(found) == 6
    assert not flight._waiting
    assert not slow._flights._going  # type: ignore[attr-defined]


def test_an_error_goes_to_all_who_wait_and_the_next_call_tries_again() -> None:
    inside, gate = threading.Event(), threading.Event()
    fails = [True]

    @memoize_many({})
    def slow(keys: list[str]) -> dict[str, str]:
        inside.set()
        assert gate.wait(LONG)
        if fails:
            raise ValueError("no")
        return dict.fromkeys(keys, "")

    found: list[Any] = []

    def ask() -> None:
        try:
            slow(["a"])
        except ValueError as error:
            found.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    threads[0].start()
    assert inside.wait(LONG)
    for thread in threads[1:]:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(LONG)
    assert found == ["no"] * 3
    fails.clear()
    assert slow(["a"]) == {"a": ""}


def test_one_that_calls_itself() -> None:
    @memoize_many
    def sums(numbers: list[int]) -> dict[int, int]:
        return {number: number and sums([number - 1])[number - 1] + number for number in numbers}

    assert sums([3, 10]) == {3: 6, 10: 55}


def test_so_many_keys_at_a_time(source: Source, storage: Any) -> None:
    prices = source.under(storage, chunk=2)
    prices(["c"])
    assert list(prices("abcde")) == list("abcde")
    assert source.asked == [["c"], ["a", "b"], ["d", "e"]]


def test_the_chunks_before_one_that_fails_are_kept() -> None:
    asked: list[list[int]] = []

    @memoize_many(chunk=1)
    def inverses(numbers: list[int]) -> dict[int, float]:
        asked.append(numbers)
        return {number: 1 / number for number in numbers}

    with pytest.raises(ZeroDivisionError):
        inverses([1, 2, 0, 3])
    assert inverses([1, 2]) == {1: 1.0, 2: 0.5}
    assert asked == [[1], [2], [0]]


@pytest.mark.parametrize("forget", ["invalidate", "cache_clear"])
def test_what_is_let_go_of_while_it_is_computed_is_not_kept(storage: Any, forget: str) -> None:
    asked: list[list[str]] = []
    begun, gate = threading.Event(), threading.Event()

    @memoize_many(storage)
    def slow(keys: list[str]) -> dict[str, int]:
        asked.append(keys)
        if len(asked) == 1:
            begun.set()
            gate.wait(LONG)
            return dict.fromkeys(keys, 1)
        return dict.fromkeys(keys, 2)

    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(slow("ab")))
    thread.start()
    assert begun.wait(LONG)
    assert slow.invalidate("a") == 0 if forget == "invalidate" else slow.cache_clear() is None
    gate.set()
    thread.join(LONG)
    assert found == [{"a": 1, "b": 1}]
    assert slow("ab") == {"a": 2, "b": 1 if forget == "invalidate" else 2}


def test_cache_clear_touches_nothing_else(source: Source, storage: Any) -> None:
    prices = source.under(storage)
    prices(["a", "b"])
    if storage is not None:
        storage["mine"] = 1
    prices.cache_clear()
    assert prices.cache_info()[:2] == (prices.undecodable, prices.unavailable) == (0, 0)
    assert [key for key in prices.storage if key.startswith(prices.key_prefix)] == []
    assert storage is None or storage["mine"] == 1
    prices(["a"])
    assert source.asked == [["a", "b"], ["a"]]


def test_a_storage_that_is_down_is_asked_once_for_all_keys() -> None:
    storage = FaultyStorage(LRUStorage[str, int](100))

    @memoize_many(storage, on_error="stale")
    def double(keys: list[int]) -> dict[int, int]:
        return {key: 2 * key for key in keys}

    double(range(10))
    storage.fail(UnavailableError("away"))
    assert double(range(12)) == {key: 2 * key for key in range(12)}
    assert double.cache_info().misses == 12
    assert 0 < double.unavailable <= 5


def test_what_gives_no_mapping() -> None:
    @memoize_many
    def wrong(keys: list[str]) -> Any:
        return keys

    with pytest.raises(TypeError, match="must give a mapping of keys to results, and gave one list"):
        wrong(["a"])


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a storage or another mutable mapping"):
        memoize_many("redis://")  # type: ignore[call-overload]
    for chunk, error, why in (
        (0, ValueError, "chunk must be at least 1"),
        (1.5, TypeError, "chunk must be an"),
    ):
        with pytest.raises(error, match=why):
            memoize_many(chunk=chunk)  # type: ignore[call-overload]
    with pytest.raises((TypeError, RuntimeError)) as found:

        class Shop:
            @memoize_many
            def prices(self, keys: list[str]) -> dict[str, str]:  # type: ignore[arg-type]
                return {}

    assert "is a method" in str(found.value.__cause__ or found.value)


@pytest.mark.parametrize("options", [{}, {"ttl": 100, "stale": 5}])
def test_prefetch(options: Any) -> None:
    made: list[int] = []

    @memoize(LRUStorage(100), **options)
    def square(number: int) -> int:
        made.append(number)
        return number * number

    square(2)
    assert square.prefetch([(1,), (2,), (3,), (3,)]) == 2
    assert square.prefetch([[1], [2]]) == 0
    for wrong in (["12"], [3]):
        with pytest.raises(TypeError, match=r"prefetch\(\) takes the arguments of each call in a tuple"):
            square.prefetch(wrong)
    assert made == [2, 1, 3]
    assert square.cache_info()[:2] == (0, 3)
