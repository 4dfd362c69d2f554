"""Servers that tests need: found, started on a free port, stopped; tests without theirs skip or fail.

The environment variable ``PYSTORAGE_TEST_SERVERS`` says what a missing server means: ``required`` fails the
test, ``none`` skips all tests of servers even where these are there, and without it a test is skipped.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
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
# Below are ports that well-known servers, and some of those in tests, take without being asked.
_LOWEST: Final = 10_000
_HIGHEST: Final = 65_000
_ENOUGH: Final = 1_000
_TRIES: Final = 200
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


def free_port(together: int = 1) -> int:
    """Find a port of this machine that nobody listens on.

    It is none of those that the system hands out by itself, where that leaves any: a connection that another
    process opens at this moment could take such a port before the server does.

    Args:
        together: How many ports one after the other must be free, at least 1.

    Returns:
        The number of the first.

    Raises:
        ValueError: ``together`` is below 1.
        OSError: There is none.

    Example:
        >>> 1024 < free_port() < 65536
        True
    """
    if together < 1:
        raise ValueError(f"together must be at least 1, not {together!r}")
    ports = _fixed_ports()
    for _ in range(_TRIES):
        first = secrets.choice(ports)
        if all(map(_is_free, range(first, first + together))):
            return first
    raise OSError(errno.EADDRINUSE, f"no {together} free ports were found from {ports[0]} to {ports[-1]}")


def _fixed_ports() -> range:
    """Give the wider range of unprivileged ports beside those that the system hands out by itself."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as told:
            low, high = map(int, told.read().split())
    except (OSError, ValueError):  # what the standards of the internet set apart, as most systems do
        low, high = 49152, 65535
    below, above = range(_LOWEST, low), range(high + 1, _HIGHEST)
    wider = max(below, above, key=len)
    return wider if len(wider) >= _ENOUGH else range(_LOWEST, _HIGHEST)


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
