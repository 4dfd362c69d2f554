"""What a server of Redis can do to its users, and that no value is lost or made up by it."""

from __future__ import annotations

import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry

from pystorage import DecodeError, RedisStorage, UnavailableError
from pystorage.errors import StorageError, UnsupportedOperation
from tests.servers.flaky import FlakyProxy
from tests.servers.redis import RedisServer, redis_at, until

OPERATIONS: dict[str, Callable[[RedisStorage], object]] = {
    "[]": lambda storage: storage["key"],
    "get": lambda storage: storage.get("key", "a default"),
    "in": lambda storage: "key" in storage,
    "[] =": lambda storage: storage.__setitem__("key", 2),
    "set": lambda storage: storage.set("key", 2, ttl=5),
    "del": lambda storage: storage.__delitem__("key"),
    "pop": lambda storage: storage.pop("key", "a default"),
    "len": len,
    "bool": bool,
    "iteration": list,
    "scan": lambda storage: list(storage.scan("k")),
    "items": lambda storage: list(storage.items()),
    "clear": lambda storage: storage.clear(),
    "get_many": lambda storage: storage.get_many(["key", "other"]),
    "set_many": lambda storage: storage.set_many({"key": 2, "other": 3}),
    "delete_many": lambda storage: storage.delete_many(["key", "other"]),
    "add": lambda storage: storage.add("key", 2),
    "swap": lambda storage: storage.swap("key", 1, 2),
    "incr": lambda storage: storage.incr("key"),
    "lock": lambda storage: storage.lock("key", 5).__enter__(),
    "ttl": lambda storage: storage.ttl("key"),
    "expire": lambda storage: storage.expire("key", 5),
    "expire never": lambda storage: storage.expire("key", None),
    "touch": lambda storage: storage.touch("key", 5),
    "purge": lambda storage: storage.purge(),
    "open_read": lambda storage: storage.open_read("key"),
    "setdefault": lambda storage: storage.setdefault("key", 2),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that is stopped, filled and frozen."""
    with redis_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def well(server: RedisServer) -> RedisServer:
    """The same, up and empty."""
    if server.client().config_get("maxmemory")["maxmemory"] != "0":
        server.client().config_set("maxmemory", 0)
    server.client().flushall()
    return server


@pytest.fixture
def proxy(well: RedisServer) -> Iterator[FlakyProxy]:
    with FlakyProxy(well.port) as proxy:
        yield proxy


def storage_at(port: int, *, retries: int = 0, **options: Any) -> RedisStorage:
    retry = Retry(ConstantBackoff(0.02) if retries else NoBackoff(), retries)
    options = {"socket_timeout": 5, **options}
    return RedisStorage(redis.Redis(host="127.0.0.1", port=port, retry=retry, **options))


def used(storage: RedisStorage, use: Callable[[RedisStorage], object]) -> None:
    """Use a storage whose server is well."""
    with suppress(UnsupportedOperation):  # streams are of bytes
        use(storage)


def test_a_server_that_is_gone_and_comes_back(well: RedisServer) -> None:
    storage = storage_at(well.port)
    storage.update({"key": 1, "other": 2})
    assert storage["key"] == 1
    well.stop()
    for name, use in OPERATIONS.items():
        with pytest.raises(UnavailableError) as caught:
            use(storage)
        error = caught.value
        assert not isinstance(error, KeyError), name
        assert isinstance(error.__cause__, redis.ConnectionError), name
        assert "look whether the server runs" in str(error), name
        assert repr(storage) in str(error), name
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    with pytest.raises(UnavailableError) as caught:
        storage["key"]
    assert caught.value.key == "key"
    assert caught.value.errno is not None
    well.start()
    until(well.client().ping)
    assert "key" not in storage  # it keeps nothing over a restart
    storage["key"] = 1
    for use in OPERATIONS.values():
        storage["key"] = 1
        used(storage, use)


def test_what_was_kept_open_and_closed_by_the_server(well: RedisServer) -> None:
    """Also of what must not be done twice nothing fails, as a look tells before it is sent."""
    storage = storage_at(well.port)
    storage["key"] = 1
    for name, use in OPERATIONS.items():
        storage["key"] = 1
        well.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        used(storage, use)
        assert list(storage) is not None, name


@pytest.mark.parametrize("cut", [0, 1, 5, 5_000])
def test_a_reply_that_is_cut_is_no_value(proxy: FlakyProxy, well: RedisServer, cut: int) -> None:
    storage, right = storage_at(proxy.port), "x" * 20_000
    storage["key"] = right
    for _ in range(3):
        assert storage["key"] == right
        proxy.cut_after = cut
        with pytest.raises(UnavailableError):
            storage["key"]
        with pytest.raises(UnavailableError):
            storage.get_many(["key", "absent"])
        proxy.well()
        assert storage.get_many(["key", "absent"]) == {"key": right}


@contextmanager
def mended_after_one(proxy: FlakyProxy) -> Iterator[None]:
    """Cut the next reply; once a new connection is made, cut no more."""
    proxy.cut_after, made = 0, proxy.connections

    def mended() -> bool:
        if proxy.connections > made:
            proxy.cut_after = None
        return proxy.cut_after is None

    watcher = threading.Thread(target=until, args=(mended,))
    watcher.start()
    yield
    watcher.join()


def test_a_client_that_tries_again_does_so_here(proxy: FlakyProxy) -> None:
    storage, right = storage_at(proxy.port, retries=50), "x" * 20_000
    storage["key"] = right
    proxy.tear()
    assert storage["key"] == right
    with mended_after_one(proxy):
        assert storage["key"] == right
    with mended_after_one(proxy):
        assert storage.get_many(["key"]) == {"key": right}


def test_a_slow_server_is_waited_for_so_long_as_was_said(proxy: FlakyProxy) -> None:
    storage = storage_at(proxy.port, socket_timeout=0.2)
    storage.update({"key": "right", "other": "another"})
    proxy.deaf.set()
    for name, use in OPERATIONS.items():
        if name in ("[] =", "set", "del", "pop", "clear", "set_many", "delete_many", "incr", "swap"):
            continue  # these arrive
        begin = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            use(storage)
        assert isinstance(caught.value.__cause__, redis.TimeoutError), name
        assert "socket_timeout" in str(caught.value)
        assert 0.15 < time.monotonic() - begin < 5, name
    proxy.well()
    assert (storage["key"], storage["other"]) == ("right", "another")


def test_a_late_reply_is_not_taken_for_that_to_another_question(well: RedisServer) -> None:
    storage = storage_at(well.port, socket_timeout=0.5)
    storage.update({f"key {number}": number for number in range(10)})
    assert storage["key 0"] == 0
    well.client().execute_command("CLIENT", "PAUSE", "1000", "ALL")
    with pytest.raises(UnavailableError):
        storage["key 1"]
    until(lambda: storage.get("key 2") is not None if _answers(storage) else None)
    for _ in range(3):
        assert [storage[f"key {number}"] for number in range(10)] == list(range(10))


def _answers(storage: RedisStorage) -> bool:
    try:
        return "key 3" in storage
    except UnavailableError:
        return False


@pytest.mark.parametrize(
    "use, done",
    [
        (lambda storage: storage.incr("count"), lambda storage: storage["count"] == 1),
        (lambda storage: storage.incr("count", ttl=50), lambda storage: storage["count"] == 1),
        (lambda storage: storage.add("new", 1), lambda storage: storage["new"] == 1),
        (lambda storage: storage.swap("key", 1, 2), lambda storage: storage["key"] == 2),
        (lambda storage: storage.__delitem__("key"), lambda storage: "key" not in storage),
    ],
)
def test_what_is_doubtful_is_said_and_not_done_twice(
    proxy: FlakyProxy, use: Callable[[RedisStorage], object], done: Callable[[RedisStorage], bool]
) -> None:
    """The reply is lost: it was done once, however often the client would try again."""
    storage = storage_at(proxy.port, retries=3, socket_timeout=0.5)
    storage["key"] = 1
    use(storage)  # known to the server, and the connection open
    storage.clear()
    storage["key"] = 1
    proxy.deaf.set()
    with pytest.raises(UnavailableError, match="whether it was done all the same is not known"):
        use(storage)
    proxy.well()
    assert done(storage)


def test_a_lock_whose_reply_was_lost_is_taken_all_the_same(proxy: FlakyProxy) -> None:
    storage = storage_at(proxy.port, retries=20)
    with storage.lock("name", 50):
        pass
    with mended_after_one(proxy), storage.lock("name", 50, timeout=0):
        pass
    with storage.lock("name", 50, timeout=0):
        pass


def test_an_interrupt_leaves_no_half_reply(well: RedisServer) -> None:
    storage = storage_at(well.port)
    storage.update({"key": "right", "other": "another"})
    assert storage["key"] == "right"
    well.client().execute_command("CLIENT", "PAUSE", "400", "ALL")
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            storage["key"]
    finally:
        signal.signal(signal.SIGALRM, before)
    assert storage["other"] == "another"
    assert storage["key"] == "right"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_full_server_refuses_and_keeps_the_old(well: RedisServer) -> None:
    storage = storage_at(well.port)
    storage["key"] = "old"
    well.client().config_set("maxmemory-policy", "noeviction")
    well.client().config_set("maxmemory", 1)
    writes: dict[str, Callable[[], object]] = {
        "[] =": lambda: storage.__setitem__("key", "new"),
        "set": lambda: storage.set("key", "new", ttl=5),
        "set_many": lambda: storage.set_many({"key": "new", "more": "new"}),
        "add": lambda: storage.add("more", "new"),
        "swap": lambda: storage.swap("key", "old", "new"),
        "incr": lambda: storage.incr("count"),
        "incr with a ttl": lambda: storage.incr("count", ttl=5),
        "lock": lambda: storage.lock("name", 5).__enter__(),
    }
    for name, write in writes.items():
        with pytest.raises(UnavailableError, match="maxmemory") as caught:
            write()
        assert isinstance(caught.value.__cause__, redis.ResponseError), name
        assert dict(storage) == {"key": "old"}, name
    assert storage.pop("key") == "old"
    well.client().config_set("maxmemory", 0)
    for write in writes.values():
        write()


def test_a_replica_takes_no_writes(well: RedisServer, tmp_path: Path) -> None:
    storage = storage_at(well.port)
    storage["key"] = "old"
    # Of a primary that is not there: what it has stays, and it takes no writes any more.
    well.client().execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        for write in (
            lambda: storage.__setitem__("key", "new"),
            lambda: storage.set_many({"key": "new"}),
            lambda: storage.incr("count"),
            lambda: storage.swap("key", "old", "new"),
        ):
            with pytest.raises(UnavailableError, match="replica, which takes no writes"):
                write()
            assert storage["key"] == "old"
    finally:
        well.client().execute_command("REPLICAOF", "NO", "ONE")
    storage["key"] = "new"
    assert storage["key"] == "new"


def test_what_others_keep_under_a_name_of_ours(well: RedisServer) -> None:
    """Another program's list is no value, and no absence."""
    storage = storage_at(well.port)
    well.client().rpush("pystorage:key", "a", "b")
    for read in (lambda: storage["key"], lambda: storage.get("key"), lambda: storage.swap("key", 1, 2)):
        with pytest.raises(DecodeError, match="another program"):
            read()
    with pytest.raises(StorageError):
        storage.incr("key")
    assert "key" in storage
    well.client().set("pystorage:key", b"\xff no JSON")
    for read in (lambda: storage["key"], lambda: storage.get_many(["key"]), lambda: storage.incr("key")):
        with pytest.raises(DecodeError, match="left where they are"):
            read()
    storage["key"] = 1
    assert storage["key"] == 1


def test_scripts_that_the_server_forgot(well: RedisServer) -> None:
    storage = storage_at(well.port)
    storage["key"] = 0
    for number in range(3):
        assert storage.swap("key", number, number + 1)
        with storage.lock("name", 5) as lease:
            lease.extend()
        well.client().script_flush()
    assert storage["key"] == 3


def test_a_listing_begins_anew_when_its_connection_is_lost(well: RedisServer, proxy: FlakyProxy) -> None:
    storage = storage_at(proxy.port)
    storage.set_many({f"key {number}": number for number in range(5_000)})
    listing = storage._place.listed(b"pystorage:*")
    found = set(next(listing))
    proxy.tear()
    for batch in listing:
        found.update(batch)
    assert len(found) == 5_000


def test_a_listing_comes_to_an_end_where_its_connection_is_lost_each_time(
    well: RedisServer, proxy: FlakyProxy
) -> None:
    storage = storage_at(proxy.port)
    storage.set_many({f"key {number}": number for number in range(5_000)})
    with pytest.raises(OSError, match="lost 3 times"):
        list(map(lambda _: proxy.tear(), storage._place.listed(b"pystorage:*")))
