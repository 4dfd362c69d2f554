"""Laws of figures: what is counted is right, and what is not known is None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pystorage.storage import Capability, Stats
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import AnyStorage, Laws, law


class FigureLaws(Laws):
    """``stats``.

    Raises:
        Nothing.
    """

    def test_figures_are_numbers_or_unknown(self, storage: AnyStorage) -> None:
        """``stats`` gives a ``Stats`` of numbers, and None for what is unknown."""
        storage["key"] = self.value(1)
        stats = storage.stats()
        assert isinstance(stats, Stats)
        for name, figure in stats._asdict().items():
            assert figure is None or (type(figure) is int and figure >= 0), name

    def test_the_size_is_the_length(self, storage: AnyStorage) -> None:
        """``size`` is that of ``len``, where it is known."""
        for number in range(3):
            assert storage.stats().size in (len(storage), None)
            storage[f"key {number}"] = self.value(number)
        storage.clear()
        assert storage.stats().size in (0, None)

    @law(needs=Capability.STATS)
    def test_each_is_counted(self, storage: AnyStorage) -> None:
        """Hits, misses, sets and deletes are counted one by one, in bulk too; ``in`` and failures are not."""

        def absent() -> None:
            try:
                del storage["absent"]
            except KeyError:
                return

        steps: list[tuple[Callable[[], Any], dict[str, int]]] = [
            (lambda: storage.__setitem__("a", self.value(1)), {"sets": 1}),
            (lambda: storage.set("b", self.value(1)), {"sets": 1}),
            (lambda: storage.set_many({"c": self.value(1), "d": self.value(1)}), {"sets": 2}),
            (lambda: storage["a"], {"hits": 1}),
            (lambda: storage.get("a"), {"hits": 1}),
            (lambda: storage.get("absent"), {"misses": 1}),
            (lambda: storage.get_many(["a", "b", "absent"]), {"hits": 2, "misses": 1}),
            (lambda: "a" in storage, {}),
            (lambda: len(storage), {}),
            (lambda: list(storage), {}),
            (lambda: storage.__delitem__("a"), {"deletes": 1}),
            (absent, {}),
            (lambda: storage.delete_many(["b", "c", "absent"]), {"deletes": 2}),
        ]
        for number, (step, change) in enumerate(steps):
            before = storage.stats()._asdict()
            step()
            after = storage.stats()._asdict()
            for name in ("hits", "misses", "sets", "deletes"):
                assert after[name] - before[name] == change.get(name, 0), f"{name} after step {number}"

    @law(needs=Capability.STATS | Capability.TTL)
    def test_expirations_are_counted(self, storage: AnyStorage, timer: FakeClock) -> None:
        """What went for time is counted once, and is no deletion."""
        storage["plain"] = self.value(1)
        storage.set_many({"a": self.value(1), "b": self.value(2)}, ttl=10)
        before = storage.stats()
        timer.advance(10)
        assert storage.get("a") is None
        storage.purge()
        assert len(storage) == 1
        storage.purge()
        after = storage.stats()
        assert (after.expirations or 0) - (before.expirations or 0) == 2
        assert after.deletes == before.deletes
