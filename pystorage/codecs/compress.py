"""Codecs that compress bytes: gzip, zlib, lzma."""

from __future__ import annotations

import gzip
import lzma
import zlib
from abc import abstractmethod
from typing import Any, BinaryIO, ClassVar, cast

from pystorage.codecs.base import Codec
from pystorage.codecs.serialize import checked_bytes
from pystorage.errors import DecodeError


class _Compressor(Codec):
    """What the three have in common: bytes on both sides, and one level."""

    __slots__ = ("level",)

    takes_bytes: ClassVar[bool] = True
    _levels: ClassVar[range] = range(10)
    _default: ClassVar[int]

    def __init__(self, level: int | None = None) -> None:
        if level is None:
            level = self._default
        if isinstance(level, bool) or not isinstance(level, int) or level not in self._levels:
            raise ValueError(f"level must be 0 … {self._levels[-1]}, not {level!r}")
        self.level = level

    def encode(self, value: Any, name: str) -> bytes:
        return self._compressed(checked_bytes(value))

    def decode(self, data: bytes, name: str) -> Any:
        try:
            return self._decompressed(data)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise DecodeError(f"{type(self).__name__} cannot read this: {error}") from error

    @abstractmethod
    def _compressed(self, data: bytes) -> bytes: ...

    @abstractmethod
    def _decompressed(self, data: bytes) -> bytes: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.level == self._default else self.level})"


class GzipCodec(_Compressor):
    """The gzip format; the same bytes always give the same result, without a time in it.

    Args:
        level: 0 (none) … 9 (smallest); None is 6.

    Raises:
        ValueError: The level is out of its range.

    Example:
        >>> GzipCodec().decode(GzipCodec().encode(b"ab", ""), "")
        b'ab'
    """

    __slots__ = ()

    _default: ClassVar[int] = 6

    @property
    def streams(self) -> bool:
        return True

    def _compressed(self, data: bytes) -> bytes:
        return gzip.compress(data, self.level, mtime=0)

    def _decompressed(self, data: bytes) -> bytes:
        if not data:  # gzip takes nothing for a complete archive
            raise EOFError("it is empty")
        return gzip.decompress(data)

    def reader(self, file: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, _GzipReader(file))

    def writer(self, file: BinaryIO) -> BinaryIO:
        return cast(
            BinaryIO, gzip.GzipFile(filename="", mode="wb", compresslevel=self.level, fileobj=file, mtime=0)
        )


class _GzipReader(gzip.GzipFile):
    """A gzip file that closes the one below, and whose faults are ours."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._below = file

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DecodeError(f"GzipCodec cannot read this: {error}") from error

    def close(self) -> None:
        super().close()
        self._below.close()


class ZlibCodec(_Compressor):
    """The zlib format.

    Args:
        level: 0 (none) … 9 (smallest); None is 6.

    Raises:
        ValueError: The level is out of its range.

    Example:
        >>> ZlibCodec().decode(ZlibCodec().encode(b"ab", ""), "")
        b'ab'
    """

    __slots__ = ()

    _default: ClassVar[int] = 6

    def _compressed(self, data: bytes) -> bytes:
        return zlib.compress(data, self.level)

    def _decompressed(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj()
        value = inflater.decompress(data)
        if not inflater.eof or inflater.unused_data:
            raise EOFError("it is cut short" if not inflater.eof else "bytes follow its end")
        return value


class LzmaCodec(_Compressor):
    """The xz format: slow to write, small.

    Args:
        level: 0 … 9 (smallest, most memory); None is 6.

    Raises:
        ValueError: The level is out of its range.

    Example:
        >>> LzmaCodec().decode(LzmaCodec().encode(b"ab", ""), "")
        b'ab'
    """

    __slots__ = ()

    _default: ClassVar[int] = 6

    def _compressed(self, data: bytes) -> bytes:
        return lzma.compress(data, preset=self.level)

    def _decompressed(self, data: bytes) -> bytes:
        if not data:
            raise EOFError("it is empty")
        return lzma.decompress(data)
