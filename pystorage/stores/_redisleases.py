"""Locks in Redis: a key with its owner's token, which goes by itself when the time is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from pystorage._sync import Leases
from pystorage.stores import _rediscommands as commands
from pystorage.stores._redisnames import lock_place
from pystorage.stores._redisplace import RedisPlace

Failed = Callable[[str, str, OSError], NoReturn]


class RedisLeases(Leases):
    """Leases among all that use a server of Redis; its clock counts.

    Args:
        place: Where commands go.
        head: What all keys of the storage begin with.
        failed: Raises what a failure is to the caller: what was tried, the lock's name, the failure.

    Raises:
        Nothing.

    Cost: one round trip each.
    Threads: any number.
    Processes: any number, on any machine.
    """

    def __init__(self, place: RedisPlace, head: bytes, failed: Failed) -> None:
        self._place = place
        self._head = head
        self._failed = failed

    def take(self, name: str, token: str, ttl: float) -> bool:
        return self._run(commands.TAKE, "lock", name, token, ttl, again=True)

    def extend(self, name: str, token: str, ttl: float) -> bool:
        return self._run(commands.EXTEND, "extend the lock", name, token, ttl, again=True)

    def release(self, name: str, token: str) -> bool:
        return self._run(commands.RELEASE, "release the lock", name, token, None, again=False)

    def _run(
        self, script: commands.Script, tried: str, name: str, token: str, ttl: float | None, *, again: bool
    ) -> bool:
        arguments = [token.encode()]
        if ttl is not None:
            arguments.append(b"%d" % commands.milliseconds(ttl))
        try:
            return bool(self._place.run(script, lock_place(self._head, name), arguments, again))
        except OSError as error:
            self._failed(tried, name, error)
