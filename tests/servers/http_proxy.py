"""A real proxy before an HTTP server, that refuses, cuts, loses or strips some requests as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """What came: the method, the path with its query, and the headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """Instead of asking the server: this answer, as S3 words an error."""

    status: int
    code: str
    message: str = "as told"
    headers: dict[str, str] = field(default_factory=dict)
    #: In place of that: a whole page.
    page: str = ""


@dataclass(frozen=True)
class Cut:
    """The server's answer up to so many bytes of its body; then the connection ends."""

    after: int


@dataclass(frozen=True)
class Lose:
    """The server does what it was asked, and its answer is lost."""


@dataclass(frozen=True)
class Strip:
    """The server does not see these headers."""

    headers: tuple[str, ...]


@dataclass(frozen=True)
class Flip:
    """One bit of the body of the answer is another one."""


Rule = Callable[[Request], Any]


class Proxy:
    """Where the proxy is, what it does, and what it was asked."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.rule: Rule = lambda request: None
        self.seen: list[Request] = []
        self.url = ""

    def does(self, *actions: Any, when: Callable[[Request], bool] = lambda request: True) -> None:
        """Take these actions one after the other for requests that match, then none."""
        left = list(actions)
        self.rule = lambda request: left.pop(0) if left and when(request) else None

    def always(self, action: Any, when: Callable[[Request], bool] = lambda request: True) -> None:
        """Take this action for each request that matches."""
        self.rule = lambda request: action if when(request) else None


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before a server."""
    proxy = Proxy(upstream)
    server = _Server(("127.0.0.1", 0), _handler(proxy))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.end_connections()
        server.server_close()
        thread.join(30)


class _Server(ThreadingHTTPServer):
    """Ends the connections that clients keep open, so that its threads end with it."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: set[socket.socket] = set()

    def end_connections(self) -> None:
        for one in list(self.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections are cut on purpose here."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        server: _Server

        def setup(self) -> None:
            super().setup()
            self.server.open.add(self.connection)

        def finish(self) -> None:
            self.server.open.discard(self.connection)
            super().finish()

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers)
            proxy.seen.append(request)
            body = self.rfile.read(int(headers.get("content-length", 0)))
            action = proxy.rule(request)
            if isinstance(action, Answer):
                self.say(action)
                return
            if isinstance(action, Strip):
                headers = {name: value for name, value in headers.items() if name not in action.headers}
            status, said, data = self.ask(headers, body)
            if isinstance(action, Lose):
                self.close_connection = True
                return
            if isinstance(action, Flip):
                data = bytes([data[0] ^ 1]) + data[1:]
            self.send_response_only(status)
            for name, value in said:
                self.send_header(name, value)
            self.end_headers()
            if isinstance(action, Cut):
                self.wfile.write(data[: action.after])
                self.close_connection = True
                return
            self.wfile.write(data)

        do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

        def ask(self, headers: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            headers = {name: value for name, value in headers.items() if name not in ("expect", "connection")}
            upstream = HTTPConnection(proxy.upstream.hostname or "", proxy.upstream.port, timeout=30)
            try:
                upstream.request(self.command, self.path, body or None, headers)
                answer = upstream.getresponse()
                data = answer.read()
            finally:
                upstream.close()
            said = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("connection", "content-length", "transfer-encoding")
            ]
            size = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            if size is not None:
                said.append(("Content-Length", size))
            return answer.status, said, data

        def say(self, answer: Answer) -> None:
            text = (
                f"<?xml version='1.0'?><Error><Code>{answer.code}</Code>"
                f"<Message>{answer.message}</Message></Error>"
            )
            data = b"" if self.command == "HEAD" else (answer.page or text).encode()
            self.send_response_only(answer.status)
            for name, value in {"Content-Type": "application/xml", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
