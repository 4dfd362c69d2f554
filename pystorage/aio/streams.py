"""Streams of bytes: files whose reading and writing is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, BinaryIO, Final

from pystorage.aio._iteration import Batched

#: How a blocking call is made: called with a function of no arguments.
Call = Callable[[Callable[[], Any]], Awaitable[Any]]

CHUNK: Final = 1 << 18


class ReadStream:
    """A value of bytes that is read in pieces.

    Made by ``AsyncStorage.open_read``.

    Args:
        file: What it is read from.
        call: How a call of the file is made that may block.

    Raises:
        Nothing.

    Cost: memory of one piece.
    Threads: to be used by one task at a time.
    """

    def __init__(self, file: BinaryIO, call: Call) -> None:
        self._file = file
        self._call = call

    async def read(self, size: int = -1) -> bytes:
        """Read bytes.

        Args:
            size: At most so many; -1 is all that are left.

        Returns:
            The bytes; none at the end.

        Raises:
            StorageError: They cannot be read.
        """
        found: bytes = await self._call(lambda: self._file.read(size))
        return found

    def __aiter__(self) -> AsyncIterator[bytes]:
        return Batched(self._piece)

    async def _piece(self) -> list[bytes]:
        piece = await self.read(CHUNK)
        return [piece] if piece else []


class WriteStream:
    """A value of bytes that is written in pieces.

    Made by ``AsyncStorage.open_write``.

    Args:
        file: What it is written to.
        call: How a call of the file is made that may block.

    Raises:
        Nothing.

    Cost: memory of one piece.
    Threads: to be used by one task at a time.
    """

    def __init__(self, file: BinaryIO, call: Call) -> None:
        self._file = file
        self._call = call

    async def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write bytes; it is done when it returns, so that a writer is never faster than the place.

        Args:
            data: The bytes.

        Returns:
            How many.

        Raises:
            StorageError: The storage refused.
            TypeError: They are no bytes.
        """
        written: int = await self._call(lambda: self._file.write(data))
        return written

    async def write_all(self, pieces: AsyncIterable[bytes] | Iterable[bytes]) -> int:
        """Write all that an iterable gives, taking the next piece when the last one is written.

        Args:
            pieces: Bytes in pieces, such as the body of a request.

        Returns:
            How many bytes.

        Raises:
            StorageError: The storage refused.
            TypeError: They are no bytes, or one value of bytes, whose pieces would be numbers.
            Exception: What the iterable raises.
        """
        if isinstance(pieces, (bytes, bytearray, memoryview)):
            raise TypeError("write_all takes an iterable of bytes; write takes bytes")
        total = 0
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                total += await self.write(piece)
        else:
            for piece in pieces:
                total += await self.write(piece)
        return total
