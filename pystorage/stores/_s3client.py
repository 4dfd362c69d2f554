"""The boto3 client of a storage: one for each process, made when it is first needed."""

from __future__ import annotations

import os
import weakref
from importlib import import_module
from typing import Any, Final

from pystorage._sync import fork_safe_lock
from pystorage.stores._library import library

# What a forked child has of its parent's connections: kept, since to give them up takes locks that a thread
# of the parent may have held.
_LEFT_TO_PARENT: Final[list[object]] = []

#: Requests that one storage sends at the same time.
THREADS: Final = 16


class Clients:
    """Gives the client to use in this process.

    Args:
        client: A boto3 client for S3, a function that makes one, or None for one made here.
        region: The region, for a client that is made here.
        endpoint_url: The server, likewise.

    Raises:
        MissingDependencyError: boto3 is not installed.

    Threads: any number.
    Processes: a forked child opens connections of its own.
    """

    def __init__(self, client: Any, region: str | None, endpoint_url: str | None) -> None:
        self._given = client
        self._region = region
        self._endpoint_url = endpoint_url
        self._lock = fork_safe_lock()
        self._client: Any = None
        self._process = 0
        if client is None:
            library("boto3.session", "S3Storage", "s3")

    @property
    def is_ours(self) -> bool:
        """Whether the client is made here, and closed with the storage.

        Raises:
            Nothing.
        """
        return self._given is None or _is_function(self._given)

    def get(self) -> Any:
        """Give the client.

        Returns:
            The client of this process.

        Raises:
            Exception: boto3 cannot make one.
        """
        if self._process == os.getpid():
            return self._client
        with self._lock:
            if self._process != os.getpid():
                if self._client is not None:
                    _LEFT_TO_PARENT.append(self._client)
                self._client = self._made() if self.is_ours else _with_own_connections(self._given)
                self._process = os.getpid()
            return self._client

    def _made(self) -> Any:
        if self._given is not None:
            return self._given()
        session = library("boto3.session", "S3Storage", "s3").Session()
        config = import_module("botocore.config").Config(
            max_pool_connections=2 * THREADS, connect_timeout=10, user_agent_extra="pystorage"
        )
        return session.client("s3", region_name=self._region, endpoint_url=self._endpoint_url, config=config)

    def close(self) -> None:
        """Close the connections, if the client is ours.

        Raises:
            Nothing.
        """
        if self.is_ours and self._client is not None and self._process == os.getpid():
            self._client.close()


def _is_function(client: Any) -> bool:
    return callable(client) and not hasattr(client, "meta")


# The process that loaded this module: where it is another one, that was forked.
_LOADED_BY: Final = os.getpid()
# Client that was handed in → the process whose connections it has.
_own: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_own_lock = fork_safe_lock()


def _with_own_connections(client: Any) -> Any:
    """Give a client that was handed in; in a forked child let it open connections beside those of the parent.

    There a client that was not seen before may be the parent's, too, so it is taken for one.

    botocore has no call for that. Its own ``close`` takes the locks of the pool, one of which a thread of the
    parent may have held in the moment of the fork; so the pool is put aside as it is.
    """
    with _own_lock:
        owner = _own.get(client, _LOADED_BY)
        _own[client] = os.getpid()
        if owner != os.getpid():
            session = client._endpoint.http_session
            _LEFT_TO_PARENT.append((session._manager, session._proxy_managers))
            fresh = type(session._manager)(**session._get_pool_manager_kwargs())
            fresh.pool_classes_by_scheme = session._pool_classes_by_scheme
            session._manager, session._proxy_managers = fresh, {}
    return client
