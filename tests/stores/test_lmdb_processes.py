"""LMDBStorage among processes: growing files, killed writers and readers, forks, failing and full disks."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.lmdb import LMDBStorage
from pystorage.testing.parallel import Child, Line, in_background, in_processes, in_threads
from tests.stores.files import needs_strace, under_strace


@pytest.fixture
def small_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file begins so small that it grows many times."""
    monkeypatch.setattr("pystorage.stores._lmdbfile._FIRST_SIZE", 1 << 16)


def value(number: int) -> bytes:
    """A value that tells its number all through, of 5 bytes to 40 kB."""
    return b"%04d." % number * (1 + number * 7919 % 8_000)


def number_of(data: bytes) -> int:
    """The number of a value, which must be whole."""
    number = int(data[:4])
    assert data == value(number)
    return number


# -------------------------------------------------------------------- growing


def test_an_interrupted_wait_of_a_reader_is_told_as_it_is(tmp_path: Path) -> None:
    """While the gate is shut, a reader waits for the writer; who interrupts it must meet no other error."""
    storage = LMDBStorage[str, int](tmp_path)
    storage["key"] = 1
    database = storage._database
    shut, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with database.lock, database._alone():
            shut.set()
            go_on.wait(10)

    def interrupt(*_: object) -> None:
        raise InterruptedError("enough")

    writer = threading.Thread(target=write)
    writer.start()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        assert shut.wait(10)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError):
            database.read(database.seen)
    finally:
        signal.signal(signal.SIGALRM, before)
        go_on.set()
        writer.join(10)
    assert not database._inside
    assert storage["key"] == 1


def test_it_grows_under_writers_and_readers_without_losing_a_write(tmp_path: Path, small_map: None) -> None:
    """Three processes of two threads write while the map doubles again and again; all read meanwhile."""
    first = LMDBStorage[str, bytes](tmp_path, codec="bytes")
    first["shared"] = value(0)

    def work(who: str) -> None:
        mine = LMDBStorage[str, bytes](tmp_path, codec="bytes")
        for number in range(40):
            mine[f"{who} {number}"] = value(number)
            number_of(mine["shared"])
            mine["shared"] = value(number)
            assert number_of(mine[f"{who} {number // 2}"]) == number // 2
        mine.close()

    def both(process: int) -> None:
        in_threads(lambda: work(f"{process}a"), lambda: work(f"{process}b"))

    in_processes(*(partial(both, process) for process in range(3)))
    assert len(first) == 3 * 2 * 40 + 1
    for process in range(3):
        for thread in "ab":
            for number in range(40):
                assert number_of(first[f"{process}{thread} {number}"]) == number
    assert first._database._environment.info()["map_size"] > 1 << 20
    first.close()


def test_readers_in_threads_go_on_while_it_grows(tmp_path: Path, small_map: None) -> None:
    """Nobody who reads, lists or counts meets a map that is just being replaced."""
    with LMDBStorage[str, bytes](tmp_path, codec="bytes") as storage:
        storage.update({f"key{number}": value(number) for number in range(10)})

        def read() -> None:
            assert [number_of(storage[f"key{number}"]) for number in range(10)] == list(range(10))
            assert set(storage) >= {f"key{number}" for number in range(10)}
            assert len(storage) >= 10

        with in_background(read, threads=2):
            for number in range(10, 70):
                storage[f"key{number}"] = value(number)
        assert len(storage) == 70


def test_a_bulk_write_larger_than_the_map_is_whole(tmp_path: Path, small_map: None) -> None:
    with LMDBStorage[str, bytes](tmp_path, codec="bytes") as storage:
        storage.set_many({f"key{number}": value(number) for number in range(300)}, ttl=1000)
        storage["one"] = bytes(5_000_000)
        assert len(storage) == 301
        storage.clear()
        assert len(storage) == 0


def test_a_map_that_another_process_made_larger_is_adopted(tmp_path: Path, small_map: None) -> None:
    storage = LMDBStorage[str, bytes](tmp_path, codec="bytes")
    storage["key"] = b"old"

    def grow() -> None:
        with LMDBStorage[str, bytes](tmp_path, codec="bytes") as mine:
            mine.update({f"key{number}": value(number) for number in range(100)})

    for use in (
        lambda: storage["key99"],
        lambda: storage.__setitem__("new", b"new"),
        lambda: len(storage),
        lambda: list(storage),
        lambda: storage.get_many(["key1", "key2"]),
    ):
        in_processes(grow)
        use()
        storage.clear()
    storage.close()


def test_little_address_space_is_enough(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")

    def work() -> int:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), used + (100 << 20)))
        with LMDBStorage[str, bytes](tmp_path, codec="bytes") as storage:
            storage.update({f"key{number}": value(number) for number in range(100)})
            return len(storage)

    assert in_processes(work) == [100]


# -------------------------------------------------------------------- the dead


def test_the_slots_of_dead_readers_are_cleared(tmp_path: Path) -> None:
    """Readers that are killed in the middle of a read take no room for ever, even all of it."""
    storage = LMDBStorage[str, bytes](tmp_path, codec="bytes")
    storage["key"] = b"value"

    def read() -> None:
        mine = LMDBStorage[str, bytes](tmp_path, codec="bytes")
        mine["key"]
        held = [mine._database._environment.begin() for _ in range(400)]
        line.say()
        time.sleep(60)
        del held

    for _ in range(4):
        with Line() as line, Child(read) as child:
            assert line.hear(), "the reader did not begin"
            assert storage["key"] == b"value"
            child.kill()
    storage["key"] = b"new"
    assert storage["key"] == b"new"
    storage.close()


def test_a_writer_is_killed_many_times(tmp_path: Path) -> None:
    """After each kill every key reads its value of the last complete round or of the next."""
    chance = random.Random(3)
    names = ("set", "life", "bulk 1", "bulk 2")

    def write(number: int, line: Line) -> None:
        storage = LMDBStorage[str, bytes](tmp_path, codec="bytes", limit=1000)
        while True:
            number += 1
            storage["set"] = value(number)
            storage.set("life", value(number), ttl=1000)
            storage.set_many({"bulk 1": value(number), "bulk 2": value(number)})
            storage["comes and goes"] = b""
            del storage["comes and goes"]
            line.say(b"%8d" % number)

    done = 0
    for _ in range(60):
        with Line() as line, Child(partial(write, done, line)) as child:
            said = line.hear(30)
            assert said, "the writer did not begin"
            end = time.perf_counter() + chance.random() / 250
            while time.perf_counter() < end:  # a random moment, shorter than a sleep can be
                pass
            child.kill()
            done = int((said + line.hear(0))[-8:])
        with LMDBStorage[str, bytes](tmp_path, codec="bytes", limit=1000) as again:
            numbers = [number_of(again[name]) for name in names]
            assert set(numbers) <= {done, done + 1}
            assert numbers[2] == numbers[3]
            assert len(again) - ("comes and goes" in again) == 4
            assert again.verify().broken == ()
            done += 1
            again.update({name: value(done) for name in names})


# -------------------------------------------------------------------- forks


def test_a_fork_in_the_middle_of_everything(tmp_path: Path, small_map: None) -> None:
    """Threads read, write, list and grow the file while others fork; children and grandchildren work too."""
    storage = LMDBStorage[str, bytes](tmp_path, codec="bytes", limit=500)
    storage["key"] = value(1)
    count = iter(range(10**6))

    def busy() -> None:
        storage[f"key{next(count)}"] = value(7)
        number_of(storage["key"])
        list(storage)

    def child(depth: int) -> None:
        storage[f"child{depth}"] = value(depth)
        assert number_of(storage[f"child{depth}"]) == depth
        if depth < 2:
            with Child(lambda: child(depth + 1)) as below:
                below.result(timeout=20)
        storage["key"] = value(2)

    with in_background(busy, threads=2):
        for _ in range(6):
            with Child(lambda: child(0)) as process:
                process.result(timeout=30)
    assert storage.verify().broken == ()
    storage.close()


def test_a_fork_in_the_middle_of_an_endless_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child of such a fork says why it cannot read, and the parent goes on."""
    monkeypatch.setattr("pystorage.stores._lmdbfile._PATIENCE", 0.05)
    storage = LMDBStorage[str, bytes](tmp_path, codec="bytes")
    storage["key"] = b"1"

    def refused() -> None:
        with pytest.raises(UnavailableError, match="was forked in the middle"):
            storage["key"]

    def look(transaction: Any) -> bytes:
        with Child(refused) as child:
            child.result()
        return bytes(transaction.get(b"key"))

    assert storage._database.read(look) == b"1"
    storage["key"] = b"2"
    assert storage["key"] == b"2"
    with Child(lambda: storage["key"]) as child:
        assert child.result() == b"2"
    storage.close()


# -------------------------------------------------------------------- system calls that are killed or fail

WRITING = ("pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "msync", "fsync", "fdatasync")


def steps(place: Path, durability: str) -> None:
    """Write in every way there is, the last thing being to say that all is done."""
    storage = LMDBStorage[str, Any](place, limit=100, durability=durability)  # type: ignore[arg-type]
    storage["set"] = "new"
    storage.set("life", "new", ttl=1000)
    storage.set_many({"bulk 1": "new", "bulk 2": "new"})
    storage.swap("swapped", "old", "new")
    storage.pop("gone", None)
    storage["last"] = "new"
    storage.close()


def begun(place: Path) -> None:
    with LMDBStorage[str, Any](place, limit=100) as storage:
        storage.update({name: "old" for name in ("set", "life", "bulk 1", "bulk 2", "swapped", "gone")})


def check(place: Path) -> bool:
    """See that all is old or new, in the order it was written; say whether all of it is done."""
    with LMDBStorage[str, Any](place, limit=100) as storage:
        assert storage.verify().broken == ()
        found = dict(storage.items())
        states = [found[name] for name in ("set", "life", "bulk 1", "swapped")]
        states.append("old" if "gone" in found else "new")
        states.append("new" if "last" in found else "old")
        assert states == sorted(states, reverse=True) or states == ["new"] * states.count("new") + ["old"] * (
            states.count("old")
        )
        assert found["bulk 1"] == found["bulk 2"]
        assert storage.ttl("life") is None or found["life"] == "new"
        storage["after"] = 1
        assert storage["after"] == 1
        return "last" in found


def points(tmp_path: Path, fault: str, durability: str, outcome: Callable[[Path], None]) -> int:
    """Do all steps with a fault at each call that writes, one after the other; give how many there were."""
    tried = 0
    for name in WRITING:
        number = 0
        while True:
            number += 1
            place = tmp_path / f"{name} {number}"
            begun(place)
            traced = under_strace(
                tmp_path, lambda place=place: outcome(place), WRITING, f"{name}:{fault}:when={number}"
            )  # type: ignore[misc]
            made = sum(call == name for call, _ in traced.calls)
            check(place)
            if made < number:
                break
            tried += 1
    return tried


@needs_strace
def test_a_kill_at_every_call_that_writes(tmp_path: Path) -> None:
    """Each step is done or not, and the file is sound, wherever the writer dies."""
    assert points(tmp_path, "signal=SIGKILL", "process", lambda place: steps(place, "process")) > 6


@needs_strace
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
def test_an_error_at_every_call_that_writes(tmp_path: Path, fault: str) -> None:
    """It is UnavailableError or makes no difference, the old value stands, and the next write works."""

    def outcome(place: Path) -> None:
        try:
            steps(place, "power")
        except UnavailableError:
            steps(place, "power")  # a fault that has passed is over for this process too

    assert points(tmp_path, f"error={fault}", "power", outcome) > 6


def test_a_full_disk(small_disk: Path) -> None:
    """What does not fit is UnavailableError, what was there stands, and it works again when there is room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(60_000))
    storage = LMDBStorage[str, bytes](small_disk / "place", codec="bytes")
    storage["key"] = b"old"
    written = 0

    def fill() -> None:
        nonlocal written
        while True:
            storage[f"key{written}"] = bytes(1000)
            written += 1

    with pytest.raises(UnavailableError, match="make room on the disk"):
        fill()
    for _ in range(3):
        with pytest.raises(UnavailableError):
            storage["key"] = bytes(100_000)
    assert storage["key"] == b"old"
    assert len(storage) == written + 1
    with LMDBStorage[str, bytes](small_disk / "place", codec="bytes") as other:
        assert len(other) == written + 1

    def read() -> bytes:
        return storage["key"]

    assert in_processes(*[read] * 3) == [b"old"] * 3
    ballast.unlink()
    storage["key"] = b"new"
    storage.clear()
    assert len(storage) == 0
    storage["key"] = bytes(30_000)
    storage.close()
