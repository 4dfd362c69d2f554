"""async def: the old result is given at once, while one task computes anew that is nobody's child."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, aio, memoize
from pystorage.errors import UnavailableError
from pystorage.memo.asyncbackground import ASYNC_BACKGROUND, AsyncBackground
from pystorage.testing import FakeClock, FaultyStorage
from tests.memoize.conftest import Crew
from tests.memoize.counting import Counting
from tests.memoize.running import BACKENDS, LONG, run, until


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "json", "face"])
def storage(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Any) -> Any:
    if request.param == "memory":
        return LRUStorage(100, timer=clock)
    files = FileStorage[str, Any](tmp_path / "results", codec="json", timer=clock)
    return files if request.param == "json" else aio.wrap(files)


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    yield
    assert not ASYNC_BACKGROUND._running


async def settled() -> None:
    """Wait until nothing is computed in the background."""
    await until(lambda: not ASYNC_BACKGROUND._running)


async def aged(function: Any, clock: FakeClock, *args: Any) -> None:
    """Have a result kept, and let it become so old that it is given while it is computed anew."""
    await function(*args)
    clock.advance(12)


# -------------------------------------------------------------------- given while it is computed anew


def test_a_stale_result_is_given_while_one_task_computes(
    counting: Counting, storage: Any, clock: FakeClock, backend: str
) -> None:
    function = counting.async_under(storage, ttl=10, stale=5)

    async def main() -> None:
        assert await function(1) == [1, 1]
        clock.advance(12)
        counting.gate = threading.Event()
        assert [await function(1) for _ in range(50)] == [[1, 1]] * 50
        counting.gate.set()
        await settled()
        assert (counting.calls, function.refreshes) == (2, 1)
        assert await function(1) == [1, 2]
        assert function.cache_info()[:2] == (51, 1)
        clock.advance(15)
        assert await function(1) == [1, 3]  # too old to be given
        assert function.cache_info()[:2] == (51, 2)

    run(backend, main)


def test_a_failed_refresh_keeps_the_old_value_and_rests(
    counting: Counting, storage: Any, clock: FakeClock, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    function = counting.async_under(storage, ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock, 1)
        counting.error = OSError("the database is away")
        for _ in range(20):
            assert await function(1) == [1, 1]
            await settled()
        assert (counting.calls, function.failed_refreshes, function.refreshes) == (2, 1, 0)
        clock.advance(5)
        with pytest.raises(OSError, match="away"):
            await function(1)

    with caplog.at_level(logging.WARNING, "pystorage.memo"):
        run(backend, main)
    assert [record.message[:11] for record in caplog.records] == ["a result of"]


def test_refresh_ahead(counting: Counting, storage: Any, clock: FakeClock, backend: str) -> None:
    function = counting.async_under(storage, ttl=10, ahead=2)

    async def main() -> None:
        await function()
        clock.advance(7.9)
        await function()
        await settled()
        assert counting.calls == 1
        clock.advance(0.2)
        assert await function() == [0, 1]
        await settled()
        assert await function() == [0, 2]
        clock.advance(7.9)
        assert await function() == [0, 2]
        await settled()
        assert counting.calls == 2

    run(backend, main)


def test_early_recomputation(counting: Counting, clock: FakeClock, backend: str) -> None:
    function = counting.async_under(LRUStorage(10, timer=clock), ttl=10, early=1e9)

    async def main() -> None:
        assert await function() == [0, 1]
        clock.advance(9.999)
        assert await function() == [0, 1]
        await settled()
        assert function.refreshes == 1

    run(backend, main)


def test_jitter(counting: Counting, clock: FakeClock, backend: str) -> None:
    storage = LRUStorage[str, Any](1000, timer=clock)
    function = counting.async_under(storage, ttl=100, jitter=0.5)

    async def main() -> None:
        for number in range(200):
            await function(number)

    run(backend, main)
    lives = [storage.ttl(key) or 0.0 for key in storage]
    assert 50 <= min(lives) < 60
    assert 90 < max(lives) <= 100


def test_an_error_in_the_background_does_not_take_the_place_of_a_value(
    counting: Counting, storage: Any, clock: FakeClock, backend: str
) -> None:
    function = counting.async_under(storage, ttl=10, stale=10, errors={LookupError: 5})

    async def main() -> None:
        await aged(function, clock)
        counting.error = LookupError("gone")
        assert await function() == [0, 1]
        await settled()
        assert await function() == [0, 1]

    run(backend, main)


def test_a_storage_that_is_down_meanwhile_is_a_failed_refresh(
    counting: Counting, clock: FakeClock, backend: str
) -> None:
    storage = FaultyStorage(MemoryStorage[str, Any](timer=clock))
    function = counting.async_under(storage, ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        storage.fail(UnavailableError("away"), on=["set", "swap", "add"])
        assert await function() == [0, 1]
        await settled()
        assert (await function(), function.failed_refreshes) == ([0, 1], 1)

    run(backend, main)


@pytest.mark.parametrize("act", ["invalidate", "set"])
def test_what_was_invalidated_while_it_was_computed_anew_is_not_kept(
    act: str, counting: Counting, storage: Any, clock: FakeClock, backend: str
) -> None:
    function = counting.async_under(storage, ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock, 1)
        counting.gate = threading.Event()
        await function(1)
        await until(lambda: counting.calls == 2)
        await (function.invalidate(1) if act == "invalidate" else function.set("newer", 1))
        counting.gate.set()
        await settled()
        assert await function(1) == ("newer" if act == "set" else [1, 3])

    run(backend, main)


# -------------------------------------------------------------------- whose task it is


def test_it_survives_the_cancellation_of_whoever_asked(
    counting: Counting, storage: Any, clock: FakeClock, backend: str
) -> None:
    function = counting.async_under(storage, ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        counting.gate = threading.Event()

        async def ask() -> None:
            await function()
            await anyio.sleep(LONG)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: counting.calls == 2)
            group.cancel_scope.cancel()
        counting.gate.set()
        await settled()
        assert (await function(), function.refreshes) == ([0, 2], 1)

    run(backend, main)


def test_whoever_asked_does_not_wait_for_it_at_the_end_of_its_nursery(
    counting: Counting, clock: FakeClock, backend: str
) -> None:
    function = counting.async_under(LRUStorage(5, timer=clock), ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        counting.gate = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(function)
        assert ASYNC_BACKGROUND._running
        counting.gate.set()
        await settled()

    run(backend, main)


def test_a_task_of_asyncio_has_a_name_and_is_held() -> None:
    clock, calls, waits = FakeClock(), [0], list[Any]()

    @memoize(LRUStorage(5, timer=clock), ttl=10, stale=5)
    async def function() -> int:
        calls[0] += 1
        if calls[0] == 2:
            # Nobody but the task knows this future, so nobody but us keeps the task.
            future = asyncio.get_running_loop().create_future()
            waits.append(asyncio.get_running_loop().call_later(0.01, future.set_result, None))
            waits.append(future.get_loop().call_soon(gc.collect))
            del waits[0]
            await future
        return calls[0]

    async def main() -> None:
        await aged(function, clock)
        assert await function() == 1
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]
        assert task.get_name().startswith("pystorage-refresh ")
        assert task.get_name().endswith(".function")
        del task
        await settled()
        assert await function() == 2

    asyncio.run(main())


@pytest.mark.parametrize("steps", [0, 5])
def test_it_ends_with_its_loop_and_leaves_nothing(
    steps: int, counting: Counting, storage: Any, clock: FakeClock, backend: str
) -> None:
    function = counting.async_under(storage, ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        counting.gate = threading.Event()
        await function()
        assert ASYNC_BACKGROUND._running
        if steps:
            await until(lambda: counting.calls == 2)

    run(backend, main)  # with what it computes on its way, or not begun
    assert not ASYNC_BACKGROUND._running
    assert not function._flights._going
    counting.gate = None
    clock.advance(5)

    async def later() -> Any:
        if not isinstance(storage, LRUStorage):
            face = storage if isinstance(storage, aio.AsyncStorage) else aio.wrap(storage)
            async with face.lock(function.key_for(), 5, timeout=0):
                pass  # it was given back
        return await function()

    assert run(backend, later)[0] == 0
    assert (function.refreshes, function.failed_refreshes) == (0, 0)


def test_a_loop_that_is_closed_under_it_blocks_nobody(counting: Counting) -> None:
    clock = FakeClock()
    function = counting.async_under(LRUStorage(5, timer=clock), ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        counting.gate = threading.Event()
        await function()
        await until(lambda: counting.calls == 2)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says that a task was destroyed
    loop.run_until_complete(main())
    loop.close()
    counting.gate = None
    # It may be asked for, and computed anew, by another loop.
    assert run("asyncio", function) == [0, 1]
    clock.advance(5)
    assert run("trio", function) == [0, 3]
    with ASYNC_BACKGROUND._lock:
        gone = ASYNC_BACKGROUND._swept()
    del gone
    gc.collect()


class Stop(BaseException):
    """What no ``except Exception`` catches."""


@pytest.mark.parametrize("error", [SystemExit(3), Stop()])
def test_what_is_no_exception_does_not_end_a_run_of_trio(
    error: BaseException, counting: Counting, clock: FakeClock
) -> None:
    function = counting.async_under(LRUStorage(5, timer=clock), ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        counting.error = error
        assert await function() == [0, 1]
        await settled()
        assert function.failed_refreshes == 1

    run("trio", main)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Stop()])
def test_a_function_that_cancels_itself_and_what_is_no_exception_are_failures(
    error: BaseException, counting: Counting, clock: FakeClock
) -> None:
    function = counting.async_under(LRUStorage(5, timer=clock), ttl=10, stale=5)

    async def main() -> None:
        await aged(function, clock)
        counting.error = error
        for _ in range(3):
            assert await function() == [0, 1]
            await settled()
        assert (counting.calls, function.failed_refreshes) == (2, 1)  # the key rests

    run("asyncio", main)


def test_a_loop_that_makes_no_task_is_told_of_and_blocks_nobody(counting: Counting, clock: FakeClock) -> None:
    function = counting.async_under(LRUStorage(5, timer=clock), ttl=10, stale=5)

    def refuse(*_: Any, **more: Any) -> Any:
        raise RuntimeError("no more tasks")

    async def main() -> None:
        await aged(function, clock)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(refuse)
        assert await function() == [0, 1]
        loop.set_task_factory(None)
        assert function.failed_refreshes == 1
        assert not ASYNC_BACKGROUND._running
        clock.advance(10)
        assert await function() == [0, 2]

    run("asyncio", main)


def test_it_sees_the_variables_of_whoever_asked(backend: str) -> None:
    clock, who = FakeClock(), contextvars.ContextVar[str]("who")

    @memoize(LRUStorage(5, timer=clock), ttl=10, stale=5)
    async def function() -> str:
        return who.get()

    async def main() -> None:
        who.set("first")
        await aged(function, clock)
        who.set("second")
        assert await function() == "first"
        await settled()
        assert await function() == "second"

    run(backend, main)


def test_it_is_no_part_of_what_whoever_asked_computes(storage: Any, clock: FakeClock, backend: str) -> None:
    """Else it would compute that a second time instead of waiting for it."""
    made: list[str] = []

    @memoize(storage)
    async def outer() -> list[str]:
        made.append("outer")
        await inner()
        await until(lambda: made.count("inner") == 2)
        await anyio.sleep(0.005)
        return ["outer"]

    @memoize(storage, ttl=10, stale=5)
    async def inner() -> list[str]:
        made.append("inner")
        return await outer() if made.count("inner") == 2 else []

    async def main() -> None:
        await inner()
        clock.advance(12)
        await outer()
        await settled()
        assert made == ["inner", "outer", "inner"]
        assert await inner() == ["outer"]

    run(backend, main)


# -------------------------------------------------------------------- one at a time


def test_loops_and_threads_compute_anew_once(counting: Counting, clock: FakeClock) -> None:
    function = counting.async_under(LRUStorage(5, timer=clock), ttl=10, stale=5)
    run("asyncio", function)
    clock.advance(12)
    counting.gate = threading.Event()
    found: list[Any] = []
    together, over = threading.Barrier(4), threading.Barrier(5)

    def loop(backend: str) -> None:
        async def main() -> None:
            together.wait(LONG)
            found.extend([await function() for _ in range(20)])
            over.wait(LONG)
            await settled()

        run(backend, main)

    threads = [threading.Thread(target=loop, args=(BACKENDS[at % 2],)) for at in range(4)]
    for thread in threads:
        thread.start()
    over.wait(LONG)
    counting.gate.set()
    for thread in threads:
        thread.join(LONG)
    assert found == [[0, 1]] * 80
    assert (counting.calls, function.refreshes) == (2, 1)


def test_another_process_that_is_at_it_is_left_alone(
    counting: Counting, clock: FakeClock, tmp_path: Any, backend: str
) -> None:
    storage = FileStorage[str, Any](tmp_path / "results", timer=clock)
    function = counting.async_under(storage, ttl=10, stale=5, lock_timeout=0.001)

    async def main() -> None:
        await aged(function, clock)
        with storage.lock(function.key_for(), 5):  # as one that computes holds it
            for _ in range(10):
                assert await function() == [0, 1]
                await settled()
        assert (counting.calls, function.failed_refreshes, function.refreshes) == (1, 0, 0)

    run(backend, main)


def test_what_another_process_made_meanwhile_is_not_made_again(
    counting: Counting, clock: FakeClock, tmp_path: Any, backend: str
) -> None:
    storage = FileStorage[str, Any](tmp_path / "results", timer=clock)
    here, there = (counting.async_under(storage, ttl=10, stale=5, version=1) for _ in range(2))

    async def main() -> None:
        await here()
        clock.advance(12)
        counting.gate = threading.Event()
        await there()
        await until(lambda: counting.calls == 2)
        assert await here() == [0, 1]
        counting.gate.set()
        await settled()
        assert await here() == await there() == [0, 2]
        assert (counting.calls, here.refreshes, there.refreshes) == (2, 0, 1)

    run(backend, main)


def test_processes_compute_anew_once(crew: Crew, kind: str, tmp_path: Path) -> None:
    """With plain functions as well."""
    script = """
@memoize(FileStorage("results"), ttl=lambda value: 60 if value > 1 else 0.001, stale=60)
[async] def function():
    number = note("made")
    if number > 1:
        everybody(members)
    return number

[async] def main():
    if note("came") == 1:
        [await] function()
        note("asked")
    else:
        while not count("asked"):
            [await] pause(0.001)
        note("asked")
    end = time.monotonic() + LONG
    while [await] function() == 1 and time.monotonic() < end:
        [await] pause(0.001)
    say([await] function())
"""
    pause = "pause = time.sleep" if kind == "plain" else "pause = anyio.sleep"
    assert crew.run(pause + script, kind, tmp_path) == [2] * 5
    assert len(list(tmp_path.glob("made-*"))) == 2


def test_no_more_tasks_than_said(backend: str) -> None:
    async def main() -> None:
        background, gate, ends = AsyncBackground(2), anyio.Event(), list[int]()

        def start() -> bool:
            return background.start(gate.wait, ends.append, lambda: ends.append(1), name="one")  # type: ignore[arg-type]

        assert [start() for _ in range(3)] == [True, True, False]
        gate.set()
        await until(lambda: not background._running)
        assert ends == [1, 1]
        assert start()
        await until(lambda: not background._running)

    run(backend, main)


def test_without_an_event_loop_nothing_is_started() -> None:
    assert not AsyncBackground().start(anyio.sleep_forever, print, print, name="one")
