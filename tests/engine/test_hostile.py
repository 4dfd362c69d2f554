"""Keys, values and functions that raise, lie, or come back to the storage in the middle of it."""

from __future__ import annotations

import contextlib
import gc
import math
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from pystorage.testing import FakeClock
from tests.engine.whole import KINDS, Act, Implementation, assert_whole


class Boom(Exception):
    """What a hostile thing raises."""


class Wild:
    """A key that is equal to those of its name; ``armed`` runs whenever it is asked."""

    armed: ClassVar[Callable[[str], object] | None] = None

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def ask(cls, what: str) -> None:
        # It is not asked again while it acts, or it would never come to an end.
        armed, cls.armed = cls.armed, None
        if armed is not None:
            try:
                armed(what)
            finally:
                cls.armed = armed

    def __hash__(self) -> int:
        self.ask("hash")
        return 7  # all in one place, so that each is compared with all others

    def __eq__(self, other: object) -> bool:
        self.ask("eq")
        return isinstance(other, Wild) and self.name == other.name

    def __repr__(self) -> str:
        return f"Wild({self.name!r})"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    """Leave no key armed."""
    yield
    Wild.armed = None


@pytest.fixture(params=["LRUStorage with ttl", *KINDS])
def storage(memory: Implementation, clock: FakeClock, request: pytest.FixtureRequest) -> Any:
    kind, _, ttl = request.param.partition(" ")
    storage = memory.made(kind, 4, ttl=5 if ttl else None, timer=clock)
    for name in "abcd":
        storage[Wild(name)] = name
    storage.get(Wild("a"))  # so that the order is not that in which they lie
    return storage


OPERATIONS: dict[str, Callable[[Any], object]] = {
    "read": lambda s: s[Wild("b")],
    "read absent": lambda s: s[Wild("x")],
    "get": lambda s: s.get(Wild("b")),
    "in": lambda s: Wild("b") in s,
    "peek": lambda s: s.peek(Wild("b")),
    "get_many": lambda s: s.get_many([Wild("a"), Wild("d")]),
    "replace": lambda s: s.__setitem__(Wild("b"), 1),
    "insert": lambda s: s.__setitem__(Wild("x"), 1),
    "insert its hash": lambda s: s.__setitem__(Wild("x").__hash__(), 1),
    "set_many": lambda s: s.set_many([(Wild("x"), 1), (Wild("a"), 2)]),
    "add": lambda s: s.add(Wild("x"), 1),
    "setdefault": lambda s: s.setdefault(Wild("x"), 1),
    "swap": lambda s: s.swap(Wild("b"), "b", 1),
    "incr": lambda s: s.incr(Wild("x")),
    "delete": lambda s: s.__delitem__(Wild("b")),
    "pop": lambda s: s.pop(Wild("b")),
    "pop absent": lambda s: s.pop(Wild("x"), None),
    "delete_many": lambda s: s.delete_many([Wild("a"), Wild("d")]),
    "expire": lambda s: s.expire(Wild("b"), 9),
    "touch": lambda s: s.touch(Wild("b"), 9),
    "ttl": lambda s: s.ttl(Wild("b")),
}

#: What runs no code of a key at all: it has its key in hand.
WITHOUT_KEYS: dict[str, Callable[[Any], object]] = {
    "insert": lambda s: s.__setitem__("tame", 1),
    "insert many": lambda s: s.set_many(dict.fromkeys("efghijkl", 1)),
    "popitem": lambda s: s.popitem(),
    "clear": lambda s: s.clear(),
    "len": len,
    "iterate": list,
    "backwards": lambda s: list(reversed(s)),
    "purge": lambda s: s.purge(),
}

ACTS: dict[str, Callable[[Any], object]] = {
    "clear": lambda s: s.clear(),
    "delete the same": lambda s: s.pop(Wild("b"), None),
    "write the same": lambda s: s.__setitem__(Wild("b"), 2),
    "write the new": lambda s: s.__setitem__(Wild("x"), 2),
    "write others": lambda s: s.update({number: number for number in range(20)}),
    "delete all": lambda s: s.delete_many([Wild(name) for name in "abcdx"]),
    "popitem": lambda s: s and s.popitem(),
    "read": lambda s: s.get(Wild("b")),
    "resize": lambda s: s.resize(1) if s.maxsize else None,
    "time": lambda s: s.timer.advance(5),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("asked", ["hash", "eq"])
def test_a_key_that_raises_changes_nothing(storage: Any, operation: str, asked: str) -> None:
    def raises(what: str) -> None:
        if what == asked:
            raise Boom

    before = [(key.name, value) for key, value in storage.items()]
    Wild.armed = raises
    with pytest.raises(Boom):
        OPERATIONS[operation](storage)
    Wild.armed = None
    assert_whole(storage)
    if operation not in ("set_many", "delete_many", "get_many"):
        assert [(key.name, value) for key, value in storage.items()] == before
    for name in "abcd":
        assert storage.pop(Wild(name), name) == name
    assert len(storage) == 0
    assert_whole(storage)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("act", ACTS)
def test_a_key_that_comes_back_leaves_it_whole(storage: Any, operation: str, act: str) -> None:
    times = 0

    def acts(what: str) -> None:
        nonlocal times
        times += 1
        if times < 50:
            ACTS[act](storage)

    Wild.armed = acts
    with contextlib.suppress(KeyError):
        OPERATIONS[operation](storage)
    Wild.armed = None
    assert 0 < times < 200  # what asks again as the table changed comes to an end when that does
    assert_whole(storage)
    names = [key.name for key in storage if isinstance(key, Wild)]
    assert len(names) == len(set(names))
    storage[Wild("last")] = 1
    assert storage[Wild("last")] == 1
    storage.clear()
    assert_whole(storage)


@pytest.mark.parametrize("operation", WITHOUT_KEYS)
def test_what_needs_no_key_asks_none(storage: Any, operation: str, clock: FakeClock) -> None:
    def raises(what: str) -> None:
        raise Boom

    del storage[Wild("b")]
    storage[7] = "an int of the same hash"
    storage[Wild("b")] = "b"
    storage.get(7)
    Wild.armed = raises
    WITHOUT_KEYS[operation](storage)
    clock.advance(5)
    WITHOUT_KEYS[operation](storage) if operation != "popitem" else storage.purge()
    Wild.armed = None
    assert_whole(storage)


def test_an_error_of_a_key_is_no_miss(storage: Any) -> None:
    def raises(what: str) -> None:
        if what == "eq":
            raise KeyError("the key's own")

    Wild.armed = raises
    for access in (
        lambda: storage[Wild("x")],
        lambda: storage.get(Wild("x")),
        lambda: Wild("x") in storage,
        lambda: storage.pop(Wild("x"), None),
        lambda: storage.setdefault(Wild("x"), None),
    ):
        with pytest.raises(KeyError, match="the key's own"):
            access()
    Wild.armed = None
    assert storage.stats().misses == 0


def test_a_key_may_change_its_hash(memory: Implementation, clock: FakeClock) -> None:
    class Fickle:
        code = 1

        def __hash__(self) -> int:
            return self.code

    def expire() -> None:
        clock.advance(5)
        lru.purge()

    fickle = Fickle()
    lru = memory.LRUStorage(2, timer=clock)
    removals: tuple[Act, ...] = (
        lambda: lru.update(x=1, y=2),
        lambda: lru.popitem(),
        lambda: lru.clear(),
        expire,
    )
    for remove in removals:
        lru.clear()
        lru.set(fickle, 1, ttl=5)
        fickle.code += 1
        assert fickle not in lru
        remove()
        assert fickle not in list(lru)
        assert_whole(lru)


def test_keys_that_are_equal_to_plain_ones(storage: Any) -> None:
    class Text(str):
        def __hash__(self) -> int:
            return hash(str(self))

        def __eq__(self, other: object) -> bool:
            return str(self) == other

    storage.clear()
    storage[Text("a")] = 1
    storage["b"] = 2
    storage["a"] = 3
    storage[Text("b")] = 4
    assert sorted(storage.items()) == [("a", 3), ("b", 4)]
    assert [type(key) for key in sorted(storage)] == [Text, str]
    assert storage.pop("a") == 3
    assert storage.pop(Text("b")) == 4
    assert_whole(storage)


def crowd_out(storage: Any) -> None:
    """Write others in the place of an entry, as far as the policy lets them in."""
    storage.update({number: 1 for number in range(5)})
    while "dying" in storage:
        storage.popitem()


@pytest.mark.parametrize("act", ACTS)
def test_a_finalizer_that_comes_back_leaves_it_whole(storage: Any, act: str) -> None:
    finished = []

    class Dying:
        def __del__(self) -> None:
            # Another thread gets in, too: nothing is freed while the lock is held.
            thread = threading.Thread(target=lambda: len(storage))
            thread.start()
            thread.join(10)
            finished.append(thread.is_alive())
            ACTS[act](storage)
            assert_whole(storage)

    for drop in (
        lambda: storage.__setitem__("dying", 1),
        lambda: storage.pop("dying"),
        lambda: storage.__delitem__("dying"),
        lambda: storage.delete_many(["dying"]),
        lambda: storage.clear(),
        lambda: crowd_out(storage),
        lambda: storage.swap("dying", storage.peek("dying"), 1),
        lambda: [storage.popitem() for _ in range(len(storage))],
        lambda: storage.timer.advance(5) or storage.purge() or storage.clear(),
    ):
        storage["dying"] = Dying()
        before = len(finished)
        with contextlib.suppress(KeyError):
            drop()
        assert len(finished) == before + 1
        assert_whole(storage)
    for number in range(8):
        storage[Dying()] = number
    storage.clear()
    assert_whole(storage)
    assert not any(finished)


def turns(storage: Any, random: random.Random) -> None:
    """Do one operation after another at random."""
    key = random.choice(["a", "b", 1, 2, ("t", 3), frozenset({4}), frozenset({5})])
    operation = random.randrange(12)
    if operation < 3:
        storage[key] = [key]
    elif operation == 3:
        storage.set(key, [key], ttl=random.choice([0.001, 1, None]))
    elif operation == 4:
        storage.get(key)
    elif operation == 5:
        storage.pop(key, None)
    elif operation == 6:
        storage.add(key, [key], ttl=0.01)
    elif operation == 7:
        storage.touch(key, random.choice([0.001, 1, None]))
    elif operation == 8:
        storage.purge()
    elif operation == 9:
        list(storage)
    elif operation == 10 and storage:
        with contextlib.suppress(KeyError):
            storage.popitem()
    elif random.randrange(5) == 0:
        storage.clear()


def assert_whole_for_now(storage: Any) -> None:
    """See that the parts agree, when nothing can expire between two looks at them."""
    for key in list(storage):
        storage.touch(key, math.inf)
    assert_whole(storage)


@pytest.mark.parametrize("kind", KINDS)
def test_the_garbage_collector_may_come_at_any_time(memory: Implementation, kind: str) -> None:
    storage = memory.made(kind, 3)
    rolls = random.Random(7)
    collected = 0

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            nonlocal collected
            collected += 1
            turns(storage, rolls)

    thresholds = gc.get_threshold()
    gc.set_threshold(3, 2, 2)
    try:
        for number in range(20_000):
            Cycle()
            turns(storage, rolls)
            if number % 500 == 0:
                gc.disable()
                assert_whole_for_now(storage)
                gc.enable()
    finally:
        gc.set_threshold(*thresholds)
        gc.enable()
        gc.collect()
    assert collected > 10_000
    assert_whole_for_now(storage)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers of this kind")
@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_may_come_at_any_time(memory: Implementation, kind: str) -> None:
    storage = memory.made(kind, 3)
    rolls = random.Random(7)
    came = 0

    def handler(number: int, frame: object) -> None:
        nonlocal came
        came += 1
        turns(storage, rolls)

    old = signal.signal(signal.SIGVTALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
        while came < 150:
            turns(storage, rolls)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
    assert_whole_for_now(storage)


@pytest.mark.parametrize("act", ["clear", "resize", "write", "raise"])
def test_a_weigher_may_do_what_it_likes(memory: Implementation, act: str) -> None:
    busy = False

    def weigher(key: Any, value: Any) -> int:
        nonlocal busy
        if not busy:
            busy = True
            try:
                if act == "clear":
                    lru.clear()
                elif act == "resize":
                    lru.resize(3)
                elif act == "write":
                    lru[key] = 2
                elif len(lru) == 2:
                    raise Boom
            finally:
                busy = False
        thread = threading.Thread(target=lambda: len(lru))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        return int(value)

    lru = memory.LRUStorage(5, weigher=weigher)
    writes: tuple[Act, ...] = (
        lambda: lru.__setitem__("a", 1),
        lambda: lru.__setitem__("b", 3),
        lambda: lru.__setitem__("c", 3),
        lambda: lru.incr("c"),
        lambda: lru.swap("c", 3, 2),
        lambda: lru.add("d", 1),
        lambda: lru.set_many({"e": 1, "f": 1}),
    )
    for write in writes:
        with contextlib.suppress(Boom, ValueError):
            write()
        assert_whole(lru)
