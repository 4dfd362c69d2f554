"""Locks in Redis that tasks hold: waited for, taken and given back without a thread."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from anyio import CancelScope, sleep

from pystorage.aio._redisplace import AsyncPlace
from pystorage.aio.lease import AsyncLease
from pystorage.errors import ConflictError
from pystorage.stores import _rediscommands as commands
from pystorage.stores._redisnames import lock_place
from pystorage.stores.redis import RedisStorage

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


class AsyncRedisLeases:
    """Leases among all that use a server of Redis, for tasks of asyncio.

    Args:
        place: Where commands go.
        storage: The storage that blocks, of the same names.

    Raises:
        Nothing.

    Cost: one round trip each.
    """

    def __init__(self, place: AsyncPlace, storage: RedisStorage[Any, Any]) -> None:
        self._place = place
        self._storage = storage

    @asynccontextmanager
    async def held(
        self, key: object, name: str, ttl: float, timeout: float | None
    ) -> AsyncIterator[AsyncLease]:
        """Hold a lock for the length of an ``async with``.

        Args:
            key: The key that names it.
            name: The name of that key.
            ttl: Seconds to hold it at most, > 0.
            timeout: Seconds to wait for it, ≥ 0; None waits for as long as it takes.

        Returns:
            An async context manager that gives the lease.

        Raises:
            TimeoutError: When entering: it was not free in time.
            ConflictError: When leaving: it had run out and somebody else took it.
            UnavailableError: The server could not be asked.
        """
        token = secrets.token_hex(16)
        limit = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        try:
            while not await self._of_lock(commands.TAKE, "lock", key, name, token, ttl):
                left = pause if limit is None else min(pause, limit - time.monotonic())
                if left <= 0:
                    raise TimeoutError(
                        f"could not lock {name!r} in {self._storage!r}: somebody else held it for {timeout} s"
                    )
                await sleep(left)
                pause = min(2 * pause, _LONGEST_PAUSE)
        except asyncio.CancelledError:
            # It may have been taken as the cancellation came: a command that was sent is done to its end.
            await self._given_back(key, name, token)
            raise

        async def extend(ttl_now: float | None) -> None:
            seconds = ttl if ttl_now is None else ttl_now
            if not await self._of_lock(commands.EXTEND, "extend the lock", key, name, token, seconds):
                raise self._run_out(f"could not extend the lock {name!r}", ttl, key)

        try:
            yield AsyncLease(name, ttl, token, extend)
        except BaseException:
            await self._given_back(key, name, token)
            raise
        if not await self._given_back(key, name, token):
            raise self._run_out(f"could not hold the lock {name!r} in {self._storage!r} to the end", ttl, key)

    def _run_out(self, what: str, ttl: float, key: object) -> ConflictError:
        return ConflictError(
            f"{what}: it had run out after {ttl} s or was removed, and somebody else may have taken it; take "
            "it for longer, or extend it earlier",
            storage=repr(self._storage),
            key=key,
        )

    async def _given_back(self, key: object, name: str, token: str) -> bool:
        with CancelScope(shield=True):
            task = asyncio.ensure_future(
                self._of_lock(commands.RELEASE, "release the lock", key, name, token)
            )
            cancelled: BaseException | None = None
            while not task.done():
                try:
                    await asyncio.shield(task)
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            raise cancelled
        return task.result()

    async def _of_lock(
        self,
        script: commands.Script,
        tried: str,
        key: object,
        name: str,
        token: str,
        ttl: float | None = None,
    ) -> bool:
        arguments = [token.encode()]
        if ttl is not None:
            arguments.append(b"%d" % commands.milliseconds(ttl))
        again = script is not commands.RELEASE
        try:
            return bool(
                await self._place.run(script, lock_place(self._storage._begin, name), arguments, again)
            )
        except OSError as error:
            self._storage._fail(tried, key, error)
