"""What is asked of which node, and what its replies mean: decided without asking, for threads and tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pystorage.stores._rediscommands import BATCH, Packed, get_many, packed
from pystorage.stores._rediserrors import RedisFailure, refused
from pystorage.stores._redislinks import Errors

#: What is sent for several commands: for each a key, which says where it goes, and the bytes.
Asked = Sequence[tuple[bytes | str, Packed]]

# A key may move again while it is followed; the cluster may need a moment to agree on who has it.
_ATTEMPTS: Final = 12
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2

_MOVED: Final = ("MOVED", "MovedError")
_ASK: Final = ("ASK", "AskError")
_LATER: Final = (
    "TRYAGAIN",
    "TryAgainError",
    "CLUSTERDOWN",
    "ClusterDownError",
    "MASTERDOWN",
    "MasterDownError",
)


class Route:
    """The way to the node of a cluster that has a key, after the first one did not do what it was asked.

    Args:
        errors: The errors of the client's package.
        again: Whether the command may be sent again when a connection was lost before its reply came.

    Raises:
        Nothing.
    """

    def __init__(self, errors: Errors, again: bool) -> None:
        self._errors = errors
        self._again = again
        self._failures = 0
        self._pause = _FIRST_PAUSE
        #: Host and port of the node to ask next, where it was named for this once.
        self.target: tuple[str, int] | None = None

    def after(self, failure: RedisFailure) -> tuple[float, bool]:
        """Say what to do before asking again.

        Args:
            failure: What came of asking.

        Returns:
            Seconds to wait, and whether the nodes are to be asked anew which slots they have.

        Raises:
            RedisFailure: The same, where asking again is of no use.
        """
        error: Any = failure.error
        self._failures += 1
        self.target = None
        if self._failures < _ATTEMPTS:
            if refused(error, *_MOVED):
                return 0, True
            if refused(error, *_ASK):
                self.target = (error.host, error.port)
                return 0, False
            if refused(error, *_LATER):
                # The nodes are agreeing; nothing here could say when they have.
                pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
                return pause, True
            if isinstance(error, self._errors.unanswered) and self._again and self._failures == 1:
                return 0, True  # once: another may have taken its place
        raise failure


def granted(replies: list[Any], errors: Errors) -> list[Any]:
    """See that nothing was refused.

    Args:
        replies: What came back.
        errors: The errors of the client's package.

    Returns:
        The replies.

    Raises:
        RedisFailure: One is a refusal.
    """
    for reply in replies:
        if isinstance(reply, errors.refusal):
            raise RedisFailure(reply) from reply
    return replies


def is_elsewhere(reply: Any, errors: Errors) -> bool:
    """Tell whether a command was not done, as the node has not its key, or not yet.

    Args:
        reply: What came back.
        errors: The errors of the client's package.

    Returns:
        Whether it is to be asked elsewhere.

    Raises:
        RedisFailure: It was refused for another reason.
    """
    if not isinstance(reply, errors.refusal):
        return False
    if not refused(reply, *_MOVED, *_ASK, *_LATER):
        raise RedisFailure(reply) from reply
    return True


# ---------------------------------------------------------------------- many keys


def batches(asked: Asked) -> Iterator[Asked]:
    """Give commands in numbers that are sent together.

    Args:
        asked: The commands.

    Returns:
        Some of them at a time.

    Raises:
        Nothing.
    """
    return (asked[start : start + BATCH] for start in range(0, len(asked), BATCH))


def reads(places: Sequence[bytes | str], groups: Sequence[Sequence[int]]) -> Asked:
    """Give the commands that read values.

    Args:
        places: Their keys.
        groups: Positions of keys that one command can take.

    Returns:
        A command for each group.

    Raises:
        Nothing.
    """
    return [(places[group[0]], get_many([places[number] for number in group])) for group in groups]


def removals(places: Sequence[bytes], groups: Sequence[Sequence[int]]) -> Asked:
    """Give the commands that remove keys.

    Args:
        places: The keys.
        groups: Positions of keys that one command can take.

    Returns:
        A command for each group.

    Raises:
        Nothing.
    """
    return [(places[group[0]], packed(b"UNLINK", *(places[number] for number in group))) for group in groups]


def spread(groups: Sequence[Sequence[int]], replies: Sequence[Any]) -> list[bytes | None]:
    """Give the values that were read group by group in the order of their keys.

    Args:
        groups: Positions of the keys of each group.
        replies: What was read of each.

    Returns:
        The bytes, or None, of each key.

    Raises:
        Nothing.

    Example:
        >>> spread([[0, 2], [1]], [[b"a", b"c"], [None]])
        [b'a', None, b'c']
    """
    found: list[bytes | None] = [None] * sum(map(len, groups))
    for group, reply in zip(groups, replies, strict=True):
        for number, data in zip(group, reply, strict=True):
            found[number] = data
    return found
