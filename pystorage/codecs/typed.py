"""MsgspecCodec: values of a declared type, as JSON or MessagePack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pystorage.codecs.base import Codec
from pystorage.errors import DecodeError, EncodeError, MissingDependencyError

if TYPE_CHECKING:
    from types import ModuleType

Format = Literal["json", "msgpack"]

_FORMATS: Final = ("json", "msgpack")


class MsgspecCodec(Codec):
    """Values of a declared type: dataclasses, Structs, TypedDicts, datetimes, UUIDs and what they hold.

    A value that would come back as another one is refused: one that does not fit the type, a dict in which
    JSON would merge two keys, infinity and NaN in JSON. Where the type says ``Any``, tuples and sets come
    back as lists, and in JSON keys that are numbers as texts.

    Args:
        type: The type that values come back as, such as ``list[Order]``; ``Any`` is what the format knows.
        format: ``"json"`` or ``"msgpack"``.

    Raises:
        MissingDependencyError: The package ``msgspec`` is not installed (extra ``msgspec``).
        TypeError: The type is none that can be decoded.
        ValueError: The format is unknown.

    Cost: what is written is read back once and compared.

    Example:
        >>> import uuid
        >>> codec = MsgspecCodec(dict[str, uuid.UUID])
        >>> codec.decode(codec.encode({"a": uuid.UUID(int=1)}, ""), "")
        {'a': UUID('00000000-0000-0000-0000-000000000001')}
    """

    __slots__ = ("_decode", "_encode", "format", "type")

    def __init__(self, type: Any = Any, format: Format = "json") -> None:
        msgspec = _library()
        if format not in _FORMATS:
            raise ValueError(f"format must be 'json' or 'msgpack', not {format!r}")
        self.type = type
        self.format: Format = format
        module = getattr(msgspec, format)
        try:
            self._decode = module.Decoder(type).decode
        except (TypeError, RuntimeError) as error:
            raise TypeError(f"values cannot be decoded as {type!r}: {error}") from error
        self._encode = module.Encoder().encode

    @property
    def label(self) -> str:  # type: ignore[override]
        """What the bytes are, for codecs that bind them to the chain.

        Raises:
            Nothing.
        """
        return "json" if self.format == "json" else "msgpack"

    def encode(self, value: Any, name: str) -> bytes:
        try:
            data: bytes = self._encode(value)
            again = self._decode(data)
            if not _same(value, again):
                raise ValueError(
                    f"it would come back as another value, of type {type(again).__name__}: give its type="
                )
        except Exception as error:  # a value's own class may raise anything
            raise EncodeError(f"{self!r} cannot hold it: {error}") from error
        return data

    def decode(self, data: bytes, name: str) -> Any:
        try:
            return self._decode(data)
        except Exception as error:  # a class that checks itself may raise anything
            raise DecodeError(f"this is not a value of {self!r}: {error}") from error

    def __reduce__(self) -> tuple[type[MsgspecCodec], tuple[Any, Format]]:
        return MsgspecCodec, (self.type, self.format)

    def __repr__(self) -> str:
        name = self.type.__name__ if type(self.type) is type else repr(self.type)
        return f"MsgspecCodec({name}, {self.format!r})"


def msgpack() -> MsgspecCodec:
    """Give the codec named ``"msgpack"``.

    Returns:
        MessagePack of any value that it knows.

    Raises:
        MissingDependencyError: The package ``msgspec`` is not installed (extra ``msgspec``).
    """
    return MsgspecCodec(format="msgpack")


def _same(value: Any, again: Any) -> bool:
    """Tell whether a value came back as it was, or as near as the type ``Any`` allows."""
    if again is value or again == value:
        return True
    if isinstance(value, (list, tuple, set, frozenset)) and isinstance(again, (list, tuple)):
        return len(value) == len(again) and all(map(_same, value, again))
    if isinstance(value, dict) and isinstance(again, dict):
        pairs = zip(value.items(), again.items(), strict=False)
        return len(value) == len(again) and all(
            _same_key(key, key_again) and _same(one, one_again)
            for (key, one), (key_again, one_again) in pairs
        )
    if type(again) is not type(value):
        return False
    fields = getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", None)
    if fields:
        return all(_same(getattr(value, field), getattr(again, field)) for field in fields)
    # NaN, and objects that are equal to nothing but themselves, so that nobody can tell.
    kind: Any = type(value)
    return bool(value != value) or kind.__eq__ is object.__eq__


def _same_key(key: object, again: object) -> bool:
    if isinstance(key, (int, float)) and isinstance(again, str):
        return type(key)(again) == key
    return _same(key, again)


def _library() -> ModuleType:
    try:
        import msgspec
    except ImportError as error:
        raise MissingDependencyError(
            "MsgspecCodec needs the package msgspec: pip install 'pystorage[msgspec]'"
        ) from error
    return msgspec
