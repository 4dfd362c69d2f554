"""memoize on async def: one computation a key among tasks, loops and processes, whatever is cancelled."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from pystorage import (
    FileStorage,
    LRUStorage,
    MemoryStorage,
    RedisStorage,
    SQLiteStorage,
    aio,
    memoize,
)
from pystorage.errors import UnavailableError, UnsupportedOperation
from pystorage.memo import invalidate_tags
from pystorage.testing import FaultyStorage
from tests.memoize.running import BACKENDS, LONG, run, until


@pytest.fixture(params=["own", "dict", "memory", "file", "sqlite", "face", "redis", "async redis"])
def storage(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Any]:
    def of_redis(kind: Any) -> Any:
        url = request.getfixturevalue("redis_server").url
        return kind(url=url, prefix=f"{tmp_path.name}:")

    makers: dict[str, Callable[[], Any]] = {
        "own": lambda: None,
        "dict": dict,
        "memory": lambda: LRUStorage(100),
        "file": lambda: FileStorage(tmp_path / "results"),
        "sqlite": lambda: SQLiteStorage(tmp_path / "results.db"),
        "face": lambda: aio.wrap(FileStorage(tmp_path / "results")),
        "redis": lambda: of_redis(RedisStorage),
        "async redis": lambda: of_redis(aio.RedisStorage),
    }
    storage = makers[request.param]()
    yield storage
    closed(storage)


def closed(storage: Any) -> None:
    if isinstance(storage, aio.AsyncStorage):
        anyio.run(storage.close)
    elif hasattr(storage, "close"):
        storage.close()


def waiting(function: Any) -> int:
    return sum(len(flight.waiters) for flight in function._flights._going.values())


# -------------------------------------------------------------------- calls


def test_results_are_kept(storage: Any, backend: str) -> None:
    made: list[int] = []

    @memoize(storage)
    async def double(number: int, factor: int = 2) -> list[int]:
        """Give a product."""
        made.append(number)
        await anyio.sleep(0)
        return [number * factor]

    async def main() -> None:
        assert await double(4) == await double(number=4) == await double(4, 2) == [8]
        assert made == [4]
        assert double.cache_info()[:2] == (2, 1)
        assert await double.peek("none", 4) == [8]
        assert await double.peek("none", 5) == "none"
        await double.set([5], 5)
        assert await double(5) == [5]
        assert await double.invalidate(5)
        assert not await double.invalidate(5)
        assert await double.refresh(4) == [8]
        assert made == [4, 4]
        await double.cache_clear()
        assert await double(4) == [8]
        assert double.cache_info()[:2] == (0, 1)

    run(backend, main)
    assert double.__doc__ == "Give a product."
    assert inspect.signature(double).parameters.keys() == {"number", "factor"}
    assert asyncio.iscoroutinefunction(double)
    assert inspect.iscoroutinefunction(double)
    assert "double" in repr(double)
    assert double.cache_parameters()["ttl"] is None


def test_one_in_memory_before_one_on_disk(tmp_path: Any, backend: str) -> None:
    made: list[int] = []

    @memoize(ttl=60)
    @memoize(FileStorage(tmp_path / "results"))
    async def double(number: int) -> int:
        made.append(number)
        return 2 * number

    async def main() -> None:
        assert [await double(4), await double(4)] == [8, 8]
        await double.cache_clear()
        assert await double(4) == 8

    run(backend, main)
    assert made == [4]


def test_sync_and_async_functions_share_results(tmp_path: Any, backend: str) -> None:
    storage = FileStorage[str, Any](tmp_path / "results")
    double = memoize(storage)(made_double())
    assert double(2) == 4
    other = memoize(storage)(made_async_double())
    assert other.key_for(2) == double.key_for(2)

    async def main() -> Any:
        return await other(2), other.cache_info()[:2]

    assert run(backend, main) == (4, (1, 0))


def made_double() -> Any:
    def double(number: int) -> int:
        return number * 2

    double.__qualname__ = "double"
    return double


def made_async_double() -> Any:
    async def double(number: int) -> int:
        raise AssertionError("it is kept already")

    double.__qualname__ = "double"
    return double


def test_methods(backend: str) -> None:
    class Shop:
        @memoize(ignore="self")
        async def price(self, fruit: str) -> int:
            return len(fruit)

        @staticmethod
        @memoize
        async def stock(fruit: str) -> int:
            return len(fruit) * 2

    async def main() -> None:
        shop = Shop()
        assert await shop.price("pear") == await shop.price(fruit="pear") == 4
        assert shop.price.cache_info()[:2] == (1, 1)
        assert await shop.price.peek(0, "pear") == 4
        await shop.price.set(7, "pear")
        assert await shop.price("pear") == 7
        assert await shop.price.refresh("pear") == 4
        assert await shop.price.invalidate("pear")
        assert shop.price == shop.price
        assert await Shop.stock("fig") == 6

    run(backend, main)


# -------------------------------------------------------------------- one computation


def test_a_thousand_tasks_at_a_cold_key_compute_once(storage: Any, backend: str) -> None:
    made: list[int] = []

    @memoize(storage)
    async def slow(number: int) -> list[int]:
        made.append(number)
        await anyio.sleep(0.01)
        return [number]

    found: list[list[int]] = []

    async def ask(number: int) -> None:
        found.append(await slow(number))

    async def main() -> None:
        for number in range(3):
            async with anyio.create_task_group() as group:
                for _ in range(1000):
                    group.start_soon(ask, number)

    run(backend, main)
    assert made == [0, 1, 2]
    assert len(found) == 3000
    assert slow.cache_info()[:2] == (2997, 3)
    assert not slow._flights._going


def test_a_cancelled_leader_leaves_the_key_to_one_who_waits(storage: Any, backend: str) -> None:
    """Elsewhere the waiters get the leader's cancellation."""
    made: list[int] = []

    @memoize(storage)
    async def slow() -> int:
        made.append(1)
        await anyio.sleep(LONG if len(made) == 1 else 0.01)
        return len(made)

    found: list[int] = []

    async def ask() -> None:
        found.append(await slow())

    async def main() -> None:
        async with anyio.create_task_group() as group, anyio.create_task_group() as leader:
            leader.start_soon(ask)
            await until(lambda: made)
            for _ in range(10):
                group.start_soon(ask)
            await until(lambda: waiting(slow) == 10)
            leader.cancel_scope.cancel()

    run(backend, main)
    assert found == [2] * 10
    assert len(made) == 2


def test_a_leader_cancelled_by_asyncio_itself() -> None:
    made: list[int] = []

    @memoize
    async def slow() -> int:
        made.append(1)
        await asyncio.sleep(LONG if len(made) == 1 else 0)
        return 7

    async def main() -> None:
        tasks = [asyncio.create_task(slow()) for _ in range(5)]
        await until(lambda: waiting(slow) == 4)
        tasks[0].cancel()
        tasks[1].cancel()
        assert await asyncio.gather(*tasks[2:]) == [7] * 3
        for task in tasks[:2]:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not slow._flights._going

    run("asyncio", main)


def test_cancelled_waiters_disturb_nobody(backend: str) -> None:
    gate: list[anyio.Event] = []

    @memoize
    async def slow() -> int:
        await gate[0].wait()
        return 7

    found: list[int] = []

    async def ask() -> None:
        found.append(await slow())

    async def main() -> None:
        gate.append(anyio.Event())
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            async with anyio.create_task_group() as others:
                for _ in range(5):
                    others.start_soon(ask)
                await until(lambda: waiting(slow) == 5)
                others.cancel_scope.cancel()
            assert waiting(slow) == 0
            gate[0].set()

    run(backend, main)
    assert found == [7]


def test_the_error_goes_to_those_who_waited_and_the_next_call_tries_again(storage: Any, backend: str) -> None:
    made: list[int] = []

    @memoize(storage)
    async def failing() -> int:
        made.append(1)
        if len(made) == 1:
            await until(lambda: waiting(failing) == 5)
            raise ValueError("once")
        return 5

    errors: list[str] = []

    async def ask() -> None:
        try:
            await failing()
        except ValueError as error:
            errors.append(str(error))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(ask)
        assert errors == ["once"] * 6
        assert len(made) == 1
        assert await failing() == 5

    run(backend, main)


@pytest.mark.timeout(60)
def test_a_call_of_itself_computes_through(storage: Any, backend: str) -> None:
    depth: list[int] = []

    @memoize(storage)
    async def nested(number: int) -> int:
        depth.append(number)
        return await nested(number) + 1 if len(depth) < 3 else 0

    async def main() -> None:
        assert await nested(1) == 2
        assert await nested(1) == 2

    run(backend, main)


@pytest.mark.timeout(60)
def test_a_task_that_asks_for_what_its_parent_computes_does_not_hang(backend: str) -> None:
    depth: list[int] = []

    @memoize
    async def nested(number: int) -> int:
        depth.append(number)
        if len(depth) == 1:
            async with anyio.create_task_group() as group:
                group.start_soon(nested, number)
        return len(depth)

    async def main() -> None:
        assert await nested(1) == 2

    run(backend, main)


@pytest.mark.timeout(60)
def test_tasks_that_wait_in_a_ring_do_not_hang(backend: str) -> None:
    started: list[int] = []

    @memoize
    async def ring(number: int) -> int:
        if len(started) == 3 and number in started:
            return 0
        started.append(number)
        await until(lambda: len(started) == 3)
        return await ring((number + 1) % 3) + 1

    found: list[int] = []

    async def ask(number: int) -> None:
        found.append(await ring(number))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(ask, number)

    run(backend, main)
    assert len(found) == 3
    assert not ring._flights._going


@pytest.mark.timeout(60)
def test_several_event_loops_compute_once() -> None:
    made: list[int] = []

    @memoize
    async def slow(number: int) -> int:
        made.append(number)
        await anyio.sleep(0.05)
        return number

    found: list[int] = []
    together = threading.Barrier(4)

    def loop(backend: str) -> None:
        async def ask() -> None:
            found.append(await slow(5))

        async def main() -> None:
            together.wait(LONG)
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(ask)

        run(backend, main)

    threads = [threading.Thread(target=loop, args=(BACKENDS[at % 2],)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert found == [5] * 80
    assert made == [5]
    for each in BACKENDS:  # and after those loops are closed
        run(each, lambda: slow(6))
    assert made == [5, 6]


def test_a_loop_that_is_closed_while_it_waits_disturbs_nobody() -> None:
    inside, gate = threading.Event(), threading.Event()

    @memoize
    async def slow() -> int:
        inside.set()
        while not gate.is_set():
            await anyio.sleep(0.001)
        return 7

    found: list[int] = []
    leader = threading.Thread(target=lambda: found.append(run("asyncio", slow)))
    leader.start()
    assert inside.wait(LONG)

    async def impatient() -> None:
        with anyio.move_on_after(0.05):
            await slow()

    for backend in BACKENDS:
        run(backend, impatient)
    gate.set()
    leader.join(LONG)
    assert found == [7]


@pytest.mark.timeout(60)
def test_a_computation_longer_than_its_lease(tmp_path: Any, backend: str) -> None:
    made: list[int] = []

    def function() -> Any:
        @memoize(FileStorage(tmp_path / "results"), lock_ttl=0.3, version=1)
        async def slow() -> int:
            made.append(1)
            await anyio.sleep(1)
            return 7

        return slow

    found: list[int] = []

    async def ask(one: Any) -> None:
        found.append(await one())

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask, function())

    run(backend, main)
    assert (found, made) == ([7] * 3, [1])


@pytest.mark.timeout(60)
def test_a_cancelled_leader_gives_its_lease_back(tmp_path: Any, backend: str) -> None:
    storage = FileStorage[str, int](tmp_path / "results")

    @memoize(storage)
    async def slow(seconds: float) -> int:
        await anyio.sleep(seconds)
        return 7

    async def main() -> None:
        with anyio.move_on_after(0.2):
            await slow(LONG)
        with storage.lock(slow.key_for(LONG), 5, timeout=0):
            pass

    run(backend, main)


def test_a_waiter_goes_on_alone_after_lock_timeout(backend: str) -> None:
    made: list[int] = []

    @memoize(lock_timeout=0.05)
    async def slow() -> int:
        made.append(1)
        if len(made) == 1:
            await anyio.sleep(LONG)
        return len(made)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(slow)
            await until(lambda: made)
            assert await slow() == 2
            group.cancel_scope.cancel()

    run(backend, main)


@pytest.mark.parametrize("kind", ["own", "dict", "file"])
def test_a_late_leader_does_not_replace_the_newer_result(kind: str, tmp_path: Any, backend: str) -> None:
    storage: Any = {"own": None, "dict": {}, "file": FileStorage(tmp_path)}[kind]
    made: list[int] = []

    @memoize(storage, lock_timeout=0.02)
    async def slow() -> int:
        made.append(1)
        if len(made) == 1:
            await gate.wait()
            return 1
        return len(made)

    async def main() -> None:
        nonlocal gate
        gate = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(slow)
            await until(lambda: made)
            assert await slow() == 2
            gate.set()
        assert await slow() == 2

    gate: Any = None
    run(backend, main)


# -------------------------------------------------------------------- tags, errors


def test_tags_and_kept_errors(tmp_path: Any, backend: str) -> None:
    storage = FileStorage[str, Any](tmp_path / "results")
    made: list[int] = []

    @memoize(storage, tags="user:{user}", errors={LookupError: 60})
    async def name(user: int) -> str:
        made.append(user)
        if user == 0:
            raise LookupError("nobody")
        return f"user {user}"

    async def main() -> None:
        for _ in range(2):
            assert await name(7) == "user 7"
            with pytest.raises(LookupError, match="nobody"):
                await name(0)
        assert made == [7, 0]
        invalidate_tags(storage, "user:7")
        assert await name(7) == "user 7"
        assert made == [7, 0, 7]
        await name.set("set", 7)
        assert await name(7) == "set"
        invalidate_tags(storage, "user:7")
        assert await name.peek(None, 7) is None

    run(backend, main)


@pytest.mark.parametrize("on_error", ["raise", "recompute", "stale"])
def test_a_storage_that_is_down(on_error: Any, backend: str) -> None:
    storage = FaultyStorage(MemoryStorage[str, int]())
    made: list[int] = []

    @memoize(storage, on_error=on_error)
    async def one() -> int:
        made.append(1)
        return len(made)

    async def main() -> Any:
        await one()
        storage.fail(UnavailableError("away"), on=["get", "set"])
        return await one()

    if on_error == "raise":
        with pytest.raises(UnavailableError):
            run(backend, main)
    else:
        assert run(backend, main) == (2 if on_error == "recompute" else 1)
        assert one.unavailable > 0


def test_a_call_tries_a_storage_that_is_down_to_read_and_to_write_and_no_more(
    backend: str, tmp_path: Any
) -> None:
    storage = FaultyStorage(FileStorage[str, int](tmp_path / "results"))

    @memoize(storage, on_error="recompute")
    async def one() -> int:
        return 1

    assert one.cache_parameters()["leases"] == "lock"
    storage.fail(UnavailableError("each try takes its time"))

    async def main() -> None:
        assert await one() == 1

    run(backend, main)
    assert one.unavailable == 2


def test_copies(backend: str) -> None:
    @memoize(copy="deep")
    async def rows() -> list[list[int]]:
        return [[1]]

    async def main() -> None:
        for _ in range(3):
            found = await rows()
            assert found == [[1]]
            found[0].append(2)

    run(backend, main)


def test_invalidated_while_it_is_computed(backend: str) -> None:
    made: list[int] = []

    @memoize
    async def slow() -> int:
        made.append(1)
        if len(made) == 1:
            await slow.invalidate()
        return len(made)

    async def main() -> None:
        assert [await slow(), await slow(), await slow()] == [1, 2, 2]

    run(backend, main)


# -------------------------------------------------------------------- what is refused


async def coroutine(number: int = 0) -> int:
    return number


def test_what_is_refused() -> None:
    face = aio.wrap(FileStorage("unused"))
    with pytest.raises(TypeError, match=r"is async: decorate an async def, or take a storage that is not"):
        memoize(face)(inspect.signature)
    with pytest.raises(TypeError, match=r"ttl is seconds, or a plain function"):
        memoize(ttl=coroutine)(coroutine)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"key= of coroutine\(\) is async"):
        memoize(key=coroutine)(coroutine)
    with pytest.raises(UnsupportedOperation, match="lock=True"):
        memoize(aio.wrap(MemoryStorage()), lock=True)
    with pytest.raises(TypeError, match="names 'x' in"):
        memoize(tags="{x}")(coroutine)
