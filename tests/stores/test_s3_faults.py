"""What goes wrong between a storage and S3, through a real proxy: told apart, and never a value."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from pystorage.errors import CapacityError, ConflictError, IntegrityError, StorageError, UnavailableError
from pystorage.storage import Capability
from pystorage.stores.s3 import S3Storage
from pystorage.testing import servers
from tests.servers.http_proxy import Answer, Cut, Flip, Lose, Proxy, Request, Strip, proxied
from tests.servers.s3 import S3Server

Make = Callable[..., S3Storage[Any, Any]]


@pytest.fixture(scope="module")
def proxy(s3_server: S3Server) -> Iterator[Proxy]:
    with proxied(s3_server.url) as running:
        yield running


@pytest.fixture
def make(s3_server: S3Server, s3_client: Any, proxy: Proxy) -> Iterator[Make]:
    """Makes storages that go through the proxy, with a client that gives up at once unless told otherwise."""
    bucket, clients = f"faults-{uuid4().hex[:12]}", []
    s3_client.create_bucket(Bucket=bucket)
    proxy.always(None)

    def made(attempts: int = 1, url: str | None = None, **options: Any) -> S3Storage[Any, Any]:
        client = s3_server.client(
            url or proxy.url, attempts=attempts, read_timeout=options.pop("timeout", 20)
        )
        clients.append(client)
        return S3Storage(options.pop("bucket", bucket), "app", client=client, **options)

    yield made
    proxy.always(None)
    for client in clients:
        client.close()


READS: dict[str, Callable[[S3Storage[Any, Any]], object]] = {
    "[]": lambda storage: storage["key"],
    "get": lambda storage: storage.get("key"),
    "in": lambda storage: "key" in storage,
    "ttl": lambda storage: storage.ttl("key"),
    "get_many": lambda storage: storage.get_many(["key", "other"]),
    "pop": lambda storage: storage.pop("key", None),
    "iteration": lambda storage: list(storage),
    "len": len,
    "bool": bool,
    "stats": lambda storage: storage.stats(),
    "open_read": lambda storage: storage.open_read("key"),
    "purge": lambda storage: storage.purge(),
    "capabilities": lambda storage: storage.capabilities,
}
WRITES: dict[str, Callable[[S3Storage[Any, Any]], object]] = {
    "[] =": lambda storage: storage.__setitem__("key", b"new"),
    "del": lambda storage: storage.__delitem__("key"),
    "set_many": lambda storage: storage.set_many({"key": b"1", "other": b"2"}),
    "delete_many": lambda storage: storage.delete_many(["key", "other"]),
    "clear": lambda storage: storage.clear(),
    "lock": lambda storage: storage.lock("key", 10, timeout=0).__enter__(),
    "stream": lambda storage: _stream(storage, b"streamed"),
}


def _stream(storage: S3Storage[Any, Any], data: bytes) -> None:
    with storage.open_write("key") as file:
        file.write(data)


def _is_object(request: Request) -> bool:
    return "/app/key" in request.path


@pytest.mark.parametrize("which", [*READS, *WRITES])
def test_no_fault_is_absence(make: Make, proxy: Proxy, which: str) -> None:
    storage = make()
    storage["key"] = b"value"
    proxy.always(Answer(503, "SlowDown"))
    with pytest.raises(UnavailableError, match="slow down") as caught:
        (READS | WRITES)[which](storage)
    assert caught.value.errno == errno.EAGAIN
    assert caught.value.storage == repr(storage)
    proxy.always(None)
    assert storage["key"] == b"value"


@pytest.mark.parametrize("which", ["[]", "in", "iteration", "[] =", "stream", "lock"])
def test_a_page_of_somebody_else_is_no_answer(make: Make, proxy: Proxy, which: str) -> None:
    """As of a login page, or of a server of something else: boto3 takes it for an answer without anything."""
    storage = make()
    storage["key"] = b"value"
    proxy.always(Answer(200, "OK", page="<html><body>Welcome</body></html>"))
    with pytest.raises(UnavailableError, match="no server of S3.*look at endpoint_url=") as caught:
        (READS | WRITES)[which](storage)
    assert caught.value.errno == errno.EPROTO
    proxy.always(None)
    assert storage["key"] == b"value"


def test_being_sent_on_without_an_end_is_told(make: Make, proxy: Proxy) -> None:
    proxy.always(Answer(301, "PermanentRedirect"))
    with pytest.raises(UnavailableError, match="sends requests on"):
        make()["key"]


@pytest.mark.parametrize(
    "answer, number, why",
    [
        (Answer(503, "SlowDown"), errno.EAGAIN, "asks to slow down"),
        (Answer(403, "AccessDenied"), errno.EACCES, "access was denied.*list the bucket.*grant s3:GetObject"),
        (Answer(403, "SignatureDoesNotMatch"), errno.EACCES, "credentials are not accepted"),
        (Answer(400, "ExpiredToken"), errno.EACCES, "credentials are not accepted"),
        (Answer(403, "RequestTimeTooSkewed"), errno.EPERM, "clocks.*differ.*set the clock"),
        (Answer(403, "InvalidObjectState"), errno.EACCES, "archive.*restore it"),
        (Answer(400, "AuthorizationHeaderMalformed"), errno.EINVAL, "another region"),
        (Answer(404, "NoSuchBucket"), errno.ENOENT, "no bucket 'faults-.*create_bucket=True"),
        (Answer(500, "InternalError"), errno.EIO, "500 InternalError: as told.*try again"),
        (Answer(501, "NotImplemented"), errno.ENOTSUP, "the server cannot do this"),
    ],
    ids=lambda value: value.code if isinstance(value, Answer) else None,
)
def test_faults_are_told_apart(make: Make, proxy: Proxy, answer: Answer, number: int, why: str) -> None:
    storage = make()
    proxy.always(answer)
    with pytest.raises(UnavailableError, match=f"could not read 'key' in S3Storage.*{why}") as caught:
        storage["key"]
    assert caught.value.errno == number
    assert caught.value.key == "key"


def test_a_denied_look_is_not_absence(make: Make, proxy: Proxy) -> None:
    # Without s3:ListBucket an absent key is denied, too; nobody can know which it is.
    storage = make()
    proxy.always(Answer(403, "AccessDenied"), when=_is_object)
    for look in ("in", "get", "pop", "open_read", "ttl"):
        with pytest.raises(UnavailableError, match="access was denied"):
            READS[look](storage)


def test_who_may_only_read_is_told_so(make: Make, proxy: Proxy) -> None:
    make()["key"] = b"value"
    storage = make()
    proxy.always(Answer(403, "AccessDenied"), when=lambda request: request.method in ("PUT", "DELETE"))
    assert storage["key"] == b"value"
    assert Capability.ADD not in storage.capabilities
    with pytest.raises(UnavailableError, match="access was denied"):
        storage["key"] = b"new"
    proxy.always(None)
    assert Capability.ADD in storage.capabilities


def test_a_value_that_is_too_large_is_refused(make: Make, proxy: Proxy) -> None:
    storage = make()
    proxy.always(Answer(400, "EntityTooLarge"))
    with pytest.raises(CapacityError, match="larger than the server takes.*as a stream"):
        storage["key"] = b"value"


@pytest.mark.parametrize("after", [0, 1, 999])
@pytest.mark.parametrize("read", ["[]", "get_many", "pop"])
def test_a_body_cut_short_is_never_a_value(make: Make, proxy: Proxy, after: int, read: str) -> None:
    storage = make()
    storage["key"] = b"x" * 1000
    proxy.always(Cut(after), when=lambda request: request.method == "GET")
    # The last of the tries may meet the connection that was just cut, rather than its own short answer.
    with pytest.raises(UnavailableError, match="(cut short|connection was cut).*try again") as caught:
        READS[read](storage)
    assert caught.value.errno == errno.ECONNRESET
    proxy.always(None)
    assert storage["key"] == b"x" * 1000


def test_a_body_that_was_changed_on_the_way_is_never_a_value(make: Make, proxy: Proxy) -> None:
    storage = make()
    storage["key"] = b"x" * 1000
    proxy.always(Flip(), when=lambda request: request.method == "GET")
    with pytest.raises(IntegrityError, match="does not match its checksum"):
        storage["key"]


def test_a_stream_that_is_cut_goes_on(make: Make, proxy: Proxy) -> None:
    storage = make()
    data = bytes(range(256)) * 4000
    storage["key"] = data
    proxy.does(Cut(300_000), Cut(300_000), when=lambda request: request.method == "GET")
    with storage.open_read("key") as file:
        assert file.read() == data
    asked = [request.headers.get("range") for request in proxy.seen[-3:]]
    assert asked == [None, "bytes=300000-", "bytes=600000-"]


def test_a_stream_that_was_replaced_does_not_go_on(make: Make, proxy: Proxy) -> None:
    storage = make()
    for change in (lambda: storage.__setitem__("key", b"b" * 900_000), lambda: storage.__delitem__("key")):
        storage["key"] = b"a" * 1_000_000
        proxy.does(Cut(300_000), when=lambda request: request.method == "GET")
        with storage.open_read("key") as file:
            assert file.read(10) == b"a" * 10
            change()
            with pytest.raises(UnavailableError, match="is not what it was.*read it anew"):
                file.read()


def test_a_stream_of_a_server_that_is_gone_ends(make: Make, proxy: Proxy) -> None:
    storage = make()
    storage["key"] = b"a" * 1_000_000
    proxy.always(Cut(0), when=lambda request: "range" in request.headers)
    first = proxy.rule
    proxy.rule = lambda request: first(request) or (Cut(300_000) if request.method == "GET" else None)
    with storage.open_read("key") as file, pytest.raises(UnavailableError, match="cut short"):
        file.read()


def test_nobody_answers_and_then_somebody_does(make: Make, s3_server: S3Server, s3_client: Any) -> None:
    port = servers.free_port()
    storage = make(url=f"http://127.0.0.1:{port}")
    for use in (lambda: storage["key"], lambda: storage.capabilities, lambda: "key" in storage):
        with pytest.raises(UnavailableError, match="nobody answers there.*endpoint_url") as caught:
            use()
        assert caught.value.errno == errno.ECONNREFUSED
    with proxied(s3_server.url) as proxy:
        again = make(url=proxy.url)
        again["key"] = b"value"
        assert Capability.ADD in again.capabilities
    with pytest.raises(UnavailableError):  # it has gone away, with the connection that was kept
        again["key"]


def test_a_slow_server_is_not_waited_for_longer_than_told(make: Make) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        storage = make(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with pytest.raises(UnavailableError, match="did not come in time") as caught:
            storage["key"]
    assert caught.value.errno == errno.ETIMEDOUT


# -------------------------------------------------------------------- answers that are lost


def test_an_add_whose_answer_was_lost_is_known_again(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2)
    assert Capability.ADD in storage.capabilities
    proxy.does(Lose(), when=lambda request: request.method == "PUT")
    assert storage.add("key", b"mine") is True
    proxy.does(Lose(), when=lambda request: request.method == "PUT")
    assert storage.add("key", b"other") is False
    assert storage["key"] == b"mine"


def test_a_swap_whose_answer_was_lost_is_known_again(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2)
    storage["key"] = b"old"
    assert Capability.SWAP in storage.capabilities
    proxy.does(Lose(), when=lambda request: request.method == "PUT")
    assert storage.swap("key", b"old", b"new") is True
    assert storage["key"] == b"new"


def test_a_count_whose_answer_was_lost_counts_once(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2, codec="json")
    assert storage.incr("key") == 1
    proxy.does(Lose(), when=lambda request: request.method == "PUT")
    assert storage.incr("key") == 2
    assert storage["key"] == 2


def test_a_removal_whose_answer_was_lost_is_a_removal(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2)
    storage["key"] = b"value"
    proxy.does(Lose(), when=lambda request: request.method == "DELETE")
    del storage["key"]
    assert "key" not in storage


def test_a_lock_whose_answer_was_lost_is_held(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2)
    assert Capability.LOCK in storage.capabilities
    proxy.does(Lose(), when=lambda request: request.method == "PUT")
    with storage.lock("name", 10, timeout=0), pytest.raises(TimeoutError):
        storage.lock("name", 10, timeout=0).__enter__()
    proxy.does(Lose(), when=lambda request: request.method == "DELETE")
    with storage.lock("name", 10, timeout=0):
        pass
    with storage.lock("name", 10, timeout=0):
        pass


def test_a_request_that_is_throttled_once_is_sent_again(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2)
    proxy.does(Answer(503, "SlowDown"))
    storage["key"] = b"value"
    assert storage["key"] == b"value"


# -------------------------------------------------------------------- conditions


@pytest.mark.parametrize("header", ["if-none-match", "if-match"])
def test_a_server_that_ignores_a_condition_is_found_out_once(make: Make, proxy: Proxy, header: str) -> None:
    proxy.always(Strip((header,)))
    storage = make(codec="json")
    proxy.seen.clear()
    lacks = Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK
    assert not storage.capabilities & lacks
    tried = len(proxy.seen)
    assert tried <= 8
    assert not storage.capabilities & lacks
    assert len(proxy.seen) == tried
    uses: list[Callable[[], object]] = [
        lambda: storage.add("key", 1),
        lambda: storage.swap("key", 1, 2),
        lambda: storage.incr("key"),
        lambda: storage.lock("key", 5),
    ]
    for use in uses:
        with pytest.raises(NotImplementedError, match="lacks Capability.*ignores If-"):
            use()
    assert len(proxy.seen) == tried
    # What does not need a condition works, and what was tried with is gone.
    storage.set("key", [1], ttl=100)
    storage.expire("key", 50)
    assert storage.pop("key") == [1]
    client = storage._bucket.clients.get()
    assert "Contents" not in client.list_objects_v2(Bucket=storage._bucket.name)


@pytest.mark.parametrize("header", ["if-none-match", "if-match"])
def test_a_server_that_does_not_know_a_condition_is_found_out(make: Make, proxy: Proxy, header: str) -> None:
    proxy.always(Answer(501, "NotImplemented"), when=lambda request: header in request.headers)
    storage = make()
    assert Capability.ADD not in storage.capabilities
    with pytest.raises(NotImplementedError, match=f"(?i)the server does not know {header}$"):
        storage.add("key", b"value")
    storage["key"] = b"value"
    del storage["key"]
    assert "key" not in storage
    with pytest.raises(KeyError):
        del storage["key"]


def test_where_removals_have_no_condition_locks_still_exclude(make: Make, proxy: Proxy) -> None:
    proxy.always(Strip(("if-match",)), when=lambda request: request.method == "DELETE")
    storage = make()
    for _ in range(2):
        with storage.lock("name", 10, timeout=0), pytest.raises(TimeoutError):
            storage.lock("name", 10, timeout=0).__enter__()
    with pytest.raises(ConflictError), storage.lock("name", 0.001, timeout=0):
        storage.lock("name", 10, timeout=5).__enter__()


def test_a_removal_whose_condition_holds_and_is_refused_is_sent_without(make: Make, proxy: Proxy) -> None:
    storage = make()
    storage["key"] = storage["other"] = b"value"
    proxy.always(
        Answer(412, "PreconditionFailed"),
        when=lambda request: request.method == "DELETE" and "if-match" in request.headers,
    )
    del storage["key"]
    assert storage.pop("other") == b"value"
    assert not storage


def test_a_removal_spares_what_was_written_meanwhile(make: Make) -> None:
    storage = make()
    storage["key"] = b"old"
    ((name, _),) = storage._bucket.listed("")
    found = storage._bucket.head(name)
    assert found is not None
    storage["key"] = b"new"
    assert not storage._bucket.delete(name, found.etag)
    assert storage["key"] == b"new"


def test_an_old_boto3_lacks_conditions(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = make()
    members = (
        storage._bucket.clients.get().meta.service_model.operation_model("PutObject").input_shape.members
    )
    monkeypatch.delitem(members, "IfMatch")
    with pytest.raises(NotImplementedError, match="boto3 is too old"):
        storage.add("key", b"value")
    storage["key"] = b"value"


# -------------------------------------------------------------------- parts


def _uploads(storage: S3Storage[Any, Any]) -> list[Any]:
    client = storage._bucket.clients.get()
    found: list[Any] = client.list_multipart_uploads(Bucket=storage._bucket.name).get("Uploads", [])
    return found


PIECE = bytes(9 << 20)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, None])
def test_a_stream_that_fails_leaves_no_parts(make: Make, proxy: Proxy, error: Any) -> None:
    storage = make()
    storage["key"] = b"old"
    if error is None:
        error = UnavailableError
        proxy.always(Answer(500, "InternalError"), when=lambda request: "partNumber=2" in request.path)
    with pytest.raises(error), storage.open_write("key") as file:  # noqa: PT012  what is written is the test
        file.write(PIECE)
        assert len(_uploads(storage)) == 1
        if error is UnavailableError:
            file.write(PIECE)
        raise error
    assert _uploads(storage) == []
    assert storage["key"] == b"old"


def test_parts_that_cannot_be_removed_are_told_of(make: Make, proxy: Proxy) -> None:
    storage = make()
    proxy.always(Answer(500, "InternalError"), when=lambda request: request.method == "DELETE")

    def fail() -> None:
        with storage.open_write("key") as file:
            file.write(PIECE)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        fail()
    assert "could not be removed" in caught.value.__notes__[0]
    assert len(_uploads(storage)) == 1


def test_an_end_whose_answer_was_lost_is_known_again(make: Make, proxy: Proxy) -> None:
    storage = make(attempts=2)
    proxy.does(Lose(), when=lambda request: request.method == "POST" and "uploadId" in request.path)
    _stream(storage, PIECE)
    assert storage["key"] == PIECE


def test_errors_are_ours_and_can_be_pickled(make: Make, proxy: Proxy) -> None:
    import pickle

    storage = make()
    proxy.always(Answer(403, "AccessDenied"))
    with pytest.raises(StorageError) as caught:
        storage["key"]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.errno, again.key) == (str(caught.value), errno.EACCES, "key")
    assert "SKTESTS" not in str(again)
