"""AsyncLease: a lock that a task holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class AsyncLease:
    """A lock that is held, as ``AsyncStorage.lock`` gives it.

    Args:
        name: The name of the lock.
        ttl: Seconds it was taken for.
        token: What its owner is known by.
        extend: Called with seconds to hold it for longer.

    Raises:
        Nothing.

    Threads: to be used by the task that took it.
    """

    __slots__ = ("_extend", "name", "token", "ttl")

    def __init__(
        self, name: str, ttl: float, token: str, extend: Callable[[float | None], Awaitable[object]]
    ) -> None:
        self.name = name
        self.ttl = ttl
        self.token = token
        self._extend = extend

    async def extend(self, ttl: float | None = None) -> None:
        """Hold it for longer.

        Args:
            ttl: Seconds from now, > 0; None is as long as it was taken for.

        Raises:
            ConflictError: It had run out and somebody else took it.
            UnavailableError: The place of the lease cannot be written.
        """
        await self._extend(ttl)

    def __repr__(self) -> str:
        return f"<AsyncLease {self.name!r} for {self.ttl} s>"
