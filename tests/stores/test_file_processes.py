"""One storage in many threads and processes: what writers leave, forks, and a storm."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import ConflictError
from pystorage.stores.file import FileStorage
from pystorage.testing.parallel import Child, Line, in_processes, in_threads
from tests.stores.files import entries, own, writing

# ---------------------------------------------------------------------- what writers leave


def test_the_file_of_a_live_writer_is_never_swept(tmp_path: Path) -> None:
    """While one process is in the middle of a write, others open the folder again and again; it succeeds."""

    def write() -> None:
        storage = FileStorage[str, bytes](tmp_path, codec="bytes")
        with storage.open_write("key") as file:
            file.write(b"one ")
            file.flush()
            told.say()
            assert answer.hear() == b"."
            file.write(b"two")

    with Line() as told, Line() as answer, Child(write) as child:
        assert told.hear()
        for _ in range(20):
            assert len(FileStorage[str, bytes](tmp_path, codec="bytes")) == 0
        assert len(writing(tmp_path)) == 2
        answer.say()
        child.result()
    assert FileStorage[str, bytes](tmp_path, codec="bytes")["key"] == b"one two"


def test_the_file_of_a_stopped_writer_is_not_swept(tmp_path: Path) -> None:
    """A process that was stopped is no dead one: what it writes is in its place when it goes on."""

    def write() -> None:
        storage = FileStorage[str, bytes](tmp_path, codec="bytes")
        with storage.open_write("key") as file:
            file.write(b"value")
            told.say()
            assert answer.hear() == b"."

    with Line() as told, Line() as answer, Child(write) as child:
        assert told.hear()
        os.kill(child.pid, signal.SIGSTOP)
        for _ in range(5):
            FileStorage(tmp_path)
        os.kill(child.pid, signal.SIGCONT)
        answer.say()
        child.result()
    assert FileStorage[str, bytes](tmp_path, codec="bytes")["key"] == b"value"


def test_the_files_of_dead_writers_are_swept_and_no_others(tmp_path: Path) -> None:
    """An open removes what is surely of dead writers; a file that has another kind of name stays."""
    storage = FileStorage[str, int](tmp_path)
    storage["key"] = 1
    folder = own(tmp_path) / "temporary"
    mine = set(os.listdir(folder))
    dead = ["0123456789abcdef", "0123456789abcdef-0", "0123456789abcdef-ff", "fedcba9876543210-1"]
    others = ["thesis.txt", "0123456789abcdef.txt", "0123456789ABCDEF", "my-file", "0123456789abcdef-x"]
    for name in dead + others:
        (folder / name).write_text("x")
    FileStorage(tmp_path)
    assert set(os.listdir(folder)) == mine | set(others)
    storage["key"] = 2
    assert storage["key"] == 2


def test_sweepers_and_first_writers_at_the_same_time(tmp_path: Path) -> None:
    """Processes that open the folder and become writers, over and over, never take each other for dead."""

    def work(who: int) -> None:
        for number in range(60):
            with FileStorage[str, bytes](tmp_path, codec="bytes") as storage:
                storage[f"{who}"] = b"%d" % number
                with storage.open_write(f"stream {who}") as file:
                    file.write(b"%d" % number)

    in_processes(*(lambda who=who: work(who) for who in range(4)))
    names = [f"{kind}{who}" for kind in ("", "stream ") for who in range(4)]
    assert dict(FileStorage[str, bytes](tmp_path, codec="bytes")) == dict.fromkeys(names, b"59")
    assert writing(tmp_path) == []


def test_threads_that_all_write_first(tmp_path: Path) -> None:
    """Threads that become writers at the same instant are one writer, whose files nobody sweeps."""
    for number in range(30):
        place = tmp_path / str(number)
        storage = FileStorage[str, bytes](place, codec="bytes")

        def write(who: int, place: Path = place, storage: FileStorage[str, bytes] = storage) -> None:
            with storage.open_write(f"{who}") as file:
                file.write(b"value")
                FileStorage(place)

        in_threads(*(lambda who=who, write=write: write(who) for who in range(6)))
        assert len(storage) == 6
        assert len(writing(place)) == 1


# ---------------------------------------------------------------------- forks


def test_parent_and_child_write_after_a_fork(tmp_path: Path) -> None:
    """Both go on with the handle they share; the child is a writer of its own, and ends for itself."""
    storage = FileStorage[str, int](tmp_path)
    storage["key"] = 1
    (parent,) = writing(tmp_path)

    def use() -> None:
        storage["child"] = 2
        assert len(writing(tmp_path)) == 2
        storage.close()
        assert writing(tmp_path) == [parent]

    for ending in (lambda: None, lambda: os._exit(0), gc.collect):

        def run(ending: Callable[[], object] = ending) -> None:
            use()
            ending()

        with Child(run) as child:
            if ending is not gc.collect:
                child._wait()
            else:
                child.result()
        assert writing(tmp_path) == [parent]
        FileStorage(tmp_path)
        assert writing(tmp_path) == [parent]
        storage["key"] += 1
    assert dict(storage) == {"key": 4, "child": 2}


def test_a_child_that_ends_like_a_program_leaves_the_parent_its_file(tmp_path: Path) -> None:
    """A forked child that runs to the end of the program, with all that Python does then, harms nobody."""
    program = """
import os, sys
from pystorage.stores.file import FileStorage
storage = FileStorage(sys.argv[1])
storage["key"] = 1
before = os.listdir(f"{sys.argv[1]}/%pystorage.storage.own/temporary")
if os.fork() == 0:
    if sys.argv[2] == "writes":
        storage["child"] = 2
    sys.exit(0)
os.wait()
FileStorage(sys.argv[1])
assert os.listdir(f"{sys.argv[1]}/%pystorage.storage.own/temporary") == before
storage["key"] = 3
"""
    for what in ("writes", "does not write"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, tmp_path / what, what],
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert FileStorage[str, int](tmp_path / what)["key"] == 3
        assert writing(tmp_path / what) == []


def test_a_fork_inside_a_lock_leaves_it_to_the_parent(tmp_path: Path) -> None:
    """A child that was forked inside a lock, and leaves it too, does not give away what the parent holds."""
    storage = FileStorage[str, int](tmp_path)
    with storage.lock("name", 100) as lease:

        def child() -> None:
            with pytest.raises(ConflictError):
                lease.extend()
            assert lease._leases.release(lease.name, lease.token)

        with Child(child) as process:
            process.result()
        other = FileStorage[str, int](tmp_path)
        with pytest.raises(TimeoutError), other.lock("name", 100, timeout=0):
            pass
        lease.extend(50)
    with storage.lock("name", 100, timeout=0):
        pass


def test_a_lock_is_free_when_its_holder_is_killed_though_a_child_lives(tmp_path: Path) -> None:
    """A child that was forked while the lock was held does not hold it on for a dead parent."""

    def hold() -> None:
        storage = FileStorage[str, int](tmp_path)
        with storage.lock("name", 1000):
            if os.fork() == 0:
                line.say(b"%d" % os.getpid())
                time.sleep(60)
                os._exit(0)
            time.sleep(60)

    with Line() as line, Child(hold) as holder:
        grandchild = int(line.hear())
        try:
            holder.kill()
            with FileStorage[str, int](tmp_path).lock("name", 10, timeout=10):
                os.kill(grandchild, 0)  # which is still there
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_a_child_forked_in_the_middle_of_a_write_blocks_nobody(tmp_path: Path, monkeypatch: Any) -> None:
    """A fork while another thread holds the lock of a write leaves that lock free in both processes."""
    storage = FileStorage[str, int](tmp_path)
    inside, go_on, replace = threading.Event(), threading.Event(), os.replace

    def slow_replace(source: str, target: str) -> None:
        if threading.current_thread() is writer:
            inside.set()
            assert go_on.wait(30)
        replace(source, target)

    monkeypatch.setattr(os, "replace", slow_replace)
    writer = threading.Thread(target=lambda: storage.__setitem__("key", 1), daemon=True)
    writer.start()
    assert inside.wait(30)
    with Child(lambda: storage.__setitem__("key", 2)) as child:
        go_on.set()
        child.result(timeout=20)
    writer.join(20)
    assert not writer.is_alive()
    storage["key"] += 1
    assert storage["key"] in (2, 3)


# ---------------------------------------------------------------------- threads


def test_a_storm_of_threads(tmp_path: Path) -> None:
    """Threads that share one handle and do everything at once lose nothing; listings are always sound."""
    storage = FileStorage[str, Any](tmp_path, layout="tree")

    def work(who: int) -> None:
        for number in range(30):
            storage[f"{who}/{number}"] = number
            storage.incr("count")
            storage.set("life", who, ttl=1000)
            assert storage[f"{who}/{number}"] == number
            found = list(storage)
            assert len(found) == len(set(found))
            assert {f"{who}/{one}" for one in range(number + 1)} <= set(found)
            storage.pop(f"{(who + 1) % 8}/none", None)
            assert storage.get("life") in range(8)
            storage[f"gone/{number % 3}/{who}"] = 1
            del storage[f"gone/{number % 3}/{who}"]
            with storage.lock("name", 30, timeout=30):
                storage["locked"] = storage.get("locked", 0) + 1

    in_threads(*(lambda who=who: work(who) for who in range(8)))
    assert (storage["count"], storage["locked"]) == (240, 240)
    assert len(storage) == 8 * 30 + 3
    assert not any(path.startswith("gone") for path in entries(tmp_path))
    assert len(writing(tmp_path)) == 1
