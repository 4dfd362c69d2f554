"""What fails in other memoizers, measured on their newest releases, by name: here it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, memoize
from tests.memoize.conftest import Crew

LONG = 20.0

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["memory", "files"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return MemoryStorage() if request.param == "memory" else FileStorage(tmp_path / "results")


def in_threads(call: Callable[[], Any], count: int) -> list[Any]:
    """Call from so many threads at once; give what each got or raised."""
    found: list[Any] = []
    together = threading.Barrier(count)

    def ask() -> None:
        together.wait(LONG)
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(found) == count, "somebody hangs"
    return found


def in_tasks(call: Callable[[], Any], count: int) -> list[Any]:
    """Await from so many tasks at once; give what each got or raised."""
    found: list[Any] = []

    async def ask() -> None:
        try:
            found.append(await call())
        except Exception as error:
            found.append(error)

    async def main() -> None:
        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as group:
                for _ in range(count):
                    group.start_soon(ask)

    anyio.run(main)
    assert len(found) == count
    return found


def computations(place: Path) -> int:
    return len(list(place.glob("made-*")))


# -------------------------------------------------------------------- five callers compute five times


def test_functools_joblib_diskcache_compute_five_times_for_five_callers(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def slow() -> int:
        made.append(1)
        time.sleep(0.01)
        return 7

    assert in_threads(slow, 5) == [7] * 5
    assert len(made) == 1


def test_aiocache_computes_five_times_for_five_callers(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    async def slow() -> int:
        made.append(1)
        await anyio.sleep(0.01)
        return 7

    assert in_tasks(slow, 5) == [7] * 5
    assert len(made) == 1


def test_joblib_and_diskcache_compute_five_times_for_five_processes(
    crew: Crew, kind: str, tmp_path: Path
) -> None:
    script = """
@memoize(FileStorage("results"))
[async] def slow():
    note("made")
    everybody(members)
    return 7

[async] def main():
    note("asked")
    say([await] slow())
"""
    assert crew.run(script, kind, tmp_path) == [7] * 5
    assert computations(tmp_path) == 1


# -------------------------------------------------------------------- an exception in the leader


def test_theine_hangs_for_ever_after_an_exception_in_the_leader(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def failing() -> int:
        made.append(1)
        time.sleep(0.02)
        if len(made) == 1:
            raise ValueError("no")
        return 7

    found = in_threads(failing, 5)
    assert {type(one) for one in found} <= {ValueError, int}
    assert failing() == 7


def test_theine_hangs_for_ever_after_an_exception_in_the_leading_task(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    async def failing() -> int:
        made.append(1)
        await anyio.sleep(0.02)
        if len(made) == 1:
            raise ValueError("no")
        return 7

    assert {type(one) for one in in_tasks(failing, 5)} <= {ValueError, int}
    assert in_tasks(failing, 1) == [7]


def test_a_process_that_fails_while_it_leads_hangs_no_other(crew: Crew, kind: str, tmp_path: Path) -> None:
    script = """
@memoize(FileStorage("results"))
[async] def failing():
    if note("made") == 1:
        everybody(members)
        raise ValueError("once")
    return 7

[async] def main():
    note("asked")
    say([await] failing())
"""
    assert sorted(crew.run(script, kind, tmp_path), key=str) == [7] * 4 + ["ValueError: once"]
    assert computations(tmp_path) == 2


# -------------------------------------------------------------------- cancellation


def test_theine_cachebox_and_cashews_hand_a_leaders_cancellation_to_its_waiters(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    async def slow() -> int:
        made.append(1)
        await anyio.sleep(LONG if len(made) == 1 else 0)
        return 7

    found: list[int] = []

    async def ask() -> None:
        found.append(await slow())

    async def main() -> None:
        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as group, anyio.create_task_group() as leader:
                leader.start_soon(ask)
                while not made:
                    await anyio.sleep(0.001)
                for _ in range(4):
                    group.start_soon(ask)
                await anyio.sleep(0.05)
                leader.cancel_scope.cancel()

    anyio.run(main)
    assert found == [7] * 4


def test_an_interrupt_of_the_leading_thread_reaches_no_waiter(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def slow() -> int:
        made.append(1)
        time.sleep(0.02)
        if len(made) == 1:
            raise KeyboardInterrupt
        return 7

    def ask() -> int:
        try:
            return slow()
        except KeyboardInterrupt:
            return 0

    assert sorted(in_threads(ask, 5)) == [0, 7, 7, 7, 7]


def test_the_cancellation_of_a_leading_process_reaches_no_other(
    crew: Crew, kind: str, tmp_path: Path
) -> None:
    plain = """
@memoize(FileStorage("results"))
def slow():
    if note("made") == 1:
        everybody(members)
        raise KeyboardInterrupt("stopped")
    return 7

def main():
    note("asked")
    try:
        say(slow())
    except KeyboardInterrupt:
        say(0)
"""
    tasks = """
@memoize(FileStorage("results"))
async def slow():
    if note("made") == 1:
        everybody(members)
        scopes[0].cancel()
        await anyio.sleep(LONG)
    return 7

scopes = []

async def main():
    note("asked")
    with anyio.CancelScope() as scope:
        scopes.append(scope)
        say(await slow())
    if scope.cancelled_caught:
        say(0)
"""
    said = crew.run(plain if kind == "plain" else tasks, kind, tmp_path)
    assert sorted(said) == [0, 7, 7, 7, 7]
    assert computations(tmp_path) == 2


# -------------------------------------------------------------------- re-entry


def test_cachebox_deadlocks_on_reentry(storage: Any) -> None:
    depth: list[int] = []

    @memoize(storage)
    def nested() -> int:
        depth.append(1)
        return nested() + 1 if len(depth) < 3 else 0

    assert in_threads(nested, 1) == [2]


def test_cachebox_deadlocks_on_reentry_of_a_task(storage: Any) -> None:
    depth: list[int] = []

    @memoize(storage)
    async def nested() -> int:
        depth.append(1)
        return await nested() + 1 if len(depth) < 3 else 0

    assert in_tasks(nested, 1) == [2]


def test_cachebox_deadlocks_on_reentry_of_a_process_that_others_wait_for(
    crew: Crew, kind: str, tmp_path: Path
) -> None:
    script = """
depth = []

@memoize(FileStorage("results"))
[async] def nested():
    note("made")
    depth.append(1)
    if len(depth) == 1:
        everybody(members)
    return [await] nested() if len(depth) < 3 else 7

[async] def main():
    note("asked")
    say([await] nested())
"""
    assert crew.run(script, kind, tmp_path) == [7] * 5
    assert computations(tmp_path) == 3


# -------------------------------------------------------------------- keys


def test_cachetools_mixes_two_functions_that_share_a_cache(storage: Any) -> None:
    @memoize(storage)
    def one(number: int) -> str:
        return "one"

    @memoize(storage)
    def two(number: int) -> str:
        return "two"

    @memoize(storage)
    async def three(number: int) -> str:
        return "three"

    assert [one(1), two(1), *in_tasks(lambda: three(1), 1), one(1)] == ["one", "two", "three", "one"]


def test_cachetools_mixes_two_functions_that_share_a_cache_of_processes(
    crew: Crew, kind: str, tmp_path: Path
) -> None:
    script = """
storage = FileStorage("results")

@memoize(storage)
[async] def one(number):
    note("made")
    everybody(members)
    return "one"

@memoize(storage)
[async] def two(number):
    note("made")
    return "two"

[async] def main():
    note("asked")
    say(([await] one(1)) + ([await] two(1)) + ([await] one(number=1)))
"""
    assert crew.run(script, kind, tmp_path) == ["onetwoone"] * 5
    assert computations(tmp_path) == 2


def test_nearly_everywhere_positional_and_named_arguments_are_computed_twice(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def one(a: int, b: int = 2) -> int:
        made.append(a)
        return a

    assert [one(1), one(a=1), one(1, 2), one(b=2, a=1)] == [1] * 4
    assert made == [1]

    @memoize(storage)
    async def two(a: int, b: int = 2) -> int:
        made.append(a)
        return a

    async def all_of_them() -> list[int]:
        return [await two(1), await two(a=1), await two(1, 2), await two(b=2, a=1)]

    assert in_tasks(all_of_them, 1) == [[1] * 4]
    assert made == [1, 1]


def test_nearly_everywhere_positional_and_named_arguments_are_computed_twice_by_processes(
    crew: Crew, kind: str, tmp_path: Path
) -> None:
    script = """
@memoize(FileStorage("results"))
[async] def one(a, b=2):
    note("made")
    everybody(members)
    return a

[async] def main():
    calls = [((1,), {}), ((), {"a": 1}), ((1, 2), {}), ((), {"b": 2, "a": 1})]
    args, kwargs = calls[note("asked") % len(calls)]
    say([await] one(*args, **kwargs))
"""
    assert crew.run(script, kind, tmp_path) == [1] * 5
    assert computations(tmp_path) == 1


def test_none_is_a_miss_in_aiocache(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    async def nothing() -> None:
        made.append(1)

    async def twice() -> None:
        await nothing()
        await nothing()

    in_tasks(twice, 1)
    assert len(made) == 1


@pytest.mark.parametrize("options", [(None, None), (LRUStorage(10), lambda self, fruit: (self.name, fruit))])
def test_lru_caches_on_methods_keep_their_objects_alive(options: Any) -> None:
    import gc
    import weakref

    storage, key = options

    class Shop:
        name = "corner"

        @memoize(storage, key=key)
        def price(self, fruit: str) -> int:
            return len(fruit)

    shop = Shop()
    assert shop.price("pear") == 4
    reference = weakref.ref(shop)
    del shop
    gc.collect()
    assert reference() is None
