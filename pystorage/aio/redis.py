"""RedisStorage: entries in Redis or Valkey under asyncio, with no thread."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, TypeVar, cast

from pystorage._arguments import added, check_addend, checked_lock_ttl
from pystorage._typevars import K, V
from pystorage.aio._iteration import Batched, Mapped
from pystorage.aio._native import Chosen, is_native, once
from pystorage.aio._redisleases import AsyncRedisLeases
from pystorage.aio._redisplace import async_place
from pystorage.aio.faces import ThreadedStorage
from pystorage.aio.lease import AsyncLease
from pystorage.aio.streams import ReadStream, WriteStream
from pystorage.codecs import Codec
from pystorage.storage import ABSENT, KEEP, Sentinel, Stats, Timer, checked_prefix, checked_ttl
from pystorage.stores import _rediscommands as commands
from pystorage.stores._rediserrors import RedisFailure, is_no_integer
from pystorage.stores._redisnames import names_of, pattern
from pystorage.stores.redis import ATTEMPTS
from pystorage.stores.redis import RedisStorage as BlockingStorage

T = TypeVar("T")

#: Connections to a server in one event loop, unless told otherwise.
CONNECTIONS: Final = 20
_BATCH: Final = 100


class RedisStorage(ThreadedStorage[K, V]):
    """Entries in Redis or Valkey, as ``pystorage.stores.redis.RedisStorage`` keeps them, with no thread.

    Under trio, which the client package does not know, it works in worker threads.

    Args:
        redis_client: A ``redis.Redis``, from a Sentinel as well, or a ``redis.cluster.RedisCluster``; its
            settings are used for connections of the storage's own.
        url: Where there is no client: as for the storage that blocks.
        prefix: What all its keys begin with.
        expiration: Seconds that an entry lives when nobody says how long, > 0; None is for ever.
        codec: How values become bytes: a codec or its name; None is JSON.
        timer: The clock that ``expires_at`` tells the time of, in seconds.
        trust: Load pickles that others may have written.
        connections: Connections to a server in one event loop, > 0; more tasks take turns.

    Raises:
        MissingDependencyError: redis-py is not installed (extra ``redis``).
        StorageProviderError: The URL is malformed or has an unknown option, or there is no such codec.
        TypeError: Neither or both of client and URL are given, or an argument is of a wrong type.
        ValueError: The expiration is not above 0, or pickles of others would be loaded.

    Cost: one round trip an operation, as the storage that blocks.

    Example:
        >>> RedisStorage(url="redis://localhost:6379/0", prefix="app:")
        aio.wrap(RedisStorage('redis://localhost:6379/0', prefix='app:', codec=JSONCodec()))
    """

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
        connections: int = CONNECTIONS,
    ) -> None:
        storage: BlockingStorage[K, V] = BlockingStorage(
            redis_client, url=url, prefix=prefix, expiration=expiration, codec=codec, timer=timer, trust=trust
        )
        self._around(storage, connections)

    @classmethod
    def around(cls, storage: BlockingStorage[K, V], connections: int = CONNECTIONS) -> RedisStorage[K, V]:
        """Give the async storage with the settings of one that blocks.

        Args:
            storage: The storage that blocks; it is closed with this one.
            connections: Connections to a server in one event loop, > 0.

        Returns:
            The async storage.

        Raises:
            TypeError: The number is no int.
            ValueError: The number is less than 1.
        """
        made = cls.__new__(cls)
        made._around(storage, connections)
        return made

    def _around(self, storage: BlockingStorage[K, V], connections: int) -> None:
        if isinstance(connections, bool) or not isinstance(connections, int):
            raise TypeError(f"connections must be an int, not {type(connections).__name__}")
        if connections < 1:
            raise ValueError(f"connections must be at least 1, not {connections}")
        ThreadedStorage.__init__(self, storage, connections)
        self._sync = storage
        self._begin = storage._begin
        self._place = async_place(storage._place, connections)
        self._leases = AsyncRedisLeases(self._place, storage)

    # ------------------------------------------------------------------ one key

    def _at(self, name: str) -> bytes:
        return self._begin + name.encode("ascii")

    async def _read(self, name: str) -> bytes | None:
        place = self._at(name)
        return cast("bytes | None", await self._place.ask(place, commands.get(place), True))

    async def __getitem__(self, key: K) -> V:
        if not is_native():
            return await super().__getitem__(key)
        name = self._sync._read_name(key)[0]
        try:
            data = await self._read(name)
        except OSError as error:
            self._sync._fail("read", key, error)
        if data is None:
            raise KeyError(key)
        return self._sync._stored_value(key, name, data)

    async def get(self, key: K, default: Any = None) -> Any:
        try:
            return await self[key]
        except KeyError:
            return default

    async def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        if not is_native():
            await super().set(key, value, ttl=ttl)
            return
        life = self._sync._life_of(checked_ttl(ttl))
        name = self._sync._write_name(key)[0]
        data = self._sync._data(key, value, name)
        place = self._at(name)
        try:
            await self._place.ask(place, commands.write(place, data, life), True)
        except OSError as error:
            self._sync._fail("write", key, error)

    async def delete(self, key: K) -> bool:
        if not is_native():
            return await super().delete(key)
        try:
            place = self._at(self._sync._read_name(key)[0])
        except KeyError:
            return False
        try:
            return bool(await self._place.ask(place, commands.packed(b"UNLINK", place), False))
        except OSError as error:
            self._sync._fail("delete", key, error)

    async def contains(self, key: K) -> bool:
        if not is_native():
            return await super().contains(key)
        try:
            place = self._at(self._sync._read_name(key)[0])
        except KeyError:
            return False
        try:
            return bool(await self._place.ask(place, commands.packed(b"EXISTS", place), True))
        except OSError as error:
            self._sync._fail("look for", key, error)

    async def pop(self, key: K, *default: Any) -> Any:
        return await super(ThreadedStorage, self).pop(key, *default)

    # ------------------------------------------------------------------ many keys

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        if not is_native():
            return await super().get_many(keys)
        asked, names = self._sync._asked(keys)
        begin = self._sync._begin_text
        try:
            replies = await self._place.read_all([begin + name for name in names])
        except OSError as error:
            self._sync._fail("read many keys", ABSENT, error)
        return self._sync._found_values(asked, names, replies)

    async def set_many(
        self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None
    ) -> None:
        if not is_native():
            await super().set_many(items, ttl=ttl)
            return
        for some in self._sync._writes(items, ttl):
            try:
                await self._place.ask_all(some, True)
            except OSError as error:
                self._sync._fail("write many keys", ABSENT, error)

    async def delete_many(self, keys: Iterable[K]) -> int:
        if not is_native():
            return await super().delete_many(keys)
        self._sync._check_open()
        places = [self._at(name) for name in self._sync._named(dict.fromkeys(keys))[1]]
        try:
            return await self._place.remove_all(places, again=False)
        except OSError as error:
            self._sync._fail("delete many keys", ABSENT, error)

    # ------------------------------------------------------------------ all keys

    def keys(self) -> AsyncIterator[K]:
        return once(lambda: self._listed(""), super().keys)

    def scan(self, prefix: str) -> AsyncIterator[K]:
        checked_prefix(prefix)
        return once(lambda: self._texts(prefix), lambda: super(RedisStorage, self).scan(prefix))

    def items(self) -> AsyncIterator[tuple[K, V]]:
        keys: list[K] | None = None

        async def batch() -> list[tuple[K, V]]:
            nonlocal keys
            if keys is None:
                keys = await self._listed("")
            while keys:
                some, keys = keys[:_BATCH], keys[_BATCH:]
                found = await self.get_many(some)
                if found:
                    return list(found.items())
            return []

        return Chosen(Batched(batch), super().items)

    def values(self) -> AsyncIterator[V]:
        async def value(item: tuple[K, V]) -> V:
            return item[1]

        return Mapped(self.items(), value)

    async def _texts(self, prefix: str) -> list[K]:
        return [key for key in await self._listed(prefix) if isinstance(key, str)]

    async def _listed(self, prefix: str) -> list[K]:
        self._sync._check_open()
        beginning = self._sync._names_begin(prefix)
        if beginning is None:
            return []
        found: dict[bytes, None] = {}  # a place may come twice
        try:
            async for batch in self._place.listed(pattern(self._begin, beginning)):
                found.update(dict.fromkeys(batch))
        except OSError as error:
            self._sync._fail("list the keys", ABSENT, error)
        return self._own(found)[1]

    def _own(self, places: Iterable[bytes]) -> tuple[list[str], list[K]]:
        """Give the names and keys among places of the server that are of this storage."""
        names, plain = names_of(places, self._begin)
        if plain:
            return names, cast("list[K]", names)
        both = [
            (name, key)
            for name, key in zip(names, map(self._sync._key, names), strict=True)
            if key is not ABSENT
        ]
        return [name for name, _ in both], cast("list[K]", [key for _, key in both])

    async def size(self) -> int:
        if not is_native():
            return await super().size()
        return len(await self._listed(""))

    async def clear(self) -> None:
        if not is_native():
            await super().clear()
            return
        self._sync._check_open()
        try:
            async for batch in self._place.listed(pattern(self._begin)):
                await self._place.remove_all([self._at(name) for name in self._own(batch)[0]], again=True)
        except OSError as error:
            self._sync._fail("clear", ABSENT, error)

    # ------------------------------------------------------------------ life

    async def ttl(self, key: K) -> float | None:
        if not is_native():
            return await super().ttl(key)
        place = self._at(self._sync._read_name(key)[0])
        try:
            left = await self._place.ask(place, commands.packed(b"PTTL", place), True)
        except OSError as error:
            self._sync._fail("read the deadline of", key, error)
        if left == -2:
            raise KeyError(key)
        return commands.seconds(left)

    async def expires_at(self, key: K) -> float | None:
        left = await self.ttl(key)
        return None if left is None else self.timer() + left

    async def expire(self, key: K, ttl: float | None) -> None:
        if not is_native():
            await super().expire(key, ttl)
            return
        life = checked_ttl(ttl)
        place = self._at(self._sync._read_name(key)[0])
        try:
            if life is None:
                there = await self._place.run(commands.KEEP, place, (), True)
            else:
                command = commands.packed(b"PEXPIRE", place, b"%d" % commands.milliseconds(life))
                there = await self._place.ask(place, command, True)
        except OSError as error:
            self._sync._fail("give a deadline to", key, error)
        if not there:
            raise KeyError(key)

    async def touch(self, key: K, ttl: float | None) -> bool:
        return await super(ThreadedStorage, self).touch(key, ttl)

    async def purge(self) -> int:
        await self.size()
        return 0

    # ------------------------------------------------------------------ atomic

    async def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        if not is_native():
            return await super().add(key, value, ttl=ttl)
        life = self._sync._life_of(checked_ttl(ttl))
        name = self._sync._write_name(key)[0]
        data = self._sync._data(key, value, name)
        try:
            return await self._write_new(name, data, life)
        except OSError as error:
            self._sync._fail("add", key, error)

    async def _write_new(self, name: str, data: bytes, life: int | None) -> bool:
        place = self._at(name)
        return await self._place.ask(place, commands.write(place, data, life, b"NX"), False) is not None

    async def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if not is_native():
            return await super().swap(key, old, new, ttl=ttl)
        if old is ABSENT:
            return await self.add(key, new, ttl=None if ttl is KEEP else ttl)
        life = self._sync._life_told(ttl)
        name = self._sync._write_name(key)[0]
        data = self._sync._data(key, new, name)
        try:
            expected: Any = self._sync._stored_form(old, name)
            if expected is None:
                expected = await self._read(name)
                if expected is None or self._sync._stored_value(key, name, expected) != old:
                    return False
            for _ in range(ATTEMPTS):
                found = await self._place.run(commands.SWAP, self._at(name), (expected, data, life), False)
                if found == 1:
                    return True
                if found is None or self._sync._stored_value(key, name, found) != old:
                    return False
                expected = found  # other bytes of an equal value
        except OSError as error:
            self._sync._fail("swap", key, error)
        raise self._sync._conflict("swap", key)

    async def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        if not is_native() or not self._sync._counts:
            return await super().incr(key, by, ttl=ttl)
        check_addend(by)
        life = self._sync._life_of(checked_ttl(ttl))
        name = self._sync._write_name(key)[0]
        try:
            if self._sync._counts_natively and by in commands.INTEGERS:
                try:
                    return await self._counted(self._at(name), by, life)
                except RedisFailure as failure:
                    if not is_no_integer(failure.error):
                        raise
            return await self._rewritten_sum(key, name, by, life)
        except OSError as error:
            self._sync._fail("add to", key, error)

    async def _counted(self, place: bytes, by: int, life: int | None) -> int:
        if life is None:
            return int(await self._place.ask(place, commands.packed(b"INCRBY", place, b"%d" % by), False))
        return int(await self._place.run(commands.COUNT, place, (b"%d" % by, b"%d" % life), False))

    async def _rewritten_sum(self, key: K, name: str, by: int, life: int | None) -> int:
        """Add to what Redis cannot add to: integers of another form, or beyond 64 bits."""
        for _ in range(ATTEMPTS):
            found = await self._read(name)
            if found is None:
                if await self._write_new(name, self._sync._data(key, by, name), life):
                    return by
                continue
            total = added(key, self._sync._stored_value(key, name, found), by)
            data = self._sync._data(key, total, name)
            if await self._place.run(commands.SWAP, self._at(name), (found, data, b"keep"), False) == 1:
                return total
        raise self._sync._conflict("add to", key)

    def lock(
        self, key: K, ttl: float, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncLease]:
        if not is_native():
            return super().lock(key, ttl, timeout=timeout)
        seconds = checked_lock_ttl(ttl, timeout)
        return self._leases.held(key, self._sync._write_name(key)[0], seconds, timeout)

    # ------------------------------------------------------------------ streams, lifecycle

    def open_read(self, key: K) -> AbstractAsyncContextManager[ReadStream]:
        return self._loaded_read(key)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractAsyncContextManager[WriteStream]:
        checked_ttl(ttl)
        return self._buffered_write(key, ttl)

    async def stats(self) -> Stats:
        return Stats(size=await self.size())

    async def flush(self) -> None:
        pass

    async def close(self) -> None:
        if is_native():
            self._place.close()
        await super().close()
