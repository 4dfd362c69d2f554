"""How a place in Redis is opened: what it is shown as, and what of it a pickle keeps."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from pystorage.stores._redisclient import LazyCluster, client_of, package_of
from pystorage.stores._rediscluster import ClusterPlace
from pystorage.stores._redislinks import Errors
from pystorage.stores._redisplace import RedisPlace, ServerPlace


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
            client = client_of(url)
        elif isinstance(client, (str, bytes)):
            raise TypeError("redis_client must be a client; give a URL as url=")
        self.client = client
        self.is_cluster = hasattr(client, "nodes_manager") or isinstance(client, LazyCluster)
        if not self.is_cluster and not hasattr(getattr(client, "connection_pool", None), "connection_class"):
            raise TypeError(
                f"redis_client must be a redis.Redis or RedisCluster, not {type(client).__name__}"
            )
        package = package_of(client)
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
