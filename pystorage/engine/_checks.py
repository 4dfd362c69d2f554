"""What is checked, and worded where it is refused, in one way for both implementations of the engine."""

from __future__ import annotations

import math
import reprlib
from typing import Any, Final

from pystorage.errors import CapacityError

#: Who is the first to go: names, in the order of ``enum policy`` in C.
POLICIES: Final = ("lru", "fifo", "sieve", "s3fifo", "tinylfu")


def checked_maxsize(maxsize: float | None) -> int | None:
    """Check the limit of a cache.

    Args:
        maxsize: A whole number ≥ 0; None or infinity is no limit.

    Returns:
        The number; None is no limit.

    Raises:
        ValueError: It is negative, NaN, or no whole number.

    Example:
        >>> checked_maxsize(10), checked_maxsize(float("inf"))
        (10, None)
    """
    if maxsize is None:
        return None
    if isinstance(maxsize, bool) or not isinstance(maxsize, (int, float)) or not maxsize >= 0:
        raise ValueError(
            f"maxsize must be a whole number of at least 0, or None for no limit, not {maxsize!r}"
        )
    if maxsize == math.inf:
        return None
    if maxsize != int(maxsize):
        raise ValueError(f"maxsize must be a whole number, not {maxsize!r}")
    return int(maxsize)


def checked_policy(policy: object) -> str:
    """Check the name of a policy.

    Args:
        policy: The name.

    Returns:
        The name.

    Raises:
        ValueError: It is none of ``POLICIES``.

    Example:
        >>> checked_policy("sieve")
        'sieve'
    """
    if isinstance(policy, str) and policy in POLICIES:
        return str.__str__(policy)
    known = ", ".join(map(repr, POLICIES))
    raise ValueError(f"{policy!r} is no policy; known are {known}")


def checked_weight(given: object) -> int:
    """Check what a weigher gave.

    Args:
        given: What it gave.

    Returns:
        A plain int, ≥ 0.

    Raises:
        ValueError: It is something else than a whole number ≥ 0.

    Example:
        >>> checked_weight(3)
        3
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"a weigher must give a whole number of at least 0, not {given!r}")
    return int.__index__(given)  # of a subclass too, whose sums would be code of its own


def refusal(cache: Any, key: object, weight: int) -> CapacityError:
    """Make the error for an entry that does not fit at all.

    Args:
        cache: The cache.
        key: The entry's key.
        weight: The entry's weight.

    Returns:
        The error, to be raised.

    Raises:
        Nothing.
    """
    limit, where = cache.maxsize, repr(cache)
    why = f"it weighs {weight}, and all may weigh {limit}" if limit else "there is no room at all"
    return CapacityError(
        f"could not store {reprlib.repr(key)} in {where}: {why}; resize() gives it more",
        storage=where,
        key=key,
    )


def beyond_measure(cache: Any, key: object) -> CapacityError:
    """Make the error for an entry with which all weigh 2**63 or more, which the engine in C cannot add up.

    Args:
        cache: The cache.
        key: The entry's key.

    Returns:
        The error, to be raised.

    Raises:
        Nothing.
    """
    where = repr(cache)
    return CapacityError(
        f"could not store {reprlib.repr(key)} in {where}: all entries together must weigh less than 2**63;"
        " let the weigher give less",
        storage=where,
        key=key,
    )


def no_integer(key: object, value: object) -> TypeError:
    """Make the error for a value that nothing can be added to.

    Args:
        key: The entry's key.
        value: The entry's value.

    Returns:
        The error, to be raised.

    Raises:
        Nothing.
    """
    return TypeError(f"could not add to {reprlib.repr(key)}: its value is {type(value).__name__}, no int")
