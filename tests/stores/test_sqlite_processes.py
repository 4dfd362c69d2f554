"""Many processes and threads on one SQLiteStorage: nobody is locked out, no write is lost."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import ClosedError
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing.parallel import Child, Line, in_background, in_processes, in_threads
from tests.stores.files import needs_proc, open_at

Store = SQLiteStorage[Any, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


def test_many_open_it_for_the_first_time(path: Path) -> None:
    """Of many processes that find nothing there each makes the storage, or uses what another has made."""

    def begin(process: int) -> None:
        with SQLiteStorage[Any, Any](path, limit=100) as mine:
            mine[process] = process
            mine.incr("count")

    for round_ in range(5):
        in_processes(*(lambda process=process: begin(process) for process in range(6)))
        with SQLiteStorage[Any, Any](path) as storage:
            assert storage["count"] == 6 * (round_ + 1)
            assert len(storage) == 7
            assert storage.verify().broken == ()


def test_four_processes_lose_nothing(path: Path) -> None:
    """Four processes of two threads: no set, addition, swap or locked change is lost, an add is won once."""
    storage: Store = SQLiteStorage(path, large=200)
    storage.update(swapped=[], locked=0)

    def work(who: str) -> list[int]:
        mine: Store = SQLiteStorage(path, large=200)
        won = []
        for number in range(20):
            mine[f"{who} {number}"] = number
            mine[f"{who} gone"] = "x" * 300
            del mine[f"{who} gone"]
            mine.incr("count")
            mine.set_many({f"{who} bulk {n}": number for n in range(5)})
            if mine.add(f"added {number}", who):
                won.append(number)
            while not mine.swap("swapped", old := mine["swapped"], [*old, f"{who} {number}"]):
                pass
            with mine.lock("locked", 30, timeout=30):
                mine["locked"] = mine["locked"] + 1
        return won

    def both(process: int) -> list[list[int]]:
        return in_threads(lambda: work(f"{process}a"), lambda: work(f"{process}b"))

    won = in_processes(*(lambda process=process: both(process) for process in range(4)))
    workers = [f"{process}{thread}" for process in range(4) for thread in "ab"]
    everything = {f"{who} {number}": number for who in workers for number in range(20)}
    assert storage.get_many(everything) == everything
    assert storage["count"] == storage["locked"] == 160
    assert sorted(storage["swapped"]) == sorted(everything)
    winners = [number for pair in won for numbers in pair for number in numbers]
    assert sorted(winners) == list(range(20))
    assert len(storage) == len(everything) + 20 + 3 + 5 * len(workers)
    assert storage.verify().broken == ()


def test_a_log_that_another_process_cuts(path: Path) -> None:
    """Reads go on whole while others write, and copy the log into the database and begin it anew."""
    storage: Store = SQLiteStorage(path)
    storage.set_many({number: [0] * 20 for number in range(50)})

    def write() -> None:
        with SQLiteStorage[Any, Any](path) as mine, closing(sqlite3.connect(path, timeout=30)) as other:
            for round_ in range(30):
                mine.set_many({number: [round_] * 20 for number in range(50)})
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    with Child(write) as child:
        end = time.monotonic() + 20
        seen = set()
        while 29 not in seen and time.monotonic() < end:
            values = storage.get_many(range(50))
            assert len(values) == 50
            assert len({tuple(value) for value in values.values()}) == 1, "a bulk write was seen in part"
            seen.add(values[0][0])
        child.result()
    assert 29 in seen


@needs_proc
def test_threads_that_end_leave_nothing_open(path: Path) -> None:
    """A few connections serve any number of threads, and are there no more when it is closed."""
    storage: Store = SQLiteStorage(path)

    def use() -> None:
        for number in range(20):
            storage[f"{threading.get_ident()} {number}"] = number

    in_threads(*[use] * 20)
    opened = open_at(path)
    for _ in range(3):
        in_threads(*[use] * 20)
    assert len(storage._connections.idle) <= 8
    # SQLite keeps what it may not close yet, for those who come next.
    assert open_at(path) <= max(opened, 2 * 20 + 1)
    storage.close()
    assert open_at(path) == 0


@needs_proc
def test_one_that_is_dropped_leaves_nothing_open(path: Path) -> None:
    """Nor does it warn, in a Python that warns of connections that were never closed."""
    storage: Store = SQLiteStorage(path)
    storage["a"] = 1
    del storage
    gc.collect()
    assert open_at(path) == 0


def test_closing_beside_busy_threads(path: Path) -> None:
    """Who is in the middle of something ends it, and gets ClosedError the next time."""
    for _ in range(10):
        storage: Store = SQLiteStorage(path)

        def use(storage: Store = storage) -> str:
            try:
                while True:
                    storage["a"] = storage.get("a", 0) + 1
                    len(storage)
            except ClosedError:
                return "closed"

        def close(storage: Store = storage) -> str:
            time.sleep(0.01)
            storage.close()
            return "closed"

        assert in_threads(use, use, close) == ["closed"] * 3
    assert SQLiteStorage[Any, Any](path)["a"] > 0


def test_a_lock_that_is_waited_for_when_it_is_closed(path: Path) -> None:
    storage: Store = SQLiteStorage(path)
    # One with connections of its own.
    with SQLiteStorage[str, int](path, timeout=5) as other, other.lock("name", 60):
        waiting = storage.lock("name", 60)
        closing = threading.Timer(0.02, storage.close)
        closing.start()
        with pytest.raises(ClosedError, match="was closed"):
            waiting.__enter__()
        closing.join()


def test_handles_share_and_close_for_themselves(path: Path) -> None:
    one: Store = SQLiteStorage(path)
    two: Store = SQLiteStorage(path)
    other: Store = SQLiteStorage(path, durability="power")
    one["a"] = 1
    one.close()
    with pytest.raises(ClosedError):
        one["a"]
    assert two["a"] == other["a"] == 1
    two.close()
    other["a"] = 2
    with SQLiteStorage[Any, Any](path) as again:
        assert again["a"] == 2


def test_a_file_that_was_replaced_is_another(path: Path, tmp_path: Path) -> None:
    """Who opens a path again gets what lies there now, not what others still have open."""
    old: Store = SQLiteStorage(path)
    old["a"] = "old"
    for end in ("", "-wal", "-shm"):
        if os.path.exists(f"{path}{end}"):
            os.rename(f"{path}{end}", tmp_path / f"moved{end}")
    new: Store = SQLiteStorage(path)
    assert dict(new) == {}
    new["a"] = "new"
    assert new["a"] == "new"
    assert old["a"] == "old"


def test_no_read_is_left_open(path: Path) -> None:
    """After whatever was read the log can be cut: nobody is still looking at an old state."""
    storage: Store = SQLiteStorage(path, limit=100)
    storage.update({number: number for number in range(20)})
    reads = {
        "get": lambda: storage[1],
        "a miss": lambda: storage.get("absent"),
        "in": lambda: 1 in storage,
        "ttl": lambda: storage.ttl(1),
        "get_many": lambda: storage.get_many(range(15)),
        "len": lambda: len(storage),
        "bool": lambda: bool(storage),
        "iteration": lambda: next(iter(storage)),
        "scan": lambda: next(storage.scan("a"), None),
        "items": lambda: next(iter(storage.items())),
        "stats": storage.stats,
        "verify": storage.verify,
        "handle": lambda: SQLiteStorage[Any, Any](path),
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for name, read in reads.items():
            storage["key"] = name
            read()
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, name


# ---------------------------------------------------------------------- forks


def test_a_fork_beside_busy_threads(path: Path) -> None:
    """Parent and children go on, each with connections of its own, whatever other threads were doing."""
    storage: Store = SQLiteStorage(path, limit=1_000, large=200)
    storage["count"] = 0

    def busy() -> None:
        storage[f"{threading.get_ident()}"] = "x" * 300
        storage.get("count")
        storage.get_many(["count", "large"])

    def child() -> int:
        for number in range(10):
            storage[f"{os.getpid()} {number}"] = "y" * 300
        return storage.incr("count")

    with in_background(busy, threads=3):
        counted = []
        for _ in range(10):
            with Child(child) as process:
                counted.append(process.result(timeout=20))
    assert counted == list(range(1, 11))
    assert len(storage) == 1 + 3 + 100
    assert storage.verify().broken == ()


@needs_proc
def test_a_child_inherits_no_connection(path: Path) -> None:
    storage: Store = SQLiteStorage(path, large=10)
    storage["a"] = "x" * 100

    def child() -> int:
        return open_at(path)

    with Child(child) as process:
        assert process.result() == 0
    assert storage["a"] == "x" * 100


def test_the_child_holds_the_database_against_the_parent(path: Path) -> None:
    """What a child writes stays, though its parent is done with the database and closes it meanwhile."""
    storage: Store = SQLiteStorage(path)
    storage["a"] = 1
    go, gone = os.pipe()

    def child() -> None:
        storage["b"] = 2
        line.say()
        os.read(go, 1)
        storage["c"] = 3
        assert dict(storage) == {"a": 1, "b": 2, "c": 3}

    with Line() as line, Child(child) as process:
        assert line.hear()
        storage.close()  # as the last one, SQLite would remove the log
        os.write(gone, b".")
        process.result()
    with SQLiteStorage[Any, Any](path) as again:
        assert dict(again) == {"a": 1, "b": 2, "c": 3}
    os.close(go)
    os.close(gone)


def test_a_lock_goes_with_its_process(path: Path) -> None:
    """A lock is free as soon as its holder was killed, long before it runs out; a live holder keeps it."""

    def hold() -> None:
        with SQLiteStorage[Any, Any](path).lock("name", 3_600):
            line.say()
            time.sleep(60)

    storage: Store = SQLiteStorage(path)
    with Line() as line, Child(hold) as child:
        assert line.hear()
        with pytest.raises(TimeoutError):
            storage.lock("name", 5, timeout=0.05).__enter__()
        child.kill()
    with storage.lock("name", 5, timeout=5):
        pass


def test_a_child_does_not_free_its_parents_lock(path: Path) -> None:
    storage: Store = SQLiteStorage(path)
    lock = storage.lock("name", 3_600)
    lock.__enter__()

    def child() -> None:
        lock.__exit__(None, None, None)

    with Child(child) as process:
        process.result()
    with pytest.raises(TimeoutError):
        storage.lock("name", 5, timeout=0).__enter__()
    lock.__exit__(None, None, None)
    with storage.lock("name", 5, timeout=0):
        pass
