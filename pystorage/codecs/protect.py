"""Codecs that vouch for bytes: a checksum against accidents, a signature against others.

Each binds the bytes to the name of their key, to an ``audience`` and to the codecs before it in the
chain: bytes that are moved to another key, another storage's audience or another chain are
``IntegrityError``. They are not bound to a place, so that folders can be moved.
"""

from __future__ import annotations

import hmac
from abc import abstractmethod
from hashlib import blake2b, sha256
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from pystorage.codecs.base import Codec, label_of
from pystorage.codecs.keyring import GivenKeys, KeyRing, Keys
from pystorage.codecs.serialize import checked_bytes
from pystorage.errors import IntegrityError

_FORMAT: Final = 1
_SHORTEST_KEY: Final = 32
_BLOCK: Final = 64
_MAC_SIZE: Final = 32
_CHECKSUM_SIZE: Final = 16

B = TypeVar("B", bound="BoundCodec")


def framed(*parts: str) -> bytes:
    """Join texts so that no other texts give the same bytes.

    Args:
        parts: The texts.

    Returns:
        Each behind its length.

    Raises:
        Nothing.

    Example:
        >>> framed("ab", "") == framed("a", "b")
        False
    """
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


class BoundCodec(Codec):
    """What the codecs have in common that bind bytes to key, audience and chain.

    Args:
        audience: Whom the bytes are for: storages that trust one another's bytes share it.

    Raises:
        TypeError: The audience is no text.
    """

    __slots__ = ("audience", "chain")

    takes_bytes: ClassVar[bool] = True

    def __init__(self, audience: str = "") -> None:
        if not isinstance(audience, str):
            raise TypeError(f"audience must be a str, not {type(audience).__name__}")
        self.audience = audience
        self.chain = ""

    def behind(self, before: tuple[Codec, ...]) -> Codec:
        copy = self._copy()
        copy.chain = "+".join(map(label_of, before))
        copy._bind()
        return copy

    @abstractmethod
    def _copy(self) -> BoundCodec:
        """Give another codec of the same settings."""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """Give the arguments that make it, for a pickle."""

    def _bind(self) -> None:
        """Take in that audience and chain are what they are now."""

    def _shown(self, name: str) -> str:
        """Show a setting; a traceback may show a codec that could not be made, and so has not all of them."""
        return repr(getattr(self, name, ...))

    def _context(self, *more: str) -> bytes:
        return framed(f"pystorage {self.label} {_FORMAT}", self.audience, self.chain, *more)

    # A codec does not change, so a copy need not be another one; and keys are not copied about.

    def __copy__(self: B) -> B:
        return self

    def __deepcopy__(self: B, memo: object) -> B:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _bound, (type(self), self._arguments(), self.chain)


def _bound(kind: type[B], arguments: dict[str, Any], chain: str) -> B:
    codec = kind(**arguments)
    codec.chain = chain
    codec._bind()
    return codec


class ChecksumCodec(BoundCodec):
    """A checksum: finds bytes that were damaged or moved, not those that somebody forged.

    Args:
        audience: Whom the bytes are for.

    Raises:
        TypeError: The audience is no text.

    Cost: 17 bytes and about 1 µs a value, and 1 ms for a megabyte.

    Example:
        >>> codec = ChecksumCodec()
        >>> codec.decode(codec.encode(b"ab", "key"), "key")
        b'ab'
    """

    __slots__ = ("_state",)

    label: ClassVar[str] = "checksum"

    def __init__(self, audience: str = "") -> None:
        super().__init__(audience)
        self._bind()

    def _copy(self) -> ChecksumCodec:
        return ChecksumCodec(self.audience)

    def _bind(self) -> None:
        self._state = blake2b(self._context(), digest_size=_CHECKSUM_SIZE)

    def _sum(self, data: bytes | memoryview, name: str) -> bytes:
        state = self._state.copy()
        state.update(framed(name))
        state.update(data)
        return state.digest()

    def encode(self, value: Any, name: str) -> bytes:
        data = checked_bytes(value)
        return b"\1" + self._sum(data, name) + data

    def decode(self, data: bytes, name: str) -> Any:
        if data[:1] != b"\1" or len(data) <= _CHECKSUM_SIZE:
            raise IntegrityError("there is no checksum before it")
        view = memoryview(data)[1 + _CHECKSUM_SIZE :]
        if self._sum(view, name) != data[1 : 1 + _CHECKSUM_SIZE]:
            raise IntegrityError(
                "its checksum does not match: it is damaged, or was moved from another key, audience or chain"
            )
        return bytes(view)

    def _arguments(self) -> dict[str, Any]:
        return {"audience": self.audience}

    def __repr__(self) -> str:
        audience = self._shown("audience")
        return f"ChecksumCodec({'' if audience == repr('') else audience})"


class _Hash(NamedTuple):
    """HMAC-SHA-256 with key and context taken in already."""

    inner: Any
    outer: Any


class SignedCodec(BoundCodec):
    """A signature by HMAC-SHA-256: nobody without a key can write what this codec reads.

    Args:
        keys: One key of at least 32 bytes, several, a mapping from id to key, or a function that gives
            one (``EnvironmentKeys``). The first signs, all verify.
        audience: Whom the bytes are for, such as the name of the application.

    Raises:
        TypeError: The keys are not bytes, or the audience is no text.
        ValueError: There is no key, or one is too short.

    Cost: at most 66 bytes and about 1 µs a value, and 0.6 ms for a megabyte.

    Example:
        >>> from pystorage.codecs import PickleCodec
        >>> codec = PickleCodec() | SignedCodec(bytes(32), audience="app")
        >>> codec.decode(codec.encode({1, 2}, "key"), "key")
        {1, 2}
    """

    __slots__ = ("_first", "_hashes", "_head", "_keys")

    label: ClassVar[str] = "signed"
    vouches: ClassVar[bool] = True

    def __init__(self, keys: Keys, audience: str = "") -> None:
        given = GivenKeys(keys)
        del keys
        super().__init__(audience)
        self._keys = KeyRing(given, shortest=_SHORTEST_KEY)
        self._bind()

    def _copy(self) -> SignedCodec:
        copy = SignedCodec.__new__(SignedCodec)
        BoundCodec.__init__(copy, self.audience)
        copy._keys = self._keys
        return copy

    def _bind(self) -> None:
        self._hashes = {}
        for key_id, secret in self._keys.secrets.items():
            # The hash function's states after the key, which HMAC would compute anew for each value.
            key = secret.value if len(secret.value) <= _BLOCK else sha256(secret.value).digest()
            key = key.ljust(_BLOCK, b"\0")
            inner = sha256(bytes(byte ^ 0x36 for byte in key))
            inner.update(self._context(key_id))
            outer = sha256(bytes(byte ^ 0x5C for byte in key))
            self._hashes[key_id.encode()] = _Hash(inner, outer)
        first = self._keys.first.encode()
        self._first = self._hashes[first]
        self._head = bytes([_FORMAT, len(first)]) + first

    def encode(self, value: Any, name: str) -> bytes:
        data = checked_bytes(value)
        return self._head + _mac(self._first, data, name) + data

    def outdated(self, data: bytes, name: str) -> bool:
        return not data.startswith(self._head)

    def decode(self, data: bytes, name: str) -> Any:
        end = 2 + (data[1] if len(data) > 1 else 0)
        if data[:1] != b"\1" or len(data) < end + _MAC_SIZE:
            raise IntegrityError("it is not signed")
        signer = self._hashes.get(data[2:end])
        if signer is None:
            raise IntegrityError(
                f"it is signed by the key {data[2:end].decode('ascii', 'replace')!r}, which is none of "
                f"{self._keys!r}: add that key behind the one in use"
            )
        view = memoryview(data)[end + _MAC_SIZE :]
        if not hmac.compare_digest(_mac(signer, view, name), data[end : end + _MAC_SIZE]):
            raise IntegrityError(
                "its signature does not match: it was changed, or moved from another key, audience or chain"
            )
        return bytes(view)

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, SignedCodec) and self._keys == other._keys

    __hash__ = Codec.__hash__

    def _arguments(self) -> dict[str, Any]:
        return {"keys": self._keys.source(), "audience": self.audience}

    def __repr__(self) -> str:
        return f"SignedCodec({self._shown('_keys')}, audience={self._shown('audience')})"


def _mac(key: _Hash, data: bytes | memoryview, name: str) -> bytes:
    inner = key.inner.copy()
    encoded = name.encode("utf-8", "surrogatepass")
    inner.update(len(encoded).to_bytes(4, "big") + encoded)
    inner.update(data)
    outer = key.outer.copy()
    outer.update(inner.digest())
    digest: bytes = outer.digest()
    return digest
