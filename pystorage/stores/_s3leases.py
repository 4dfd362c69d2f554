"""Leases by small objects that are written on condition."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final, NamedTuple

from pystorage._sync import Leases
from pystorage.naming import OWN
from pystorage.stores._s3bucket import Bucket

_TYPE: Final = "application/json"
# Seconds within which nobody else may take what is deleted.
_MARGIN: Final = 2.0


class _Held(NamedTuple):
    etag: str
    token: str
    deadline: float


class ObjectLeases(Leases):
    """Leases among all that share a folder of a bucket, each a small object.

    Args:
        bucket: The folder; its server writes on condition.
        deletes: Whether it deletes on condition, too.
        timer: The clock of the deadlines, in seconds, the same for all processes.
        failed: Called with the name of a lock and the reason when the bucket fails, to raise what that is to
            the caller.

    Raises:
        Nothing.

    Cost: taking and giving back a lock that is free are three requests.
    Threads: any number.
    Processes: any number, whose clocks agree.
    """

    def __init__(
        self,
        bucket: Bucket,
        deletes: bool,
        timer: Callable[[], float],
        failed: Callable[[str, OSError], object],
    ) -> None:
        self._bucket = bucket
        self._deletes = deletes
        self._timer = timer
        self._failed = failed

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed(name, error)

    def take(self, name: str, token: str, ttl: float) -> bool:
        with self._failing(name):
            if self._write(name, token, ttl, None):
                return True
            held = self._held(name)
            if held is None:  # given back in this moment
                return self._write(name, token, ttl, None)
            return self._timer() >= held.deadline and self._write(name, token, ttl, held.etag)
        raise AssertionError("unreachable")

    def extend(self, name: str, token: str, ttl: float) -> bool:
        with self._failing(name):
            held = self._held(name)
            return held is not None and held.token == token and self._write(name, token, ttl, held.etag)
        raise AssertionError("unreachable")

    def release(self, name: str, token: str) -> bool:
        with self._failing(name):
            held = self._held(name)
            if held is None or held.token != token:
                return False
            # A server may look and delete in two steps (Ceph does), so what others may take any moment now is
            # not deleted but written, which is one step.
            if self._deletes and held.deadline - self._timer() > _MARGIN:
                return self._bucket.delete(_object(name), held.etag)
            return self._write(name, "", 0.0, held.etag)
        raise AssertionError("unreachable")

    def _write(self, name: str, token: str, ttl: float, etag: str | None) -> bool:
        data = json.dumps({"owner": token, "deadline": self._timer() + ttl}).encode()
        return self._bucket.put_if(_object(name), data, {}, _TYPE, etag)

    def _held(self, name: str) -> _Held | None:
        found = self._bucket.get(_object(name))
        if found is None:
            return None
        try:
            said = json.loads(found.data)
            return _Held(found.etag, str(said["owner"]), float(said["deadline"]))
        except (ValueError, TypeError, KeyError):
            return _Held(found.etag, "", 0.0)  # no lease of ours: whoever comes may have it


def _object(name: str) -> str:
    return f"{OWN}/locks/{blake2b(name.encode(), digest_size=16).hexdigest()}"
