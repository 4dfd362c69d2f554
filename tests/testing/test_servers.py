"""Servers for tests: found, started, stopped, and what their absence means."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pystorage.testing import servers

SERVER = """
import socket, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listening.accept()[0].close()
"""


@pytest.fixture
def word(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv(servers.VARIABLE, raising=False)
    return monkeypatch


def test_what_is_there_is_used(word: pytest.MonkeyPatch) -> None:
    servers.require("redis")
    word.setenv(servers.VARIABLE, "required")
    servers.require("redis")
    assert os.path.isabs(servers.program("no-such-server", "sh"))


def test_what_is_missing_is_skipped_with_its_reason(word: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="redis is missing: nobody answers"):
        servers.require("redis", "nobody answers")
    with pytest.raises(pytest.skip.Exception, match="no-such-server is missing: it is not on the PATH"):
        servers.program("no-such-server")


def test_what_is_missing_and_required_fails(word: pytest.MonkeyPatch) -> None:
    word.setenv(servers.VARIABLE, "required")
    match = r"no-such-server is missing: it is not on the PATH \(PYSTORAGE_TEST_SERVERS=required\)"
    with pytest.raises(pytest.fail.Exception, match=match):
        servers.program("no-such-server")


def test_nobody_may_want_servers(word: pytest.MonkeyPatch) -> None:
    word.setenv(servers.VARIABLE, "none")
    with pytest.raises(pytest.skip.Exception, match="PYSTORAGE_TEST_SERVERS=none: no test of redis"):
        servers.require("redis")
    with pytest.raises(pytest.skip.Exception, match="no test of sh"):
        servers.program("sh")


def test_another_word_is_refused(word: pytest.MonkeyPatch) -> None:
    word.setenv(servers.VARIABLE, "requierd")
    with pytest.raises(ValueError, match="must be one of '', 'required', 'none', not 'requierd'"):
        servers.require("redis")


def test_ports_are_free() -> None:
    port = servers.free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert servers.free_port() != port


def test_ports_together_are_free() -> None:
    first = servers.free_port(together=3)
    for port in range(first, first + 3):
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("together", [0, -1])
def test_fewer_ports_than_one_are_refused(together: int) -> None:
    with pytest.raises(ValueError, match=f"together must be at least 1, not {together}"):
        servers.free_port(together)


def test_no_connection_can_take_a_free_port() -> None:
    """A port that the system would give to whoever asks for any is another's a moment later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = set()
        for _ in range(50):
            with socket.create_connection(server.getsockname()[:2], 5) as client:
                given.add(client.getsockname()[1])
    found = {servers.free_port() for _ in range(50)}
    assert max(found) < min(given) or min(found) > max(given)


def test_a_server_runs_while_it_is_needed() -> None:
    port = servers.free_port()
    with servers.running([sys.executable, "-c", SERVER, str(port)], port) as process:
        socket.create_connection(("127.0.0.1", port), 5).close()
        assert process.poll() is None
    assert process.poll() is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_server_that_ends_says_why() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no configuration')"]
    with pytest.raises(RuntimeError, match="ended with 1: no configuration"), servers.running(command, 1):
        raise AssertionError("it was not ready")


def test_a_server_that_never_listens_is_given_up() -> None:
    code = "print('waiting', flush=True); import threading; threading.Event().wait()"
    running = servers.running([sys.executable, "-c", code], servers.free_port(), patience=1.0)
    with pytest.raises(RuntimeError, match="was not ready within 1.0 s: waiting"), running:
        raise AssertionError("it was not ready")


def test_a_server_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    port = servers.free_port()
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SERVER
    with servers.running([sys.executable, "-c", stubborn, str(port)], port, patience=4.0) as process:
        pass
    assert process.returncode is not None
    assert process.returncode < 0


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells a process of its parent's end"
)
def test_a_server_does_not_outlive_its_tests() -> None:
    port = servers.free_port()
    tests = (
        "import sys; from pystorage.testing import servers\n"
        f"with servers.running([sys.executable, '-c', {SERVER!r}, '{port}'], {port}) as process:\n"
        "    print(process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", tests], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.kill()
        process.wait(30)
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
            except ConnectionRefusedError:
                break
            except ConnectionResetError:
                pass  # it ends at this very moment
            assert time.monotonic() < end, "the server still answers"


@pytest.mark.parametrize(
    "word, said",
    [("", "tests left out: 1, as redis-server is missing: it is not on the PATH"), ("required", "1 error")],
)
def test_the_end_of_a_run_says_what_was_left_out(word: str, said: str) -> None:
    tests = "tests/stores/test_redis_names.py::test_the_whole_database_may_be_ones_own"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PATH": "", servers.VARIABLE: word},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert said in done.stdout
    assert done.returncode == (1 if word else 0)
