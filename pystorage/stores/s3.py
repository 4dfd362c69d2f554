"""S3Storage: a folder of a bucket of S3, or of a server like it, with one object for each entry."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, BinaryIO, ClassVar, Final, NoReturn, cast

from pystorage._arguments import check_timer, checked_lock_ttl
from pystorage._sync import Lease
from pystorage._typevars import K, V
from pystorage.bytestorage import ByteStorage
from pystorage.codecs import Codec, header, holds_integers, resolve_codec
from pystorage.errors import (
    CapacityError,
    ConflictError,
    DecodeError,
    IntegrityError,
    InvalidKeyError,
    StorageError,
    StorageProviderError,
    UnsupportedOperation,
)
from pystorage.naming import ObjectNaming
from pystorage.storage import ABSENT, Capability, Stats, Timer, checked_ttl, pairs
from pystorage.stores._many import at_once
from pystorage.stores._s3bucket import BATCH, Bucket, Conditions
from pystorage.stores._s3client import THREADS, Clients
from pystorage.stores._s3errors import Damaged, Denied, NoObject, S3Fault, TooLarge
from pystorage.stores._s3leases import ObjectLeases
from pystorage.stores._s3place import LONGEST_KEY, checked_folder, content_type, endpoint_of
from pystorage.stores._s3streams import ObjectReader, ObjectWriter
from pystorage.stores._trust import refuse_bare_pickles
from pystorage.urls import StorageURL, flag, without_secrets

_BUFFER: Final = 1 << 17
_ATTEMPTS: Final = 1000
_LONGEST_NAME: Final = 900
_PREFIX: Final = 100  # characters of a key that every name has
_DEADLINE: Final = "pystorage-deadline"
_CAPABILITIES: Final = (
    Capability.BULK | Capability.TTL | Capability.SCAN | Capability.PERSISTENT | Capability.SHARED
)
_CONDITIONAL: Final = Capability.ADD | Capability.SWAP | Capability.INCR | Capability.LOCK


class S3Storage(ByteStorage[K, V]):
    """A folder of an S3 bucket with one object for each entry, shared by any number of machines.

    The entry of a plain key is the object ``{folder}/{key}``; other keys are escaped so that no two share an
    object and none leaves the folder. Objects of folders below are other storages'. No read gives what has
    expired, but ``len``, ``scan`` and iteration, which are made of listings alone, may show it until
    ``purge``. A deadline stands before the value and, for others to see, in the object's metadata.

    ``add``, ``swap``, ``incr`` and ``lock`` are made of conditional writes. Whether the server really keeps
    the conditions is tried once, when ``capabilities`` is first asked for; one that does not lacks these.

    Args:
        bucket: The bucket.
        folder: The folder in it, such as ``"some/folder/"``; empty is the whole top of the bucket.
        client: A boto3 client for S3, or a function that makes one; None makes one from ``region``,
            ``endpoint_url`` and what boto3 finds in the environment.
        region: The bucket's region; None is what boto3 finds, or the client's.
        endpoint_url: The server, if it is not Amazon's; without user and password.
        create_bucket: Whether a missing bucket is made.
        codec: How values become bytes: a codec or its name; None is bytes as they are.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        trust: Load pickles, which whoever may write to the bucket can make run any code here.

    Raises:
        MissingDependencyError: boto3 is not installed.
        StorageProviderError: There is no codec of that name.
        TypeError: An argument is of a wrong type, or the codec's names are in an order that cannot work.
        ValueError: An argument is out of its range, or pickles are neither signed nor encrypted.

    Cost: a read or a write is one request, ``in`` one without the value, ``del`` two; ``get_many`` and
        ``set_many`` send sixteen at a time, ``delete_many`` looks at the keys so and removes a thousand a
        request; ``len`` and iteration are one for each thousand keys; ``add`` one or two, ``swap`` and
        ``incr`` two; ``purge`` looks at every object.
    Threads: any number.
    Processes: any number, on machines whose clocks agree. A forked child opens connections of its own. A
        pickle holds neither client nor credentials: where it is loaded, a client is made, or the function
        called that was given for one.

    Example:
        >>> storage = S3Storage("bucket", "some/folder", region="eu-west-1", codec="json")
        >>> storage
        S3Storage('bucket', 'some/folder/', region='eu-west-1', codec=JSONCodec())
        >>> storage.close()
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "region": str,
        "endpoint_url": str,
        "create_bucket": flag,
        "codec": str,
        "trust": flag,
    }

    def __init__(
        self,
        bucket: str,
        folder: str = "",
        *,
        client: Any = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        create_bucket: bool = False,
        codec: Codec | str | None = None,
        timer: Timer = time.time,
        trust: bool = False,
    ) -> None:
        codec = resolve_codec(codec, "bytes")
        folder = checked_folder(bucket, folder)
        if endpoint_url is not None and without_secrets(endpoint_url) != endpoint_url:
            raise ValueError(
                "endpoint_url must be a server alone, without user, password and options; credentials are "
                "given where boto3 looks for them"
            )
        if endpoint_url is not None and not endpoint_url.lower().startswith(("http://", "https://")):
            raise ValueError(f"endpoint_url must begin with http:// or https://, not {endpoint_url!r}")
        check_timer(timer)
        refuse_bare_pickles(codec, trust, "a bucket")
        if client is not None and not callable(client):
            theirs = client.meta.region_name, endpoint_of(client)
            if (region or theirs[0], endpoint_url or theirs[1]) != theirs:
                raise ValueError(
                    f"region and endpoint_url are the client's own, {theirs[0]!r} and {theirs[1]!r}: leave "
                    "them out, or let the client be made from them"
                )
            region, endpoint_url = theirs
        self._state: dict[str, Any] = {
            "bucket": bucket,
            "folder": folder,
            "client": client,
            "region": region,
            "endpoint_url": endpoint_url,
            "create_bucket": create_bucket,
            "codec": codec,
            "timer": timer,
            "trust": trust,
        }
        naming = ObjectNaming(max_length=min(_LONGEST_NAME, LONGEST_KEY - len(folder.encode())))
        super().__init__(codec, naming, timer)
        self._bucket = Bucket(Clients(client, region, endpoint_url), bucket, folder, create_bucket)
        self._conditions: Conditions | None = None
        self._type = content_type(codec)

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        if not url.host or "@" in url.host or ":" in url.host:
            raise StorageProviderError(
                f"{url.scheme}: URLs name a bucket and a folder, as in {url.scheme}://bucket/some/folder; "
                "the server is the option endpoint_url, and credentials are given where boto3 looks for them"
            )
        return (url.host, url.path)

    # ------------------------------------------------------------------ conditions

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """What is native here, as far as the server keeps conditions.

        Raises:
            UnavailableError: The server did not answer when it was tried.

        Cost: six requests for the first time; then none.
        """
        found = _CAPABILITIES
        if self._codec.streams:
            found |= Capability.STREAM
        if self._kept.writes:
            found |= Capability.ADD | Capability.SWAP | Capability.LOCK
            if holds_integers(self._codec):
                found |= Capability.INCR
        return found

    @property
    def _kept(self) -> Conditions:
        """The conditions that the server keeps."""
        if self._conditions is None:
            if self._closed:
                return Conditions(False, False, "it was closed")
            try:
                self._conditions = self._bucket.conditions()
            except Denied as denied:
                return Conditions(False, False, f"its conditions may not be tried: {denied.why}")
            except S3Fault as fault:
                self._fail("try the conditions of the server", ABSENT, fault)
        return self._conditions

    def _unsupported(self, what: str, capability: str | None = None) -> UnsupportedOperation:
        error = super()._unsupported(what, capability)
        if capability is not None and Capability[capability] in _CONDITIONAL and not self._kept.writes:
            error.message = f"{error.message}, as {self._kept.why_not}"
        return error

    # ------------------------------------------------------------------ primitives

    def _read(self, name: str) -> bytes | None:
        found = self._bucket.get(name)
        return None if found is None else found.data

    def _write(self, name: str, data: bytes) -> None:
        self._bucket.put(name, data, _beside(data), self._type)

    def _write_if(self, name: str, expected: bytes | None, data: bytes) -> bool:
        found = self._bucket.get(name)
        if (None if found is None else found.data) != expected:
            return False
        return self._replace(name, data, None if found is None else found.etag)

    def _replace(self, name: str, data: bytes, etag: str | None) -> bool:
        """Write on condition where the server can; else just write, as nothing is declared there."""
        if self._kept.writes:
            return self._bucket.put_if(name, data, _beside(data), self._type, etag)
        self._write(name, data)
        return True

    def _remove(self, name: str) -> bool:
        found = self._bucket.begin(name, 1)
        return found is not None and self._bucket.delete(name, found.etag)

    def _remove_if(self, name: str, head: bytes) -> None:
        found = self._bucket.begin(name, max(1, len(head)))
        if found is not None and found.data.startswith(head):
            self._bucket.delete(name, found.etag)

    def _head(self, name: str, size: int = header.USUAL_SIZE) -> bytes | None:
        found = self._bucket.begin(name, size)
        return None if found is None else found.data

    def _names(self, prefix: str) -> list[str]:
        try:
            start = self._naming.name(prefix) if prefix.strip(".") else ""
        except InvalidKeyError:
            return []
        # A name that is too long has these characters of the key, and then a digest.
        return [name for name, _ in self._bucket.listed(start[:_PREFIX])]

    def _may_expire(self) -> bool:
        return False  # as far as listings can tell

    def _rewrite(
        self, tried: str, key: object, place: str, change: Callable[[bytes | None], bytes | None]
    ) -> bool:
        try:
            for _ in range(_ATTEMPTS):
                found = self._bucket.get(place)
                changed = change(None if found is None else found.data)
                if changed is None:
                    return False
                if self._replace(place, changed, None if found is None else found.etag):
                    return True
        except OSError as error:
            self._fail(tried, key, error)
        raise self._error(
            ConflictError, tried, key, f"others wrote it {_ATTEMPTS} times meanwhile", "try again"
        )

    # ------------------------------------------------------------------ one key

    def _living(self, key: object, name: str, place: str) -> str:
        """Give the version of an entry that is alive."""
        found = self._bucket.begin(place, header.USUAL_SIZE)
        if found is None:
            raise KeyError(key)
        try:
            deadline = header.read(found.data).deadline
        except header.Truncated:  # a very long key
            deadline = self._live_header(key, name, place).deadline
        except DecodeError:  # what cannot be read is there all the same
            return found.etag
        if deadline is not None and self._timer() >= deadline:
            self._expire(place, found.data)
            raise KeyError(key)
        return found.etag

    def __delitem__(self, key: K) -> None:
        name, place = self._read_name(key)
        try:
            for _ in range(_ATTEMPTS):
                if self._bucket.delete(place, self._living(key, name, place)):
                    return
        except OSError as error:
            self._fail("delete", key, error)
        raise self._error(ConflictError, "delete", key, f"others wrote it {_ATTEMPTS} times", "try again")

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        seconds = checked_ttl(ttl)
        name, place = self._write_name(key)
        if Capability.ADD in self.capabilities:
            packed = self._packed(key, value, name, place, self._deadline(seconds))
            try:
                if self._bucket.put_if(place, packed, _beside(packed), self._type, None):
                    return True
                self._living(key, name, place)
                return False
            except KeyError:  # it has expired, or was removed in this moment
                pass
            except OSError as error:
                self._fail("add", key, error)
        return super().add(key, value, ttl=ttl)

    # ------------------------------------------------------------------ many keys

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        wanted = list(dict.fromkeys(keys))
        values = at_once(lambda key: self.get(key, ABSENT), wanted, THREADS)
        return {key: cast(V, value) for key, value in zip(wanted, values, strict=True) if value is not ABSENT}

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        seconds = checked_ttl(ttl)
        entries = dict(pairs(items))
        for key in entries:
            self._write_name(key)  # so that what cannot be a key is refused before anything is written
        at_once(lambda entry: self._put(*entry, seconds), list(entries.items()), THREADS)

    def delete_many(self, keys: Iterable[K]) -> int:
        there = at_once(self._place_of_living, list(dict.fromkeys(keys)), THREADS)
        places = list(dict.fromkeys(place for place in there if place is not None))
        self._delete_all("delete", places)
        return len(places)

    def _place_of_living(self, key: K) -> str | None:
        try:
            name, place = self._read_name(key)
            self._living(key, name, place)
        except KeyError:
            return None
        except OSError as error:
            self._fail("delete", key, error)
        return place

    def _delete_all(self, tried: str, places: list[str]) -> None:
        try:
            for start in range(0, len(places), BATCH):
                self._bucket.delete_batch(places[start : start + BATCH])
        except OSError as error:
            self._fail(tried, ABSENT, error)

    def clear(self) -> None:
        self._delete_all("clear", self._places())

    def purge(self) -> int:
        return sum(at_once(self._purged, self._places(), THREADS))

    def _purged(self, place: str) -> bool:
        try:
            found = self._header(place)
            if found is None or found[0].deadline is None or self._timer() < found[0].deadline:
                return False
            self._remove_if(place, found[1][: header.USUAL_SIZE])
            return True
        except OSError as error:
            self._fail("purge: remove", place, error)

    # ------------------------------------------------------------------ locks, streams

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        seconds = checked_lock_ttl(ttl, timeout)
        name = self._write_name(key)[0]
        if not self._kept.writes:
            return super().lock(key, ttl, timeout=timeout)
        failed = partial(self._lock_failed, key)
        leases = ObjectLeases(self._bucket, self._kept.deletes, self._timer, failed)
        return leases.held(name, seconds, timeout, repr(self))

    def _lock_failed(self, key: object, _: str, error: OSError) -> NoReturn:
        self._fail("lock", key, error)

    def open_read(self, key: K) -> BinaryIO:
        if not self._codec.streams:
            return super().open_read(key)
        name, place = self._read_name(key)
        try:
            file = ObjectReader(self._bucket, place, partial(self._fail, "read", key))
        except NoObject:
            raise KeyError(key) from None
        except OSError as error:
            self._fail("open", key, error)
        try:
            head = file.skip_header()
            self._check_name(key, name, place, head)
            if head.deadline is not None and self._timer() >= head.deadline:
                raise KeyError(key)
            return self._codec.reader(cast(BinaryIO, io.BufferedReader(file, _BUFFER)))
        except BaseException as error:
            file.close()
            if isinstance(error, DecodeError) and not isinstance(error, IntegrityError):
                why = "the bytes are left where they are"
                raise self._error(DecodeError, "open", key, error, why) from error
            if isinstance(error, OSError):
                self._fail("open", key, error)
            raise

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        """Open a value of bytes for writing; it is visible only after a clean exit.

        Args:
            key: The key.
            ttl: Seconds that it lives, > 0; None is for ever. They count from the end, or where the value has
                more than 8 MiB from the first 8 MiB on, as S3 takes the deadline with the first part.

        Returns:
            A context manager that gives a binary file. Left by an exception, nothing is written.

        Raises:
            StorageError: As ``set`` does, on leaving.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: memory of one part, which are 8 MiB and more where there are more than a thousand; a request
            for each part and two more.
        """
        if not self._codec.streams:
            return super().open_write(key, ttl=ttl)
        seconds = checked_ttl(ttl)
        return self._stream(key, *self._write_name(key), seconds)

    @contextmanager
    def _stream(self, key: K, name: str, place: str, ttl: float | None) -> Iterator[BinaryIO]:
        def begin(first: bytes) -> tuple[bytes, Mapping[str, str]]:
            entry = header.pack(first, deadline=self._deadline(ttl), name=None if name == place else name)
            return entry.removesuffix(first), _beside(entry)

        raw = ObjectWriter(self._bucket, place, begin, self._type, partial(self._fail, "write", key))
        buffer = io.BufferedWriter(raw, _BUFFER)
        file = self._codec.writer(cast(BinaryIO, buffer))
        try:
            yield file
            file.close()
            if not buffer.closed:
                buffer.flush()
            raw.finish()
        except BaseException as error:
            raw.discard(error)  # so that closing what is above it writes nothing more
            file.close()
            buffer.close()
            if isinstance(error, S3Fault):
                self._fail("write", key, error)
            raise

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Count the entries and their bytes.

        Returns:
            ``size`` and ``bytes``, both of what lies there, expired entries among it; the rest is None.

        Raises:
            UnavailableError: The folder cannot be listed.

        Cost: that of ``len``.
        """
        self._check_open()
        try:
            sizes = [size for name, size in self._bucket.listed("") if self._is_ours(name)]
        except OSError as error:
            self._fail("list the keys", ABSENT, error)
        return Stats(size=len(sizes), bytes=sum(sizes))

    def _is_ours(self, place: str) -> bool:
        return self._naming.is_shortened(place) or self._key_at(place) is not ABSENT

    def __bool__(self) -> bool:
        self._check_open()
        try:
            names = (name for name, _ in self._bucket.listed(""))
            return next(self._alive(names, ""), ABSENT) is not ABSENT
        except OSError as error:
            self._fail("list the keys", ABSENT, error)

    def close(self) -> None:
        super().close()
        self._bucket.clients.close()

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        if isinstance(error, (Damaged, TooLarge)):
            kind: type[StorageError] = IntegrityError if isinstance(error, Damaged) else CapacityError
            raise self._error(kind, tried, key, *self._reason(error)) from error
        super()._fail(tried, key, error)

    def _reason(self, error: OSError) -> tuple[str, str]:
        if isinstance(error, S3Fault):
            return error.why, error.todo
        return super()._reason(error)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self._state)
        if not callable(state["client"]):
            del state["client"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        S3Storage.__init__(self, **state)

    def __copy__(self) -> S3Storage[K, V]:
        other = object.__new__(type(self))
        S3Storage.__init__(other, **self._state)
        return other

    def __deepcopy__(self, _: object) -> S3Storage[K, V]:
        return self.__copy__()

    def __repr__(self) -> str:
        state = self._state
        settings = [repr(state["bucket"])]
        if state["folder"]:
            settings.append(repr(state["folder"]))
        settings += [f"{name}={state[name]!r}" for name in ("region", "endpoint_url") if state[name]]
        settings += [f"{name}=True" for name in ("create_bucket", "trust") if state[name]]
        return f"{type(self).__name__}({', '.join(settings)}, codec={state['codec']!r})"


def _beside(entry: bytes) -> dict[str, str]:
    """Give what stands beside an object, for those who look at it with other programs: the deadline."""
    deadline = header.read(entry).deadline
    return {} if deadline is None else {_DEADLINE: repr(deadline)}
