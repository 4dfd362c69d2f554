"""DiskLRUStorage in several processes: the bound holds at each moment, and each knows what others do."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.stores import _known
from pystorage.stores.disklru import DiskLRUStorage
from pystorage.testing import FakeClock
from pystorage.testing.parallel import Child, Line, in_processes, in_threads
from tests.stores.files import open_files, own, writing

LRU = DiskLRUStorage[str, Any]
SUFFIX = "disklru.pkl"


def files(place: Path) -> list[str]:
    return sorted(name for name in os.listdir(place) if name.endswith(f".{SUFFIX}"))


def sizes(storage: DiskLRUStorage[str, Any]) -> list[int]:
    """The bytes of each file, at one moment between the writes of all."""
    with storage._bounded.changing():
        return [(Path(storage.path) / name).stat().st_size for name in files(Path(storage.path))]


def value(number: int) -> bytes:
    """A value that tells its number all through, of 5 bytes to 35 kB."""
    return b"%04d." % number * (1 + number * 7919 % 7_000)


def fill(place: Path, seed: int, **limits: int) -> Callable[[], None]:
    """Write, read and remove at random, and look after each step whether the bound holds."""

    def run() -> None:
        chance = random.Random(seed)
        with DiskLRUStorage[str, bytes](place, codec="bytes", **limits) as mine:
            for step in range(150):
                key = f"{chance.randrange(60)}"
                match chance.randrange(8):
                    case 0:
                        mine.pop(key, None)
                    case 1 | 2:
                        found = mine.get(key)
                        assert found is None or found == value(int(found[:4]))
                    case 3:
                        with mine.open_write(key, ttl=0.05) as file:
                            file.write(value(step))
                    case _:
                        mine[key] = value(step)
                seen = sizes(mine)
                assert len(seen) <= limits.get("limit", 1000)
                assert sum(seen) <= limits.get("size_limit", 10**9)

    return run


@pytest.mark.parametrize(
    "limits", [{"limit": 20}, {"size_limit": 200_000}, {"limit": 30, "size_limit": 300_000}]
)
def test_four_processes_fill_one_folder(tmp_path: Path, limits: dict[str, int]) -> None:
    """At no moment are there more files or bytes than the limit; nothing is garbled; all agree in the end."""
    in_processes(*(fill(tmp_path, seed, **limits) for seed in range(4)))
    later = time.time() + 100  # when all that was to expire has expired
    with DiskLRUStorage[str, bytes](tmp_path, codec="bytes", timer=lambda: later, **limits) as storage:
        assert [value(int(data[:4])) for data in storage.values()] == list(storage.values())
        storage.purge()
        assert len(storage) == len(files(tmp_path))
        stats = storage.stats()
        assert stats.bytes == sum(os.path.getsize(tmp_path / name) for name in files(tmp_path))
    assert writing(tmp_path, SUFFIX) == []


def test_threads_of_one_handle(tmp_path: Path) -> None:
    """The same within one process: eight threads on one handle."""
    storage = LRU(tmp_path, limit=10)

    def work(who: int) -> None:
        for number in range(60):
            storage[f"{who} {number % 7}"] = number
            storage.incr("count")
            assert len(sizes(storage)) <= 10
            assert len(storage) <= 10
            storage.get(f"{(who + 1) % 8} {number % 7}")
            storage["count"]

    in_threads(*(lambda who=who: work(who) for who in range(8)))
    assert storage["count"] == 480
    assert sorted(f"{key}.{SUFFIX}" for key in (name.replace(" ", "%20") for name in storage)) == files(
        tmp_path
    )


def test_a_change_of_another_is_noticed(tmp_path: Path) -> None:
    """What another handle wrote, removed, evicted or let expire shows at once in the list and the figures."""
    clock = FakeClock()
    storage, other = (LRU(tmp_path, limit=4, timer=clock) for _ in range(2))
    other.update(a=1, b=2)
    assert (list(storage), len(storage)) == (["a", "b"], 2)
    del storage["a"]
    assert list(other) == ["b"]
    other.set("c", "x" * 100, ttl=10)
    assert storage.stats().bytes == other.stats().bytes
    clock.advance(10)
    assert list(storage) == ["b"]
    other.update(d=1, e=2, f=3, g=4)
    assert list(storage) == ["d", "e", "f", "g"]
    other.clear()
    assert (list(storage), storage.stats().bytes) == ([], 0)


def test_nobody_lists_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a write nor a change of another process makes a handle look through the folder."""
    storage, other = LRU(tmp_path, limit=20), LRU(tmp_path, limit=20)
    storage["first"] = other["second"] = 1

    def refuse(*_: object) -> Any:
        raise AssertionError("the folder was listed")

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    for number in range(5000):
        (storage, other)[number % 3 == 0][f"{number}"] = "x"
        if number % 50 == 0:
            assert list(storage) == list(other)
    # The journal did not grow for ever.
    assert os.path.getsize(own(tmp_path, SUFFIX) / "journal") < 100_000


def test_reads_of_another_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process reads is spared, if it said so: at most once in the grain for each entry."""
    monkeypatch.setattr("pystorage.stores._bounded.GRAIN", 0.0)
    storage, other = LRU(tmp_path, limit=3), LRU(tmp_path, limit=3)
    storage.update(a=1, b=2, c=3)
    assert other["a"] == 1
    storage["d"] = 4
    assert sorted(storage) == ["a", "c", "d"]
    assert storage.stats().evictions == 1


def test_reads_of_another_do_not_stop_a_write(tmp_path: Path) -> None:
    """Where everything was read elsewhere, something goes all the same."""
    storage = LRU(tmp_path, limit=40)
    storage.update({f"{number:02}": number for number in range(40)})
    later = time.time_ns() + 10**9
    for path in tmp_path.glob(f"*.{SUFFIX}"):
        os.utime(path, ns=(later, later))
    storage["new"] = 1
    assert len(storage) == len(files(tmp_path)) == 40
    assert "16" not in storage


def test_different_limits(tmp_path: Path) -> None:
    """Each process keeps its own when it writes."""
    large, small = LRU(tmp_path, limit=10), LRU(tmp_path, limit=3)
    for number in range(10):
        large[f"{number}"] = number
    assert len(small) == 10
    small["new"] = 1
    assert list(large) == ["8", "9", "new"]


def test_a_folder_of_two_users(tmp_path: Path) -> None:
    """Files of others in a folder where all may write, but not touch those of others, do not count."""
    if os.geteuid() != 0:
        pytest.skip("only the superuser can give a file to another user")
    tmp_path.chmod(0o1777)
    for number in range(5):
        path = tmp_path / f"{number}.{SUFFIX}"
        path.write_text("5")
        os.chown(path, 61_001, 61_001)
    storage = LRU(tmp_path, limit=2, codec="json")
    storage.update(a=1, b=2, c=3)
    assert list(storage) == ["b", "c"]
    assert storage["4"] == 5
    assert list(storage) == ["b", "c"]
    assert len(files(tmp_path)) == 7


# ---------------------------------------------------------------------- fork, files held open


def test_a_fork_goes_on_where_its_parent_was(tmp_path: Path) -> None:
    """Both know of each other's changes, and exclude each other."""
    storage = LRU(tmp_path, limit=5)
    storage.update(a=1, b=2)

    def child() -> list[str]:
        storage.update(c=3, d=4)
        return list(storage)

    with Child(child) as process:
        assert process.result() == ["a", "b", "c", "d"]
    storage.update(e=5, f=6)
    assert list(storage) == ["b", "c", "d", "e", "f"]

    def work(who: str) -> None:
        for number in range(100):
            storage[f"{who} {number % 7}"] = number
            assert len(sizes(storage)) <= 5

    in_processes(*(lambda who=who: work(who) for who in "xyz"))
    work("parent")
    assert len(storage) == 5


def test_a_dropped_handle_closes_its_files(tmp_path: Path) -> None:
    """Nothing stays open once nobody has the storage any more, closed or not."""
    before = open_files()
    for _ in range(3):
        storage = LRU(tmp_path, limit=2)
        storage["key"] = 1
        del storage
    assert open_files() == before


def test_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    """Four processes write, and one after the other is killed: the bound holds, values are whole."""

    def write(line: Line, who: int) -> None:
        mine = DiskLRUStorage[str, bytes](tmp_path, codec="bytes", limit=15)
        for number in range(10**9):
            mine[f"{who} {number % 10}"] = value(number % 10_000)
            line.say()

    storage = DiskLRUStorage[str, bytes](tmp_path, codec="bytes", limit=15)
    for round_ in range(10):
        with Line() as line, Child(lambda line=line: write(line, 1)) as one, Child(lambda: write(line, 2)):
            while len(line.hear()) < 3 + round_:
                pass
            one.kill()
            for number in range(20):
                storage[f"mine {number}"] = value(number)
                assert len(sizes(storage)) <= 15
        assert all(data == value(int(data[:4])) for data in storage.values())
    assert set(storage) <= {
        *(f"mine {n}" for n in range(20)),
        *(f"{w} {n}" for w in (1, 2) for n in range(10)),
    }


# ---------------------------------------------------------------------- the journal


def damage(place: Path, how: str) -> None:
    journal = own(place, SUFFIX) / "journal"
    data = journal.read_bytes()
    match how:
        case "torn":
            journal.write_bytes(data + b"00000000 +12:3")
        case "corrupt":
            journal.write_bytes(data + b"00000000 +12:3::key\n")
        case "foreign":
            journal.write_bytes(b"somebody else's\n" * 100)
        case "another":
            journal.write_bytes(b"pystorage journal 1 0123456789abcdef 5\n")
        case "empty":
            journal.write_bytes(b"")
        case "removed":
            journal.unlink()
        case "replaced":
            journal.unlink()
            journal.write_bytes(b"\0" * 10)
        case "huge":
            with journal.open("r+b") as file:
                file.truncate(10**10)
        case "words":
            from zlib import crc32

            for text in (b"+5:6:7:../../key", b"what", b"+5:6:nan.:key", b"-/etc/passwd", b""):
                data += b"%08x %s\n" % (crc32(text), text)
            journal.write_bytes(data)
        case "gone":
            for path in sorted(own(place, SUFFIX).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            own(place, SUFFIX).rmdir()


@pytest.mark.parametrize(
    "how",
    ["torn", "corrupt", "foreign", "another", "empty", "removed", "replaced", "huge", "words", "gone"],
)
def test_a_damaged_journal(tmp_path: Path, how: str) -> None:
    """Whatever is in its place: nothing is lost, the bound holds, and all go on to know of each other."""
    outside = tmp_path.parent / f"key.{SUFFIX}"
    outside.write_text("nobody's business")
    place = tmp_path / "place"
    storage, other = LRU(place, limit=5), LRU(place, limit=5)
    storage.update(a=1, b=2)
    other.update(c=3, d=4)
    assert len(storage) == 4
    damage(place, how)
    third = LRU(place, limit=5)
    for number in range(10):
        (storage, other, third)[number % 3][f"{number}"] = number
        assert len(files(place)) <= 5
    for handle in (storage, other, third):
        assert list(handle) == ["5", "6", "7", "8", "9"]
        assert handle.stats().bytes == sum(os.path.getsize(place / name) for name in files(place))
    assert own(place, SUFFIX).joinpath("journal").stat().st_size < 10**6
    assert outside.exists()


def test_a_journal_of_a_newer_format(tmp_path: Path) -> None:
    """It is refused with what to do, and neither it nor an entry is touched."""
    from pystorage.errors import DecodeError

    with LRU(tmp_path) as storage:
        storage["key"] = 1
    journal = own(tmp_path, SUFFIX) / "journal"
    journal.write_bytes(b"pystorage journal 2 0123456789abcdef 5 and more\n")
    journal.write_bytes(b"pystorage journal 2 0123456789abcdef 5\n")
    with pytest.raises(DecodeError, match="upgrade pystorage"):
        LRU(tmp_path)
    assert journal.read_bytes().startswith(b"pystorage journal 2")
    assert len(files(tmp_path)) == 1


def test_a_link_in_the_place_of_the_journal(tmp_path: Path) -> None:
    """It is not followed."""
    from pystorage.errors import UnavailableError

    with LRU(tmp_path) as storage:
        storage["key"] = 1
    journal, precious = own(tmp_path, SUFFIX) / "journal", tmp_path / "precious"
    precious.write_text("precious")
    journal.unlink()
    journal.symlink_to(precious)
    with pytest.raises(UnavailableError, match="symbolic link"):
        LRU(tmp_path)
    assert precious.read_text() == "precious"


def test_one_who_was_away_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that slept while the journal was replaced, once or often, knows all when it comes back."""
    monkeypatch.setattr(_known, "_SHORTEST_JOURNAL", 300)
    monkeypatch.setattr(_known, "_JOURNAL_FOR_EACH", 0)
    sleeper, busy = LRU(tmp_path, limit=6), LRU(tmp_path, limit=6)
    sleeper.update(a=1, b=2)
    for writes in (1, 4, 8, 9, 10, 30, 200):
        for number in range(writes):
            busy[f"{writes} {number}"] = number
            if number % 5 == 2:
                del busy[f"{writes} {number}"]
        assert sorted(sleeper) == sorted(busy)
        sleeper["mine"] = writes
        assert len(files(tmp_path)) <= 6
        assert sleeper.stats().bytes == busy.stats().bytes


def test_where_nobody_may_write(tmp_path: Path) -> None:
    """A folder that one may only read can be opened, and shows what is there now."""
    from tests.stores.files import as_user

    if os.geteuid() != 0:
        pytest.skip("only the superuser can be somebody else")
    import shutil
    import tempfile

    place = Path(tempfile.mkdtemp(prefix="pystorage-test-"))
    try:
        place.chmod(0o755)
        storage = LRU(place, limit=3, codec="json", mode=0o644)
        storage.update(a=1, b=2)

        def read() -> list[tuple[str, Any]]:
            mine = LRU(place, limit=3, codec="json", mode=0o644)
            assert list(mine.items()) == [("a", 1), ("b", 2)]
            line.say()
            assert go.hear()
            return [*mine.items(), ("none", mine.get("none"))]

        with Line() as line, Line() as go:

            def let_go() -> None:
                assert line.hear()
                storage["c"] = 3
                go.say()

            got, _ = in_threads(lambda: as_user(61_001, read), let_go)
        assert got == [("a", 1), ("b", 2), ("c", 3), ("none", None)]
    finally:
        shutil.rmtree(place)
