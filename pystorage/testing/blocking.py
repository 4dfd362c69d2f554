"""BlockingStorage: an async storage as one that blocks, so that the laws of storages can be tried on it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeVar, cast

from pystorage._typevars import K, V
from pystorage.aio import AsyncStorage, ReadStream, WriteStream
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Stats, Storage, Timer, checked_prefix, pairs

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from pystorage._sync import Lease

T = TypeVar("T")

#: What a handle through another thread's event loop does not have, whatever the storage behind it can do.
OF_HANDLES: Final = Capability.PERSISTENT | Capability.SHARED | Capability.NONBLOCKING


class BlockingStorage(Storage[K, V]):
    """A storage that calls an async one in the event loop of another thread.

    Args:
        portal: The way into the event loop, from ``anyio.from_thread.start_blocking_portal``.
        storage: The async storage.

    Raises:
        Nothing.

    Threads: any number but that of the event loop.
    Processes: none but the one that has the event loop.
    """

    def __init__(self, portal: BlockingPortal, storage: AsyncStorage[K, V]) -> None:
        self._portal = portal
        self._face = storage

    @property
    def face(self) -> AsyncStorage[K, V]:
        """The async storage.

        Raises:
            Nothing.
        """
        return self._face

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """What the async storage does natively, but for what this handle lacks.

        Raises:
            Nothing.
        """
        return self._face.capabilities & ~OF_HANDLES

    @property
    def timer(self) -> Timer:
        return self._face.timer

    def _call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self._portal.call(partial(function, *args, **kwargs))

    def _each(self, iterator: AsyncIterator[T]) -> Iterator[T]:
        # The first is asked for at once, as that is when the keys are looked at.
        first = self._call(anext, iterator, ABSENT)
        return self._and_the_rest(first, iterator)

    def _and_the_rest(self, one: Any, iterator: AsyncIterator[T]) -> Iterator[T]:
        while one is not ABSENT:
            yield one
            one = self._call(anext, iterator, ABSENT)

    def __getitem__(self, key: K) -> V:
        return cast(V, self._call(self._face.__getitem__, key))

    def get(self, key: K, default: Any = None) -> Any:
        """Give the value of a key, or a default where it is absent.

        Args:
            key: The key.
            default: What absence gives.

        Returns:
            The value, or the default.

        Raises:
            StorageError: The value cannot be read.
        """
        return self._call(self._face.get, key, default)

    def __setitem__(self, key: K, value: V) -> None:
        self._call(self._face.set, key, value)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._call(self._face.set, key, value, ttl=ttl)

    def __delitem__(self, key: K) -> None:
        if not self._call(self._face.delete, key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return bool(self._call(self._face.contains, key))

    def __iter__(self) -> Iterator[K]:
        return self._each(self._face.keys())

    def __len__(self) -> int:
        return int(self._call(self._face.size))

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def pop(self, key: K, *default: Any) -> Any:
        return self._call(self._face.pop, key, *default)

    def setdefault(self, key: K, default: Any = None) -> Any:
        return self._call(self._face.setdefault, key, default)

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        return cast("dict[K, V]", self._call(self._face.get_many, list(keys)))

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        self._call(self._face.set_many, list(pairs(items)), ttl=ttl)

    def delete_many(self, keys: Iterable[K]) -> int:
        return int(self._call(self._face.delete_many, list(keys)))

    def clear(self) -> None:
        self._call(self._face.clear)

    def scan(self, prefix: str) -> Iterator[K]:
        return self._each(self._face.scan(checked_prefix(prefix)))

    def ttl(self, key: K) -> float | None:
        return cast("float | None", self._call(self._face.ttl, key))

    def expires_at(self, key: K) -> float | None:
        return cast("float | None", self._call(self._face.expires_at, key))

    def expire(self, key: K, ttl: float | None) -> None:
        self._call(self._face.expire, key, ttl)

    def touch(self, key: K, ttl: float | None) -> bool:
        return bool(self._call(self._face.touch, key, ttl))

    def purge(self) -> int:
        return int(self._call(self._face.purge))

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return bool(self._call(self._face.add, key, value, ttl=ttl))

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        return bool(self._call(self._face.swap, key, old, new, ttl=ttl))

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        return int(self._call(self._face.incr, key, by, ttl=ttl))

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        return self._locked(self._face.lock(key, ttl, timeout=timeout))

    @contextmanager
    def _locked(self, manager: Any) -> Iterator[Lease]:
        with self._portal.wrap_async_context_manager(manager) as lease:
            yield cast("Lease", _BlockingLease(self._portal, lease))

    def open_read(self, key: K) -> BinaryIO:
        manager = self._portal.wrap_async_context_manager(self._face.open_read(key))
        stream = manager.__enter__()
        return cast(BinaryIO, io.BufferedReader(_Reader(self._portal, manager, stream)))

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        return self._written(self._face.open_write(key, ttl=ttl))

    @contextmanager
    def _written(self, manager: Any) -> Iterator[BinaryIO]:
        with self._portal.wrap_async_context_manager(manager) as stream:
            yield cast(BinaryIO, _Writer(self._portal, stream))

    def stats(self) -> Stats:
        return cast(Stats, self._call(self._face.stats))

    def flush(self) -> None:
        self._call(self._face.flush)

    def close(self) -> None:
        self._call(self._face.close)

    def __repr__(self) -> str:
        return repr(self._face)


class _Items(ItemsView[Any, Any]):
    def __contains__(self, item: object) -> bool:
        return any(found == item for found in self)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        storage = self._mapping  # type: ignore[attr-defined]
        return storage._each(storage._face.items())  # type: ignore[no-any-return]


class _Values(ValuesView[Any]):
    def __iter__(self) -> Iterator[Any]:
        storage = self._mapping  # type: ignore[attr-defined]
        return storage._each(storage._face.values())  # type: ignore[no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)


class _BlockingLease:
    def __init__(self, portal: BlockingPortal, lease: Any) -> None:
        self._portal = portal
        self._lease = lease
        self.name = lease.name
        self.ttl = lease.ttl
        self.token = lease.token

    def extend(self, ttl: float | None = None) -> None:
        self._portal.call(self._lease.extend, ttl)


class _Reader(io.RawIOBase):
    def __init__(
        self, portal: BlockingPortal, manager: AbstractContextManager[Any], stream: ReadStream
    ) -> None:
        self._portal = portal
        self._manager = manager
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._portal.call(self._stream.read, len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._manager.__exit__(None, None, None)


class _Writer(io.RawIOBase):
    def __init__(self, portal: BlockingPortal, stream: WriteStream) -> None:
        self._portal = portal
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return int(self._portal.call(self._stream.write, data))
