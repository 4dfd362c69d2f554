"""Exceptions as results: written by the name of their class and their arguments, never as code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pystorage.memo.envelope import Envelope
from pystorage.memo.names import label

Kinds = Mapping[type[Exception], float | None]


def ttl_of(error: Exception, kinds: Kinds) -> tuple[float | None] | None:
    """Tell how long an exception is kept.

    Args:
        error: The exception.
        kinds: Class → seconds; the nearest class above that of the exception counts.

    Returns:
        The seconds, in a tuple; None where it is not kept.

    Raises:
        Nothing.
    """
    for above in type(error).__mro__:
        if above in kinds:
            return (kinds[above],)
    return None


def described(error: Exception, kinds: Kinds) -> tuple[str, list[Any]] | None:
    """Write an exception down.

    Args:
        error: The exception.
        kinds: The classes that may be kept.

    Returns:
        The name of its class and its arguments; None where it could not be made again from these.

    Raises:
        Nothing.
    """
    name, args = label(type(error)), _made_of(error)
    if name is None or not all(isinstance(each, (str, int, float, type(None))) for each in args):
        return None
    found = (name, list(args))
    again = rebuilt(found, kinds)
    # What differs was not made of the arguments alone.
    same = type(again) is type(error) and again.args == error.args and _made_of(again) == args
    return found if same else None


def rebuilt(described: tuple[str, list[Any]], kinds: Kinds) -> Exception | None:
    """Make an exception again.

    Args:
        described: What ``described`` gave.
        kinds: The classes that may be kept; nothing is imported, and no other class is made but those and
            their subclasses.

    Returns:
        The exception, or None where no such class is known here.

    Raises:
        Nothing.
    """
    name, args = described
    for kind in kinds:
        for each in _with_subclasses(kind):
            if label(each) == name:
                try:
                    return each(*args)
                except Exception:
                    return None  # it is made in a way of its own
    return None


def value_of(envelope: Envelope, kinds: Kinds) -> Any:
    """Give what is in an envelope.

    Args:
        envelope: The envelope.
        kinds: The classes of exceptions that may be kept.

    Returns:
        The value.

    Raises:
        Exception: The one that was kept in its place.
    """
    error = None if envelope.error is None else rebuilt(envelope.error, kinds)
    if error is not None:
        raise error
    return envelope.value


def is_known(envelope: Envelope, kinds: Kinds) -> bool:
    """Tell whether what is in an envelope can be given or raised here.

    Args:
        envelope: The envelope.
        kinds: The classes of exceptions that may be kept.

    Returns:
        False for an exception of another class.

    Raises:
        Nothing.
    """
    return envelope.error is None or rebuilt(envelope.error, kinds) is not None


def _made_of(error: Exception) -> tuple[Any, ...]:
    """Give the arguments of an exception: those of OSError are more than its ``args`` shows."""
    return error.__reduce__()[1] if isinstance(error, OSError) else error.args  # type: ignore[return-value]


def _with_subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _with_subclasses(below)
