"""``kill -9`` of writers, and many processes on one folder: every value whole, nothing lost, no debris."""

from __future__ import annotations

import random
import struct
import time
from functools import partial
from pathlib import Path

import pytest

from pystorage.storage import ABSENT
from pystorage.stores.file import FileStorage
from pystorage.testing.parallel import Child, Line, in_processes, in_threads
from tests.stores.files import entries, writing

ROUND = struct.Struct(">I")


def value(number: int) -> bytes:
    """A value that tells its number all through, of 5 bytes to 90 kB."""
    return b"%04d." % number * (1 + number * 7919 % 18_000)


def number_of(data: bytes) -> int:
    """The number of a value, which must be whole."""
    number = int(data[:4])
    assert data == value(number)
    return number


def write_rounds(storage: FileStorage[str, bytes], number: int, line: Line) -> None:
    """Write by every way there is, round after round, and say each round that is complete."""
    while True:
        number += 1
        storage["set"] = value(number)
        with storage.open_write("stream") as file:
            file.write(value(number)[:1])
            file.write(value(number)[1:])
        storage.set("life", value(number), ttl=1000)
        if number % 2:
            storage["comes and goes"] = value(number)
        else:
            del storage["comes and goes"]
        assert storage.swap("swapped", value(number - 1), value(number))
        line.say(ROUND.pack(number))


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_a_writer_is_killed_100_times(tmp_path: Path, layout: str) -> None:
    """After each kill every key reads its value of the last complete round or the next; nothing is left."""
    chance = random.Random(layout)
    options = {"codec": "bytes", "layout": layout}
    written = ("set", "stream", "life", "swapped")
    with FileStorage[str, bytes](tmp_path, **options) as storage:
        storage.update({key: value(0) for key in written})
    done, torn = 0, 0

    def begin(number: int, line: Line) -> None:
        write_rounds(FileStorage(tmp_path, **options), number, line)

    for _ in range(100):
        with (
            Line() as line,
            Child(partial(begin, done, line)) as child,
        ):
            said = line.hear(30)
            assert said, "the writer did not begin"
            end = time.perf_counter() + chance.random() / 250
            while time.perf_counter() < end:  # a random moment, shorter than a sleep can be
                pass
            child.kill()
            (done,) = ROUND.unpack((said + line.hear(0))[-ROUND.size :])
        with FileStorage[str, bytes](tmp_path, **options) as again:
            assert writing(tmp_path) == []
            numbers = [number_of(again[key]) for key in written]
            assert set(numbers) <= {done, done + 1}
            torn += len(set(numbers)) > 1
            assert number_of(again.get("comes and goes", value(done))) in (done, done + 1)
            assert sorted(again) in (sorted(written), sorted([*written, "comes and goes"]))
            done += 1
            again.update({key: value(done) for key in written})
            again["comes and goes"] = value(done)
            if done % 2 == 0:
                del again["comes and goes"]
    assert torn > 5, "the writer was never killed in the middle of a round"
    assert len(entries(tmp_path)) in (4, 5)


def test_four_processes_lose_nothing(tmp_path: Path) -> None:
    """Four processes of two threads: no set, addition, swap or locked change is lost, an add is won once."""
    storage = FileStorage[str, object](tmp_path)
    storage.update(swapped=[], locked=0)

    def work(who: str) -> list[int]:
        mine = FileStorage[str, object](tmp_path)
        won = []
        for number in range(20):
            mine[f"{who} {number}"] = number
            mine[f"{who} gone"] = number
            del mine[f"{who} gone"]
            mine.incr("count")
            if mine.add(f"added {number}", who):
                won.append(number)
            while not mine.swap("swapped", old := mine["swapped"], [*old, f"{who} {number}"]):  # type: ignore[misc]
                pass
            with mine.lock("locked", 30, timeout=30):
                mine["locked"] = mine["locked"] + 1  # type: ignore[operator]
        return won

    def both(process: int) -> list[list[int]]:
        return in_threads(lambda: work(f"{process}a"), lambda: work(f"{process}b"))

    won = in_processes(*(lambda process=process: both(process) for process in range(4)))
    workers = [f"{process}{thread}" for process in range(4) for thread in "ab"]
    everything = {f"{who} {number}": number for who in workers for number in range(20)}
    assert {key: storage.get(key) for key in everything} == everything
    assert storage["count"] == storage["locked"] == 160
    assert sorted(storage["swapped"]) == sorted(everything)  # type: ignore[call-overload]
    winners = dict(zip(workers, (one for pair in won for one in pair), strict=True))
    assert sorted(number for numbers in winners.values() for number in numbers) == list(range(20))
    assert all(storage[f"added {number}"] == who for who in workers for number in winners[who])
    assert len(storage) == len(everything) + 20 + 3


def test_readers_beside_a_killed_writer_see_whole_values(tmp_path: Path) -> None:
    """A reader that never stops meets whole values only, whatever happens to the writers."""
    storage = FileStorage[str, bytes](tmp_path, codec="bytes")
    storage["key"] = value(1)

    def write() -> None:
        mine = FileStorage[str, bytes](tmp_path, codec="bytes")
        while True:
            for number in range(1, 50):
                mine["key"] = value(number)

    chance = random.Random(7)
    for _ in range(20):
        with Child(write):
            end = time.perf_counter() + chance.random() / 50
            while time.perf_counter() < end:
                number_of(storage["key"])


def test_a_killed_adder_leaves_no_half_made_key(tmp_path: Path) -> None:
    """What a killed process was adding is there whole or not at all, and can be added then."""
    chance = random.Random(3)

    def add(number: int) -> None:
        mine = FileStorage[str, bytes](tmp_path, codec="bytes")
        line.say()
        for step in range(1000):
            mine.swap(f"{number} {step}", ABSENT, value(step))

    for number in range(20):
        with Line() as line, Child(lambda number=number: add(number)) as child:
            assert line.hear(30)
            end = time.perf_counter() + chance.random() / 100
            while time.perf_counter() < end:
                pass
            child.kill()
        with FileStorage[str, bytes](tmp_path, codec="bytes") as storage:
            steps = sorted(int(key.partition(" ")[2]) for key in storage.scan(f"{number} "))
            assert steps == list(range(len(steps)))
            assert all(number_of(storage[f"{number} {step}"]) == step for step in steps)
            assert storage.add(f"{number} {len(steps)}", b"")
            assert len(writing(tmp_path)) == 1  # this process as a writer
