"""Any sequence of operations does what it does to a simple model."""

from __future__ import annotations

import copy
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pystorage import ABSENT, KEEP, CapacityError
from pystorage.engine._checks import POLICIES
from pystorage.testing import FakeClock
from tests.engine.plain import NOBODY, ORDERS
from tests.engine.whole import Calls, Implementation, assert_whole

KEYS = st.sampled_from([0, 1, True, 2.0, "a", "b", ("t", 1), frozenset({1}), None, b"b"])
VALUES = st.integers(0, 6)
TTLS = st.sampled_from([None, None, 1, 2, 5, math.inf])


@dataclass
class Held:
    """What the model keeps of a key."""

    value: Any
    weight: int
    deadline: float


class Model:
    """A cache in thirty lines, which removes what has expired as soon as the clock is moved."""

    def __init__(self, policy: str, maxsize: float, ttl: float, clock: FakeClock, weigher: Any) -> None:
        self.maxsize, self.ttl, self.clock, self.weigher = maxsize, ttl, clock, weigher
        self.order = ORDERS[policy](maxsize, weigher is weigh)
        self.held: dict[Any, Held] = {}
        self.calls: list[tuple[Any, Any, str]] = []

    def tell(self, key: Any, cause: str) -> None:
        first = next(known for known in self.held if known == key)
        self.calls.append((first, self.held[key].value, cause))

    def remove(self, key: Any, cause: str) -> Any:
        self.tell(key, cause)
        self.order.leave(key)
        return self.held.pop(key).value

    def expire(self) -> None:
        for key in [key for key, held in self.held.items() if held.deadline <= self.clock()]:
            self.remove(key, "expired")

    def weight(self) -> int:
        return sum(held.weight for held in self.held.values())

    def fits(self, key: Any, value: Any) -> bool:
        return bool(0 < self.maxsize >= self.weigher(key, value))

    def deadline(self, ttl: float | None) -> float:
        return self.clock() + (self.ttl if ttl is None else ttl)

    def write(self, key: Any, value: Any, deadline: float) -> None:
        weight = self.weigher(key, value)
        if key in self.held:
            held = self.held[key]
            if held.value is not value:
                self.tell(key, "replaced")
            held.value, held.weight, held.deadline = value, weight, deadline
            self.order.use(key, weight)
            self.make_room(key)
        else:
            self.held[key] = Held(value, weight, deadline)
            self.order.enter(key, weight)
            self.make_room(key)
            self.order.arrived(key)

    def make_room(self, keep: Any = NOBODY) -> None:
        while self.held and (self.weight() > self.maxsize or not self.maxsize):
            victim = self.order.victim(keep)
            self.order.evicted(victim)
            self.remove(victim, "evicted")
        self.order.settle()


def weigh(key: Any, value: Any) -> int:
    return int(value)


class CacheMachine(RuleBasedStateMachine):
    """Runs each operation on a storage and on the model."""

    implementation: Implementation
    policy: str

    @initialize(
        maxsize=st.sampled_from([1, 3, 5, 8, math.inf]),
        ttl=st.sampled_from([None, 3]),
        weighed=st.booleans(),
    )
    def begin(self, maxsize: float, ttl: float | None, weighed: bool) -> None:
        self.clock = FakeClock()
        self.calls = Calls()
        self.real = self.implementation.made(
            "LRUStorage" if self.policy == "lru" else self.policy,
            maxsize,
            ttl=ttl,
            weigher=weigh if weighed else None,
            on_evict=self.calls,
            timer=self.clock,
        )
        weigher = weigh if weighed else lambda key, value: 1
        self.model = Model(self.policy, maxsize, ttl or math.inf, self.clock, weigher)

    def write(self, key: Any, value: Any, ttl: float | None, how: Any) -> None:
        if self.model.fits(key, value):
            how()
            self.model.write(key, value, self.model.deadline(ttl))
        else:
            with pytest.raises(CapacityError):
                how()

    @rule(key=KEYS, value=VALUES)
    def set_item(self, key: Any, value: int) -> None:
        self.write(key, value, None, lambda: self.real.__setitem__(key, value))

    @rule(key=KEYS, value=VALUES, ttl=TTLS)
    def set(self, key: Any, value: int, ttl: float | None) -> None:
        self.write(key, value, ttl, lambda: self.real.set(key, value, ttl=ttl))

    @rule(items=st.dictionaries(KEYS, st.integers(0, 1), max_size=4), ttl=TTLS)
    def set_many(self, items: dict[Any, int], ttl: float | None) -> None:
        if all(self.model.fits(key, value) for key, value in items.items()):
            self.real.set_many(items, ttl=ttl)
            for key, value in items.items():
                self.model.write(key, value, self.model.deadline(ttl))

    @rule(key=KEYS, value=VALUES, ttl=TTLS)
    def add(self, key: Any, value: int, ttl: float | None) -> None:
        if key in self.model.held:
            assert self.real.add(key, value, ttl=ttl) is False
        else:
            self.write(key, value, ttl, lambda: self.real.add(key, value, ttl=ttl))

    @rule(key=KEYS, value=VALUES)
    def setdefault(self, key: Any, value: int) -> None:
        if key in self.model.held:
            assert self.real.setdefault(key, value) == self.model.held[key].value
            self.model.order.use(key)
        else:
            self.write(key, value, None, lambda: self.real.setdefault(key, value))

    @rule(key=KEYS, old=VALUES, new=VALUES, ttl=st.sampled_from([KEEP, None, 2, math.inf]))
    def swap(self, key: Any, old: int, new: int, ttl: Any) -> None:
        held = self.model.held.get(key)
        if held is None or held.value != old:
            assert self.real.swap(key, old, new, ttl=ttl) is False
        elif not self.model.fits(key, new):
            with pytest.raises(CapacityError):
                self.real.swap(key, old, new, ttl=ttl)
        else:
            assert self.real.swap(key, old, new, ttl=ttl) is True
            self.model.write(key, new, held.deadline if ttl is KEEP else self.model.deadline(ttl))

    @rule(key=KEYS, new=VALUES)
    def swap_absent(self, key: Any, new: int) -> None:
        if key in self.model.held:
            assert self.real.swap(key, ABSENT, new) is False
        else:
            self.write(key, new, None, lambda: self.real.swap(key, ABSENT, new))

    @rule(key=KEYS, by=st.integers(0, 2), ttl=TTLS)
    def incr(self, key: Any, by: int, ttl: float | None) -> None:
        held = self.model.held.get(key)
        total = by if held is None else held.value + by
        if self.model.fits(key, total):
            assert self.real.incr(key, by, ttl=ttl) == total
            deadline = self.model.deadline(ttl) if held is None else held.deadline
            self.model.write(key, total, deadline)
        else:
            with pytest.raises(CapacityError):
                self.real.incr(key, by, ttl=ttl)

    @rule(key=KEYS)
    def read(self, key: Any) -> None:
        if key in self.model.held:
            assert self.real[key] == self.model.held[key].value
            self.model.order.use(key)
        else:
            with pytest.raises(KeyError):
                self.real[key]

    @rule(key=KEYS)
    def get(self, key: Any) -> None:
        if key in self.model.held:
            assert self.real.get(key, self) == self.model.held[key].value
            self.model.order.use(key)
        else:
            assert self.real.get(key, self) is self

    @rule(keys=st.lists(KEYS, max_size=4))
    def get_many(self, keys: list[Any]) -> None:
        found = self.real.get_many(keys)
        there = [key for key in keys if key in self.model.held]
        for key in there:
            self.model.order.use(key)
        assert found == {key: self.model.held[key].value for key in there}

    @rule(key=KEYS)
    def look(self, key: Any) -> None:
        held = self.model.held.get(key)
        assert (key in self.real) is (held is not None)
        assert self.real.peek(key, self) == (self if held is None else held.value)
        if held is None:
            with pytest.raises(KeyError):
                self.real.ttl(key)
        else:
            left = held.deadline - self.clock()
            assert self.real.ttl(key) == (None if math.isinf(left) else left)

    @rule(key=KEYS, ttl=TTLS)
    def expire(self, key: Any, ttl: float | None) -> None:
        if key in self.model.held:
            self.real.expire(key, ttl)
            self.model.held[key].deadline = self.clock() + (math.inf if ttl is None else ttl)
        else:
            with pytest.raises(KeyError):
                self.real.expire(key, ttl)

    @rule(key=KEYS, ttl=TTLS)
    def touch(self, key: Any, ttl: float | None) -> None:
        assert self.real.touch(key, ttl) is (key in self.model.held)
        if key in self.model.held:
            self.model.held[key].deadline = self.clock() + (math.inf if ttl is None else ttl)
            self.model.order.use(key)

    @rule(key=KEYS)
    def delete(self, key: Any) -> None:
        if key in self.model.held:
            del self.real[key]
            self.model.remove(key, "deleted")
        else:
            with pytest.raises(KeyError):
                del self.real[key]

    @rule(key=KEYS)
    def pop(self, key: Any) -> None:
        if key in self.model.held:
            assert self.real.pop(key) == self.model.remove(key, "deleted")
        else:
            assert self.real.pop(key, self) is self

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete_many(self, keys: list[Any]) -> None:
        removed = self.real.delete_many(keys)
        there = [key for key in dict.fromkeys(keys) if key in self.model.held]
        assert removed == len(there)
        for key in there:
            self.model.remove(key, "deleted")

    @rule()
    def popitem(self) -> None:
        if self.model.held:
            key = self.model.order.victim()
            assert self.real.popitem() == (key, self.model.remove(key, "deleted"))
        else:
            with pytest.raises(KeyError):
                self.real.popitem()

    @rule(seconds=st.sampled_from([0.5, 1, 2, 6]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.expire()
        if self.policy not in ("lru", "fifo"):
            # What expired and was not met yet is still where the hand may stand, and counts as there.
            self.real.purge()

    @rule()
    def purge(self) -> None:
        self.real.purge()
        assert self.real.purge() == 0

    @rule()
    def clear(self) -> None:
        self.real.clear()
        for key in self.model.order.lying():
            self.model.remove(key, "cleared")
        self.model.order.cleared()

    @rule(maxsize=st.sampled_from([0, 1, 2, 5, 8, math.inf]))
    def resize(self, maxsize: float) -> None:
        self.real.resize(maxsize)
        self.model.maxsize = maxsize
        self.model.order.share(maxsize)
        self.model.make_room()

    @rule()
    def see_all(self) -> None:
        order = self.model.order.order()
        assert list(self.real.items()) == [(key, self.model.held[key].value) for key in order]
        assert [type(key) for key in self.real] == [type(key) for key in order]
        assert len(self.real) == len(self.model.held)
        assert self.real.currsize == self.model.weight()
        assert_whole(self.real)

    @rule()
    def go_on_with_a_copy(self) -> None:
        self.real = copy.copy(self.real)
        self.model.order.copied()

    @invariant()
    def same_calls(self) -> None:
        if hasattr(self, "real"):
            # What has expired is found sooner or later; all else is told at once, and in this order.
            told = [call for call in self.calls.seen if call[2] != "expired"]
            assert told == [call for call in self.model.calls if call[2] != "expired"]

    def teardown(self) -> None:
        if hasattr(self, "real"):
            self.see_all()
            assert self.real.stats().size == len(self.model.held)
            expired = Counter(call for call in self.model.calls if call[2] == "expired")
            assert Counter(call for call in self.calls.seen if call[2] == "expired") == expired


@pytest.mark.parametrize("policy", POLICIES)
def test_it_does_as_the_model(memory: Implementation, policy: str) -> None:
    CacheMachine.implementation = memory
    CacheMachine.policy = policy
    run_state_machine_as_test(CacheMachine, settings=settings(max_examples=100, stateful_step_count=60))
