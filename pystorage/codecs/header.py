"""The short header that an entry begins with when it carries a deadline or the whole of a long name.

::

    magic 4 bytes · version 1 · flags 1 · CRC-32 of the rest of the header 4 ·
    [deadline, seconds, float64] · [length of the name, uint32 · the name, ASCII] · the value

All numbers are big-endian. An entry without either is stored bare, unless its own bytes begin with the
magic: then it has a header without fields, and so no bytes can be taken for what they are not.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Final, NamedTuple

from pystorage.errors import DecodeError

MAGIC: Final = b"\x8fPyS"
_VERSION: Final = 1
_DEADLINE: Final = 1
_NAME: Final = 2

_FIXED = struct.Struct(">4sBBI")
_FLOAT = struct.Struct(">d")
_LENGTH = struct.Struct(">I")

#: Enough bytes for any header whose name is not longer than usual.
USUAL_SIZE: Final = 512


class Header(NamedTuple):
    """What stands before a value.

    Args:
        deadline: Seconds on the storage's clock; None is for ever.
        name: The whole name of the key where the place knows only its beginning; else None.
        size: Bytes of the header itself.

    Raises:
        Nothing.
    """

    deadline: float | None = None
    name: str | None = None
    size: int = 0


BARE: Final = Header()


class Truncated(DecodeError):
    """The bytes end before the header does; ``needed`` bytes hold all of it that is known to come.

    Args:
        needed: How many bytes to read.

    Raises:
        Nothing.
    """

    def __init__(self, needed: int) -> None:
        super().__init__("its header is cut short")
        self.needed = needed


class Newer(DecodeError):
    """The header is of a format that this pystorage does not know.

    Raises:
        Nothing.
    """


def pack(data: bytes, *, deadline: float | None = None, name: str | None = None) -> bytes:
    """Put a header before a value, if it needs one.

    Args:
        data: The encoded value.
        deadline: Seconds on the storage's clock, finite; None is for ever.
        name: The whole name, ASCII, where the place knows only its beginning.

    Returns:
        The bytes to store.

    Raises:
        Nothing.

    Example:
        >>> pack(b"value")
        b'value'
        >>> unpack(pack(b"value", deadline=5.0))
        (Header(deadline=5.0, name=None, size=18), b'value')
    """
    if deadline is None and name is None and not data.startswith(MAGIC):
        return data
    return prefix(deadline=deadline, name=name) + data


def prefix(*, deadline: float | None = None, name: str | None = None) -> bytes:
    """Give a header alone, for a value that is written after it.

    Args:
        deadline: Seconds on the storage's clock, finite; None is for ever.
        name: The whole name, ASCII, where the place knows only its beginning.

    Returns:
        The header, present even if it has no fields.

    Raises:
        Nothing.
    """
    flags, fields = 0, b""
    if deadline is not None:
        flags |= _DEADLINE
        fields += _FLOAT.pack(deadline)
    if name is not None:
        flags |= _NAME
        encoded = name.encode("ascii")
        fields += _LENGTH.pack(len(encoded)) + encoded
    return _FIXED.pack(MAGIC, _VERSION, flags, zlib.crc32(fields, flags)) + fields


def read(data: bytes) -> Header:
    """Read the header of stored bytes.

    Args:
        data: The stored bytes, or their beginning.

    Returns:
        The header; ``BARE`` where there is none.

    Raises:
        Truncated: The bytes end within the header.
        DecodeError: The header is damaged, or of a newer format.
    """
    if not data.startswith(MAGIC):
        return BARE
    if len(data) < _FIXED.size:
        raise Truncated(_FIXED.size)
    _, version, flags, checksum = _FIXED.unpack_from(data)
    if version != _VERSION or flags & ~(_DEADLINE | _NAME):
        raise Newer(
            f"its header is of format {version} with flags {flags:#x}, newer than this pystorage knows: "
            "upgrade pystorage to read it"
        )
    end, deadline, name_end = _FIXED.size, None, None
    if flags & _DEADLINE:
        end += _FLOAT.size
        if len(data) < end:
            raise Truncated(end)
        (deadline,) = _FLOAT.unpack_from(data, end - _FLOAT.size)
    name_start = end + _LENGTH.size
    if flags & _NAME:
        if len(data) < name_start:
            raise Truncated(name_start)
        (length,) = _LENGTH.unpack_from(data, end)
        end = name_end = name_start + length
        if len(data) < end:
            raise Truncated(end)
    if zlib.crc32(data[_FIXED.size : end], flags) != checksum or (
        deadline is not None and not math.isfinite(deadline)
    ):
        raise DecodeError("its header is damaged")
    name = None
    if name_end is not None:
        try:
            name = data[name_start:name_end].decode("ascii")
        except UnicodeDecodeError as error:
            raise DecodeError("its header is damaged: the name is not ASCII") from error
    return Header(deadline, name, end)


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Split stored bytes into header and value.

    Args:
        data: The stored bytes, whole.

    Returns:
        The header and the encoded value.

    Raises:
        DecodeError: The header is damaged, cut short or of a newer format.
    """
    header = read(data)
    return header, data[header.size :] if header.size else data
