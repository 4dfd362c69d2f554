"""What errors of a Redis client mean to the caller of a storage, and what to do about them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pystorage.errors import DecodeError, StorageError, UnavailableError


class RedisFailure(OSError):
    """A command failed; the client's own error is its cause.

    Args:
        error: The client's error.
        doubtful: Whether the command may have been done all the same.

    Raises:
        Nothing.
    """

    def __init__(self, error: BaseException, *, doubtful: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.doubtful = doubtful
        self.errno = _errno(error)


class Meaning(NamedTuple):
    """What a failure is to the caller.

    Args:
        kind: The error to raise.
        why: Why it failed.
        todo: What to do about it.

    Raises:
        Nothing.
    """

    kind: type[StorageError]
    why: str
    todo: str


# First word of a refusal → the class that the client has for it.
_CLASS_OF: Final[dict[str, str]] = {
    "NOAUTH": "AuthenticationError",
    "WRONGPASS": "AuthenticationError",
    "NOPERM": "NoPermissionError",
    "OOM": "OutOfMemoryError",
    "READONLY": "ReadOnlyError",
    "CLUSTERDOWN": "ClusterDownError",
    "TRYAGAIN": "TryAgainError",
}

# Class of the client's error, or the first word of a refusal that has none → what to do. Names, as there is
# more than one client package with these classes. The first that fits counts.
_TODO: Final[dict[str, str]] = {
    "AuthenticationError": "give the right user and password",
    "AuthorizationError": "give the user and password of one who may do this",
    "NoPermissionError": (
        "the server's access list does not let this user do it: choose another user, or another prefix"
    ),
    "OutOfMemoryError": (
        "its memory is full (maxmemory) and it may not evict: make room, give entries a ttl, or let it evict "
        "(maxmemory-policy)"
    ),
    "ReadOnlyError": (
        "this is a replica, which takes no writes: connect to the primary, or by Sentinel, which finds it"
    ),
    "BusyLoadingError": "it is still loading its data: try again soon",
    "MISCONF": "it cannot save to its disk and refuses writes: look at its log",
    "BUSY": "a script runs there for long: try again, or SCRIPT KILL",
    "MasterNotFoundError": "no Sentinel knows the primary: look whether they run, and at the service's name",
    "MaxConnectionsError": "allow more connections (max_connections)",
    "ClusterDownError": "part of the cluster is down: try again when its nodes are back",
    "SlotNotCoveredError": "part of the cluster is down: try again when its nodes are back",
    "RedisClusterException": "no node of the cluster could be asked: look whether they run",
    "TryAgainError": "the cluster moves these keys just now: try again",
    "TimeoutError": "try again, or allow it more time (socket_timeout)",
    "ConnectionError": "look whether the server runs and can be reached, and try again",
}
_NOT_DONE: Final = (
    *("BusyLoadingError", "LOADING", "AuthenticationError", "AuthorizationError", "MaxConnectionsError"),
)
_OTHER_TYPE: Final = "another program keeps something else than a value there: choose another prefix"
_DOUBTFUL: Final = "whether it was done all the same is not known"


def meaning(failure: RedisFailure) -> Meaning:
    """Say what a failure is to the caller.

    Args:
        failure: What a connection raised.

    Returns:
        The error to raise, why, and what to do.

    Raises:
        Nothing.
    """
    error = failure.error
    why = str(error) or type(error).__name__
    word = why.partition(" ")[0]
    if word == "WRONGTYPE":
        return Meaning(DecodeError, why, _OTHER_TYPE)
    names = [_CLASS_OF.get(word, word), *(kind.__name__ for kind in type(error).__mro__)]
    todo = next((_TODO[name] for name in names if name in _TODO), "")
    if failure.doubtful:
        why = f"{why.removesuffix('.')}; {_DOUBTFUL}"
    return Meaning(UnavailableError, why, todo)


def refused(error: BaseException, *words: str) -> bool:
    """Tell whether the server refused a command with one of these words.

    Args:
        error: The client's error.
        words: First words of refusals, as ``"MOVED"``, or names of the client's classes.

    Returns:
        Whether it did.

    Raises:
        Nothing.
    """
    # Some clients keep the word in the class alone.
    return str(error).partition(" ")[0] in words or any(
        kind.__name__ in words for kind in type(error).__mro__
    )


def was_not_done(error: BaseException) -> bool:
    """Tell whether a command was surely not done, although the connection is lost.

    Args:
        error: The client's error.

    Returns:
        Whether the server had refused it.

    Raises:
        Nothing.
    """
    # redis-py takes these refusals for a lost connection, the last one that of a primary behind Sentinel.
    return refused(error, *_NOT_DONE) or "master is now a slave" in str(error)


def is_no_integer(error: BaseException) -> bool:
    """Tell whether a value could not be counted with because it is no integer, or too large.

    Args:
        error: The client's error.

    Returns:
        Whether it was that.

    Raises:
        Nothing.
    """
    text = str(error)
    return "not an integer" in text or "would overflow" in text


def _errno(error: Any) -> int | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None
