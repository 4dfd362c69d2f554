"""What a storage on S3 is told of its place: the bucket, the folder, the server, and what the bytes are."""

from __future__ import annotations

from typing import Any, Final

from pystorage.codecs import ChainCodec, Codec
from pystorage.naming import OWN
from pystorage.storage import shown

#: S3's own limit for the name of an object, in bytes.
LONGEST_KEY: Final = 1024
_TYPES: Final = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "gzip": "application/gzip",
    "zstd": "application/zstd",
    "msgpack": "application/msgpack",
}


def content_type(codec: Codec) -> str:
    """Say what the bytes of a codec are.

    Args:
        codec: The codec.

    Returns:
        A media type.

    Raises:
        Nothing.
    """
    last = codec.codecs[-1] if isinstance(codec, ChainCodec) else codec
    return _TYPES.get(last.label, "application/octet-stream")


def checked_folder(bucket: object, folder: object) -> str:
    """Check a bucket and a folder in it.

    Args:
        bucket: The bucket.
        folder: The folder, with or without slashes around it.

    Returns:
        What the names of its objects begin with: empty, or ending in one slash.

    Raises:
        TypeError: One is no text.
        ValueError: The folder could not be told from others, or leaves no room for keys.
    """
    if not isinstance(bucket, str) or not isinstance(folder, str):
        raise TypeError(f"bucket and folder must be str, not {shown(bucket)} and {shown(folder)}")
    if not bucket:
        raise ValueError("bucket is empty; write the name of a bucket")
    path = folder.strip("/")
    if not path:
        return ""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.startswith(OWN) or not part.isprintable() for part in parts):
        raise ValueError(
            f"folder must be parts between single slashes, none of them '.', '..' or {OWN!r}, and printable; "
            f"not {shown(folder)}"
        )
    if len(path.encode()) >= LONGEST_KEY - 150:
        raise ValueError(f"folder must leave room for keys: {len(path.encode())} bytes are too many")
    return f"{path}/"


def endpoint_of(client: Any) -> str | None:
    """Give the server of a client.

    Args:
        client: A boto3 client.

    Returns:
        Its URL; None where it is Amazon's.

    Raises:
        Nothing.
    """
    url: str = client.meta.endpoint_url
    host = url.partition("://")[2].partition("/")[0]
    return None if ".amazonaws.com" in host else url
