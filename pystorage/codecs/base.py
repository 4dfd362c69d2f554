"""Codec, the chain ``a | b``, and codecs by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, BinaryIO, ClassVar, Final, cast

from pystorage.errors import StorageProviderError, near

#: Name → ``"module:Class"``; the class is made without arguments.
CODECS: Final[dict[str, str]] = {
    "json": "pystorage.codecs.serialize:JSONCodec",
    "pickle": "pystorage.codecs.serialize:PickleCodec",
    "text": "pystorage.codecs.serialize:TextCodec",
    "bytes": "pystorage.codecs.serialize:BytesCodec",
    "gzip": "pystorage.codecs.compress:GzipCodec",
    "zlib": "pystorage.codecs.compress:ZlibCodec",
    "lzma": "pystorage.codecs.compress:LzmaCodec",
}


class Codec(ABC):
    """Turns values into bytes and back; pure, without state that changes.

    Raises:
        Nothing.

    Threads: a codec may be used by any number at once.

    Example:
        >>> from pystorage.codecs import GzipCodec, PickleCodec
        >>> codec = PickleCodec() | GzipCodec()
        >>> codec.decode(codec.encode({1, 2}, "name"), "name")
        {1, 2}
    """

    __slots__ = ()

    #: Whether it takes bytes, so that it can stand behind another codec in a chain.
    takes_bytes: ClassVar[bool] = False

    @property
    def runs_code(self) -> bool:
        """Whether decoding bytes that somebody else wrote can run code of theirs.

        Raises:
            Nothing.
        """
        return False

    @property
    def streams(self) -> bool:
        """Whether values are bytes that can be read and written piece by piece.

        Raises:
            Nothing.
        """
        return False

    @abstractmethod
    def encode(self, value: Any, name: str) -> bytes:
        """Turn a value into bytes.

        Args:
            value: The value.
            name: The name of its key, for codecs that bind the bytes to it.

        Returns:
            The bytes.

        Raises:
            EncodeError: This codec cannot hold such a value.
        """

    @abstractmethod
    def decode(self, data: bytes, name: str) -> Any:
        """Turn bytes into the value.

        Args:
            data: What ``encode`` gave.
            name: The name of its key.

        Returns:
            The value.

        Raises:
            DecodeError: These are not bytes of this codec, or not whole.
            IntegrityError: They were changed, or belong to another key.
        """

    def reader(self, file: BinaryIO) -> BinaryIO:
        """Give a file of the value's bytes above a file of the stored ones.

        Args:
            file: Open for reading; closed together with the result.

        Returns:
            A binary file.

        Raises:
            TypeError: Values of this codec are not streams of bytes.
        """
        raise TypeError(f"{self!r} does not stream")

    def writer(self, file: BinaryIO) -> BinaryIO:
        """Give a file that takes the value's bytes above a file that takes the stored ones.

        Args:
            file: Open for writing; to be flushed when the result was closed.

        Returns:
            A binary file; closing it completes the stored bytes.

        Raises:
            TypeError: Values of this codec are not streams of bytes.
        """
        raise TypeError(f"{self!r} does not stream")

    def __or__(self, other: object) -> ChainCodec:
        if not isinstance(other, Codec):
            return NotImplemented
        return ChainCodec(self, other)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(other) == repr(self)

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ChainCodec(Codec):
    """Codecs one behind the other: the first takes the value, each other the bytes of the one before.

    Args:
        codecs: At least one; chains among them are flattened.

    Raises:
        TypeError: One that is not the first takes no bytes, or it is no codec.

    Example:
        >>> from pystorage.codecs import GzipCodec, JSONCodec
        >>> JSONCodec() | GzipCodec()
        JSONCodec() | GzipCodec()
    """

    __slots__ = ("codecs",)

    codecs: tuple[Codec, ...]

    def __init__(self, *codecs: Codec) -> None:
        flat: list[Codec] = []
        for codec in codecs:
            if not isinstance(codec, Codec):
                raise TypeError(f"a chain is made of codecs, not of {type(codec).__name__}")
            flat.extend(codec.codecs if isinstance(codec, ChainCodec) else [codec])
        if not flat:
            raise TypeError("a chain needs at least one codec")
        for before, codec in zip(flat, flat[1:], strict=False):
            if not codec.takes_bytes:
                raise TypeError(
                    f"{codec!r} cannot stand behind {before!r}: it takes values, not bytes; put it first"
                )
        self.codecs = tuple(flat)

    @property
    def runs_code(self) -> bool:
        # What stands behind in the chain sees the stored bytes first, and may vouch for them.
        return self.codecs[0].runs_code

    @property
    def streams(self) -> bool:
        return all(codec.streams for codec in self.codecs)

    def encode(self, value: Any, name: str) -> bytes:
        for codec in self.codecs:
            value = codec.encode(value, name)
        return cast(bytes, value)

    def decode(self, data: bytes, name: str) -> Any:
        for codec in reversed(self.codecs):
            data = codec.decode(data, name)
        return data

    def reader(self, file: BinaryIO) -> BinaryIO:
        for codec in reversed(self.codecs):
            file = codec.reader(file)
        return file

    def writer(self, file: BinaryIO) -> BinaryIO:
        for codec in reversed(self.codecs):
            file = codec.writer(file)
        return file

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.codecs))


def resolve_codec(codec: Codec | str | None, default: str = "json") -> Codec:
    """Give the codec that is meant by an argument ``codec=``.

    Args:
        codec: A codec, its name, names joined by ``+`` (``"pickle+gzip"``), or None for the default.
        default: The name of the default.

    Returns:
        The codec.

    Raises:
        StorageProviderError: There is no codec of that name.
        TypeError: The names are in an order that cannot work, or it is neither codec nor text.

    Example:
        >>> resolve_codec("pickle+gzip")
        PickleCodec() | GzipCodec()
    """
    if isinstance(codec, Codec):
        return codec
    if codec is None:
        codec = default
    if not isinstance(codec, str):
        raise TypeError(f"codec must be a Codec or a name, not {type(codec).__name__}")
    chain = [_named(name.strip(), codec) for name in codec.split("+")]
    return chain[0] if len(chain) == 1 else ChainCodec(*chain)


def _named(name: str, whole: str) -> Codec:
    place = CODECS.get(name)
    if place is None:
        raise StorageProviderError(
            f"there is no codec named {name!r}, as in codec={whole!r}{near(name, CODECS)}"
        )
    module, _, attribute = place.partition(":")
    return cast(Codec, getattr(import_module(module), attribute)())
