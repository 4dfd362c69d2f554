"""URLs that name a storage, and the table from scheme to class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

from pystorage.errors import StorageProviderError, near

#: Scheme → the class that opens it, as ``"module:Class"`` so that nothing is imported before it is used,
#: or the class itself for one registered at run time by ``class MyStorage(Storage, prefix="my")``.
SCHEMES: dict[str, str | type] = {
    "memory": "pystorage.stores.memory:MemoryStorage",
    "mem": "pystorage.stores.memory:MemoryStorage",
    "lru": "pystorage.stores.memory:LRUStorage",
    "cache": "pystorage.stores.memory:CacheStorage",
    "file": "pystorage.stores.file:FileStorage",
    "disklru": "pystorage.stores.disklru:DiskLRUStorage",
    "sqlite": "pystorage.stores.sqlite:SQLiteStorage",
    "diskcache": "pystorage.stores.diskcache:DiskCacheStorage",
    "lmdb": "pystorage.stores.lmdb:LMDBStorage",
    "redis": "pystorage.stores.redis:RedisStorage",
    "rediss": "pystorage.stores.redis:RedisStorage",
    "redis+sentinel": "pystorage.stores.redis:RedisStorage",
    "rediss+sentinel": "pystorage.stores.redis:RedisStorage",
    "redis+cluster": "pystorage.stores.redis:RedisStorage",
    "rediss+cluster": "pystorage.stores.redis:RedisStorage",
    "unix": "pystorage.stores.redis:RedisStorage",
    "s3": "pystorage.stores.s3:S3Storage",
    "fsspec": "pystorage.stores.filesystem:FilesystemStorage",
}

# At least two characters: C:\cache is a path.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_REST: Final = re.compile(r"[?#]")


class StorageURL(NamedTuple):
    """The parts of a URL that names a storage: ``scheme://host/path?option=value``.

    Args:
        scheme: In lower case.
        host: With user and port, as written; empty where there is none.
        path: With percent escapes resolved; bytes that are not UTF-8 as ``os.fsdecode`` gives them.
        options: The query, escapes resolved; ``+`` stays a plus (``codec=pickle+gzip``).
        text: The URL as it was given.

    Raises:
        Nothing.

    Example:
        >>> url = StorageURL.parse("file:///var/cache/my%20app?codec=pickle+gzip")
        >>> url.path, url.options
        ('/var/cache/my app', {'codec': 'pickle+gzip'})
    """

    scheme: str
    host: str
    path: str
    options: Mapping[str, str]
    text: str

    @classmethod
    def parse(cls, text: str) -> StorageURL:
        """Split a URL into its parts.

        Args:
            text: The URL.

        Returns:
            Its parts.

        Raises:
            StorageProviderError: It has no scheme, a fragment, a control character, or an option that is
                given twice, without a value or not in UTF-8.
        """
        from urllib.parse import unquote, urlsplit

        if scheme_of(text) is None:
            raise StorageProviderError(f"the URL {without_secrets(text)!r} has no scheme, such as 'file:'")
        if _CONTROL.search(text):
            raise StorageProviderError(
                f"the URL {without_secrets(text)!r} holds a control character; write a newline as '%0A'"
            )
        try:
            parts = urlsplit(text)
        except ValueError:
            # The error would show the host, and with it a password.
            raise StorageProviderError(f"the host of {without_secrets(text)!r} cannot be read") from None
        path = unquote(parts.path, errors="surrogateescape")
        if "#" in text or "\0" in path:
            fault = "a fragment; write a '#' as '%23'" if "#" in text else "a NUL character"
            raise StorageProviderError(f"the URL {without_secrets(text)!r} has {fault}")
        options: dict[str, str] = {}
        for piece in filter(None, parts.query.split("&")):
            name, equals, value = piece.partition("=")
            try:
                name, value = unquote(name, errors="strict"), unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise StorageProviderError(
                    f"an option of {without_secrets(text)!r} is not percent-encoded UTF-8"
                ) from None
            if not equals or name in options:
                fault = "is given twice" if name in options else "has no value"
                raise StorageProviderError(f"{_option(name, text)} of {without_secrets(text)!r} {fault}")
            options[name] = value
        return cls(parts.scheme.lower(), parts.netloc, path, options, text)

    def converted(self, converters: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
        """Give the options as Python values.

        Args:
            converters: For each option that is known, the function that makes its value from text.

        Returns:
            Option → value.

        Raises:
            StorageProviderError: An option is unknown, or its text cannot be converted.
        """
        values: dict[str, object] = {}
        for name, text in self.options.items():
            if name not in converters:
                raise StorageProviderError(
                    f"{self.scheme}: URLs do not have {_option(name, self.text)}{near(name, converters)}"
                )
            try:
                values[name] = converters[name](text)
            except ValueError as error:
                raise StorageProviderError(
                    f"the option {name!r} of a {self.scheme}: URL cannot be {text!r}: {error}"
                ) from error
        return values

    def __repr__(self) -> str:
        return f"StorageURL({without_secrets(self.text)!r})"


def _option(name: str, text: str) -> str:
    # With an "@" after it, the "?" may stand in a password, and what follows it be no option.
    return "an option there" if "@" in text.partition("?")[2] else f"the option {name!r}"


def scheme_of(text: str) -> str | None:
    """Give the scheme that a text begins with, whether it is known or not.

    Args:
        text: A URL or a path.

    Returns:
        The scheme in lower case; None where the text is a path, such as ``C:\\cache``.

    Raises:
        Nothing.

    Example:
        >>> scheme_of("LRU:?maxsize=5"), scheme_of("a/b:c")
        ('lru', None)
    """
    scheme = _SCHEME.match(text)
    return scheme[1].lower() if scheme else None


def scheme_class(scheme: str) -> Any:
    """Give the class that opens URLs of a scheme, importing it.

    Args:
        scheme: A scheme of the table.

    Returns:
        The class.

    Raises:
        KeyError: The scheme is unknown.
        MissingDependencyError: The class needs a package that is not installed.
    """
    return loaded(SCHEMES[scheme])


def loaded(place: Any) -> Any:
    """Give what a text ``"module:name"`` stands for, importing it.

    Args:
        place: The text; anything else is given back as it is.

    Returns:
        What it stands for.

    Raises:
        MissingDependencyError: The module needs a package that is not installed.

    Example:
        >>> loaded("pystorage.stores.memory:MemoryStorage")
        <class 'pystorage.stores.memory.MemoryStorage'>
    """
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def made(factory: Callable[..., Any], what: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call what makes a storage, once it is seen that it takes these arguments.

    Args:
        factory: A class or function.
        what: Where the arguments come from, for the message.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Returns:
        What it makes.

    Raises:
        StorageProviderError: It takes other arguments.
        Exception: What it raises itself.
    """
    from inspect import signature  # which takes as long to import as all else here

    try:
        signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(factory, "__qualname__", type(factory).__qualname__)
        raise StorageProviderError(f"{what} does not fit {name}: {error}") from error
    except ValueError:
        pass  # some builtins do not tell what they take
    return factory(*args, **kwargs)


def without_secrets(text: str) -> str:
    """Give a URL without what may be secret: user, password and all that follows a question mark.

    Args:
        text: A URL, or what was meant as one.

    Returns:
        The same, fit for a message.

    Raises:
        Nothing.

    Example:
        >>> without_secrets("redis://:hunter2@localhost:6379/0?password=x")
        'redis://…@localhost:6379/0?…'
    """
    scheme = _SCHEME.match(text)
    start = "" if scheme is None else scheme[0]
    rest = text.removeprefix(start)
    if rest.startswith("//"):
        start, rest = f"{start}//", rest[2:]
    mark = _REST.search(rest)
    place = rest[: mark.start()] if mark else rest
    if "@" in rest[len(place) :]:  # then the mark may stand in a password
        return f"{start}…"
    if "@" in place:
        place = "…@" + place.rpartition("@")[2]
    return start + place + (f"{mark[0]}…" if mark else "")


def flag(text: str) -> bool:
    """Read a yes or no of a URL.

    Args:
        text: One of 1, true, yes, on, 0, false, no, off, in any case.

    Returns:
        What it says.

    Raises:
        ValueError: It is none of these.
    """
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return known[text.lower()]
    except KeyError:
        raise ValueError("write true or false") from None


def octal(text: str) -> int:
    """Read a file mode of a URL.

    Args:
        text: Octal digits, such as 0640.

    Returns:
        The mode.

    Raises:
        ValueError: They are not octal digits.
    """
    return int(text, 8)
