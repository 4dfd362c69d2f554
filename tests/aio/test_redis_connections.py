"""Connections to Redis of many tasks: bounded, whole after any cancellation, renewed, given back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import redis

from pystorage import ClosedError, RedisStorage, UnavailableError, aio
from pystorage.aio._redisplace import AsyncServer
from pystorage.aio.faces import ThreadedStorage
from pystorage.aio.redis import RedisStorage as AsyncRedisStorage
from pystorage.stores._rediscommands import packed
from pystorage.testing import FakeClock
from tests.aio.test_machine import machine, settings
from tests.servers.flaky import FlakyProxy
from tests.servers.redis import (
    GuardedServer,
    RedisServer,
    TurnedServer,
    redis_at,
    sentinels_at,
    until,
)

BACKENDS = ("asyncio", "trio")
ROUNDS = 100


def run(main: Callable[[], Awaitable[Any]], backend: str = "asyncio") -> Any:
    async def bounded() -> Any:
        with anyio.fail_after(90):
            return await main()

    return anyio.run(bounded, backend=backend)


def clients(server: RedisServer, name: str) -> int:
    return sum(one["name"] == name for one in server.client().client_list())


def test_ten_thousand_tasks(redis_server: RedisServer) -> None:
    url = f"{redis_server.url}?client_name=thousands"
    storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=url, prefix="thousands:", connections=8)
    most = 0

    async def main() -> None:
        nonlocal most

        async def work(number: int) -> None:
            await storage.set(f"key {number}", number)
            assert await storage[f"key {number}"] == number

        async with anyio.create_task_group() as tasks:
            for number in range(10_000):
                tasks.start_soon(work, number)
        most = clients(redis_server, "thousands")
        assert await storage.size() == 10_000
        await storage.clear()
        threads = [one.name for one in threading.enumerate()]
        assert not any("worker" in name for name in threads)
        await storage.close()

    run(main)
    assert most == 8
    until(lambda: clients(redis_server, "thousands") == 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_storm_of_cancellations(redis_server: RedisServer, backend: str) -> None:
    name = f"storm-{backend}"
    url = f"{redis_server.url}?client_name={name}&max_connections=5"
    storage: AsyncRedisStorage[str, str] = AsyncRedisStorage(url=url, prefix=f"{name}:", connections=5)
    chance = random.Random(11)

    async def main() -> None:
        async def work(number: int) -> None:
            scope = anyio.move_on_after(chance.random() * 0.01) if number % 2 else anyio.CancelScope()
            with scope:
                for turn in range(3):
                    value = f"{number} {turn}"
                    await storage.set(f"key {number}", value * 1000)
                    # A reply to somebody else's command would be another value.
                    assert await storage[f"key {number}"] == value * 1000
                    async with storage.lock(f"lock {number % 5}", 300):
                        pass

        for _ in range(ROUNDS):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(work, number)
            assert clients(redis_server, name) <= 5
        for number in range(5):
            async with storage.lock(f"lock {number}", 300, timeout=0):
                pass
        await storage.clear()
        await storage.close()

    run(main, backend)
    until(lambda: clients(redis_server, name) == 0)


def test_a_storm_of_direct_cancellations(redis_server: RedisServer) -> None:
    url = f"{redis_server.url}?client_name=direct"
    storage: AsyncRedisStorage[str, str] = AsyncRedisStorage(url=url, prefix="direct:", connections=5)
    chance = random.Random(12)

    async def main() -> None:
        async def work(number: int) -> None:
            for turn in range(3):
                value = f"{number} {turn}" * (1 if turn else 30_000)
                await storage.set(f"key {number}", value)
                assert await storage[f"key {number}"] == value
                async with storage.lock(f"lock {number % 5}", 300):
                    pass

        for _ in range(ROUNDS):
            tasks = [asyncio.create_task(work(number)) for number in range(20)]
            await asyncio.sleep(chance.random() * 0.01)
            for task in tasks[::2]:
                task.cancel()
            for task, result in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
                assert result is None or (task.cancelled() and isinstance(result, asyncio.CancelledError))
        assert clients(redis_server, "direct") <= 5
        for number in range(5):
            async with storage.lock(f"lock {number}", 300, timeout=0):
                pass
        await storage.clear()
        await storage.close()

    run(main)
    until(lambda: clients(redis_server, "direct") == 0)


def test_a_cancelled_write_is_not_on_its_way(redis_server: RedisServer) -> None:
    storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=redis_server.url, prefix="way:")

    async def main() -> None:
        await storage.set("key", 0)
        for number in range(1, 200):
            task = asyncio.create_task(storage.set("key", -number))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await storage.set("key", number)
            assert await storage["key"] == number

    run(main)


def test_loops_give_their_connections_back(redis_server: RedisServer) -> None:
    url = f"{redis_server.url}?client_name=loops"
    storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=url, prefix="loops:")
    for number in range(5):
        anyio.run(storage.set, "key", number)
        assert anyio.run(storage.get, "key") == number
    until(lambda: clients(redis_server, "loops") == 0)


def test_a_slow_server_and_back(tmp_path: Path) -> None:
    with redis_at(tmp_path / "slow") as server:
        storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(
            redis.Redis(port=server.port, socket_timeout=0.2, retry=None), prefix="a:"
        )

        async def main() -> None:
            await storage.set("key", 1)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                begin = time.monotonic()
                with pytest.raises(UnavailableError, match="no reply within 0.2 s"):
                    await storage.incr("key")
                assert time.monotonic() - begin < 2
                # One that is cancelled waits for its reply, but not for ever.
                with anyio.move_on_after(0.05):
                    await storage.get("key")
                assert time.monotonic() - begin < 5
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert await storage.get("key") in (1, 2)
            await storage.close()

        run(main)


def test_the_time_of_each_command_is_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        client = redis.Redis(port=server.port, socket_timeout=0.3, retry=None)
        async with aio.RedisStorage[str, int](client, prefix="a:") as storage:
            await storage.set("key", 1)
            await asyncio.sleep(0.2)  # the timer of the first command still runs
            os.kill(server.pid, signal.SIGSTOP)
            try:
                start = time.monotonic()
                with pytest.raises(UnavailableError, match="no reply within"):
                    await storage.incr("key")
                assert 0.29 < time.monotonic() - start < 10
            finally:
                os.kill(server.pid, signal.SIGCONT)
            await asyncio.sleep(0.4)
            assert await storage["key"] >= 1  # nothing of it ends a later one

    with redis_at(tmp_path) as server:
        asyncio.run(main())


def test_a_server_that_was_restarted(tmp_path: Path) -> None:
    with redis_at(tmp_path / "restarted") as server:
        storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=server.url)

        async def main() -> None:
            await storage.set("key", 1)
            await storage.add("other", 1)
            server.stop()
            with pytest.raises(UnavailableError) as caught:
                await storage.add("key", 2)
            assert caught.value.key == "key"
            server.start()
            until(server.client().ping)
            assert await storage.add("key", 3)
            assert await storage["key"] == 3
            assert await storage.get("other") is None
            await storage.close()

        run(main)


def test_connections_that_the_server_closed(redis_server: RedisServer) -> None:
    url = f"{redis_server.url}?client_name=killed"
    storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=url, prefix="killed:")

    async def main() -> None:
        for turn in range(1, 4):
            assert await storage.incr("key") == turn
            for one in redis_server.client().client_list():
                if one["name"] == "killed":
                    redis_server.client().client_kill_filter(_id=one["id"])
            await asyncio.sleep(0.01)  # for the loop to hear of it
            assert await storage["key"] == turn
        await storage.clear()
        await storage.close()

    run(main)


def test_tls_and_a_user(redis_guarded: GuardedServer) -> None:
    storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=redis_guarded.url, prefix="ann:aio:")
    other: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=redis_guarded.url, prefix="bob:")

    async def main() -> None:
        await storage.set("key", 1)
        assert await storage.get_many(["key"]) == {"key": 1}
        with pytest.raises(UnavailableError, match="access list"):
            await other.set("key", 1)
        await storage.close()
        await other.close()

    run(main)


def test_behind_sentinels(tmp_path: Path) -> None:
    with sentinels_at(tmp_path) as there:
        storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=there.url)

        async def main() -> None:
            await storage.set("key", 1)
            until(lambda: there.replica.client().dbsize() == 1)
            os.kill(there.primary.pid, signal.SIGKILL)
            with anyio.fail_after(60):
                while True:
                    try:
                        await storage.set("key", 2)
                        break
                    except UnavailableError:
                        await anyio.sleep(0.05)
            assert await storage["key"] == 2
            await storage.close()

        run(main)


class OwnConnection(redis.Connection):
    """A connection of somebody's own, of which no asyncio class is known."""


def test_connections_of_a_kind_of_ones_own_are_used_in_threads(redis_server: RedisServer) -> None:
    pool = redis.ConnectionPool(connection_class=OwnConnection, port=redis_server.port)
    storage: RedisStorage[str, int] = RedisStorage(redis.Redis(connection_pool=pool), prefix="own:")
    face = aio.wrap(storage)
    assert type(face) is ThreadedStorage
    anyio.run(face.set, "key", 1)
    assert anyio.run(face.get, "key") == 1
    storage.close()


def test_wrap_gives_the_native_one(redis_server: RedisServer) -> None:
    storage: RedisStorage[str, int] = RedisStorage(url=redis_server.url, prefix="wrap:")
    assert type(aio.wrap(storage)) is AsyncRedisStorage


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_faces_see_the_same(redis_clock: TurnedServer, backend: str) -> None:
    from anyio.from_thread import start_blocking_portal
    from hypothesis.stateful import run_state_machine_as_test

    def make(place: str, clock: FakeClock) -> RedisStorage[Any, Any]:
        redis_clock.clock.follow(clock)
        return RedisStorage(url=redis_clock.server.url, prefix=f"{Path(place).name}:", timer=clock)

    with start_blocking_portal(backend) as portal:
        run_state_machine_as_test(
            machine(make, portal), settings=settings(max_examples=10, stateful_step_count=20)
        )


def test_a_cancelled_command_is_not_what_ends_a_later_one(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pystorage.aio._redislinks._GRACE", 0.02)
    ping = packed(b"PING")

    async def main() -> None:
        with FlakyProxy(redis_server.port) as proxy:
            storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=f"redis://localhost:{proxy.port}")
            link = cast(AsyncServer, storage._place)._here()._new()
            await link.connect()
            proxy.deaf.set()
            task = asyncio.ensure_future(link.ask([ping]))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            proxy.well()
            await link.connect()
            proxy.deaf.set()
            task = asyncio.ensure_future(link.ask([ping]))
            await asyncio.sleep(0.02)
            proxy.tear()
            with pytest.raises(link.errors.lost):
                await task
            await storage.close()

    run(main)


def test_a_cancelled_write_ends_although_the_server_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pystorage.aio._redislinks._GRACE", 0.05)

    async def main() -> None:
        storage: AsyncRedisStorage[str, bytes] = AsyncRedisStorage(
            redis.Redis(port=server.port, socket_timeout=None), codec="bytes"
        )
        await storage.set("key", b"")
        os.kill(server.pid, signal.SIGSTOP)
        task = asyncio.ensure_future(storage.set("key", bytes(32 << 20)))
        await asyncio.sleep(0.05)
        task.cancel()
        try:
            done, _ = await asyncio.wait([task], timeout=5)
            assert done
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert task.cancelled()
        await storage.close()

    with redis_at(tmp_path) as server:
        run(main)


def test_what_is_asked_while_all_is_closed_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> None:
        storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=f"{server.url}?client_name=late")
        await storage.set("key", 1)
        links = cast(AsyncServer, storage._place)._here()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            task = asyncio.ensure_future(storage.get("key"))
            await asyncio.sleep(0.02)
            await storage.close()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        with suppress(UnavailableError, ClosedError):
            await task
        until(lambda: clients(server, "late") == 0)
        assert not links._idle

    with redis_at(tmp_path) as server:
        run(main)


def test_a_loop_that_ends_while_all_is_closed(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage: AsyncRedisStorage[str, int] = AsyncRedisStorage(url=redis_server.url, prefix="ends:")
    other = asyncio.new_event_loop()
    other.run_until_complete(storage.set("key", 1))
    other.run_until_complete(other.shutdown_asyncgens())
    other.close()
    monkeypatch.setattr(other, "is_closed", lambda: False)  # as it was when somebody looked
    anyio.run(storage.close)


@pytest.mark.parametrize("connections, error", [(0, ValueError), ("5", TypeError), (True, TypeError)])
def test_a_number_of_connections(connections: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="connections must be"):
        aio.RedisStorage(url="redis://localhost", connections=connections)
