"""Entry files as streams: the value alone, without the header before it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, Final

from pystorage.codecs import header
from pystorage.stores._disk import check_plain, write_all
from pystorage.stores._encoded import RawWriter

_PIECE: Final = 1 << 16


class EntryReader(io.FileIO):
    """The value of an entry as a file of its own.

    Args:
        descriptor: The open file, at its start; closed with this one, or if this cannot be made.

    Raises:
        OSError: It is no plain file.
    """

    def __init__(self, descriptor: int) -> None:
        self._start = 0
        try:
            check_plain(descriptor)
            super().__init__(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def skip_header(self) -> header.Header:
        """Read the header and go to the value behind it, which is the start from then on.

        Returns:
            The header; ``BARE`` where there is none.

        Raises:
            DecodeError: It is damaged, cut short or of a newer format.
            OSError: The file cannot be read.
        """
        data = self.read(header.USUAL_SIZE)
        while True:
            try:
                head = header.read(data)
                break
            except header.Truncated as error:
                more = self.read(min(error.needed - len(data), _PIECE))
                if not more:
                    raise
                data += more
        super().seek(head.size)
        self._start = head.size
        return head

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset >= 0:
            return super().seek(self._start + offset) - self._start
        if whence == os.SEEK_CUR:
            offset += self.tell()
        elif whence == os.SEEK_END:
            offset += os.fstat(self.fileno()).st_size - self._start
        elif whence != os.SEEK_SET:
            raise ValueError(f"invalid whence: {whence!r}")
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        return super().seek(self._start + offset) - self._start

    def tell(self) -> int:
        return super().tell() - self._start


class EntryWriter(RawWriter):
    """Writes the value of an entry, and a header before it where one is needed.

    Args:
        descriptor: The open file, empty; left open.
        prefix: Gives the header, always of the same size; None where only a value that looks like one
            needs it.
        failed: Called when the file cannot be written, to raise what that is to the caller.
        check: Called with the size that the file is to have, before it has it; what it raises goes to the
            caller.

    Raises:
        Nothing.
    """

    def __init__(
        self,
        descriptor: int,
        prefix: Callable[[], bytes] | None,
        failed: Callable[[OSError], Any],
        check: Callable[[int], object] | None = None,
    ) -> None:
        self._check = check
        self._size = 0
        self._descriptor: int | None = descriptor
        self._prefix = prefix
        self._failed = failed
        # What came first is held back until it is enough to tell whether it looks like a header.
        self._held: bytes | None = b""

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            size = view.nbytes
            if self._descriptor is None:
                return size
            if self._held is None:
                self._put(view.cast("B"))
            else:
                self._held += bytes(view)
                if len(self._held) >= len(header.MAGIC):
                    self._begin()
        return size

    def finish(self) -> None:
        """Complete the file.

        Raises:
            UnavailableError: It cannot be written.
        """
        if self._held is not None:
            self._begin()
        if self._prefix is not None and self._descriptor is not None:
            # A time to live counts from now on, when the entry becomes visible.
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._check = None
            self._put(memoryview(self._prefix()))

    def discard(self) -> None:
        """Drop what is still to be written.

        Raises:
            Nothing.
        """
        self._descriptor = None

    def _begin(self) -> None:
        held, self._held = self._held or b"", None
        if self._prefix is not None:
            held = self._prefix() + held
        elif held.startswith(header.MAGIC):
            held = header.prefix() + held
        self._put(memoryview(held))

    def _put(self, view: memoryview) -> None:
        if self._descriptor is None:
            return
        if self._check is not None:
            self._size += view.nbytes
            self._check(self._size)
        try:
            write_all(self._descriptor, view)
        except OSError as error:
            self._failed(error)
