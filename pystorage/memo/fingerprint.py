"""Fingerprints: any value as one text, the same in every process, also for types of your own."""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Final, TypeVar

from pystorage.memo.kinds import (
    KINDS,
    Bottomless,
    Encoder,
    Unfingerprintable,
    by_name,
    class_label,
    dataclass_encoder,
    sized,
)
from pystorage.memo.libraries import library_encoder
from pystorage.memo.names import label

T = TypeVar("T")

# A text that is longer is remembered, for a value that is held in many places: as many lists in one another
# that hold each the next one twice would be written 2 ** n times.
_MANY: Final = 1024
# From here on its digest stands for it, as such texts would double as often. A text of the caller's and an
# integer stay as they are: they hold nothing, and most are never seen here.
_TOO_MANY: Final = 1 << 16

_registered: Final[dict[type, Callable[[Any], object]]] = {}
# What was found for the types met so far, and their names for typed=True. Both are made anew, never
# emptied, so that a search that a registration has overtaken ends in the old ones.
_found: weakref.WeakKeyDictionary[type, Encoder] = weakref.WeakKeyDictionary()
_prefixes: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()


def register_fingerprint(type: type[T], function: Callable[[T], object]) -> None:
    """Say what tells the values of a type apart when they are arguments of a memoized function.

    It holds for subclasses too, each under its own name, unless one is nearer. Registering a type again
    replaces the function. All processes that share a storage must register alike.

    Args:
        type: The class.
        function: Takes a value of it and gives what stands for it: anything that has a fingerprint, such
            as a tuple of its parts. Equal values must give equal parts.

    Raises:
        TypeError: ``type`` is no class, or ``function`` cannot be called.
        ValueError: The type is built in and has a fingerprint that can't be replaced.

    Threads: safe.

    Example:
        >>> class Vector:
        ...     def __init__(self, x, y):
        ...         self.x, self.y = x, y
        >>> register_fingerprint(Vector, lambda vector: (vector.x, vector.y))
        >>> canonical([Vector(1, 2)]) == canonical([Vector(1, 2)])
        True
    """
    if not isinstance(type, _TYPE):
        raise TypeError(f"register_fingerprint() takes a class first, not {type!r}")
    if not callable(function):
        raise TypeError(
            f"register_fingerprint({type.__qualname__}, …) takes a function second, not {function!r}"
        )
    if type in KINDS:
        raise ValueError(
            f"{type.__qualname__} has a fingerprint of its own that can't be replaced: register a subclass, "
            "or give the memoized function key="
        )
    global _found, _prefixes
    _registered[type] = function
    _found, _prefixes = weakref.WeakKeyDictionary(), weakref.WeakKeyDictionary()


_TYPE: Final = type


def canonical(values: Iterable[object], typed: bool = False) -> str:
    """Write values as one text: the same for equal values, another for any others.

    Args:
        values: The values, in their order.
        typed: Whether equal values of different types differ, at every depth, as ``1`` and ``1.0``.

    Returns:
        The text. It may hold halves of surrogate pairs.

    Raises:
        TypeError: A value has no fingerprint.
        ValueError: A value holds itself, or is nested too deeply.

    Cost: O(size of the values), where one that is held in many places counts once if it is large.

    Example:
        >>> canonical([1, "a"]) == canonical([1.0, "a"])
        True
        >>> canonical([1, "a"], typed=True) == canonical([1.0, "a"], typed=True)
        False
    """
    walk: Walk | None = None
    parts = []
    try:
        for value in values:
            # The two commonest kinds by far.
            if (kind := type(value)) is str and not typed:
                parts.append(f"s{len(value)}:{value}")  # type: ignore[arg-type]
            elif kind is int and not typed:
                parts.append(f"i{value:x};")
            else:
                walk = walk or Walk(typed)
                parts.append(walk.text(value))
    except RecursionError:
        raise Bottomless("it is nested too deeply", "register_fingerprint() of a class of your own") from None
    return "".join(parts)


class Walk:
    """One way through values and what they hold.

    Args:
        typed: Whether each value is written behind its exact type.

    Raises:
        Nothing.

    Threads: for one thread.
    """

    __slots__ = ("_known", "_open", "typed")

    def __init__(self, typed: bool) -> None:
        self.typed = typed
        self._open: set[int] = set()
        # The values are held, too, so that none made on the way leaves its id to another.
        self._known: dict[int, tuple[object, str]] = {}

    def text(self, value: object) -> str:
        """Write one value.

        Args:
            value: The value.

        Returns:
            Its text.

        Raises:
            TypeError: It has no fingerprint, or holds something that has none.
            ValueError: It holds itself.
        """
        if self._known and (known := self._known.get(id(value))) is not None:
            return known[1]
        kind = type(value)
        encode = KINDS.get(kind) or _found.get(kind) or _find(kind)
        written = encode(value, self)
        # A name says which object it is, and so of which type.
        if self.typed and encode is not by_name:
            written = _prefix(kind, encode) + written
        return written if len(written) <= _MANY else self._remembered(value, written)

    def _remembered(self, value: object, written: str) -> str:
        if (size := len(written)) > _TOO_MANY and written[0] not in "si":
            digest = blake2b(written.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
            written = f"#{size}:{digest};"
        self._known[id(value)] = value, written
        return written

    def texts(self, holder: object, values: Iterable[object]) -> list[str]:
        """Write what a value holds.

        Args:
            holder: The value that holds the others.
            values: What it holds.

        Returns:
            Their texts.

        Raises:
            TypeError: One has no fingerprint.
            ValueError: The holder is held by itself.
        """
        mark = id(holder)
        if mark in self._open:
            raise Bottomless(
                f"a {type(holder).__qualname__} holds itself", "register_fingerprint() of a class of your own"
            )
        self._open.add(mark)
        try:
            if self.typed:
                return [self.text(value) for value in values]
            # The two commonest kinds by far, again.
            return [
                f"s{len(value)}:{value}"  # type: ignore[arg-type]
                if (kind := type(value)) is str
                else f"i{value:x};"
                if kind is int
                else self.text(value)
                for value in values
            ]
        finally:
            self._open.discard(mark)


def _find(kind: type) -> Encoder:
    found = _found
    encoder = found[kind] = _nearest(kind)
    return encoder


def _nearest(kind: type) -> Encoder:
    for above in kind.__mro__:
        function = _registered.get(above)
        if function is not None:
            return _Registered(kind, function)
        # A subclass without a decorator of its own may hold more than the fields above it.
        if above is kind and "__dataclass_fields__" in vars(kind):
            return dataclass_encoder(kind)
        if (encoder := library_encoder(kind, above)) is not None:
            return encoder
        if above in KINDS:
            # The members of an enum are told apart by their names, however they compare.
            if kind.__eq__ is not above.__eq__ and not issubclass(above, enum.Enum | type):
                raise Unfingerprintable(
                    f"{kind.__qualname__} is a {above.__qualname__} that compares in a way of its own",
                    f"register_fingerprint({kind.__qualname__}, function)",
                )
            return KINDS[above]
    return by_name


class _Registered:
    """The encoder of a type that somebody registered, and of those below it."""

    __slots__ = ("function", "head")

    def __init__(self, kind: type, function: Callable[[Any], object]) -> None:
        self.head = f"R{sized(label(kind) or '')}"
        self.function = function

    def __call__(self, value: object, walk: Walk) -> str:
        return self.head + "".join(walk.texts(value, (self.function(value),)))


def _prefix(kind: type, encode: Encoder) -> str:
    prefixes = _prefixes
    prefix = prefixes.get(kind)
    if prefix is None:
        name = (label(kind) or "") if isinstance(encode, _Registered) else class_label(kind)
        prefix = prefixes[kind] = f"<{sized(name)}"
    return prefix
