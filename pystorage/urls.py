"""URLs that name a storage, and the table from scheme to class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit

from pystorage.errors import StorageProviderError, near

#: Scheme → the class that opens it, as ``"module:Class"`` so that nothing is imported before it is used,
#: or the class itself for one registered at run time by ``class MyStorage(Storage, prefix="my")``.
SCHEMES: dict[str, str | type] = {
    "memory": "pystorage.stores.memory:MemoryStorage",
    "mem": "pystorage.stores.memory:MemoryStorage",
    "lru": "pystorage.stores.memory:LRUStorage",
    "file": "pystorage.stores.file:FileStorage",
}


@dataclass(frozen=True)
class StorageURL:
    """The parts of a URL that names a storage: ``scheme://host/path?option=value``.

    Args:
        scheme: In lower case.
        host: With user and port, as written; empty where there is none.
        path: With percent escapes resolved.
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
    text: str = field(repr=False)  # may hold a password

    @classmethod
    def parse(cls, text: str) -> StorageURL:
        """Split a URL into its parts.

        Args:
            text: The URL.

        Returns:
            Its parts.

        Raises:
            StorageProviderError: It has no scheme, a fragment, or an option that is given twice or
                without a value.
        """
        try:
            parts = urlsplit(text)
        except ValueError as error:
            raise StorageProviderError(f"this is not a URL that can be opened: {error}") from error
        if not parts.scheme:
            raise StorageProviderError(f"the URL {without_secrets(text)!r} has no scheme, such as 'file:'")
        if parts.fragment:
            raise StorageProviderError(
                f"the URL {without_secrets(text)!r} has a fragment; write a '#' of the path as '%23'"
            )
        options: dict[str, str] = {}
        for piece in filter(None, parts.query.split("&")):
            name, equals, value = piece.partition("=")
            name = unquote(name)
            if not equals or name in options:
                fault = "is given twice" if name in options else "has no value"
                raise StorageProviderError(f"the option {name!r} of {without_secrets(text)!r} {fault}")
            options[name] = unquote(value)
        return cls(parts.scheme.lower(), parts.netloc, unquote(parts.path), options, text)

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
                    f"{self.scheme}: URLs have no option {name!r}{near(name, converters)}"
                )
            try:
                values[name] = converters[name](text)
            except ValueError as error:
                raise StorageProviderError(
                    f"the option {name!r} of a {self.scheme}: URL cannot be {text!r}: {error}"
                ) from error
        return values


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


def without_secrets(text: str) -> str:
    """Give a URL without what may be secret: user, password and the values of its options.

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
    head, question, _ = text.partition("?")
    scheme, slashes, rest = head.partition("//")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = "…@" + authority.rpartition("@")[2]
    return scheme + slashes + authority + slash + path + (question and "?…")


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
