"""Servers that give out a folder: SFTP and HTTP."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pystorage.testing import servers

HERE = Path(__file__).parent
PASSWORD = "hunter2"


def needs(*packages: str) -> str | None:
    """Say which packages of these are not installed; None where all are."""
    missing = [name for name in packages if find_spec(name) is None]
    return f"no package {', '.join(missing)} (pip install -r requirements-dev.txt)" if missing else None


@contextmanager
def sftp(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run an SFTP server for a folder; give its URL, with user and password."""
    servers.require("an SFTP server", needs("fsspec", "asyncssh", "paramiko"))
    port = port or servers.free_port()
    command = [sys.executable, str(HERE / "sftp_server.py"), str(port), str(folder), PASSWORD]
    with servers.running(command, port):
        yield f"sftp://me:{PASSWORD}@127.0.0.1:{port}"


@contextmanager
def http(folder: Path) -> Iterator[str]:
    """Run the standard library's HTTP server for a folder; give its URL."""
    servers.require("an HTTP filesystem", needs("fsspec", "aiohttp"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
