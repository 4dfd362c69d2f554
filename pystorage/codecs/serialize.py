"""Codecs that turn values into bytes: JSON, pickle, text, and bytes as they are."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterable
from typing import Any, BinaryIO, ClassVar

from pystorage.codecs.allowed import allowed_names, load_allowed
from pystorage.codecs.base import Codec
from pystorage.errors import DecodeError, EncodeError

# What ``json.loads`` does, less what it looks for around a value: text and where to begin → value and end.
_read_json = json.JSONDecoder().scan_once
# A pickle ends where it says so, which a loader does not tell: a file tells it, and takes twice as long.
_STOP = b"."


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


class PickleCodec(Codec):
    """Any picklable value, by ``pickle``.

    Loading a pickle can run whatever its writer wished: storages load bare pickles only from places
    that nobody else can write to. With ``allow`` only the named classes and functions are ever called.

    Args:
        protocol: The pickle protocol, 0 … ``pickle.HIGHEST_PROTOCOL``; None is the highest.
        allow: Classes and functions that a pickle may call, or texts ``"module.name"`` of them, besides
            ``complex`` and ``slice``; None allows everything. What is built into the format (numbers,
            texts, bytes, lists, tuples, dicts, sets) calls nothing.

    Raises:
        ValueError: There is no such protocol, or the name of an allowed one is not of that form.
        TypeError: What is allowed is neither text nor has a name.

    Cost: with ``allow`` the pickle is looked through before it is loaded, which takes some twenty times as
        long as loading it, and it is loaded once when it is written.

    Example:
        >>> codec = PickleCodec()
        >>> codec.decode(codec.encode({1: (2, 3)}, ""), "")
        {1: (2, 3)}
        >>> import fractions
        >>> data = codec.encode(fractions.Fraction(1, 2), "")
        >>> PickleCodec(allow=[fractions.Fraction]).decode(data, "")
        Fraction(1, 2)
    """

    __slots__ = ("allow", "protocol")

    label: ClassVar[str] = "pickle"

    def __init__(self, protocol: int | None = None, *, allow: Iterable[Any] | None = None) -> None:
        if protocol is not None and not 0 <= protocol <= pickle.HIGHEST_PROTOCOL:
            raise ValueError(f"protocol must be 0 … {pickle.HIGHEST_PROTOCOL}, not {protocol!r}")
        self.protocol = protocol
        self.allow: tuple[str, ...] | None = None if allow is None else allowed_names(allow)

    @property
    def runs_code(self) -> bool:
        return self.allow is None

    def encode(self, value: Any, name: str) -> bytes:
        try:
            data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL if self.protocol is None else self.protocol)
        except Exception as error:  # a value's own __reduce__ may raise anything
            raise EncodeError(f"pickle cannot hold it: {error!r}") from error
        if self.allow is not None:
            self._check(data)
        return data

    def _check(self, data: bytes) -> None:
        """Refuse to write what could not be read back."""
        try:
            self.decode(data, "")
        except DecodeError as error:
            raise EncodeError(f"{self!r} could not read it back: {error}") from error

    def decode(self, data: bytes, name: str) -> Any:
        try:
            if self.allow is None and data.find(_STOP) == len(data) - 1:
                return pickle.loads(data)  # nothing can follow the only place where it may end
            file = io.BytesIO(data)
            value = pickle.load(file) if self.allow is None else load_allowed(file, self.allow)
        except Exception as error:  # broken pickles, and classes that are gone, raise anything
            raise DecodeError(f"this cannot be unpickled: {error!r}") from error
        if file.tell() != len(data):
            raise DecodeError("this is not one pickle: bytes follow its end")
        return value

    def __repr__(self) -> str:
        settings = [] if self.protocol is None else [str(self.protocol)]
        if self.allow is not None:
            settings.append(f"allow={list(self.allow)!r}")
        return f"PickleCodec({', '.join(settings)})"


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
