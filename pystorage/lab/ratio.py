"""How often what is asked for is there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, MutableMapping
from typing import Any

from pystorage.lab.policies import Policy

_ABSENT = object()


def hit_ratio(policy_or_storage: Policy | MutableMapping[Any, Any], trace: Iterable[Hashable]) -> float:
    """Ask for each key of a trace, and give the part that was there.

    A storage is read by ``get``, and what is absent is written, as a caller does who reads through a cache.
    It may be any mapping, with or without a limit.

    Args:
        policy_or_storage: Who is asked, and goes on from what it holds: for a ratio of its own, a new one.
        trace: The keys, at least one.

    Returns:
        Hits through requests, 0 to 1.

    Raises:
        ValueError: The trace is empty.
        TypeError: What is asked is neither a policy nor a mapping.
        Exception: What the storage raises.

    Cost: one request for each key, and one write for each miss.

    Example:
        >>> from pystorage import LRUStorage
        >>> from pystorage.lab import LRU, hit_ratio, loop
        >>> hit_ratio(LRU(3), loop(90, keys=3)) == hit_ratio(LRUStorage(3), loop(90, keys=3)) == 29 / 30
        True
    """
    if isinstance(policy_or_storage, Policy):
        requests, hits = _of_policy(policy_or_storage, trace)
    elif hasattr(policy_or_storage, "get") and hasattr(policy_or_storage, "__setitem__"):
        requests, hits = _of_storage(policy_or_storage, trace)
    else:
        kind = type(policy_or_storage).__name__
        raise TypeError(f"hit_ratio asks a policy of pystorage.lab or a mapping, not {kind}")
    if requests == 0:
        raise ValueError("a trace without requests has no hit ratio")
    return hits / requests


def _of_policy(policy: Policy, trace: Iterable[Hashable]) -> tuple[int, int]:
    requests = hits = 0
    for key in trace:
        hits += policy.request(key)
        requests += 1
    return requests, hits


def _of_storage(storage: MutableMapping[Any, Any], trace: Iterable[Hashable]) -> tuple[int, int]:
    requests = hits = 0
    for key in trace:
        if storage.get(key, _ABSENT) is _ABSENT:
            storage[key] = None
        else:
            hits += 1
        requests += 1
    return requests, hits
