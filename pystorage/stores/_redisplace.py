"""Where a storage in Redis keeps its entries: one server, Sentinel's primary, or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pystorage.stores._rediscommands import BATCH, Packed, Script, get_many, packed
from pystorage.stores._rediserrors import RedisFailure
from pystorage.stores._redislinks import Errors, Links
from pystorage.stores._redisrouting import Asked, batches, granted, reads, removals, spread

# Keys that the server looks at for one reply to SCAN.
COUNT: Final = b"1000"
# How often a listing begins anew because its connection was lost.
LISTINGS: Final = 3


class RedisPlace(ABC):
    """Where commands go.

    Raises:
        Nothing.
    """

    @abstractmethod
    def ask(self, place: bytes, command: Packed, again: bool) -> Any:
        """Send a command on a key and read its reply.

        Args:
            place: The key.
            command: What is sent.
            again: Whether it may be sent again when the connection was lost before its reply came.

        Returns:
            The reply.

        Raises:
            RedisFailure: The server could not be asked, or refused.
        """

    @abstractmethod
    def ask_all(self, commands: Asked, again: bool) -> list[Any]:
        """Send commands on keys together and read their replies.

        Args:
            commands: For each a key and what is sent.
            again: Whether they may be sent again when a connection was lost before all replies came.

        Returns:
            The replies.

        Raises:
            RedisFailure: A server could not be asked, or refused one of them.
        """

    @abstractmethod
    def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        """Run a script on a key.

        Args:
            script: The script.
            place: The key.
            arguments: For the script.
            again: Whether it may be run again when the connection was lost before its reply came.

        Returns:
            What the script gives.

        Raises:
            RedisFailure: The server could not be asked, or refused.
        """

    @abstractmethod
    def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        """Sort keys into groups of which one command can take all.

        Args:
            places: The keys.

        Returns:
            For each group the positions of its keys.

        Raises:
            RedisFailure: The cluster could not be asked for its slots.
        """

    def read_all(self, places: Sequence[bytes | str]) -> list[bytes | None]:
        """Read values.

        Args:
            places: Their keys.

        Returns:
            The bytes, or None, of each.

        Raises:
            RedisFailure: A server could not be asked, or refused.
        """
        groups = self.groups(places)
        return spread(groups, self._in_batches(reads(places, groups), again=True))

    def remove_all(self, places: Sequence[bytes], *, again: bool) -> int:
        """Remove keys.

        Args:
            places: The keys.
            again: Whether they may be removed again when a connection was lost before all replies came.

        Returns:
            How many were there.

        Raises:
            RedisFailure: A server could not be asked, or refused.
        """
        return sum(self._in_batches(removals(places, self.groups(places)), again=again))

    def _in_batches(self, asked: Asked, *, again: bool) -> list[Any]:
        return [reply for some in batches(asked) for reply in self.ask_all(some, again)]

    @abstractmethod
    def listed(self, pattern: bytes) -> Iterator[list[bytes]]:
        """List keys by SCAN, in batches; one may come twice.

        Args:
            pattern: What they look like.

        Returns:
            An iterator of batches.

        Raises:
            RedisFailure: A server could not be asked.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections of this process.

        Raises:
            Nothing.
        """


class ServerPlace(RedisPlace):
    """One server, or the primary that Sentinel names.

    Args:
        client: A client of redis-py.
        errors: The errors of its package.

    Raises:
        StorageProviderError: The client package does not know one of its settings.
    """

    def __init__(self, client: Any, errors: Errors) -> None:
        #: The client's connection pool, whose settings are used.
        self.pool = client.connection_pool
        #: The errors of the client's package.
        self.errors = errors
        self._links = Links(self.pool, errors)

    def ask(self, place: bytes, command: Packed, again: bool) -> Any:
        return self._links.ask(command, again)

    def ask_all(self, commands: Asked, again: bool) -> list[Any]:
        replies = self._links.ask_all([command for _, command in commands], again)
        return granted(replies, self.errors)

    def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        return self._links.run(script, place, arguments, again)

    def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        return [list(range(start, min(start + BATCH, len(places)))) for start in range(0, len(places), BATCH)]

    def read_all(self, places: Sequence[bytes | str]) -> list[bytes | None]:
        if not 0 < len(places) <= BATCH:
            return super().read_all(places)
        found: list[bytes | None] = self._links.ask(get_many(places), True)
        return found

    def listed(self, pattern: bytes) -> Iterator[list[bytes]]:
        return listed_by(self._links, self.errors, pattern)

    def close(self) -> None:
        self._links.close()


def listed_by(links: Links, errors: Errors, pattern: bytes) -> Iterator[list[bytes]]:
    """List the keys of one server, anew where its connection was lost on the way.

    Args:
        links: Its connections.
        errors: The errors of the client's package.
        pattern: What the keys look like.

    Returns:
        An iterator of batches; a key may come twice.

    Raises:
        RedisFailure: The server could not be asked, or its connection was lost again and again.
    """
    left = LISTINGS
    while True:
        left -= 1
        cursor, openings = b"0", None
        try:
            while True:
                command = packed(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", COUNT)
                cursor, batch = links.ask(command, True)
                # Over a new connection another server may answer, of which this cursor says nothing.
                if openings not in (None, links.openings()):
                    if not left:
                        raise RedisFailure(errors.lost(f"the connection was lost {LISTINGS} times meanwhile"))
                    break
                openings = links.openings()
                if batch:
                    yield batch
                if cursor == b"0":
                    return
        except RedisFailure:
            if openings is None or not left:
                raise
