"""WrapperStorage: a storage around an inner one, forwarding everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

from pystorage.storage import KEEP, Capability, Sentinel, Stats, Storage, Timer

if TYPE_CHECKING:
    from typing import Self

    from pystorage._sync import Lease

K = TypeVar("K")
V = TypeVar("V")


class WrapperStorage(Storage[K, V]):
    """A storage around an inner one; a subclass overrides what it changes.

    What a subclass overrides for one key holds for many: the bulk methods become loops over it unless
    the subclass writes them too. A subclass that changes keys or values overrides the atomic methods
    and ``capabilities`` as well.

    Args:
        storage: The inner storage.

    Raises:
        TypeError: It is no ``Storage``.

    Threads: as the inner storage.
    Processes: as the inner storage.

    Example:
        >>> from pystorage import MemoryStorage
        >>> class Shouting(WrapperStorage):
        ...     def __getitem__(self, key):
        ...         return super().__getitem__(key).upper()
        >>> storage = Shouting(MemoryStorage())
        >>> storage["a"] = "b"
        >>> storage.get_many(["a"])
        {'a': 'B'}
    """

    def __init__(self, storage: Storage[K, V]) -> None:
        if not isinstance(storage, Storage):
            raise TypeError(f"{type(self).__name__} wraps a Storage, not {type(storage).__name__}")
        self._inner = storage

    @property
    def inner(self) -> Storage[K, V]:
        """The storage inside.

        Raises:
            Nothing.
        """
        return self._inner

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """What the inner storage does natively.

        Raises:
            Nothing.
        """
        return self._inner.capabilities

    @property
    def timer(self) -> Timer:
        return self._inner.timer

    def __getitem__(self, key: K) -> V:
        return self._inner[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._inner[key] = value

    def __delitem__(self, key: K) -> None:
        del self._inner[key]

    def __contains__(self, key: object) -> bool:
        return key in self._inner

    def __iter__(self) -> Iterator[K]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)

    def _load(self, key: K) -> V:
        return self._inner._load(key)

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        return self._inner.get_many(keys)

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        self._inner.set_many(items, ttl=ttl)

    def delete_many(self, keys: Iterable[K]) -> int:
        return self._inner.delete_many(keys)

    def clear(self) -> None:
        self._inner.clear()

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._inner.set(key, value, ttl=ttl)

    def ttl(self, key: K) -> float | None:
        return self._inner.ttl(key)

    def expires_at(self, key: K) -> float | None:
        return self._inner.expires_at(key)

    def expire(self, key: K, ttl: float | None) -> None:
        self._inner.expire(key, ttl)

    def touch(self, key: K, ttl: float | None) -> bool:
        return self._inner.touch(key, ttl)

    def purge(self) -> int:
        return self._inner.purge()

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return self._inner.add(key, value, ttl=ttl)

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        return self._inner.swap(key, old, new, ttl=ttl)

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        return self._inner.incr(key, by, ttl=ttl)

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        return self._inner.lock(key, ttl, timeout=timeout)

    def scan(self, prefix: str) -> Iterator[K]:
        return self._inner.scan(prefix)

    def open_read(self, key: K) -> BinaryIO:
        return self._inner.open_read(key)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        return self._inner.open_write(key, ttl=ttl)

    def stats(self) -> Stats:
        return self._inner.stats()

    def flush(self) -> None:
        self._inner.flush()

    def close(self) -> None:
        self._inner.close()

    def __copy__(self) -> Self:
        # A copy of a persistent storage is a handle of its own, which can be closed without the other.
        made = type(self).__new__(type(self))
        vars(made).update(vars(self), _inner=copy(self._inner))
        return made

    def _settings(self) -> Mapping[str, Any]:
        """Give what ``repr`` shows besides the inner storage."""
        return {}

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}({self._inner!r}{settings})"
