"""StorageProvider: storages by name, by URL and from configuration."""

from __future__ import annotations

import inspect
import os
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from pystorage.errors import MissingDependencyError, StorageProviderError, near
from pystorage.storage import Storage
from pystorage.urls import SCHEMES, StorageURL, loaded, made, scheme_class, scheme_of, without_secrets

Factory = Callable[..., Any]

_GROUP: Final = "pystorage.storages"
# Arguments that are a storage themselves, so that a text there is a URL, and those that are several.
_ONE: Final = frozenset({"inner", "fallback"})
_SEVERAL: Final = frozenset({"tiers", "shards", "mounts"})

_BUILTIN: Final[dict[str, str]] = {
    "storage.memory": "pystorage.stores.memory:MemoryStorage",
    "storage.lru": "pystorage.services:LRUStorageService",
    "storage.cache": "pystorage.stores.memory:CacheStorage",
    "storage.file": "pystorage.stores.file:FileStorage",
    "storage.sqlite": "pystorage.stores.sqlite:SQLiteStorage",
    "storage.diskcache": "pystorage.stores.diskcache:DiskCacheStorage",
    "storage.lmdb": "pystorage.stores.lmdb:LMDBStorage",
    "storage.json": "pystorage.services:JSONStorageService",
    "storage.pickle": "pystorage.services:PickleStorageService",
    "storage.pickle.gzip": "pystorage.services:GZipPickleStorageService",
    "storage.disklru": "pystorage.services:DiskLRUStorageService",
    "storage.volatile": "pystorage.wrappers.volatile:VolatileStorage",
    "storage.redis": "pystorage.services:RedisStorageService",
    "storage.redis.json": "pystorage.services:RedisJSONStorageService",
    "storage.s3": "pystorage.services:S3StorageService",
    "storage.filesystem": "pystorage.stores.filesystem:FilesystemStorage",
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
    STORAGE_CACHE: Final = "storage.cache"
    STORAGE_FILE: Final = "storage.file"
    STORAGE_SQLITE: Final = "storage.sqlite"
    STORAGE_DISKCACHE: Final = "storage.diskcache"
    STORAGE_LMDB: Final = "storage.lmdb"
    STORAGE_JSON: Final = "storage.json"
    STORAGE_PICKLE: Final = "storage.pickle"
    STORAGE_PICKLE_GZIP: Final = "storage.pickle.gzip"
    STORAGE_DISKLRU: Final = "storage.disklru"
    STORAGE_VOLATILE: Final = "storage.volatile"
    STORAGE_REDIS: Final = "storage.redis"
    STORAGE_REDIS_JSON: Final = "storage.redis.json"
    STORAGE_S3: Final = "storage.s3"
    STORAGE_FILESYSTEM: Final = "storage.filesystem"

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
            StorageProviderError: There is no such name, which lists near ones, or the package that gave it
                is broken.
            MissingDependencyError: It needs a package that is not installed.
            TypeError: The name is no text.
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

    def open(self, url: str | os.PathLike[str], **overrides: Any) -> Storage[Any, Any]:
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
        return self._opened(url, overrides)

    def _opened(self, url: str | os.PathLike[str], overrides: Mapping[str, Any]) -> Storage[Any, Any]:
        text = os.fspath(url)
        if not isinstance(text, str):
            raise TypeError(f"a storage is opened by a URL or path that is a str, not {type(text).__name__}")
        if not text:
            raise StorageProviderError("an empty URL names no storage; write '.' for the current folder")
        scheme = scheme_of(text) if isinstance(url, str) else None
        if scheme is None:
            made_here = made(scheme_class("file"), f"the path {text!r}", (text,), overrides)
            return cast("Storage[Any, Any]", made_here)
        if scheme not in SCHEMES:
            shown = without_secrets(text)
            hint = "" if "//" in text or shown != text else f"; write './{text}' for a folder of that name"
            raise StorageProviderError(
                f"no storage opens {shown!r}: the scheme {scheme!r} is unknown{near(scheme, SCHEMES)}{hint}"
            )
        kind: type[Storage[Any, Any]] = scheme_class(scheme)
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
                config = tomllib.load(file)
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise StorageProviderError(f"the configuration {path!r} is not TOML: {error}") from error
        return self._configured(config, repr(path))

    def _configured(self, config: Mapping[str, Any], where: str) -> Any:
        arguments = {
            str(name): self._argument(name, value, f"{where}, {name}") for name, value in config.items()
        }
        name, url = arguments.pop("storage", None), arguments.pop("url", None)
        if isinstance(url, str) and name is None:
            return self._opened(url, arguments)
        if not isinstance(name, str) or url is not None:
            raise StorageProviderError(
                f"{where} must say either storage = a name, or url = a URL{near('', self.names())}"
            )
        factory = self._factory(name if name in self.names() else f"storage.{name}", asked=name)
        if "inner" in arguments:
            inner = _inner_argument(factory)
            if inner != "inner" and inner in arguments:
                raise StorageProviderError(f"{where} must say either inner or {inner}, which are the same")
            arguments[inner] = arguments.pop("inner")
        return made(factory, where, (), arguments)

    def _argument(self, name: str, value: Any, where: str) -> Any:
        if isinstance(value, Storage):  # which is a mapping, too
            return value
        if isinstance(value, Mapping) and (name in _ONE or "storage" in value or "url" in value):
            return self._configured(value, where)
        if name in _ONE and isinstance(value, (str, os.PathLike)):
            return self.open(value)
        if name in _SEVERAL and isinstance(value, Mapping):
            return {key: self._argument("inner", inner, f"{where}.{key}") for key, inner in value.items()}
        if name in _SEVERAL and isinstance(value, (list, tuple)):
            return [self._argument("inner", inner, f"{where}[{at}]") for at, inner in enumerate(value)]
        return value

    def _factory(self, name: str, asked: str | None = None) -> Factory:
        if not isinstance(name, str):
            raise TypeError(f"a storage is named by a str, not {type(name).__name__}")
        if name in self._registered:
            return self._registered[name]
        if name in _BUILTIN:
            return cast(Factory, loaded(_BUILTIN[name]))
        plug_in = _plug_ins().get(name)
        if plug_in is None:
            wrong = name if asked is None else asked
            raise StorageProviderError(f"no storage is named {wrong!r}{near(wrong, self.names())}")
        try:
            return cast(Factory, plug_in.load())
        except (ImportError, AttributeError) as error:
            kind = MissingDependencyError if isinstance(error, ModuleNotFoundError) else StorageProviderError
            raise kind(
                f"the storage {name!r} cannot be loaded from {plug_in.value!r}, where an installed package "
                f"says it is: {error}"
            ) from error


def open_storage(url: str | os.PathLike[str], **overrides: Any) -> Storage[Any, Any]:
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
    """Give the name of the argument that takes the inner storage: ``inner``, or else the first one."""
    try:
        parameters = inspect.signature(factory).parameters
    except ValueError:  # some builtins do not tell what they take
        return "inner"
    if "inner" in parameters:
        return "inner"
    for name, parameter in parameters.items():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            return name
    raise StorageProviderError(f"{factory!r} takes no inner storage")
