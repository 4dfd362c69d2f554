"""ZstdCodec: fast compression, by the standard library of Python 3.14 or its backport."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, cast

from pystorage.codecs.compress import DEFAULT_MAX_SIZE, Compressor, checked_size, unpacking
from pystorage.errors import DecodeError, MissingDependencyError

if TYPE_CHECKING:
    from types import ModuleType


# Binary logarithms of the bytes that are looked back on: at the highest level, and up to the level 19.
_LARGEST_WINDOW: Final = 27
_USUAL_WINDOW: Final = 23
_USUAL_LEVEL: Final = 19


class ZstdCodec(Compressor):
    """The zstd format, with its checksum: about as small as gzip at a tenth of its cost.

    Args:
        level: -131072 (fastest) … 22 (smallest); None is 3.
        max_size: The most bytes that a value may have; None is any number. It also bounds the memory
            that decompressing takes besides, which is 8 MiB at least and 128 MiB at most.

    Raises:
        MissingDependencyError: Neither Python 3.14 nor ``backports.zstd`` is there (extra ``zstd``).
        ValueError: The level or the size is out of its range.

    Cost: within a few percent of the library's own call.

    Example:
        >>> ZstdCodec().decode(ZstdCodec().encode(b"ab" * 100, ""), "") == b"ab" * 100
        True
    """

    __slots__ = ("_options", "_window", "_written", "_zstd")

    label: ClassVar[str] = "zstd"
    _levels: ClassVar[range] = range(-131072, 23)
    _default: ClassVar[int] = 3

    def __init__(self, level: int | None = None, *, max_size: int | None = DEFAULT_MAX_SIZE) -> None:
        super().__init__(level, max_size=max_size)
        self._zstd = _library()
        self._window = _LARGEST_WINDOW
        if max_size is not None:
            self._window = min(_LARGEST_WINDOW, max(_USUAL_WINDOW, (max_size - 1).bit_length()))
        self._options = {self._zstd.DecompressionParameter.window_log_max: self._window}
        parameter = self._zstd.CompressionParameter
        # The format's own checksum, without which changed bytes may become another value.
        self._written = {parameter.compression_level: self.level, parameter.checksum_flag: 1}

    @property
    def streams(self) -> bool:
        return True

    def _compressed(self, data: bytes) -> bytes:
        return cast(bytes, self._zstd.compress(data, options=self._written))

    def _decompressed(self, data: bytes) -> bytes:
        zstd = self._zstd
        try:
            size = zstd.get_frame_info(data).decompressed_size
            if size is not None:
                checked_size(size, self.max_size)
            inflater = zstd.ZstdDecompressor(options=self._options)
            value = self._inflated(inflater, data)
        except zstd.ZstdError as error:
            raise DecodeError(f"ZstdCodec cannot read this: {error}") from error
        return self._with_more(value, inflater.unused_data)

    def reader(self, file: BinaryIO) -> BinaryIO:
        zstd = self._zstd
        return unpacking(self, zstd.ZstdFile(file, "rb", options=self._options), file, (zstd.ZstdError,))

    def writer(self, file: BinaryIO) -> BinaryIO:
        options = dict(self._written)
        if self.level > _USUAL_LEVEL:  # a stream does not know its size, and so would take the whole window
            options[self._zstd.CompressionParameter.window_log] = self._window
        return cast(BinaryIO, self._zstd.ZstdFile(file, "wb", options=options))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _made, (self.level, self.max_size)


def _made(level: int, max_size: int | None) -> ZstdCodec:
    return ZstdCodec(level, max_size=max_size)


def _library() -> ModuleType:
    try:
        return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError as error:
        raise MissingDependencyError(
            "ZstdCodec needs Python 3.14 or the package backports.zstd: pip install 'pystorage[zstd]'"
        ) from error
