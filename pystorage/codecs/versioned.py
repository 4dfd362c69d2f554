"""VersionedCodec: values whose shape changes from one release of a program to the next."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from pystorage.codecs.base import Codec, label_of
from pystorage.errors import DecodeError

Migration = Callable[[Any], Any]

# No text and no MessagePack begins like this, so values from before there were versions are known.
_HEAD = struct.Struct(">2sI")
_MAGIC: Final = b"\xc1V"
_LARGEST: Final = 2**32 - 1


class VersionedCodec(Codec):
    """Values with the version of their shape: older ones are migrated when they are read, newer refused.

    Values that were stored before without a version are of version 1.

    Args:
        codec: How values of the current version become bytes.
        version: The current version, 1 … 2³²-1.
        migrations: For each older version that can still be read, the function that makes a value of the
            next version of one of its own; none may be left out between the oldest and the current.
        old: How older values are decoded; None is ``codec``. Needed where that knows only the new type.
        write_back: Whether a storage writes a migrated value at once, if nobody wrote meanwhile and the
            place takes writes.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: The version is out of its range, or a migration is missing or one too many.

    Example:
        >>> from pystorage.codecs import JSONCodec
        >>> def split_name(user):
        ...     first, _, last = user["name"].partition(" ")
        ...     return {"first": first, "last": last}
        >>> codec = VersionedCodec(JSONCodec(), version=2, migrations={1: split_name})
        >>> codec.decode(b'{"name": "Ada Lovelace"}', "user")
        {'first': 'Ada', 'last': 'Lovelace'}
    """

    __slots__ = ("_head", "_write_back", "codec", "migrations", "old", "version")

    def __init__(
        self,
        codec: Codec,
        version: int,
        migrations: Mapping[int, Migration] | None = None,
        *,
        old: Codec | None = None,
        write_back: bool = False,
    ) -> None:
        for given in (codec, codec if old is None else old):
            if not isinstance(given, Codec):
                raise TypeError(f"VersionedCodec is made around a codec, not around {type(given).__name__}")
        if isinstance(version, bool) or not isinstance(version, int):
            raise TypeError(f"version must be an int, not {type(version).__name__}")
        if not 1 <= version <= _LARGEST:
            raise ValueError(f"version must be 1 … {_LARGEST}, not {version}")
        migrations = dict(migrations or {})
        expected = set(range(min(migrations, default=version), version))
        if set(migrations) != expected:
            wrong = sorted(set(migrations) ^ expected, key=repr)
            raise ValueError(
                f"migrations must be of all versions from the oldest to {version - 1}; "
                f"too many or missing: {wrong}"
            )
        self.codec = codec
        self.version = version
        self.migrations = migrations
        self.old = codec if old is None else old
        self._write_back = write_back
        self._head = _HEAD.pack(_MAGIC, version)

    @property
    def label(self) -> str:  # type: ignore[override]
        """What the bytes are, for codecs that bind them to the chain; the same for every version.

        Raises:
            Nothing.
        """
        return f"versioned {label_of(self.codec)}"

    @property
    def runs_code(self) -> bool:
        return self.codec.runs_code or self.old.runs_code

    @property
    def writes_back(self) -> bool:
        return self._write_back or self.codec.writes_back

    def outdated(self, data: bytes, name: str) -> bool:
        return not data.startswith(self._head) or self.codec.outdated(data[_HEAD.size :], name)

    def encode(self, value: Any, name: str) -> bytes:
        return self._head + self.codec.encode(value, name)

    def decode(self, data: bytes, name: str) -> Any:
        if data.startswith(self._head):
            return self.codec.decode(data[_HEAD.size :], name)
        version, data = split_version(data)
        if version > self.version:
            raise DecodeError(
                f"it is of version {version}, and this program knows versions up to {self.version}: "
                "upgrade the program"
            )
        if version == self.version:  # 1, from before there were versions
            return self.codec.decode(data, name)
        if version not in self.migrations:
            raise DecodeError(
                f"it is of version {version}, from which there is no migration to version {self.version}: "
                f"give migrations={{{version}: …}}"
            )
        value = self.old.decode(data, name)
        for step in range(version, self.version):
            try:
                value = self.migrations[step](value)
            except Exception as error:  # somebody else's function
                raise DecodeError(f"the migration from version {step} failed: {error!r}") from error
        return value

    def __eq__(self, other: object) -> bool:
        return (
            super().__eq__(other)
            and isinstance(other, VersionedCodec)
            and self.migrations == other.migrations
            and self.old == other.old
        )

    __hash__ = Codec.__hash__

    def __repr__(self) -> str:
        settings = ", write_back=True" if self._write_back else ""
        return f"VersionedCodec({self.codec!r}, version={self.version}{settings})"


def split_version(data: bytes) -> tuple[int, bytes]:
    """Take off the version of a stored value.

    Args:
        data: What ``VersionedCodec.encode`` gave, or a value from before there were versions.

    Returns:
        The version, 1 without one, and the value in the codec of that version.

    Raises:
        DecodeError: It is cut short or damaged.

    Example:
        >>> from pystorage.codecs import JSONCodec
        >>> split_version(VersionedCodec(JSONCodec(), 2).encode("a", "")), split_version(b"{}")
        ((2, b'"a"'), (1, b'{}'))
    """
    if not data.startswith(_MAGIC):
        return 1, data
    if len(data) < _HEAD.size:
        raise DecodeError("its version is cut short")
    version = _HEAD.unpack_from(data)[1]
    if version == 0:
        raise DecodeError("its version is damaged")
    return version, data[_HEAD.size :]
