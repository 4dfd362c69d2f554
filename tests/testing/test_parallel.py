"""Threads and processes for tests do not lose what happens in them."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pystorage.testing.parallel import Child, Line, in_background, in_processes, in_threads


def test_threads_give_what_they_return_in_order() -> None:
    assert in_threads(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]


def test_an_error_in_a_thread_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda: 1, lambda: 1 // 0)


def test_a_thread_that_hangs_is_reported() -> None:
    free = threading.Event()
    with pytest.raises(TimeoutError):
        in_threads(free.wait, patience=0.05)
    free.set()


def test_an_error_in_the_background_comes_through() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), in_background(fail):
        pass


def test_the_background_runs_meanwhile() -> None:
    counted = []
    with in_background(lambda: counted.append(1), threads=2):
        before = len(counted)
        assert before >= 2
        end = time.monotonic() + 30
        while len(counted) == before:
            assert time.monotonic() < end
    after = len(counted)
    assert len(counted) == after


def test_processes_give_what_they_return() -> None:
    pids = in_processes(os.getpid, os.getpid)
    assert len({*pids, os.getpid()}) == 3


def test_an_error_in_a_process_is_told() -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        in_processes(lambda: 1, lambda: 1 // 0)


def test_a_process_that_hangs_is_killed() -> None:
    with Child(lambda: time.sleep(60)) as child:
        with pytest.raises(TimeoutError):
            child.result(timeout=0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)


def test_a_process_that_was_killed_is_reported() -> None:
    with (
        Child(lambda: os.kill(os.getpid(), signal.SIGKILL)) as child,
        pytest.raises(AssertionError, match="killed"),
    ):
        child.result()


def test_a_process_may_be_killed_twice() -> None:
    with Child(lambda: time.sleep(60)) as child:
        child.kill()
        child.kill()


def test_processes_are_forked_without_a_warning_beside_threads() -> None:
    with in_background(lambda: time.sleep(0.001)), Child(lambda: 1) as child:
        assert child.result() == 1


def test_what_was_said_is_heard_after_a_kill() -> None:
    def talk() -> None:
        line.say(b"one ")
        line.say(b"two")
        time.sleep(60)

    with Line() as line, Child(talk) as child:
        heard = line.hear()
        while len(heard) < 7:
            heard += line.hear()
        child.kill()
        assert heard == b"one two"
        assert line.hear(0) == b""
