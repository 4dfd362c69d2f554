"""Codec, the chain ``a | b``, and codecs by name."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import pairwise
from typing import Any, BinaryIO, ClassVar, Final, cast

from pystorage.errors import EncodeError, StorageProviderError, near

#: Name → ``"module:Class"``, called without arguments.
CODECS: Final[dict[str, str]] = {
    "json": "pystorage.codecs.serialize:JSONCodec",
    "pickle": "pystorage.codecs.pickles:PickleCodec",
    "text": "pystorage.codecs.serialize:TextCodec",
    "bytes": "pystorage.codecs.serialize:BytesCodec",
    "gzip": "pystorage.codecs.compress:GzipCodec",
    "zlib": "pystorage.codecs.compress:ZlibCodec",
    "lzma": "pystorage.codecs.compress:LzmaCodec",
    "zstd": "pystorage.codecs.zstandard:ZstdCodec",
    "msgpack": "pystorage.codecs.typed:msgpack",
    "checksum": "pystorage.codecs.protect:ChecksumCodec",
}


# Names that are no codec's, as these codecs are not made of a name alone → what to write instead.
_WITH_KEYS: Final[dict[str, str]] = {
    **dict.fromkeys(("sign", "signed", "hmac"), "SignedCodec(keys)"),
    **dict.fromkeys(("encrypt", "encrypted", "aes"), "EncryptedCodec(keys)"),
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
    #: Whether it refuses bytes that somebody without a secret key wrote.
    vouches: ClassVar[bool] = False
    #: What its bytes are, the same for all settings that read one another's; "" is its class.
    label: ClassVar[str] = ""

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

    def behind(self, before: tuple[Codec, ...]) -> Codec:
        """Give the codec that stands behind others in a chain.

        Args:
            before: The codecs before it, the first first.

        Returns:
            Itself, or one that binds its bytes to those before.

        Raises:
            Nothing.
        """
        return self

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

    def decode_many(self, data: Sequence[bytes], names: Sequence[str]) -> list[Any]:
        """Turn the bytes of several values into these.

        Args:
            data: What ``encode`` gave for each.
            names: The names of their keys.

        Returns:
            The values.

        Raises:
            DecodeError: As ``decode`` does for one of them.
        """
        return list(map(self.decode, data, names))

    @property
    def writes_back(self) -> bool:
        """Whether a storage should write a value again that it read and that is ``outdated``.

        Raises:
            Nothing.
        """
        return False

    def outdated(self, data: bytes, name: str) -> bool:
        """Tell whether bytes that can be read are not as they would be written now.

        Args:
            data: What was stored.
            name: The name of its key.

        Returns:
            Whether an older key or version made them.

        Raises:
            DecodeError: These are not bytes of this codec.
        """
        return False

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
        for before, codec in pairwise(flat):
            if not codec.takes_bytes:
                raise TypeError(
                    f"{codec!r} cannot stand behind {before!r}: it takes values, not bytes; put it first"
                )
        self.codecs = tuple(codec.behind(tuple(flat[:at])) for at, codec in enumerate(flat))

    @property
    def runs_code(self) -> bool:
        return self.codecs[0].runs_code and not any(codec.vouches for codec in self.codecs)

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

    @property
    def writes_back(self) -> bool:
        return any(codec.writes_back for codec in self.codecs)

    def outdated(self, data: bytes, name: str) -> bool:
        for codec in reversed(self.codecs):
            if codec.outdated(data, name):
                return True
            if codec is not self.codecs[0]:
                data = codec.decode(data, name)
        return False

    def reader(self, file: BinaryIO) -> BinaryIO:
        if not self.streams:
            return super().reader(file)
        for codec in reversed(self.codecs):
            file = codec.reader(file)
        return file

    def writer(self, file: BinaryIO) -> BinaryIO:
        if not self.streams:
            return super().writer(file)
        layers: list[BinaryIO] = []  # the uppermost first
        for codec in reversed(self.codecs):
            above = codec.writer(file)
            if above is not file:
                layers.insert(0, above)
            file = above
        return file if len(layers) < 2 else cast(BinaryIO, _Layers(layers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChainCodec) and other.codecs == self.codecs

    __hash__ = Codec.__hash__

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.codecs))


class _Layers(io.RawIOBase):
    """Files that write into one another, as one: each is closed before the one below it."""

    def __init__(self, files: list[BinaryIO]) -> None:
        self._files = files

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("write to closed file")
        return self._files[0].write(data)

    def close(self) -> None:
        with ExitStack() as stack:
            while self._files:
                stack.callback(self._files.pop().close)
        super().close()


def label_of(codec: Codec) -> str:
    """Say what the bytes of a codec are, the same for all settings that read one another's.

    Args:
        codec: A codec.

    Returns:
        Its label.

    Raises:
        Nothing.

    Example:
        >>> label_of(resolve_codec("pickle+gzip"))
        'pickle+gzip'
    """
    if isinstance(codec, ChainCodec):
        return "+".join(map(label_of, codec.codecs))
    return codec.label or f"{type(codec).__module__}.{type(codec).__qualname__}"


def holds_integers(codec: Codec) -> bool:
    """Tell whether values of a codec may be integers, so that they can be counted.

    Args:
        codec: A codec.

    Returns:
        Whether it takes them.

    Raises:
        Nothing.

    Example:
        >>> holds_integers(resolve_codec("json")), holds_integers(resolve_codec("bytes"))
        (True, False)
    """
    try:
        codec.encode(0, "")
    except EncodeError:
        return False
    return True


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
        if name in _WITH_KEYS:
            raise StorageProviderError(
                f"the codec {name!r} needs keys, as in codec={whole!r}: give codec= an object that ends in "
                f"| {_WITH_KEYS[name]}"
            )
        raise StorageProviderError(
            f"there is no codec named {name!r}, as in codec={whole!r}{near(name, CODECS)}"
        )
    module, _, attribute = place.partition(":")
    return cast(Codec, getattr(import_module(module), attribute)())
