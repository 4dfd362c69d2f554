"""Leases: locks by name that run out, among threads and among processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage._sync import FileLeases, Lease, Leases, ThreadLeases
from pystorage.errors import ConflictError, UnavailableError
from pystorage.testing import FakeClock
from pystorage.testing.parallel import FORKS, Child, Line, in_threads

forks = pytest.mark.skipif(not FORKS, reason="this system cannot fork")


def file_leases(folder: Path, clock: Callable[[], float]) -> FileLeases:
    return FileLeases(str(folder), clock, 0o600, lambda: folder.mkdir(exist_ok=True))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["threads", "files"])
def leases(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Leases:
    return ThreadLeases(clock) if request.param == "threads" else file_leases(tmp_path / "leases", clock)


def test_one_holds_it_at_a_time(leases: Leases) -> None:
    assert leases.take("name", "one", 5)
    assert not leases.take("name", "other", 5)
    assert leases.release("name", "one")
    assert leases.take("name", "other", 5)


def test_another_name_is_another_lease(leases: Leases) -> None:
    names = ["name", "Name", "", "a/b", "../x", "x" * 10_000, "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "\0"]
    assert all(leases.take(name, f"owner of {name}", 5) for name in names)
    assert not any(leases.take(name, "other", 5) for name in names)
    assert all(leases.release(name, f"owner of {name}") for name in names)


def test_it_runs_out(leases: Leases, clock: FakeClock) -> None:
    leases.take("name", "one", 5)
    clock.advance(4.9)
    assert not leases.take("name", "other", 5)
    clock.advance(0.1)
    assert leases.take("name", "other", 5)
    assert not leases.release("name", "one")
    assert not leases.take("name", "third", 5)
    assert leases.release("name", "other")


def test_nobody_who_waited_takes_what_was_extended(leases: Leases, clock: FakeClock) -> None:
    leases.take("name", "one", 5)
    clock.advance(4)
    assert leases.extend("name", "one", 5)
    clock.advance(4)
    assert not leases.take("name", "other", 5)
    clock.advance(1)
    assert leases.take("name", "other", 5)
    assert not leases.extend("name", "one", 5)


def test_what_ran_out_and_nobody_took_can_be_extended(leases: Leases, clock: FakeClock) -> None:
    leases.take("name", "one", 5)
    clock.advance(50)
    assert leases.extend("name", "one", 5)
    assert not leases.take("name", "other", 5)
    assert leases.release("name", "one")


def test_what_was_given_back_is_not_held(leases: Leases) -> None:
    leases.take("name", "one", 5)
    leases.release("name", "one")
    assert not leases.release("name", "one")
    assert not leases.extend("name", "one", 5)
    assert not leases.release("other name", "one")


# -------------------------------------------------------------------- holding


def test_holding_for_the_length_of_a_with(leases: Leases) -> None:
    with leases.held("name", 5, None, "here") as lease:
        assert isinstance(lease, Lease)
        assert (lease.name, lease.ttl) == ("name", 5)
        assert lease.token not in repr(lease)
        assert not leases.take("name", "other", 5)
    assert leases.take("name", "other", 5)


def test_owners_are_told_apart(leases: Leases) -> None:
    with leases.held("a", 5, None, "here") as one, leases.held("b", 5, None, "here") as other:
        assert one.token != other.token
        assert len(one.token) == 32


def test_waiting_ends_in_time(leases: Leases) -> None:
    leases.take("name", "one", 5)
    with (
        pytest.raises(TimeoutError, match=r"could not lock 'name' in Box\(\): somebody else held it for 0 s"),
        leases.held("name", 5, 0, "Box()"),
    ):
        pytest.fail("it was entered")
    with pytest.raises(TimeoutError), leases.held("name", 5, 0.01, "Box()"):
        pytest.fail("it was entered")
    assert leases.release("name", "one")


def test_who_waits_gets_it_when_it_is_free(leases: Leases) -> None:
    held, got = threading.Event(), []

    def hold() -> None:
        with leases.held("name", 500, None, "here"):
            held.set()

    def wait() -> None:
        assert held.wait(30)
        with leases.held("name", 500, 30, "here") as lease:
            got.append(lease.name)

    in_threads(hold, wait)
    assert got == ["name"]


def test_many_threads_hold_it_one_after_the_other(leases: Leases) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(5):
            with leases.held("name", 500, 30, "here"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    in_threads(*[work] * 4)
    assert most == [1]


def test_who_was_overtaken_hears_of_it(leases: Leases, clock: FakeClock) -> None:
    def overtaken() -> None:
        with leases.held("name", 5, None, "Box()"):
            clock.advance(5)
            assert leases.take("name", "other", 5)

    with pytest.raises(ConflictError, match="could not hold the lock 'name' in Box.. to the end") as caught:
        overtaken()
    assert (caught.value.key, caught.value.storage) == ("name", "Box()")
    assert not leases.take("name", "third", 5)


def test_who_was_overtaken_by_one_who_finished_hears_of_it_too(leases: Leases, clock: FakeClock) -> None:
    def overtaken() -> None:
        with leases.held("name", 5, None, "here"):
            clock.advance(5)
            leases.take("name", "other", 5)
            leases.release("name", "other")

    with pytest.raises(ConflictError):
        overtaken()


def test_who_ran_out_and_was_not_overtaken_is_fine(leases: Leases, clock: FakeClock) -> None:
    with leases.held("name", 5, None, "here"):
        clock.advance(50)
    assert leases.take("name", "other", 5)


def test_an_exception_frees_it_and_comes_through(leases: Leases, clock: FakeClock) -> None:
    with pytest.raises(ZeroDivisionError), leases.held("name", 5, None, "here"):
        raise ZeroDivisionError

    def overtaken() -> None:
        with leases.held("name", 5, 0, "here"):
            clock.advance(5)
            leases.take("name", "other", 5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        overtaken()
    assert not leases.take("name", "third", 5)


def test_a_lease_is_extended_by_its_holder(leases: Leases, clock: FakeClock) -> None:
    with leases.held("name", 5, None, "here") as lease:
        clock.advance(4)
        lease.extend()
        clock.advance(4)
        assert not leases.take("name", "other", 5)
        lease.extend(100)
        clock.advance(99)
        assert not leases.take("name", "other", 5)
    with pytest.raises(ConflictError, match="could not extend the lock 'name'"):
        lease.extend()


def test_an_overtaken_lease_cannot_be_extended(leases: Leases, clock: FakeClock) -> None:
    def overtaken() -> None:
        with leases.held("name", 5, None, "here") as lease:
            clock.advance(5)
            leases.take("name", "other", 5)
            lease.extend()

    with pytest.raises(ConflictError, match="extend it earlier"):
        overtaken()


# -------------------------------------------------------------------- files


def test_leases_of_one_folder_exclude_one_another(tmp_path: Path, clock: FakeClock) -> None:
    one, other = (file_leases(tmp_path / "leases", clock) for _ in range(2))
    assert one.take("name", "one", 5)
    assert not other.take("name", "other", 5)
    assert not other.release("name", "other")
    assert one.release("name", "one")
    assert other.take("name", "other", 5)


def test_leases_leave_no_file_but_their_guard(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)
    for number in range(3):
        with leases.held(f"name {number}", 5, None, "here"):
            assert len(list((tmp_path / "leases").iterdir())) == 2
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["guard"]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_no_file_is_left_open(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)
    before = open_files()
    leases.take("name", "one", 5)
    leases.take("name", "other", 5)
    clock.advance(5)
    leases.take("name", "other", 5)
    leases.release("name", "one")
    leases.release("name", "other")
    leases.release("name", "other")
    assert open_files() == before


def test_a_lease_that_cannot_be_written_is_not_held(tmp_path: Path, clock: FakeClock) -> None:
    class Failing(FileLeases):
        def _write(self, file: int, ttl: float) -> None:
            raise OSError(28, "No space left on device")

    folder = tmp_path / "leases"
    before = open_files()
    failing = Failing(str(folder), clock, 0o600, lambda: folder.mkdir(exist_ok=True))
    with pytest.raises(UnavailableError, match="could not lock by a file in .*No space left") as caught:
        failing.take("name", "one", 5)
    assert isinstance(caught.value.__cause__, OSError)
    assert open_files() == before
    assert file_leases(folder, clock).take("name", "other", 5)


def test_a_place_where_nothing_can_be_written_is_an_outage(tmp_path: Path, clock: FakeClock) -> None:
    def made() -> None:
        raise PermissionError(13, "Permission denied")

    leases = FileLeases(str(tmp_path / "leases"), clock, 0o600, made)
    with pytest.raises(UnavailableError, match="Permission denied"), leases.held("name", 5, None, "here"):
        pytest.fail("it was entered")


def test_a_file_without_a_deadline_is_of_a_dead_holder(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)
    leases.take("name", "one", 5)
    (path,) = [path for path in (tmp_path / "leases").iterdir() if path.name != "guard"]
    path.write_bytes(b"")
    assert leases.take("name", "other", 5)


# -------------------------------------------------------------------- processes


@forks
def test_a_killed_holder_frees_its_lease_at_once(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)

    def hold(line: Line) -> None:
        with leases.held("name", 500, None, "here"):
            line.say()
            threading.Event().wait(60)

    with Line() as line, Child(lambda: hold(line)) as child:
        assert line.hear() == b"."
        assert not leases.take("name", "one", 5)
        child.kill()
        assert leases.take("name", "one", 5)
        assert leases.release("name", "one")


@forks
def test_a_holder_that_hangs_keeps_it_until_it_runs_out(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)

    def hold(line: Line) -> None:
        leases.take("name", "theirs", 5)
        line.say()
        threading.Event().wait(60)

    with Line() as line, Child(lambda: hold(line)):
        assert line.hear() == b"."
        assert not leases.take("name", "ours", 5)
        clock.advance(5)
        assert leases.take("name", "ours", 5)
        assert leases.release("name", "ours")


@forks
def test_a_child_does_not_keep_its_parents_lease(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)

    def parent(line: Line) -> None:
        leases.take("name", "parent's", 500)
        if os.fork() == 0:
            line.say(str(os.getpid()).encode())
            threading.Event().wait(30)
            os._exit(0)
        threading.Event().wait(60)

    with Line() as line, Child(lambda: parent(line)) as process:
        child = int(line.hear())
        try:
            assert not leases.take("name", "ours", 5)
            process.kill()
            assert leases.take("name", "ours", 5)
        finally:
            os.kill(child, 9)


@forks
def test_a_child_is_excluded_by_its_parent(tmp_path: Path, clock: FakeClock) -> None:
    leases = file_leases(tmp_path / "leases", clock)

    def attempts() -> list[bool]:
        return [
            leases.take("name", "child's", 5),
            leases.take("other", "child's", 5),
            leases.release("other", "child's"),
        ]

    with leases.held("name", 500, None, "here"), Child(attempts) as child:
        assert child.result() == [False, True, True]
    with Child(attempts) as child:
        assert child.result() == [True, True, True]


@forks
def test_a_child_begins_without_the_leases_of_its_parents_threads(clock: FakeClock) -> None:
    leases = ThreadLeases(clock)

    def attempts() -> list[Any]:
        taken = leases.take("name", "child's", 5)
        return [taken, leases.take("name", "another's", 5), leases.release("name", "child's")]

    with leases.held("name", 500, None, "here"), Child(attempts) as child:
        assert child.result() == [True, False, True]
        assert not leases.take("name", "ours", 5)
