"""The reference policies: by hand, by brute force, and by what must hold of any policy."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from itertools import combinations

import pytest

from pystorage.lab import (
    FIFO,
    LRU,
    OPT,
    POLICIES,
    S3FIFO,
    AdaptiveWTinyLFU,
    Policy,
    Sieve,
    WTinyLFU,
    hit_ratio,
    loop,
    recency,
    scan,
    zipf,
)


def hits(policy: Policy, trace: Sequence[Hashable]) -> str:
    """Give the hits in capitals, as papers do."""
    return "".join(str(key).upper() if policy.request(key) else str(key) for key in trace)


@pytest.mark.parametrize(
    "make, size, trace",
    [
        (FIFO, 3, "abcAAdaebc"),  # a went for d, whatever it was used
        (LRU, 3, "abcAAdAebcd"),
        # The hand spares a and takes b, then c, which was not used, and goes on to d.
        (Sieve, 3, "abcAdAebAE"),
        (Sieve, 3, "abcABCdabc"),  # all were used: the hand goes around, and the oldest goes
        (WTinyLFU, 3, "aAbcAdA"),
    ],
)
def test_by_hand(make: Callable[[int], Policy], size: int, trace: str) -> None:
    assert hits(make(size), trace.lower()) == trace


def test_s3fifo_sends_newcomers_away_first() -> None:
    policy = S3FIFO(10)
    assert hits(policy, "aaabbb") == "aAAbBB"
    assert hits(policy, "cdefghij") == "cdefghij"
    # Full: a and b, used twice, move to the main queue as they come to the end of the small one; c goes.
    assert hits(policy, "kab") == "kAB"
    # c is remembered, and goes to the main queue at once, where it stays while others pass.
    assert hits(policy, "c") == "c"
    assert hits(policy, "0123456789") == "0123456789"
    assert hits(policy, "abc") == "ABC"


def test_s3fifo_remembers_as_many_as_the_main_queue_holds() -> None:
    policy = S3FIFO(10)
    hits(policy, [f"first {number}" for number in range(10)])
    hits(policy, [f"then {number}" for number in range(8)])
    assert hits(policy, ["first 0"]) == "first 0"
    assert "first 0" in policy._main
    hits(policy, [f"last {number}" for number in range(11)])
    hits(policy, ["then 0"])
    assert "then 0" not in policy._main


def test_tinylfu_keeps_what_is_asked_for_often() -> None:
    policy = WTinyLFU(100)
    hot = list(range(50))
    for _ in range(5):
        hits(policy, hot)
    hits(policy, [f"once {number}" for number in range(400)])
    assert sum(policy.request(key) for key in hot) == 50


def test_an_adaptive_tinylfu_lets_in_who_leads_by_two() -> None:
    policy = AdaptiveWTinyLFU(3)
    hits(policy, "aabbcd")  # a and b are in the main part, c was turned away for d
    assert hits(policy, "cdc") == "cdc"  # c and d came twice, as often as a
    assert hits(policy, "cabd") == "CABd"
    hits(policy, "ddd")
    assert "a" in policy._probation or "a" in policy._protected
    loops = [hit_ratio(make(100), loop(20_000, keys=1_200)) for make in (WTinyLFU, AdaptiveWTinyLFU)]
    assert loops[0] == 0
    assert loops[1] > 0.05


def test_an_adaptive_window_grows_and_shrinks() -> None:
    policy = AdaptiveWTinyLFU(500)
    hit_ratio(policy, recency(20_000))
    assert policy._window_size > 50
    assert len(policy._window) == policy._window_size
    hit_ratio(policy, loop(20_000, keys=1_000))
    assert policy._window_size == len(policy._window) == 5
    assert len(policy._window) + len(policy._probation) + len(policy._protected) == 500


def test_tinylfu_forgets_by_half() -> None:
    policy = WTinyLFU(2)
    hits(policy, "a" * 12 + "b" * 7)
    assert policy._counts == {"a": 12, "b": 7}
    hits(policy, "c")
    assert policy._counts == {"a": 6, "b": 3}
    assert policy._counted == 10


def best_by_trying(trace: str, size: int) -> int:
    """Give the most hits that there can be, by trying all that a cache may hold after each request."""

    @cache
    def best(at: int, held: frozenset[str]) -> int:
        if at == len(trace):
            return 0
        all_of_them = held | {trace[at]}
        choices = combinations(sorted(all_of_them), min(size, len(all_of_them)))
        return (trace[at] in held) + max(best(at + 1, frozenset(choice)) for choice in choices)

    return best(0, frozenset())


@pytest.mark.parametrize("seed", range(20))
def test_nobody_can_do_better_than_opt(seed: int) -> None:
    rolls = random.Random(seed)
    trace = "".join(rolls.choices("abcdef", k=14))
    size = rolls.randrange(1, 5)
    policy = OPT(size, trace)
    assert sum(policy.request(key) for key in trace) == best_by_trying(trace, size)


def test_opt_is_asked_for_its_own_trace() -> None:
    policy = OPT(2, "ab")
    policy.request("a")
    with pytest.raises(ValueError, match="'c' as request 1"):
        policy.request("c")
    policy.request("b")
    with pytest.raises(ValueError, match="'a' as request 2"):
        policy.request("a")


@pytest.mark.parametrize("size", [1, 2, 9, 10, 11, 100, 300])
@pytest.mark.parametrize("name", POLICIES)
def test_none_holds_more_than_it_may_nor_passes_opt(name: str, size: int) -> None:
    trace = zipf(20_000, keys=1_000, skew=0.8)
    ratio = hit_ratio(POLICIES[name](size), trace)
    assert ratio <= hit_ratio(OPT(size, trace), trace)
    # The same keys again and again: all that fit stay.
    few = loop(2_000, keys=size)
    assert hit_ratio(POLICIES[name](size), few) >= 1 - 3 * size / len(few)
    assert hit_ratio(POLICIES[name](size), scan(500)) == 0


def test_lru_finds_nothing_in_a_loop_that_is_too_long() -> None:
    trace = loop(1_000, keys=11)
    assert hit_ratio(LRU(10), trace) == hit_ratio(FIFO(10), trace) == 0
    assert hit_ratio(OPT(10, trace), trace) > 0.85


@pytest.mark.parametrize("make", [*POLICIES.values(), lambda size: OPT(size, "abc")])
@pytest.mark.parametrize("size", [0, -1])
def test_a_policy_holds_something(make: Callable[[int], Policy], size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        make(size)
