"""The errors of pystorage: one tree, so that a caller can catch as widely as it likes.

::

    StorageError(Exception)
    ├── StorageProviderError(LookupError)       unknown or duplicate name, bad URL or configuration
    │   └── MissingDependencyError(ImportError)
    ├── InvalidKeyError(TypeError, ValueError)  the storage cannot hold such a key
    ├── ReadOnlyError                           this storage does not take writes
    ├── ClosedError                             the storage was closed
    ├── EncodeError(ValueError)                 nothing was written, the old value stands
    ├── DecodeError(ValueError)                 the stored bytes cannot be read
    │   └── IntegrityError                      signature, checksum or digest does not match
    ├── CapacityError(ValueError)               larger than the storage may hold
    ├── UnavailableError(OSError)               the place did not answer, refused us or is full
    ├── ConflictError                           somebody else wrote first
    ├── NotFoundError(KeyError)                 a missing revision, tag or blob
    └── UnsupportedOperation(NotImplementedError)

An absent key is no error of ours: it is the builtin ``KeyError`` with the caller's own key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


class StorageError(Exception):
    """Anything that went wrong in a storage, except that a key is absent.

    Args:
        message: What was tried, on which key, where, why it failed and what to do.
        storage: Where it happened: the storage's ``repr``, which shows place and settings and
            never contents or secrets. A text, so that the error can be pickled and keeps
            nothing alive.
        key: The caller's own key, or None when no single key is concerned.

    Raises:
        Nothing.

    Example:
        >>> error = StorageError("could not open the lid", storage="Box('/tmp/box')", key="lid")
        >>> error.key, str(error)
        ('lid', 'could not open the lid')
    """

    def __init__(self, message: str = "", *, storage: str | None = None, key: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.storage = storage
        self.key = key

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Callable[..., StorageError], tuple[Any, ...]]:
        # Exceptions pickle by their positional arguments; ours carry keyword ones, a subclass may take
        # others, and what OSError and ImportError keep is not in the dictionary.
        state = dict(vars(self))
        state.update((name, getattr(self, name)) for name in ("errno", "name") if hasattr(self, name))
        return _rebuild, (type(self), state)


def _rebuild(kind: type[StorageError], state: Mapping[str, Any]) -> StorageError:
    error = kind.__new__(kind)
    StorageError.__init__(error, state["message"])
    for name, value in state.items():
        setattr(error, name, value)
    return error


class StorageProviderError(StorageError, LookupError):
    """A storage cannot be made: its name, URL or configuration is unknown, taken or malformed.

    Raises:
        Nothing.
    """


class MissingDependencyError(StorageProviderError, ImportError):
    """A package that this feature needs is not installed; the message names the extra to install.

    Raises:
        Nothing.
    """


class InvalidKeyError(StorageError, TypeError, ValueError):
    """This storage cannot hold such a key; nothing was written.

    Raises:
        Nothing.
    """


class ReadOnlyError(StorageError):
    """This storage does not take writes.

    Raises:
        Nothing.
    """


class ClosedError(StorageError):
    """The storage was closed; open it again to use it.

    Raises:
        Nothing.
    """


class EncodeError(StorageError, ValueError):
    """The value cannot be turned into bytes: nothing was written, the old value stands.

    Raises:
        Nothing.
    """


class DecodeError(StorageError, ValueError):
    """The stored bytes cannot be read; they are left where they are.

    Raises:
        Nothing.
    """


class IntegrityError(DecodeError):
    """The stored bytes are not the ones that were written: signature, checksum or digest differ.

    Raises:
        Nothing.
    """


class CapacityError(StorageError, ValueError):
    """A value is larger than the storage may hold: refused, never dropped silently.

    Raises:
        Nothing.
    """


class UnavailableError(StorageError, OSError):
    """The place behind the storage did not answer, refused us or is full; the cause is chained.

    ``errno`` is that of the cause, where there is one.

    Raises:
        Nothing.
    """


class ConflictError(StorageError):
    """Somebody else wrote first, or took what was ours.

    Raises:
        Nothing.
    """


class NotFoundError(StorageError, KeyError):
    """A revision, a tag or a blob is missing.

    Raises:
        Nothing.
    """


class UnsupportedOperation(StorageError, NotImplementedError):
    """This storage cannot do that; ``capabilities`` says what it can.

    Raises:
        Nothing.
    """


def near(name: str, known: Iterable[str]) -> str:
    """Say which known names look like a mistyped one.

    Args:
        name: What was asked for.
        known: The names there are.

    Returns:
        The end of a sentence: ``"; did you mean …?"``, ``"; there are …"`` or ``"; there are none"``.

    Raises:
        Nothing.

    Example:
        >>> near("codek", ["codec", "path"])
        "; did you mean 'codec'?"
    """
    from difflib import get_close_matches  # which takes longer to import than all else here

    names = sorted(known)
    alike = get_close_matches(name, names, n=3)
    if alike:
        return f"; did you mean {' or '.join(map(repr, alike))}?"
    return f"; there are {', '.join(names)}" if names else "; there are none"
