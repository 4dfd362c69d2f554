"""Laws of durability: what a storage promises to keep is there after a power cut."""

from __future__ import annotations

import random
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from pystorage.storage import Capability
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import (
    MISSING,
    AnyStorage,
    Laws,
    law,
    where_power_cuts_are_survived,
)
from pystorage.testing.parallel import Child, Line
from pystorage.testing.powercut import PowerCutDisk

_KEYS: Final = 5
_STEP = struct.Struct(">I")


class PowerLaws(Laws):
    """Power cuts at random moments, on a disk of the test's own; skipped where there can be none.

    Raises:
        Nothing.
    """

    @law(needs=Capability.PERSISTENT, when=where_power_cuts_are_survived)
    def test_a_power_cut_loses_nothing(self, storage: AnyStorage, tmp_path: Path, timer: FakeClock) -> None:
        """After each cut every write and removal is there that had come to its end, and nothing is torn."""
        missing = PowerCutDisk.missing()
        if missing is not None:
            pytest.skip(missing)
        with ExitStack() as stack:
            try:
                disk = stack.enter_context(PowerCutDisk(tmp_path))
            except OSError as error:
                pytest.skip(f"no disk can be mounted here: {error}")
            self._cut_and_look(disk, timer)

    def _cut_and_look(self, disk: PowerCutDisk, timer: FakeClock) -> None:
        chance = random.Random(20261121)
        #: Key → the last step that had to do with it.
        stands: dict[str, int] = {}
        last = 0
        for _ in range(type(self).power_cuts):
            done = self._cut_while_it_works(disk, timer, last, chance)
            stands.update((_key(step), step) for step in range(last + 1, done + 1))
            last = done + 1  # which may have been done too, and nobody was told
            mine = self.make_storage(disk.path / "place", timer)
            try:
                found = {key: self._number_at(mine, key) for key in stands}
                if found.get(_key(last), MISSING) == _left_by(last):
                    stands[_key(last)] = last
                assert found == {key: _left_by(step) for key, step in stands.items()}
                assert set(mine) - {_key(last)} == {key for key in found if found[key]} - {_key(last)}
            finally:
                mine.close()

    def _cut_while_it_works(
        self, disk: PowerCutDisk, timer: FakeClock, last: int, chance: random.Random
    ) -> int:
        """Let a process work on from a step, cut the power, and give the last step that it said was done."""

        def work() -> None:
            mine, step = self.make_storage(disk.path / "place", timer), last
            while True:
                step += 1
                self._take_step(mine, step)
                line.say(_STEP.pack(step))

        with Line() as line, Child(work) as child:
            heard = b""
            for _ in range(chance.randrange(1, 60)):
                piece = line.hear(30)
                assert piece, "the writer did not get on"
                heard = (heard + piece)[-_STEP.size :]
            child.kill()
            heard = (heard + line.hear(0))[-_STEP.size :]
        disk.cut()
        (said,) = _STEP.unpack(heard)
        return int(said)

    def _take_step(self, storage: AnyStorage, step: int) -> None:
        key = _key(step)
        if _left_by(step) is None:
            storage.pop(key, None)
        elif Capability.TTL in storage.capabilities and step % 3 == 0:
            storage.set(key, self.large_value(step), ttl=1e6)
        else:
            storage[key] = self.large_value(step)

    def _number_at(self, storage: AnyStorage, key: str) -> int | None:
        value: Any = storage.get(key, MISSING)
        return None if value is MISSING else self.number_of(value)


def _key(step: int) -> str:
    return f"key {step % _KEYS}"


def _left_by(step: int) -> int | None:
    """Give the number of the value that a step writes; None where it removes one."""
    return None if step % 4 == 3 else step
