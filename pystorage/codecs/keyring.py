"""Secret keys with ids, for the codecs that sign and encrypt: the first is used, all are accepted."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NoReturn

Keys = bytes | Sequence[bytes] | Mapping[str, bytes] | Callable[[], Mapping[str, bytes]]

_LONGEST_ID: Final = 32
_PERSON: Final = b"pystorage key id"


class Secret:
    """Bytes that no ``repr``, no traceback and no pickle shows.

    Args:
        value: The bytes.

    Raises:
        Nothing.

    Example:
        >>> Secret(b"hunter2")
        <secret>
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value: Final = value

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not put into pickles")

    def __repr__(self) -> str:
        return "<secret>"


class GivenKeys:
    """Keys as somebody gave them, read once and hidden.

    Whoever is given keys makes one of these first and drops what it was given, so that a traceback which
    shows variables shows no key, whatever fails afterwards.

    Args:
        keys: See ``KeyRing``.

    Raises:
        Exception: What the function raises that gives them.
    """

    __slots__ = ("fault", "found", "source")

    def __init__(self, keys: object) -> None:
        self.source: Callable[[], Mapping[str, bytes]] | None = keys if callable(keys) else None
        self.found, self.fault = _read(keys)

    def __repr__(self) -> str:
        return "<given keys>"


class KeyRing:
    """Secret keys by id.

    Args:
        keys: A key; or several, of which the first is used and the others are accepted too; or a mapping
            from id to key, in that order; or a function that gives one. Ids are 1 … 32 printable ASCII
            characters; a key without one has a digest of itself for an id. Only a function can be pickled
            with a codec, by reference.
        shortest: How many bytes a key has at least.
        longest: How many at most; None is any number.

    Raises:
        TypeError: They are not bytes.
        ValueError: There is none, a key is too short or too long, or an id is not fit. No message shows a
            key.

    Example:
        >>> KeyRing({"2026": bytes(32), "2025": bytes(32)}, shortest=32)
        <keys 2026, 2025>
    """

    __slots__ = ("_source", "secrets")

    def __init__(self, keys: Keys | GivenKeys, *, shortest: int, longest: int | None = None) -> None:
        self.secrets: dict[str, Secret] = {}  # first, as a traceback may show a ring that could not be made
        given = keys if isinstance(keys, GivenKeys) else GivenKeys(keys)
        del keys
        self._source = given.source
        if given.fault:
            raise TypeError(given.fault)
        if not given.found:
            raise ValueError("there must be at least one key")
        for number, (name, secret) in enumerate(given.found, 1):
            # What is too short to be a key may be a password, of which a digest would say too much.
            which = f"key {number} of {len(given.found)}" if name is None else f"the key {name!r}"
            size = len(secret.value)
            if size < shortest or (longest is not None and size > longest):
                wanted = f"exactly {shortest}" if longest == shortest else f"at least {shortest}"
                raise ValueError(
                    f"{which} has {size} bytes, and must have {wanted}: make one by "
                    f"secrets.token_bytes({shortest})"
                )
            if name is None:
                name = _digest(secret)
            elif not (name.isascii() and name.isprintable() and 1 <= len(name) <= _LONGEST_ID):
                raise ValueError(f"the key id {name!r} must be 1 … {_LONGEST_ID} printable ASCII characters")
            if self.secrets.setdefault(name, secret).value != secret.value:
                raise ValueError(f"two keys have the id {name!r}: name them, as in {{'2026': …, '2025': …}}")

    @property
    def first(self) -> str:
        """The id of the key that is used.

        Raises:
            Nothing.
        """
        return next(iter(self.secrets))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyRing):
            return NotImplemented
        mine = [(name, secret.value) for name, secret in self.secrets.items()]
        return mine == [(name, secret.value) for name, secret in other.secrets.items()]

    def __hash__(self) -> int:
        return hash(tuple(self.secrets))

    def __reduce__(self) -> NoReturn:
        raise TypeError("secret keys are not put into pickles")

    def __repr__(self) -> str:
        return f"<keys {', '.join(self.secrets)}>"

    def source(self) -> Callable[[], Mapping[str, bytes]]:
        """Give the function that the keys came from, for a pickle.

        Returns:
            The function.

        Raises:
            TypeError: They came as bytes, which are not put into pickles.
        """
        if self._source is None:
            raise TypeError(
                "secret keys are not put into pickles: give the codec a function that fetches them, such as "
                "EnvironmentKeys('APP_KEYS')"
            )
        return self._source


@dataclass(frozen=True)
class EnvironmentKeys:
    """Keys from an environment variable: ``id:base64,id:base64``, the one in use first.

    Args:
        variable: Its name.

    Raises:
        Nothing.

    Example:
        >>> os.environ["APP_KEYS"] = "2026:" + base64.b64encode(bytes(32)).decode()
        >>> KeyRing(EnvironmentKeys("APP_KEYS"), shortest=32)
        <keys 2026>
    """

    variable: str

    def __call__(self) -> dict[str, bytes]:
        if not os.environ.get(self.variable):
            raise ValueError(f"the environment variable {self.variable} holds no keys: set it to id:base64,…")
        keys = _parsed(os.environ[self.variable])
        if keys is None:
            # Neither the text nor its parts are shown, nor held by a variable here: they are the keys.
            raise ValueError(
                f"the environment variable {self.variable} is not of the form id:base64,… with an id of its "
                "own for each key"
            )
        return keys


def _parsed(text: str) -> dict[str, bytes] | None:
    """Read ``id:base64,id:base64``; None if it is anything else."""
    keys: dict[str, bytes] = {}
    for piece in text.split(","):
        name, colon, encoded = piece.strip().partition(":")
        if not (name and colon) or name in keys:
            return None
        try:
            keys[name] = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return None
    return keys


def _read(keys: object) -> tuple[list[tuple[str | None, Secret]], str]:
    """Give keys with their ids, or say why that cannot be; raises nothing while it holds a key."""
    if callable(keys):
        keys = keys()
    if isinstance(keys, (bytes, bytearray)):
        keys = [keys]
    named: list[tuple[object, object]]
    if isinstance(keys, Mapping):
        named = list(keys.items())
    elif isinstance(keys, Sequence) and not isinstance(keys, (str, memoryview)):
        named = [(None, secret) for secret in keys]
    else:
        kind = type(keys).__name__
        return [], f"keys must be bytes, several of them, or a mapping from id to bytes, not {kind}"
    found: list[tuple[str | None, Secret]] = []
    for name, secret in named:
        if not isinstance(secret, (bytes, bytearray)):
            return [], f"a key must be bytes, not {type(secret).__name__}"
        if name is not None and not isinstance(name, str):
            return [], f"a key id must be text, not {type(name).__name__}"
        found.append((name, Secret(bytes(secret))))
    return found, ""


def _digest(secret: Secret) -> str:
    return blake2b(secret.value, digest_size=4, person=_PERSON).hexdigest()
