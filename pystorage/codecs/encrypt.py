"""EncryptedCodec: values that only the holders of a key can read or write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pystorage.codecs.base import Codec
from pystorage.codecs.keyring import GivenKeys, KeyRing, Keys
from pystorage.codecs.protect import BoundCodec, framed
from pystorage.codecs.serialize import checked_bytes
from pystorage.errors import EncodeError, IntegrityError, MissingDependencyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, ChaCha20Poly1305

Algorithm = Literal["aes-gcm-siv", "chacha20-poly1305"]

_FORMAT: Final = 1
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_TAG_SIZE: Final = 16
_CODES: Final[dict[Algorithm, int]] = {"aes-gcm-siv": 1, "chacha20-poly1305": 2}
# Added to the code where the value is empty, which some versions of OpenSSL cannot encrypt: then it is one
# byte that does not count.
_EMPTY: Final = 0x80


class EncryptedCodec(BoundCodec):
    """Authenticated encryption: nobody without a key can read a value, change it or move it elsewhere.

    The names of the keys are not hidden, nor the sizes of the values.

    Args:
        keys: One key of 32 bytes, several, a mapping from id to key, or a function that gives one
            (``EnvironmentKeys``). The first encrypts, all decrypt.
        audience: Whom the bytes are for, such as the name of the application.
        algorithm: ``"aes-gcm-siv"``, which stays safe should a random nonce ever come twice, or
            ``"chacha20-poly1305"``, which is ten times as fast for large values. Either reads both.

    Raises:
        MissingDependencyError: The package ``cryptography`` is not installed (extra ``crypto``).
        TypeError: The keys are not bytes, or the audience is no text.
        ValueError: There is no key, one is not of 32 bytes, or the algorithm is unknown or not available.

    Cost: at most 63 bytes and about 3 µs a value; for a megabyte 2 ms, or 0.2 ms by chacha20-poly1305.

    Example:
        >>> from pystorage.codecs import JSONCodec
        >>> codec = JSONCodec() | EncryptedCodec(bytes(32), audience="app")
        >>> codec.decode(codec.encode([1, 2], "key"), "key")
        [1, 2]
    """

    __slots__ = ("_ciphers", "_code", "_contexts", "_keys", "_name", "algorithm")

    label: ClassVar[str] = "encrypted"
    vouches: ClassVar[bool] = True

    def __init__(self, keys: Keys, audience: str = "", *, algorithm: Algorithm = "aes-gcm-siv") -> None:
        given = GivenKeys(keys)
        del keys
        super().__init__(audience)
        self._keys = KeyRing(given, shortest=_KEY_SIZE, longest=_KEY_SIZE)
        if algorithm not in _CODES:
            raise ValueError(f"algorithm must be one of {', '.join(_CODES)}, not {algorithm!r}")
        self.algorithm: Algorithm = algorithm
        self._bind()

    def _copy(self) -> EncryptedCodec:
        copy = EncryptedCodec.__new__(EncryptedCodec)
        BoundCodec.__init__(copy, self.audience)
        copy._keys = self._keys
        copy.algorithm = self.algorithm
        return copy

    def _bind(self) -> None:
        kinds = _kinds()
        self._code = _CODES[self.algorithm]
        if self._code not in kinds:
            raise ValueError(f"{self.algorithm} is not available here; choose chacha20-poly1305")
        self._ciphers: dict[tuple[int, bytes], AESGCMSIV | ChaCha20Poly1305] = {}
        # What is not encrypted but must be the same when it is decrypted.
        self._contexts: dict[tuple[int, bytes], bytes] = {}
        for key_id, secret in self._keys.secrets.items():
            for code, kind in kinds.items():
                cipher = kind(secret.value)
                for used in (code, code | _EMPTY):
                    self._ciphers[used, key_id.encode()] = cipher
                    self._contexts[used, key_id.encode()] = self._context(key_id, str(used))
        first = self._keys.first.encode()
        self._name = bytes([len(first)]) + first

    def encode(self, value: Any, name: str) -> bytes:
        data = checked_bytes(value)
        code = self._code if data else self._code | _EMPTY
        used = (code, self._name[1:])
        nonce = os.urandom(_NONCE_SIZE)
        try:
            encrypted = self._ciphers[used].encrypt(nonce, data or b"\0", self._contexts[used] + framed(name))
        except OverflowError as error:
            raise EncodeError(f"it is too large to be encrypted in one piece: {error}") from error
        return bytes([_FORMAT, code]) + self._name + nonce + encrypted

    def outdated(self, data: bytes, name: str) -> bool:
        return not data.startswith(self._name, 2) or data[1] & ~_EMPTY != self._code

    def decode(self, data: bytes, name: str) -> Any:
        from cryptography.exceptions import InvalidTag

        end = 3 + (data[2] if len(data) > 2 else 0)
        if data[:1] != b"\1" or len(data) < end + _NONCE_SIZE + _TAG_SIZE:
            raise IntegrityError("it is not encrypted")
        used = (data[1], data[3:end])
        cipher = self._ciphers.get(used)
        if cipher is None:
            raise IntegrityError(self._unknown(*used))
        start = end + _NONCE_SIZE
        try:
            value = cipher.decrypt(
                data[end:start], memoryview(data)[start:], self._contexts[used] + framed(name)
            )
        except (InvalidTag, OverflowError):
            raise IntegrityError(
                "it does not decrypt: it was changed, or moved from another key, audience or chain, or the "
                "key is another one of the same id"
            ) from None
        return b"" if used[0] & _EMPTY else value

    def _unknown(self, code: int, key_id: bytes) -> str:
        """Say what is missing to decrypt a value."""
        algorithm = next((name for name, its in _CODES.items() if its == code & ~_EMPTY), None)
        if algorithm is None:
            return "it is encrypted in a way that this pystorage does not know, or not encrypted"
        if (self._code, key_id) in self._ciphers:
            return f"it is encrypted by {algorithm}, which is not available here"
        return (
            f"it is encrypted by the key {key_id.decode('ascii', 'replace')!r}, which is none of "
            f"{self._keys!r}: add that key behind the one in use"
        )

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, EncryptedCodec) and self._keys == other._keys

    __hash__ = Codec.__hash__

    def _arguments(self) -> dict[str, Any]:
        return {"keys": self._keys.source(), "audience": self.audience, "algorithm": self.algorithm}

    def __repr__(self) -> str:
        settings = f"audience={self._shown('audience')}, algorithm={self._shown('algorithm')}"
        return f"EncryptedCodec({self._shown('_keys')}, {settings})"


def _kinds() -> dict[int, type[AESGCMSIV] | type[ChaCha20Poly1305]]:
    """Give the ciphers that are available, by their code in the stored bytes."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, ChaCha20Poly1305
    except ImportError as error:
        raise MissingDependencyError(
            "EncryptedCodec needs the package cryptography: pip install 'pystorage[crypto]'"
        ) from error
    kinds: dict[int, type[AESGCMSIV] | type[ChaCha20Poly1305]] = {}
    for code, kind in ((1, AESGCMSIV), (2, ChaCha20Poly1305)):
        try:
            kind(bytes(_KEY_SIZE))
        except UnsupportedAlgorithm:  # an older OpenSSL below
            continue
        kinds[code] = kind
    return kinds
