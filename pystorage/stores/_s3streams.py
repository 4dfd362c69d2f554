"""Values of S3 as streams: read by one request that is taken up again, written in parts."""

from __future__ import annotations

import errno
import io
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from pystorage.codecs import header
from pystorage.stores._s3bucket import WRITE, Bucket
from pystorage.stores._s3errors import NoObject, OutOfRange, S3Fault, Unmet

#: The least size of a part; from the thousandth on they double by the thousand, as there can be ten thousand.
PART: Final = 8 << 20
_PARTS_OF_ONE_SIZE: Final = 1000
# How often reading is taken up again without getting any further.
_ATTEMPTS: Final = 3


class ObjectReader(io.RawIOBase):
    """The bytes of one version of an object, in order.

    A connection that breaks is replaced by another that goes on at the same byte of the same version.

    Args:
        bucket: Where it is.
        name: Its name there.
        failed: Called with the reason when reading fails, to raise what that is to the caller.

    Raises:
        NoObject: There is no such object.
        OSError: It cannot be read.

    Threads: one at a time.
    """

    def __init__(self, bucket: Bucket, name: str, failed: Callable[[OSError], NoReturn]) -> None:
        self._bucket = bucket
        self._name = name
        self._failed = failed
        self._body: Any = None  # also for close, where there is no object
        answer = bucket.call("get_object", Key=bucket.folder + name)
        self._body = answer["Body"]
        self._etag = answer["ETag"]
        self._size = answer["ContentLength"]
        self._at = 0
        self._put_back = b""

    def skip_header(self) -> header.Header:
        """Read the header of an entry, so that what comes is the value.

        Returns:
            The header.

        Raises:
            DecodeError: It is damaged.
            OSError: It cannot be read.
        """
        start = self._next(header.USUAL_SIZE)
        while True:
            try:
                head = header.read(start)
            except header.Truncated as error:
                more = self._next(error.needed - len(start))
                if not more:
                    raise
                start += more
            else:
                self._put_back = start[head.size :]
                return head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._put_back[: len(view)]
        if data:
            self._put_back = self._put_back[len(data) :]
        elif len(view):
            try:
                data = self._next(len(view))
            except OSError as error:
                self._failed(error)
        view[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        attempts = 0
        while True:
            try:
                data: bytes = self._bucket.guarded(lambda: self._body.read(size))
            except S3Fault as fault:
                attempts += 1
                if attempts > _ATTEMPTS or self._at >= self._size:
                    raise
                self._body.close()
                self._go_on(fault)
            else:
                self._at += len(data)
                return data

    def _go_on(self, fault: S3Fault) -> None:
        try:
            answer = self._bucket.call(
                "get_object",
                Key=self._bucket.folder + self._name,
                Range=f"bytes={self._at}-",
                IfMatch=self._etag,
            )
        except (NoObject, Unmet, OutOfRange):
            raise S3Fault(
                errno.ESTALE,
                f"the connection was cut after {self._at} bytes, and what is there now is not what it was",
                "read it anew",
            ) from fault
        self._body = answer["Body"]
        if answer["ETag"] != self._etag:  # a server that ignores the condition
            self._etag = ""
            raise S3Fault(errno.ESTALE, "it was replaced while it was read", "read it anew")

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()


class ObjectWriter(io.RawIOBase):
    """Takes the bytes of an object, in parts where they are many; it is there once ``finish`` was called.

    Args:
        bucket: Where it will be.
        name: Its name there.
        begin: Called once the first bytes are sent: gives what comes before them, and what is stored beside
            the object.
        content_type: What the bytes are.
        failed: Called with the reason when writing fails, to raise what that is to the caller.

    Raises:
        Nothing.

    Threads: one at a time.
    """

    def __init__(
        self,
        bucket: Bucket,
        name: str,
        begin: Callable[[bytes], tuple[bytes, Mapping[str, str]]],
        content_type: str,
        failed: Callable[[OSError], NoReturn],
    ) -> None:
        self._bucket = bucket
        self._name = name
        self._buffer = bytearray()
        self._begin = begin
        self._content_type = content_type
        self._failed = failed
        self._mark = secrets.token_hex(8)
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._discarded = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with memoryview(data).cast("B") as view:
            if self._discarded:
                return len(view)
            room = self._part_size() - len(self._buffer)
            taken = min(room, len(view))
            self._buffer += view[:taken]
        if taken == room:
            try:
                self._send_part()
            except OSError as error:
                self._failed(error)
        return taken

    def _part_size(self) -> int:
        return PART << (len(self._parts) // _PARTS_OF_ONE_SIZE)

    def _call(self, operation: str, **options: Any) -> Any:
        return self._bucket.call(operation, Key=self._bucket.folder + self._name, **options)

    def _send_part(self) -> None:
        part, self._buffer = self._buffer, bytearray()
        if self._upload is None:
            start, metadata = self._begin(bytes(part[: len(header.MAGIC)]))
            part[:0] = start
            answer = self._call(
                "create_multipart_upload",
                Metadata={**metadata, WRITE: self._mark},
                ContentType=self._content_type,
            )
            self._upload = answer["UploadId"]
        number = len(self._parts) + 1
        try:
            sent = self._call("upload_part", UploadId=self._upload, PartNumber=number, Body=part)
        except NoObject:
            raise S3Fault(
                errno.ESTALE, "somebody gave up the upload that this stream was sent by", "write it anew"
            ) from None
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def finish(self) -> None:
        """Make the object visible.

        Raises:
            OSError: It cannot be written.
            TooLarge: The server does not take that much.
        """
        if self._upload is None:
            start, metadata = self._begin(bytes(self._buffer[: len(header.MAGIC)]))
            self._bucket.put(self._name, start + self._buffer, metadata, self._content_type)
            return
        if self._buffer:
            self._send_part()
        try:
            self._call(
                "complete_multipart_upload", UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )
        except NoObject:
            # The first answer may have been lost, and the upload be complete.
            found = self._bucket.head(self._name)
            if found is None or found.metadata.get(WRITE) != self._mark:
                raise S3Fault(
                    errno.ESTALE, "somebody gave up the upload that this stream was sent by", "write it anew"
                ) from None
        self._upload = None

    def discard(self, error: BaseException) -> None:
        """Let go of what was written.

        Args:
            error: Why; it is told if the parts that were sent cannot be removed.

        Raises:
            Nothing.
        """
        self._discarded = True
        self._buffer.clear()
        if self._upload is not None:
            try:
                self._call("abort_multipart_upload", UploadId=self._upload)
            except OSError as fault:
                error.add_note(
                    f"and the parts that were sent of {self._name!r} could not be removed ({fault}): abort "
                    f"the upload {self._upload!r}, or let a rule of the bucket remove unfinished uploads"
                )
            self._upload = None
