"""RedisStorage: entries in Redis or Valkey: one server, one behind Sentinel, or a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar, Final, Literal, NoReturn, cast

from pystorage._arguments import added, check_addend, check_timer, checked_lock_ttl
from pystorage._sync import Lease
from pystorage._typevars import K, V
from pystorage.codecs import Codec, header, holds_integers, resolve_codec
from pystorage.errors import ConflictError, StorageError, StorageProviderError, near
from pystorage.naming import Naming
from pystorage.storage import (
    ABSENT,
    KEEP,
    Capability,
    Sentinel,
    Storage,
    Timer,
    checked_ttl,
    shown,
)
from pystorage.stores import _rediscommands as commands
from pystorage.stores._redisentries import RedisEntries
from pystorage.stores._rediserrors import RedisFailure, is_no_integer, meaning
from pystorage.stores._redisleases import RedisLeases
from pystorage.stores._redisnames import checked_prefix_bytes
from pystorage.stores._redissettings import Settings
from pystorage.urls import StorageURL, flag, made

_CAPABILITIES: Final = (
    Capability.BULK
    | Capability.TTL
    | Capability.ADD
    | Capability.SWAP
    | Capability.LOCK
    | Capability.SCAN
    | Capability.PERSISTENT
    | Capability.SHARED
)
# A conditional write fails only because another one succeeded.
ATTEMPTS: Final = 1000


class RedisStorage(RedisEntries[K, V]):
    """Entries in Redis (6 or newer) or Valkey, shared by all processes and machines that reach it.

    An entry is one key of Redis, the prefix and then the name of its key; what else is kept there is never
    touched. Redis itself counts the time to live.

    Args:
        redis_client: A ``redis.Redis``, from a Sentinel as well, or a ``redis.cluster.RedisCluster``; with
            ``decode_responses=True`` too. Its settings are used for connections of the storage's own.
        url: Where there is no client: ``redis:``, ``rediss:`` (TLS) or ``unix:`` as redis-py reads them,
            ``redis+sentinel://host:26379,host2:26379/service/0`` or ``redis+cluster://host:6379,host2:6379``.
        prefix: What all its keys begin with; a colon follows where it ends in ``[A-Za-z0-9._%-]``. The empty
            one takes all keys of the database for its own that could be.
        expiration: Seconds that an entry lives when nobody says how long, > 0; None is for ever.
        codec: How values become bytes: a codec or its name; None is JSON.
        timer: The clock that ``expires_at`` tells the time of, in seconds.
        trust: Load pickles that others may have written.

    Raises:
        MissingDependencyError: redis-py is not installed (extra ``redis``).
        StorageProviderError: The URL is malformed or has an unknown option, or there is no such codec.
        TypeError: Neither or both of client and URL are given, or an argument is of a wrong type.
        ValueError: The expiration is not above 0, or pickles of others would be loaded.

    Cost: one round trip an operation; ``pop`` two, ``swap`` two where the bytes of the old value cannot be
        told from it. ``get_many``, ``set_many`` and ``delete_many`` take one for 1,000 keys and node of a
        cluster. ``len``, iteration, ``scan``, ``clear`` and ``purge`` have the server look at all keys of
        the database, by SCAN, never KEYS: some milliseconds for 10,000. Python has ``list(storage)`` ask
        for ``len`` as well, which ``list(iter(storage))`` saves.
    Threads: any number, each with a connection of its own that it keeps, up to the client's
        ``max_connections``; beyond that they take turns.
    Processes: any number, also forked ones.

    Example:
        >>> RedisStorage(url="redis://:a-password@localhost:6379/0", prefix="app:", expiration=3600)
        RedisStorage('redis://localhost:6379/0', prefix='app:', expiration=3600.0, codec=JSONCodec())
    """

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "prefix": str,
        "expiration": float,
        "codec": str,
        "trust": flag,
    }

    def __init__(
        self,
        redis_client: Any = None,
        *,
        url: str | None = None,
        prefix: str = "pystorage:",
        expiration: float | None = None,
        codec: Codec | str | None = None,
        timer: Timer = time.time,
        trust: bool = False,
    ) -> None:
        codec = resolve_codec(codec)
        begin = checked_prefix_bytes(prefix)
        expiration = checked_ttl(expiration, name="expiration")
        if codec.runs_code and not trust:
            raise ValueError(
                f"whoever can write to this Redis could run code here, through {codec!r}: sign values "
                "(… | SignedCodec), or choose a codec that only reads data, such as JSON; trust=True runs "
                "whatever others write there"
            )
        check_timer(timer)
        self._settings = Settings(redis_client, url)
        self._state: dict[str, Any] = {
            "prefix": prefix,
            "expiration": expiration,
            "codec": codec,
            "timer": timer,
            "trust": trust,
        }
        life = None if expiration is None else commands.milliseconds(expiration)
        super().__init__(self._settings.place(), begin, life, codec, timer)
        self.capabilities = _CAPABILITIES
        self._counts = holds_integers(codec)
        if self._counts:
            self.capabilities |= Capability.INCR
        # Whether Redis reads and writes integers as the codec does.
        self._counts_natively = self._counts and codec.encode(12, "") == b"12"
        self._leases = RedisLeases(self._place, self._begin, partial(_lock_failed, repr(self), self._naming))

    @classmethod
    def from_url(cls, url: StorageURL, **overrides: Any) -> RedisStorage[K, V]:
        ours = {name: text for name, text in url.options.items() if name in cls.url_options}
        scheme, _, rest = url.text.partition(":")
        place, _, query = rest.partition("?")
        theirs = [piece for piece in query.split("&") if piece.partition("=")[0] not in cls.url_options]
        text = f"{scheme.lower()}:{place}" + (f"?{'&'.join(theirs)}" if any(theirs) else "")
        known = StorageURL(url.scheme, url.host, url.path, ours, url.text)
        options = {"url": text, **known.converted(cls.url_options), **overrides}
        try:
            return cast("RedisStorage[K, V]", made(cls, f"the {url.scheme}: URL", (), options))
        except StorageProviderError as error:
            for name in url.options.keys() - ours.keys():
                if f"unexpected keyword argument {name!r}" in error.message:
                    error.message += near(name, cls.url_options)  # one of ours may have been meant
            raise

    # ------------------------------------------------------------------ life

    def ttl(self, key: K) -> float | None:
        name = self._read_name(key)[0]
        place = self._begin + name.encode("ascii")
        try:
            left = self._ask(place, commands.packed(b"PTTL", place), True)
        except OSError as error:
            self._fail("read the deadline of", key, error)
        if left == -2:
            raise KeyError(key)
        return commands.seconds(left)

    def expires_at(self, key: K) -> float | None:
        left = self.ttl(key)
        return None if left is None else self._timer() + left

    def expire(self, key: K, ttl: float | None) -> None:
        life = checked_ttl(ttl)
        name = self._read_name(key)[0]
        place = self._begin + name.encode("ascii")
        try:
            if life is None:
                there = self._run(commands.KEEP, name, again=True)
            else:
                command = commands.packed(b"PEXPIRE", place, b"%d" % commands.milliseconds(life))
                there = self._ask(place, command, True)
        except OSError as error:
            self._fail("give a deadline to", key, error)
        if not there:
            raise KeyError(key)

    def purge(self) -> int:
        """Have Redis look at each key, which removes what has expired.

        It does so by itself as well, from time to time.

        Returns:
            0, as Redis does not tell how many that were.

        Raises:
            UnavailableError: The server could not be asked.

        Cost: that of ``len``.
        """
        len(self)
        return 0

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        life = self._life_of(checked_ttl(ttl))
        name = self._write_name(key)[0]
        data = self._data(key, value, name)
        try:
            return self._write_new(name, data, life)
        except OSError as error:
            self._fail("add", key, error)

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if old is ABSENT:
            return self.add(key, new, ttl=None if ttl is KEEP else ttl)
        life = self._life_told(ttl)
        name = self._write_name(key)[0]
        data = self._data(key, new, name)
        try:
            expected: Any = self._stored_form(old, name)
            if expected is None:
                expected = self._read(name)
                if expected is None or self._stored_value(key, name, expected) != old:
                    return False
            for _ in range(ATTEMPTS):
                found = self._run(commands.SWAP, name, expected, data, life)
                if found == 1:
                    return True
                if found is None or self._stored_value(key, name, found) != old:
                    return False
                expected = found  # other bytes of an equal value
        except OSError as error:
            self._fail("swap", key, error)
        raise self._conflict("swap", key)

    def _life_told(self, ttl: float | None | Literal[Sentinel.KEEP]) -> bytes:
        """Give a time to live as ``SWAP`` takes it."""
        if ttl is KEEP:
            return b"keep"
        life = self._life_of(checked_ttl(ttl))
        return b"" if life is None else b"%d" % life

    def _stored_form(self, value: object, name: str) -> bytes | None:
        """Give the bytes that a value is most likely stored as; None where these would be another's."""
        try:
            body = self._codec.encode(value, name)
            if self._decode(body, name) != value:  # as a tuple is no list
                return None
        except StorageError:
            return None
        return header.pack(body)

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        if not self._counts:
            return Storage.incr(self, key, by, ttl=ttl)
        check_addend(by)
        life = self._life_of(checked_ttl(ttl))
        name = self._write_name(key)[0]
        try:
            if self._counts_natively and by in commands.INTEGERS:
                try:
                    return self._counted(name, by, life)
                except RedisFailure as failure:
                    if not is_no_integer(failure.error):
                        raise
            return self._rewritten_sum(key, name, by, life)
        except OSError as error:
            self._fail("add to", key, error)

    def _counted(self, name: str, by: int, life: int | None) -> int:
        if life is None:
            place = self._begin + name.encode("ascii")
            return int(self._ask(place, commands.packed(b"INCRBY", place, b"%d" % by), False))
        return int(self._run(commands.COUNT, name, b"%d" % by, b"%d" % life))

    def _rewritten_sum(self, key: K, name: str, by: int, life: int | None) -> int:
        """Add to what Redis cannot add to: integers of another form, or beyond 64 bits."""
        for _ in range(ATTEMPTS):
            found = self._read(name)
            if found is None:
                if self._write_new(name, self._data(key, by, name), life):
                    return by
                continue
            total = added(key, self._stored_value(key, name, found), by)
            if self._write_if(name, found, self._data(key, total, name)):
                return total
        raise self._conflict("add to", key)

    def _conflict(self, tried: str, key: object) -> ConflictError:
        return self._error(
            ConflictError, tried, key, f"others wrote it {ATTEMPTS} times meanwhile", "try again"
        )

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        seconds = checked_lock_ttl(ttl, timeout)
        return self._leases.held(self._write_name(key)[0], seconds, timeout, repr(self))

    # ------------------------------------------------------------------ lifecycle

    def close(self) -> None:
        super().close()
        self._place.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self._state, "settings": self._settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings = state.pop("settings")
        RedisStorage.__init__(self, settings.client, **state)

    def __repr__(self) -> str:
        state = self._state
        told = [f"{str(self._settings)!r}"]
        for name, usual in (("prefix", ABSENT), ("expiration", None), ("codec", ABSENT), ("trust", False)):
            if state[name] != usual:
                told.append(f"{name}={state[name]!r}")
        return f"{type(self).__name__}({', '.join(told)})"


def _lock_failed(where: str, naming: Naming, tried: str, name: str, error: OSError) -> NoReturn:
    # Not a method: a lease that outlives the storage must not keep its connections.
    if not isinstance(error, RedisFailure):
        raise error
    key = naming.key(name)
    kind, why, todo = meaning(error)
    failure = kind(f"could not {tried} {shown(key)} in {where}: {why}; {todo}", storage=where, key=key)
    if isinstance(failure, OSError):
        failure.errno = error.errno
    raise failure from error.error
