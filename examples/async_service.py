"""A small web service under asyncio whose pages and counters stay: many tasks, one storage, no blocked loop.

It serves itself a few hundred requests at once and says what happened. The counters are in the folder
``service``, so a second run counts on.
"""

from __future__ import annotations

import asyncio
import time

from pystorage import FileStorage, LRUStorage, aio

pages = aio.wrap(LRUStorage[str, bytes](1000))
counters = aio.wrap(FileStorage[str, int]("service"))


async def page(name: str) -> bytes:
    """Give a page, made once and kept in memory."""
    found = await pages.get(name)
    if found is None:
        await asyncio.sleep(0.05)  # a template, a database, another service
        found = f"This is the page {name}.".encode()
        await pages.add(name, found, ttl=60)
    return found


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, as ``GET /name HTTP/1.0``."""
    name = (await reader.readline()).split()[1].decode().strip("/") or "index"
    await reader.readuntil(b"\r\n\r\n")
    visits = await counters.incr(name)
    body = await page(name) + f" Visitor number {visits}.\n".encode()
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()
    writer.close()


async def visit(port: int, name: str) -> str:
    """Ask for a page as a browser would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{name} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2].decode()


async def main() -> None:
    """Serve 300 visitors at once, and see that each was counted."""
    before = await counters.get_many(["index", "news", "about"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    begin = time.perf_counter()
    async with server:
        names = ["index", "news", "about"] * 100
        answers = await asyncio.gather(*(visit(port, name) for name in names))
    seconds = time.perf_counter() - begin
    print(answers[-1], end="")
    print(f"{len(answers)} visitors in {seconds:.2f} s")
    async for name, count in counters.items():
        print(f"{name}: {count} visits")
        assert count == before.get(name, 0) + 100
    await counters.close()


if __name__ == "__main__":
    asyncio.run(main())
