"""Each key is computed once at a time among processes, whatever happens to the one that computes."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage import FileStorage, memoize
from pystorage.errors import UnavailableError
from pystorage.memo.renewal import RENEWER, taken
from pystorage.testing import FaultyStorage

LONG = 30.0
SCRIPT = Path(__file__).with_name("crowd.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="it stops and kills processes as POSIX does")


class Member:
    """One process of a crowd."""

    def __init__(self, url: str, **told: Any) -> None:
        package = str(Path(pystorage.__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), url, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": package},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def ask(self, what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def until(self, count: int, kind: str = "") -> list[str]:
        """Wait until it said so many lines that begin so."""
        end = time.monotonic() + LONG
        while len(found := [line for line in self.lines if line.startswith(kind)]) < count:
            assert time.monotonic() < end, self.lines
            assert self.process.poll() is None or self._reader.is_alive(), self.lines
            time.sleep(0.002)
        return found

    def answers(self, count: int) -> list[Any]:
        return [json.loads(line) for line in self.until(count, "[")]

    def end(self, how: int | None = None) -> None:
        if how is not None:
            self.process.send_signal(how)
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait(LONG)
        self._reader.join(LONG)
        self.process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(params=["file", "sqlite", "lmdb", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        return f"{server.url}?prefix=crowd:{tmp_path.name}:"
    return f"{request.param}:{tmp_path / 'results'}"


@pytest.fixture
def members(url: str, tmp_path: Path) -> Iterator[Callable[..., Member]]:
    made: list[Member] = []

    def member(name: int = 0, seconds: float = 0.05, **options: Any) -> Member:
        one = Member(url, name=name, seconds=seconds, log=str(tmp_path / "log"), options=options)
        made.append(one)
        return one

    yield member
    for one in made:
        one.end(signal.SIGKILL)


def computed(tmp_path: Path) -> list[int]:
    return [int(line.split()[0]) for line in (tmp_path / "log").read_text().splitlines()]


@pytest.mark.timeout(120)
def test_a_leader_that_takes_longer_than_its_lease_keeps_it(
    members: Callable[..., Member], tmp_path: Path
) -> None:
    leader, waiter = members(0, seconds=2.0, lock_ttl=0.5), members(1, lock_ttl=0.5)
    waiter.until(1, "ready")
    leader.ask(1)
    leader.until(1, "computing")
    waiter.ask(1)
    assert waiter.answers(1) == leader.answers(1) == [[1, 0]]
    assert computed(tmp_path) == [1]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("options", [{}, {"ttl": 100, "stale": 50}])
def test_a_leader_that_lost_its_lease_replaces_no_newer_value(
    options: Any, members: Callable[..., Member], tmp_path: Path, url: str
) -> None:
    late = members(0, seconds=0.3, lock_ttl=0.6, **options)
    fast = members(1, seconds=0.0, lock_ttl=0.6, **options)
    fast.until(1, "ready")
    late.ask(1)
    late.until(1, "computing")
    late.process.send_signal(signal.SIGSTOP)
    fast.ask(1)
    assert fast.answers(1) == [[1, 1]]
    late.process.send_signal(signal.SIGCONT)
    assert late.answers(1) == [[1, 1]]  # it gives what a later call gives
    fast.ask(1)
    assert fast.answers(2)[1] == [1, 1]
    assert len(computed(tmp_path)) == 2


@pytest.mark.timeout(120)
def test_a_late_leader_does_not_revive_what_was_let_go_of(members: Callable[..., Member], url: str) -> None:
    late, fast = members(0, seconds=0.3, lock_ttl=0.6), members(1, seconds=0.0, lock_ttl=0.6)
    fast.until(1, "ready")
    late.ask(1)
    late.until(1, "computing")
    late.process.send_signal(signal.SIGSTOP)
    fast.ask(1)
    fast.answers(1)
    fast.ask("key")
    key = json.loads(fast.until(1, '"')[0])
    with pystorage.open(url) as storage:
        del storage[key]
        late.process.send_signal(signal.SIGCONT)
        assert late.answers(1) == [[1, 0]]
        assert key not in storage


@pytest.mark.timeout(120)
def test_a_waiter_computes_after_lock_timeout(members: Callable[..., Member]) -> None:
    leader, waiter = members(0, seconds=LONG), members(1, lock_timeout=0.2)
    waiter.until(1, "ready")
    leader.ask(1)
    leader.until(1, "computing")
    waiter.ask(1)
    assert waiter.answers(1) == [[1, 1]]


@pytest.mark.timeout(120)
def test_without_a_lock_each_process_computes(members: Callable[..., Member], tmp_path: Path) -> None:
    crowd = [members(name, seconds=0.5, lock=False) for name in range(2)]
    for member in crowd:
        member.until(1, "ready")
    for member in crowd:
        member.ask(1)
    for member in crowd:
        member.answers(1)
    assert computed(tmp_path) == [1, 1]


# -------------------------------------------------------------------- in one process


@pytest.fixture
def storage(url: str) -> Iterator[Any]:
    with pystorage.open(url) as storage:
        yield storage


def test_two_functions_of_one_name_wait_for_one_another(storage: Any) -> None:
    """As two processes do: each has flights of its own, and the lease is one."""
    made: list[int] = []

    def slow(number: int) -> int:
        made.append(number)
        time.sleep(0.1)
        return number

    functions = [memoize(storage, lock=True)(slow) for _ in range(4)]
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.append(one(5))) for one in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert (found, made) == ([5] * 4, [5])
    assert sum(one.cache_info().misses for one in functions) == 1


@pytest.mark.timeout(60)
def test_a_function_that_calls_its_own_key_through_another_name(storage: Any) -> None:
    depth: list[int] = []

    def nested(number: int) -> int:
        depth.append(number)
        return other(number) + 1 if len(depth) < 3 else 0

    function, other = memoize(storage)(nested), memoize(storage)(nested)
    assert function(1) == 2


@pytest.mark.timeout(60)
def test_two_that_wait_for_one_another_do_not_hang(storage: Any) -> None:
    together = threading.Barrier(2)
    starts: dict[int, int] = {}

    def ring(number: int) -> int:
        me = threading.get_ident()
        if me in starts:
            return 0
        starts[me] = number
        together.wait(LONG)
        return functions[me](1 - number) + 1

    functions: dict[int, Any] = {}

    def begin(number: int) -> None:
        mine = functions[threading.get_ident()] = memoize(storage, lock_ttl=0.3)(ring)
        found.append(mine(number))

    found: list[int] = []
    threads = [threading.Thread(target=begin, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(found) == 2


def test_the_lease_is_given_back_after_an_error(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def fails(number: int) -> int:
        made.append(number)
        if len(made) == 1:
            raise ValueError("no")
        return number

    with pytest.raises(ValueError, match="no"):
        fails(1)
    assert fails(1) == 1
    with storage.lock(fails.key_for(1), 5, timeout=0):
        pass
    assert not RENEWER._next


def test_a_lease_that_an_interrupt_made_nobodys_is_not_renewed(storage: Any) -> None:
    hold = taken(storage, "key", 5)
    assert hold is not None
    assert taken(storage, "key", 5) is None
    assert len(RENEWER._next) == 1
    del hold
    gc.collect()
    assert not RENEWER._next
    with storage.lock("key", 5, timeout=10):
        pass


def test_what_cannot_be_decoded_is_overwritten_under_a_lease(tmp_path: Path) -> None:
    storage = FileStorage[str, Any](tmp_path / "results")

    @memoize(storage)
    def one(number: int) -> list[int]:
        return [number]

    one(1)
    (file,) = (tmp_path / "results").glob("*.storage")
    file.write_bytes(b"{")
    assert (one(1), one.undecodable) == ([1], 1)
    assert storage[one.key_for(1)] == [1]


def test_a_lock_that_is_down_is_done_without(tmp_path: Path) -> None:
    storage = FaultyStorage(FileStorage[str, Any](tmp_path / "results"))

    @memoize(storage, on_error="recompute")
    def one(number: int) -> list[int]:
        return [number]

    storage.fail(UnavailableError("away"), on=["lock", "get", "set", "add", "swap"])
    assert one(1) == [1]
    assert one.unavailable >= 2
    strict = memoize(storage)(one.__wrapped__)
    with pytest.raises(UnavailableError):
        strict(1)
