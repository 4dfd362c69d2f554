"""reencode: everything in a storage from one codec to another, such as to a new key."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Protocol

from pystorage.codecs.base import ChainCodec, Codec, label_of, resolve_codec
from pystorage.codecs.pickles import PickleCodec
from pystorage.codecs.protect import BoundCodec
from pystorage.codecs.versioned import VersionedCodec, split_version
from pystorage.errors import DecodeError, StorageError


class Recodable(Protocol):
    """What ``reencode`` needs of a storage: every storage of bytes has it.

    Raises:
        Nothing.
    """

    _codec: Codec

    def _places(self) -> list[str]: ...

    def _recode(self, place: str, change: Callable[[bytes, str], bytes | None]) -> bool: ...


def reencode(
    storage: Recodable,
    old: Codec | str,
    new: Codec | str,
    *,
    progress: Callable[[int, int], object] | None = None,
    skip: Callable[[StorageError], object] | None = None,
) -> int:
    """Write every entry of a storage anew with another codec, keeping keys and deadlines.

    Each entry is replaced on its own, on condition that nobody wrote it meanwhile: killed at any moment,
    nothing is lost, and called again it goes on with what is left. What the new codec wrote already is
    left alone. Programs may go on reading with a codec that knows both, such as a signature with the new
    key first and the old one behind it; open the storage anew with the new codec afterwards.

    An entry of an older key or version that the new codec reads is written as that codec would write it.
    No pickle is loaded to find out which codec wrote it.

    Args:
        storage: A storage of bytes, opened with any codec; with one that loads bare pickles if the old or
            the new one does, so that it refuses files that others may have written.
        old: What the entries are read with.
        new: What they are written with.
        progress: Called after each entry with how many are done and how many there are.
        skip: Called with the error of an entry that neither codec can read, which is then left as it is;
            None raises it.

    Returns:
        How many entries were written anew.

    Raises:
        DecodeError: An entry can be read with neither codec; it stays, and so do those after it.
        ValueError: An entry can be read with both, or could when it was written anew, and they are not of
            one format, so that nobody can tell which wrote it, as with ``"bytes"``. Or a codec loads bare
            pickles and the storage's own does not.
        EncodeError: The new codec cannot hold a value.
        TypeError: The storage is none of bytes.
        StorageProviderError: There is no codec of that name.
        StorageError: The storage cannot be read or written.

    Cost: a read of each entry, and a write of each that changes.
    Threads: others may use the storage meanwhile.
    Processes: so may others; where the storage cannot write on condition (``Capability.SWAP``), what one
        writes to an entry at the very moment may be lost.

    Example:
        >>> import tempfile
        >>> from pystorage import FileStorage
        >>> from pystorage.codecs import JSONCodec, SignedCodec
        >>> folder = tempfile.mkdtemp()
        >>> FileStorage(folder)["a"] = 1
        >>> signed = JSONCodec() | SignedCodec(bytes(32))
        >>> reencode(FileStorage(folder), "json", signed)
        1
        >>> FileStorage(folder, codec=signed)["a"]
        1
    """
    before, after = resolve_codec(old), resolve_codec(new)
    if not hasattr(storage, "_recode"):
        raise TypeError(
            f"only storages of bytes have a codec, and {storage!r} is none; if it is around one, give that"
        )
    for codec in (before, after):
        if codec.runs_code and not storage._codec.runs_code:
            raise ValueError(
                f"{codec!r} can run code, and {storage!r} was opened with a codec that cannot, so it does "
                "not look who may have written what it reads: open it with the one that can"
            )

    def change(data: bytes, name: str) -> bytes | None:
        return _changed(before, after, data, name)

    places = storage._places()
    written = 0
    for number, place in enumerate(places, 1):
        try:
            written += storage._recode(place, change)
        except DecodeError as error:
            if skip is None:
                raise
            skip(error)
        if progress is not None:
            progress(number, len(places))
    return written


def _changed(old: Codec, new: Codec, data: bytes, name: str) -> bytes | None:
    """Give the bytes of an entry in the new codec; None if it is there already."""
    one_format = label_of(old) == label_of(new)
    surely_old = not one_format and _marks(old) and _reads(old, data, name)
    if not surely_old and _reads(new, data, name):
        if new.outdated(data, name):
            return new.encode(new.decode(data, name), name)
        if one_format or _marks(new) or not _reads(old, data, name):
            return None
        raise _ambiguous(old, new, name)
    encoded = new.encode(old.decode(data, name), name)
    if not (one_format or _marks(old) or _marks(new)) and _reads(old, encoded, name):
        raise _ambiguous(old, new, name)
    return encoded


def _ambiguous(old: Codec, new: Codec, name: str) -> ValueError:
    return ValueError(
        f"{old!r} and {new!r} can both read the entry {name!r}, so nobody can tell which wrote it; go by way "
        "of a codec that marks what it writes, such as ChecksumCodec"
    )


def _marks(codec: Codec) -> bool:
    """Tell whether a codec takes nothing for its own that another one wrote."""
    if isinstance(codec, ChainCodec):
        return any(map(_marks, codec.codecs))
    if isinstance(codec, VersionedCodec):
        return _marks(codec.codec) and _marks(codec.old)
    return isinstance(codec, BoundCodec)


def _reads(codec: Codec, data: bytes, name: str) -> bool:
    """Tell whether a codec can read bytes, or whether it could be, if only loading a pickle would tell."""
    if not codec.runs_code:
        try:
            codec.decode(data, name)
        except DecodeError:
            return False
        return True
    if isinstance(codec, ChainCodec):
        first, *others = codec.codecs
        try:
            for other in reversed(others):
                data = other.decode(data, name)
        except DecodeError:
            return False
        return _reads(first, data, name)
    if isinstance(codec, VersionedCodec):
        try:
            version, data = split_version(data)
        except DecodeError:
            return False
        body = codec.codec if version == codec.version else codec.old
        return version <= codec.version and _reads(body, data, name)
    return not isinstance(codec, PickleCodec) or _is_pickle(data)


def _is_pickle(data: bytes) -> bool:
    """Tell whether bytes are one whole pickle, without loading it."""
    try:
        *_, (_, _, end) = pickletools.genops(data)
    except Exception:  # it raises all kinds for what is no pickle
        return False
    return end == len(data) - 1
