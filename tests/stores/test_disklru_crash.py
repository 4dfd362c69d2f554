"""A bounded folder whose writer dies or fails at any system call: old or new, whole, and within the limit."""

from __future__ import annotations

import errno
import gc
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.disklru import DiskLRUStorage
from tests.stores.files import entries, needs_strace, open_files, under_strace, writing

pytestmark = needs_strace

LIMIT = 5
SUFFIX = "disklru.pkl"

#: What each key is before its step and after it; the ones that go for others are not among them.
STATES: dict[str, tuple[Any, Any]] = {
    "smaller": ("a longer old value", "new"),
    "deleted": ("old", None),
    "added": (None, "new"),
    "evicting": (None, "new"),
    "stream": (None, "new"),
    "life": (None, "new"),
}


def files(place: Path) -> list[str]:
    return [name for name in entries(place) if name.endswith(SUFFIX)]


def opened(place: Path, codec: str = "json") -> DiskLRUStorage[str, Any]:
    return DiskLRUStorage(place, limit=LIMIT, codec=codec, durability="power")


def prepare(place: Path) -> None:
    """Fill a folder; the first three of it go for others later on."""
    with opened(place) as storage:
        storage.update(victim1="v", victim2="v", victim3="v")
        storage.update({key: before for key, (before, _) in STATES.items() if before is not None})


def steps_of(place: Path) -> dict[str, Callable[[], object]]:
    """Every way to write, with room and without."""
    storage, streams = opened(place), opened(place, "bytes")

    def stream() -> None:
        with streams.open_write("stream") as file:
            file.write(b'"new"')

    return {
        "smaller": lambda: storage.__setitem__("smaller", "new"),
        "deleted": lambda: storage.__delitem__("deleted"),
        "added": lambda: storage.add("added", "new"),
        "evicting": lambda: storage.__setitem__("evicting", "new"),
        "stream": stream,
        "life": lambda: storage.set("life", "new", ttl=10**9),
    }


def take_all(place: Path) -> None:
    for step in steps_of(place).values():
        step()


def calls_of_steps(folder: Path, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Each system call of these names that the steps make, and the how-manieth of its name it is."""
    prepare(folder / "first")
    counts: Counter[str] = Counter()
    calls = []
    for name, rest in under_strace(folder, lambda: take_all(folder / "first"), names).calls:
        counts[name] += 1
        if name in names and "<pipe:" not in rest:  # by which the child says its result
            calls.append((name, counts[name]))
    return calls


def test_a_kill_at_every_system_call(tmp_path: Path) -> None:
    """Killed at any call: never too many files, the steps before are done, and others write on in bounds."""
    names = ("write", "rename", "unlink", "mkdir", "fsync", "flock", "utimensat", "lseek")
    calls = calls_of_steps(tmp_path, names)
    assert {name for name, _ in calls} >= {"write", "rename", "unlink", "fsync", "flock", "utimensat"}
    for name, number in calls:
        place = tmp_path / f"{name} {number}"
        prepare(place)
        with opened(place) as witness:
            assert len(witness) == LIMIT
            kill = f"{name}:signal=SIGKILL:when={number}"
            assert under_strace(tmp_path, lambda place=place: take_all(place), [name], kill).killed
            assert len(files(place)) <= LIMIT
            with opened(place) as again:
                assert writing(place, SUFFIX) == []
                states = {key: again.get(key) for key in STATES}
                done = [states[key] == after for key, (_, after) in STATES.items()]
                assert all(states[key] in known for key, known in STATES.items()), (name, number, states)
                assert done == sorted(done, reverse=True), (name, number, states)
                assert len(again) == len(files(place))
            for more in range(LIMIT + 2):
                witness[f"more {more}"] = more
                assert len(files(place)) <= LIMIT, (name, number)
            # Those that the other one read are spared for a while.
            assert sorted(witness) == sorted(opened(place))
            assert "more 6" in witness


@pytest.mark.parametrize(
    "call, code",
    [
        ("write", errno.ENOSPC),
        ("write", errno.EIO),
        ("rename", errno.EIO),
        ("rename", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("openat", errno.EMFILE),
        ("flock", errno.ENOLCK),
        ("unlink", errno.EIO),
        ("utimensat", errno.EPERM),
        ("ftruncate", errno.EIO),
    ],
)
def test_a_failure_at_every_system_call(tmp_path: Path, call: str, code: int) -> None:
    """A call that fails is ``UnavailableError`` with its number; the old value stands, the next try works."""
    failures = []
    numbers = [number for _, number in calls_of_steps(tmp_path, (call,))]
    for number in numbers:
        place = tmp_path / str(number)
        prepare(place)

        def try_all(place: Path = place) -> tuple[list[tuple[str, int | None, bool]], int]:
            report, before = [], open_files()
            try:
                steps = steps_of(place)
            except UnavailableError as error:
                report.append(("open", error.errno, True))
                steps = steps_of(place)
            for key, step in steps.items():
                try:
                    step()
                except UnavailableError as error:
                    with opened(place) as reader:
                        old_stands = reader.get(key) == STATES[key][0]
                    report.append((key, error.errno, old_stands))
                    if old_stands:
                        step()
            gc.collect()  # an error holds what it met
            return report, open_files() - before

        with opened(place) as witness:
            assert len(witness) == LIMIT
            injection = f"{call}:error={errno.errorcode[code]}:when={number}"
            traced = under_strace(tmp_path, try_all, [call], injection)
            assert traced.result is not None
            report, more_files = traced.result
            failures += report
            assert len(report) <= 1, (number, report)
            assert len(files(place)) <= LIMIT, number
            for key, reported, old_stands in report:
                assert reported == code, (number, key)
                # Once a new value is in its place only telling the disk to keep its name can fail.
                assert old_stands or call in ("fsync", "openat"), (number, key)
            # Each of two handles keeps one file open as a writer, and the journal.
            assert more_files <= 4, number
            with opened(place) as again:
                assert writing(place, SUFFIX) == []
                states = {key: again.get(key) for key in STATES}
                if call == "unlink":  # another went instead of the victim that could not be removed
                    states["smaller"] = "new"
                assert states == {key: after for key, (_, after) in STATES.items()}
            for more in range(LIMIT + 2):
                witness[f"more {more}"] = more
                assert len(files(place)) <= LIMIT, number
    # Only a call that gives something back, or tells of a use, may fail without being noticed.
    assert call in ("utimensat", "ftruncate") or len(failures) >= len(numbers) // 3


def test_a_victim_that_cannot_be_removed(tmp_path: Path) -> None:
    """It is said, the old values stand, and the next to go goes with the next write."""
    storage = DiskLRUStorage[str, int](tmp_path, limit=3)
    storage.update(a=1, b=2, c=3)

    def write() -> tuple[int, list[str]]:
        mine = DiskLRUStorage[str, int](tmp_path, limit=3)
        with pytest.raises(UnavailableError, match=r"a\.disklru\.pkl.*somebody else's") as caught:
            mine["d"] = 4
        assert list(mine) == ["b", "c", "a"]
        mine["d"] = 4
        assert caught.value.errno is not None
        return caught.value.errno, list(mine)

    # The first is tried at the very first removal.
    traced = under_strace(tmp_path, write, ["unlink"], "unlink:error=EPERM:when=1")
    assert traced.result == (errno.EPERM, ["c", "a", "d"])
    assert list(storage) == ["c", "a", "d"] or sorted(storage) == ["a", "c", "d"]


def test_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    """What others told, and a failing disk kept from us, is learned from the folder the next time."""

    def look(key: str) -> tuple[bool, list[str]]:
        mine, other = opened(tmp_path), opened(tmp_path)
        mine["mine"] = 1
        other[key] = 2
        try:
            len(mine)
        except UnavailableError:
            return True, sorted(mine)
        return False, sorted(mine)

    look("first")
    seen = under_strace(tmp_path, lambda: look("a"), ["read"])
    assert seen.result == (False, ["a", "first", "mine"])
    reads = [rest for name, rest in seen.calls if name == "read"]
    last = max(number for number, rest in enumerate(reads, 1) if "/journal>" in rest)
    failed = under_strace(tmp_path, lambda: look("b"), ["read"], f"read:error=EIO:when={last}")
    assert failed.result == (True, ["a", "b", "first", "mine"])


def test_a_full_disk(small_disk: Path) -> None:
    """It is ``UnavailableError``, the old value stands, and all works again when there is room."""
    storage = DiskLRUStorage[str, bytes](small_disk, limit=100, codec="bytes")
    storage["key"] = b"old"
    (small_disk / "ballast").write_bytes(b"x" * 150_000)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="make room") as caught:
            storage["key"] = b"x" * 120_000
        assert caught.value.errno == errno.ENOSPC
    assert storage["key"] == b"old"
    with pytest.raises(UnavailableError):
        storage.update({f"{number}": b"x" * 3000 for number in range(1000)})
    assert storage["key"] == b"old"
    assert all(data in (b"old", b"x" * 3000) for data in storage.values())
    os.unlink(small_disk / "ballast")
    storage["key"] = b"x" * 120_000
    assert len(storage["key"]) == 120_000
    assert len(storage) == len(files(small_disk))


# ---------------------------------------------------------------------- what reaches the disk


def test_a_set_reaches_the_disk_after_there_is_room(tmp_path: Path) -> None:
    """With ``durability="power"`` the file is synced with its time, the victim goes, the folder follows."""

    def take() -> None:
        storage = opened(tmp_path)
        storage["warm"] = 1
        os.mkdir(tmp_path / "now")
        storage["key"] = "new"

    prepare(tmp_path)
    calls = ("write", "utimensat", "fsync", "unlink", "rename", "mkdir")
    made = [(name, rest) for name, rest in under_strace(tmp_path, take, calls).calls if str(tmp_path) in rest]
    start = next(number for number, (name, rest) in enumerate(made) if name == "mkdir" and "/now" in rest)
    seen = []
    for name, rest in made[start + 1 :]:
        kind = "NEW" if "/temporary/" in rest else "journal" if "/journal" in rest else "entry"
        seen.append(f"{name} {kind}")
    assert seen[:4] == ["write NEW", "utimensat NEW", "fsync NEW", "unlink entry"]
    assert seen[4:7] == ["write journal", "rename NEW", "fsync entry"]


def test_less_durability_asks_for_nothing(tmp_path: Path) -> None:
    """Without a promise about power cuts nothing waits for the disk, the journal never does."""
    storage = DiskLRUStorage[str, bytes](tmp_path, limit=1, codec="bytes")

    def take() -> None:
        storage["a"] = b"new"
        storage["b"] = b"new"
        with storage.open_write("c") as file:
            file.write(b"new")
        del storage["c"]

    assert under_strace(tmp_path, take, ["fsync", "fdatasync"]).calls == []
