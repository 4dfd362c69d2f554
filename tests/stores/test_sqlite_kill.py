"""A writer killed at each system call that writes, and each of them failing: nothing torn, lost or left."""

from __future__ import annotations

import errno
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.sqlite import SQLiteStorage
from pystorage.testing.parallel import Line
from tests.stores.files import needs_strace, under_strace

pytestmark = needs_strace

# What writes: SQLite writes by offset and cuts files, values beside it are written in order.
WRITES: Final = ("pwrite64", "write", "ftruncate", "fsync", "fdatasync", "unlink")
LIMIT: Final = 5


def opened(folder: Path, durability: Any = "power") -> SQLiteStorage[str, Any]:
    return SQLiteStorage(folder / "x.db", limit=LIMIT, durability=durability, large=1_000, timeout=5)


def big(number: int) -> str:
    return f"{number:04d}" * 500


#: What a writer does, one after the other.
STEPS: Final[list[Callable[[SQLiteStorage[str, Any]], object]]] = [
    lambda storage: storage.__setitem__("new", "small"),
    lambda storage: storage.__setitem__("big", big(2)),
    lambda storage: storage.__delitem__("large"),
    lambda storage: storage.set_many({"many": 1, "more": big(3), "most": 3}, ttl=1e6),
    lambda storage: storage.swap("new", "small", big(5)),
    lambda storage: storage.clear(),
]


def begin(folder: Path) -> None:
    with opened(folder) as storage:
        storage.update(goes=1, big=big(0), large=big(1))


def states(folder: Path) -> list[dict[str, Any]]:
    """What is there before the first step, and after each."""
    begin(folder)
    with opened(folder) as storage:
        found = [dict(storage)]
        for step in STEPS:
            step(storage)
            found.append(dict(storage))
    return found


def beside(folder: Path) -> set[str]:
    """The files of values that lie beside the database."""
    values = folder / "x.db.values"
    return {path.name for path in values.iterdir() if "-" in path.name} if values.is_dir() else set()


def check_whole(folder: Path) -> dict[str, Any]:
    """Open what was left, see that nothing is broken, torn or left over, and give what is there."""
    with opened(folder) as storage:
        found = dict(storage.items())
        report = storage.verify()
        assert report.broken == ()
        assert report.checked == len(found) == len(storage)
        storage["works again"] = 1
        del storage["works again"]
    with closing(sqlite3.connect(folder / "x.db")) as database:
        named = {file for (file,) in database.execute("SELECT file FROM entries WHERE file IS NOT NULL")}
    assert beside(folder) == named
    return found


def calls_of(folder: Path, work: Callable[[], object]) -> Iterator[tuple[str, int]]:
    """Give each call that writes there, by its name and number, as one whole run has them."""
    done = under_strace(folder, work, WRITES)
    seen: Counter[str] = Counter()
    for name, rest in done.calls:
        seen[name] += 1
        if str(folder) in rest:  # else it tells the parent something
            yield name, seen[name]


def test_a_writer_is_killed_at_each_call(tmp_path: Path) -> None:
    """Whatever call it dies in, what it had done is there, and the step it was at was done or was not."""
    (tmp_path / "whole").mkdir()
    expected = states(tmp_path / "whole")

    def work(place: Path, line: Line) -> None:
        with opened(place) as storage:
            for number, step in enumerate(STEPS):
                step(storage)
                line.say(bytes([number + 1]))

    (tmp_path / "count").mkdir()
    begin(tmp_path / "count")
    with Line() as line:
        points = list(calls_of(tmp_path, lambda: work(tmp_path / "count", line)))
    assert len(points) > 40
    between = 0
    for name, number in points:
        place = tmp_path / f"{name} {number}"
        place.mkdir()
        begin(place)
        with Line() as line:
            injection = f"{name}:signal=SIGKILL:when={number}"
            done = under_strace(tmp_path, partial(work, place, line), WRITES, injection)
            said = line.hear(0)
        assert done.killed, f"{name} {number} was not made"
        last = said[-1] if said else 0
        found = check_whole(place)
        assert found in expected[last : last + 2], f"{name} {number}, after step {last}"
        between += found != expected[last]
    assert between, "no step was ever complete without having been told of"


@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
def test_each_call_fails_once(tmp_path: Path, code: str) -> None:
    """A call that fails is UnavailableError or does not matter; the old value stands, and it works again."""
    (tmp_path / "whole").mkdir()
    expected = states(tmp_path / "whole")

    def work(place: Path) -> list[int]:
        failed = []

        def tried(number: int, step: Callable[[], Any]) -> Any:
            for _ in range(3):
                try:
                    return step()
                except UnavailableError as error:
                    if error.errno not in (errno.EIO, errno.ENOSPC):
                        raise
                    failed.append(number)
            raise AssertionError(f"step {number} does not work again")

        storage = tried(-1, lambda: opened(place))
        assert dict(storage) == expected[0]
        for number, step in enumerate(STEPS):

            def whole(number: int = number, step: Any = step) -> None:
                before = dict(storage)
                assert before in expected[number : number + 2]
                if before == expected[number]:
                    step(storage)

            tried(number, whole)
            assert dict(storage) == expected[number + 1], number
        storage.close()
        return failed

    (tmp_path / "count").mkdir()
    begin(tmp_path / "count")
    points = list(calls_of(tmp_path, lambda: work(tmp_path / "count")))
    failures = 0
    for name, number in points:
        place = tmp_path / f"{name} {number}"
        place.mkdir()
        begin(place)
        done = under_strace(tmp_path, partial(work, place), WRITES, f"{name}:error={code}:when={number}")
        assert done.result is not None
        failures += len(done.result)
        found = check_whole(place)
        assert found == expected[-1], f"{name} {number}"
    assert failures > 5
