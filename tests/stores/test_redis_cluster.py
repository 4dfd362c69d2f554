"""A cluster of Redis whose slots move and whose nodes go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster, key_slot
from redis.retry import Retry

from pystorage import RedisStorage, UnavailableError
from tests.servers.redis import RedisClusterServers, cluster_at, until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisClusterServers]:
    """A cluster that is taken apart."""
    with cluster_at(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


def storage_at(cluster: RedisClusterServers, prefix: str) -> RedisStorage[str, int]:
    return RedisStorage(url=f"{cluster.url}?socket_timeout=5", prefix=prefix)


def nodes_of(cluster: RedisClusterServers, prefix: str) -> list[int]:
    return [len(node.client().keys(f"{prefix}*")) for node in cluster.nodes]


def test_entries_lie_on_all_nodes(cluster: RedisClusterServers) -> None:
    storage = storage_at(cluster, "all:")
    entries = {f"key {number}": number for number in range(2_500)}
    storage.set_many(entries, ttl=1000)
    assert min(nodes_of(cluster, "all:")) > 300
    assert storage.get_many(entries) == entries
    assert dict(storage) == entries
    assert len(storage) == 2_500
    assert bool(storage)
    assert sorted(storage.scan("key 1")) == sorted(key for key in entries if key.startswith("key 1"))
    assert 900 < (storage.ttl("key 7") or 0) <= 1000
    assert storage.delete_many([*list(entries)[:1000], "absent"]) == 1000
    storage.clear()
    assert nodes_of(cluster, "all:") == [0, 0, 0]
    assert not storage


def test_a_hash_tag_keeps_entries_together(cluster: RedisClusterServers) -> None:
    storage = storage_at(cluster, "{together}:")
    storage.set_many({f"key {number}": number for number in range(100)})
    assert sorted(nodes_of(cluster, "{together}:")) == [0, 0, 100]
    storage.clear()


def test_slots_that_move(cluster: RedisClusterServers) -> None:
    """MOVED and ASK are followed by every operation, and nothing is lost or doubled."""
    storage = storage_at(cluster, "moving:")
    entries = {f"key {number}": number for number in range(300)}
    storage.set_many(entries)
    slots = [key_slot(f"moving:key%20{number}".encode()) for number in range(6)]
    cluster.move(slots[0])
    assert storage["key 0"] == 0
    cluster.move(slots[1])
    assert storage.incr("key 1", 10) == 11
    cluster.move(slots[2])
    assert storage.swap("key 2", 2, 22)
    cluster.move(slots[3])
    assert storage.get_many(entries) == entries | {"key 1": 11, "key 2": 22}
    cluster.move(slots[4])
    storage.set_many(entries)
    assert dict(storage) == entries
    cluster.move(slots[5])
    assert storage.delete_many(entries) == 300
    assert len(storage) == 0


def test_a_slot_that_is_half_moved(cluster: RedisClusterServers) -> None:
    storage = storage_at(cluster, "half:")
    storage.update({"a": 1, "new": 0})
    del storage["new"]
    for key in ("a", "new"):
        cluster.move(key_slot(f"half:{key}".encode()), finish=False)
    assert storage["a"] == 1
    assert storage.incr("a") == 2
    assert storage.swap("a", 2, 3)
    assert storage.add("new", 5)
    assert storage.get_many(["a", "new", "other"]) == {"a": 3, "new": 5}
    with storage.lock("a", 5):
        storage.set_many({"a": 4, "new": 6})
    assert dict(storage) == {"a": 4, "new": 6}
    assert storage.delete_many(["a", "new"]) == 2
    for key in ("a", "new"):
        cluster.finish(key_slot(f"half:{key}".encode()))


def test_counting_while_slots_move(cluster: RedisClusterServers) -> None:
    storage = storage_at(cluster, "counted:")
    slot = key_slot(b"counted:key")
    done = threading.Event()
    counted = [0, 0]

    def count(which: int) -> None:
        mine = storage_at(cluster, "counted:")
        while not done.is_set():
            mine.incr("key")  # type: ignore[arg-type]
            counted[which] += 1

    threads = [threading.Thread(target=count, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(6):
            before = counted[0]
            cluster.move(slot)
            until(lambda before=before: counted[0] > before + 20 or not threads[0].is_alive())
    finally:
        done.set()
        for thread in threads:
            thread.join(30)
    assert storage["key"] == sum(counted)


def test_a_client_handed_in_is_used(cluster: RedisClusterServers) -> None:
    client = RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port, decode_responses=True)
    storage: RedisStorage[str, bytes] = RedisStorage(client, prefix="handed:", codec="bytes")
    storage["key"] = b"\xff\0"
    assert storage["key"] == b"\xff\0"
    storage.close()
    assert client.exists("handed:key")
    client.close()


def test_a_node_that_is_gone(cluster: RedisClusterServers) -> None:
    """What it had is unavailable, not absent; when it is back, all works again."""
    storage = storage_at(cluster, "gone:")
    entries = {f"key {number}": number for number in range(60)}
    storage.set_many(entries)
    client = RedisStorage(
        RedisCluster(
            host="127.0.0.1", port=cluster.nodes[0].port, retry=Retry(NoBackoff(), 0),
        ),
        prefix="gone:",
    )  # fmt: skip
    assert client.get_many(entries) == entries
    node = cluster.nodes[2]
    node.stop()
    read, failed = {}, []
    for key in entries:
        try:
            read[key] = client[key]
        except UnavailableError as error:
            failed.append(error)
    assert failed
    assert all(error.__cause__ is not None for error in failed)
    assert all(entries[key] == value for key, value in read.items())
    for use in (lambda: list(client), lambda: client.get_many(entries), lambda: client.set_many(entries)):
        with pytest.raises(UnavailableError):
            use()
    node.start()
    cluster.settled()
    for one in (storage, client):
        with suppress(KeyError):
            one["key 0"]
        one.set_many(entries)
        assert dict(one) == entries
    storage.clear()


def test_a_cluster_that_is_not_there() -> None:
    storage: RedisStorage[str, int] = RedisStorage(url="redis+cluster://127.0.0.1:1?socket_timeout=1")
    for use in (lambda: storage["key"], lambda: list(storage), lambda: storage.set_many({"a": 1})):
        with pytest.raises(UnavailableError):
            use()
