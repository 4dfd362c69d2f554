"""Threads and processes for tests: started together, bounded in time, their errors not lost."""

from __future__ import annotations

import os
import pickle
import select
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

#: Whether processes can be forked here.
FORKS = hasattr(os, "fork")

_PATIENCE = 60.0


def in_threads(*functions: Callable[[], T], patience: float = _PATIENCE) -> list[T]:
    """Run functions at the same time, each in a thread of its own.

    Args:
        functions: What to run.
        patience: Seconds that all of them may take.

    Returns:
        What each returned, in their order.

    Raises:
        TimeoutError: One did not come to its end.
        Exception: What the first of them raised.

    Example:
        >>> in_threads(lambda: 1, lambda: 2)
        [1, 2]
    """
    start = threading.Barrier(len(functions))
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def run(number: int, function: Callable[[], T]) -> None:
        try:
            start.wait(patience)
            results[number] = function()
        except BaseException as error:
            errors[number] = error

    threads = [threading.Thread(target=run, args=one, daemon=True) for one in enumerate(functions)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if errors:
        raise errors[min(errors)]
    if any(thread.is_alive() for thread in threads):
        raise TimeoutError(f"a thread did not come to its end within {patience} s")
    return [results[number] for number in range(len(functions))]


@contextmanager
def in_background(function: Callable[[], object], threads: int = 1) -> Iterator[None]:
    """Run a function again and again in threads while the body of a ``with`` runs.

    Args:
        function: What to repeat.
        threads: How many threads do so.

    Returns:
        A context manager; entering waits until each thread has run the function once.

    Raises:
        TimeoutError: A thread did not come to its end.
        Exception: What the function raised, on leaving.
    """
    stop = threading.Event()
    once = threading.Barrier(threads + 1)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
            once.wait(_PATIENCE)
            while not stop.is_set():
                function()
        except BaseException as error:
            errors.append(error)
            once.abort()

    runners = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for runner in runners:
        runner.start()
    try:
        with suppress(threading.BrokenBarrierError):
            once.wait(_PATIENCE)
        yield
    finally:
        stop.set()
        for runner in runners:
            runner.join(_PATIENCE)
    if errors:
        raise errors[0]
    if any(runner.is_alive() for runner in runners):
        raise TimeoutError(f"a thread did not come to its end within {_PATIENCE} s")


class Gate:
    """A barrier for processes: nobody passes before all who were given it have come and it was opened.

    Raises:
        Nothing.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def wait(self) -> None:
        """Wait, in a child.

        Raises:
            Nothing.
        """
        os.close(self._write)
        os.read(self._read, 1)  # ends when the last process has closed its writing end

    def open(self) -> None:
        """Let them pass, in the parent.

        Raises:
            Nothing.
        """
        os.close(self._write)
        os.close(self._read)


class Line:
    """A one-way line from a child to its parent: bytes that are said stay said when the child is killed.

    Raises:
        Nothing.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def say(self, data: bytes = b".") -> None:
        """Say something, in the child.

        Args:
            data: At most 512 bytes, which arrive in one piece.

        Raises:
            OSError: The parent does not listen any more.
        """
        os.write(self._write, data)

    def hear(self, timeout: float = _PATIENCE) -> bytes:
        """Wait for something to be said, in the parent.

        Args:
            timeout: Seconds to wait.

        Returns:
            What was said and not heard yet; empty if nothing was in time.

        Raises:
            Nothing.
        """
        ready, _, _ = select.select([self._read], [], [], timeout)
        return os.read(self._read, 1 << 20) if ready else b""

    def close(self) -> None:
        """End the line, in the parent.

        Raises:
            Nothing.
        """
        os.close(self._read)
        os.close(self._write)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Child(Generic[T]):
    """A forked process that runs one function; what it returns or raises comes back.

    Args:
        function: What to run. It sees all that the parent had at the moment of the fork.

    Raises:
        OSError: No process can be started.

    Example:
        >>> with Child(lambda: 6 * 7) as child:
        ...     child.result()
        42
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._pipe, writing = os.pipe()
        with warnings.catch_warnings():
            # Python warns of forks beside threads; that storages outlive them is what is tried here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            _run(function, writing)
        os.close(writing)
        self._ended = False

    def result(self, timeout: float = _PATIENCE) -> T:
        """Wait for the end.

        Args:
            timeout: Seconds to wait.

        Returns:
            What the function returned.

        Raises:
            TimeoutError: It did not come to its end in time; it is killed.
            AssertionError: It raised, or was killed; the message holds its traceback.
        """
        data = b""
        limit = time.monotonic() + timeout
        while True:
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, limit - time.monotonic()))
            if not ready:
                self.kill()
                raise TimeoutError(f"a child process did not come to its end within {timeout} s")
            piece = os.read(self._pipe, 65_536)
            if not piece:
                break
            data += piece
        self._wait()
        if not data:
            raise AssertionError("a child process was killed before it could say anything")
        done, result = pickle.loads(data)
        if not done:
            raise AssertionError(f"a child process failed:\n{result}")
        return cast(T, result)

    def kill(self) -> None:
        """Kill it as ``kill -9`` does, if it still runs.

        Raises:
            Nothing.
        """
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> None:
        if not self._ended:
            self._ended = True
            os.waitpid(self.pid, 0)
            os.close(self._pipe)

    def __enter__(self) -> Child[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def in_processes(*functions: Callable[[], T]) -> list[T]:
    """Run functions at the same time, each in a process of its own.

    Args:
        functions: What to run.

    Returns:
        What each returned, in their order.

    Raises:
        TimeoutError: One did not come to its end.
        AssertionError: One raised, or was killed.
    """
    gate = Gate()

    def gated(function: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            gate.wait()
            return function()

        return run

    children = [Child(gated(function)) for function in functions]
    gate.open()
    try:
        return [child.result() for child in children]
    finally:
        for child in children:
            child.kill()


def _run(function: Callable[[], Any], writing: int) -> None:
    """Run a function in the child and end it at once, so that nothing of the parent's is unwound."""
    try:
        try:
            said = pickle.dumps((True, function()))
        except BaseException:
            said = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(said)
    finally:
        os._exit(0)
