"""Value ↔ bytes, pure: codecs, chains of them, and the header that an entry may begin with.

A codec is given to a storage, as an object or by name: ``codec="json"``, ``codec="pickle+gzip"``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pystorage.codecs.base import CODECS, ChainCodec, Codec, holds_integers, label_of, resolve_codec
from pystorage.codecs.serialize import BytesCodec, JSONCodec, TextCodec

if TYPE_CHECKING:
    from pystorage.codecs.compress import GzipCodec, LzmaCodec, ZlibCodec
    from pystorage.codecs.encrypt import EncryptedCodec
    from pystorage.codecs.keyring import EnvironmentKeys
    from pystorage.codecs.pickles import PickleCodec
    from pystorage.codecs.protect import ChecksumCodec, SignedCodec
    from pystorage.codecs.rotation import reencode
    from pystorage.codecs.typed import MsgspecCodec
    from pystorage.codecs.versioned import VersionedCodec
    from pystorage.codecs.zstandard import ZstdCodec

__all__ = [
    "CODECS",
    "BytesCodec",
    "ChainCodec",
    "ChecksumCodec",
    "Codec",
    "EncryptedCodec",
    "EnvironmentKeys",
    "GzipCodec",
    "JSONCodec",
    "LzmaCodec",
    "MsgspecCodec",
    "PickleCodec",
    "SignedCodec",
    "TextCodec",
    "VersionedCodec",
    "ZlibCodec",
    "ZstdCodec",
    "holds_integers",
    "label_of",
    "reencode",
    "resolve_codec",
]

#: What most programs do not need, and so is loaded when it is first used.
_LATER = {
    "ChecksumCodec": "protect",
    "EncryptedCodec": "encrypt",
    "EnvironmentKeys": "keyring",
    "GzipCodec": "compress",
    "LzmaCodec": "compress",
    "MsgspecCodec": "typed",
    "PickleCodec": "pickles",
    "SignedCodec": "protect",
    "VersionedCodec": "versioned",
    "ZlibCodec": "compress",
    "ZstdCodec": "zstandard",
    "reencode": "rotation",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
