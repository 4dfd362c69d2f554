"""Synthetic traces: numbers of keys, the same ones for the same arguments on every machine.

They are drawn from ``random.Random(seed).random()``, whose numbers Python keeps from version to version, and
counted with integers from there on, as a last bit of ``pow`` may differ between machines.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, islice
from random import Random
from types import MappingProxyType
from typing import Final

#: Where the keys begin that a trace asks for only once, or in a loop beside its others.
_APART: Final = 1 << 40


def _checked(**numbers: int) -> None:
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} must be a whole number, not {type(number).__name__}")
        if number < 1:
            raise ValueError(f"{name} must be at least 1, not {number}")


def loop(requests: int, *, keys: int = 10_000) -> array[int]:
    """Make a trace that asks for some keys in turn, over and over: LRU finds none if it holds one less.

    Args:
        requests: How long it is, ≥ 1.
        keys: How many keys there are, ≥ 1.

    Returns:
        The keys, numbers from 0.

    Raises:
        ValueError: A number is less than 1.
        TypeError: One is no whole number.

    Example:
        >>> list(loop(5, keys=3))
        [0, 1, 2, 0, 1]
    """
    _checked(requests=requests, keys=keys)
    return array("q", (number % keys for number in range(requests)))


def scan(requests: int, *, start: int = 0) -> array[int]:
    """Make a trace that asks for each key once: nobody finds any.

    Args:
        requests: How long it is, ≥ 1.
        start: The first key.

    Returns:
        The keys, each one more than the one before.

    Raises:
        ValueError: It is shorter than 1.
        TypeError: Its length is no whole number.

    Example:
        >>> list(scan(3))
        [0, 1, 2]
    """
    _checked(requests=requests)
    return array("q", range(start, start + requests))


def _ranks(rolls: Random, keys: int, skew: float) -> Iterator[int]:
    """Draw ranks from 0 on, a rank r as often as 1 / (r + 1) ** skew says."""
    bounds = list(accumulate(round(2**32 / rank**skew) for rank in range(1, keys + 1)))
    while True:
        yield bisect_right(bounds, int(rolls.random() * bounds[-1]))


def _checked_skew(skew: float) -> None:
    if not 0 <= skew <= 3:
        raise ValueError(f"skew must be from 0 to 3, not {skew}")


def zipf(requests: int, *, keys: int = 100_000, skew: float = 1.0, seed: int = 1) -> array[int]:
    """Make a trace where few keys are asked for often and many seldom, as Zipf's law says.

    Args:
        requests: How long it is, ≥ 1.
        keys: How many keys there are, ≥ 1.
        skew: How unequal they are, 0 to 3: the key at rank r is asked for in proportion to 1 / r ** skew.
        seed: Another one gives another trace.

    Returns:
        The keys, numbers from 0 by rank.

    Raises:
        ValueError: A number is out of its range.
        TypeError: One is no whole number.

    Example:
        >>> list(zipf(10, keys=100))
        [0, 45, 29, 1, 6, 5, 15, 33, 0, 0]
    """
    _checked(requests=requests, keys=keys)
    _checked_skew(skew)
    return array("q", islice(_ranks(Random(seed), keys, skew), requests))


def shifting_zipf(
    requests: int,
    *,
    keys: int = 100_000,
    skew: float = 1.0,
    phases: int = 10,
    shift: float = 0.1,
    seed: int = 1,
) -> array[int]:
    """Make a trace as ``zipf`` does, where other keys become the popular ones from phase to phase.

    Args:
        requests: How long it is, ≥ 1.
        keys: How many keys there are, ≥ 1.
        skew: As in ``zipf``, 0 to 3.
        phases: How many phases of equal length there are, ≥ 1.
        shift: How far the ranks move along the keys with each phase, as a part of all keys, 0 to 1.
        seed: Another one gives another trace.

    Returns:
        The keys, numbers from 0.

    Raises:
        ValueError: A number is out of its range.
        TypeError: One is no whole number.

    Example:
        >>> list(shifting_zipf(10, keys=100, phases=2, shift=0.5))
        [0, 45, 29, 1, 6, 55, 65, 83, 50, 50]
    """
    _checked(requests=requests, keys=keys, phases=phases)
    _checked_skew(skew)
    if not 0 <= shift <= 1:
        raise ValueError(f"shift must be from 0 to 1, not {shift}")
    step = int(keys * shift)
    ranks = islice(_ranks(Random(seed), keys, skew), requests)
    return array("q", ((rank + at * phases // requests * step) % keys for at, rank in enumerate(ranks)))


def recency(requests: int, *, reach: int = 20_000, new: float = 0.1, seed: int = 1) -> array[int]:
    """Make a trace that asks again for what it just asked for: the longer ago, the less often.

    Who counts how often a key is asked for is misled here: a key is dear for a while, and then forgotten.

    Args:
        requests: How long it is, ≥ 1.
        reach: How many requests ago it may be that a key was asked for which is asked for again, ≥ 1.
        new: Which part of the requests is for a key that is new, 0 to 1.
        seed: Another one gives another trace.

    Returns:
        The keys, numbers from 0 as they come in.

    Raises:
        ValueError: A number is out of its range.
        TypeError: One is no whole number.

    Example:
        >>> list(recency(10, reach=4, new=0.4))
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    """
    _checked(requests=requests, reach=reach)
    if not 0 <= new <= 1:
        raise ValueError(f"new must be from 0 to 1, not {new}")
    rolls = Random(seed)
    trace = array("q")
    fresh = 0
    for at in range(requests):
        is_new, roll = rolls.random() < new, rolls.random()
        if is_new or at == 0:
            trace.append(fresh)
            fresh += 1
        else:
            trace.append(trace[at - 1 - int(min(reach, at) * roll * roll * roll)])
    return trace


def mixed(requests: int, *, keys: int = 100_000, skew: float = 1.0, seed: int = 1) -> array[int]:
    """Make a trace of several kinds in turn: half of it Zipf, and between that scans and loops.

    Args:
        requests: How long it is, ≥ 1.
        keys: How many keys the Zipf part has, ≥ 1; a loop has a twentieth of that.
        skew: As in ``zipf``, 0 to 3.
        seed: Another one gives another trace.

    Returns:
        The keys, numbers from 0; those of the scans and the loops lie far above the others.

    Raises:
        ValueError: A number is out of its range.
        TypeError: One is no whole number.

    Example:
        >>> trace = mixed(1_000, keys=100)
        >>> len(trace), len([key for key in trace if key < 100])
        (1000, 500)
    """
    _checked(requests=requests, keys=keys)
    _checked_skew(skew)
    ranks = _ranks(Random(seed), keys, skew)
    around = max(1, keys // 20)
    trace = array("q")
    scanned = looped = 0
    for turn in range(40):
        length = requests * (turn + 1) // 40 - requests * turn // 40
        if turn % 2 == 0:
            trace.extend(islice(ranks, length))
        elif turn % 4 == 1:
            trace.extend(range(2 * _APART + scanned, 2 * _APART + scanned + length))
            scanned += length
        else:
            trace.extend(_APART + (looped + at) % around for at in range(length))
            looped += length
    return trace


#: The traces that policies are compared on, by name: each makes one of so many requests.
SYNTHETIC: Final[Mapping[str, Callable[[int], array[int]]]] = MappingProxyType(
    {
        "loop": lambda requests: loop(requests, keys=10_000),
        "scan": scan,
        "zipf": zipf,
        "zipf-0.7": lambda requests: zipf(requests, skew=0.7),
        "shifting-zipf": shifting_zipf,
        "recency": recency,
        "mixed": mixed,
    }
)
