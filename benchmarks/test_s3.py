"""S3Storage against boto3 alone, on a server of this machine: CPU of the client, and memory of streams."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from benchmarks.conftest import Compare
from pystorage import S3Storage
from tests.servers.s3 import S3Server, moto

DATA = b"x" * 1000
OBJECTS = {f"key{number}": DATA for number in range(200)}
GIGABYTE = 1 << 30
#: What a process may have more than at its start while it writes and reads a stream of 1 GiB.
ROOM = 64 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto() as running, running.environment():
        yield running


@pytest.fixture(scope="module")
def client(server: S3Server) -> Iterator[Any]:
    made = server.client()
    made.create_bucket(Bucket="bench")
    yield made
    made.close()


@pytest.fixture(scope="module")
def storage(client: Any) -> S3Storage[str, bytes]:
    return S3Storage("bench", client=client)


def test_put(compare: Compare, client: Any, storage: S3Storage[str, bytes]) -> None:
    def bare() -> None:
        client.put_object(Bucket="bench", Key="some_key", Body=DATA)

    def ours() -> None:
        storage["some_key"] = DATA

    compare("put, 1 kB, client CPU", bare, ours, bar=1.05, rounds=41, number=20)


def test_get(compare: Compare, client: Any, storage: S3Storage[str, bytes]) -> None:
    storage["some_key"] = DATA

    def bare() -> bytes:
        data: bytes = client.get_object(Bucket="bench", Key="some_key")["Body"].read()
        return data

    compare("get, 1 kB, client CPU", bare, lambda: storage["some_key"], bar=1.05, rounds=41, number=20)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


CLOCKS: dict[str, Callable[[], float]] = {"CPU": time.process_time, "wall": time.perf_counter}


@pytest.mark.parametrize("clock", CLOCKS)
def test_set_many(
    clock: str, compare: Compare, client: Any, storage: S3Storage[str, bytes], pool: ThreadPoolExecutor
) -> None:
    def put(item: tuple[str, bytes]) -> None:
        client.put_object(Bucket="bench", Key=item[0], Body=item[1])

    compare(
        f"set_many of 200, against boto3 in 16 threads, {clock}",
        lambda: list(pool.map(put, OBJECTS.items())),
        lambda: storage.set_many(OBJECTS),
        bar=1.05,
        rounds=11,
        clock=CLOCKS[clock],
    )


@pytest.mark.parametrize("clock", CLOCKS)
def test_get_many(
    clock: str, compare: Compare, client: Any, storage: S3Storage[str, bytes], pool: ThreadPoolExecutor
) -> None:
    storage.set_many(OBJECTS)

    def get(key: str) -> bytes:
        data: bytes = client.get_object(Bucket="bench", Key=key)["Body"].read()
        return data

    assert storage.get_many(OBJECTS) == OBJECTS
    compare(
        f"get_many of 200, against boto3 in 16 threads, {clock}",
        lambda: dict(zip(OBJECTS, pool.map(get, OBJECTS), strict=True)),
        lambda: storage.get_many(OBJECTS),
        bar=1.05,
        rounds=11,
        clock=CLOCKS[clock],
    )


# In a process of its own, which has held no more than it needs before: the peak is of this alone.
_STREAM = r"""
import re, sys
from pystorage import S3Storage
storage = S3Storage("streams", endpoint_url=sys.argv[1], create_bucket=True)
storage["small"] = b"x"
assert storage["small"] == b"x"
def peak():
    # Not what getrusage says, which begins with the peak of the process that started this one.
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) * 1024
size, piece = int(sys.argv[2]), 1 << 20
before = peak()
with storage.open_write("large") as file:
    for number in range(size // piece):
        file.write(number.to_bytes(8, "big") * (piece // 8))
written = peak()
with storage.open_read("large") as file:
    for number in range(size // piece):
        assert file.read(piece) == number.to_bytes(8, "big") * (piece // 8), number
    assert file.read(1) == b""
print(written - before, peak() - before)
del storage["large"]
"""


def test_a_stream_of_a_gigabyte(server: S3Server, benchmark: Any) -> None:
    """Written as it is made up, and read again: how much more memory that takes than before."""
    said = benchmark.pedantic(
        lambda: (
            subprocess.run(
                [sys.executable, "-c", _STREAM, server.url, str(GIGABYTE)],
                capture_output=True,
                text=True,
                check=True,
                timeout=600,
            ).stdout
        ),
        rounds=1,
    )
    written, both = map(int, said.split())
    benchmark.extra_info.update(written=written, both=both, room=ROOM)
    print(f"\n1 GiB: {written / 2**20:.1f} MiB more after writing, {both / 2**20:.1f} MiB after reading")
    assert both <= ROOM
