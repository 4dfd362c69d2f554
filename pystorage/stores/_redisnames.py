"""Names in Redis: how keys, locks and the pattern of a listing stand behind a prefix.

A key of Redis is the prefix and then a name of ``[A-Za-z0-9._%-]``. No prefix ends in one of these, so a
key of one storage is never a key of another whose prefix is longer: ``app:`` and ``app:x:`` stay apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, cast

from pystorage.errors import InvalidKeyError
from pystorage.naming import OWN, Naming

#: The longest name, in characters; Redis takes keys of 512 MiB, prefix included.
LONGEST: Final = 1 << 28

_PLAIN = re.compile(r"[A-Za-z0-9._\-]+")
_PLAIN_TEXT_LINES = re.compile(r"[A-Za-z0-9._\-\n]*")
_PLAIN_LINES = re.compile(rb"[A-Za-z0-9._\-\n]*")
_END_OF_NAME = re.compile(r"[A-Za-z0-9._%\-]\Z")
_GLOB = re.compile(rb"[*?\[\]\\^\-]")
_LOCK: Final = f"{OWN}.lock.".encode()


class RedisNaming(Naming):
    """Names of any length; nothing that only file systems mind is escaped.

    Raises:
        Nothing.

    Example:
        >>> naming = RedisNaming()
        >>> naming.name("con."), naming.name("a:b")
        ('con.', 'a%3Ab')
    """

    def __init__(self) -> None:
        super().__init__(max_length=LONGEST, files=False)
        self.plain = _PLAIN.fullmatch

    def name(self, key: object) -> str:
        name = super().name(key)
        if len(name) > LONGEST:
            raise InvalidKeyError(f"a key is at most {LONGEST:,} characters long here, escapes included")
        return name

    def shortened(self, name: str) -> str:
        return name

    @staticmethod
    def is_shortened(name: str) -> bool:
        return False

    def all_plain(self, names: Sequence[str], ending: str = "") -> bool:
        return not ending and all(map(self.plain, names))

    def beginning(self, prefix: str) -> str | None:
        """Give what the names of all texts with a prefix begin with.

        Args:
            prefix: The beginning of a text.

        Returns:
            The beginning of the names; None where no text begins so.

        Raises:
            Nothing.

        Example:
            >>> RedisNaming().beginning("a/")
            'a%2F'
        """
        try:
            return self.name(prefix) if prefix else ""
        except InvalidKeyError:
            return None


def checked_prefix_bytes(prefix: object) -> bytes:
    """Give what all keys of a storage begin with.

    Args:
        prefix: A text. Where it ends in a character that names hold, a colon follows.

    Returns:
        Its UTF-8.

    Raises:
        TypeError: It is no text.
        ValueError: It holds half of a surrogate pair.

    Example:
        >>> checked_prefix_bytes("app"), checked_prefix_bytes("app/"), checked_prefix_bytes("")
        (b'app:', b'app/', b'')
    """
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, not {type(prefix).__name__}")
    try:
        head = prefix.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"prefix cannot be written as UTF-8: {error}") from error
    return head + b":" if _END_OF_NAME.search(prefix) else head


def pattern(head: bytes, beginning: str = "") -> bytes:
    """Give the pattern by which Redis finds the keys of a storage.

    Args:
        head: What all its keys begin with.
        beginning: What the names begin with.

    Returns:
        A glob pattern; what it would take for special is escaped.

    Raises:
        Nothing.

    Example:
        >>> pattern(b"a*[x]:", "b")
        b'a\\\\*\\\\[x\\\\]:b*'
    """
    return _GLOB.sub(rb"\\\g<0>", head + beginning.encode("ascii")) + b"*"


def lock_place(head: bytes, name: str) -> bytes:
    """Give the key of a lock, which is that of no entry.

    Args:
        head: What all keys of the storage begin with.
        name: The name of the lock's key.

    Returns:
        The key in Redis.

    Raises:
        Nothing.
    """
    return head + _LOCK + name.encode("ascii")


def all_plain_texts(keys: Sequence[object]) -> bool:
    """Tell whether keys are plain texts, so that each is its own name.

    Args:
        keys: Keys.

    Returns:
        Whether all are; False is always right.

    Raises:
        Nothing.

    Cost: about 60 ns a key.

    Example:
        >>> all_plain_texts(["a", "b"]), all_plain_texts(["a", "b/c"]), all_plain_texts(["a", 5])
        (True, False, False)
    """
    if set(map(type, keys)) != {str}:
        return False
    lines = "\n".join(cast("Sequence[str]", keys))
    return (
        _PLAIN_TEXT_LINES.fullmatch(lines) is not None
        and lines.count("\n") == len(keys) - 1
        and "" not in keys
        and len(lines) <= LONGEST
    )


def names_of(places: Iterable[bytes], head: bytes) -> tuple[list[str], bool]:
    """Take the prefix off keys that Redis listed.

    Args:
        places: Keys that begin with it.
        head: The prefix.

    Returns:
        The names, without those that are not ASCII, and whether all are plain: each its own key.

    Raises:
        Nothing.

    Cost: about 100 ns a name where all are plain.
    """
    size = len(head)
    rests = [place[size:] for place in places]
    lines = b"\n".join(rests)
    plain = (
        _PLAIN_LINES.fullmatch(lines) is not None
        and lines.count(b"\n") == max(len(rests) - 1, 0)
        and b"" not in rests
    )
    if plain:
        return (lines.decode("ascii").split("\n") if rests else []), True
    return [rest.decode("ascii") for rest in rests if rest.isascii()], False
