"""The primary dies, Sentinels choose another, and storages go on there."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from pystorage import RedisStorage, UnavailableError
from tests.servers.redis import RedisSentinels, sentinels_at


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinels]:
    with sentinels_at(tmp_path_factory.mktemp("sentinels")) as sentinels:
        yield sentinels


def test_the_primary_dies(sentinels: RedisSentinels) -> None:
    options = "socket_timeout=1"
    storage: RedisStorage[str, int] = RedisStorage(url=f"{sentinels.url}?{options}", prefix="url:")
    hosts = [("127.0.0.1", one.port) for one in sentinels.sentinels]
    client = Sentinel(hosts, socket_timeout=1).master_for(
        sentinels.service, decode_responses=True, retry=Retry(ConstantBackoff(0.2), 50)
    )
    patient: RedisStorage[str, int] = RedisStorage(client, prefix="client:")
    for one in (storage, patient):
        one["key"] = 1
        assert one.incr("count") == 1
        again = pickle.loads(pickle.dumps(one))
        assert again["key"] == 1
        assert repr(again) == repr(one)
        again.close()
    with storage.lock("name", 60):
        assert sentinels.primary.client().wait(1, 5_000) == 1
        sentinels.primary.stop()
        # One that tries again for long enough does not notice.
        patient["key"] = 2
        assert patient["key"] == 2
        assert patient["count"] == 1
        limit, failures = time.monotonic() + 30, []
        while True:
            try:
                storage["key"] = 2
                break
            except UnavailableError as error:
                failures.append(error)
                assert time.monotonic() < limit, failures[-1]
        assert storage["key"] == 2
        assert storage.incr("count") == 2
        # The lock was copied to the new primary, and is still held there.
        with pytest.raises(TimeoutError):
            storage.lock("name", 60, timeout=0).__enter__()
    assert sentinels.replica.client().get("url:key") == b"2"


def test_no_sentinel_is_there() -> None:
    client = Sentinel([("127.0.0.1", 1)], sentinel_kwargs={"retry": Retry(NoBackoff(), 0)}).master_for(
        "service", retry=Retry(ConstantBackoff(0.01), 1)
    )
    storage: RedisStorage[str, int] = RedisStorage(client)
    with pytest.raises(UnavailableError, match="no Sentinel knows the primary") as caught:
        storage["key"]
    assert isinstance(caught.value.__cause__, redis.sentinel.MasterNotFoundError)
