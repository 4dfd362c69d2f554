"""StorageProvider: storages by name, by URL and from configuration."""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from pystorage.errors import StorageProviderError, near
from pystorage.storage import Storage
from pystorage.urls import SCHEMES, StorageURL, loaded, scheme_class, without_secrets

Factory = Callable[..., Any]

_GROUP: Final = "pystorage.storages"
# At least two characters: C:\cache is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
# Arguments that are storages themselves, so that a text there is a URL.
_INNER: Final = frozenset({"inner", "fallback", "tiers", "shards", "mounts"})

_BUILTIN: Final[dict[str, str]] = {
    "storage.memory": "pystorage.stores.memory:MemoryStorage",
    "storage.lru": "pystorage.services:LRUStorageService",
    "storage.file": "pystorage.stores.file:FileStorage",
    "storage.json": "pystorage.services:JSONStorageService",
    "storage.pickle": "pystorage.services:PickleStorageService",
    "storage.pickle.gzip": "pystorage.services:GZipPickleStorageService",
    "storage.volatile": "pystorage.wrappers.volatile:VolatileStorage",
}


class StorageProvider:
    """Makes storages: by name, by URL, from configuration; each provider has its own registrations.

    Packages register theirs for all providers by an entry point of the group ``pystorage.storages``.

    Raises:
        Nothing.

    Threads: making storages from several is fine; register before.

    Example:
        >>> storage = StorageProvider().create(StorageProvider.STORAGE_LRU, memory_blocks=2)
        >>> storage.update(a=1, b=2, c=3)
        >>> list(storage)
        ['b', 'c']
    """

    STORAGE_MEMORY: Final = "storage.memory"
    STORAGE_LRU: Final = "storage.lru"
    STORAGE_FILE: Final = "storage.file"
    STORAGE_JSON: Final = "storage.json"
    STORAGE_PICKLE: Final = "storage.pickle"
    STORAGE_PICKLE_GZIP: Final = "storage.pickle.gzip"
    STORAGE_VOLATILE: Final = "storage.volatile"

    def __init__(self) -> None:
        self._registered: dict[str, Factory] = {}

    def register(self, name: str, factory: Factory, *, replace: bool = False) -> StorageProvider:
        """Give a storage a name in this provider.

        Args:
            name: The name, by custom ``kind.name``; not empty.
            factory: A class or function that makes the storage.
            replace: Whether the name may be one that is taken.

        Returns:
            This provider.

        Raises:
            StorageProviderError: The name is taken.
            TypeError: The name is no text, or the factory cannot be called.

        Example:
            >>> StorageProvider().register("my.dict", dict).create("my.dict", a=1)
            {'a': 1}
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"a storage is registered under a name, a str that is not empty, not {name!r}")
        if not callable(factory):
            raise TypeError(f"{name!r} must be registered with a class or function, not {factory!r}")
        if not replace and name in self.names():
            raise StorageProviderError(f"the name {name!r} is taken; choose another, or write replace=True")
        self._registered[name] = factory
        return self

    def create(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Make a storage by name.

        Args:
            name: A registered name, such as ``StorageProvider.STORAGE_JSON``.
            args: For its constructor.
            kwargs: For its constructor.

        Returns:
            The storage.

        Raises:
            StorageProviderError: There is no such name; the message lists near ones.
            MissingDependencyError: It needs a package that is not installed.
            Exception: What the constructor raises comes through unchanged.
        """
        return self._factory(name)(*args, **kwargs)

    def names(self) -> list[str]:
        """List the names that ``create`` knows.

        Returns:
            The names, sorted: ours, those registered here, and those of installed packages.

        Raises:
            Nothing.
        """
        return sorted({*_BUILTIN, *self._registered, *_plug_ins()})

    def open(self, url: str | os.PathLike[str], **overrides: Any) -> Any:
        """Open the storage that a URL or a path names.

        Args:
            url: Such as ``memory:``, ``lru:?maxsize=1000``, ``file:///var/cache/app?codec=pickle``, or the
                bare path of a folder, which is made if it is missing.
            overrides: Arguments of the storage's constructor that win over the URL's options.

        Returns:
            The storage.

        Raises:
            StorageProviderError: The scheme or an option is unknown, or the URL is malformed.
            MissingDependencyError: It needs a package that is not installed.
            StorageError: The storage cannot be opened.

        Example:
            >>> StorageProvider().open("lru:?maxsize=1000")
            LRUStorage(1000)
        """
        text = os.fspath(url)
        scheme = _SCHEME.match(text) if isinstance(url, str) else None
        if scheme is None:
            return scheme_class("file")(text, **overrides)
        name = scheme[1].lower()
        if name not in SCHEMES:
            hint = f"; write './{text}' for a folder of that name" if "//" not in text else ""
            raise StorageProviderError(
                f"no storage opens {without_secrets(text)!r}: the scheme {name!r} is unknown"
                f"{near(name, SCHEMES)}{hint}"
            )
        kind: type[Storage[Any, Any]] = scheme_class(name)
        return kind.from_url(StorageURL.parse(text), **overrides)

    def from_config(self, config: Mapping[str, Any] | str | os.PathLike[str]) -> Any:
        """Make a storage, and those inside it, as a configuration says.

        Args:
            config: A mapping, or the path of a TOML file. ``storage`` is a name (the ``storage.`` before it
                may be left out) or ``url`` a URL; the other keys are arguments of the constructor, where
                ``inner`` is the storage inside a wrapper. Storages inside are mappings or URLs.

        Returns:
            The storage.

        Raises:
            StorageProviderError: A name, URL or argument is unknown, or the file is not TOML.
            MissingDependencyError: It needs a package that is not installed.
            OSError: The file cannot be read.
            StorageError: A storage cannot be opened.

        Example:
            >>> StorageProvider().from_config({"storage": "volatile", "expiration": 5, "inner": "memory:"})
            VolatileStorage(MemoryStorage(), expiration=5.0)
        """
        if isinstance(config, Mapping):
            return self._configured(config, "the configuration")
        path = os.fspath(config)
        with open(path, "rb") as file:
            try:
                loaded = tomllib.load(file)
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise StorageProviderError(f"the configuration {path!r} is not TOML: {error}") from error
        return self._configured(loaded, repr(path))

    def _configured(self, config: Mapping[str, Any], where: str) -> Any:
        arguments = {
            str(name): self._argument(name, value, f"{where}, {name}") for name, value in config.items()
        }
        name, url = arguments.pop("storage", None), arguments.pop("url", None)
        if isinstance(url, str) and name is None:
            return self.open(url, **arguments)
        if not isinstance(name, str) or url is not None:
            raise StorageProviderError(
                f"{where} must say either storage = a name, or url = a URL{near('', self.names())}"
            )
        factory = self._factory(name if name in self.names() else f"storage.{name}", asked=name)
        if "inner" in arguments:
            arguments = {_inner_argument(factory): arguments.pop("inner"), **arguments}
        try:
            inspect.signature(factory).bind(**arguments)
        except TypeError as error:
            raise StorageProviderError(f"{where} does not fit the storage {name!r}: {error}") from error
        return factory(**arguments)

    def _argument(self, name: str, value: Any, where: str) -> Any:
        if isinstance(value, Mapping) and ("storage" in value or "url" in value):
            return self._configured(value, where)
        if name not in _INNER:
            return value
        if isinstance(value, str):
            return self.open(value)
        if isinstance(value, Mapping):
            return {key: self._argument(name, inner, f"{where}.{key}") for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._argument(name, inner, f"{where}[{at}]") for at, inner in enumerate(value)]
        return value

    def _factory(self, name: str, asked: str | None = None) -> Factory:
        factory = self._registered.get(name) or _BUILTIN.get(name)
        if factory is not None:
            return cast(Factory, loaded(factory))
        plug_in = _plug_ins().get(name)
        if plug_in is None:
            wrong = name if asked is None else asked
            raise StorageProviderError(f"no storage is named {wrong!r}{near(wrong, self.names())}")
        return cast(Factory, plug_in.load())


def open_storage(url: str | os.PathLike[str], **overrides: Any) -> Any:
    """Open the storage that a URL or a path names; exported as ``pystorage.open``.

    Args:
        url: Such as ``memory:``, ``lru:?maxsize=1000``, ``file:///var/cache/app?codec=pickle``, or the
            bare path of a folder, which is made if it is missing.
        overrides: Arguments of the storage's constructor that win over the URL's options.

    Returns:
        The storage.

    Raises:
        StorageProviderError: The scheme or an option is unknown, or the URL is malformed.
        MissingDependencyError: It needs a package that is not installed.
        StorageError: The storage cannot be opened.

    Example:
        >>> open_storage("memory:")
        MemoryStorage()
    """
    return StorageProvider().open(url, **overrides)


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_GROUP)}


def _inner_argument(factory: Factory) -> str:
    """Give the name of the argument that takes the inner storage: the first one."""
    for name, parameter in inspect.signature(factory).parameters.items():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            return name
    raise StorageProviderError(f"{factory!r} takes no inner storage")
