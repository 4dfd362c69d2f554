"""Holds: leases of keys that a task computes, renewed by another task for as long as that takes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

from anyio import create_task_group, get_cancelled_exc_class, sleep

from pystorage.aio.lease import AsyncLease
from pystorage.errors import ConflictError

T = TypeVar("T")

_PARTS = 3


class AsyncHold:
    """The lease of a key, held by the task that computes it."""

    __slots__ = ("_lease", "_manager", "_ttl", "_until")

    def __init__(
        self,
        manager: AbstractAsyncContextManager[AsyncLease],
        lease: AsyncLease,
        ttl: float,
        until: float,
    ) -> None:
        self._manager = manager
        self._lease = lease
        self._ttl = ttl
        self._until = until

    async def is_held(self) -> bool:
        """Tell whether it is certain that nobody else computes the key; ask where its time is over."""
        if time.monotonic() < self._until:
            return True
        try:
            await self._extend()
        except ConflictError:
            return False
        return True

    async def _extend(self) -> None:
        begin = time.monotonic()
        await self._lease.extend(self._ttl)
        self._until = begin + self._ttl

    async def _keep(self) -> None:
        while True:
            await sleep(self._ttl / _PARTS)
            try:
                await self._extend()
            except ConflictError:
                return
            except OSError:
                continue  # the next time, or it ends

    async def renewed(self, compute: Callable[[], Awaitable[T]]) -> T:
        """Compute something, and hold the lease meanwhile."""
        value: Any = None
        failure: BaseException | None = None
        async with create_task_group() as group:
            group.start_soon(self._keep)
            try:
                value = await compute()
            except get_cancelled_exc_class():
                raise
            except BaseException as error:
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            try:
                raise failure
            finally:
                del failure
        return value  # type: ignore[no-any-return]

    async def release(self) -> None:
        """Give it back."""
        with suppress(ConflictError):  # somebody else has it: that is known where it matters
            await self._manager.__aexit__(None, None, None)


async def taken(manager: AbstractAsyncContextManager[AsyncLease], ttl: float) -> AsyncHold | None:
    """Take a lease by entering what holds it; None where somebody else has it."""
    begin = time.monotonic()
    try:
        lease = await manager.__aenter__()
    except TimeoutError:
        return None
    return AsyncHold(manager, lease, ttl, begin + ttl)
