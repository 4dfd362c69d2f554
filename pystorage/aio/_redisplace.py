"""Where an async storage sends its commands: a server or the nodes of a cluster, from any event loop."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final
from weakref import WeakKeyDictionary

from anyio import to_thread

from pystorage._sync import fork_safe_lock
from pystorage.aio._redislinks import AsyncLinks, Connections
from pystorage.errors import StorageProviderError
from pystorage.stores._rediscluster import ASKING
from pystorage.stores._rediscluster import ClusterPlace as BlockingCluster
from pystorage.stores._rediscommands import BATCH, Packed, Script, get_many, packed
from pystorage.stores._rediserrors import RedisFailure
from pystorage.stores._redislinks import OF_THE_POOL, Errors
from pystorage.stores._redisplace import COUNT, LISTINGS, RedisPlace, ServerPlace
from pystorage.stores._redisrouting import (
    Asked,
    Route,
    batches,
    granted,
    is_elsewhere,
    reads,
    removals,
    spread,
)

_CLASSES: Final = ("Connection", "SSLConnection", "UnixDomainSocketConnection")


class AsyncPlace(ABC):
    """Where commands go.

    Args:
        limit: Connections to a server in each event loop.

    Raises:
        Nothing.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncLinks]] = WeakKeyDictionary()
        # Held by who changes that, as other threads have event loops too.
        self._changing = fork_safe_lock()

    def _links(self, name: str, pool: Callable[[], Any], errors: Errors) -> AsyncLinks:
        """Give the connections of the running event loop to a server."""
        running = asyncio.get_running_loop()
        of_loop = self._loops.get(running)
        if of_loop is None:
            with self._changing:
                of_loop = self._loops[running] = {}
        links = of_loop.get(name)
        if links is None:
            links = of_loop[name] = AsyncLinks(connections(pool()), self._limit, errors)
        return links

    def close(self) -> None:
        """Close all connections, those of other event loops as soon as these run.

        Raises:
            Nothing.
        """
        running = asyncio.get_running_loop()
        with self._changing:
            known = list(self._loops.items())
            self._loops.clear()
        for loop, of_loop in known:
            for links in of_loop.values():
                if loop is running:
                    links.close()
                else:
                    with suppress(RuntimeError):  # the loop was closed, and has given them back itself
                        loop.call_soon_threadsafe(links.close)

    @abstractmethod
    async def ask(self, place: bytes | str, command: Packed, again: bool) -> Any:
        """Send a command on a key and read its reply."""

    @abstractmethod
    async def ask_all(self, commands: Asked, again: bool) -> list[Any]:
        """Send commands on keys together and read their replies."""

    @abstractmethod
    async def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        """Run a script on a key."""

    @abstractmethod
    async def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        """Sort keys into groups of which one command can take all."""

    async def read_all(self, places: Sequence[bytes | str]) -> list[bytes | None]:
        """Read values.

        Args:
            places: Their keys.

        Returns:
            The bytes, or None, of each.

        Raises:
            RedisFailure: A server could not be asked, or refused.
        """
        groups = await self.groups(places)
        return spread(groups, await self._in_batches(reads(places, groups), again=True))

    async def remove_all(self, places: Sequence[bytes], *, again: bool) -> int:
        """Remove keys.

        Args:
            places: The keys.
            again: Whether they may be removed again when a connection was lost before all replies came.

        Returns:
            How many were there.

        Raises:
            RedisFailure: A server could not be asked, or refused.
        """
        return sum(await self._in_batches(removals(places, await self.groups(places)), again=again))

    async def _in_batches(self, asked: Asked, *, again: bool) -> list[Any]:
        return [reply for some in batches(asked) for reply in await self.ask_all(some, again)]

    @abstractmethod
    def listed(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """List keys by SCAN, in batches; one may come twice."""


class AsyncServer(AsyncPlace):
    """One server, or the primary that Sentinel names.

    Args:
        place: The same for those who block.
        limit: Connections in each event loop.

    Raises:
        Nothing.
    """

    def __init__(self, place: ServerPlace, limit: int) -> None:
        super().__init__(limit)
        self._place = place
        self._errors = place.errors
        connections(place.pool)  # what cannot be used is said now
        self._pool = place.pool

    def _here(self) -> AsyncLinks:
        return self._links("", lambda: self._pool, self._errors)

    async def ask(self, place: bytes | str, command: Packed, again: bool) -> Any:
        return await self._here().ask(command, again)

    async def ask_all(self, commands: Asked, again: bool) -> list[Any]:
        replies = await self._here().ask_all([command for _, command in commands], again)
        return granted(replies, self._errors)

    async def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        return await self._here().run(script, place, arguments, again)

    async def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        return self._place.groups(places)

    async def read_all(self, places: Sequence[bytes | str]) -> list[bytes | None]:
        if not 0 < len(places) <= BATCH:
            return await super().read_all(places)
        found: list[bytes | None] = await self._here().ask(get_many(places), True)
        return found

    def listed(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        return _listed_by(self._here(), pattern)


class AsyncCluster(AsyncPlace):
    """The nodes of a cluster; which has a key is told by the client for those who block.

    That asks the nodes for their slots at the beginning and when these have moved, in a worker thread.

    Args:
        place: The same for those who block.
        limit: Connections to each node in each event loop.

    Raises:
        Nothing.
    """

    def __init__(self, place: BlockingCluster, limit: int) -> None:
        super().__init__(limit)
        self._place = place
        self._errors = place.errors

    async def ask(self, place: bytes | str, command: Packed, again: bool) -> Any:
        return await self._followed(place, again, lambda links: links.ask(command, again), command)

    async def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        whole = script.whole(place, *arguments)
        return await self._followed(
            place, again, lambda links: links.run(script, place, arguments, again), whole
        )

    async def ask_all(self, commands: Asked, again: bool) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        await self._ask_nodes(commands, range(len(commands)), again, replies, once_more=again)
        return replies

    async def _ask_nodes(
        self,
        commands: Asked,
        numbers: Sequence[int],
        again: bool,
        replies: list[Any],
        *,
        once_more: bool,
    ) -> None:
        """Ask some of the commands, one node after the other."""
        by_node: dict[str, tuple[AsyncLinks, list[int]]] = {}
        for number in numbers:
            node = await self._node_of(commands[number][0])
            by_node.setdefault(node.name, (self._links_of(node), []))[1].append(number)
        for links, mine in by_node.values():
            try:
                found = await links.ask_all([commands[number][1] for number in mine], again)
            except RedisFailure:
                if not once_more:
                    raise
                await to_thread.run_sync(self._place.reload)  # another may have taken its place
                await self._ask_nodes(commands, mine, again, replies, once_more=False)
                continue
            for number, reply in zip(mine, found, strict=True):
                if is_elsewhere(reply, self._errors):
                    reply = await self.ask(*commands[number], again)
                replies[number] = reply

    async def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        await self._ready()
        return self._place.groups(places)

    async def listed(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        await to_thread.run_sync(self._place.follow_changes)
        for node in self._place.primaries():
            async for batch in _listed_by(self._links_of(node), pattern):
                yield batch

    async def _followed(
        self, place: bytes | str, again: bool, ask: Callable[[AsyncLinks], Awaitable[Any]], command: Packed
    ) -> Any:
        """Ask the node that has a key, and then the one that it names."""
        route: Route | None = None
        while True:
            try:
                if route is None or route.target is None:
                    return await ask(self._links_of(await self._node_of(place)))
                links = self._links_of(await to_thread.run_sync(self._place.node_at, *route.target))
                return granted((await links.ask_all([ASKING, command], again))[1:], self._errors)[0]
            except RedisFailure as failure:
                route = route or Route(self._errors, again)
                pause, moved = route.after(failure)
            if pause:
                await asyncio.sleep(pause)
            if moved:
                await to_thread.run_sync(self._place.reload)

    async def _ready(self) -> None:
        if not self._place.is_known():
            await to_thread.run_sync(self._place.known)

    async def _node_of(self, place: bytes | str) -> Any:
        await self._ready()
        return self._place.node_of(place)

    def _links_of(self, node: Any) -> AsyncLinks:
        return self._links(node.name, lambda: self._place.pool_of(node), self._errors)


async def _listed_by(links: AsyncLinks, pattern: bytes) -> AsyncIterator[list[bytes]]:
    """List the keys of one server, anew where it was lost on the way."""
    left = LISTINGS
    while True:
        left -= 1
        cursor, begun = b"0", False
        try:
            while True:
                command = packed(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", COUNT)
                # What another server says to this cursor means nothing, so only the first is asked again.
                cursor, batch = await links.ask(command, not begun)
                begun = True
                if batch:
                    yield batch
                if cursor == b"0":
                    return
        except RedisFailure:
            if not begun or not left:
                raise


def connections(pool: Any) -> Connections:
    """Say how connections for asyncio are made with the settings of a pool for those who block.

    Args:
        pool: The connection pool of a client.

    Returns:
        What makes them, for one event loop.

    Raises:
        StorageProviderError: The client has connections of a kind of its own.
    """
    kind = pool.connection_class
    package = kind.__module__.partition(".")[0]
    settings = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith((*OF_THE_POOL, "parser_class"))
    }
    settings["decode_responses"] = False  # values are bytes, whatever else the client is used for
    connected = settings.pop("redis_connect_func", None)
    if connected is not None and not hasattr(getattr(connected, "__self__", None), "nodes_manager"):
        raise StorageProviderError("redis_connect_func is a function that blocks")
    retry = settings.pop("retry", None)
    if retry is not None:
        retries = import_module(f"{package}.asyncio.retry")
        settings["retry"] = retries.Retry(retry._backoff, retry._retries)
    if hasattr(pool, "sentinel_manager"):
        return _of_sentinel(package, pool, settings)
    if kind.__module__ != f"{package}.connection" or kind.__name__ not in _CLASSES:
        raise StorageProviderError(
            f"{kind.__module__}.{kind.__name__} has no counterpart for asyncio; use a client with the "
            "package's own connections"
        )
    made = getattr(import_module(f"{package}.asyncio.connection"), kind.__name__)
    return Connections(lambda: made(**settings))


def _of_sentinel(package: str, pool: Any, settings: dict[str, Any]) -> Connections:
    module = import_module(f"{package}.asyncio.sentinel")
    manager = pool.sentinel_manager
    hosts = [
        (one.connection_pool.connection_kwargs["host"], one.connection_pool.connection_kwargs["port"])
        for one in manager.sentinels
    ]
    kept = {
        name: value for name, value in settings.items() if name not in ("connection_pool", "host", "port")
    }
    if "SSL" in pool.connection_class.__name__:
        kept["ssl"] = True
    sentinel = module.Sentinel(hosts, sentinel_kwargs=manager.sentinel_kwargs, **kept)
    client = sentinel.master_for(pool.service_name)
    return Connections(client.connection_pool.make_connection, sentinel.sentinels)


def async_place(place: RedisPlace, limit: int) -> AsyncPlace:
    """Give the async counterpart of a place.

    Args:
        place: The place of a storage that blocks.
        limit: Connections to a server in each event loop.

    Returns:
        Where an async storage sends its commands.

    Raises:
        Nothing.
    """
    if isinstance(place, BlockingCluster):
        return AsyncCluster(place, limit)
    assert isinstance(place, ServerPlace)
    return AsyncServer(place, limit)
