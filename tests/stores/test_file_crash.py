"""Every system call of every write fails, or is the last one: old or new, whole, and nothing is left."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.file import FileStorage
from tests.stores.files import needs_strace, open_files, under_strace, writing

pytestmark = needs_strace

Layout = Literal["flat", "tree"]

#: What each key is before its step and after it.
STATES: dict[str, tuple[Any, Any]] = {
    "set": ("old", "new"),
    "deep/er/made": (None, "new"),
    "deep/deleted": ("old", None),
    "incr": (41, 42),
    "swap": ("old", "new"),
    "life": ("old", "new"),
    "stream": ("old", "new"),
    "expire": (None, "deadline"),
}


def steps_of(place: Path, layout: Layout) -> dict[str, Callable[[], object]]:
    """Every way to write there is, each once, as a process does that comes new to the folder."""
    storage = FileStorage[str, Any](place, layout=layout, durability="power")
    streams = FileStorage[str, Any](place, layout=layout, durability="power", codec="bytes")

    def stream() -> None:
        with streams.open_write("stream") as file:
            file.write(b'"new"')

    return {
        "set": lambda: storage.__setitem__("set", "new"),
        "deep/er/made": lambda: storage.__setitem__("deep/er/made", "new"),
        "deep/deleted": lambda: storage.__delitem__("deep/deleted"),
        "incr": lambda: storage.incr("incr"),
        "swap": lambda: storage.swap("swap", "old", "new"),
        "life": lambda: storage.set("life", "new", ttl=10**9),
        "stream": stream,
        "expire": lambda: storage.expire("expire", 10**9),
    }


def prepare(place: Path, layout: Layout) -> None:
    """Write what is there before the steps, and remove all that the storage made for itself."""
    with FileStorage[str, Any](place, layout=layout) as storage:
        storage.update({key: before for key, (before, _) in STATES.items() if before is not None})
        storage["expire"] = "old"
    for path in sorted(place.glob("%pystorage*/**/*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    next(place.glob("%pystorage*")).rmdir()


def state(storage: FileStorage[str, Any], key: str) -> Any:
    """What a key is; the one that is only given a deadline is told by that."""
    if key != "expire":
        return storage.get(key)
    assert storage[key] == "old"
    return None if storage.expires_at(key) is None else "deadline"


def calls_of_steps(folder: Path, layout: Layout, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Each system call of these names that the steps make, and the how-manieth of its name it is."""
    prepare(folder / "first", layout)
    steps = steps_of(folder / "first", layout)

    def take_all() -> None:
        for step in steps.values():
            step()

    counts: Counter[str] = Counter()
    calls = []
    for name, rest in under_strace(folder, take_all, names).calls:
        counts[name] += 1
        if name in names and "<pipe:" not in rest:  # by which the child says its result
            calls.append((name, counts[name]))
    return calls


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_a_kill_at_every_system_call(tmp_path: Path, layout: Layout) -> None:
    """Killed at any call, the steps before are done and those after are not; the one in between is or not."""
    names = ("write", "rename", "unlink", "mkdir", "fsync", "flock")
    calls = calls_of_steps(tmp_path, layout, names)
    assert {name for name, _ in calls} == set(names)
    for name, number in calls:
        place = tmp_path / f"{name} {number}"
        prepare(place, layout)

        def take_all(place: Path = place) -> None:
            for step in steps_of(place, layout).values():
                step()

        assert under_strace(tmp_path, take_all, [name], f"{name}:signal=SIGKILL:when={number}").killed
        with FileStorage[str, Any](place, layout=layout) as again:
            assert writing(place) == []
            states = {key: state(again, key) for key in STATES}
            done = [states[key] == after for key, (_, after) in STATES.items()]
            assert all(states[key] in known for key, known in STATES.items()), (name, number, states)
            assert done == sorted(done, reverse=True), (name, number, states)
            assert set(again) == {"expire", *(key for key in STATES if states[key] is not None)}
            again["set"] = "newest"
            assert again["set"] == "newest"


@pytest.mark.parametrize(
    "call, code",
    [
        ("write", errno.ENOSPC),
        ("rename", errno.EIO),
        ("fsync", errno.EIO),
        ("openat", errno.EMFILE),
        ("mkdir", errno.ENOSPC),
        ("flock", errno.ENOLCK),
        ("unlink", errno.EIO),
    ],
)
def test_a_failure_at_every_system_call(tmp_path: Path, call: str, code: int) -> None:
    """A call that fails is ``UnavailableError`` with its number; the old value stands, the next try works."""
    layout: Layout = "tree" if call in ("mkdir", "unlink") else "flat"
    failures = []
    numbers = [number for _, number in calls_of_steps(tmp_path, layout, (call,))]
    for number in numbers:
        place = tmp_path / str(number)
        prepare(place, layout)

        def take_all(place: Path = place) -> tuple[list[tuple[str, int | None, str | None, bool]], int]:
            steps = steps_of(place, layout)
            report, files = [], open_files()
            for key, step in steps.items():
                try:
                    step()
                except UnavailableError as error:
                    with FileStorage[str, Any](place, layout=layout) as reader:
                        old_stands = state(reader, key) == STATES[key][0]
                    report.append((key, error.errno, error.storage, old_stands))
                    if old_stands:
                        step()
            # Each of the two storages keeps one file open as a writer.
            return report, open_files() - files

        injection = f"{call}:error={errno.errorcode[code]}:when={number}"
        traced = under_strace(tmp_path, take_all, [call], injection)
        assert traced.result is not None
        report, more_files = traced.result
        failures += report
        assert len(report) <= 1
        for key, reported, where, old_stands in report:
            assert reported == code, (number, key)
            assert where is not None
            assert str(place) in where
            # Once a new value is in its place only telling the disk to keep its name can fail.
            assert old_stands or call in ("fsync", "openat"), (number, key)
        assert more_files <= 2, number
        with FileStorage[str, Any](place, layout=layout) as again:
            assert writing(place) == []
            assert {key: state(again, key) for key in STATES} == {
                key: after for key, (_, after) in STATES.items()
            }
    # Only a call that gives something back may fail without being noticed.
    assert len(failures) >= len(numbers) // 3


def test_what_a_writer_could_not_remove_is_swept(tmp_path: Path) -> None:
    """Where a file can neither be put in its place nor be removed, the next to open the folder removes it."""
    with FileStorage[str, str](tmp_path) as storage:
        storage["key"] = "old"

    def write() -> str:
        mine = FileStorage[str, str](tmp_path)
        with pytest.raises(UnavailableError):
            mine["key"] = "new"
        assert len(writing(tmp_path)) == 2
        return mine["key"]

    # From the first on, both fail: putting a file in its place, and removing it.
    injection = f"rename,unlink:error={errno.errorcode[errno.EIO]}:when=1+"
    assert under_strace(tmp_path, write, ["rename", "unlink"], injection).result == "old"
    assert len(writing(tmp_path)) == 2
    with FileStorage[str, str](tmp_path) as storage:
        assert writing(tmp_path) == []
        assert storage["key"] == "old"
    assert os.listdir(tmp_path)
