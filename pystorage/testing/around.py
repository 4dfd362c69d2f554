"""AroundStorage: a wrapper that sees every operation in one method, for doubles of all kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeVar

from pystorage.errors import near
from pystorage.storage import ABSENT, KEEP, Sentinel, Stats, pairs
from pystorage.wrappers.base import WrapperStorage

if TYPE_CHECKING:
    from typing import Self

    from pystorage._sync import Lease

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

#: What operations are called: ``[]``, ``get`` and views are ``"get"``, ``[] =`` and ``set`` are ``"set"``,
#: ``del`` is ``"delete"``; ``pop``, ``popitem`` and ``setdefault`` are made of others.
OPERATIONS: Final = frozenset(
    {
        *("get", "set", "delete", "contains", "iter", "len", "get_many", "set_many", "delete_many", "clear"),
        *("ttl", "expires_at", "expire", "touch", "purge", "add", "swap", "incr", "lock", "scan"),
        *("open_read", "open_write", "stats", "flush", "close"),
    }
)


def checked_operations(names: Iterable[str]) -> frozenset[str]:
    """Check names of operations.

    Args:
        names: The names.

    Returns:
        The same.

    Raises:
        ValueError: There is no such operation.

    Example:
        >>> sorted(checked_operations(["get", "set"]))
        ['get', 'set']
    """
    found = frozenset(names)
    for name in sorted(found - OPERATIONS):
        raise ValueError(f"there is no operation {name!r}{near(name, OPERATIONS)}")
    return found


class AroundStorage(WrapperStorage[K, V]):
    """A storage that does what the inner one does, each operation through the method ``_around``.

    Args:
        storage: The inner storage.

    Raises:
        TypeError: It is no ``Storage``.

    Threads: as the inner storage.
    Processes: as the inner storage.

    Example:
        >>> from pystorage import MemoryStorage
        >>> class Shouting(AroundStorage):
        ...     def _around(self, operation, key, call, **given):
        ...         print(operation, key)
        ...         return call()
        >>> Shouting(MemoryStorage())["a"] = 1
        set a
    """

    def _around(self, operation: str, key: object, call: Callable[[], T], **given: Any) -> T:
        """Do an operation.

        ``key`` is ABSENT where there is none; ``given`` are the other arguments.
        """
        return call()

    def _begin(self) -> None:
        """Begin to count: in a new storage, in a copy and in what comes out of a pickle."""

    def __copy__(self) -> Self:
        made = super().__copy__()
        made._begin()
        return made

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def __getitem__(self, key: K) -> V:
        return self._around("get", key, lambda: self._inner[key])

    def _load(self, key: K) -> V:
        return self._around("get", key, lambda: self._inner._load(key))

    def __setitem__(self, key: K, value: V) -> None:
        self._around("set", key, lambda: self._inner.__setitem__(key, value), value=value)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._around("set", key, lambda: self._inner.set(key, value, ttl=ttl), value=value, ttl=ttl)

    def __delitem__(self, key: K) -> None:
        self._around("delete", key, lambda: self._inner.__delitem__(key))

    def __contains__(self, key: object) -> bool:
        return self._around("contains", key, lambda: key in self._inner)

    def __iter__(self) -> Iterator[K]:
        return self._around("iter", ABSENT, lambda: iter(self._inner))

    def __len__(self) -> int:
        return self._around("len", ABSENT, lambda: len(self._inner))

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        wanted = list(keys)
        return self._around("get_many", ABSENT, lambda: self._inner.get_many(wanted), keys=wanted)

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        # What can be read only once is shared with whoever looks at it.
        entries = items if isinstance(items, Mapping) else list(pairs(items))
        self._around(
            "set_many", ABSENT, lambda: self._inner.set_many(entries, ttl=ttl), items=entries, ttl=ttl
        )

    def delete_many(self, keys: Iterable[K]) -> int:
        wanted = list(keys)
        return self._around("delete_many", ABSENT, lambda: self._inner.delete_many(wanted), keys=wanted)

    def clear(self) -> None:
        self._around("clear", ABSENT, self._inner.clear)

    def ttl(self, key: K) -> float | None:
        return self._around("ttl", key, lambda: self._inner.ttl(key))

    def expires_at(self, key: K) -> float | None:
        return self._around("expires_at", key, lambda: self._inner.expires_at(key))

    def expire(self, key: K, ttl: float | None) -> None:
        self._around("expire", key, lambda: self._inner.expire(key, ttl), ttl=ttl)

    def touch(self, key: K, ttl: float | None) -> bool:
        return self._around("touch", key, lambda: self._inner.touch(key, ttl), ttl=ttl)

    def purge(self) -> int:
        return self._around("purge", ABSENT, self._inner.purge)

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return self._around("add", key, lambda: self._inner.add(key, value, ttl=ttl), value=value, ttl=ttl)

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        return self._around(
            "swap", key, lambda: self._inner.swap(key, old, new, ttl=ttl), old=old, value=new, ttl=ttl
        )

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        return self._around("incr", key, lambda: self._inner.incr(key, by, ttl=ttl), by=by, ttl=ttl)

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        return self._around(
            "lock", key, lambda: self._inner.lock(key, ttl, timeout=timeout), ttl=ttl, timeout=timeout
        )

    def scan(self, prefix: str) -> Iterator[K]:
        return self._around("scan", ABSENT, lambda: self._inner.scan(prefix), prefix=prefix)

    def open_read(self, key: K) -> BinaryIO:
        return self._around("open_read", key, lambda: self._inner.open_read(key))

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        return self._around("open_write", key, lambda: self._inner.open_write(key, ttl=ttl), ttl=ttl)

    def stats(self) -> Stats:
        return self._around("stats", ABSENT, self._inner.stats)

    def flush(self) -> None:
        self._around("flush", ABSENT, self._inner.flush)

    def close(self) -> None:
        self._around("close", ABSENT, self._inner.close)
