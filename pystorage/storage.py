"""Storage: the one base class, a mapping that keeps values.

A subclass writes the five methods of a mapping and gets the rest. A hook with a correct general
default has one; a hook whose default would race raises ``UnsupportedOperation`` until a storage has a
native one and declares it in ``capabilities``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast, overload

from pystorage._arguments import checked_prefix, checked_ttl, pairs, shown
from pystorage._derive import derive
from pystorage._hooks import Hooks
from pystorage._terms import ABSENT, KEEP, Capability, Sentinel, Stats, Timer
from pystorage.errors import StorageProviderError
from pystorage.urls import SCHEMES, StorageURL, made, scheme_of

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "ABSENT",
    "KEEP",
    "Capability",
    "Sentinel",
    "Stats",
    "Storage",
    "Timer",
    "checked_prefix",
    "checked_ttl",
    "pairs",
    "shown",
]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

# Not ABSENT, which a caller may give for a default.
_REQUIRED: Final = object()


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

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        key, value = item
        try:
            found = self._mapping._load(key)  # type: ignore[attr-defined]
        except KeyError:
            return False
        return found is value or bool(found == value)


class _LoadingValues(ValuesView[V]):
    """Values that are read as they are iterated."""

    __slots__ = ()

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in _loaded(self._mapping))  # type: ignore[attr-defined]

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)


class Storage(Hooks[K, V]):
    """A mapping that keeps values: the base of every store and every wrapper.

    A subclass gives the five methods of a mapping and gets every other. With a name, as in
    ``class MyStorage(Storage, prefix="my")``, it is what ``pystorage.open("my://…")`` makes.

    Raises:
        StorageProviderError: The prefix is no URL scheme, or another class's.

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

    #: Option of a URL → the function that reads its text.
    url_options: ClassVar[Mapping[str, Callable[[str], object]]] = {}

    def __init_subclass__(cls, *, prefix: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        derive(cls, Storage)
        if prefix is not None:
            if scheme_of(f"{prefix}:") != prefix:
                raise StorageProviderError(
                    f"the URL scheme {prefix!r} must be at least two of [a-z0-9+.-], a letter first"
                )
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
            StorageProviderError: The URL has options or parts that this storage does not know, or the
                constructor needs other arguments.
        """
        options = {**url.converted(cls.url_options), **overrides}
        return cast("Self", made(cls, f"the {url.scheme}: URL", cls._url_place(url), options))

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
    def pop(self, key: K, default: Any = _REQUIRED) -> Any:
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
            if default is _REQUIRED:
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

    @overload
    def setdefault(self: Storage[K, T | None], key: K, default: None = None) -> T | None: ...
    @overload
    def setdefault(self, key: K, default: V) -> V: ...
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
        checked_ttl(ttl)
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


def _same_class(known: str | type, cls: type) -> bool:
    # A module that is reloaded makes its class anew; that is no second owner of the scheme.
    name = known if isinstance(known, str) else f"{known.__module__}:{known.__qualname__}"
    return name == f"{cls.__module__}:{cls.__qualname__}"
