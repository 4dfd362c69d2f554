"""Fingerprints of numpy, pandas, polars and pydantic, none of which is imported: their values bring them.

So it is with some modules of Python: a partial function is its function and its arguments, a pattern its text
and its flags, an address what it is written as, and ``list[int]`` and ``int | str`` what they are made of.

Arrays, series and frames are known by their types, shapes and names as well as by what they hold: an array of
integers is another argument than one of floats. A scalar of numpy is the number that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from pystorage.memo.kinds import Encoder, Unfingerprintable, class_label, sized

if TYPE_CHECKING:
    from pystorage.memo.fingerprint import Walk

# Little-endian, whatever the machine.
_ORDER: Final = "<"
# The kinds of numpy whose bytes are the value: numbers, bool, and times; texts and bytes of one width.
_BY_BYTES: Final = "biufcmMUS"


def library_encoder(kind: type, above: type) -> Encoder | None:
    """Find what writes the values of a class, if one above it is of these libraries.

    Args:
        kind: The class.
        above: The class itself, or one above it.

    Returns:
        The encoder; None where the one above is of none of them.

    Raises:
        TypeError: It compares in a way of its own, may hold more, or cannot be imported by its name.
    """
    made = _MAKERS.get((above.__module__.partition(".")[0], above.__name__))
    return None if made is None else made(kind, above)


def _refuse_below(kind: type, above: type) -> None:
    """Refuse a class that may hold more than the one above it."""
    if kind is not above:
        raise Unfingerprintable(
            f"{kind.__qualname__} may hold more than a {above.__qualname__}",
            f"give a plain {above.__qualname__}, or register_fingerprint({kind.__qualname__}, function)",
        )


def _array(kind: type, above: type) -> Encoder:
    _refuse_below(kind, above)
    return lambda value, walk: _of_array("A", value, walk)


def _of_array(letter: str, value: Any, walk: Walk) -> str:
    shape = "x".join(map(str, value.shape))
    # A long double has bytes that mean nothing.
    if value.dtype.kind in _BY_BYTES and value.dtype.char not in "gG":
        dtype = value.dtype.newbyteorder(_ORDER)
        digest = blake2b(value.astype(dtype, copy=False).tobytes(), digest_size=32).hexdigest()
        return f"{letter}{sized(dtype.str)}{sized(shape)}{digest};"
    # Objects, and what may have bytes between its fields.
    held = "".join(walk.texts(value, (_described(value.dtype), value.tolist())))
    return f"{letter}{sized(shape)}{held}"


def _described(dtype: Any) -> str:
    return str(dtype.descr) if dtype.names else str(dtype)


def _scalar(kind: type, above: type) -> Encoder:
    def encode(value: Any, walk: Walk) -> str:
        if value.dtype.kind in "mMV":
            return _of_array("a", value, walk)
        plain = value.item()
        if type(plain) is kind:  # it is wider than any number of Python's
            return f"a{sized(str(value.dtype))}{sized(repr(value))}"
        return walk.text(plain)

    return encode


def _dtype(kind: type, above: type) -> Encoder:
    return lambda value, walk: f"J{sized(_described(value.newbyteorder(_ORDER)))}"


def _model(kind: Any, above: Any) -> Encoder:
    if kind.__eq__ is not above.__eq__:
        raise Unfingerprintable(
            f"{kind.__qualname__} is a model that compares in a way of its own",
            f"register_fingerprint({kind.__qualname__}, function)",
        )
    head = f"y{sized(class_label(kind))}"

    def encode(value: Any, walk: Walk) -> str:
        extra = getattr(value, "__pydantic_extra__", None)
        private = getattr(value, "__pydantic_private__", None)
        return head + "".join(walk.texts(value, (vars(value), extra, private)))

    return encode


def _pandas(kind: type, above: type) -> Encoder:
    if kind.__module__.partition(".")[0] != "pandas":  # RangeIndex is an Index
        _refuse_below(kind, above)
    head = f"h{sized(class_label(kind))}"

    def column(series: Any) -> tuple[object, ...]:
        dtype = series.dtype
        array = getattr(series, "array", series)
        if str(dtype) == "category":
            return ("category", dtype.categories, dtype.ordered, array.codes)
        if getattr(dtype, "kind", "O") in _BY_BYTES and hasattr(dtype, "newbyteorder"):
            return (str(dtype), series.to_numpy())
        return (str(dtype), list(array))

    def encode(value: Any, walk: Walk) -> str:
        held: tuple[object, ...]
        if above.__name__ == "DataFrame":
            held = (value.index, value.columns, [column(value.iloc[:, at]) for at in range(value.shape[1])])
        elif above.__name__ == "Series":
            held = (value.index, value.name, column(value))
        elif above.__name__ == "MultiIndex":
            held = (list(value.names), list(value.levels), [list(codes) for codes in value.codes])
        else:
            held = (value.name, column(value))
        return head + "".join(walk.texts(value, held))

    return encode


def _pandas_time(kind: type, above: type) -> Encoder:
    def encode(value: Any, walk: Walk) -> str:
        # Where it equals one of Python's, it is that.
        if above.__name__ == "Timedelta":
            if value.nanoseconds == 0:
                return walk.text(value.to_pytimedelta())
            return f"j{sized('Timedelta')}{value.value};"
        if value.nanosecond == 0:
            return walk.text(value.to_pydatetime())
        return f"j{sized('Timestamp')}{value.nanosecond};{walk.text(value.to_pydatetime(warn=False))}"

    return encode


def _missing(kind: type, above: type) -> Encoder:
    return lambda *_: f"j{sized(above.__name__)}"


def _polars(kind: type, above: type) -> Encoder:
    _refuse_below(kind, above)
    head = f"h{sized(class_label(kind))}"

    def encode(value: Any, walk: Walk) -> str:
        columns = value.get_columns() if above.__name__ == "DataFrame" else [value]
        held = [(each.name, str(each.dtype), each.to_list()) for each in columns]
        return head + "".join(walk.texts(value, (held,)))

    return encode


def _partial(kind: type, above: type) -> Encoder:
    _refuse_below(kind, above)
    return lambda value, walk: "V" + "".join(walk.texts(value, (value.func, value.args, value.keywords)))


def _pattern(kind: type, above: type) -> Encoder:
    return lambda value, walk: "G" + "".join(walk.texts(value, (value.pattern, value.flags)))


def _address(kind: type, above: type) -> Encoder:
    _refuse_below(kind, above)
    return lambda value, walk: f"I{sized(kind.__name__)}{sized(str(value))}"


def _alias(kind: type, above: type) -> Encoder:
    return lambda value, walk: "L" + "".join(walk.texts(value, (value.__origin__, value.__args__)))


def _union(kind: type, above: type) -> Encoder:
    return lambda value, walk: "U" + "".join(walk.texts(value, (frozenset(value.__args__),)))


_Maker = Callable[[Any, Any], Encoder]

#: The package and the name of a class → what makes the encoder of it and of the classes below.
_MAKERS: Final[dict[tuple[str, str], _Maker]] = {
    ("numpy", "ndarray"): _array,
    ("numpy", "str_"): _scalar,  # a str first
    ("numpy", "bytes_"): _scalar,
    ("numpy", "generic"): _scalar,
    ("numpy", "dtype"): _dtype,
    ("pandas", "DataFrame"): _pandas,
    ("pandas", "Series"): _pandas,
    ("pandas", "MultiIndex"): _pandas,
    ("pandas", "Index"): _pandas,
    ("pandas", "Timestamp"): _pandas_time,
    ("pandas", "Timedelta"): _pandas_time,
    ("pandas", "NaTType"): _missing,
    ("pandas", "NAType"): _missing,
    ("polars", "DataFrame"): _polars,
    ("polars", "Series"): _polars,
    ("pydantic", "BaseModel"): _model,
    ("functools", "partial"): _partial,
    ("re", "Pattern"): _pattern,
    **{
        ("ipaddress", f"IPv{version}{what}"): _address
        for version in (4, 6)
        for what in ("Address", "Network", "Interface")
    },
    ("types", "GenericAlias"): _alias,
    ("types", "UnionType"): _union,
}
