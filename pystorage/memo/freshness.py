"""Freshness: how long a result lives, and whether what is kept is still good enough."""

from __future__ import annotations

import enum
import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pystorage.memo.envelope import Envelope
    from pystorage.memo.options import Options


class State(enum.Enum):
    """What a kept result is good for.

    Raises:
        Nothing.
    """

    FRESH = "given"
    EARLY = "given, and computed anew meanwhile, before it is too late"
    STALE = "given although it is too old, and computed anew meanwhile"
    OVER = "not given"


def state_of(envelope: Envelope, now: float, options: Options) -> State:
    """Say what a kept result is good for.

    Args:
        envelope: The result.
        now: The time, by the clock of the storage.
        options: How the function was memoized.

    Returns:
        Its state; with ``early``, that is a matter of chance.

    Raises:
        Nothing.

    Source: the probability of early recomputation is XFetch, in A. Vattani, F. Chierichetti, K. Lowenstein:
        Optimal Probabilistic Cache Stampede Prevention, VLDB 2015.
    """
    until = envelope.until
    if until is None:
        return State.FRESH
    left = until - now
    if left <= 0:
        # Errors are kept for their own time only.
        return State.STALE if envelope.error is None and left > -(options.stale or 0.0) else State.OVER
    if envelope.error is not None:
        return State.FRESH
    if options.ahead is not None and left <= options.ahead:
        return State.EARLY
    # 1 - random() is more than 0 and at most 1, so that it has a logarithm.
    if options.early and -math.log(1.0 - random.random()) * options.early * envelope.cost >= left:
        return State.EARLY
    return State.FRESH


def jittered(seconds: float | None, jitter: float) -> float | None:
    """Shorten a life at random.

    Args:
        seconds: The life; None is for ever.
        jitter: How much shorter it may be, as a part of it, 0 ≤ jitter < 1.

    Returns:
        The life.

    Raises:
        Nothing.
    """
    return seconds * (1 - jitter * random.random()) if jitter and seconds is not None else seconds
