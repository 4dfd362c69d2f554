"""A small web service in four processes over one storage, under load: each page is computed once at a time.

Every page lives for a second, and for another second it is given although it is old, while one of the
processes computes it anew. At the end it prints how often each page was asked for and computed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

from pystorage import FileStorage, memoize

PROCESSES = 4
CLIENTS = 4  # for each process
SECONDS = 2.5
PAGES = ("index", "news", "about")

results = FileStorage[str, str]("web_cache")
counts = FileStorage[str, int]("web_cache_counts")


@memoize(results, ttl=1, stale=1, tags=("page:{name}",))
def page(name: str) -> str:
    """Give a page: a template, a database, another service."""
    counts.incr(name)
    time.sleep(0.05)
    return f"<h1>{name}</h1> made by process {os.getpid()} at {time.time():.3f}"


class Handler(BaseHTTPRequestHandler):
    """Answers ``GET /name``."""

    def do_GET(self) -> None:
        """Give the page."""
        body = page(self.path.strip("/")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(told: Connection) -> None:
    """Serve in this process until the other end is closed."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told.send(server.server_address[1])
        told.recv()
        server.shutdown()


def load(port: int, asked: list[Counter[str]]) -> None:
    """Ask one process for its pages, again and again."""
    mine: Counter[str] = Counter()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for name in PAGES:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
                assert answer.read().startswith(f"<h1>{name}</h1>".encode())
            mine[name] += 1
    asked.append(mine)


def main() -> None:
    """Start the processes, ask them all at once, and count."""
    results.clear()
    counts.clear()
    start = multiprocessing.get_context("spawn")
    ends, processes = [], []
    for _ in range(PROCESSES):
        mine, theirs = start.Pipe()
        processes.append(start.Process(target=serve, args=(theirs,)))
        processes[-1].start()
        ends.append(mine)
    ports = [end.recv() for end in ends]

    asked: list[Counter[str]] = []
    begin = time.monotonic()
    clients = [threading.Thread(target=load, args=(port, asked)) for port in ports * CLIENTS]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.monotonic() - begin
    for end in ends:
        end.send("stop")
    for process in processes:
        process.join()

    print(f"{PROCESSES} processes, {len(clients)} clients, {seconds:.1f} s; a page lives for 1 s")
    for name in PAGES:
        times = sum(each[name] for each in asked)
        print(f"{name:6} asked for {times:5} times, computed {counts[name]} times")
        # Once when it was cold, and once for each time that its life was over.
        assert counts[name] <= 1 + seconds


if __name__ == "__main__":
    main()
