"""Entries that are too heavy, with keys and values whose repr raises or comes back to the storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pystorage import CapacityError
from tests.engine.whole import Implementation, assert_whole


class Shown:
    """A key or a value that does something when it is shown; all of them are equal."""

    def __init__(self, act: Callable[[], object], weight: int = 0) -> None:
        self.act = act
        self.weight = weight

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown)

    def __repr__(self) -> str:
        self.act()
        return "Shown()"


def weigh(key: object, value: Any) -> int:
    return getattr(value, "weight", 1)


def fail(error: type[BaseException]) -> Callable[[], object]:
    def act() -> None:
        raise error("no repr")

    return act


def refused_with(storage: Any, key: object) -> None:
    with pytest.raises(CapacityError):
        storage.set(key, Shown(str, 2**70))


#: What a repr may do to the storage. None of it may reach what was to be written.
ACTS: dict[str, Callable[[Any], object]] = {
    "clears": lambda storage: storage.clear(),
    "shrinks": lambda storage: storage.resize(2),
    "grows": lambda storage: storage.resize(None),
    "writes": lambda storage: storage.update({number: Shown(str, 2) for number in range(100)}),
    "deletes": lambda storage: storage.pop(Shown(str), None),
    "writes the key": lambda storage: storage.__setitem__(Shown(str), "by the repr"),
    "is refused itself": lambda storage: refused_with(storage, Shown(str)),
}


def filled(memory: Implementation, policy: str, limit: int | None) -> Any:
    storage = memory.made(policy, limit, weigher=weigh)
    for number in range(40):
        storage[number] = Shown(fail(ValueError), 2)
    return storage


@pytest.fixture(params=["lru", "sieve", "s3fifo", "tinylfu"])
def policy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[100, None])
def limit(request: pytest.FixtureRequest) -> int | None:
    """One that a weight of 2**63 is beyond, and none, where all together may not weigh that."""
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("there", [False, True])
def test_a_repr_that_raises(memory: Implementation, policy: str, limit: int | None, there: bool) -> None:
    storage = filled(memory, policy, limit)
    key, heavy = Shown(fail(ValueError)), Shown(fail(ValueError), 2**63 - 1)
    if there:
        storage[key] = "old"
    before = storage.currsize
    with pytest.raises(CapacityError, match="Shown instance at") as caught:
        storage[key] = heavy
    assert caught.value.key is key
    assert (storage.peek(key, "absent"), storage.currsize) == ("old" if there else "absent", before)
    assert_whole(storage)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_repr_that_ends_the_program(
    memory: Implementation, limit: int | None, error: type[BaseException], there: bool
) -> None:
    storage = filled(memory, "lru", limit)
    key, heavy = Shown(fail(error)), Shown(fail(ValueError), 2**63 - 1)
    if there:
        storage[key] = "old"
    before = storage.currsize
    with pytest.raises(error):
        storage[key] = heavy
    assert (storage.peek(key, "absent"), storage.currsize) == ("old" if there else "absent", before)
    assert_whole(storage)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("act", ACTS)
def test_a_repr_that_comes_back(
    memory: Implementation, policy: str, limit: int | None, act: str, there: bool
) -> None:
    shown: list[int] = []

    def come_back() -> None:
        if not shown:  # once, as it may be shown again by what it does
            shown.append(1)
            ACTS[act](storage)
            assert_whole(storage)

    for write in ("__setitem__", "set", "add", "update"):
        shown.clear()
        storage = filled(memory, policy, limit)
        key, heavy = Shown(come_back), Shown(fail(ValueError), 2**63 - 1)
        if there and write != "add":
            storage[key] = "old"
        given = ([(key, heavy)],) if write == "update" else (key, heavy)
        with pytest.raises(CapacityError):
            getattr(storage, write)(*given)
        assert shown
        assert_whole(storage)
        assert all(value is not heavy for value in storage.values())


def test_a_repr_where_there_is_no_room_at_all(memory: Implementation) -> None:
    storage = memory.LRUStorage(0)
    for key in (Shown(fail(ValueError)), Shown(lambda: storage.resize(10))):
        with pytest.raises(CapacityError):
            storage[key] = 1
        assert_whole(storage)
        assert not storage
