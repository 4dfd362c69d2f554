"""moto's S3 server, in a process of its own: python moto_server.py PORT."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
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
    """Says nothing of requests, keeps connections, and keeps small answers from waiting for one another."""

    # As real servers do; else each request would be a connection and a thread of its own.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    # Of S3 alone: what tells moto's services apart lists the folder of all of them for each request.
    app = one_at_a_time(create_backend_app("s3"))
    make_server(
        "127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=QuietHandler
    ).serve_forever()
