"""S3Storage on each server that can be had: what it declares is kept there, and the rest works without."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from pystorage.errors import UnavailableError, UnsupportedOperation
from pystorage.storage import Capability
from pystorage.stores.s3 import S3Storage
from pystorage.testing.parallel import in_threads
from pystorage.testing.samples import HOSTILE_KEYS, returned
from tests.servers.s3 import S3Server, ceph, moto, rclone, swift

CONDITIONAL = Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
SERVERS: dict[str, Callable[[], AbstractContextManager[S3Server]]] = {
    "moto": moto,
    "rclone": rclone,
    "swift": swift,
    "ceph": ceph,
}
# What is said of servers that do not keep the conditions.
WITHOUT = {"rclone": "the server ignores If-None-Match", "swift": "the server does not know If-Match"}


@dataclass
class Place:
    """A bucket on a server, and whether the server keeps conditions."""

    name: str
    server: S3Server
    client: Any
    bucket: str

    @property
    def keeps_conditions(self) -> bool:
        return self.name not in WITHOUT

    def storage(self, folder: str = "", **options: Any) -> S3Storage[Any, Any]:
        return S3Storage(self.bucket, folder, client=self.client, **{"codec": "json", **options})


@pytest.fixture(scope="module", params=SERVERS)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[str, S3Server, Any]]:
    if request.param == "moto":
        server = request.getfixturevalue("s3_server")
        yield "moto", server, request.getfixturevalue("s3_client")
        return
    with SERVERS[request.param]() as server:
        client = server.client(attempts=2)
        yield request.param, server, client
        client.close()


@pytest.fixture
def place(running: tuple[str, S3Server, Any]) -> Place:
    bucket = f"servers-{uuid4().hex[:12]}"
    running[2].create_bucket(Bucket=bucket)
    return Place(*running, bucket)


def test_what_it_declares_is_what_the_server_keeps(place: Place) -> None:
    storage = place.storage("app")
    assert bool(storage.capabilities & CONDITIONAL) is place.keeps_conditions
    if place.keeps_conditions:
        assert storage.capabilities & CONDITIONAL == CONDITIONAL
    assert "Contents" not in place.client.list_objects_v2(Bucket=place.bucket)


def test_what_is_not_kept_is_refused(place: Place) -> None:
    if place.keeps_conditions:
        pytest.skip("this server keeps conditions")
    storage = place.storage("app")
    uses: list[Callable[[], object]] = [
        lambda: storage.add("key", 1),
        lambda: storage.swap("key", 1, 2),
        lambda: storage.incr("key"),
        lambda: storage.lock("key", 5),
    ]
    for use in uses:
        with pytest.raises(UnsupportedOperation, match=WITHOUT[place.name]):
            use()
    assert len(storage) == 0
    assert storage.setdefault("key", 1) == 1
    for use in uses:  # of a key that is there, as of one that is not
        with pytest.raises(UnsupportedOperation, match=WITHOUT[place.name]):
            use()
    assert dict(storage) == {"key": 1}


def test_what_needs_no_condition_works(place: Place) -> None:
    storage = place.storage("app")
    storage["key"] = {"a": 1}
    storage["key"] = {"a": 2}
    storage.update({"other": [1], "a/b": None})
    assert dict(storage) == {"key": {"a": 2}, "other": [1], "a/b": None}
    del storage["key"]
    assert sorted(storage) == ["a/b", "other"]
    for use in (lambda: storage["key"], lambda: storage.__delitem__("key")):
        with pytest.raises(KeyError):
            use()
    assert storage.pop("other") == [1]
    storage.clear()
    assert not storage


def test_values_that_are_longer_than_what_is_looked_at(place: Place) -> None:
    storage = place.storage("long")
    for key in ("key", "k" * 2000):
        storage[key] = "x" * 5000
        assert key in storage
        assert list(storage) == [key]
        assert storage.ttl(key) is None
        assert storage.purge() == 0
        del storage[key]
        assert key not in storage


def test_one_condition_alone_is_no_lock(place: Place) -> None:
    """Swift looks when a write begins, not when it ends: why nothing is built on the one that it knows."""
    if place.name != "swift":
        pytest.skip("that is Swift's way")
    asked = {"Bucket": place.bucket, "Key": "key", "IfNoneMatch": "*"}
    signed = place.client.generate_presigned_url("put_object", Params=asked)
    with _put_begun(signed) as first, _put_begun(signed) as second:
        assert [_put_ended(one, data) for one, data in ((first, b"1"), (second, b"2"))] == [200, 200]
    with pytest.raises(place.client.exceptions.ClientError) as told:
        place.client.put_object(**asked, Body=b"3")
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


@contextmanager
def _put_begun(url: str) -> Iterator[socket.socket]:
    """Send the head of a write, and wait until the server has looked and asks for the byte that follows."""
    parts = urlsplit(url)
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1\r\n"
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(f"{head}If-None-Match: *\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        yield connection


def _put_ended(connection: socket.socket, data: bytes) -> int:
    connection.sendall(data)
    return int(connection.recv(1000).split()[1])


def test_hostile_keys(place: Place) -> None:
    storage = place.storage("deep/folder")
    # What rclone serves is a folder of files, which do not take the longest names.
    keys = [key for key in HOSTILE_KEYS[::5] if place.name != "rclone" or len(str(key)) < 40]
    entries = {key: number for number, key in enumerate(keys)}
    storage.set_many(entries)
    assert storage.get_many(keys) == entries
    assert {(type(key), key) for key in storage} == {(type(key), key) for key in map(returned, keys)}
    assert storage.delete_many(keys) == len(keys)
    assert not storage


def test_nested_folders_stay_apart(place: Place) -> None:
    if place.name == "rclone":
        pytest.skip("a file and a folder cannot have one name there")
    outer, inner, beside = place.storage("app"), place.storage("app/x"), place.storage("app2")
    top = place.storage()
    for storage in (outer, inner, beside, top):
        storage.update({"x": 1, "x/y": 2, "y": 3, "app": 4, "app/y": 5})
    inner.clear()
    assert [len(storage) for storage in (outer, inner, beside, top)] == [5, 0, 5, 5]
    outer.clear()
    top.clear()
    assert [len(storage) for storage in (outer, inner, beside, top)] == [0, 0, 5, 0]
    assert beside["x/y"] == 2


def test_lives(place: Place) -> None:
    from pystorage.testing import FakeClock

    clock = FakeClock()
    storage = place.storage("app", timer=clock)
    storage.set("short", "a", ttl=10)
    long = "x" * (200 if place.name == "rclone" else 2000)
    storage.set(long, "b", ttl=10)
    storage.set("long", "c", ttl=20)
    assert storage.ttl("short") == 10
    clock.advance(10)
    assert storage.get_many(["short", long, "long"]) == {"long": "c"}
    assert storage.purge() == 0  # reads removed them
    storage.set("short", "a", ttl=5)
    clock.advance(5)
    assert sorted(storage) == ["long", "short"]
    assert storage.purge() == 1
    assert sorted(storage) == ["long"]
    storage.expire("long", None)
    assert storage.expires_at("long") is None


def test_races_have_one_winner(place: Place) -> None:
    storage = place.storage("app")
    if not place.keeps_conditions:
        pytest.skip("this server keeps no conditions")
    for number in range(5):
        won = in_threads(*[lambda key=f"key {number}": storage.add(key, threading.get_ident())] * 6)
        assert sum(won) == 1
    sums = in_threads(*[lambda: [storage.incr("count") for _ in range(5)]] * 4)
    assert sorted(one for given in sums for one in given) == list(range(1, 21))


def test_a_stream_of_many_parts(place: Place) -> None:
    if place.name == "rclone":
        pytest.skip("it has no parts that boto3 would check")
    storage = place.storage("app", codec="bytes")
    piece = bytes(range(256)) * 4096
    with storage.open_write("film", ttl=1000) as file:
        for _ in range(17):
            file.write(piece)
    assert 990 < (storage.ttl("film") or 0) <= 1000
    with storage.open_read("film") as file:
        assert all(file.read(len(piece)) == piece for _ in range(17))
        assert file.read() == b""
    del storage["film"]
    assert "film" not in storage


def test_more_keys_than_one_page_lists(place: Place) -> None:
    if place.name in WITHOUT:
        pytest.skip("it is the same as elsewhere, and slow there")
    storage = place.storage("app", codec="bytes")
    storage.set_many({f"key {number}": b"" for number in range(1003)})
    assert len(storage) == 1003
    assert len(list(storage.scan("key 10"))) == 14
    storage.clear()
    assert len(storage) == 0


def test_a_clock_that_is_wrong_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    if place.name != "ceph":
        pytest.skip("only Ceph looks at the time of a request")
    storage = place.storage()
    now = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a: now(*a) + timedelta(hours=1))
    with pytest.raises(UnavailableError, match="clocks of this machine and of the server differ"):
        storage["key"]


def test_credentials_that_are_wrong_are_told(place: Place) -> None:
    if place.name == "moto":
        pytest.skip("moto lets everybody in")
    client = S3Server(place.server.url, secret_key="wrong").client()
    with pytest.raises(UnavailableError, match="credentials are not accepted|access was denied"):
        S3Storage(place.bucket, client=client)["key"]
    client.close()


def test_a_missing_bucket_is_told_and_made(place: Place) -> None:
    bucket = f"missing-{uuid4().hex[:12]}"
    storage = S3Storage(bucket, "app", client=place.client)
    uses: dict[str, Callable[[], object]] = {
        "[]": lambda: storage["key"],
        "in": lambda: "key" in storage,
        "len": lambda: len(storage),
        "[] =": lambda: storage.__setitem__("key", b""),
        "del": lambda: storage.__delitem__("key"),
        "stream": lambda: storage.open_read("key"),
    }
    for name, use in uses.items():
        with pytest.raises(UnavailableError, match=f"no bucket '{bucket}'.*create_bucket=True"):
            pytest.fail(f"{name} gave {use()!r}")
    made = S3Storage(bucket, "app", client=place.client, create_bucket=True)
    assert "key" not in made
    made["key"] = b"value"
    assert storage["key"] == b"value"
