"""Queues: what the policies with several queues, or with marks, have in common."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from pystorage.engine._entry import Entry


class Queues:
    """Three queues of entries, the first to go at the beginning of each, and what the entries in them weigh.

    An entry knows the number of its queue and not the queue, which would be a cycle.

    Raises:
        Nothing.

    Cost: O(1).
    Threads: one at a time; a finalizer or a signal handler may come between the methods, but not in them.
    """

    __slots__ = ("lots", "order")

    def __init__(self) -> None:
        self.order: Final[tuple[OrderedDict[Entry, None], ...]] = (
            OrderedDict(),
            OrderedDict(),
            OrderedDict(),
        )
        self.lots: Final = [0, 0, 0]

    def put(self, entry: Entry, queue: int, mark: int) -> None:
        """Put an entry at the end of a queue, unless it was taken out of the table, or is in a queue.

        Args:
            entry: The entry.
            queue: The queue's number.
            mark: The entry's mark.

        Raises:
            Nothing.
        """
        if entry.stored and entry.queue < 0:
            self.order[queue][entry] = None
            self.lots[queue] += entry.weight
            entry.queue = queue
            entry.mark = mark

    def move(self, entry: Entry, queue: int, mark: int) -> None:
        """Move an entry to the end of a queue, its own or another, unless it was taken out.

        Args:
            entry: The entry.
            queue: The queue's number.
            mark: The entry's mark from now on.

        Raises:
            Nothing.
        """
        before = entry.queue
        if entry.stored and before >= 0:
            del self.order[before][entry]
            self.lots[before] -= entry.weight
            self.order[queue][entry] = None
            self.lots[queue] += entry.weight
            entry.queue = queue
            entry.mark = mark

    def count(self) -> int:
        """Give the number of entries in all queues.

        Returns:
            The number.

        Raises:
            Nothing.
        """
        first, second, third = self.order
        return len(first) + len(second) + len(third)

    def first(self, queue: int, keep: Entry | None) -> Entry | None:
        """Give the first entry of a queue, passing over one.

        Args:
            queue: The queue's number.
            keep: The entry to pass over.

        Returns:
            The entry; None if there is none.

        Raises:
            Nothing.
        """
        return first_of(self.order[queue], keep)


class Policy:
    """Who is the first to go, where a single list does not say it.

    Raises:
        Nothing.

    Cost: O(1) for each method but ``order``, ``marks`` and ``forget``, amortized.
    Threads: one at a time, but ``promote`` is called without the lock.
    """

    __slots__ = ("queues",)

    def __init__(self) -> None:
        self.queues: Final = Queues()

    def share(self, maxsize: int | None, weighed: bool) -> None:
        """Take another limit.

        Args:
            maxsize: The limit; None is none.
            weighed: Whether it is one of weight, and not of entries.

        Raises:
            Nothing.
        """

    def promote(self, entry: Entry) -> None:
        """Note a use without the lock.

        Args:
            entry: The entry, which may have been taken out just now.

        Raises:
            KeyError: This needs the lock.
        """
        raise KeyError

    def use(self, entry: Entry) -> None:
        """Note a use.

        Args:
            entry: The entry, which may have been taken out just now.

        Raises:
            Nothing.
        """
        raise NotImplementedError

    def enter(self, entry: Entry) -> None:
        """Put a new entry in, if it is still stored.

        Args:
            entry: The entry.

        Raises:
            Nothing.
        """
        raise NotImplementedError

    def restore(self, entry: Entry, mark: int) -> None:
        """Put an entry in as it was in another cache.

        Args:
            entry: The entry.
            mark: What ``marks`` gave for it there.

        Raises:
            Nothing.
        """
        raise NotImplementedError

    def victim(self, keep: Entry | None) -> Entry | None:
        """Give the entry that is to go.

        Args:
            keep: An entry that goes only if there is no other.

        Returns:
            The entry; None if there is none.

        Raises:
            Nothing.
        """
        raise NotImplementedError

    def left(self, entry: Entry) -> None:
        """Note that an entry was taken out, for whatever cause.

        Args:
            entry: The entry.

        Raises:
            Nothing.
        """

    def evicted(self, entry: Entry) -> None:
        """Note that an entry was removed to make room.

        Args:
            entry: The entry.

        Raises:
            Nothing.
        """

    def arrived(self, entry: Entry) -> None:
        """Note that there is room for a new entry now.

        Args:
            entry: The entry, which may have been taken out just now.

        Raises:
            Nothing.
        """

    def settle(self) -> None:
        """Do what is left to do when there is room again.

        Raises:
            Nothing.
        """

    def forget(self) -> None:
        """Forget what is known of those that are not stored.

        Raises:
            Nothing.
        """

    def order(self) -> list[Entry]:
        """Give all entries in the order in which they would go, one by one, if none were used meanwhile.

        Returns:
            A new list.

        Raises:
            Nothing.
        """
        raise NotImplementedError

    def marks(self) -> list[tuple[Entry, int]]:
        """Give all entries as they lie, each with what a copy has to know of it beside its place.

        Returns:
            A new list.

        Raises:
            Nothing.
        """
        raise NotImplementedError


def first_of(order: OrderedDict[Entry, None], keep: Entry | None) -> Entry | None:
    """Give the first entry of an order, passing over one.

    Args:
        order: The order.
        keep: The entry to pass over.

    Returns:
        The entry; None if there is none.

    Raises:
        Nothing.
    """
    while True:
        entries = iter(order)
        try:
            first = next(entries, None)
            return first if first is not keep or first is None else next(entries, None)
        except RuntimeError:
            continue  # somebody came in between
