"""What may come in the middle of an operation comes at each of its steps, one after another.

CPython runs finalizers and signal handlers, and changes threads, after calls and on entering functions. A
profiler is called in the same places.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from pystorage import engine
from pystorage.testing import FakeClock
from tests.engine.implementations import on
from tests.engine.whole import KINDS, Calls, Implementation, assert_whole

KEY = frozenset({"b"})


@pytest.fixture
def memory() -> Implementation:
    """The storages on the engine in Python: that in C has no steps between which anything may come."""
    return on("python")


class Twin:
    """A key of the same hash as ``"a"``, which is equal to itself only."""

    def __hash__(self) -> int:
        return hash("a")

    def __eq__(self, other: object) -> bool:
        return self is other


TWIN = Twin()


Act = Callable[[Any], object]


def at_each_step(make: Callable[[], Any], operation: Act, act: Act) -> None:
    """Run an operation again and again, with something that happens at another step each time."""
    step = 0
    while at_step(step, make(), operation, act):
        step += 1
    assert step > 0


def at_step(step: int, storage: Any, operation: Act, act: Act) -> bool:
    """Run an operation with something that happens at one of its steps; say whether it came to that step."""
    steps = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal steps
        if event in ("call", "c_return") and frame.f_globals["__name__"].startswith(engine.__name__):
            if steps == step:
                act(storage)
            steps += 1

    sys.setprofile(profile)
    try:
        with contextlib.suppress(KeyError):
            operation(storage)
    finally:
        sys.setprofile(None)
    assert_whole(storage)
    storage["later"] = 1
    assert storage["later"] == 1
    assert_whole(storage)
    return steps > step


OPERATIONS: dict[str, Act] = {
    "read": lambda s: s[KEY],
    "get": lambda s: s.get("a"),
    "get_many": lambda s: s.get_many(["a", KEY]),
    "peek": lambda s: s.peek("short"),
    "insert": lambda s: s.__setitem__("x", 1),
    "insert another": lambda s: s.__setitem__(frozenset({"x"}), 1),
    "insert for a while": lambda s: s.set("x", 1, ttl=60),
    "replace": lambda s: s.__setitem__("a", 1),
    "replace for a while": lambda s: s.set(KEY, 1, ttl=60),
    "set_many": lambda s: s.set_many({"a": 1, "x": 2}, ttl=60),
    "add": lambda s: s.add("x", 1),
    "swap": lambda s: s.swap("a", "a", "b"),
    "incr": lambda s: s.incr("n"),
    "expire": lambda s: s.expire("a", 60),
    "touch": lambda s: s.touch(KEY, None),
    "delete": lambda s: s.__delitem__(KEY),
    "delete a plain one": lambda s: s.__delitem__("a"),
    "delete its twin": lambda s: s.pop(TWIN, None),
    "pop": lambda s: s.pop("a"),
    "popitem": lambda s: s.popitem(),
    "delete_many": lambda s: s.delete_many(["a", KEY]),
    "clear": lambda s: s.clear(),
    "purge": lambda s: s.timer.advance(5) or s.purge(),
    "len": lambda s: s.timer.advance(5) or len(s),
    "resize": lambda s: s.resize(2),
    "iterate": list,
    "backwards": lambda s: list(reversed(s)),
    "copy": lambda s: s.__getstate__(),
}


def pop_one(storage: Any) -> None:
    """Pop an item; there is none where the last one is just being taken out."""
    with contextlib.suppress(KeyError):
        storage.popitem()


ACTS: dict[str, Act] = {
    "clear": lambda s: s.clear(),
    "delete": lambda s: s.delete_many(["a", "x", KEY, frozenset({"x"})]),
    "write": lambda s: s.set_many(dict.fromkeys(["a", "x", KEY, frozenset({"x"})], 9)),
    "write for a while": lambda s: s.set_many(dict.fromkeys(["a", "x", KEY, frozenset({"x"})], 9), ttl=1),
    "write others": lambda s: s.update(dict.fromkeys("ghijkl", 9)),
    "popitem": pop_one,
    "read": lambda s: s.get_many(["a", "x", KEY, frozenset({"x"})]),
    "expire": lambda s: [s.touch(key, 2) for key in ("a", "x", KEY, "short")],
    "live": lambda s: [s.touch(key, None) for key in ("a", "x", KEY, "short")],
    "resize": lambda s: s.resize(1),
    "time": lambda s: s.timer.advance(5),
}


#: Without a limit there is none to change.
CASES = [
    (kind, operation, act)
    for kind in KINDS
    for operation in OPERATIONS
    for act in ACTS
    if kind != "MemoryStorage" or "resize" not in (operation, act)
]


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("kind,operation,act", CASES)
def test_it_stays_whole(memory: Implementation, kind: str, operation: str, act: str, twin: bool) -> None:
    def make() -> Any:
        clock = FakeClock()
        storage = memory.made(kind, 6, timer=clock)
        storage.set("short", 0, ttl=5)
        storage.update({"a": "a", KEY: "b", "n": 1})
        storage.set("long", 0, ttl=50)
        if twin:
            storage[TWIN] = "twin"
            storage["a"] = storage.pop("a")
        return storage

    at_each_step(make, OPERATIONS[operation], ACTS[act])


@pytest.mark.parametrize("act", [lambda s: s.touch("a", 3), lambda s: s.clear()])
def test_old_deadlines_are_thrown_away_whole(memory: Implementation, act: Act) -> None:
    def make() -> Any:
        lru = memory.LRUStorage(5, timer=FakeClock())
        lru.set_many({"a": 1, "b": 2}, ttl=60)
        for _ in range(60):
            lru.touch("b", 60)
        return lru

    at_each_step(make, lambda s: [s.touch("b", 60) for _ in range(10)], act)


@pytest.mark.parametrize(
    "operation", ["insert", "insert another", "set_many", "resize", "clear", "delete_many"]
)
def test_others_see_all_or_nothing_of_it(memory: Implementation, operation: str) -> None:
    calls = Calls()
    threads: list[threading.Thread] = []
    sizes: list[tuple[int, int, int]] = []

    def make() -> Any:
        lru = memory.LRUStorage(4, on_evict=calls, timer=FakeClock())
        lru.update({"a": "a", KEY: "b", "n": 1, "m": 1})
        return lru

    def look(lru: Any) -> None:
        thread = threading.Thread(target=lambda: sizes.append((len(lru), len(list(lru)), lru.currsize)))
        threads.append(thread)
        thread.start()
        thread.join(0.02)  # it has to wait for the end of what happens under the lock

    at_each_step(make, OPERATIONS[operation], look)
    for thread in threads:
        thread.join(10)
    assert len(sizes) == len(threads)
    ends = {"resize": {4, 2}, "clear": {4, 0}, "delete_many": {4, 2}}.get(operation, {4})
    # What a look later than the operation sees is one entry more, or none less than the limit.
    assert {size for three in sizes for size in three} <= ends | {min(4, end + 1) for end in ends}
