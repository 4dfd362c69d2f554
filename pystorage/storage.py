"""Storage: the one base class, a mapping that keeps values.

A subclass writes the five methods of a mapping and gets the rest. A hook with a correct general
default has one; a hook whose default would race raises ``UnsupportedOperation`` until a storage has a
native one and declares it in ``capabilities``.
"""

from __future__ import annotations

import enum
import io
import math
import reprlib
import time
from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, Literal, TypeVar, cast, overload

from pystorage.errors import StorageError, StorageProviderError, UnsupportedOperation
from pystorage.urls import SCHEMES, StorageURL

if TYPE_CHECKING:
    from typing import Self

    from pystorage._sync import Lease

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
E = TypeVar("E", bound=StorageError)

Timer = Callable[[], float]


class Sentinel(enum.Enum):
    """Values that no caller can mean: absence, and "leave the deadline as it is".

    Raises:
        Nothing.
    """

    ABSENT = "ABSENT"
    KEEP = "KEEP"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = Sentinel.ABSENT
KEEP: Final = Sentinel.KEEP


class Capability(enum.Flag):
    """What a storage does natively.

    Raises:
        Nothing.
    """

    NONE = 0
    #: ``get_many``, ``set_many``, ``delete_many`` cost fewer round trips than a loop.
    BULK = enum.auto()
    #: Entries may have a deadline.
    TTL = enum.auto()
    #: ``add`` is atomic among all that share the storage.
    ADD = enum.auto()
    #: So is ``swap``.
    SWAP = enum.auto()
    #: So is ``incr``.
    INCR = enum.auto()
    #: ``lock`` excludes all that share the storage.
    LOCK = enum.auto()
    #: ``scan`` looks at fewer keys, or at less of each, than a whole iteration.
    SCAN = enum.auto()
    #: ``open_read`` and ``open_write`` take constant memory.
    STREAM = enum.auto()
    #: ``stats`` counts hits, misses, sets, deletes, evictions and expirations.
    STATS = enum.auto()
    #: What was stored outlives the process; a pickle of the storage is its settings.
    PERSISTENT = enum.auto()
    #: Several processes see one content.
    SHARED = enum.auto()
    #: No operation waits for a disk or a network.
    NONBLOCKING = enum.auto()
    #: Iteration has an order: the next victim first.
    ORDERED = enum.auto()


@dataclass(frozen=True)
class Stats:
    """Figures of a storage, counted since it was opened in this process; what is unknown is None.

    Args:
        hits: Reads that found a value.
        misses: Reads that found none.
        sets: Writes.
        deletes: Removals asked for.
        evictions: Removals for room.
        expirations: Removals for time.
        size: Entries now.
        bytes: Their size now, in bytes.

    Raises:
        Nothing.
    """

    hits: int | None = None
    misses: int | None = None
    sets: int | None = None
    deletes: int | None = None
    evictions: int | None = None
    expirations: int | None = None
    size: int | None = None
    bytes: int | None = None


def checked_ttl(ttl: float | None, *, name: str = "ttl") -> float | None:
    """Check a time to live.

    Args:
        ttl: Seconds, > 0; None or infinity is for ever.
        name: What the caller calls it.

    Returns:
        The seconds as a float; None for ever.

    Raises:
        TypeError: It is no number.
        ValueError: It is zero, negative or NaN.

    Example:
        >>> checked_ttl(5), checked_ttl(None), checked_ttl(float("inf"))
        (5.0, None, None)
    """
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        # numpy's floats are floats; datetime's timedelta is the one other thing people pass.
        raise TypeError(f"{name} must be a number of seconds or None, not {type(ttl).__name__}")
    seconds = float(ttl)
    if not seconds > 0:  # false for NaN too
        raise ValueError(f"{name} must be more than 0 seconds, not {ttl!r}; None is for ever")
    return None if math.isinf(seconds) else seconds


def shown(key: object) -> str:
    """Give a key for a message: its ``repr``, shortened.

    Args:
        key: Any key.

    Returns:
        At most about 90 characters.

    Raises:
        Nothing.
    """
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = 80
    return shortener.repr(key)


def _loaded(storage: Storage[K, V]) -> Iterator[tuple[K, V]]:
    """Read the entries one by one over a snapshot of the keys, leaving out what is removed meanwhile."""
    for key in storage:
        try:
            value = storage._load(key)
        except KeyError:
            continue
        yield key, value


class _LoadingItems(ItemsView[K, V]):
    """Items that are read as they are iterated."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return _loaded(self._mapping)  # type: ignore[attr-defined]


class _LoadingValues(ValuesView[V]):
    """Values that are read as they are iterated."""

    __slots__ = ()

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in _loaded(self._mapping))  # type: ignore[attr-defined]

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)


#: Single-key method → the ones that a storage may write natively beside it. Where a subclass overrides
#: the first and not the second, the second is the general one again, so that no bulk call goes past it.
_DERIVED: Final[dict[str, tuple[str, ...]]] = {
    "__getitem__": ("get", "get_many", "pop", "popitem", "open_read", "_load", "setdefault"),
    "__setitem__": ("set", "set_many", "update", "open_write", "setdefault"),
    "set": ("__setitem__", "set_many", "update", "open_write", "setdefault"),
    "__delitem__": ("delete_many", "clear", "pop", "popitem"),
    "__iter__": ("scan", "__bool__"),
}


class Storage(MutableMapping[K, V]):
    """A mapping that keeps values: the base of every store and every wrapper.

    A subclass gives the five methods of a mapping and gets every other. With a name, as in
    ``class MyStorage(Storage, prefix="my")``, it is what ``pystorage.open("my://…")`` makes.

    Raises:
        StorageProviderError: The prefix is taken by another class.

    Threads: as the subclass says.
    Processes: as the subclass says.

    Example:
        >>> class DictStorage(Storage):
        ...     def __init__(self):
        ...         self.data = {}
        ...     def __getitem__(self, key):
        ...         return self.data[key]
        ...     def __setitem__(self, key, value):
        ...         self.data[key] = value
        ...     def __delitem__(self, key):
        ...         del self.data[key]
        ...     def __iter__(self):
        ...         return iter(list(self.data))
        ...     def __len__(self):
        ...         return len(self.data)
        >>> storage = DictStorage()
        >>> storage.set_many({"a": 1, "b": 2})
        >>> storage.get_many(["a", "c"])
        {'a': 1}
    """

    __slots__ = ()

    capabilities: Capability = Capability.NONE

    #: Option of a URL → the function that reads its text.
    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {}

    def __init_subclass__(cls, *, prefix: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        for single, others in _DERIVED.items():
            for other in others:
                general = getattr(Storage, other)
                if getattr(cls, other) is not general and _depth(cls, single) < _depth(cls, other):
                    setattr(cls, other, _set_item if other == "__setitem__" else general)
        if prefix is not None:
            taken = SCHEMES.get(prefix)
            if taken is not None and not _same_class(taken, cls):
                raise StorageProviderError(f"the URL scheme {prefix!r} is taken by {taken!r}")
            SCHEMES[prefix] = cls

    @classmethod
    def from_url(cls, url: StorageURL, **overrides: Any) -> Self:
        """Make a storage as a URL says.

        Args:
            url: The URL.
            overrides: Arguments of the constructor that win over the URL's options.

        Returns:
            The storage.

        Raises:
            StorageProviderError: The URL has options or parts that this storage does not know.
        """
        return cls(*cls._url_place(url), **{**url.converted(cls.url_options), **overrides})

    @classmethod
    def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
        if url.host or url.path.strip("/"):
            raise StorageProviderError(
                f"a {url.scheme}: URL has no place, only options: write {url.scheme}: or {url.scheme}:?…"
            )
        return ()

    # ------------------------------------------------------------------ one key

    @abstractmethod
    def __getitem__(self, key: K) -> V: ...

    @abstractmethod
    def __setitem__(self, key: K, value: V) -> None: ...

    @abstractmethod
    def __delitem__(self, key: K) -> None: ...

    @abstractmethod
    def __iter__(self) -> Iterator[K]: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def __bool__(self) -> bool:
        return next(iter(self), ABSENT) is not ABSENT

    def _load(self, key: K) -> V:
        """Read a value for a view, leaving recency as it is; an ordered storage overrides it."""
        return self[key]

    def items(self) -> ItemsView[K, V]:
        """Give a view of keys and values, read as they are iterated.

        Returns:
            A view over a snapshot of the keys; what is removed meanwhile is left out.

        Raises:
            Nothing.
        """
        return _LoadingItems(self)

    def values(self) -> ValuesView[V]:
        """Give a view of the values, read as they are iterated.

        Returns:
            A view over a snapshot of the keys; what is removed meanwhile is left out.

        Raises:
            Nothing.
        """
        return _LoadingValues(self)

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: V) -> V: ...
    @overload
    def pop(self, key: K, default: T) -> V | T: ...
    def pop(self, key: K, default: Any = ABSENT) -> Any:
        """Remove a key and give its value.

        Args:
            key: The key.
            default: Given where the key is absent.

        Returns:
            The value, or the default.

        Raises:
            KeyError: The key is absent and there is no default.
            StorageError: The value cannot be read, or the storage refused; the entry stays.

        Cost: one read and one removal.
        """
        try:
            value = self[key]
            del self[key]
        except KeyError:
            if default is ABSENT:
                raise
            return default
        return value

    def popitem(self) -> tuple[K, V]:
        """Remove the next key of the iteration and give it with its value.

        Returns:
            Key and value; in a storage with an order, the next victim's.

        Raises:
            KeyError: The storage is empty.
            StorageError: The value cannot be read, or the storage refused.
        """
        for key in self:
            value = self.pop(key, ABSENT)
            if value is not ABSENT:
                return key, cast(V, value)
        raise KeyError("popitem(): the storage is empty")

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Give the value of a key, storing a default where it is absent.

        Args:
            key: The key.
            default: What to store and give where the key is absent.

        Returns:
            The value there, or the default.

        Raises:
            StorageError: As reading and writing do.

        Threads: atomic where the storage has ``Capability.ADD``.
        """
        while True:
            value = self.get(key, ABSENT)
            if value is not ABSENT:
                return value
            if Capability.ADD not in self.capabilities:
                self[key] = default
                return default
            if self.add(key, default):
                return default

    # ------------------------------------------------------------------ bulk

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Read several keys.

        Args:
            keys: The keys.

        Returns:
            Those present with their values, in the order asked.

        Raises:
            StorageError: A value cannot be read.

        Cost: a read for each key, unless the storage has ``Capability.BULK``.
        """
        found = {}
        for key in keys:
            value = self.get(key, ABSENT)
            if value is not ABSENT:
                found[key] = cast(V, value)
        return found

    def set_many(self, items: Mapping[K, V] | Iterable[tuple[K, V]], *, ttl: float | None = None) -> None:
        """Write several entries.

        Args:
            items: A mapping, or pairs of key and value.
            ttl: Seconds that they live, > 0; None is for ever.

        Raises:
            StorageError: As ``set`` does; entries before the one that failed may be written.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: a write for each, unless the storage has ``Capability.BULK``.
        """
        for key, value in pairs(items):
            self.set(key, value, ttl=ttl)

    def delete_many(self, keys: Iterable[K]) -> int:
        """Remove several keys.

        Args:
            keys: The keys; absent ones do not matter.

        Returns:
            How many were there.

        Raises:
            StorageError: The storage refused.

        Cost: a removal for each key, unless the storage has ``Capability.BULK``.
        """
        removed = 0
        for key in keys:
            try:
                del self[key]
            except KeyError:
                continue
            removed += 1
        return removed

    def update(self, other: Any = (), /, **entries: Any) -> None:
        """Write the entries of a mapping, of pairs, and of keywords.

        Args:
            other: A mapping, or pairs of key and value.
            entries: More entries.

        Raises:
            StorageError: As ``set_many`` does.
        """
        self.set_many(other)
        if entries:
            self.set_many(cast("Mapping[K, V]", entries))

    def clear(self) -> None:
        """Remove every entry.

        Raises:
            StorageError: The storage refused.

        Cost: a bulk removal of all keys.
        """
        self.delete_many(list(self))

    # ------------------------------------------------------------------ life

    @property
    def timer(self) -> Timer:
        """The clock that deadlines are counted on: a function that gives seconds.

        Raises:
            Nothing.
        """
        return time.time

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        """Write an entry that lives for a while.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds that it lives, > 0; None is for ever. A deadline that was there before is gone.

        Raises:
            InvalidKeyError: The storage cannot hold such a key.
            EncodeError: The value cannot be stored; the old one stands.
            CapacityError: It is larger than the storage may hold; the old one stands.
            UnsupportedOperation: A ttl was given and the storage lacks ``Capability.TTL``.
            UnavailableError: The place behind the storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: one write.
        """
        if checked_ttl(ttl) is not None:
            raise self._unsupported("keep an entry for a while", "TTL")
        self[key] = value

    def ttl(self, key: K) -> float | None:
        """Give the seconds that an entry still lives.

        Args:
            key: The key.

        Returns:
            Seconds, > 0; None is for ever.

        Raises:
            KeyError: The key is absent.
            StorageError: The storage cannot be read.
        """
        if key not in self:
            raise KeyError(key)
        return None

    def expires_at(self, key: K) -> float | None:
        """Give the deadline of an entry.

        Args:
            key: The key.

        Returns:
            A time on the storage's ``timer``, in seconds; None is for ever.

        Raises:
            KeyError: The key is absent.
            StorageError: The storage cannot be read.
        """
        left = self.ttl(key)
        return None if left is None else self.timer() + left

    def expire(self, key: K, ttl: float | None) -> None:
        """Give an entry another deadline.

        Args:
            key: The key.
            ttl: Seconds from now, > 0; None is for ever.

        Raises:
            KeyError: The key is absent.
            UnsupportedOperation: The storage lacks ``Capability.TTL``.
            StorageError: The storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        checked_ttl(ttl)
        raise self._unsupported("give an entry a deadline", "TTL")

    def touch(self, key: K, ttl: float | None) -> bool:
        """Give an entry another deadline if it is there; it counts as used.

        Args:
            key: The key.
            ttl: Seconds from now, > 0; None is for ever.

        Returns:
            Whether the key was there.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.TTL``.
            StorageError: The storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        try:
            self.expire(key, ttl)
        except KeyError:
            return False
        return True

    def purge(self) -> int:
        """Remove what has expired.

        Returns:
            How many entries that were.

        Raises:
            StorageError: The storage refused.
        """
        return 0

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        """Write an entry if its key is absent.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds that it lives, > 0; None is for ever.

        Returns:
            Whether it was written.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.ADD``.
            StorageError: As ``set`` does.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Threads: of several calls one wins.
        """
        raise self._unsupported("add an entry only if it is absent", "ADD")

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        """Replace a value if it is still the old one.

        Args:
            key: The key.
            old: The value that must be there, compared by ``==``; ``ABSENT`` makes it ``add``.
            new: The value to write.
            ttl: Seconds that it lives, > 0; None is for ever; ``KEEP`` leaves the deadline as it is.

        Returns:
            Whether it was replaced.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.SWAP``.
            StorageError: As reading and ``set`` do.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Threads: the write happens only if nothing was written since the old value was read.
        """
        raise self._unsupported("replace a value only if it is unchanged", "SWAP")

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        """Add to an integer.

        Args:
            key: The key; an absent one counts from 0.
            by: What to add; may be negative.
            ttl: Seconds that the entry lives if this call makes it, > 0; None is for ever. An entry
                that is there keeps its deadline.

        Returns:
            The sum.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.INCR``.
            TypeError: The value there, or ``by``, is no integer, or the ttl no number.
            ValueError: The ttl is not more than 0.
            StorageError: As reading and ``set`` do.

        Threads: no addition is lost.
        """
        raise self._unsupported("count", "INCR")

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        """Hold a lock that nobody else holds, named by a key; the entry of that key does not matter.

        Args:
            key: The name of the lock.
            ttl: Seconds after which others may take it although it was not released, > 0.
            timeout: Seconds to wait for it, ≥ 0; None waits for as long as it takes.

        Returns:
            A context manager; entering waits and gives the ``Lease``.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.LOCK``.
            TimeoutError: When entering: it was not free in time.
            ConflictError: When leaving: it had run out, and somebody else may have held it.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        raise self._unsupported("lock", "LOCK")

    # ------------------------------------------------------------------ scan, stream

    def scan(self, prefix: str) -> Iterator[K]:
        """Iterate over the text keys that begin with a prefix.

        Args:
            prefix: The beginning; ``""`` gives all text keys.

        Returns:
            The keys.

        Raises:
            TypeError: The prefix is no text.
            StorageError: The storage cannot be read.

        Cost: a whole iteration, unless the storage has ``Capability.SCAN``.
        """
        checked_prefix(prefix)
        return (key for key in self if isinstance(key, str) and key.startswith(prefix))

    def open_read(self, key: K) -> BinaryIO:
        """Open a value of bytes for reading.

        Args:
            key: The key.

        Returns:
            A binary file, to be closed.

        Raises:
            KeyError: The key is absent.
            UnsupportedOperation: The value is not bytes.
            StorageError: The value cannot be read.

        Cost: memory of the whole value, unless the storage has ``Capability.STREAM``.
        """
        value = self[key]
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise self._unsupported(f"stream a value of type {type(value).__name__}: a stream carries bytes")
        return io.BytesIO(value)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        """Open a value of bytes for writing; it is visible only after a clean exit.

        Args:
            key: The key.
            ttl: Seconds that it lives, > 0; None is for ever.

        Returns:
            A context manager that gives a binary file. Left by an exception, nothing is written.

        Raises:
            StorageError: As ``set`` does, on leaving.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: memory of the whole value, unless the storage has ``Capability.STREAM``.
        """
        checked_ttl(ttl)
        return self._buffered_write(key, ttl)

    @contextmanager
    def _buffered_write(self, key: K, ttl: float | None) -> Iterator[BinaryIO]:
        buffer = io.BytesIO()
        yield buffer
        self.set(key, cast(V, buffer.getvalue()), ttl=ttl)

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Give the figures of this storage.

        Returns:
            The figures; what is unknown is None.

        Raises:
            StorageError: The storage cannot be read.

        Cost: that of ``len``.
        """
        return Stats(size=len(self))

    def flush(self) -> None:
        """Bring what is held back to its place.

        Raises:
            StorageError: The storage refused.
        """

    def close(self) -> None:
        """Release what the storage holds open; closing twice is fine.

        A persistent storage is unusable afterwards (``ClosedError``); one in memory goes on.

        Raises:
            StorageError: What was held back could not be written.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ errors

    def _error(self, kind: type[E], tried: str, key: object, why: object, todo: str = "") -> E:
        """Make an error that says what was tried, on which key, where, why it failed and what to do."""
        at = "" if key is ABSENT else f" {shown(key)}"
        end = f"; {todo}" if todo else ""
        where = repr(self)
        return kind(
            f"could not {tried}{at} in {where}: {why}{end}",
            storage=where,
            key=None if key is ABSENT else key,
        )

    def _unsupported(self, what: str, capability: str | None = None) -> UnsupportedOperation:
        where = repr(self)
        lacks = f"; it lacks Capability.{capability}" if capability else ""
        return UnsupportedOperation(f"{where} cannot {what}{lacks}", storage=where)


def pairs(items: Mapping[K, V] | Iterable[tuple[K, V]]) -> Iterator[tuple[K, V]]:
    """Give the entries of what ``dict`` would take.

    Args:
        items: A mapping, anything with ``keys()``, or pairs.

    Returns:
        Pairs of key and value.

    Raises:
        Nothing.
    """
    if isinstance(items, Mapping):
        return iter(items.items())
    keys = getattr(items, "keys", None)
    if keys is not None:
        return ((key, cast("Mapping[K, V]", items)[key]) for key in keys())
    return ((key, value) for key, value in items)


def checked_prefix(prefix: object) -> str:
    """Check the prefix of a scan.

    Args:
        prefix: A text.

    Returns:
        The prefix.

    Raises:
        TypeError: It is no text.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"a prefix to scan for is a str, not {type(prefix).__name__}")
    return prefix


def _set_item(self: Storage[K, V], key: K, value: V) -> None:
    self.set(key, value)


def _depth(cls: type, name: str) -> int:
    """Say how far up among the bases of a class a method is written; 0 is the class itself."""
    return next(depth for depth, base in enumerate(cls.__mro__) if name in vars(base))


def _same_class(known: str | type, cls: type) -> bool:
    # A module that is reloaded makes its class anew; that is no second owner of the scheme.
    name = known if isinstance(known, str) else f"{known.__module__}:{known.__qualname__}"
    return name == f"{cls.__module__}:{cls.__qualname__}"
