"""The objects of one folder of a bucket: read, written on condition, removed and listed, each by its name."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from pystorage.naming import OWN
from pystorage.stores._s3client import Clients
from pystorage.stores._s3errors import (
    NoBucket,
    NoObject,
    NotS3,
    NotThere,
    OutOfRange,
    S3Fault,
    Unmet,
    refused,
    translated,
)

T = TypeVar("T")

#: Keys that one request removes at most.
BATCH: Final = 1000

#: By this a write knows its own object again, when the first answer was lost.
WRITE: Final = "pystorage-write"
# How often, and after how many seconds at first, a request is sent again that met another write under way.
_ATTEMPTS: Final = 20
_PAUSE: Final = 0.002
# How often a removal is refused, though its condition holds, before it is sent without.
_DOUBTS: Final = 2
# What each answer of S3 holds: boto3 finds nothing in a page of a proxy, and takes it for an answer.
_HELD: Final[dict[str, str]] = {
    **dict.fromkeys(("get_object", "head_object", "put_object", "upload_part"), "ETag"),
    "complete_multipart_upload": "ETag",
    "create_multipart_upload": "UploadId",
    "list_objects_v2": "Name",
}
_WRONG: Final = '"00000000000000000000000000000000"'


class Found(NamedTuple):
    """An object.

    Args:
        data: Its bytes; empty where only its head was asked for.
        etag: What the server knows this version of it by.
        metadata: What was stored beside it.

    Raises:
        Nothing.
    """

    data: bytes
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Conditions:
    """Which conditions a server keeps.

    Args:
        writes: Whether it writes only if an object is absent, or only if it is unchanged.
        deletes: Whether it removes an object only if it is unchanged.
        why_not: Why it does not write on condition.

    Raises:
        Nothing.
    """

    writes: bool
    deletes: bool
    why_not: str = ""


class Bucket:
    """A folder of a bucket.

    Args:
        clients: Gives the boto3 client.
        name: The bucket.
        folder: What the names of its objects begin with: empty, or ending in a slash.
        create: Whether a missing bucket is made.

    Raises:
        Nothing.

    Threads: any number.
    """

    def __init__(self, clients: Clients, name: str, folder: str, create: bool) -> None:
        self.clients = clients
        self.name = name
        self.folder = folder
        self._create = create
        self._deletes_on_condition = True  # unless the server says otherwise

    # ------------------------------------------------------------------ requests

    def call(self, operation: str, **options: Any) -> Any:
        """Send a request.

        Args:
            operation: A method of the boto3 client.
            options: Its arguments, without the bucket.

        Returns:
            The answer.

        Raises:
            S3Fault: It failed; ``NoObject``, ``Unmet``, ``Denied`` and others tell how.
        """
        try:
            return self._settled(operation, options)
        except NoBucket:
            if not self._create:
                raise
        self.make()
        return self._settled(operation, options)

    def _settled(self, operation: str, options: Mapping[str, Any]) -> Any:
        """Send a request; one without a condition that meets a write under way is sent again, a bit later."""
        if "IfMatch" not in options and "IfNoneMatch" not in options:
            for attempt in range(1, _ATTEMPTS):
                try:
                    return self._answer(operation, options)
                except Unmet:
                    time.sleep(_PAUSE * attempt)
        return self._answer(operation, options)

    def _answer(self, operation: str, options: Mapping[str, Any]) -> Any:
        answer = self.guarded(lambda: getattr(self.clients.get(), operation)(Bucket=self.name, **options))
        held = _HELD.get(operation)
        if held is not None and held not in answer:
            if "Body" in answer:
                answer["Body"].close()
            raise NotS3(f"an answer to {operation} holds no {held}")
        return answer

    def guarded(self, function: Callable[[], T]) -> T:
        """Call a function that uses boto3.

        Args:
            function: The function.

        Returns:
            What it gives.

        Raises:
            Exception: As ``call``.
        """
        try:
            return function()
        except Exception as error:
            meant = translated(error, self.name)
            if meant is error:
                raise
            raise meant from error

    def make(self) -> None:
        """Make the bucket, if it is not there.

        Raises:
            S3Fault: It cannot be made.
        """
        client = self.clients.get()
        region = client.meta.region_name
        options: dict[str, Any] = {}
        if region not in (None, "us-east-1", "aws-global"):
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        try:
            self._answer("create_bucket", options)
        except Exception as error:
            if type(error.__cause__).__name__ not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
            self._answer("head_bucket", {})  # made by another one meanwhile, if it can be seen

    # ------------------------------------------------------------------ one object

    def get(self, name: str, **options: Any) -> Found | None:
        """Read an object.

        Args:
            name: Its name in the folder.
            options: More arguments of boto3's ``get_object``.

        Returns:
            The object, whole; None where there is none.

        Raises:
            OSError: It cannot be read, or what came was cut short or damaged; of a part only the former is
                told, as some servers (rclone) give it the checksum of the whole.
        """
        try:
            answer = self.call("get_object", Key=self.folder + name, **options)
        except NoObject:
            return None
        body = answer["Body"]
        try:
            data = self.guarded(
                partial(_part, body, answer["ContentLength"]) if "Range" in options else body.read
            )
        except BaseException:
            body.close()
            raise
        return Found(data, answer["ETag"], answer["Metadata"])

    def begin(self, name: str, size: int) -> Found | None:
        """Read the beginning of an object.

        Args:
            name: Its name in the folder.
            size: How many bytes at most, ≥ 1.

        Returns:
            The object as far as that; None where there is none.

        Raises:
            OSError: It cannot be read.
        """
        try:
            return self.get(name, Range=f"bytes=0-{size - 1}")
        except OutOfRange:  # it is empty
            return self.head(name)

    def head(self, name: str) -> Found | None:
        """Look at an object without reading it; a bucket that is missing looks empty.

        Args:
            name: Its name in the folder.

        Returns:
            What stands beside it; None where there is none.

        Raises:
            OSError: The server did not answer, or refused.
        """
        try:
            answer = self.call("head_object", Key=self.folder + name)
        except NoObject:
            return None
        return Found(b"", answer["ETag"], answer["Metadata"])

    def put(self, name: str, data: bytes, metadata: Mapping[str, str], content_type: str) -> None:
        """Write an object, whatever is there.

        Args:
            name: Its name in the folder.
            data: Its bytes.
            metadata: What is stored beside it.
            content_type: What the bytes are.

        Raises:
            OSError: It cannot be written.
        """
        self.call(
            "put_object", Key=self.folder + name, Body=data, Metadata=metadata, ContentType=content_type
        )

    def put_if(
        self, name: str, data: bytes, metadata: Mapping[str, str], content_type: str, etag: str | None
    ) -> bool:
        """Write an object if it is as it was.

        Args:
            name: Its name in the folder.
            data: Its bytes.
            metadata: What is stored beside it.
            content_type: What the bytes are.
            etag: What must be there; None is nothing.

        Returns:
            Whether it was written.

        Raises:
            OSError: It cannot be written, or nobody said whether it was; ``NotThere`` where the server knows
                no such condition.
        """
        mark = secrets.token_hex(8)
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            self.call(
                "put_object",
                Key=self.folder + name,
                Body=data,
                Metadata={**metadata, WRITE: mark},
                ContentType=content_type,
                **condition,
            )
        except NoObject:
            return False
        except Unmet as unmet:
            if not unmet.repeated:
                return False
            # The first answer may have been lost, and what is there now be ours.
            found = self.head(name)
            return found is not None and found.metadata.get(WRITE) == mark
        return True

    def delete(self, name: str, etag: str | None = None) -> bool:
        """Remove an object.

        Args:
            name: Its name in the folder.
            etag: What must be there, as far as the server can tell; None is anything.

        Returns:
            False if something else was there.

        Raises:
            OSError: It cannot be removed.
        """
        if etag is not None and self._deletes_on_condition and self._knows("DeleteObject", "IfMatch"):
            for _ in range(_DOUBTS):
                try:
                    self.call("delete_object", Key=self.folder + name, IfMatch=etag)
                except NotThere:
                    self._deletes_on_condition = False
                    break
                except (NoObject, Unmet) as fault:
                    found = self.head(name)
                    if found is None or found.etag != etag:
                        # The first answer may have been lost, and the removal be ours.
                        return fault.repeated and found is None
                else:
                    return True
            # What is there is as it was: a server that does not know the ETag of an object of parts (Swift).
        self.call("delete_object", Key=self.folder + name)
        return True

    def delete_batch(self, names: Sequence[str]) -> None:
        """Remove objects, in one request.

        Args:
            names: Their names in the folder, at most ``BATCH``.

        Raises:
            OSError: One cannot be removed.
        """
        objects = [{"Key": self.folder + name} for name in names]
        answer = self.call("delete_objects", Delete={"Objects": objects, "Quiet": True})
        for fault in answer.get("Errors", ()):
            raise refused(fault, self.name)

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List the objects of the folder; none of folders below it.

        Args:
            prefix: What their names in the folder begin with.

        Returns:
            Their names in the folder and their sizes in bytes, as they come.

        Raises:
            OSError: It cannot be listed.

        Cost: a request for each thousand.
        """
        token: dict[str, str] = {}
        start = len(self.folder)
        while True:
            page = self.call("list_objects_v2", Prefix=self.folder + prefix, Delimiter="/", **token)
            for one in page.get("Contents", ()):
                yield one["Key"][start:], one["Size"]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    # ------------------------------------------------------------------ conditions

    def _knows(self, operation: str, argument: str) -> bool:
        """Tell whether this release of boto3 can send an argument."""
        shape = self.clients.get().meta.service_model.operation_model(operation).input_shape
        return argument in shape.members

    def conditions(self) -> Conditions:
        """Find out which conditions the server keeps, by an object of our own that is removed again.

        Returns:
            The conditions.

        Raises:
            OSError: The server did not answer, or refused.

        Cost: six requests.
        """
        if not (self._knows("PutObject", "IfNoneMatch") and self._knows("PutObject", "IfMatch")):
            return Conditions(False, False, "this boto3 is too old to send conditions; upgrade it")
        name = f"{OWN}/probe-{secrets.token_hex(8)}"
        try:
            return self._tried(name)
        finally:
            self.call("delete_object", Key=self.folder + name)

    def _tried(self, name: str) -> Conditions:
        first, second = b"1", b"2"
        # One condition without the other is not relied on: Swift knows If-None-Match alone, and lets two who
        # write at the same moment through.
        header = "If-None-Match"
        try:
            if not self.put_if(name, first, {}, "text/plain", None):
                return Conditions(False, False, "the server does not write an object that is absent")
            if self.put_if(name, second, {}, "text/plain", None):
                return Conditions(False, False, "the server ignores If-None-Match")
            header = "If-Match"
            if self.put_if(name, second, {}, "text/plain", _WRONG):
                return Conditions(False, False, "the server ignores If-Match")
            found = self.head(name)
            if found is None or WRITE not in found.metadata:
                return Conditions(False, False, "the server does not keep what is stored beside an object")
            if not self.put_if(name, second, {}, "text/plain", found.etag):
                return Conditions(False, False, "the server does not know its own ETag again")
        except NotThere:
            return Conditions(False, False, f"the server does not know {header}")
        try:
            kept = not self.delete(name, _WRONG)
        except S3Fault:
            kept = False
        self._deletes_on_condition = self._deletes_on_condition and kept
        return Conditions(True, kept)


def _part(body: Any, size: int) -> bytes:
    """Read what is as long as that; boto3 looks at the checksum only when it meets the end."""
    data: bytes = body.read(size)
    while len(data) < size:
        data += body.read(size - len(data))  # at the end it says that this came too early
    return data
