"""PickleCodec: any value that pickle can hold."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any, ClassVar

from pystorage.codecs.base import Codec
from pystorage.errors import DecodeError, EncodeError

# A pickle ends where it says so, which a loader does not tell: a file tells it, and takes twice as long.
_STOP = b"."


class PickleCodec(Codec):
    """Any picklable value, by ``pickle``.

    Loading a pickle can run whatever its writer wished: storages load bare pickles only from places
    that nobody else can write to. With ``allow`` only the named classes and functions are ever called.

    Args:
        protocol: The pickle protocol, 0 … ``pickle.HIGHEST_PROTOCOL``; None is the highest.
        allow: Classes and functions that a pickle may call, or texts ``"module.name"`` of them, besides
            ``complex`` and ``slice``; None allows everything. What is built into the format (numbers,
            texts, bytes, lists, tuples, dicts, sets) calls nothing.

    Raises:
        ValueError: There is no such protocol, or the name of an allowed one is not of that form.
        TypeError: What is allowed is neither text nor has a name.

    Cost: with ``allow`` the pickle is looked through before it is loaded, which takes some twenty times as
        long as loading it, and it is loaded once when it is written.

    Example:
        >>> codec = PickleCodec()
        >>> codec.decode(codec.encode({1: (2, 3)}, ""), "")
        {1: (2, 3)}
        >>> import fractions
        >>> data = codec.encode(fractions.Fraction(1, 2), "")
        >>> PickleCodec(allow=[fractions.Fraction]).decode(data, "")
        Fraction(1, 2)
    """

    __slots__ = ("allow", "protocol")

    label: ClassVar[str] = "pickle"

    def __init__(self, protocol: int | None = None, *, allow: Iterable[Any] | None = None) -> None:
        if protocol is not None and not 0 <= protocol <= pickle.HIGHEST_PROTOCOL:
            raise ValueError(f"protocol must be 0 … {pickle.HIGHEST_PROTOCOL}, not {protocol!r}")
        self.protocol = protocol
        self.allow: tuple[str, ...] | None = None if allow is None else _allowed_names(allow)

    @property
    def runs_code(self) -> bool:
        return self.allow is None

    def encode(self, value: Any, name: str) -> bytes:
        try:
            data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL if self.protocol is None else self.protocol)
        except Exception as error:  # a value's own __reduce__ may raise anything
            raise EncodeError(f"pickle cannot hold it: {error!r}") from error
        if self.allow is not None:
            self._check(data)
        return data

    def _check(self, data: bytes) -> None:
        """Refuse to write what could not be read back."""
        try:
            self.decode(data, "")
        except DecodeError as error:
            raise EncodeError(f"{self!r} could not read it back: {error}") from error

    def decode(self, data: bytes, name: str) -> Any:
        try:
            if self.allow is None and data.find(_STOP) == len(data) - 1:
                return pickle.loads(data)  # nothing can follow the only place where it may end
            file = io.BytesIO(data)
            value = pickle.load(file) if self.allow is None else _load_allowed(file, self.allow)
        except Exception as error:  # broken pickles, and classes that are gone, raise anything
            raise DecodeError(f"this cannot be unpickled: {error!r}") from error
        if file.tell() != len(data):
            raise DecodeError("this is not one pickle: bytes follow its end")
        return value

    def __repr__(self) -> str:
        settings = [] if self.protocol is None else [str(self.protocol)]
        if self.allow is not None:
            settings.append(f"allow={list(self.allow)!r}")
        return f"PickleCodec({', '.join(settings)})"


# What few programs need, and so is loaded when it is first used.


def _allowed_names(allow: Iterable[Any]) -> tuple[str, ...]:
    from pystorage.codecs.allowed import allowed_names

    return allowed_names(allow)


def _load_allowed(file: io.BytesIO, allow: tuple[str, ...]) -> Any:
    from pystorage.codecs.allowed import load_allowed

    return load_allowed(file, allow)
