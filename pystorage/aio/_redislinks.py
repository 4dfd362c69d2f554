"""Connections to one server of Redis in one event loop: bounded, taken in turns, renewed when lost.

They are made by the client package's own asyncio classes, so that TLS, users, Sentinel and timeouts are what
they are there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

from anyio import CancelScope

from pystorage.stores._rediscommands import Packed, Script
from pystorage.stores._rediserrors import RedisFailure, refused, was_not_done
from pystorage.stores._redislinks import Errors

# A command of a task that is cancelled was sent, so its reply is waited for; but not for ever.
_GRACE: Final = 2.0
# More than this may not fit into the buffers at once, and sending it waits.
_AT_ONCE: Final = 32 << 10


def abort(connection: Any) -> None:
    """Close a connection of the client package at once: its own way sends what is left, and may wait.

    Args:
        connection: The connection, open or not.

    Raises:
        Nothing.
    """
    writer = connection._writer
    connection._writer = connection._reader = None
    if writer is not None:
        connection._parser.on_disconnect()
        writer.transport.abort()


class Connections:
    """How connections to a server are made, with what that takes in one event loop.

    Args:
        make: Gives a new connection, not yet open.
        helpers: Clients of Sentinels that are asked on the way.

    Raises:
        Nothing.
    """

    def __init__(self, make: Callable[[], Any], helpers: Sequence[Any] = ()) -> None:
        self.make = make
        self._helpers = helpers

    def close(self) -> None:
        """Close what was opened on the way.

        Raises:
            Nothing.
        """
        for helper in self._helpers:
            pool = helper.connection_pool
            for connection in (*pool._available_connections, *pool._in_use_connections):
                abort(connection)


class AsyncLink:
    """One connection, used by one task at a time.

    Args:
        connection: A connection of the client package's asyncio part, not yet open.
        errors: The errors of that package.

    Raises:
        Nothing.
    """

    __slots__ = ("_end", "_late", "_limit", "connection", "errors", "open", "timeout")

    def __init__(self, connection: Any, errors: Errors) -> None:
        self.connection = connection
        self.errors = errors
        self.open = False
        self.timeout: float | None = connection.socket_timeout
        self._late = False
        # When what is being asked has to end, and the timer that looks at that: one for many commands, as
        # it costs more to set and to cancel than to leave running.
        self._limit = math.inf
        self._end: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        """Open it.

        Raises:
            Exception: What the client raises.
        """
        self.connection.socket_timeout = self.timeout
        try:
            await self.connection.connect()
        except BaseException:
            self.drop()
            raise
        # From here on time is counted once for a command, not for each part of it.
        self.connection.socket_timeout = None
        self.open = True

    def drop(self) -> None:
        """Close it at once, throwing away what is not sent yet and any late reply.

        Raises:
            Nothing.
        """
        self.open = False
        if self._end is not None:
            self._end.cancel()
            self._end = None
        abort(self.connection)

    def is_lost(self) -> bool:
        """Tell whether the server has closed it while it was kept, as far as is known.

        Returns:
            Whether it has.

        Raises:
            Nothing.
        """
        reader = self.connection._reader
        return reader is None or reader.at_eof()

    async def ask(self, commands: Sequence[Packed]) -> list[Any]:
        """Send commands together and read their replies, to the end also when the task is cancelled.

        Args:
            commands: What is sent.

        Returns:
            The replies; refusals among them.

        Raises:
            Exception: What the client raises; the connection is closed.
        """
        self._late = False
        if self.timeout is not None:
            self._end_after(self.timeout)
        replies: list[Any] = []
        cancelled: BaseException | None = None
        try:
            try:
                await self._send([part for command in commands for part in command])
                await self._read(replies, len(commands))
            except asyncio.CancelledError as error:
                cancelled = error
                self._end_after(_GRACE)
            while len(replies) < len(commands):
                try:
                    with CancelScope(shield=True):
                        await self._read(replies, len(commands))
                except asyncio.CancelledError:
                    continue  # it is being cancelled already
        except BaseException as error:
            self.drop()
            if cancelled is not None:
                raise cancelled from error
            if self._late:
                raise self.errors.late(f"no reply within {self.timeout} s") from error
            raise
        finally:
            self._limit = math.inf
        if cancelled is not None:
            raise cancelled
        return replies

    async def _send(self, parts: list[bytes]) -> None:
        send = self.connection.send_packed_command(parts, check_health=False)
        if sum(map(len, parts)) <= _AT_ONCE:
            await send  # which does not wait
            return
        task = asyncio.ensure_future(send)
        cancelled: BaseException | None = None
        while not task.done():
            try:
                with CancelScope(shield=cancelled is not None):
                    await asyncio.shield(task)
            except asyncio.CancelledError as error:
                if cancelled is None:
                    self._end_after(_GRACE)  # as nothing else may end it
                cancelled = error
        task.result()
        if cancelled is not None:
            raise cancelled

    async def _read(self, replies: list[Any], number: int) -> None:
        read = self.connection.read_response
        while len(replies) < number:
            try:
                replies.append(await read(disconnect_on_error=False))
            except self.errors.refusal as error:
                replies.append(error)

    def _end_after(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._limit = limit = loop.time() + seconds
        if self._end is not None:
            if self._end.when() <= limit:
                return
            self._end.cancel()
        self._end = loop.call_at(limit, self._expire)

    def _expire(self) -> None:
        self._end = None
        if self._limit == math.inf:  # nothing is being asked
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._limit:  # what was asked when the timer was set has ended
            self._end = loop.call_at(self._limit, self._expire)
            return
        self._late = True
        writer = self.connection._writer
        if writer is not None:
            writer.transport.abort()


class AsyncLinks:
    """The connections of one event loop to one server.

    Args:
        connections: How they are made.
        limit: How many there may be; more tasks take turns, first come, first served.
        errors: The errors of the client package.

    Raises:
        Nothing.
    """

    def __init__(self, connections: Connections, limit: int, errors: Errors) -> None:
        self._connections = connections
        self._errors = errors
        self._turns = asyncio.Semaphore(limit)
        self._idle: list[AsyncLink] = []
        self._all: set[AsyncLink] = set()
        self._end: AsyncGenerator[None, None] | None = None

    async def ask(self, command: Packed, again: bool) -> Any:
        """Send a command and read its reply.

        Args:
            command: What is sent.
            again: Whether it may be sent again when the connection was lost before its reply came.

        Returns:
            The reply.

        Raises:
            RedisFailure: The server could not be asked, or refused.
        """
        (reply,) = await self.ask_all((command,), again)
        if isinstance(reply, self._errors.refusal):
            raise RedisFailure(reply) from reply
        return reply

    async def ask_all(self, commands: Sequence[Packed], again: bool) -> list[Any]:
        """Send commands together and read their replies.

        Args:
            commands: What is sent.
            again: Whether they may be sent again when the connection was lost before all replies came.

        Returns:
            The replies; refusals among them.

        Raises:
            RedisFailure: The server could not be asked.
        """
        async with self._turns:
            link = self._idle.pop() if self._idle else self._new()
            try:
                if again and link.open:
                    try:
                        replies = await link.ask(commands)
                    except self._errors.unanswered as error:
                        replies = await self._anew(link, error, commands)
                else:
                    replies = await self._carefully(link, commands, again)
            except self._errors.all as error:
                if isinstance(error, RedisFailure):
                    raise
                raise RedisFailure(error) from error
            finally:
                if link in self._all:
                    self._idle.append(link)
                else:  # all were closed meanwhile
                    link.drop()
            for reply in replies:
                if isinstance(reply, self._errors.refusal) and refused(reply, "READONLY", "ReadOnlyError"):
                    link.drop()  # the primary may be another one now, under the same name
            return replies

    async def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        """Run a script on a key, sending its text where the server does not know it.

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
        try:
            return await self.ask(script.known(place, *arguments), again)
        except RedisFailure as failure:
            if not refused(failure.error, "NOSCRIPT", "NoScriptError"):
                raise
        return await self.ask(script.whole(place, *arguments), again)

    def openings(self) -> int:
        """Say how many connections were made.

        Returns:
            A number that grows.

        Raises:
            Nothing.
        """
        return len(self._all)

    def close(self) -> None:
        """Close all connections, in the event loop that they are of.

        Raises:
            Nothing.
        """
        for link in self._all:
            link.drop()
        self._all.clear()
        self._idle.clear()
        self._connections.close()

    async def _carefully(self, link: AsyncLink, commands: Sequence[Packed], again: bool) -> list[Any]:
        """Ask over a connection that may be closed, or what must not be asked twice."""
        if link.open and link.is_lost():
            link.drop()
        if not link.open:
            await self._connect(link)
        try:
            return await link.ask(commands)
        except self._errors.unanswered as error:
            if again:
                return await self._anew(link, error, commands)
            raise RedisFailure(error, doubtful=not was_not_done(error)) from error

    async def _anew(self, link: AsyncLink, error: BaseException, commands: Sequence[Packed]) -> list[Any]:
        """Ask again, as often as the client's settings say."""
        failed = [error] if isinstance(error, self._errors.late) else []

        async def once_more() -> list[Any]:
            if failed:
                raise failed.pop()
            if not link.open:
                await link.connect()
            return await link.ask(commands)

        found: list[Any] = await link.connection.retry.call_with_retry(once_more, _nothing)
        return found

    async def _connect(self, link: AsyncLink) -> None:
        if self._end is None:
            self._end = _until_the_loop_ends(self)
            await anext(self._end)
        await link.connect()

    def _new(self) -> AsyncLink:
        link = AsyncLink(self._connections.make(), self._errors)
        self._all.add(link)
        return link


async def _until_the_loop_ends(links: AsyncLinks) -> AsyncGenerator[None, None]:
    # Event loops end the async generators that are still open before they are closed: the one moment when
    # what belongs to a loop can be given back by somebody who does not run it.
    try:
        yield
    finally:
        links.close()


async def _nothing(*_: object) -> None:
    pass
