"""Laws of threads: any number of them may use one storage at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest

from pystorage.storage import ABSENT, Capability
from pystorage.testing.laws.base import MISSING, AnyStorage, Laws, law
from pystorage.testing.parallel import in_background, in_threads

T = TypeVar("T")

_THREADS = 4


class ThreadLaws(Laws):
    """Several threads on one handle.

    Raises:
        Nothing.
    """

    @pytest.fixture(autouse=True)
    def _switching(self) -> Iterator[None]:
        """Let threads take turns so often that a race is met."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        yield
        sys.setswitchinterval(interval)

    def test_threads_lose_nothing(self, storage: AnyStorage) -> None:
        """What each thread writes under keys of its own is all there."""

        def work(thread: int) -> None:
            for number in range(25):
                storage[f"{thread} {number}"] = self.value(number)
            for number in range(0, 25, 5):
                del storage[f"{thread} {number}"]

        in_threads(*(lambda thread=thread: work(thread) for thread in range(_THREADS)))
        expected = {f"{thread} {n}": self.value(n) for thread in range(_THREADS) for n in range(25) if n % 5}
        assert dict(storage) == expected
        assert len(storage) == len(expected)

    def test_threads_read_whole_values(self, storage: AnyStorage) -> None:
        """Who reads beside writers meets one value or another, never a mixture or a gap."""
        storage["key"] = self.large_value(0)

        def write() -> None:
            for number in range(5):
                storage["key"] = self.large_value(number)

        with in_background(write, threads=2):
            for _ in range(50):
                assert self.number_of(storage["key"]) < 5
                assert "key" in storage
                assert list(storage) == ["key"]

    def test_threads_do_not_disturb_an_iteration(self, storage: AnyStorage) -> None:
        """Whoever iterates beside writers never fails, and misses nothing that stays."""
        storage.update({f"stays {number}": self.value(number) for number in range(10)})

        def disturb() -> None:
            for number in range(10):
                storage[f"goes {number}"] = self.value(number)
            storage.delete_many([f"goes {number}" for number in range(10)])

        stays = {f"stays {number}" for number in range(10)}
        with in_background(disturb, threads=2):
            for _ in range(20):
                assert stays <= set(storage)
                assert stays <= dict(storage.items()).keys()
                assert 10 <= len(storage) <= 20
                assert storage

    def test_threads_may_remove_the_same(self, storage: AnyStorage) -> None:
        """Of several threads that delete or pop the same keys, exactly one succeeds for each."""
        keys = [f"key {number}" for number in range(50)]

        def delete(key: str) -> bool:
            try:
                del storage[key]
            except KeyError:
                return False
            return True

        def pop(key: str) -> bool:
            return storage.pop(key, MISSING) is not MISSING

        for racers in ((pop, pop, pop), (delete, delete), (pop, delete)):
            storage.set_many({key: self.value(1) for key in keys})
            removed = _race(keys, *racers)
            assert [sum(outcomes) for outcomes in removed] == [1] * len(keys)
            assert len(storage) == 0

    def test_threads_take_each_entry_once(self, storage: AnyStorage) -> None:
        """Several threads that drain a storage by ``popitem`` get each entry once."""
        entries = {f"key {number}": self.value(number) for number in range(60)}
        storage.update(entries)

        def drain() -> list[tuple[Any, Any]]:
            taken = []
            while True:
                try:
                    taken.append(storage.popitem())
                except KeyError:
                    return taken

        taken = [item for items in in_threads(*[drain] * 3) for item in items]
        assert sorted(taken) == sorted(entries.items())

    @law(needs=Capability.ADD)
    def test_of_many_adds_one_wins(self, storage: AnyStorage) -> None:
        """Of several threads that add the same keys, each key is won once, and the winner's value stands."""
        keys = [f"key {number}" for number in range(40)]
        added = _race(keys, *(partial(self._add, storage, me) for me in range(_THREADS)))
        for key, outcomes in zip(keys, added, strict=True):
            assert outcomes.count(True) == 1
            assert storage[key] == self.value(outcomes.index(True))

    def _add(self, storage: AnyStorage, me: int, key: str) -> bool:
        return storage.add(key, self.value(me))

    @law(needs=Capability.ADD)
    def test_of_many_setdefaults_all_agree(self, storage: AnyStorage) -> None:
        """Several threads that call ``setdefault`` for the same keys are given the same values."""
        keys = [f"key {number}" for number in range(40)]
        given = _race(keys, *(partial(self._setdefault, storage, me) for me in range(_THREADS)))
        assert given == [(storage[key],) * _THREADS for key in keys]

    def _setdefault(self, storage: AnyStorage, me: int, key: str) -> Any:
        return storage.setdefault(key, self.value(me))

    @law(needs=Capability.SWAP)
    def test_of_many_swaps_one_wins(self, storage: AnyStorage) -> None:
        """Several threads that count by ``swap``, trying again when they lose, lose nothing."""
        storage["key"] = self.value(0)

        def count() -> None:
            for _ in range(15):
                while True:
                    old = storage["key"]
                    if storage.swap("key", old, self.value(self.number_of(old) + 1)):
                        break

        in_threads(*[count] * _THREADS)
        assert self.number_of(storage["key"]) == 15 * _THREADS

    @law(needs=Capability.SWAP)
    def test_of_many_swaps_from_absence_one_wins(self, storage: AnyStorage) -> None:
        """Of several threads that swap the same keys from absence, each key is won once."""
        keys = [f"key {number}" for number in range(40)]
        swapped = _race(keys, *(partial(self._appear, storage, me) for me in range(_THREADS)))
        for key, outcomes in zip(keys, swapped, strict=True):
            assert outcomes.count(True) == 1
            assert storage[key] == self.value(outcomes.index(True))

    def _appear(self, storage: AnyStorage, me: int, key: str) -> bool:
        return storage.swap(key, ABSENT, self.value(me))

    @law(needs=Capability.INCR)
    def test_no_addition_is_lost(self, storage: AnyStorage) -> None:
        """Several threads that add to one key lose nothing, and each sum is given once."""
        sums = in_threads(*[lambda: [storage.incr("key") for _ in range(40)]] * _THREADS)
        assert sorted(one for given in sums for one in given) == list(range(1, 40 * _THREADS + 1))
        assert storage["key"] == 40 * _THREADS


def _race(keys: list[str], *functions: Callable[[str], T]) -> list[tuple[T, ...]]:
    """Call functions with the same keys, each in a thread of its own; give what they returned, key by key."""
    returned = in_threads(*(partial(_each, function, keys) for function in functions))
    return list(zip(*returned, strict=True))


def _each(function: Callable[[str], T], keys: list[str]) -> list[T]:
    return [function(key) for key in keys]
