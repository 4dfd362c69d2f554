"""AsyncLeading: as ``leading``, for what is awaited: a key is computed in the task that has its lease."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pystorage.aio._holds import taken
from pystorage.aio._tasks import Elsewhere
from pystorage.memo.addleases import async_lock_of
from pystorage.memo.leading import FIRST_PAUSE, LONGEST_PAUSE, deadline, led
from pystorage.memo.place import ANYTHING
from pystorage.storage import ABSENT

if TYPE_CHECKING:
    from pystorage.aio import AsyncStorage
    from pystorage.aio._holds import AsyncHold
    from pystorage.memo.flight import Ask
    from pystorage.memo.options import Options
    from pystorage.memo.trouble import Trouble


class AsyncLeader(Protocol):
    """What computes.

    Raises:
        Nothing.
    """

    def _count(self, ask: Ask, computed: bool) -> None:
        """Count a call."""

    async def _standing(self, key: str) -> object:
        """Give what is stored although it is not good enough."""

    async def _computed(self, ask: Ask, before: object) -> Any:
        """Compute and keep a result, if what was there before is still there."""


class AsyncLeading:
    """The leases of one function's keys.

    Args:
        face: Where the leases are, to be awaited.
        storage: What that is the face of.
        options: How long they last.
        trouble: What is done where the storage is down.

    Raises:
        Nothing.

    Threads: any number; of the tasks of one process one comes here for a key.
    Processes: any number.
    """

    __slots__ = ("_face", "_options", "_storage", "_trouble")

    def __init__(
        self, face: AsyncStorage[Any, Any], storage: object, options: Options, trouble: Trouble
    ) -> None:
        self._face = face
        self._storage = storage
        self._options = options
        self._trouble = trouble

    async def lead(self, ask: Ask, leader: AsyncLeader) -> Any:
        """Compute a key that nobody computes, or wait for whoever does.

        Args:
            ask: The call.
            leader: What computes.

        Returns:
            The result.

        Raises:
            StorageError: The storage cannot be read, or refused.
            Elsewhere: Another process is at it, and nobody waits for this call.
            Exception: What the function raises.

        Cost: beside the computation, a lease is taken and given back, and the storage read once more.
        """
        from anyio import sleep

        me, others = (id(self._storage), ask.key), led.get()
        if me in others:
            return await self.lead_again(ask, leader)
        limit, pause = deadline(self._options, bool(others)), FIRST_PAUSE
        while not self._trouble.is_down:  # else each try may take its time
            try:
                hold = await self._taken(ask.key)
            except OSError as error:
                self._trouble.bear(error)
                break
            if hold is not None:
                return await self._held(hold, ask, leader)
            if ask.background:
                raise Elsewhere
            left = min(pause, limit - time.monotonic())
            if left <= 0:
                break
            await sleep(left)
            pause = min(2 * pause, LONGEST_PAUSE)
            found = await ask.find(ask.key)
            if found is not ABSENT:
                leader._count(ask, False)
                return found
        leader._count(ask, True)
        before = ANYTHING if self._trouble.is_down else await leader._standing(ask.key)
        return await leader._computed(ask, before)

    async def lead_again(self, ask: Ask, leader: AsyncLeader) -> Any:
        """Compute a key that may be computed already by whoever calls this.

        Args:
            ask: The call.
            leader: What computes.

        Returns:
            The result.

        Raises:
            StorageError: The storage cannot be read, or refused.
            Exception: What the function raises.
        """
        outer = led.get().get((id(self._storage), ask.key))
        if outer is not None:
            outer.overwrites = True  # what it finds there is of its own making
        leader._count(ask, True)
        return await leader._computed(ask, ANYTHING)

    async def _taken(self, key: str) -> AsyncHold | None:
        lease = self._options.lock_ttl
        return await taken(async_lock_of(self._face, key, lease), lease)

    async def _held(self, hold: AsyncHold, ask: Ask, leader: AsyncLeader) -> Any:
        """Compute a key under its lease."""
        from anyio import CancelScope

        token = led.set({**led.get(), (id(self._storage), ask.key): ask})
        try:
            ask.hold = hold
            return await hold.renewed(partial(self._led, ask, leader))
        finally:
            led.reset(token)
            ask.hold = None
            with CancelScope(shield=True):
                await self._give_back(hold)

    async def _led(self, ask: Ask, leader: AsyncLeader) -> Any:
        found = await ask.find(ask.key)  # somebody may have kept it before the lease was free
        leader._count(ask, found is ABSENT)
        if found is not ABSENT:
            return found
        return await leader._computed(ask, await leader._standing(ask.key))

    async def _give_back(self, hold: AsyncHold) -> None:
        try:
            await hold.release()
        except OSError as error:
            self._trouble.bear(error)
