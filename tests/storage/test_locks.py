"""File locks, and locks in memory that a fork leaves whole."""

from __future__ import annotations

import os
import stat
import sys
import threading
import warnings
from pathlib import Path

import pytest

from pystorage._sync import FileLock, fork_safe_lock, lock_descriptor, open_shared
from pystorage.testing.parallel import FORKS, Child, Line, in_background, in_threads

forks = pytest.mark.skipif(not FORKS, reason="this system cannot fork")
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions and links")


def is_free(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return lock_descriptor(descriptor, wait=False)
    finally:
        os.close(descriptor)


# -------------------------------------------------------------------- files


def test_a_lock_is_held_for_the_length_of_a_with(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(str(path)):
        assert not is_free(path)
    assert is_free(path)
    assert path.read_bytes() == b""


def test_an_exception_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), FileLock(str(path)):
        raise ZeroDivisionError
    assert is_free(path)


def test_it_excludes_threads(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            with FileLock(str(tmp_path / "lock")):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    in_threads(*[work] * 4)
    assert most == [1]


@forks
def test_it_excludes_processes_and_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def hold(line: Line) -> None:
        with FileLock(str(path)):
            line.say()
            threading.Event().wait(60)

    with Line() as line, Child(lambda: hold(line)) as child:
        assert line.hear() == b"."
        assert not is_free(path)
        child.kill()
        assert is_free(path)


@forks
def test_a_forked_child_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(str(path)):
        child = Child(lambda: threading.Event().wait(30))
    with child:
        assert is_free(path)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_lock_file_has_exactly_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    before = os.umask(0o077)
    try:
        os.close(open_shared(str(path), mode))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_opening_keeps_what_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"contents")
    os.close(open_shared(str(path), 0o644))
    assert path.read_bytes() == b"contents"


@posix
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_link_is_not_followed(mode: int, tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "lock"
    target.write_bytes(b"contents")
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        open_shared(str(path), mode)
    path.unlink()
    path.symlink_to(tmp_path / "absent")
    with pytest.raises(OSError, match="symbolic link"), FileLock(str(path), mode):
        pytest.fail("it was entered")
    assert not (tmp_path / "absent").exists()


def test_a_lock_in_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), FileLock(str(tmp_path / "absent" / "lock")):
        pytest.fail("it was entered")


@pytest.mark.skipif(sys.platform == "win32", reason="there a program that is started inherits nothing")
def test_a_program_that_is_started_does_not_inherit_it(tmp_path: Path) -> None:
    descriptor = open_shared(str(tmp_path / "lock"), 0o600)
    try:
        assert os.get_inheritable(descriptor) is False
    finally:
        os.close(descriptor)


# -------------------------------------------------------------------- forks


@forks
def test_a_lock_that_another_thread_holds_is_free_in_a_child() -> None:
    # The fork waits for the moment in which the thread lets go.
    lock, held = fork_safe_lock(), threading.Event()
    balance = [0, 0]

    def transfer() -> None:
        with lock:
            balance[0] += 1
            held.set()
            balance[1] -= 1

    def look() -> tuple[bool, int]:
        return lock.acquire(timeout=10), sum(balance)

    with in_background(transfer, threads=2):
        assert held.wait(30)
        for _ in range(20):
            with Child(look) as child:
                assert child.result() == (True, 0)


@forks
def test_the_thread_that_forks_may_hold_the_lock_itself() -> None:
    lock = fork_safe_lock()
    with lock, Child(lambda: lock.acquire(timeout=10)) as child:
        assert child.result() is True
    assert lock.acquire(blocking=False)
    lock.release()


@forks
def test_locks_that_are_taken_within_another_do_not_stop_a_fork() -> None:
    # Whatever the order in which the fork takes them, one thread holds the first and waits for the second.
    locks = [fork_safe_lock() for _ in range(4)]

    def nest(order: list[int]) -> None:
        with locks[order[0]], locks[order[1]], locks[order[2]]:
            pass

    with in_background(lambda: nest([0, 1, 2])), in_background(lambda: nest([1, 2, 3])):
        for _ in range(50):
            with Child(lambda: [lock.acquire(timeout=10) for lock in locks]) as child:
                assert child.result() == [True] * 4


@forks
def test_threads_that_fork_at_once_do_not_free_each_others_locks() -> None:
    lock = fork_safe_lock()

    def fork() -> list[bool]:
        answers = []
        for _ in range(10):
            with Child(lambda: lock.acquire(timeout=10)) as child:
                answers.append(child.result())
        return answers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert in_threads(*[fork] * 3) == [[True] * 10] * 3
    assert lock.acquire(blocking=False)
    lock.release()


@forks
def test_locks_may_be_made_while_another_thread_forks() -> None:
    with in_background(lambda: [fork_safe_lock() for _ in range(100)], threads=2):
        for _ in range(20):
            with Child(lambda: fork_safe_lock().acquire(timeout=10)) as child:
                assert child.result() is True
