"""Servers that tests need: found, started on a free port, stopped; tests without theirs skip or fail.

The environment variable ``PYSTORAGE_TEST_SERVERS`` says what a missing server means: ``required`` fails the
test, ``none`` skips all tests of servers even where these are there, and without it a test is skipped.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import pytest

VARIABLE: Final = "PYSTORAGE_TEST_SERVERS"

_WORDS: Final = ("", "required", "none")
_PATIENCE: Final = 30.0
_MOMENT: Final = 0.02
_TAIL: Final = 2000
# Of Linux: the signal that a process gets when the one that started it has died.
_PR_SET_PDEATHSIG: Final = 1


def require(server: str, missing: str | None = None) -> None:
    """Go on if a server is there; else skip the test with the reason, or fail it where servers are required.

    Args:
        server: What it is, for the reason.
        missing: Why it is not there; None if it is.

    Raises:
        pytest.skip.Exception: It is missing, or nobody wants tests of servers.
        pytest.fail.Exception: It is missing and required.
        ValueError: The environment variable holds an unknown word.

    Example:
        >>> require("the server of this example")
    """
    word = os.environ.get(VARIABLE, "")
    if word not in _WORDS:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(map(repr, _WORDS))}, not {word!r}")
    if word == "none":
        pytest.skip(f"{VARIABLE}=none: no test of {server}")
    if missing is not None:
        reason = f"{server} is missing: {missing}"
        if word == "required":
            pytest.fail(f"{reason} ({VARIABLE}=required)", pytrace=False)
        pytest.skip(reason)


def program(name: str, *others: str) -> str:
    """Find a program that is a server.

    Args:
        name: Its name.
        others: Other names that it may have.

    Returns:
        Its path.

    Raises:
        pytest.skip.Exception: It is missing, or nobody wants tests of servers.
        pytest.fail.Exception: It is missing and required.
        ValueError: The environment variable holds an unknown word.
    """
    found = next(filter(None, map(shutil.which, (name, *others))), None)
    require(name, None if found else "it is not on the PATH")
    return found or ""


def free_port() -> int:
    """Find a port of this machine that nobody listens on.

    Returns:
        Its number.

    Raises:
        OSError: There is none.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str], port: int, *, env: Mapping[str, str] | None = None, patience: float = _PATIENCE
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the body of a ``with`` runs; on Linux it ends too when this process is killed.

    Args:
        command: The program and its arguments.
        port: The port of this machine that it listens on when it is ready.
        env: Its environment; None is that of this process.
        patience: Seconds that it may take to be ready, and to end.

    Returns:
        A context manager that gives the process.

    Raises:
        RuntimeError: It ended, or was not ready in time; the message holds the end of what it said.
        OSError: It cannot be started.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, preexec_fn=_dying_with_us()
        )
        try:
            fault = _not_ready(process, port, patience)
            if fault:
                said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
                raise RuntimeError(f"{command[0]} {fault}: {said.read().decode(errors='replace')}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _dying_with_us() -> Callable[[], None] | None:
    """Give what a process calls before it runs the server, so that it does not outlive us."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has died already
            os._exit(1)

    return prepare


def _not_ready(process: subprocess.Popen[bytes], port: int, patience: float) -> str | None:
    """Wait until a server listens; say why it does not."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            return f"ended with {process.returncode}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), _MOMENT):
            return None
        time.sleep(_MOMENT)
    return f"was not ready within {patience} s"
