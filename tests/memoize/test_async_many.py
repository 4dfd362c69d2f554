"""An async function of many keys is asked for those only that are not kept; and many calls at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from pystorage import FileStorage, LRUStorage, aio, invalidate_tags, memoize, memoize_many
from pystorage.errors import UnavailableError
from pystorage.memo.asyncbackground import ASYNC_BACKGROUND
from pystorage.memo.asyncmany import AsyncMemoizedMany
from pystorage.testing import FakeClock, FaultyStorage
from tests.memoize.running import BACKENDS, LONG, run, until


@pytest.fixture(params=["own", "dict", "memory", "file", "face"])
def storage(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    made = {
        "own": lambda: None,
        "dict": dict,
        "memory": lambda: LRUStorage(100),
        "file": lambda: FileStorage(tmp_path / "results"),
        "face": lambda: aio.wrap(FileStorage(tmp_path / "results")),
    }
    return made[request.param]()


def waiting(function: Any) -> int:
    return sum(len(flight.waiters) for flight in function._flights._going.values())


class Source:
    """Prices, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def under(self, *given: Any, **options: Any) -> Any:
        @memoize_many(*given, **options)
        async def prices(names: list[str], currency: str = "EUR") -> Mapping[str, Any]:
            """Give prices."""
            self.asked.append(names)
            await anyio.sleep(0)
            return {name: [name, currency] for name in names if name != "none"}

        return prices


@pytest.fixture
def source() -> Source:
    return Source()


def test_only_the_missing_ones_are_asked_for(source: Source, storage: Any, backend: str) -> None:
    prices = source.under(storage)

    async def main() -> None:
        assert await prices(["a", "b", "a"]) == {"a": ["a", "EUR"], "b": ["b", "EUR"]}
        assert list(await prices(iter(["c", "b", "a"]))) == ["c", "b", "a"]
        assert await prices(["a"], "USD") == {"a": ["a", "USD"]}
        assert await prices([]) == {}
        assert source.asked == [["a", "b"], ["c"], ["a"]]
        assert prices.cache_info()[:2] == (2, 4)
        assert await prices.invalidate(["a", "z"]) == 1
        await prices(["a", "b"])
        assert source.asked[3:] == [["a"]]
        assert list(await prices(["none", "a"])) == ["a"]
        assert await prices(["none"]) == {}  # asked for again
        assert source.asked[4:] == [["none"], ["none"]]

    run(backend, main)
    assert isinstance(prices, AsyncMemoizedMany)
    assert asyncio.iscoroutinefunction(prices)
    assert (prices.__doc__, prices.__name__) == ("Give prices.", "prices")
    assert "prices, key by key" in repr(prices)


def test_sync_and_async_functions_share_results(tmp_path: Any, backend: str) -> None:
    storage = FileStorage[str, Any](tmp_path / "results")

    def double(numbers: list[int]) -> dict[int, int]:
        return {number: 2 * number for number in numbers}

    plain = memoize_many(storage)(double)
    assert plain([1, 2]) == {1: 2, 2: 4}

    async def other(numbers: list[int]) -> dict[int, int]:
        raise AssertionError("it is kept already")

    other.__qualname__ = double.__qualname__
    assert run(backend, lambda: memoize_many(storage)(other)([2, 1])) == {2: 4, 1: 2}


def test_ttl_and_copies(source: Source, backend: str) -> None:
    clock = FakeClock()
    storage = LRUStorage[str, Any](100, timer=clock)
    prices = source.under(storage, ttl=lambda value: 5 if value[0] == "a" else 10, copy="shallow")

    async def main() -> None:
        for _ in range(2):
            for row in (await prices(["a", "b"])).values():
                row.append("changed by a caller")
            clock.advance(5)
        assert await prices(["a"]) == {"a": ["a", "EUR"]}

    run(backend, main)
    assert source.asked == [["a", "b"], ["a"], ["a"]]


def test_a_storage_that_is_down(source: Source, backend: str) -> None:
    storage = FaultyStorage(LRUStorage[str, Any](5))
    prices = source.under(storage, on_error="recompute")
    storage.fail(UnavailableError("away"), on=["get", "get_many", "set", "set_many"])
    assert run(backend, lambda: prices(["a"])) == {"a": ["a", "EUR"]}
    with pytest.raises(UnavailableError):
        run(backend, lambda: source.under(storage)(["a"]))


def test_so_many_keys_at_a_time(source: Source, storage: Any, backend: str) -> None:
    prices = source.under(storage, chunk=2)

    async def main() -> None:
        await prices(["c"])
        assert list(await prices("abcde")) == list("abcde")

    run(backend, main)
    assert source.asked == [["c"], ["a", "b"], ["d", "e"]]


# -------------------------------------------------------------------- one computation


def test_tasks_that_miss_the_same_keys_compute_each_once(storage: Any, backend: str) -> None:
    asked: list[str] = []

    @memoize_many(storage)
    async def slow(keys: list[str]) -> dict[str, str]:
        asked.extend(keys)
        await anyio.sleep(0.005)
        return {key: key * 2 for key in keys}

    found: list[dict[str, str]] = []

    async def ask(keys: str) -> None:
        found.append(await slow(keys))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for keys in ("ab", "bca", "bca", "cd", "ad"):
                group.start_soon(ask, keys)

    run(backend, main)
    assert sorted(asked) == ["a", "b", "c", "d"]
    assert sorted("".join(sorted(one)) for one in found) == ["ab", "abc", "abc", "ad", "cd"]
    assert all(one == {key: key * 2 for key in one} for one in found)
    assert not slow._flights._going


def test_threads_with_loops_compute_each_once() -> None:
    asked: list[str] = []
    together = threading.Barrier(4)

    @memoize_many
    async def slow(keys: list[str]) -> dict[str, str]:
        asked.extend(keys)
        await anyio.sleep(0.01)
        return {key: key * 2 for key in keys}

    async def main() -> None:
        together.wait(LONG)
        assert await slow("abc") == {"a": "aa", "b": "bb", "c": "cc"}

    threads = [threading.Thread(target=run, args=(BACKENDS[at % 2], main)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert sorted(asked) == ["a", "b", "c"]


@pytest.mark.parametrize("forget", ["invalidate", "cache_clear"])
def test_what_is_let_go_of_while_it_is_computed_is_not_kept(storage: Any, forget: str, backend: str) -> None:
    asked: list[list[str]] = []
    gate: Any = None

    @memoize_many(storage)
    async def slow(keys: list[str]) -> dict[str, int]:
        asked.append(keys)
        if len(asked) == 1:
            await gate.wait()
            return dict.fromkeys(keys, 1)
        return dict.fromkeys(keys, 2)

    async def main() -> None:
        nonlocal gate
        gate = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(slow, "ab")
            await until(lambda: asked)
            await (slow.invalidate("a") if forget == "invalidate" else slow.cache_clear())
            gate.set()
        assert await slow("ab") == {"a": 2, "b": 1 if forget == "invalidate" else 2}
        await slow.cache_clear()
        assert slow.cache_info()[:2] == (0, 0)

    run(backend, main)


def test_a_cancelled_leader_leaves_its_keys_to_one_who_waits(storage: Any, backend: str) -> None:
    asked: list[list[str]] = []

    @memoize_many(storage)
    async def slow(keys: list[str]) -> dict[str, str]:
        asked.append(keys)
        await anyio.sleep(LONG if len(asked) == 1 else 0)
        return {key: key * 2 for key in keys}

    found: list[Any] = []

    async def ask(keys: str) -> None:
        found.append(await slow(keys))

    async def main() -> None:
        async with anyio.create_task_group() as group, anyio.create_task_group() as leader:
            leader.start_soon(ask, "abc")
            await until(lambda: asked)
            group.start_soon(ask, "ab")
            await until(lambda: waiting(slow) == 1)
            leader.cancel_scope.cancel()

    run(backend, main)
    assert found == [{"a": "aa", "b": "bb"}]
    assert asked == [["a", "b", "c"], ["a", "b"]]
    assert not slow._flights._going


def test_an_error_goes_to_all_who_wait_and_the_next_call_tries_again(backend: str) -> None:
    fails = [True]

    @memoize_many({})
    async def slow(keys: list[str]) -> dict[str, str]:
        await until(lambda: not fails or waiting(slow) == 2)
        if fails:
            raise ValueError("no")
        return dict.fromkeys(keys, "")

    found: list[str] = []

    async def ask() -> None:
        try:
            await slow("a")
        except ValueError as error:
            found.append(str(error))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
        assert found == ["no"] * 3
        fails.clear()
        assert await slow("a") == {"a": ""}

    run(backend, main)


def test_one_that_calls_itself(backend: str) -> None:
    @memoize_many
    async def sums(numbers: list[int]) -> dict[int, int]:
        return {n: n and (await sums([n - 1]))[n - 1] + n for n in numbers}

    @memoize_many
    async def again(numbers: list[int]) -> dict[int, int]:
        depth.append(1)
        return {n: (await again([n]))[n] + 1 if len(depth) < 3 else 0 for n in numbers}

    depth: list[int] = []
    assert run(backend, lambda: sums([3, 10])) == {3: 6, 10: 55}
    assert run(backend, lambda: again([1])) == {1: 2}


def test_what_gives_no_mapping(backend: str) -> None:
    @memoize_many
    async def wrong(keys: list[str]) -> Any:
        return keys

    with pytest.raises(TypeError, match="must give a mapping of keys to results, and gave one list"):
        run(backend, lambda: wrong(["a"]))


# -------------------------------------------------------------------- prefetch


@pytest.mark.parametrize("options", [{}, {"ttl": 100, "stale": 5}])
@pytest.mark.parametrize("tasks", [1, 10])
def test_prefetch(options: Any, tasks: int, storage: Any, backend: str) -> None:
    if options and isinstance(storage, dict):
        pytest.skip("a dict knows no deadlines")
    made: list[int] = []
    inside = [0, 0]

    @memoize(storage, **options)
    async def square(number: int) -> int:
        made.append(number)
        inside[0] += 1
        inside[1] = max(inside)
        await anyio.sleep(0.001)
        inside[0] -= 1
        return number * number

    async def main() -> None:
        await square(2)
        assert await square.prefetch([(1,), (2,), (3,), (3,)], tasks=tasks) == 2
        assert await square.prefetch([[1], [2]], tasks=tasks) == 0  # type: ignore[list-item]
        assert await square.prefetch([]) == 0
        assert sorted(made) == [1, 2, 3]
        assert square.cache_info()[:2] == (0, 3)
        await square.prefetch(((n,) for n in range(4, 40)), tasks=tasks)
        assert await square(39) == 39 * 39

    run(backend, main)
    assert inside[1] <= tasks
    assert tasks == 1 or inside[1] > 1


def test_prefetch_of_a_method(backend: str) -> None:
    class Shop:
        def __init__(self, factor: int) -> None:
            self.factor = factor
            self.made: list[int] = []

        @memoize
        async def price(self, number: int) -> int:
            self.made.append(number)
            return number * self.factor

        @memoize({}, key=lambda self, number: (self.factor, number))
        async def shared(self, number: int) -> int:
            self.made.append(number)
            return number * self.factor

    async def main() -> None:
        one, two = Shop(1), Shop(2)
        assert await one.price.prefetch([(1,), (2,), (2,)]) == 2
        assert await Shop.price.prefetch([(one, 2), (one, 3), (two, 3)]) == 2
        assert (await one.price(3), await two.price(3)) == (3, 6)
        assert (one.made, two.made) == ([1, 2, 3], [3])
        assert await two.shared.prefetch([(4,)]) == 1
        assert await Shop(2).shared(4) == 8
        assert two.made == [3, 4]

    run(backend, main)


def test_a_stale_result_of_a_method(backend: str) -> None:
    class Shop:
        made = 0

        @memoize(ttl=0.001, stale=60)
        async def price(self) -> tuple[int, int]:
            self.made += 1
            return id(self), self.made

    async def main() -> None:
        one, two = Shop(), Shop()
        assert [await one.price(), await two.price()] == [(id(one), 1), (id(two), 1)]
        await anyio.sleep(0.002)
        assert await one.price() == (id(one), 1)
        await until(lambda: one.made == 2 and not ASYNC_BACKGROUND._running)
        assert (await one.price())[0] == id(one)
        assert two.made == 1
        await until(lambda: not ASYNC_BACKGROUND._running)

    run(backend, main)


def test_a_prefetch_that_fails(backend: str) -> None:
    made: list[int] = []

    @memoize
    async def inverse(number: int) -> float:
        made.append(number)
        await anyio.sleep(0 if number < 2 else LONG)
        return 1 / number

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await inverse.prefetch([(1,), (5,), (0,), (6,)], tasks=2)
        assert await inverse.peek("none", 1) == 1.0
        assert not inverse._flights._going
        for tasks, error in ((0, ValueError), (True, TypeError), (1.5, TypeError)):
            with pytest.raises(error, match="tasks must be"):
                await inverse.prefetch([(1,)], tasks=tasks)  # type: ignore[arg-type]

    run(backend, main)
    assert 6 not in made


# -------------------------------------------------------------------- tags


def test_tags_in_a_storage_that_is_async(tmp_path: Any, backend: str) -> None:
    storage = aio.wrap(FileStorage[str, Any](tmp_path / "results"))
    made: list[int] = []

    @memoize(storage, tags="user:{user}")
    async def name(user: int) -> str:
        made.append(user)
        return f"user {user}"

    async def main() -> None:
        await name(7)
        assert await invalidate_tags(storage, "user:7", "user:8") == 1
        assert await name(7) == "user 7"
        assert made == [7, 7]

    run(backend, main)
