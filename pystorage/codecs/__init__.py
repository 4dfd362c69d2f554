"""Value ↔ bytes, pure: codecs, chains of them, and the header that an entry may begin with.

A codec is given to a storage, as an object or by name: ``codec="json"``, ``codec="pickle+gzip"``.
"""

from pystorage.codecs.base import CODECS, ChainCodec, Codec, resolve_codec
from pystorage.codecs.compress import GzipCodec, LzmaCodec, ZlibCodec
from pystorage.codecs.serialize import BytesCodec, JSONCodec, PickleCodec, TextCodec

__all__ = [
    "CODECS",
    "BytesCodec",
    "ChainCodec",
    "Codec",
    "GzipCodec",
    "JSONCodec",
    "LzmaCodec",
    "PickleCodec",
    "TextCodec",
    "ZlibCodec",
    "resolve_codec",
]
