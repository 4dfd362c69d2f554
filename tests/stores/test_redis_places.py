"""Where a RedisStorage is: by URL or client; what of that is shown, pickled, shared and closed."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

import pystorage
from pystorage import (
    CapacityError,
    MissingDependencyError,
    RedisJSONStorageService,
    RedisStorage,
    RedisStorageService,
    StorageProvider,
    StorageProviderError,
    UnavailableError,
)
from pystorage.codecs import GzipCodec, PickleCodec, SignedCodec
from pystorage.stores import _rediscommands as commands
from pystorage.testing.parallel import Child, in_threads
from tests.servers.redis import GuardedServer, RedisServer, redis_at, until

SECRET = "hunter2"


class FromTheEnvironment(CredentialProvider):
    """Fetches the password where it is needed."""

    def get_credentials(self) -> tuple[str, str]:
        return "ann", os.environ["TEST_REDIS_PASSWORD"]


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}:"


def connections(server: RedisServer, name: str) -> int:
    return sum(one["name"] == name for one in server.client().client_list())


# -------------------------------------------------------------------- by URL, by name, by client


@pytest.mark.parametrize(
    "url, shown",
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        (f"redis://:{SECRET}@db.example:7000/3", "redis://db.example:7000/3"),
        (f"rediss://ann:{SECRET}@db.example", "rediss://db.example:6379/0"),
        (f"unix://ann:{SECRET}@/run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
        (f"redis+sentinel://:{SECRET}@a:1,b/mine/4", "redis+sentinel://a:1,b:26379/mine/4"),
        (f"rediss+sentinel://a/mine?sentinel_password={SECRET}", "rediss+sentinel://a:26379/mine/0"),
        (f"redis+cluster://u:{SECRET}@a:1,b", "redis+cluster://a:1,b:6379"),
        ("rediss+cluster://[::1]:1,b/0", "rediss+cluster://[::1]:1,b:6379"),
        (f"redis://localhost?socket_timeout=2&password={SECRET}", "redis://localhost:6379/0"),
    ],
)
def test_a_url_says_where_and_no_secret_is_shown(url: str, shown: str) -> None:
    """Nothing is sent before it is used."""
    for storage in (RedisStorage(url=url), pystorage.open(url)):
        assert repr(storage) == f"RedisStorage({shown!r}, prefix='pystorage:', codec=JSONCodec())"
        assert SECRET not in repr(storage)
        assert SECRET not in str(vars(storage)["_settings"])


def test_options_of_a_url_are_ours_and_the_clients(redis_server: RedisServer, prefix: str) -> None:
    ours = f"prefix={prefix}&codec=text%2Bgzip&expiration=50"
    url = f"{redis_server.url}?{ours}&socket_timeout=3&client_name=mine"
    storage = pystorage.open(url)
    storage["key"] = "value"
    assert storage.ttl("key") <= 50
    assert redis_server.client().keys(f"{prefix}*") == [f"{prefix}key".encode()]
    assert storage._settings.client.connection_pool.connection_kwargs["socket_timeout"] == 3
    assert connections(redis_server, "mine") == 1
    same = pystorage.open(redis_server.url, prefix=prefix, codec="text+gzip")
    assert same["key"] == "value"
    shouting = pystorage.open(redis_server.url.replace("redis", "REDIS", 1), prefix=prefix, codec="text+gzip")
    assert shouting["key"] == "value"


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost?prefiks=x",
        "redis:localhost",
        "redis://localhost/cache",
        "redis://localhost/1/2",
        "redis://localhost:port",
        f"redis://:{SECRET}@localhost:99999999",
        f"redis://:{SECRET}@localhost?socket_timeout=soon",
        "redis+sentinel://localhost",
        "redis+sentinel://localhost/service/zero",
        "redis+cluster://localhost/1",
        "redis://localhost?codec=nothing",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(StorageProviderError) as caught:
        pystorage.open(url)
    assert SECRET not in str(caught.value)


def test_an_option_that_is_misspelt_is_told() -> None:
    with pytest.raises(StorageProviderError, match="'prefiks'.*did you mean 'prefix'"):
        pystorage.open("redis://localhost?prefiks=x")


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", ""])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(StorageProviderError, match="no URL of Redis"):
        RedisStorage(url=url)


def test_without_redis_py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    for make in (
        lambda: RedisStorage(url="redis://localhost"),
        lambda: pystorage.open("redis+cluster://localhost"),
        lambda: StorageProvider().create(StorageProvider.STORAGE_REDIS, url="redis://localhost"),
    ):
        with pytest.raises(MissingDependencyError, match=r"pip install 'pystorage\[redis\]'"):
            make()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"redis_client": redis.Redis(), "url": "redis://localhost"},
        {"redis_client": "redis://localhost"},
        {"redis_client": {}},
        {"redis_client": redis.asyncio.Redis()},
        {"redis_client": redis.Redis().pipeline},
        {"url": b"redis://localhost"},
        {"url": "redis://localhost", "prefix": b"app:"},
        {"url": "redis://localhost", "expiration": "5"},
        {"url": "redis://localhost", "timer": 5},
        {"url": "redis://localhost", "codec": 5},
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        RedisStorage(**arguments)


@pytest.mark.parametrize("expiration", [0, -1, float("nan")])
def test_an_expiration_is_above_0(expiration: float) -> None:
    with pytest.raises(ValueError, match="expiration must be more than 0"):
        RedisStorage(url="redis://localhost", expiration=expiration)


def test_the_services_of_the_original(redis_server: RedisServer) -> None:
    client = redis_server.client()
    texts = StorageProvider().create(StorageProvider.STORAGE_REDIS, redis_client=client)
    values = StorageProvider().create(StorageProvider.STORAGE_REDIS_JSON, client, 50)
    assert isinstance(texts, RedisStorageService)
    assert isinstance(values, RedisJSONStorageService)
    texts.clear()
    values.clear()
    texts["key"] = "value"
    values["key"] = {"a": [1, None]}
    assert texts["key"] == "value"
    assert values["key"] == {"a": [1, None]}
    assert texts.ttl("key") is None
    assert 20 < values.ttl("key") <= 50
    assert client.get("pystorage:text:key") == b"value"
    assert client.get("pystorage:json:key") == b'{"a": [1, null]}'
    for storage in (texts, values):
        assert len(storage) == 1
        del storage["key"]
        with pytest.raises(KeyError):
            del storage["key"]
        with pytest.raises(KeyError):
            storage["key"]
        assert storage.get("key") is None
        assert ("key" in storage) is False


# -------------------------------------------------------------------- pickles of values


def test_a_bare_pickle_is_refused() -> None:
    for codec in ("pickle", "pickle+gzip", PickleCodec() | GzipCodec()):
        with pytest.raises(ValueError, match="could run code here"):
            RedisStorage(url="redis://localhost", codec=codec)


def test_a_pickle_is_taken_signed_or_trusted(redis_server: RedisServer, prefix: str) -> None:
    signed = PickleCodec() | SignedCodec({"2026": b"k" * 32}, audience="tests")
    for options in ({"codec": signed}, {"codec": "pickle", "trust": True}):
        storage: RedisStorage = RedisStorage(url=redis_server.url, prefix=prefix, **options)
        storage["key"] = {1, 2}
        assert storage["key"] == {1, 2}
        assert storage.swap("key", {2, 1}, {3})
        assert storage.incr("count", 2) == 2
        assert storage.incr("count", 2, ttl=5) == 4
        assert storage["count"] == 4
        storage.clear()
    assert "trust=True" in repr(storage)


def test_a_value_beyond_what_redis_takes_is_refused(
    redis_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage: RedisStorage = RedisStorage(url=redis_server.url, prefix=prefix, codec="bytes")
    monkeypatch.setattr(commands, "LARGEST_VALUE", 1000)
    storage["key"] = b"x" * 1000
    with pytest.raises(CapacityError, match="512 MiB"):
        storage["key"] = b"x" * 1001
    assert storage["key"] == b"x" * 1000


# -------------------------------------------------------------------- copies and pickles of storages


def test_a_pickle_is_its_settings(redis_server: RedisServer, prefix: str) -> None:
    client = redis_server.client(socket_timeout=3, decode_responses=True)
    storage: RedisStorage = RedisStorage(client, prefix=prefix, expiration=60, codec="json+gzip")
    storage["key"] = 1
    other = pickle.loads(pickle.dumps(storage))
    assert other["key"] == 1
    assert repr(other) == repr(storage)
    pool = other._settings.client.connection_pool
    assert pool.connection_kwargs["socket_timeout"] == 3
    assert vars(pool.connection_kwargs["retry"])["_retries"] == 0
    assert 20 < other.ttl("key") <= 60


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@localhost",
        f"redis+cluster://:{SECRET}@localhost",
        f"redis+sentinel://:{SECRET}@localhost/service",
        f"redis+sentinel://localhost/service?sentinel_password={SECRET}",
        f"rediss://localhost?ssl_password={SECRET}",
    ],
)
def test_a_pickle_holds_no_password(url: str) -> None:
    storage: RedisStorage = RedisStorage(url=url)
    with pytest.raises(TypeError, match="a password is not put into pickles"):
        pickle.dumps(storage)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_in_the_same_process_keeps_the_password(redis_guarded: GuardedServer, copied: Any) -> None:
    storage: RedisStorage = RedisStorage(url=redis_guarded.url, prefix="ann:copied:")
    storage["key"] = 1
    other = copied(storage)
    storage.close()
    assert other.pop("key") == 1
    other.close()


def test_who_fetches_the_password_is_pickled(
    redis_guarded: GuardedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_REDIS_PASSWORD", "anns")
    client = redis.Redis(
        host="localhost", port=redis_guarded.server.port, credential_provider=FromTheEnvironment(),
        ssl=True, ssl_ca_certs=str(redis_guarded.certificates.ca),
    )  # fmt: skip
    storage: RedisStorage = RedisStorage(client, prefix="ann:fetched:")
    storage["key"] = 1
    pickled = pickle.dumps(storage)
    assert b"anns" not in pickled
    assert pickle.loads(pickled)["key"] == 1


# -------------------------------------------------------------------- connections


def named(server: RedisServer, prefix: str, **options: Any) -> RedisStorage:
    return RedisStorage(server.client(client_name=prefix[:-1], **options), prefix=prefix)


def test_a_thread_keeps_its_connection_and_leaves_it_to_the_next(redis_server: RedisServer) -> None:
    storage = named(redis_server, "threads:")
    for number in range(20):
        storage["key"] = number
        in_threads(lambda: storage["key"])
    assert connections(redis_server, "threads") == 2
    gate = threading.Barrier(5)

    def use() -> None:
        gate.wait(30)
        assert storage["key"] == 19
        gate.wait(30)

    in_threads(*[use] * 5)
    assert connections(redis_server, "threads") <= 6


def test_connections_are_no_more_than_allowed(redis_server: RedisServer) -> None:
    """With more threads they take turns, and each gets its own reply."""
    storage = named(redis_server, "allowed:", max_connections=3)
    storage.set_many({str(number): number for number in range(12)})

    def use(number: int) -> None:
        for _ in range(50):
            assert storage[str(number)] == number

    in_threads(*(lambda number=number: use(number) for number in range(12)))
    assert connections(redis_server, "allowed") <= 3


def test_a_child_has_connections_of_its_own(redis_server: RedisServer) -> None:
    storage = named(redis_server, "forked:")
    storage["key"] = 1

    def child() -> int:
        assert storage["key"] == 1
        return connections(redis_server, "forked")

    with Child(child) as process:
        assert process.result() == 2
    until(lambda: connections(redis_server, "forked") == 1)
    assert storage["key"] == 1
    assert connections(redis_server, "forked") == 1


def test_closing_closes_connections_and_no_client(redis_server: RedisServer) -> None:
    client = redis_server.client(client_name="closed")
    client.ping()
    storage: RedisStorage = RedisStorage(client, prefix="closed:")
    storage["key"] = 1
    in_threads(lambda: storage["key"])
    assert connections(redis_server, "closed") == 3
    storage.close()
    until(lambda: connections(redis_server, "closed") == 1)
    assert client.get("closed:key") == b"1"


def test_what_is_let_go_of_is_closed(redis_server: RedisServer) -> None:
    storage = named(redis_server, "dropped:")
    with storage.lock("key", 5):
        pass
    gc.disable()  # by itself, not when cycles are looked for
    try:
        del storage
        until(lambda: connections(redis_server, "dropped") == 0)
    finally:
        gc.enable()


def test_a_socket_of_the_machine(tmp_path: Path, redis_server: RedisServer) -> None:
    place = tmp_path / "redis.sock"
    with redis_at(tmp_path / "server", "--unixsocket", str(place)):
        storage = pystorage.open(f"unix://{place}")
        storage["key"] = 1
        assert storage["key"] == 1
        assert pickle.loads(pickle.dumps(storage))["key"] == 1
        storage.close()


# -------------------------------------------------------------------- TLS and users


def test_tls_and_a_user(redis_guarded: GuardedServer) -> None:
    storage: RedisStorage = RedisStorage(url=redis_guarded.url, prefix="ann:tls:")
    storage.update(a=1, b=2)
    assert storage.incr("a") == 2
    assert storage.swap("b", 2, 3)
    with storage.lock("a", 5):
        assert dict(storage) == {"a": 2, "b": 3}
    large = "x" * 300_000
    storage["large"] = large
    assert storage.get_many(["large", "a"]) == {"large": large, "a": 2}
    storage.clear()
    assert "anns" not in repr(storage)


@pytest.mark.parametrize(
    "change, why",
    [
        (("ann:anns@", "ann:wrong@"), "give the right user and password"),
        (("ann:anns@", "eve:anns@"), "give the right user and password"),
        (("ann:anns@", ""), None),
        (("rediss:", "redis:"), None),
        (("?ssl_ca_certs=", "?ssl_ca_path="), "certificate"),
        (("localhost:", "127.0.0.2:"), None),
    ],
)
def test_who_is_not_let_in_is_told(
    redis_guarded: GuardedServer, change: tuple[str, str], why: str | None
) -> None:
    url = redis_guarded.url.replace(*change)
    if "ssl_ca_certs" in url and "rediss:" not in url:
        url = url.partition("?")[0]
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=5)
    storage: RedisStorage = RedisStorage(client, prefix="ann:in:")
    for use in (lambda: storage["key"], lambda: storage.set("key", 1), lambda: storage.incr("key")):
        with pytest.raises(UnavailableError, match=why) as caught:
            use()
        assert caught.value.__cause__ is not None
        assert "anns" not in str(caught.value)


def test_what_a_user_may_not_do_is_no_absence(redis_guarded: GuardedServer) -> None:
    ann: RedisStorage = RedisStorage(url=redis_guarded.url, prefix="ann:may:")
    bob: RedisStorage = RedisStorage(url=redis_guarded.url.replace("ann:anns", "bob:bobs"), prefix="ann:may:")
    ann["key"] = 1
    assert bob["key"] == 1
    assert list(bob) == ["key"]
    for use in (
        lambda: bob.set("key", 2),
        lambda: bob.set_many({"key": 2}),
        lambda: bob.pop("key"),
        lambda: bob.delete_many(["key"]),
        lambda: bob.incr("key"),
        lambda: bob.swap("key", 1, 2),
        lambda: bob.lock("key", 5).__enter__(),
        bob.clear,
    ):
        with pytest.raises(UnavailableError, match="access list"):
            use()
    assert bob["key"] == 1
    elsewhere: RedisStorage = RedisStorage(url=redis_guarded.url, prefix="bob:")
    for read in (lambda: elsewhere["key"], lambda: elsewhere.get("key"), lambda: "key" in elsewhere):
        with pytest.raises(UnavailableError, match="access list"):
            read()
    ann.clear()
