"""Storages in memory: one without a limit, and those with a limit, which drop entries by a policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

from pystorage._arguments import check_addend, checked_lock_ttl
from pystorage._sync import Lease, ThreadLeases, fork_safe_lock
from pystorage._typevars import K, V
from pystorage.engine import Cache
from pystorage.errors import StorageProviderError
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Stats, Storage, Timer, checked_ttl, pairs
from pystorage.urls import StorageURL

if TYPE_CHECKING:
    from typing import Self


#: Who is the first to go.
Policy = Literal["lru", "fifo", "sieve", "s3fifo", "tinylfu"]

#: Why an entry left, or its value did.
Cause = Literal["evicted", "expired", "replaced", "deleted", "cleared"]

_CAPABILITIES: Final = (
    Capability.TTL
    | Capability.ADD
    | Capability.SWAP
    | Capability.INCR
    | Capability.LOCK
    | Capability.STATS
    | Capability.NONBLOCKING
)


def _limit(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


def _named(function: Callable[..., object]) -> str:
    # The repr of an object with a __call__ may show what it holds.
    return str(getattr(function, "__qualname__", type(function).__qualname__))


class _Memory(Cache[K, V], Storage[K, V]):
    """The words of a storage for a cache in memory."""

    __slots__ = ("_leases",)

    capabilities: Capability = _CAPABILITIES

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._leases = ThreadLeases(self._timer)

    def _new_lock(self) -> AbstractContextManager[Any]:
        return cast("AbstractContextManager[Any]", fork_safe_lock())

    def _load(self, key: K) -> V:
        value = self.peek(key, ABSENT)
        if value is ABSENT:
            raise KeyError(key)
        return cast(V, value)

    # Beside ``set`` of this class, or the base would take it for one that does not know of that.
    __setitem__ = Cache.__setitem__

    # ------------------------------------------------------------------ bulk

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        return self._read_many(keys)

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        self._write_many(pairs(items), self._seconds(ttl))

    def delete_many(self, keys: Iterable[K]) -> int:
        return self._delete_many(keys)

    # ------------------------------------------------------------------ life

    def _seconds(self, ttl: float | None) -> float | None:
        return self._life if ttl is None else checked_ttl(ttl)

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        self._write(key, value, self._seconds(ttl))

    def expires_at(self, key: K) -> float | None:
        return self._expiry(key)

    def ttl(self, key: K) -> float | None:
        return self._left(key, self.expires_at(key))

    def expire(self, key: K, ttl: float | None) -> None:
        if not self._redate(key, checked_ttl(ttl), use=False):
            raise KeyError(key)

    def touch(self, key: K, ttl: float | None) -> bool:
        return self._redate(key, checked_ttl(ttl), use=True)

    def purge(self) -> int:
        return self._sweep()

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        return self._write(key, value, self._seconds(ttl), only_new=True)

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        seconds = self._seconds(None if ttl is KEEP else ttl)
        if old is ABSENT:
            return self._write(key, new, seconds, only_new=True)
        return self._swap(key, old, new, seconds, keep=ttl is KEEP)

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        check_addend(by)
        return self._incr(key, int.__index__(by), self._seconds(ttl))

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        seconds = checked_lock_ttl(ttl, timeout)
        hash(key)
        # Any hashable object names a lock here, and equal ones name the same.
        return self._leases.held(cast(str, key), seconds, timeout, repr(self))

    # ------------------------------------------------------------------ figures, settings

    def stats(self) -> Stats:
        size = len(self)
        return Stats(*self._figures(), size=size)

    def __getstate__(self) -> dict[str, Any]:
        """Give settings, contents and, of a subclass, attributes; locks stay here."""
        return {
            "settings": self._settings(),
            "contents": self._contents(),
            "attributes": getattr(self, "__dict__", None),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        _Memory.__init__(self, **state["settings"])
        if state["attributes"]:
            vars(self).update(state["attributes"])
        self._fill(state["contents"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._shown())})"

    def _shown(self) -> list[str]:
        return [] if self._timer is time.monotonic else [f"timer={_named(self._timer)}"]


class MemoryStorage(_Memory[K, V]):
    """A dict with the operations of a storage: in memory, without a limit, in the order of insertion.

    Args:
        timer: The clock of the deadlines, in seconds.

    Raises:
        TypeError: The timer cannot be called.

    Cost: O(1) for each operation on a key, O(log n) where it has a deadline.
    Threads: any number; each operation happens at one moment, the bulk ones too.
    Processes: each has its own; a forked child begins with a copy.

    Example:
        >>> storage = MemoryStorage()
        >>> storage["a"] = 1
        >>> storage.set("b", 2, ttl=60)
        >>> storage.incr("a"), list(storage), storage.swap("b", 2, 3)
        (2, ['a', 'b'], True)
    """

    __slots__ = ()

    def __init__(self, *, timer: Timer = time.monotonic) -> None:
        super().__init__(policy="fifo", timer=timer)


class _Bounded(_Memory[K, V]):
    """What the storages with a limit have in common."""

    __slots__ = ()

    capabilities: Capability = _CAPABILITIES | Capability.ORDERED

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {"maxsize": _limit, "ttl": float}

    @classmethod
    def from_url(cls, url: StorageURL, **overrides: Any) -> Self:
        """Make a storage as a URL says.

        Args:
            url: Such as ``lru:?maxsize=1000&ttl=60``, or ``cache:?maxsize=1000&policy=sieve``;
                ``maxsize=none`` is no limit.
            overrides: Arguments of the constructor that win over the URL's options.

        Returns:
            The storage.

        Raises:
            StorageProviderError: The URL says no maxsize, or has options or parts that are unknown.
            ValueError: An option is out of its range.
        """
        url.converted(cls.url_options)  # which finds a mistyped option before a missing one is
        if "maxsize" not in url.options and "maxsize" not in overrides:
            raise StorageProviderError(
                f"a {url.scheme}: URL says how many entries it may hold: write {url.scheme}:?maxsize=1000"
            )
        return super().from_url(url, **overrides)

    def _shown(self) -> list[str]:
        shown = [repr(self._maxsize)]
        if self._life is not None:
            shown.append(f"ttl={self._life!r}")
        for name, function in (("weigher", self._weigher), ("on_evict", self._on_evict)):
            if function is not None:
                shown.append(f"{name}={_named(function)}")
        return shown + super()._shown()


class LRUStorage(_Bounded[K, V]):
    """A mapping in memory with a limit: the least recently used entries make room for new ones.

    Reading by ``[]``, ``get`` and ``get_many``, writing and ``touch`` are uses; ``peek``, ``in``, iteration
    and its views are not. What has expired goes before what is alive.

    Args:
        maxsize: How many entries, or how much weight, it holds: a whole number ≥ 0, which refuses all
            writes; None or infinity is no limit.
        ttl: Seconds that an entry lives, > 0; None is for ever. ``set(…, ttl=…)`` gives one entry another
            life: there None stands for this one, and infinity for ever.
        weigher: ``weigher(key, value)`` gives what an entry takes of the limit, a whole number ≥ 0, when it
            is written; None is 1 for each.
        on_evict: ``on_evict(key, value, cause)`` is called after a value was evicted, expired, deleted,
            cleared, or replaced by another object, which is the cause it is given. It may use the storage.
            What it raises reaches the caller, but the operation and all other calls are done; several
            errors come as a group.
        timer: The clock of the deadlines, in seconds.

    Raises:
        ValueError: The limit is negative, NaN or no whole number, or the ttl not more than 0.
        TypeError: The ttl is no number, or another argument no function.

    Cost: O(1) for each operation on a key, O(log n) where it has a deadline; a read that finds its key takes
        no lock.
    Threads: any number; each operation happens at one moment, the bulk ones too. No lock is held while the
        weigher, ``on_evict`` or a value's ``==`` runs.
    Processes: each has its own; a forked child begins with a copy.

    Example:
        >>> storage = LRUStorage(2, on_evict=lambda key, value, cause: print(key, cause))
        >>> storage.update(a=1, b=2)
        >>> storage["a"]
        1
        >>> storage["c"] = 3
        b evicted
        >>> list(storage), storage.stats().hits
        (['a', 'c'], 1)
    """

    __slots__ = ()

    def __init__(
        self,
        maxsize: float | None,
        *,
        ttl: float | None = None,
        weigher: Callable[[K, V], int] | None = None,
        on_evict: Callable[[K, V, Cause], object] | None = None,
        timer: Timer = time.monotonic,
    ) -> None:
        super().__init__(
            maxsize=maxsize, ttl=checked_ttl(ttl), weigher=weigher, on_evict=on_evict, timer=timer
        )


class CacheStorage(_Bounded[K, V]):
    """A mapping in memory with a limit, and a choice of the policy by which entries make room for new ones.

    - ``"lru"``: the one used longest ago goes first. Right where what was just used will soon be used again.
    - ``"fifo"``: the oldest goes first, whatever was used.
    - ``"sieve"``: the oldest goes first, but what was used since its last turn stays for another round. A
      read moves nothing, and what is asked for only once does not push out the rest.
    - ``"s3fifo"``: what is new has a tenth of the room, until it was used more than once or comes again soon
      after it went; what stays then goes as with ``"sieve"``, with up to three rounds more.
    - ``"tinylfu"``: what is new has a part of the room, until it was asked for more often than what would
      have to go for it, counting what has left, too (W-TinyLFU). The part is a hundredth at first; it grows
      up to four fifths, and shrinks, where more is found so.

    Reading by ``[]``, ``get`` and ``get_many``, writing and ``touch`` are uses; ``peek``, ``in``, iteration
    and its views are not. What has expired goes before what is alive, and what was just written goes last.
    Iteration gives the entries in the order in which ``popitem`` would: that in which they would go if
    nothing were used or written meanwhile. Without a limit nothing goes, and the policy says only this order.
    A copy, or what a pickle gives, has the order and the uses too.

    Args:
        maxsize: How many entries, or how much weight, it holds: a whole number ≥ 0, which refuses all
            writes; None or infinity is no limit.
        policy: The policy's name.
        ttl: Seconds that an entry lives, > 0; None is for ever. ``set(…, ttl=…)`` gives one entry another
            life: there None stands for this one, and infinity for ever.
        weigher: ``weigher(key, value)`` gives what an entry takes of the limit, a whole number ≥ 0, when it
            is written; None is 1 for each.
        on_evict: ``on_evict(key, value, cause)`` is called after a value was evicted, expired, deleted,
            cleared, or replaced by another object, which is the cause it is given; as with ``LRUStorage``.
        timer: The clock of the deadlines, in seconds.

    Raises:
        ValueError: The limit is negative, NaN or no whole number, the policy is unknown, or the ttl not more
            than 0.
        TypeError: The ttl is no number, or another argument no function.

    Cost: O(1) for each operation on a key, O(log n) where it has a deadline; O(n) for iteration.
    Threads: any number; each operation happens at one moment, the bulk ones too. No lock is held while the
        weigher, ``on_evict`` or a value's ``==`` runs.
    Processes: each has its own; a forked child begins with a copy.

    Example:
        >>> storage = CacheStorage(3, policy="sieve")
        >>> storage.update(a=1, b=2, c=3)
        >>> storage["a"]
        1
        >>> storage["d"] = 4
        >>> list(storage), "b" in storage
        (['c', 'd', 'a'], False)
    """

    __slots__ = ()

    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {**_Bounded.url_options, "policy": str}

    def __init__(
        self,
        maxsize: float | None,
        *,
        policy: Policy = "lru",
        ttl: float | None = None,
        weigher: Callable[[K, V], int] | None = None,
        on_evict: Callable[[K, V, Cause], object] | None = None,
        timer: Timer = time.monotonic,
    ) -> None:
        super().__init__(
            maxsize=maxsize,
            policy=policy,
            ttl=checked_ttl(ttl),
            weigher=weigher,
            on_evict=on_evict,
            timer=timer,
        )

    @property
    def policy(self) -> Policy:
        """The policy's name.

        Raises:
            Nothing.
        """
        return cast(Policy, self._policy)

    def _shown(self) -> list[str]:
        limit, *others = super()._shown()
        return [limit, f"policy={self._policy!r}", *others]


for _kind in (MemoryStorage, LRUStorage, CacheStorage):
    _kind._own_get()
