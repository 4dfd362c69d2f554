"""Clearing what is kept of one function, and of no other in the same storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pystorage.memo.kept import Kept

if TYPE_CHECKING:
    from pystorage.aio._tasks import TaskFlights
    from pystorage.memo.asyncplace import AsyncPlace
    from pystorage.memo.flight import Flights
    from pystorage.memo.place import Place


class Cleared(Kept):
    """A function whose results can be forgotten, all at once.

    Raises:
        Nothing.
    """

    _flights: Flights
    _place: Place

    def cache_clear(self) -> None:
        """Forget all results of this function, and its figures; nothing else in the storage is touched.

        Raises:
            StorageError: The storage refused.

        Cost: one scan of the storage for ``key_prefix`` and one bulk removal; its own storage is emptied.
        """
        self._flights.forget()
        self._trouble.forget()
        if self._own:
            self._storage.clear()
        else:
            self._place.clear(self.key_prefix)
        self._reset()


class AsyncCleared(Kept):
    """The same of an async function.

    Raises:
        Nothing.
    """

    _flights: TaskFlights
    _place: AsyncPlace

    async def cache_clear(self) -> None:
        """Forget all results of this function, and its figures; nothing else in the storage is touched.

        Raises:
            StorageError: The storage refused.

        Cost: one scan of the storage for ``key_prefix`` and one bulk removal.
        """
        self._flights.forget()
        self._trouble.forget()
        await self._place.clear(self.key_prefix)
        self._reset()
