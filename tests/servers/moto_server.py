"""moto's S3 server, in a process of its own: python moto_server.py PORT."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def one_at_a_time(app: App) -> App:
    """Answer requests one after the other: moto looks at a condition and writes without a lock between them.

    What a client sends is read before, so that a slow one holds up nobody.
    """
    lock = threading.Lock()

    def locked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if size := int(environ.get("CONTENT_LENGTH") or 0):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(size))
        with lock:
            return list(app(environ, start_response))

    return locked


class QuietHandler(MotoRequestHandler):
    """Says nothing of requests, and keeps small answers from waiting for one another."""

    disable_nagle_algorithm = True

    def log(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    make_server(
        "127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=QuietHandler
    ).serve_forever()
