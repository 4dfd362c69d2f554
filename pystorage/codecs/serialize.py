"""Codecs that turn values into bytes and read nothing but data: JSON, text, and bytes as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar, Final

from pystorage.codecs.base import Codec
from pystorage.errors import DecodeError, EncodeError

# What ``json.loads`` does, less what it looks for around a value: text and where to begin → value and end.
_read_json: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]

# Bytes that are made one text at most, as that needs room for them twice more.
_TOGETHER: Final = 1 << 20


class JSONCodec(Codec):
    """JSON exactly as ``json.dumps`` writes it with its defaults, whatever else is installed.

    Tuples come back as lists, and keys of dicts that are numbers, booleans or None as text. A dict in
    which two keys would become one text is refused.

    Raises:
        Nothing.

    Example:
        >>> JSONCodec().encode({"text": "Hello World!"}, "")
        b'{"text": "Hello World!"}'
    """

    __slots__ = ()

    label: ClassVar[str] = "json"

    def encode(self, value: Any, name: str) -> bytes:
        try:
            text = json.dumps(value)
            if isinstance(value, (dict, list, tuple)):
                _check_keys(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodeError(f"JSON cannot hold it: {error}") from error
        return text.encode()

    def decode(self, data: bytes, name: str) -> Any:
        try:
            text = data.decode()
            try:
                value, end = _read_json(text, 0)
                if end == len(text):
                    return value
            except (ValueError, StopIteration):
                pass  # there may be blanks around it
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"this is not JSON: {error}") from error

    def decode_many(self, data: Sequence[bytes], names: Sequence[str]) -> list[Any]:
        # A class below this one may read each value in a way of its own.
        if type(self).decode is not JSONCodec.decode or sum(map(len, data)) > _TOGETHER:
            return super().decode_many(data, names)
        lines = b"\n".join(data)
        if lines.isascii():  # so that each byte is a character of the text
            with suppress(ValueError, StopIteration, RecursionError):
                values = _values_in(lines.decode(), data)
                if values is not None:
                    return values
        return super().decode_many(data, names)


def _values_in(text: str, parts: Sequence[bytes]) -> list[Any] | None:
    """Read the values of a text that is made of parts; None where a value is not all of its part."""
    values: list[Any] = []
    begin = 0
    for part in parts:
        value, end = _read_json(text, begin)
        begin += len(part)
        if end != begin:
            return None
        values.append(value)
        begin += 1
    return values


def _check_keys(value: object) -> None:
    """Refuse dicts of which JSON would lose an entry."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if not all(type(key) is str for key in value):
                texts = {json.dumps({key: 0}) for key in value}
                if len(texts) < len(value):
                    raise ValueError("two keys of a dict would become the same text")
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)


class TextCodec(Codec):
    """Text, as UTF-8.

    Raises:
        Nothing.

    Example:
        >>> TextCodec().encode("é", "")
        b'\\xc3\\xa9'
    """

    __slots__ = ()

    label: ClassVar[str] = "text"

    def encode(self, value: Any, name: str) -> bytes:
        if not isinstance(value, str):
            raise EncodeError(f"a value must be a str here, not {type(value).__name__}")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"UTF-8 cannot hold it: {error}") from error

    def decode(self, data: bytes, name: str) -> Any:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise DecodeError(f"this is not UTF-8: {error}") from error


class BytesCodec(Codec):
    """Bytes, as they are.

    Raises:
        Nothing.

    Example:
        >>> BytesCodec().encode(bytearray(b"ab"), "")
        b'ab'
    """

    __slots__ = ()

    label: ClassVar[str] = "bytes"

    takes_bytes: ClassVar[bool] = True

    @property
    def streams(self) -> bool:
        return True

    def encode(self, value: Any, name: str) -> bytes:
        return checked_bytes(value)

    def decode(self, data: bytes, name: str) -> Any:
        return data

    def decode_many(self, data: Sequence[bytes], names: Sequence[str]) -> list[Any]:
        return list(data) if type(self).decode is BytesCodec.decode else super().decode_many(data, names)

    def reader(self, file: BinaryIO) -> BinaryIO:
        return file

    def writer(self, file: BinaryIO) -> BinaryIO:
        return file


def checked_bytes(value: object) -> bytes:
    """Give a value that must be bytes.

    Args:
        value: bytes, or a bytearray or memoryview, which is copied.

    Returns:
        The bytes.

    Raises:
        EncodeError: It is something else.
    """
    if type(value) is bytes:
        return value
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise EncodeError(f"a value must be bytes here, not {type(value).__name__}")
    return bytes(value)
