"""What must hold of a storage in memory at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pystorage.engine._checks import POLICIES
from pystorage.engine._table import Table

Act = Callable[[], object]

#: Policies that are more than one list.
MARKED = [policy for policy in POLICIES if policy not in ("lru", "fifo")]
#: Kinds of storages, of which each has a way of its own to keep the order.
KINDS = ["LRUStorage", "MemoryStorage", *MARKED]


@dataclass(frozen=True)
class Implementation:
    """The storages on one implementation of the engine."""

    name: str
    LRUStorage: Any
    MemoryStorage: Any
    CacheStorage: Any

    def made(self, kind: str, maxsize: Any, **settings: Any) -> Any:
        """Make a storage by the name of its class, or of its policy; one without a limit takes none."""
        if kind == "MemoryStorage":
            return self.MemoryStorage(**{name: value for name, value in settings.items() if name == "timer"})
        if kind == "LRUStorage":
            return self.LRUStorage(maxsize, **settings)
        return self.CacheStorage(maxsize, policy=kind, **settings)


def assert_whole(storage: Any) -> None:
    """See that the parts of a storage agree, without changing its order."""
    keys = list(storage)
    assert len(keys) == len(storage)
    assert list(reversed(storage)) == keys[::-1]
    assert bool(storage) is bool(keys)
    assert [key for key, _ in storage.items()] == keys
    assert storage.maxsize is None or storage.currsize <= storage.maxsize
    if hasattr(storage, "_check"):
        storage._check()  # which knows the parts of the one in C
    table = getattr(storage, "_table", None)
    if isinstance(table, Table):
        entries = table.entries()
        assert {id(entry) for entry in entries} == {id(entry) for entry in table.data.values()}
        assert len(entries) == len(table.data)
        assert all(entry.stored for entry in entries)
        assert table.weight == sum(entry.weight for entry in entries)
        tickets = {entry.ticket: entry for entry in entries if entry.deadline is not None}
        assert table.deadlines.entries == tickets
        assert 0 not in tickets
        assert set(tickets) <= {ticket for _, ticket in table.deadlines.heap}
        assert len(table.deadlines.heap) <= 2 * len(tickets) + 64
        assert {id(entry) for entry, _ in table.marks()} == {id(entry) for entry in entries}
        if table.policy is not None:
            queues = table.policy.queues
            for number, (queue, lot) in enumerate(zip(queues.order, queues.lots, strict=True)):
                assert all(entry.queue == number for entry in queue)
                assert lot == sum(entry.weight for entry in queue)
            assert sum(map(len, queues.order)) == len(entries)


@dataclass
class Calls:
    """An ``on_evict`` that notes what it is called with."""

    seen: list[tuple[Any, Any, str]] = field(default_factory=list)

    def __call__(self, key: Any, value: Any, cause: str) -> None:
        self.seen.append((key, value, cause))

    def taken(self) -> list[tuple[Any, Any, str]]:
        """Give what was noted since the last time."""
        seen, self.seen = self.seen, []
        return seen
