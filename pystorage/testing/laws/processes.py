"""Laws of processes: a shared storage is one for all of them."""

from __future__ import annotations

from pystorage.storage import Capability
from pystorage.testing.laws.base import MISSING, AnyStorage, Laws, Opener, law, where_processes_fork
from pystorage.testing.parallel import Child, Line, in_processes

_PROCESSES = 4


class ProcessLaws(Laws):
    """Several processes, each with a handle of its own on the same contents.

    Raises:
        Nothing.
    """

    @law(needs=Capability.SHARED, when=where_processes_fork)
    def test_processes_see_each_other(self, storage: AnyStorage, open_storage: Opener) -> None:
        """What one process writes or deletes, the others see at once."""
        storage.update({"stays": self.value(1), "goes": self.value(2)})

        def change() -> None:
            mine = open_storage()
            assert dict(mine) == {"stays": self.value(1), "goes": self.value(2)}
            mine["new"] = self.value(3)
            del mine["goes"]

        with Child(change) as child:
            child.result()
        assert dict(storage) == {"stays": self.value(1), "new": self.value(3)}

    @law(needs=Capability.SHARED, when=where_processes_fork)
    def test_processes_lose_nothing(self, storage: AnyStorage, open_storage: Opener) -> None:
        """What each process writes under keys of its own is all there, beside what all write."""

        def work(process: int) -> None:
            mine = open_storage()
            for number in range(25):
                mine[f"{process} {number}"] = self.value(number)
                mine["common"] = self.value(process)
                mine[f"{process} gone"] = self.value(number)
                del mine[f"{process} gone"]

        in_processes(*(lambda process=process: work(process) for process in range(_PROCESSES)))
        assert self.number_of(storage.pop("common")) < _PROCESSES
        assert dict(storage) == {f"{p} {n}": self.value(n) for p in range(_PROCESSES) for n in range(25)}

    @law(needs=Capability.SHARED, when=where_processes_fork)
    def test_processes_read_whole_values(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Who reads or iterates while other processes write never fails and meets whole values."""
        storage["key"] = self.large_value(0)

        def write(process: int) -> None:
            mine = open_storage()
            for number in range(40):
                mine["key"] = self.large_value(number)
                mine[f"{process} {number % 5}"] = self.value(number)
                mine.pop(f"{process} {(number + 3) % 5}", None)

        def read() -> None:
            mine = open_storage()
            for _ in range(40):
                assert self.number_of(mine["key"]) < 40
                keys = list(mine)
                assert "key" in keys
                assert len(keys) == len(set(keys))
                for value in mine.values():
                    self.number_of(value)

        in_processes(lambda: write(0), lambda: write(1), read)

    @law(needs=Capability.SHARED | Capability.INCR, when=where_processes_fork)
    def test_no_addition_of_a_process_is_lost(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Several processes that add to one key lose nothing, and each sum is given once."""

        def count() -> list[int]:
            mine = open_storage()
            return [mine.incr("key") for _ in range(50)]

        sums = in_processes(*[count] * _PROCESSES)
        assert sorted(one for given in sums for one in given) == list(range(1, 50 * _PROCESSES + 1))
        assert storage["key"] == 50 * _PROCESSES

    @law(needs=Capability.SHARED | Capability.ADD, when=where_processes_fork)
    def test_of_many_adds_of_processes_one_wins(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Of several processes that add the same keys, each is won once, and the winner's value stands."""

        def add(process: int) -> list[bool]:
            mine = open_storage()
            return [mine.add(f"key {number}", self.value(process)) for number in range(30)]

        won = in_processes(*(lambda process=process: add(process) for process in range(_PROCESSES)))
        for number, outcomes in enumerate(zip(*won, strict=True)):
            assert outcomes.count(True) == 1
            assert storage[f"key {number}"] == self.value(outcomes.index(True))

    @law(needs=Capability.SHARED | Capability.SWAP, when=where_processes_fork)
    def test_of_many_swaps_of_processes_one_wins(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Several processes that count by ``swap``, trying again when they lose, lose nothing."""
        storage["key"] = self.value(0)

        def count() -> None:
            mine = open_storage()
            for _ in range(20):
                while True:
                    old = mine["key"]
                    if mine.swap("key", old, self.value(self.number_of(old) + 1)):
                        break

        in_processes(*[count] * 3)
        assert self.number_of(storage["key"]) == 60

    @law(needs=Capability.SHARED, when=where_processes_fork)
    def test_of_many_deletions_one_succeeds(self, storage: AnyStorage, open_storage: Opener) -> None:
        """Of several processes that pop the same keys, each entry is given to one."""
        storage.set_many({f"key {number}": self.value(number) for number in range(40)})

        def pop() -> list[bool]:
            mine = open_storage()
            return [mine.pop(f"key {number}", MISSING) is not MISSING for number in range(40)]

        taken = in_processes(*[pop] * 3)
        assert [sum(outcomes) for outcomes in zip(*taken, strict=True)] == [1] * 40
        assert len(storage) == 0

    @law(needs=Capability.SHARED, when=where_processes_fork)
    def test_clearing_beside_a_writer(self, storage: AnyStorage, open_storage: Opener) -> None:
        """``clear`` while another process writes fails neither of them."""

        def write() -> None:
            mine = open_storage()
            for number in range(200):
                mine[f"key {number % 20}"] = self.value(number)
                if number == 10:
                    line.say()

        with Line() as line, Child(write) as child:
            assert line.hear()
            for _ in range(20):
                storage.clear()
                assert all(self.number_of(value) < 200 for value in storage.values())
            child.result()
        storage.clear()
        assert len(storage) == 0
