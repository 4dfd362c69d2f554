"""S3Storage: arguments, clients, what lies in the bucket, and the use case of the original's README."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import pystorage
from pystorage import S3Storage, S3StorageService, StorageProvider
from pystorage.codecs import PickleCodec, SignedCodec
from pystorage.errors import DecodeError, MissingDependencyError, StorageProviderError, UnavailableError
from pystorage.storage import Capability
from pystorage.stores import _s3streams
from pystorage.testing import FakeClock
from pystorage.testing.parallel import FORKS, Child
from tests.servers.s3 import S3Server


@pytest.fixture
def bucket(s3_client: Any) -> str:
    name = f"tests-{uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def storage(s3_client: Any, bucket: str) -> S3Storage[Any, Any]:
    return S3Storage(bucket, "app", client=s3_client, codec="json", timer=FakeClock(1000.0))


def test_files_on_s3_as_the_original_shows(
    s3_server: S3Server, s3_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    monkeypatch.chdir(tmp_path)
    s3_client.create_bucket(Bucket="my.bucket")
    Path("test.html").write_bytes(b"<html>\xff</html>")
    storage = StorageProvider().create(StorageProvider.STORAGE_S3, bucket="my.bucket", folder="some/folder/")
    with open("test.html", "rb") as fp:
        storage["test.html"] = fp.read()
    assert "test.html" in storage
    with open("test_download.html", "wb") as fp:
        fp.write(storage["test.html"])
    assert Path("test_download.html").read_bytes() == b"<html>\xff</html>"
    assert s3_client.get_object(Bucket="my.bucket", Key="some/folder/test.html")["ContentLength"] == 14
    del storage["test.html"]
    with pytest.raises(KeyError) as caught:
        storage["test.html"]
    assert caught.value.args == ("test.html",)
    storage.close()


# -------------------------------------------------------------------- what lies there


def test_objects_are_plain(storage: S3Storage[Any, Any], s3_client: Any, bucket: str) -> None:
    storage["some_key"] = {"text": "Hello World!"}
    storage["a/b"] = storage[7] = 1
    storage.set("lives", 2, ttl=60)
    names = [one["Key"] for one in s3_client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert names == ["app/%i7", "app/a%2Fb", "app/lives", "app/some_key"]
    found = s3_client.get_object(Bucket=bucket, Key="app/some_key")
    assert found["Body"].read() == b'{"text": "Hello World!"}'
    assert (found["ContentType"], found["Metadata"]) == ("application/json", {})
    assert s3_client.head_object(Bucket=bucket, Key="app/lives")["Metadata"] == {
        "pystorage-deadline": "1060.0"
    }


@pytest.mark.parametrize(
    "codec, content_type",
    [
        ("bytes", "application/octet-stream"),
        ("text", "text/plain; charset=utf-8"),
        ("json+gzip", "application/gzip"),
    ],
)
def test_the_content_type_is_that_of_the_codec(
    s3_client: Any, bucket: str, codec: str, content_type: str
) -> None:
    storage: S3Storage[str, Any] = S3Storage(bucket, client=s3_client, codec=codec)
    storage["key"] = b"x" if codec == "bytes" else "x"
    assert s3_client.head_object(Bucket=bucket, Key="key")["ContentType"] == content_type


def test_objects_of_others_are_not_seen(storage: S3Storage[Any, Any], s3_client: Any, bucket: str) -> None:
    for key in ("app/", "app/two words", "app/below/key", "app/%zz", "appendix", "app", "app/%pystorage/x"):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"1")
    assert not storage
    assert list(storage) == list(storage.scan("")) == []
    storage.update({"a": 1})
    storage.clear()
    assert storage.stats().size == storage.purge() == 0
    assert s3_client.list_objects_v2(Bucket=bucket)["KeyCount"] == 7


def test_a_deadline_that_others_wrote_wrongly_is_damage(
    storage: S3Storage[Any, Any], s3_client: Any, bucket: str
) -> None:
    storage.set("key", 1, ttl=60)
    data = bytearray(s3_client.get_object(Bucket=bucket, Key="app/key")["Body"].read())
    data[12] ^= 1
    s3_client.put_object(Bucket=bucket, Key="app/key", Body=bytes(data))
    with pytest.raises(DecodeError, match="header is damaged"):
        storage["key"]
    assert "key" in storage


@pytest.mark.parametrize("prefix", ["", ".", "..", "a.", "x" * 90, "x" * 150, "é", "%", "con"])
def test_scans_are_of_the_prefix(storage: S3Storage[Any, Any], prefix: str) -> None:
    keys = [".", "..", ".a", "..b", "a.", "a.b", "a", "con", "x" * 100, "x" * 2000, "é" * 400, "%", 5]
    storage.set_many(dict.fromkeys(keys, 1))
    assert set(storage.scan(prefix)) == {
        key for key in keys if isinstance(key, str) and key.startswith(prefix)
    }


# -------------------------------------------------------------------- streams


def test_parts_grow_so_that_ten_thousand_suffice(
    s3_client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S3 takes no part but the last below 5 MiB, so that the growth is tried by looking at sizes alone.
    monkeypatch.setattr(_s3streams, "_PARTS_OF_ONE_SIZE", 1)
    sizes = []
    storage: S3Storage[str, bytes] = S3Storage(bucket, client=s3_client)
    send = _s3streams.ObjectWriter._send_part

    def counted(self: Any) -> None:
        sizes.append(len(self._buffer))
        send(self)

    monkeypatch.setattr(_s3streams.ObjectWriter, "_send_part", counted)
    with storage.open_write("key") as file:
        for _ in range(25):
            file.write(b"x" * (1 << 20))
    assert sizes == [8 << 20, 16 << 20, 1 << 20]
    with storage.open_read("key") as file:
        assert len(file.read()) == 25 << 20
    assert sum((8 << 20) << (number // 1000) for number in range(10_000)) > 5 << 40


def test_a_stream_that_looks_like_a_header(s3_client: Any, bucket: str) -> None:
    storage: S3Storage[str, bytes] = S3Storage(bucket, client=s3_client)
    for data in (b"\x8fPyS", b"\x8fPyS" * (3 << 20)):
        with storage.open_write("key") as file:
            file.write(data)
        assert storage["key"] == data
        with storage.open_read("key") as file:
            assert file.read() == data


# -------------------------------------------------------------------- clients


@pytest.fixture
def environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    return s3_server


class Factory:
    """A function that makes clients, as a module's would, and counts them."""

    made = 0

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self) -> Any:
        Factory.made += 1
        return S3Server(self.url).client()


def test_a_function_that_makes_clients(s3_server: S3Server, bucket: str) -> None:
    before = Factory.made
    storage: S3Storage[str, bytes] = S3Storage(bucket, client=Factory(s3_server.url))
    assert Factory.made == before
    storage["key"] = b"value"
    assert storage["key"] == b"value"
    assert Factory.made == before + 1
    other = pickle.loads(pickle.dumps(storage))
    assert other["key"] == b"value"
    assert Factory.made == before + 2
    storage.close()
    other.close()


def test_a_pickle_finds_credentials_where_it_is_loaded(
    environment: S3Server, s3_client: Any, bucket: str
) -> None:
    storage: S3Storage[str, bytes] = S3Storage(bucket, "app", client=s3_client)
    storage["key"] = b"value"
    pickled = pickle.dumps(storage)
    assert environment.secret_key.encode() not in pickled
    assert environment.access_key.encode() not in pickled
    other = pickle.loads(pickled)
    assert repr(other) == repr(storage)
    assert other["key"] == b"value"
    other.close()
    assert copy.copy(storage)._bucket.clients.get() is s3_client


@pytest.mark.skipif(not FORKS, reason="this system does not fork")
@pytest.mark.parametrize("own", [True, False])
def test_a_child_has_connections_of_its_own(
    environment: S3Server, s3_client: Any, bucket: str, own: bool
) -> None:
    storage: S3Storage[str, bytes] = S3Storage(bucket, client=None if own else s3_client)
    storage["key"] = b"parent"

    def child() -> bool:
        before = storage._bucket.clients._client
        pool = before._endpoint.http_session._manager
        storage["key"] = b"child"
        now = storage._bucket.clients.get()
        return (now is not before) is own and now._endpoint.http_session._manager is not pool

    with Child(child) as process:
        assert process.result()
    assert storage["key"] == b"child"
    storage.close()


def test_nothing_is_asked_before_it_is_needed() -> None:
    storage: S3Storage[str, bytes] = S3Storage("bucket", endpoint_url="http://127.0.0.1:1")
    assert repr(storage) == "S3Storage('bucket', endpoint_url='http://127.0.0.1:1', codec=BytesCodec())"
    storage.close()
    assert Capability.ADD not in storage.capabilities


def test_without_boto3_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pystorage\[s3\]'"):
        S3Storage("bucket")


def test_no_credentials_are_told(bucket: str, environment: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    storage: S3Storage[str, bytes] = S3Storage(bucket)
    with pytest.raises(UnavailableError, match="there are no credentials.*environment, the profile"):
        storage["key"]
    storage.close()


# -------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    "arguments, options, error",
    [
        (("",), {}, ValueError),
        ((5,), {}, TypeError),
        (("bucket", 5), {}, TypeError),
        (("bucket", "a//b"), {}, ValueError),
        (("bucket", "../a"), {}, ValueError),
        (("bucket", "a\nb"), {}, ValueError),
        (("bucket", "%pystorage"), {}, ValueError),
        (("bucket", "x" * 900), {}, ValueError),
        (("bucket",), {"timer": 5}, TypeError),
        (("bucket",), {"codec": "jsn"}, StorageProviderError),
        (("bucket",), {"codec": "pickle"}, ValueError),
        (("bucket",), {"endpoint_url": "http://me:hunter2@host"}, ValueError),
        (("bucket",), {"endpoint_url": "localhost:9000"}, ValueError),
    ],
)
def test_bad_arguments_are_refused(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        S3Storage(*arguments, **options)
    assert "hunter2" not in str(caught.value)


def test_a_client_has_its_own_region_and_server(s3_client: Any) -> None:
    for options in ({"region": "eu-west-1"}, {"endpoint_url": "http://elsewhere"}):
        with pytest.raises(ValueError, match="the client's own"):
            S3Storage("bucket", client=s3_client, **options)  # type: ignore[arg-type]


def test_pickles_must_be_signed(s3_client: Any, bucket: str) -> None:
    codec = PickleCodec() | SignedCodec(b"k" * 32, audience="tests")
    signed: S3Storage[str, set[int]] = S3Storage(bucket, client=s3_client, codec=codec)
    signed["key"] = {1}
    assert signed["key"] == {1}
    trusting: S3Storage[str, Any] = S3Storage(bucket, client=s3_client, codec="pickle", trust=True)
    assert "trust=True" in repr(trusting)
    trusting["key"] = {2}
    with pytest.raises(DecodeError):
        signed["key"]


@pytest.mark.parametrize("folder", ["some/folder", "some/folder/", "/some/folder"])
def test_folders_are_one_with_or_without_slashes(s3_client: Any, bucket: str, folder: str) -> None:
    S3Storage(bucket, folder, client=s3_client)["key"] = b"value"
    assert s3_client.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "some/folder/key"


def test_by_url(environment: S3Server, bucket: str) -> None:
    url = f"s3://{bucket}/app/?endpoint_url={environment.url}&region=us-east-1&codec=json"
    with pystorage.open(url) as storage:
        storage["key"] = [1]
        assert repr(storage) == (
            f"S3Storage('{bucket}', 'app/', region='us-east-1', endpoint_url='{environment.url}', "
            "codec=JSONCodec())"
        )
    for wrong in ("s3:", "s3:///folder", "s3://me:hunter2@bucket/", "s3://bucket/?bucket=x"):
        with pytest.raises(StorageProviderError) as caught:
            pystorage.open(wrong)
        assert "hunter2" not in str(caught.value)


def test_the_service_holds_bytes(environment: S3Server, bucket: str) -> None:
    with S3StorageService(bucket, "app", "us-east-1", endpoint_url=environment.url) as service:
        service["key"] = b"\0\xff"
        assert service["key"] == b"\0\xff"
        again = pickle.loads(pickle.dumps(service))
        assert type(again) is S3StorageService
        assert again["key"] == b"\0\xff"
        again.close()
