"""Byte storages at a path of this machine: what they were given, their locks, and what failures mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar, Final, Literal, NoReturn

from pystorage._arguments import check_timer, checked_lock_ttl, shown
from pystorage._sync import Lease, Leases
from pystorage._typevars import K, V
from pystorage.bytestorage import ByteStorage
from pystorage.errors import DecodeError, StorageProviderError, UnavailableError
from pystorage.naming import Naming
from pystorage.storage import ABSENT
from pystorage.stores._trust import Untrusted
from pystorage.urls import StorageURL

Durability = Literal["none", "process", "power"]

_DURABILITIES: Final = ("none", "process", "power")
# What ``repr`` tells besides path and codec → its usual value, which is left out.
_USUAL: Final[Mapping[str, object]] = {
    "suffix": ABSENT,
    "layout": "flat",
    "limit": None,
    "size_limit": None,
    "durability": "process",
    "trust": False,
    "timeout": 60.0,
}
_DISTRUST: Final = (
    "yours alone (chown, chmod go-w); or sign values (… | SignedCodec), or choose a codec that only reads "
    "data, such as JSON; trust=True runs whatever others write there"
)


class LocalStorage(ByteStorage[K, V]):
    """A byte storage at a path of this machine.

    A subclass keeps what it was given in ``_state``, by the names of its arguments, and locks in ``_leases``.

    Args:
        codec: How values become bytes.
        naming: How keys become names.
        timer: The clock of the deadlines, in seconds.

    Raises:
        Nothing.
    """

    #: Number of a failure → what to do about it.
    _todo: ClassVar[Mapping[int, str]] = {}
    #: What must be this user's alone where values can run code.
    _to_own: ClassVar[str] = "the file"

    _state: dict[str, Any]
    _leases: Leases

    def _check_arguments(self) -> None:
        state = self._state
        check_timer(state["timer"])
        if state["durability"] not in _DURABILITIES:
            raise ValueError(f"durability must be 'none', 'process' or 'power', not {state['durability']!r}")
        for name in ("limit", "size_limit"):
            check_limit(name, state.get(name))

    @property
    def path(self) -> str:
        """Where it lies, absolute.

        Raises:
            Nothing.
        """
        path: str = self._state["path"]
        return path

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        seconds = checked_lock_ttl(ttl, timeout)
        return self._leases.held(self._write_name(key)[0], seconds, timeout, repr(self))

    def _lock_failed(self) -> Callable[[str, OSError], NoReturn]:
        """Give what says that a lock could not be taken; it knows no storage, to keep none alive."""
        return partial(_lock_failed, repr(self), self._naming, self._todo)

    def _fail(self, tried: str, key: object, error: OSError) -> NoReturn:
        if isinstance(error, Untrusted):
            why = (
                f"{error.strerror}, so somebody else may have written it ({error.filename!r}), and a codec "
                "that can run code would do as it says"
            )
            todo = f"if you know who wrote it, make {self._to_own} {_DISTRUST}"
            raise self._error(DecodeError, tried, key, why, todo) from error
        super()._fail(tried, key, error)

    def _reason(self, error: OSError) -> tuple[str, str]:
        return _reason(error, self._todo)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self._state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._told())})"

    def _told(self) -> list[str]:
        """Give the arguments that ``repr`` tells."""
        state = self._state
        return [repr(state["path"]), f"codec={state['codec']!r}", *unusual(state, _USUAL)]


def unusual(state: Mapping[str, Any], usual: Mapping[str, object]) -> list[str]:
    """Give arguments as they are written in a call, without those that are as usual.

    Args:
        state: Their values, by name.
        usual: Names, some perhaps of no argument here → usual values.

    Returns:
        A text for each that is told.

    Raises:
        Nothing.

    Example:
        >>> unusual({"limit": 3, "trust": False}, {"limit": None, "trust": False})
        ['limit=3']
    """
    return [f"{name}={state[name]!r}" for name, value in usual.items() if state.get(name, value) != value]


def _reason(error: OSError, todo: Mapping[int, str]) -> tuple[str, str]:
    why = error.strerror or str(error)
    if error.filename is not None:
        why += f" ({error.filename!r})"
    return why, todo.get(error.errno or 0, "")


def _lock_failed(where: str, naming: Naming, known: Mapping[int, str], name: str, error: OSError) -> NoReturn:
    key = naming.key(name)
    why, todo = _reason(error, known)
    message = f"could not lock {shown(key)} in {where}: {why}{todo and '; '}{todo}"
    failure = UnavailableError(message, storage=where, key=key)
    failure.errno = error.errno
    raise failure from error


# ---------------------------------------------------------------------- arguments


def absolute(path: str | os.PathLike[str], instead: str = "write '.' for the current folder") -> str:
    """Give a path that stays the same wherever the process goes.

    Args:
        path: A path.
        instead: What to write instead of an empty one.

    Returns:
        The absolute path.

    Raises:
        TypeError: It is no path.
        ValueError: It is empty.
    """
    if not os.fspath(path):
        raise ValueError(f"path is empty; {instead}")
    return os.path.abspath(os.fsdecode(path))


def check_limit(name: str, limit: object) -> None:
    """Check how much a storage may hold.

    Args:
        name: What the caller calls it.
        limit: An integer ≥ 1, or None.

    Raises:
        TypeError: It is something else.
        ValueError: It is less.
    """
    if limit is None:
        return
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"{name} must be an int or None, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError(f"{name} must be at least 1, not {limit}; None is any number")


def folder_of(url: StorageURL) -> str:
    """Give the folder of this machine that a URL names.

    Args:
        url: The URL.

    Returns:
        Its path.

    Raises:
        StorageProviderError: It names none.
    """
    if url.host not in ("", "localhost") or not url.path:
        raise StorageProviderError(
            f"{url.scheme}: URLs name a folder on this machine, as in {url.scheme}:///var/cache/app or "
            f"{url.scheme}:cache"
        )
    return url.path
