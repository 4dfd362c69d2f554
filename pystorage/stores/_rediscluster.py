"""A cluster of Redis: which node a key is asked of, and what happens when it has moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

from pystorage._sync import fork_safe_lock
from pystorage.stores._redisclient import LazyCluster
from pystorage.stores._rediscommands import Packed, Script, packed
from pystorage.stores._rediserrors import RedisFailure
from pystorage.stores._redislinks import Errors, Links
from pystorage.stores._redisplace import RedisPlace, listed_by
from pystorage.stores._redisrouting import Asked, Route, granted, is_elsewhere

ASKING: Final = packed(b"ASKING")


class ClusterPlace(RedisPlace):
    """The nodes of a cluster; each key lies on the one that has its slot.

    Args:
        client: A client of redis-py, or how one is made.
        errors: The errors of its package.

    Raises:
        Nothing.
    """

    def __init__(self, client: Any, errors: Errors) -> None:
        self._given = client
        #: The errors of the client's package.
        self.errors = errors
        self._lock = fork_safe_lock()
        self._client: Any = None
        self._links: dict[str, Links] = {}
        self._layout: str | None = None

    def ask(self, place: bytes | str, command: Packed, again: bool) -> Any:
        return self._followed(place, again, lambda links: links.ask(command, again), command)

    def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        whole = script.whole(place, *arguments)
        return self._followed(place, again, lambda links: links.run(script, place, arguments, again), whole)

    def ask_all(self, commands: Asked, again: bool) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        self._ask_nodes(commands, range(len(commands)), again, replies, once_more=again)
        return replies

    def _ask_nodes(
        self,
        commands: Asked,
        numbers: Sequence[int],
        again: bool,
        replies: list[Any],
        *,
        once_more: bool,
    ) -> None:
        """Ask some of the commands, one node after the other."""
        by_node: dict[str, tuple[Links, list[int]]] = {}
        for number in numbers:
            name, links = self._node_of(commands[number][0])
            by_node.setdefault(name, (links, []))[1].append(number)
        for links, mine in by_node.values():
            try:
                found = links.ask_all([commands[number][1] for number in mine], again)
            except RedisFailure:
                if not once_more:
                    raise
                self.reload()  # another may have taken its place
                self._ask_nodes(commands, mine, again, replies, once_more=False)
                continue
            for number, reply in zip(mine, found, strict=True):
                if is_elsewhere(reply, self.errors):
                    reply = self.ask(*commands[number], again)
                replies[number] = reply

    def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        slots: dict[int, list[int]] = {}
        keyslot = self.known().keyslot
        for number, place in enumerate(places):
            slots.setdefault(keyslot(place), []).append(number)
        return list(slots.values())

    def listed(self, pattern: bytes) -> Iterator[list[bytes]]:
        self.follow_changes()
        for node in self.primaries():
            yield from listed_by(self._links_of(node), self.errors, pattern)

    def close(self) -> None:
        with self._lock:
            links, self._links = self._links, {}
            client, self._client = self._client, None
        for one in links.values():
            one.close()
        if client is not None and client is not self._given:
            client.close()

    # ------------------------------------------------------------------ routing

    def _followed(self, place: bytes | str, again: bool, ask: Callable[[Links], Any], command: Packed) -> Any:
        """Ask the node that has a key, and then the one that it names."""
        route: Route | None = None
        while True:
            try:
                if route is None or route.target is None:
                    return ask(self._node_of(place)[1])
                links = self._links_of(self.node_at(*route.target))
                return granted(links.ask_all([ASKING, command], again)[1:], self.errors)[0]
            except RedisFailure as failure:
                route = route or Route(self.errors, again)
                pause, moved = route.after(failure)
            if pause:
                time.sleep(pause)
            if moved:
                self.reload()

    def is_known(self) -> bool:
        """Tell whether the slots are known, so that nothing here has to ask.

        Returns:
            Whether they are.

        Raises:
            Nothing.
        """
        return self._client is not None

    def node_of(self, place: bytes | str) -> Any:
        """Give the node that has a key.

        Args:
            place: The key.

        Returns:
            A node of the client.

        Raises:
            RedisFailure: The cluster could not be asked for its slots.
        """
        client = self.known()
        return self._safely(lambda: client.nodes_manager.get_node_from_slot(client.keyslot(place)))

    def primaries(self) -> list[Any]:
        """Give the nodes that have keys.

        Returns:
            Nodes of the client.

        Raises:
            RedisFailure: The cluster could not be asked for its slots.
        """
        return cast("list[Any]", self._safely(self.known().get_primaries))

    def pool_of(self, node: Any) -> Any:
        """Give the connection pool that the client has for a node.

        Args:
            node: A node of the client.

        Returns:
            Its pool.

        Raises:
            Nothing.
        """
        return self.known().get_redis_connection(node).connection_pool

    def _node_of(self, place: bytes | str) -> tuple[str, Links]:
        node = self.node_of(place)
        return node.name, self._links_of(node)

    def node_at(self, host: str, port: int) -> Any:
        """Give the node at an address, which the cluster named.

        Args:
            host: Its host.
            port: Its port.

        Returns:
            A node of the client.

        Raises:
            RedisFailure: The cluster does not know it.
        """
        node = self._client.get_node(host=host, port=port)
        if node is None:
            self.reload()
            node = self._client.get_node(host=host, port=port)
        if node is None:
            error = self.errors.lost(f"the cluster names a node that it does not know: {host}:{port}")
            raise RedisFailure(error) from error
        return node

    def _links_of(self, node: Any) -> Links:
        links = self._links.get(node.name)
        if links is None:
            with self._lock:
                links = self._links.get(node.name)
                if links is None:
                    pool = self.pool_of(node)
                    links = self._links[node.name] = Links(pool, self.errors)
        return links

    def known(self) -> Any:
        """Give the client, which is made when it is first needed.

        Returns:
            A client of redis-py.

        Raises:
            RedisFailure: The cluster could not be asked for its slots.
        """
        if self._client is None:
            with self._lock:
                if self._client is None:
                    given = self._given
                    self._client = self._safely(given.made) if isinstance(given, LazyCluster) else given
        return self._client

    def reload(self) -> None:
        """Ask the nodes anew which slots they have.

        Raises:
            RedisFailure: None of them could be asked.
        """
        with self._lock:
            self._safely(self._client.nodes_manager.initialize)

    def follow_changes(self) -> None:
        """Ask the nodes anew which slots they have if that has changed: a node that joined has keys too.

        Raises:
            RedisFailure: None of them could be asked.
        """
        client = self.known()
        layout = None
        for node in self._safely(client.get_primaries):
            try:
                layout = repr(self._links_of(node).ask(packed(b"CLUSTER", b"SLOTS"), True))
                break
            except RedisFailure:
                continue
        if layout is None or layout != self._layout:
            self.reload()
            self._layout = layout

    def _safely(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except self.errors.all as error:
            raise RedisFailure(error) from error
