"""Where a storage in Redis keeps its entries: one server, Sentinel's primary, or a cluster."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pystorage.errors import StorageProviderError
from pystorage.stores._library import library
from pystorage.stores._rediscommands import BATCH, Packed, Script, get_many, packed
from pystorage.stores._rediserrors import RedisFailure
from pystorage.stores._redislinks import Errors, Links
from pystorage.stores._redisrouting import Asked, batches, granted, reads, removals, spread
from pystorage.urls import without_secrets

# Keys that the server looks at for one reply to SCAN.
COUNT: Final = b"1000"
# How often a listing begins anew because its connection was lost.
LISTINGS: Final = 3

#: URL schemes → whether TLS is used, and the kind of place.
SCHEMES: Final[dict[str, tuple[bool, str]]] = {
    "redis": (False, "server"),
    "rediss": (True, "server"),
    "unix": (False, "server"),
    "redis+sentinel": (False, "sentinel"),
    "rediss+sentinel": (True, "sentinel"),
    "redis+cluster": (False, "cluster"),
    "rediss+cluster": (True, "cluster"),
}


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


# ---------------------------------------------------------------------- opening


class Settings:
    """How a place is opened: from a URL or a client; without secrets in its ``repr`` and its pickle.

    Args:
        client: A client of redis-py, or of a package with the same classes; or None.
        url: A URL, where there is no client.

    Raises:
        MissingDependencyError: redis-py is not installed.
        StorageProviderError: The URL is malformed, or has an unknown option.
        TypeError: Neither or both are given, or the client is none that can be used.
    """

    def __init__(self, client: Any, url: str | None) -> None:
        if (client is None) == (url is None):
            raise TypeError("give either a client (redis_client=) or a URL (url='redis://localhost:6379')")
        if client is None:
            assert url is not None
            if not isinstance(url, str):
                raise TypeError(f"url must be a str, not {type(url).__name__}")
            client = _client_of(url)
        elif isinstance(client, (str, bytes)):
            raise TypeError("redis_client must be a client; give a URL as url=")
        self.client = client
        self.is_cluster = hasattr(client, "nodes_manager") or isinstance(client, LazyCluster)
        if not self.is_cluster and not hasattr(getattr(client, "connection_pool", None), "connection_class"):
            raise TypeError(
                f"redis_client must be a redis.Redis or RedisCluster, not {type(client).__name__}"
            )
        package = _package_of(client)
        if ".asyncio" in package:
            raise TypeError("redis_client is an asyncio client; give one of redis.Redis")
        self.errors = Errors(package)

    def place(self) -> RedisPlace:
        """Open the place; nothing is sent yet.

        Returns:
            The place.

        Raises:
            StorageProviderError: The client package does not know one of its settings.
        """
        if self.is_cluster:
            from pystorage.stores._rediscluster import ClusterPlace

            return ClusterPlace(self.client, self.errors)
        return ServerPlace(self.client, self.errors)

    def __repr__(self) -> str:
        if isinstance(self.client, LazyCluster):
            hosts = ",".join(_address(*one) for one in self.client.hosts)
            return f"{'rediss' if self.client.settings.get('ssl') else 'redis'}+cluster://{hosts}"
        if self.is_cluster:
            nodes = sorted(self.client.nodes_manager.startup_nodes)
            return f"redis{'s' if self._cluster_tls() else ''}+cluster://{','.join(nodes)}"
        pool = self.client.connection_pool
        known = pool.connection_kwargs
        db = known.get("db") or 0
        if "path" in known:
            return f"unix://{known['path']}?db={db}"
        tls = "s" if "SSL" in pool.connection_class.__name__ else ""
        if hasattr(pool, "sentinel_manager"):
            hosts = ",".join(
                _address(**_place_of(one.connection_pool.connection_kwargs))
                for one in pool.sentinel_manager.sentinels
            )
            return f"redis{tls}+sentinel://{hosts}/{pool.service_name}/{db}"
        return f"redis{tls}://{_address(**_place_of(known))}/{db}"

    def _cluster_tls(self) -> bool:
        settings = self.client.nodes_manager.connection_kwargs
        return "SSL" in getattr(settings.get("connection_class"), "__name__", "")

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self.client, LazyCluster):
            lazy = self.client
            _refuse_secrets(lazy.settings)
            return {"cluster": (lazy.hosts, _kept(lazy.settings), lazy.client_class, lazy.node_class)}
        if self.is_cluster:
            settings = dict(self.client.nodes_manager.connection_kwargs)
            _refuse_secrets(settings)
            nodes = [node for _, node in sorted(self.client.nodes_manager.startup_nodes.items())]
            if self._cluster_tls():
                settings["ssl"] = True
            hosts = [(node.host, node.port) for node in nodes]
            return {"cluster": (hosts, _kept(settings), type(self.client), type(nodes[0]))}
        pool = self.client.connection_pool
        _refuse_secrets(pool.connection_kwargs)
        kept = _kept(pool.connection_kwargs)
        if hasattr(pool, "sentinel_manager"):
            manager = pool.sentinel_manager
            hosts = []
            for one in manager.sentinels:
                settings = one.connection_pool.connection_kwargs
                _refuse_secrets(settings)
                hosts.append((settings["host"], settings["port"]))
            tls = "SSL" in pool.connection_class.__name__
            about = _kept(manager.sentinel_kwargs)
            return {"sentinel": (type(manager), hosts, about, pool.service_name, tls, kept)}
        return {"server": (type(self.client), type(pool), pool.connection_class, pool.max_connections, kept)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ((kind, parts),) = state.items()
        client: Any
        if kind == "cluster":
            client = LazyCluster(*parts)
        elif kind == "sentinel":
            sentinel_class, hosts, about, service, tls, kept = parts
            sentinel = sentinel_class(hosts, sentinel_kwargs=about, ssl=tls, **kept)
            client = sentinel.master_for(service)
        else:
            client_class, pool_class, connection_class, limit, kept = parts
            pool = pool_class(connection_class=connection_class, max_connections=limit, **kept)
            client = client_class(connection_pool=pool)
        Settings.__init__(self, client, None)

    def __deepcopy__(self, memo: object) -> Settings:
        return copy.copy(self)

    def __copy__(self) -> Settings:
        same = Settings.__new__(Settings)
        same.__dict__.update(self.__dict__)
        return same


class LazyCluster:
    """A cluster whose nodes are not asked before they are needed.

    Args:
        hosts: Some of its nodes: host and port.
        settings: Keyword arguments of ``RedisCluster``.
        client_class: ``RedisCluster``, or another package's.
        node_class: ``ClusterNode``, or another package's.

    Raises:
        Nothing.
    """

    def __init__(
        self, hosts: Sequence[tuple[str, int]], settings: dict[str, Any], client_class: Any, node_class: Any
    ) -> None:
        self.hosts = list(hosts)
        self.settings = settings
        self.client_class = client_class
        self.node_class = node_class

    def made(self) -> Any:
        """Ask the nodes and make the client.

        Returns:
            A ``redis.cluster.RedisCluster``.

        Raises:
            Exception: What the client raises.
        """
        nodes = [self.node_class(host, port) for host, port in self.hosts]
        return self.client_class(startup_nodes=nodes, **self.settings)


#: What a pickle keeps of a client's settings; of the rest nothing is needed, or it is secret.
_KEPT: Final = re.compile(
    r"host|port|db|path|username|socket_(?!type_)\w+|retry|retry_on_timeout|health_check_interval|client_name|"
    r"protocol|credential_provider|ssl|ssl_(?!password)\w+"
)


def _kept(settings: dict[str, Any]) -> dict[str, Any]:
    # A plain object stands for "not given", and means nothing in another process.
    return {
        name: value
        for name, value in settings.items()
        if _KEPT.fullmatch(name) and value is not None and type(value) is not object
    }


def _place_of(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("host", "port") if name in settings}


def _address(host: str = "localhost", port: int = 6379) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refuse_secrets(settings: dict[str, Any]) -> None:
    provider = type(settings.get("credential_provider")).__name__
    if settings.get("password") or settings.get("ssl_password") or provider.startswith("UsernamePassword"):
        raise TypeError(
            "a password is not put into pickles: open the storage anew where it is needed, or give the "
            "client a credential_provider that fetches the password there"
        )


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"redis.{module}"), name)


def _package_of(client: Any) -> str:
    """Give the name of the package that a client's class is of, by the first of its bases that says so."""
    made_by = client.client_class if isinstance(client, LazyCluster) else type(client)
    for kind in made_by.__mro__:
        top, _, rest = kind.__module__.partition(".")
        if rest in ("client", "cluster"):
            return top
        if rest.startswith("asyncio"):
            return f"{top}.asyncio"
    return "redis"


def _client_of(url: str) -> Any:
    """Make the client of a URL."""
    library("redis", "RedisStorage", "redis")
    shown = without_secrets(url)
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise StorageProviderError(
            f"{shown!r} is no URL of Redis: it begins with one of {', '.join(SCHEMES)}:"
        )
    tls, kind = SCHEMES[scheme]
    try:
        if kind == "server":
            return _class("client:Redis").from_url(url)
        parts = urlsplit(url)
        user, _, places = parts.netloc.rpartition("@")
        hosts = [_host(one, 26379 if kind == "sentinel" else 6379) for one in places.split(",")]
        settings = _class("connection:parse_url")(f"redis://{user}@localhost/?{parts.query}")
        settings.pop("host", None)
        if tls:
            settings["ssl"] = True
        path = [unquote(part) for part in parts.path.split("/") if part]
        if kind == "cluster":
            if path not in ([], ["0"]):
                raise ValueError("a cluster has the database 0 only")
            return LazyCluster(hosts, settings, _class("cluster:RedisCluster"), _class("cluster:ClusterNode"))
        return _sentinel(hosts, path, settings)
    except (ValueError, TypeError) as error:
        raise StorageProviderError(f"the URL {shown!r} cannot be read: {error}") from None


def _sentinel(hosts: list[tuple[str, int]], path: list[str], settings: dict[str, Any]) -> Any:
    if not 1 <= len(path) <= 2:
        raise ValueError("write the service after the hosts, as in redis+sentinel://host:26379/service/0")
    if len(path) == 2:
        settings["db"] = int(path[1])
    about = {name: value for name, value in settings.items() if name.startswith(("socket_", "ssl"))}
    for name in ("username", "password"):
        if f"sentinel_{name}" in settings:
            about[name] = settings.pop(f"sentinel_{name}")
    return _class("sentinel:Sentinel")(hosts, sentinel_kwargs=about, **settings).master_for(path[0])


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "localhost", parts.port or port
