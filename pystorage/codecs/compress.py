"""Codecs that compress bytes: gzip, zlib, lzma."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar, Final, Protocol, cast

from pystorage.codecs.base import Codec
from pystorage.codecs.serialize import checked_bytes
from pystorage.errors import DecodeError, EncodeError

#: The most bytes of a value unless said otherwise: 1 GiB.
DEFAULT_MAX_SIZE: Final = 1 << 30

# How far each level of xz looks back, which reading takes in memory, and what it takes besides at most.
_LZMA_WINDOWS: Final = tuple(size << 18 for size in (1, 4, 8, 16, 16, 32, 32, 64, 128, 256))
_LZMA_SMALLEST: Final = 4096
_LZMA_MORE: Final = 2 << 20
_BUFFER: Final = 1 << 17
_GZIP: Final = 31  # zlib's word for the largest window, and gzip's header and checksum


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Compressor(Codec):
    """What the compressing codecs have in common: bytes on both sides, a level, and a largest size.

    Args:
        level: How hard it tries; None is the usual.
        max_size: The most bytes that a value may have, so that a few bytes made to become very many are
            refused before they do; None is any number. Streams have no limit.

    Raises:
        ValueError: The level or the size is out of its range.
    """

    __slots__ = ("level", "max_size")

    takes_bytes: ClassVar[bool] = True
    _levels: ClassVar[range] = range(10)
    _default: ClassVar[int]

    def __init__(self, level: int | None = None, *, max_size: int | None = DEFAULT_MAX_SIZE) -> None:
        if level is None:
            level = self._default
        if isinstance(level, bool) or not isinstance(level, int) or level not in self._levels:
            raise ValueError(f"level must be {self._levels[0]} … {self._levels[-1]}, not {level!r}")
        if max_size is not None and (
            isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1
        ):
            raise ValueError(f"max_size must be at least 1 byte, or None, not {max_size!r}")
        self.level = level
        self.max_size = max_size

    def encode(self, value: Any, name: str) -> bytes:
        data = checked_bytes(value)
        if self.max_size is not None and len(data) > self.max_size:
            raise EncodeError(f"it has {len(data)} bytes, more than the max_size={self.max_size} of {self!r}")
        return self._compressed(data)

    def decode(self, data: bytes, name: str) -> Any:
        try:
            return self._decompressed(data)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise DecodeError(f"{type(self).__name__} cannot read this: {error}") from error

    @abstractmethod
    def _compressed(self, data: bytes) -> bytes: ...

    @abstractmethod
    def _decompressed(self, data: bytes) -> bytes: ...

    def _inflated(self, inflater: _Inflater, data: bytes) -> bytes:
        """Decompress one archive, which must be all there is but for what the caller does with the rest."""
        if self.max_size is None:
            value = inflater.decompress(data)
        else:
            value = inflater.decompress(data, self.max_size + 1)
            checked_size(len(value), self.max_size)
        if not inflater.eof:
            raise EOFError("it is cut short")
        return value

    def _with_more(self, value: bytes, data: bytes) -> bytes:
        """Add what archives hold that follow a first one; there may be very many small ones."""
        if not data:
            return value
        pieces, size = [value], len(value)
        with self.reader(io.BytesIO(data)) as file:
            while piece := file.read(_BUFFER):  # all that is asked for is taken from memory at once
                pieces.append(piece)
                size += len(piece)
                checked_size(size, self.max_size)
        return b"".join(pieces)

    def __repr__(self) -> str:
        settings = [] if self.level == self._default else [str(self.level)]
        if self.max_size != DEFAULT_MAX_SIZE:
            settings.append(f"max_size={self.max_size}")
        return f"{type(self).__name__}({', '.join(settings)})"


def checked_size(size: int, max_size: int | None) -> None:
    """Refuse a value that is too large.

    Args:
        size: Its bytes.
        max_size: The most there may be; None is any number.

    Raises:
        DecodeError: It is too large.
    """
    if max_size is not None and size > max_size:
        raise DecodeError(
            f"it becomes more than max_size={max_size} bytes; allow more if it is to be trusted"
        )


def unpacking(codec: Codec, unpacked: Any, packed: BinaryIO, errors: tuple[type[Exception], ...]) -> BinaryIO:
    """Give a file of decompressed bytes whose faults are ours and that closes the one below.

    Args:
        codec: Who decompresses.
        unpacked: The library's file above ``packed``.
        packed: The file of the stored bytes.
        errors: What the library raises for bytes that it cannot read, besides EOFError.

    Returns:
        A binary file.

    Raises:
        Nothing.
    """
    return io.BufferedReader(_Unpacking(codec, unpacked, packed, errors), _BUFFER)


class _Unpacking(io.RawIOBase):
    def __init__(
        self, codec: Codec, unpacked: Any, packed: BinaryIO, errors: tuple[type[Exception], ...]
    ) -> None:
        self._codec = codec
        self._unpacked = unpacked
        self._packed = packed
        self._errors: tuple[type[Exception], ...] = (EOFError, *errors)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = cast(int, self._checked(self._unpacked.readinto, buffer))
        if not count and len(buffer) and self._is_empty():
            raise DecodeError(f"{type(self._codec).__name__} cannot read this: it is empty")
        return count

    def _is_empty(self) -> bool:
        """Tell whether there is nothing to decompress at all, which some libraries take for no bytes."""
        with suppress(io.UnsupportedOperation):
            return bool(self._unpacked.tell() == self._packed.tell() == 0)
        return False

    def seekable(self) -> bool:
        return cast(bool, self._unpacked.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return cast(int, self._checked(self._unpacked.seek, offset, whence))

    def tell(self) -> int:
        return cast(int, self._unpacked.tell())

    def _checked(self, do: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return do(*arguments)
        except self._errors as error:
            raise DecodeError(f"{type(self._codec).__name__} cannot read this: {error}") from error

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()


class GzipCodec(Compressor):
    """The gzip format; the same bytes always give the same result, without a time in it.

    Args:
        level: 0 (none) … 9 (smallest); None is 6.
        max_size: The most bytes that a value may have; None is any number.

    Raises:
        ValueError: The level or the size is out of its range.

    Example:
        >>> GzipCodec().decode(GzipCodec().encode(b"ab", ""), "")
        b'ab'
    """

    __slots__ = ()

    label: ClassVar[str] = "gzip"
    _default: ClassVar[int] = 6

    @property
    def streams(self) -> bool:
        return True

    def _compressed(self, data: bytes) -> bytes:
        return gzip.compress(data, self.level, mtime=0)

    def _decompressed(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj(_GZIP)
        value = self._inflated(inflater, data)
        return self._with_more(value, inflater.unused_data.lstrip(b"\0"))  # a gzip file may be padded

    def reader(self, file: BinaryIO) -> BinaryIO:
        return unpacking(self, gzip.GzipFile(fileobj=file, mode="rb"), file, (gzip.BadGzipFile, zlib.error))

    def writer(self, file: BinaryIO) -> BinaryIO:
        return cast(
            BinaryIO, gzip.GzipFile(filename="", mode="wb", compresslevel=self.level, fileobj=file, mtime=0)
        )


class ZlibCodec(Compressor):
    """The zlib format.

    Args:
        level: 0 (none) … 9 (smallest); None is 6.
        max_size: The most bytes that a value may have; None is any number.

    Raises:
        ValueError: The level or the size is out of its range.

    Example:
        >>> ZlibCodec().decode(ZlibCodec().encode(b"ab", ""), "")
        b'ab'
    """

    __slots__ = ()

    label: ClassVar[str] = "zlib"
    _default: ClassVar[int] = 6

    def _compressed(self, data: bytes) -> bytes:
        return zlib.compress(data, self.level)

    def _decompressed(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj()
        value = self._inflated(inflater, data)
        if inflater.unused_data:
            raise EOFError("bytes follow its end")
        return value


class LzmaCodec(Compressor):
    """The xz format: slow to write, small.

    Reading takes 10 MiB of memory besides the value, up to 66 MiB where ``max_size`` is as much.

    Args:
        level: 0 … 9 (smallest, most memory); None is 6.
        max_size: The most bytes that a value may have; None is any number.

    Raises:
        ValueError: The level or the size is out of its range.

    Example:
        >>> LzmaCodec().decode(LzmaCodec().encode(b"ab", ""), "")
        b'ab'
    """

    __slots__ = ()

    label: ClassVar[str] = "lzma"
    _default: ClassVar[int] = 6

    def _compressed(self, data: bytes) -> bytes:
        # Looking back beyond the beginning would only cost time and memory, here and for the reader.
        window = min(max(len(data), _LZMA_SMALLEST), _LZMA_WINDOWS[self.level])
        filters = [{"id": lzma.FILTER_LZMA2, "preset": self.level, "dict_size": window}]
        return lzma.compress(data, filters=filters)

    def _decompressed(self, data: bytes) -> bytes:
        inflater = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._memory())
        value = self._inflated(inflater, data)
        if inflater.unused_data:
            raise EOFError("bytes follow its end")
        return value

    def _memory(self) -> int:
        """Give the bytes that decompressing may take: enough for the level 6, and for all that we wrote."""
        most = _LZMA_WINDOWS[-1]
        if self.max_size is not None:
            most = min(most, max(_LZMA_WINDOWS[6], self.max_size + self.max_size // 2))
        return most + _LZMA_MORE
