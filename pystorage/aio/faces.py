"""Async faces of storages that block: called at once where they never wait, else in worker threads."""

from __future__ import annotations

import operator
import sys
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, ParamSpec, TypeVar

from anyio import sleep

from pystorage._arguments import checked_lock_ttl
from pystorage._typevars import K, V
from pystorage.aio._iteration import Batched, Direct
from pystorage.aio._threads import ThreadLimit
from pystorage.aio.lease import AsyncLease
from pystorage.aio.storage import AsyncStorage
from pystorage.aio.streams import ReadStream, WriteStream
from pystorage.errors import StorageProviderError
from pystorage.storage import (
    KEEP,
    Capability,
    Sentinel,
    Stats,
    Storage,
    Timer,
    checked_prefix,
    checked_ttl,
    pairs,
    shown,
)

if TYPE_CHECKING:
    from pystorage._sync import Lease

T = TypeVar("T")
P = ParamSpec("P")

#: Worker threads of one storage in one event loop, unless told otherwise: as many as anyio has for all.
THREADS: Final = 40
# So many keys or entries are fetched by one call: values may lie there, and take memory.
_BATCH: Final = 100
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


def wrap(storage: Storage[K, V] | AsyncStorage[K, V], *, threads: int = THREADS) -> AsyncStorage[K, V]:
    """Give the async face of a storage; both see the same entries.

    A storage that never waits (``Capability.NONBLOCKING``) is called at once. Any other is called in worker
    threads, a nest of wrappers as a whole.

    Args:
        storage: The storage; one that is async itself is given back as it is.
        threads: At most so many worker threads at a time in each event loop, > 0.

    Returns:
        Its face. Closing it closes the storage.

    Raises:
        TypeError: It is no storage, or the number is no int.
        ValueError: The number is less than 1.

    Cost: of a call, below a microsecond for a storage in memory, else that of a worker thread, 0.1 to 0.3 ms.

    Example:
        >>> import anyio
        >>> from pystorage import LRUStorage
        >>> storage = LRUStorage(1000)
        >>> face = wrap(storage)
        >>> anyio.run(face.set, "a", 1)
        >>> storage["a"]
        1
    """
    if isinstance(storage, AsyncStorage):
        return storage
    if not isinstance(storage, Storage):
        raise TypeError(f"wrap() takes a Storage, not {type(storage).__name__}")
    if Capability.NONBLOCKING in storage.capabilities:
        return DirectStorage(storage)
    native = _native(storage)
    if native is not None:
        return native
    return ThreadedStorage(storage, threads)


class Face(AsyncStorage[K, V]):
    """The async face of a storage, whose subclasses say how a call is made.

    Args:
        storage: The storage.

    Raises:
        Nothing.
    """

    def __init__(self, storage: Storage[K, V]) -> None:
        self._storage = storage

    @property
    def storage(self) -> Storage[K, V]:
        """The storage behind this face.

        Raises:
            Nothing.
        """
        return self._storage

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """What the storage does natively.

        Raises:
            Nothing.
        """
        return self._storage.capabilities

    @property
    def timer(self) -> Timer:
        return self._storage.timer

    @abstractmethod
    async def _run(
        self, function: Callable[[], T], *, undo: Callable[[T], object] | None = None, must: bool = False
    ) -> T:
        """Call what may block; ``undo`` is given a result that nobody gets, ``must`` is done in any case."""

    async def _call(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        return await self._run(partial(function, *arguments, **options))

    # ------------------------------------------------------------------ one key

    async def __getitem__(self, key: K) -> V:
        return await self._call(operator.getitem, self._storage, key)

    async def get(self, key: K, default: Any = None) -> Any:
        return await self._call(self._storage.get, key, default)

    async def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        await self._call(self._storage.set, key, value, ttl=ttl)

    async def delete(self, key: K) -> bool:
        return await self._call(_deleted, self._storage, key)

    async def contains(self, key: K) -> bool:
        return await self._call(operator.contains, self._storage, key)

    async def size(self) -> int:
        return await self._call(len, self._storage)

    async def pop(self, key: K, *default: Any) -> Any:
        return await self._call(self._storage.pop, key, *default)

    async def setdefault(self, key: K, default: V) -> V:
        return await self._call(self._storage.setdefault, key, default)

    # ------------------------------------------------------------------ many keys

    @abstractmethod
    def _each(self, begin: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        """Iterate over what may block."""

    def keys(self) -> AsyncIterator[K]:
        return self._each(partial(iter, self._storage))

    def items(self) -> AsyncIterator[tuple[K, V]]:
        return self._each(lambda: iter(self._storage.items()))

    def values(self) -> AsyncIterator[V]:
        return self._each(lambda: iter(self._storage.values()))

    def scan(self, prefix: str) -> AsyncIterator[K]:
        checked_prefix(prefix)
        return self._each(partial(self._storage.scan, prefix))

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        asked = list(keys)  # what it is made of may be bound to this thread
        return await self._call(self._storage.get_many, asked)

    async def set_many(
        self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None
    ) -> None:
        given = list(pairs(items))
        await self._call(self._storage.set_many, given, ttl=ttl)

    async def delete_many(self, keys: Iterable[K]) -> int:
        asked = list(keys)
        return await self._call(self._storage.delete_many, asked)

    async def clear(self) -> None:
        await self._call(self._storage.clear)

    # ------------------------------------------------------------------ life

    async def ttl(self, key: K) -> float | None:
        return await self._call(self._storage.ttl, key)

    async def expires_at(self, key: K) -> float | None:
        return await self._call(self._storage.expires_at, key)

    async def expire(self, key: K, ttl: float | None) -> None:
        await self._call(self._storage.expire, key, ttl)

    async def touch(self, key: K, ttl: float | None) -> bool:
        return await self._call(self._storage.touch, key, ttl)

    async def purge(self) -> int:
        return await self._call(self._storage.purge)

    # ------------------------------------------------------------------ atomic

    async def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return await self._call(self._storage.add, key, value, ttl=ttl)

    async def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        return await self._call(self._storage.swap, key, old, new, ttl=ttl)

    async def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        return await self._call(self._storage.incr, key, by, ttl=ttl)

    def lock(
        self, key: K, ttl: float, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[AsyncLease]:
        if Capability.LOCK not in self.capabilities:
            raise self._unsupported("lock", "LOCK")
        checked_lock_ttl(ttl, timeout)
        return self._held(key, ttl, timeout)

    @asynccontextmanager
    async def _held(self, key: K, ttl: float, timeout: float | None) -> AsyncIterator[AsyncLease]:
        # Waiting is the task's, so each attempt is one that does not wait: no thread is taken up by it.
        limit = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                manager, lease = await self._run(partial(_entered, self._storage, key, ttl), undo=_left)
                break
            except TimeoutError as error:
                left = pause if limit is None else min(pause, limit - time.monotonic())
                if left <= 0:
                    where = f"{shown(key)} in {self._storage!r}"
                    raise TimeoutError(
                        f"could not lock {where}: somebody else held it for {timeout} s"
                    ) from error
            await sleep(left)
            pause = min(2 * pause, _LONGEST_PAUSE)
        try:
            yield AsyncLease(lease.name, lease.ttl, lease.token, partial(self._call, lease.extend))
        except BaseException as error:
            await self._run(partial(manager.__exit__, type(error), error, error.__traceback__), must=True)
            raise
        await self._run(partial(manager.__exit__, None, None, None), must=True)

    # ------------------------------------------------------------------ streams

    def open_read(self, key: K) -> AbstractAsyncContextManager[ReadStream]:
        return self._reading(key)

    @asynccontextmanager
    async def _reading(self, key: K) -> AsyncIterator[ReadStream]:
        file = await self._run(partial(self._storage.open_read, key), undo=lambda file: file.close())
        try:
            yield ReadStream(file, self._call)
        finally:
            await self._run(file.close, must=True)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractAsyncContextManager[WriteStream]:
        checked_ttl(ttl)
        return self._writing(key, ttl)

    @asynccontextmanager
    async def _writing(self, key: K, ttl: float | None) -> AsyncIterator[WriteStream]:
        manager, file = await self._run(
            partial(_writing, self._storage, key, ttl), undo=lambda opened: _given_up(opened[0])
        )
        try:
            yield WriteStream(file, self._call)
        except BaseException as error:
            await self._run(partial(manager.__exit__, type(error), error, error.__traceback__), must=True)
            raise
        await self._run(partial(manager.__exit__, None, None, None), must=True)

    # ------------------------------------------------------------------ figures, lifecycle

    async def stats(self) -> Stats:
        return await self._call(self._storage.stats)

    async def flush(self) -> None:
        await self._call(self._storage.flush)

    async def close(self) -> None:
        await self._run(self._storage.close, must=True)

    def __repr__(self) -> str:
        return f"aio.wrap({self._storage!r})"


class ThreadedStorage(Face[K, V]):
    """The face of a storage that may wait for a disk or a network: each call is made in a worker thread.

    Args:
        storage: The storage.
        threads: At most so many worker threads at a time in each event loop, > 0.

    Raises:
        TypeError: The number is no int.
        ValueError: The number is less than 1.

    Cost: of a call, that of a worker thread, 0.1 to 0.3 ms.
    """

    def __init__(self, storage: Storage[K, V], threads: int = THREADS) -> None:
        super().__init__(storage)
        self._limit = ThreadLimit(threads)

    async def _run(
        self, function: Callable[[], T], *, undo: Callable[[T], object] | None = None, must: bool = False
    ) -> T:
        return await self._limit.run(function, undo=undo, must=must)

    def _each(self, begin: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        iterator: Iterator[T] | None = None

        def batch() -> list[T]:
            nonlocal iterator
            if iterator is None:
                iterator = begin()
            return list(islice(iterator, _BATCH))

        return Batched(partial(self._call, batch))


class DirectStorage(Face[K, V]):
    """The face of a storage that never waits: it is called at once.

    Args:
        storage: The storage.

    Raises:
        Nothing.

    Cost: below a microsecond above the storage's own. It gives no other task a turn.
    """

    def __init__(self, storage: Storage[K, V]) -> None:
        super().__init__(storage)
        self._get = storage.get

    async def _run(
        self, function: Callable[[], T], *, undo: Callable[[T], object] | None = None, must: bool = False
    ) -> T:
        return function()

    async def _call(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        return function(*arguments, **options)

    def _each(self, begin: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        return Direct(begin)

    # What is called most, without the way through another function.

    async def __getitem__(self, key: K) -> V:
        return self._storage[key]

    async def get(self, key: K, default: Any = None) -> Any:
        return self._get(key, default)

    async def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._storage.set(key, value, ttl=ttl)

    async def contains(self, key: K) -> bool:
        return key in self._storage


def _native(storage: Storage[K, V]) -> AsyncStorage[K, V] | None:
    """Give the storage that does the same without threads, if there is one."""
    redis = sys.modules.get("pystorage.stores.redis")
    if redis is None or not isinstance(storage, redis.RedisStorage):
        return None
    # A subclass of somebody's may do something else, and a codec that writes values back does so in between.
    if not type(storage).__module__.startswith("pystorage.") or storage._writes_back:
        return None
    from pystorage.aio.redis import RedisStorage

    try:
        return RedisStorage.around(storage)
    except StorageProviderError:  # its client has connections of a kind of its own
        return None


def _deleted(storage: Storage[K, V], key: K) -> bool:
    try:
        del storage[key]
    except KeyError:
        return False
    return True


def _entered(storage: Storage[K, V], key: K, ttl: float) -> tuple[AbstractContextManager[Lease], Lease]:
    manager = storage.lock(key, ttl, timeout=0)
    return manager, manager.__enter__()


def _left(held: tuple[AbstractContextManager[Lease], Lease]) -> None:
    held[0].__exit__(None, None, None)


def _writing(
    storage: Storage[K, V], key: K, ttl: float | None
) -> tuple[AbstractContextManager[BinaryIO], BinaryIO]:
    manager = storage.open_write(key, ttl=ttl)
    return manager, manager.__enter__()


class _GivenUp(BaseException):
    """Ends a stream that nobody writes to, as an exception inside it does."""


def _given_up(manager: AbstractContextManager[BinaryIO]) -> None:
    error = _GivenUp()
    manager.__exit__(type(error), error, None)
