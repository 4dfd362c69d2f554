"""Checks of what callers pass, and how a key looks in a message."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")


def checked_ttl(ttl: float | None, *, name: str = "ttl") -> float | None:
    """Check a time to live.

    Args:
        ttl: Seconds, > 0; None or infinity is for ever.
        name: What the caller calls it.

    Returns:
        The seconds as a float; None for ever.

    Raises:
        TypeError: It is no number.
        ValueError: It is zero, negative or NaN.

    Example:
        >>> checked_ttl(5), checked_ttl(None), checked_ttl(float("inf"))
        (5.0, None, None)
    """
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        # numpy's floats are floats; datetime's timedelta is the one other thing people pass.
        raise TypeError(f"{name} must be a number of seconds or None, not {type(ttl).__name__}")
    if not ttl > 0:  # false for NaN too
        raise ValueError(f"{name} must be more than 0 seconds, not {shown(ttl)}; None is for ever")
    try:
        seconds = float(ttl)
    except OverflowError:  # an integer beyond all floats
        return None
    return None if math.isinf(seconds) else seconds


def checked_lock_ttl(ttl: float, timeout: float | None) -> float:
    """Check how long a lock may be held, and how long it is waited for.

    Args:
        ttl: Seconds, > 0.
        timeout: Seconds, ≥ 0; None is for as long as it takes.

    Returns:
        The seconds that it may be held, as a float.

    Raises:
        TypeError: One is no number.
        ValueError: The ttl is zero, negative, NaN, or for ever; or the timeout is negative or NaN.
    """
    seconds = checked_ttl(ttl)
    if seconds is None:
        raise ValueError("a lock needs a ttl, so that it does not outlive its holder")
    if timeout is not None:
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be a number of seconds or None, not {type(timeout).__name__}")
        if not timeout >= 0:  # false for NaN too
            raise ValueError(f"timeout must be at least 0 seconds, not {timeout!r}; None waits without end")
    return seconds


def check_addend(by: object) -> None:
    """Check what is to be added to a value.

    Args:
        by: What the caller gave.

    Raises:
        TypeError: It is no integer.
    """
    if isinstance(by, bool) or not isinstance(by, int):
        raise TypeError(f"by must be an int, not {type(by).__name__}")


def added(key: object, value: object, by: int) -> int:
    """Add to a value that was read.

    Args:
        key: Its key.
        value: The value.
        by: What to add.

    Returns:
        The sum.

    Raises:
        TypeError: The value is no integer.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"could not add to {shown(key)}: its value is {type(value).__name__}, no int")
    return value + by


def check_timer(timer: object) -> None:
    """Check a clock.

    Args:
        timer: What the caller gave.

    Raises:
        TypeError: It cannot be called.
    """
    if not callable(timer):
        raise TypeError(f"timer must be a function that gives seconds, not {timer!r}")


def shown(key: object) -> str:
    """Give a key for a message: its ``repr``, shortened.

    Args:
        key: Any key.

    Returns:
        At most about 90 characters.

    Raises:
        Nothing.
    """
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = 80
    try:
        return shortener.repr(key)
    except ValueError:  # CPython refuses to write very long integers in decimal
        return f"<{type(key).__name__}>"


def pairs(items: Mapping[K, V] | Iterable[tuple[K, V]]) -> Iterator[tuple[K, V]]:
    """Give the entries of what ``dict`` would take.

    Args:
        items: A mapping, anything with ``keys()``, or pairs.

    Returns:
        Pairs of key and value.

    Raises:
        Nothing.
    """
    if isinstance(items, Mapping):
        return iter(items.items())
    keys = getattr(items, "keys", None)
    if keys is not None:
        return ((key, cast("Mapping[K, V]", items)[key]) for key in keys())
    return ((key, value) for key, value in items)


def checked_prefix(prefix: object) -> str:
    """Check the prefix of a scan.

    Args:
        prefix: A text.

    Returns:
        The prefix.

    Raises:
        TypeError: It is no text.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"a prefix to scan for is a str, not {type(prefix).__name__}")
    return prefix
