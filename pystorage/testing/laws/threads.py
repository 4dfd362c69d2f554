"""Laws of threads: any number of them may use one storage at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pystorage.storage import ABSENT, Capability
from pystorage.testing.laws.base import MISSING, AnyStorage, Laws, law
from pystorage.testing.parallel import in_background, in_threads

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
        """Of several threads that delete or pop one key, exactly one succeeds."""
        for number in range(20):
            storage["key"] = self.value(number)

            def delete() -> bool:
                try:
                    del storage["key"]
                except KeyError:
                    return False
                return True

            def pop() -> bool:
                return storage.pop("key", MISSING) is not MISSING

            assert sum(in_threads(delete, pop, delete)) == 1
            assert "key" not in storage

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
        """Of several threads that add one key, one wins, and its value stands."""
        for number in range(15):
            key = f"key {number}"
            won = in_threads(*(lambda me=me: storage.add(key, self.value(me)) for me in range(_THREADS)))
            assert won.count(True) == 1
            assert storage[key] == self.value(won.index(True))

    @law(needs=Capability.ADD)
    def test_of_many_setdefaults_all_agree(self, storage: AnyStorage) -> None:
        """Several threads that call ``setdefault`` for one key are given the same value."""
        for number in range(15):
            key = f"key {number}"
            given = in_threads(*(lambda me=me: storage.setdefault(key, self.value(me)) for me in range(_THREADS)))
            assert given == [storage[key]] * _THREADS

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
        """Of several threads that swap from absence, one wins."""
        for number in range(15):
            key = f"key {number}"
            won = in_threads(*(lambda me=me: storage.swap(key, ABSENT, self.value(me)) for me in range(_THREADS)))
            assert won.count(True) == 1
            assert storage[key] == self.value(won.index(True))

    @law(needs=Capability.INCR)
    def test_no_addition_is_lost(self, storage: AnyStorage) -> None:
        """Several threads that add to one key lose nothing, and each sum is given once."""
        sums = in_threads(*[lambda: [storage.incr("key") for _ in range(40)]] * _THREADS)
        assert sorted(one for given in sums for one in given) == list(range(1, 40 * _THREADS + 1))
        assert storage["key"] == 40 * _THREADS
