"""A thousand threads and a thousand tasks at one cold key after another, all there before it is computed."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import pytest

from pystorage import LRUStorage, memoize
from pystorage.memo.figures import Counter

CROWD, ROUNDS = 1000, 100


@pytest.mark.timeout(120)
def test_a_thousand_threads_compute_once_a_hundred_times() -> None:
    made: list[int] = []
    arrived = Counter()
    wrong: list[Any] = []

    @memoize(LRUStorage[str, int](ROUNDS))
    def slow(number: int) -> int:
        made.append(number)
        while arrived.value() < CROWD * (number + 1):
            time.sleep(0.0005)
        return number

    def member() -> None:
        for number in range(ROUNDS):
            arrived.add()
            if slow(number) != number:
                wrong.append(number)

    before = threading.stack_size(256 * 1024)
    try:
        threads = [threading.Thread(target=member) for _ in range(CROWD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.stack_size(before)
    assert not wrong
    assert made == list(range(ROUNDS))
    assert slow.cache_info()[:2] == ((CROWD - 1) * ROUNDS, ROUNDS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("backend, rounds", [("asyncio", ROUNDS), ("trio", 30)])
def test_a_thousand_tasks_compute_once_each_time(backend: str, rounds: int) -> None:
    made: list[int] = []
    arrived = [0]

    @memoize(LRUStorage[str, int](ROUNDS))
    async def slow(number: int) -> int:
        made.append(number)
        while arrived[0] < CROWD * (number + 1):
            await anyio.sleep(0)
        return number

    async def member() -> None:
        for number in range(rounds):
            arrived[0] += 1
            assert await slow(number) == number

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(CROWD):
                group.start_soon(member)

    anyio.run(main, backend=backend)
    assert made == list(range(rounds))
    assert slow.cache_info()[:2] == ((CROWD - 1) * rounds, rounds)
