"""Connections to one server of Redis: one for each thread, kept, renewed when lost and after a fork.

The pool of a client hands out a connection for each command, and looks each time whether it is still whole;
that is a third of what a small command costs. Here a thread keeps its own. Connections are made by the
client's own classes and settings, so that TLS, users, Sentinel, timeouts and retries are what they are there.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, cast

from pystorage._sync import fork_safe_lock
from pystorage.errors import StorageProviderError
from pystorage.stores._rediscommands import Packed, Script, joined
from pystorage.stores._rediserrors import RedisFailure, refused, was_not_done

# Counts forks: what a child finds of an earlier number are its parent's connections.
_forks = [0]


def _forked() -> None:
    _forks[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Errors:
    """The errors of a client package, told apart by what can be done about them, and how it tries again.

    Args:
        package: ``"redis"``, or another with the same classes.

    Raises:
        Nothing.
    """

    def __init__(self, package: str) -> None:
        known: Any = import_module(f"{package}.exceptions")
        retry: Any = import_module(f"{package}.retry")
        backoff: Any = import_module(f"{package}.backoff")
        #: The connection is lost, or was never there.
        self.lost: type[BaseException] = known.ConnectionError
        #: The server did not answer in time.
        self.late: type[BaseException] = known.TimeoutError
        #: Both, and what the system says of them.
        self.unanswered: tuple[type[BaseException], ...] = (self.lost, self.late, OSError)
        #: The server answered that it will not.
        self.refusal: type[BaseException] = known.ResponseError
        #: A retry that is none.
        self.once: Any = retry.Retry(backoff.NoBackoff(), 0)
        #: All of them.
        self.all: tuple[type[BaseException], ...] = (
            *self.unanswered,
            *(kind for name, kind in vars(known).items() if name in _ROOTS),
        )


# What all errors of a package derive from, besides those of connections.
_ROOTS: Final = ("RedisError", "RedisClusterException", "ValkeyError", "ValkeyClusterException")


class _Keeper:
    """What a thread keeps its connection by: gone when the thread is."""

    __slots__ = ("__weakref__", "link")

    link: Link


class Link:
    """One connection, used by one thread at a time.

    Args:
        connection: A connection of the client package, not yet open.
        errors: The errors of that package.

    Raises:
        Nothing.
    """

    def __init__(self, connection: Any, errors: Errors) -> None:
        self.connection = connection
        self.errors = errors
        #: How often the client tries. The connection itself tries once, as else the two would multiply.
        self.retry = connection.retry
        connection.retry = errors.once
        self.busy = threading.Lock()
        self.user: int | None = None
        self.keeper: weakref.ref[_Keeper] | None = None
        #: Whether it is open, as far as is known.
        self.open = False
        #: How often it was opened.
        self.openings = 0

    def connect(self) -> None:
        """Open it.

        Raises:
            Exception: What the client raises.
        """
        try:
            self.connection.connect()
        except BaseException:
            self.drop()
            raise
        self.open = True
        self.openings += 1

    def drop(self) -> None:
        """Close it, so that no late reply is taken for that to another command.

        Raises:
            Nothing.
        """
        self.open = False
        self.connection.disconnect()

    def ask(self, command: Packed) -> Any:
        """Send a command and read its reply.

        Args:
            command: What is sent.

        Returns:
            The reply.

        Raises:
            Exception: What the client raises; but for a refusal the connection is closed.
        """
        connection = self.connection
        try:
            connection.send_packed_command(command)
            return connection.read_response()
        except self.errors.refusal as error:
            if refused(error, "READONLY", "ReadOnlyError"):
                self.drop()  # the primary may be another one now, under the same name
            raise
        except BaseException:
            self.drop()
            raise

    def ask_all(self, commands: Sequence[Packed]) -> list[Any]:
        """Send commands together and read their replies.

        Args:
            commands: What is sent.

        Returns:
            The replies; refusals among them.

        Raises:
            Exception: What the client raises; the connection is closed.
        """
        connection = self.connection
        replies: list[Any] = []
        try:
            connection.send_packed_command(joined(commands))
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except self.errors.refusal as error:
                    replies.append(error)
        except BaseException:
            self.drop()
            raise
        return replies


class Links:
    """The connections of this process to one server.

    Args:
        pool: The connection pool of a client: its classes, settings and limit are used, not its connections.
        errors: The errors of its package.

    Raises:
        StorageProviderError: The client package does not know one of the settings.

    Threads: any number; with more of them than the pool's ``max_connections`` they take turns.
    """

    def __init__(self, pool: Any, errors: Errors) -> None:
        self._pool = pool
        self._errors = errors
        self._limit: int = pool.max_connections
        self._lock = fork_safe_lock()
        self._forks = _forks[0]
        self._mine = threading.local()
        self._links: list[Link] = []
        # Which connection is waited for next when there may be no more.
        self._turn = 0
        try:
            self._first: Link | None = self._made()
        except TypeError as error:
            raise StorageProviderError(
                f"the client cannot be made with these settings or options of the URL: {error}"
            ) from error

    def ask(self, command: Packed, again: bool) -> Any:
        """Send a command and read its reply.

        Args:
            command: What is sent.
            again: Whether it may be sent again when the connection was lost before its reply came.

        Returns:
            The reply.

        Raises:
            RedisFailure: The server could not be asked, or refused.
        """
        link = self._taken()
        try:
            if again and link.open:
                return link.ask(command)
            return self._carefully(link, again, lambda: link.ask(command))
        except RedisFailure:
            raise
        except self._errors.unanswered as error:
            return self._anew(link, error, lambda: link.ask(command))
        except self._errors.all as error:
            raise RedisFailure(error) from error
        finally:
            link.user = None
            link.busy.release()

    def ask_all(self, commands: Sequence[Packed], again: bool) -> list[Any]:
        """Send commands together and read their replies.

        Args:
            commands: What is sent.
            again: Whether they may be sent again when the connection was lost before all replies came.

        Returns:
            The replies; refusals among them.

        Raises:
            RedisFailure: The server could not be asked.
        """
        link = self._taken()
        try:
            return cast("list[Any]", self._carefully(link, again, lambda: link.ask_all(commands)))
        finally:
            link.user = None
            link.busy.release()

    def run(self, script: Script, place: bytes, arguments: Sequence[bytes], again: bool) -> Any:
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
            return self.ask(script.known(place, *arguments), again)
        except RedisFailure as failure:
            if not refused(failure.error, "NOSCRIPT", "NoScriptError"):
                raise
        return self.ask(script.whole(place, *arguments), again)

    def openings(self) -> int:
        """Say how often this thread's connection was opened.

        Returns:
            A number that grows when it is opened again.

        Raises:
            Nothing.
        """
        keeper = getattr(self._mine, "keeper", None)
        return 0 if keeper is None else keeper.link.openings

    def close(self) -> None:
        """Close all connections of this process.

        Raises:
            Nothing.
        """
        with self._lock:
            links, self._links, self._first = self._links, [], None
            self._mine = threading.local()
            if self._forks != _forks[0]:
                return
        me = threading.get_ident()
        for link in links:
            # Another thread may be in the middle of it: that comes to its end, if it does so soon.
            held = link.user != me and link.busy.acquire(timeout=_AT_CLOSING)
            try:
                link.drop()
            finally:
                if held:
                    link.busy.release()

    # ------------------------------------------------------------------ when something is lost

    def _carefully(self, link: Link, again: bool, ask: Callable[[], Any]) -> Any:
        """Ask over a connection that may be closed, or what must not be asked twice."""
        kept = link.open
        try:
            if again:
                return ask() if kept else self._until_asked(link, ask)
            if kept:
                self._look(link)
            if not link.open:
                self._connect(link)
            return ask()
        except RedisFailure:
            raise
        except self._errors.unanswered as error:
            if not again:
                raise RedisFailure(error, doubtful=not was_not_done(error)) from error
            if not kept:
                raise RedisFailure(error) from error
            return self._anew(link, error, ask)
        except self._errors.all as error:
            raise RedisFailure(error) from error

    def _anew(self, link: Link, error: BaseException, ask: Callable[[], Any]) -> Any:
        """Ask again after a kept connection failed, as often as the client's settings say."""
        # That it was found closed is as if it had not been kept: nothing counts yet. A late reply does.
        failed = [error] if isinstance(error, self._errors.late) else []
        try:
            return self._until_asked(link, ask, failed)
        except self._errors.all as last:
            raise RedisFailure(last) from last

    def _until_asked(self, link: Link, ask: Callable[[], Any], failed: Sequence[BaseException] = ()) -> Any:
        earlier = list(failed)

        def once_more() -> Any:
            if earlier:
                raise earlier.pop()
            if not link.open:
                link.connect()
            return ask()

        return link.retry.call_with_retry(once_more, _nothing)

    def _look(self, link: Link) -> None:
        """Close a connection that the server has closed while it was kept."""
        try:
            if not link.connection.can_read(0):
                return
        except self._errors.unanswered:
            pass
        link.drop()

    def _connect(self, link: Link) -> None:
        """Open a connection, trying as often as the client's settings say; nothing is sent where it fails."""
        try:
            link.retry.call_with_retry(link.connect, _nothing)
        except self._errors.all as error:
            raise RedisFailure(error) from error

    # ------------------------------------------------------------------ whose connection

    def _taken(self) -> Link:
        """Take this thread's connection, or another that nobody uses just now."""
        if self._forks == _forks[0]:
            try:
                link: Link = self._mine.keeper.link
            except AttributeError:
                pass
            else:
                if link.busy.acquire(False):
                    link.user = threading.get_ident()
                    return link
        link = self._other()
        link.user = threading.get_ident()
        return link

    def _other(self) -> Link:
        me = threading.get_ident()
        with self._lock:
            if self._forks != _forks[0]:
                # The parent's connections are let go of, not closed: it goes on with them.
                self._links, self._mine, self._first = [], threading.local(), None
                self._forks = _forks[0]
            keeps = hasattr(self._mine, "keeper")
            if not keeps:
                for link in self._links:
                    if (link.keeper is None or link.keeper() is None) and link.busy.acquire(False):
                        self._keep(link)  # its thread has ended
                        return link
            if len(self._links) < self._limit:
                return self._new(keep=not keeps)
            for link in self._links:
                if link.busy.acquire(False):
                    return link
            if all(link.user == me for link in self._links):
                # This thread was interrupted in all of them: by a signal, or while something was collected.
                return self._new(keep=False)
            others = [link for link in self._links if link.user != me]
            self._turn += 1
            waited = others[self._turn % len(others)]
        waited.busy.acquire()
        return waited

    def _new(self, *, keep: bool) -> Link:
        link = self._first or self._made()
        self._first = None
        link.busy.acquire()
        self._links.append(link)
        if keep:
            self._keep(link)
        return link

    def _keep(self, link: Link) -> None:
        keeper = _Keeper()
        keeper.link = link
        link.keeper = weakref.ref(keeper)
        self._mine.keeper = keeper

    def _made(self) -> Link:
        settings = {
            name: value
            for name, value in self._pool.connection_kwargs.items()
            if not name.startswith(OF_THE_POOL)
        }
        settings["decode_responses"] = False  # values are bytes, whatever else the client is used for
        return Link(self._pool.connection_class(**settings), self._errors)


# Settings by which a pool tells its connections that the server is to be replaced: they are not of the pool.
OF_THE_POOL: Final = ("maint_notifications", "maintenance_", "oss_cluster_maint", "orig_")
# Seconds that closing waits for the threads that use a connection.
_AT_CLOSING: Final = 1.0


def _nothing(*_: object) -> None:
    pass
