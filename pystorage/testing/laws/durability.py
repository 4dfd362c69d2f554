"""Laws of durability: a writer may be killed at any moment, and nothing is torn, lost or stuck."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

from pystorage.storage import Capability
from pystorage.testing.laws.base import AnyStorage, Laws, Opener, law, where_processes_fork
from pystorage.testing.parallel import Child, Line

_KEYS = 5
_STEP = struct.Struct(">I")


class DurabilityLaws(Laws):
    """``kill -9`` at random moments.

    Raises:
        Nothing.
    """

    @law(needs=Capability.PERSISTENT | Capability.SHARED, when=where_processes_fork)
    def test_a_killed_writer_tears_nothing(
        self, storage: AnyStorage, open_storage: Opener, place: Path
    ) -> None:
        """After each kill a key reads its last value or that which was being written; no debris piles up."""
        chance = random.Random(20240607)
        stands = {f"key {number}": 0 for number in range(_KEYS)}
        storage.set_many({key: self.large_value(0) for key in stands})
        step, files = 0, 0
        for kill in range(type(self).kills):
            said = self._killed(open_storage, step, chance)
            *done, last = range(step + 1, said + 1)
            stands.update((_key(number), number) for number in done)
            step = said
            with open_storage() as mine:
                assert sorted(mine) == sorted(stands)
                assert len(mine) == len(stands)
                for key, value in mine.items():
                    number = self.number_of(value)
                    allowed = (stands[key], last) if key == _key(last) else (stands[key],)
                    assert number in allowed, f"{key} is {number} after {last} steps, kill {kill}"
                    stands[key] = number
                # Whatever the dead writer held must not stand in the way.
                mine[_key(last)] = self.large_value(last)
                stands[_key(last)] = last
            found = sum(1 for path in place.rglob("*") if path.is_file())
            files = found if kill < 2 else files
            assert kill < 2 or found <= files + _KEYS, "what dead writers leave piles up"

    @law(needs=Capability.PERSISTENT | Capability.SHARED, when=where_processes_fork)
    def test_a_writer_killed_beside_another(self, storage: AnyStorage, open_storage: Opener) -> None:
        """The kill of one writer neither stops nor harms another that works in the same place."""
        chance = random.Random(4)
        storage.set_many({f"key {number}": self.large_value(0) for number in range(_KEYS)})
        for round_ in range(max(1, type(self).kills // 10)):
            for number in range(_KEYS):
                storage[f"mine {number}"] = self.value(round_)
            self._killed(open_storage, 0, chance)
            assert [storage[f"mine {number}"] for number in range(_KEYS)] == [self.value(round_)] * _KEYS

    @law(needs=Capability.PERSISTENT | Capability.SHARED | Capability.INCR, when=where_processes_fork)
    def test_a_killed_counter_counts_on(self, storage: AnyStorage, open_storage: Opener) -> None:
        """A process that is killed while it counts loses none of its additions, and blocks nobody."""
        for _ in range(max(1, type(self).kills // 4)):
            before = storage.incr("count", 0)

            def count() -> None:
                mine = open_storage()
                while True:
                    line.say(_STEP.pack(mine.incr("count")))

            with Line() as line, Child(count) as child:
                said = _last(line, 20)
                child.kill()
                said = max(said, _last(line, 0))
            assert said - before > 0
            assert storage.incr("count", 0) in (said, said + 1)

    def _killed(self, open_storage: Opener, step: int, chance: random.Random) -> int:
        """Let a process write step after step, kill it, and give the last step that it had begun."""

        def write() -> None:
            mine, number = open_storage(), step
            while True:
                number += 1
                line.say(_STEP.pack(number))
                mine[_key(number)] = self.large_value(number)

        with Line() as line, Child(write) as child:
            assert _last(line, 1), "the writer did not begin"
            start, wanted = time.perf_counter(), chance.randrange(1, 20)
            begun = _last(line, wanted)
            # A random moment of a step, which may take some ten microseconds: no sleep is as short as that.
            now = time.perf_counter()
            end = now + min(1.5 * (now - start) / wanted, 0.05) * chance.random()
            while time.perf_counter() < end:
                pass
            child.kill()
            return max(begun, _last(line, 0))


def _key(step: int) -> str:
    return f"key {step % _KEYS}"


def _last(line: Line, wanted: int) -> int:
    """Hear so many numbers, or what there is to hear, and give the last."""
    last = heard = 0
    while True:
        said = line.hear(30 if heard < wanted else 0)
        if not said:
            return last
        last = int.from_bytes(said[-_STEP.size :], "big")
        heard += len(said) // _STEP.size
        if heard >= wanted > 0:
            return last
