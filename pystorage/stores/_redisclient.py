"""Clients of Redis made of URLs: of one server, of what Sentinel names, of a cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pystorage.errors import StorageProviderError
from pystorage.stores._library import library
from pystorage.urls import without_secrets

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

_DATABASE: Final = re.compile(r"(/[0-9]*)?", re.ASCII)


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


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"redis.{module}"), name)


def package_of(client: Any) -> str:
    """Give the name of the package that a client's class is of, by the first of its bases that says so.

    Args:
        client: The client.

    Returns:
        The name; with ``.asyncio`` where it is an async client.

    Raises:
        Nothing.
    """
    made_by = client.client_class if isinstance(client, LazyCluster) else type(client)
    for kind in made_by.__mro__:
        top, _, rest = kind.__module__.partition(".")
        if rest in ("client", "cluster"):
            return top
        if rest.startswith("asyncio"):
            return f"{top}.asyncio"
    return "redis"


def client_of(url: str) -> Any:
    """Make the client of a URL.

    Args:
        url: The URL.

    Returns:
        A ``redis.Redis``, or a ``LazyCluster``.

    Raises:
        MissingDependencyError: redis-py is not installed.
        StorageProviderError: The URL is malformed, or has an unknown option.
    """
    library("redis", "RedisStorage", "redis")
    shown = without_secrets(url)
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise StorageProviderError(
            f"{shown!r} is no URL of Redis: it begins with one of {', '.join(SCHEMES)}:"
        )
    tls, kind = SCHEMES[scheme]
    try:
        parts = urlsplit(url)
        if kind == "server":
            # redis-py takes what is no number for 0, and the slashes out of 1/2.
            if not scheme.startswith("unix") and not _DATABASE.fullmatch(parts.path):
                raise ValueError("write the number of the database after the host, as in redis://host:6379/0")
            return _class("client:Redis").from_url(url)
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
