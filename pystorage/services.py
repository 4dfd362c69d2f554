"""The services: storages with the codec, suffix and place that their names promise, and nothing else."""

from __future__ import annotations

import os
import tempfile
from typing import Any, TypedDict, Unpack

from pystorage._typevars import K, V
from pystorage.codecs import Codec
from pystorage.storage import Storage, Timer
from pystorage.stores._local import Durability
from pystorage.stores.disklru import DiskLRUStorage
from pystorage.stores.file import FileStorage, Layout
from pystorage.stores.memory import LRUStorage
from pystorage.stores.redis import RedisStorage
from pystorage.stores.s3 import S3Storage
from pystorage.wrappers.volatile import VolatileStorage

StorageService = Storage
VolatileStorageService = VolatileStorage

Path = str | os.PathLike[str]


class FileOptions(TypedDict, total=False):
    """What ``FileStorage`` takes besides path, codec and suffix.

    Raises:
        Nothing.
    """

    layout: Layout
    durability: Durability
    mode: int
    timer: Timer
    trust: bool


class DiskLRUOptions(TypedDict, total=False):
    """What ``DiskLRUStorage`` takes besides path, suffix and limit.

    Raises:
        Nothing.
    """

    size_limit: int | None
    codec: Codec | str | None
    durability: Durability
    mode: int
    timer: Timer
    trust: bool


class RedisOptions(TypedDict, total=False):
    """What ``RedisStorage`` takes besides client, URL, prefix, expiration and codec.

    Raises:
        Nothing.
    """

    timer: Timer
    trust: bool


class JSONStorageService(FileStorage[K, V]):
    """A folder of JSON files.

    Args:
        path: The folder; None is the system's temporary one.
        suffix: What the files end in.
        options: More arguments of ``FileStorage``.

    Raises:
        UnavailableError: The folder cannot be made or read.
        DecodeError: The folder was written by a newer pystorage.
        ValueError: An argument is out of its range.

    Cost: as ``FileStorage``.
    Threads: any number.
    Processes: any number.

    Example:
        >>> import tempfile
        >>> storage = JSONStorageService(tempfile.mkdtemp())
        >>> storage["some_key"] = {"text": "Hello World!"}
        >>> storage["some_key"]
        {'text': 'Hello World!'}
    """

    def __init__(
        self, path: Path | None = None, suffix: str = "storage.json", **options: Unpack[FileOptions]
    ) -> None:
        super().__init__(_place(path), codec="json", suffix=suffix, **options)


class PickleStorageService(FileStorage[K, V]):
    """A folder of pickle files, of which it loads none that somebody else may have written.

    Args:
        path: The folder; None is the system's temporary one.
        suffix: What the files end in.
        options: More arguments of ``FileStorage``.

    Raises:
        UnavailableError: The folder cannot be made or read.
        DecodeError: The folder was written by a newer pystorage.
        ValueError: An argument is out of its range.

    Cost: as ``FileStorage``.
    Threads: any number.
    Processes: any number.

    Example:
        >>> import tempfile
        >>> storage = PickleStorageService(tempfile.mkdtemp())
        >>> storage["key"] = {1, 2}
        >>> storage["key"]
        {1, 2}
    """

    def __init__(
        self, path: Path | None = None, suffix: str = "storage.pkl", **options: Unpack[FileOptions]
    ) -> None:
        super().__init__(_place(path), codec="pickle", suffix=suffix, **options)


class GZipPickleStorageService(FileStorage[K, V]):
    """A folder of compressed pickle files, of which it loads none that somebody else may have written.

    Args:
        path: The folder; None is the system's temporary one.
        suffix: What the files end in.
        options: More arguments of ``FileStorage``.

    Raises:
        UnavailableError: The folder cannot be made or read.
        DecodeError: The folder was written by a newer pystorage.
        ValueError: An argument is out of its range.

    Cost: as ``FileStorage``, and the compression.
    Threads: any number.
    Processes: any number.

    Example:
        >>> import tempfile
        >>> storage = GZipPickleStorageService(tempfile.mkdtemp())
        >>> storage["key"] = [0] * 1000
        >>> len(storage["key"]), storage.stats().bytes < 200
        (1000, True)
    """

    def __init__(
        self, path: Path | None = None, suffix: str = "storage.pkl.gz", **options: Unpack[FileOptions]
    ) -> None:
        super().__init__(_place(path), codec="pickle+gzip", suffix=suffix, **options)


class LRUStorageService(LRUStorage[K, V]):
    """A number of values in memory, of which the least recently used makes room.

    Args:
        memory_blocks: How many values, > 0.

    Raises:
        ValueError: It is not a number above 0.

    Cost: as ``LRUStorage``.
    Threads: any number.
    Processes: each has its own.

    Example:
        >>> storage = LRUStorageService(memory_blocks=2)
        >>> storage.update(a=1, b=2, c=3)
        >>> list(storage)
        ['b', 'c']
    """

    __slots__ = ()

    def __init__(self, memory_blocks: int = 10) -> None:
        if isinstance(memory_blocks, bool) or not isinstance(memory_blocks, int) or memory_blocks < 1:
            raise ValueError(f"memory_blocks must be an int of at least 1, not {memory_blocks!r}")
        super().__init__(memory_blocks)


class DiskLRUStorageService(DiskLRUStorage[K, V]):
    """A folder with a number of pickle files, of which the least recently used makes room.

    It loads none that somebody else may have written.

    Args:
        path: The folder; None is the system's temporary one.
        suffix: What the files end in; no other storage's, or they would count.
        limit: How many files, ≥ 1; None is any number.
        options: More arguments of ``DiskLRUStorage``.

    Raises:
        UnavailableError: The folder cannot be made or read.
        DecodeError: The folder was written by a newer pystorage.
        TypeError: A limit is no integer.
        ValueError: An argument is out of its range.

    Cost: as ``DiskLRUStorage``.
    Threads: any number.
    Processes: any number.

    Example:
        >>> import tempfile
        >>> storage = DiskLRUStorageService(tempfile.mkdtemp(), limit=2)
        >>> storage.update(a=1, b=2, c=3)
        >>> list(storage)
        ['b', 'c']
    """

    def __init__(
        self,
        path: Path | None = None,
        suffix: str = "disklru.pkl",
        limit: int | None = 100,
        **options: Unpack[DiskLRUOptions],
    ) -> None:
        super().__init__(path, suffix=suffix, limit=limit, **options)


class RedisStorageService(RedisStorage[K, V]):
    """Texts in Redis.

    Args:
        redis_client: A client of redis-py.
        expiration: Seconds that an entry lives when nobody says how long, > 0; None is for ever.
        url: Where there is no client: a URL, as of ``RedisStorage``.
        prefix: What all its keys begin with.
        options: More arguments of ``RedisStorage``.

    Raises:
        MissingDependencyError: redis-py is not installed (extra ``redis``).
        StorageProviderError: The URL is malformed.
        TypeError: Neither or both of client and URL are given.
        ValueError: The expiration is not above 0.

    Cost: as ``RedisStorage``.
    Threads: any number.
    Processes: any number.

    Example:
        >>> RedisStorageService(url="redis://localhost:6379")
        RedisStorageService('redis://localhost:6379/0', prefix='pystorage:text:', codec=TextCodec())
    """

    def __init__(
        self,
        redis_client: Any = None,
        expiration: float | None = None,
        *,
        url: str | None = None,
        prefix: str = "pystorage:text:",
        **options: Unpack[RedisOptions],
    ) -> None:
        super().__init__(redis_client, url=url, prefix=prefix, expiration=expiration, codec="text", **options)


class RedisJSONStorageService(RedisStorage[K, V]):
    """JSON in Redis.

    Args:
        redis_client: A client of redis-py.
        expiration: Seconds that an entry lives when nobody says how long, > 0; None is for ever.
        url: Where there is no client: a URL, as of ``RedisStorage``.
        prefix: What all its keys begin with.
        options: More arguments of ``RedisStorage``.

    Raises:
        MissingDependencyError: redis-py is not installed (extra ``redis``).
        StorageProviderError: The URL is malformed.
        TypeError: Neither or both of client and URL are given.
        ValueError: The expiration is not above 0.

    Cost: as ``RedisStorage``.
    Threads: any number.
    Processes: any number.

    Example:
        >>> RedisJSONStorageService(url="redis://localhost:6379")
        RedisJSONStorageService('redis://localhost:6379/0', prefix='pystorage:json:', codec=JSONCodec())
    """

    def __init__(
        self,
        redis_client: Any = None,
        expiration: float | None = None,
        *,
        url: str | None = None,
        prefix: str = "pystorage:json:",
        **options: Unpack[RedisOptions],
    ) -> None:
        super().__init__(redis_client, url=url, prefix=prefix, expiration=expiration, codec="json", **options)


class S3StorageService(S3Storage[K, bytes]):
    """A folder of an S3 bucket that holds bytes as they are.

    Args:
        bucket: The bucket.
        folder: The folder in it; empty is the whole top of the bucket.
        region: The bucket's region; None is what boto3 finds, or the client's.
        endpoint_url: The server, if it is not Amazon's.
        client: A boto3 client for S3, or a function that makes one; None makes one.
        create_bucket: Whether a missing bucket is made.

    Raises:
        MissingDependencyError: boto3 is not installed.
        ValueError: An argument is out of its range.

    Cost: as ``S3Storage``.
    Threads: any number.
    Processes: any number.

    Example:
        >>> storage = S3StorageService("my.bucket", "some/folder/", "eu-west-1")
        >>> storage
        S3StorageService('my.bucket', 'some/folder/', region='eu-west-1', codec=BytesCodec())
    """

    def __init__(
        self,
        bucket: str,
        folder: str = "",
        region: str | None = None,
        *,
        endpoint_url: str | None = None,
        client: Any = None,
        create_bucket: bool = False,
    ) -> None:
        super().__init__(
            bucket,
            folder,
            client=client,
            region=region,
            endpoint_url=endpoint_url,
            create_bucket=create_bucket,
            codec="bytes",
        )


def _place(path: Path | None) -> Path:
    return tempfile.gettempdir() if path is None else path
