"""A cluster of Redis: which node a key is asked of, and what happens when it has moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pystorage._sync import fork_safe_lock
from pystorage.stores._rediscommands import Packed, Script, packed
from pystorage.stores._rediserrors import RedisFailure, refused
from pystorage.stores._redislinks import Errors, Links
from pystorage.stores._redisplace import LazyCluster, RedisPlace, listed_by

# A key may move again while it is followed; the cluster may need a moment to agree on who has it.
_ATTEMPTS: Final = 12
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2
_ASKING: Final = packed(b"ASKING")

_MOVED: Final = ("MOVED", "MovedError")
_ASK: Final = ("ASK", "AskError")
_LATER: Final = (
    "TRYAGAIN",
    "TryAgainError",
    "CLUSTERDOWN",
    "ClusterDownError",
    "MASTERDOWN",
    "MasterDownError",
)


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
        self._errors = errors
        self._lock = fork_safe_lock()
        self._client: Any = None
        self._links: dict[str, Links] = {}
        self._layout: str | None = None

    def ask(self, place: bytes | str, command: Packed, again: bool) -> Any:
        return self._followed(place, again, lambda links: links.ask(command, again), command)

    def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
        whole = script.whole(place, *arguments)
        return self._followed(place, again, lambda links: links.run(script, place, arguments, again), whole)

    def ask_all(self, commands: Sequence[tuple[bytes | str, Packed]], again: bool) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        self._ask_nodes(commands, range(len(commands)), again, replies, once_more=again)
        return replies

    def _ask_nodes(
        self,
        commands: Sequence[tuple[bytes | str, Packed]],
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
                self._reload()  # another may have taken its place
                self._ask_nodes(commands, mine, again, replies, once_more=False)
                continue
            for number, reply in zip(mine, found, strict=True):
                if isinstance(reply, self._errors.refusal):
                    if not refused(reply, *_MOVED, *_ASK, *_LATER):
                        raise RedisFailure(reply) from reply
                    reply = self.ask(*commands[number], again)  # it was not done
                replies[number] = reply

    def groups(self, places: Sequence[bytes | str]) -> list[list[int]]:
        slots: dict[int, list[int]] = {}
        keyslot = self._known().keyslot
        for number, place in enumerate(places):
            slots.setdefault(keyslot(place), []).append(number)
        return list(slots.values())

    def listed(self, pattern: bytes) -> Iterator[list[bytes]]:
        self._follow_changes()
        for node in self._safely(self._client.get_primaries):
            yield from listed_by(self._links_of(node), pattern)

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
        pause = _FIRST_PAUSE
        target: tuple[str, int] | None = None
        for left in reversed(range(_ATTEMPTS)):
            try:
                if target is None:
                    return ask(self._node_of(place)[1])
                links = self._links_at(*target)
                target = None
                return self._asked_there(links, command, again)
            except RedisFailure as failure:
                error: Any = failure.error
                if not left:
                    raise
                if refused(error, *_MOVED):
                    self._reload()
                elif refused(error, *_ASK):
                    target = (error.host, error.port)
                elif refused(error, *_LATER):
                    time.sleep(pause)  # the nodes are agreeing; nothing here could say when they have
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    self._reload()
                elif isinstance(error, self._errors.unanswered) and again and left == _ATTEMPTS - 1:
                    self._reload()  # once: another may have taken its place
                else:
                    raise
        raise AssertionError("not reached")

    def _asked_there(self, links: Links, command: Packed, again: bool) -> Any:
        reply = links.ask_all([_ASKING, command], again)[1]
        if isinstance(reply, self._errors.refusal):
            raise RedisFailure(reply) from reply
        return reply

    def _node_of(self, place: bytes | str) -> tuple[str, Links]:
        client = self._known()
        node = self._safely(lambda: client.nodes_manager.get_node_from_slot(client.keyslot(place)))
        return node.name, self._links_of(node)

    def _links_at(self, host: str, port: int) -> Links:
        node = self._client.get_node(host=host, port=port)
        if node is None:
            self._reload()
            node = self._client.get_node(host=host, port=port)
        if node is None:
            error = self._errors.lost(f"the cluster names a node that it does not know: {host}:{port}")
            raise RedisFailure(error) from error
        return self._links_of(node)

    def _links_of(self, node: Any) -> Links:
        links = self._links.get(node.name)
        if links is None:
            with self._lock:
                links = self._links.get(node.name)
                if links is None:
                    pool = self._client.get_redis_connection(node).connection_pool
                    links = self._links[node.name] = Links(pool, self._errors)
        return links

    def _known(self) -> Any:
        """Give the client, which is made when it is first needed."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    given = self._given
                    self._client = self._safely(given.made) if isinstance(given, LazyCluster) else given
        return self._client

    def _reload(self) -> None:
        """Ask the nodes anew which slots they have."""
        with self._lock:
            self._safely(self._client.nodes_manager.initialize)

    def _follow_changes(self) -> None:
        """Ask the nodes anew which slots they have if that has changed: a node that joined has keys too."""
        client = self._known()
        layout = None
        for node in self._safely(client.get_primaries):
            try:
                layout = repr(self._links_of(node).ask(packed(b"CLUSTER", b"SLOTS"), True))
                break
            except RedisFailure:
                continue
        if layout is None or layout != self._layout:
            self._reload()
            self._layout = layout

    def _safely(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except self._errors.all as error:
            raise RedisFailure(error) from error
