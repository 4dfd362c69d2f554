"""Leases: many processes, killed and stopped leaders, with locks of the storage and without."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage import DiskCacheStorage, FileStorage, FilesystemStorage, LRUStorage, aio, memoize
from pystorage.errors import ConflictError
from pystorage.memo.addleases import PREFIX, AddLeases
from pystorage.memo.renewal import RENEWER
from tests.memoize.crowd_rounds import LEASE, OnlyAdds, WithoutLocks

SCRIPT = Path(__file__).with_name("crowd_rounds.py")

# diskcache leaves the connection of a thread that ended to the garbage collector, which Python 3.13 tells.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")

of_processes = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="it forks, and stops and kills as POSIX does"
)


@pytest.fixture(params=["file", "sqlite", "lmdb", "redis", "swaps", "adds"])
def crowd(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, int], Any]:
    url = f"{request.param}:{tmp_path / 'results'}"
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        url = f"{server.url}?prefix=crowd:{tmp_path.name}:"
    (tmp_path / "notes").mkdir()

    def run(what: str, count: int) -> Any:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), what, url, str(tmp_path / "notes"), str(count)],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env=os.environ | {"PYTHONPATH": str(Path(pystorage.__file__).parents[1])},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    return run


@of_processes
@pytest.mark.timeout(120)
def test_sixteen_processes_at_a_cold_key_compute_once_a_hundred_times(
    crowd: Callable[[str, int], Any],
) -> None:
    assert crowd("rounds", 100) == {"codes": [0], "computed": list(range(100)), "answers": 1}


@of_processes
@pytest.mark.timeout(120)
def test_fifty_leaders_killed_and_five_too_late(crowd: Callable[[str, int], Any]) -> None:
    """The next call has a value when the lease ends; a late leader gives that, and replaces nothing."""
    found = crowd("kills", 50)
    assert found.pop("took") < LEASE + 10  # of a busy machine; by itself it is the lease and a tenth
    assert found == {
        "answered": True,
        "killed": True,
        "late": [0] * 5,
        "late_answers": [[number, "next"] for number in range(50, 55)],
        "kept": True,
    }


# -------------------------------------------------------------------- leases that are entries


@pytest.fixture(params=[WithoutLocks, OnlyAdds, DiskCacheStorage])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path) as storage:
        yield storage


def leases_there(storage: Any) -> list[str]:
    end = time.monotonic() + 10
    while found := [key for key in storage if key.startswith(PREFIX)]:
        if time.monotonic() > end:
            break
        time.sleep(0.005)
    return found


def test_a_lease_is_of_one_until_it_ends(storage: Any) -> None:
    leases = AddLeases(storage)
    assert leases.take("a", "mine", 60)
    assert not leases.take("a", "yours", 60)
    assert not leases.extend("a", "yours", 60)
    assert not leases.release("a", "yours")
    assert leases.extend("a", "mine", 120)
    assert storage.ttl(PREFIX + "a") > 60
    assert leases.take("b", "yours", 60)
    assert leases.release("a", "mine")
    assert leases.take("a", "yours", 60)  # at once
    assert not leases.extend("a", "mine", 60)
    assert not leases.release("a", "mine")
    assert leases.release("a", "yours")
    assert leases.release("b", "yours")
    assert not leases_there(storage)


def test_a_lease_that_ran_out_is_lost(storage: Any) -> None:
    leases = AddLeases(storage)
    with leases.held("a", 0.01, 0, "") as lease:
        time.sleep(0.02)
        with pytest.raises(ConflictError, match="somebody else may have taken it"):
            lease.extend()
        assert leases.take("a", "yours", 60)
        storage.pop(PREFIX + "a")
        assert leases.take("a", lease.token, 60)


@pytest.mark.parametrize("kind", [WithoutLocks, OnlyAdds])
def test_a_storage_of_bytes(kind: Any, tmp_path: Path) -> None:
    storage = kind(tmp_path, codec="bytes")
    made: list[int] = []

    @memoize(storage, lock=True)
    def page(number: int) -> bytes:
        made.append(number)
        assert not AddLeases(storage).take(page.key_for(number), "other", 1)
        return b"page"

    @memoize(aio.wrap(storage), lock=True)
    async def other(number: int) -> bytes:
        made.append(number)
        assert not AddLeases(storage).take(other.key_for(number), "other", 1)
        return b"other"

    assert page(1) == page(1) == b"page"
    assert asyncio.run(other(1)) == asyncio.run(other(1)) == b"other"
    assert made == [1, 1]
    assert not leases_there(storage)


def test_functions_of_one_name_compute_once(storage: Any) -> None:
    made: list[int] = []

    def slow(number: int) -> int:
        made.append(number)
        time.sleep(0.05)
        return number

    async def slow_too(number: int) -> int:
        made.append(number)
        await asyncio.sleep(0.05)
        return number

    slow_too.__qualname__, slow_too.__name__ = slow.__qualname__, slow.__name__
    functions = [memoize(storage)(slow) for _ in range(3)]
    face = memoize(storage)(slow_too)
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.append(one(5))) for one in functions]
    threads.append(threading.Thread(target=lambda: found.append(asyncio.run(face(5)))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (found, made) == ([5] * 4, [5])
    assert not leases_there(storage)


def test_an_error_gives_the_lease_back(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def fails(number: int) -> int:
        made.append(number)
        if len(made) == 1:
            raise ValueError("no")
        return number

    @memoize(storage)
    async def fails_too(number: int) -> int:
        return fails.__wrapped__(number)

    with pytest.raises(ValueError, match="no"):
        fails(1)
    assert fails(1) == 1
    made.clear()
    with pytest.raises(ValueError, match="no"):
        asyncio.run(fails_too(1))
    assert asyncio.run(fails_too(1)) == 1
    assert not leases_there(storage)
    assert not RENEWER._next


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_computation_longer_than_its_lease_keeps_it(storage: Any, asynchronous: bool) -> None:
    def compute(number: int) -> int:
        for _ in range(3):
            time.sleep(0.1)
            assert not AddLeases(storage).take(slow.key_for(number), "other", 1)
        return number

    async def compute_async(number: int) -> int:
        for _ in range(3):
            await asyncio.sleep(0.1)
            assert not AddLeases(storage).take(slow.key_for(number), "other", 1)
        return number

    slow: Any = memoize(storage, lock_ttl=0.2)(compute_async if asynchronous else compute)
    assert (asyncio.run(slow(1)) if asynchronous else slow(1)) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_who_lost_the_lease_writes_nothing(storage: Any, asynchronous: bool) -> None:
    """Its lease is another's by now, and so may be what is stored."""
    made: list[int] = []

    def steal(key: str) -> None:
        made.append(1)
        storage.pop(PREFIX + key, None)  # the lease may have ended by itself
        assert AddLeases(storage).take(key, "other", 60)
        storage[key] = "theirs"
        time.sleep(0.15)

    def compute(number: int) -> str:
        steal(slow.key_for(number))
        return "mine"

    async def compute_async(number: int) -> str:
        steal(slow.key_for(number))
        return "mine"

    slow: Any = memoize(storage, lock_ttl=0.1)(compute_async if asynchronous else compute)
    for _ in range(2):
        assert (asyncio.run(slow(1)) if asynchronous else slow(1)) == "theirs"
    assert made == [1]
    assert AddLeases(storage).release(slow.key_for(1), "other")


def test_how_processes_wait_is_told(tmp_path: Path) -> None:
    def leases(storage: Any, **options: Any) -> object:
        def same(number: int) -> int:
            return number

        return memoize(storage, **options)(same).cache_parameters()["leases"]

    assert leases(FileStorage(tmp_path)) == "lock"
    assert leases(FileStorage(tmp_path), lock=False) is None
    assert leases(WithoutLocks(tmp_path)) == leases(OnlyAdds(tmp_path)) == "add"
    for inside in (None, {}, LRUStorage(10), FilesystemStorage(f"file://{tmp_path}/other")):
        assert leases(inside) is None
