"""Commands of Redis as the bytes that are sent, scripts, and what replies mean: no connection here.

Redis serialization protocol: an array of texts with their lengths (``*2 $3 GET $1 k``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from typing import Final, cast

#: What is sent for one command, in one piece or several.
Packed = tuple[bytes, ...]

#: Keys that one command or pipeline takes; more are sent in several.
BATCH: Final = 1000
#: Bytes of values that one pipeline takes, unless one value is larger.
BATCH_BYTES: Final = 4 << 20
#: The largest value that Redis takes.
LARGEST_VALUE: Final = 512 << 20
#: The integers that Redis counts with.
INTEGERS: Final = range(-(2**63), 2**63)

# A value that is larger is sent by itself, not copied behind its command.
_COPIED: Final = 1 << 16
# Beyond all times that Redis can keep.
_FOREVER_MS: Final = 1 << 52


def packed(*parts: bytes) -> Packed:
    """Give what is sent for a command.

    Args:
        parts: Its name and arguments.

    Returns:
        The bytes.

    Raises:
        Nothing.

    Example:
        >>> packed(b"GET", b"key")
        (b'*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n',)
    """
    return (b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]),)


def get(place: bytes) -> Packed:
    """Read a value.

    Args:
        place: Its key.

    Returns:
        What is sent; the reply is the bytes, or None.

    Raises:
        Nothing.
    """
    return (b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(place), place),)


def get_many(places: Sequence[bytes | str]) -> Packed:
    """Read values.

    Args:
        places: Their keys, of one slot in a cluster; texts stand for their UTF-8.

    Returns:
        What is sent; the reply lists the bytes, or None, of each.

    Raises:
        Nothing.
    """
    return _packed_many("MGET", *places)


def _packed_many(*parts: bytes | str) -> Packed:
    """Do as ``packed``, faster for many parts where the parser of replies can do that too."""
    try:
        from hiredis import pack_command
    except ImportError:
        return packed(*(part.encode() if isinstance(part, str) else part for part in parts))
    return (cast("Callable[[object], bytes]", pack_command)(parts),)


def write(place: bytes, data: bytes, milliseconds: int | None, condition: bytes = b"") -> Packed:
    """Write a value.

    Args:
        place: Its key.
        data: The bytes.
        milliseconds: How long it lives; None is for ever.
        condition: ``b"NX"``: only if there is none.

    Returns:
        What is sent; the reply is None where the condition did not hold.

    Raises:
        Nothing.
    """
    options = [condition] if condition else []
    if milliseconds is not None:
        options += [b"PX", b"%d" % milliseconds]
    tail = b"".join([b"$%d\r\n%b\r\n" % (len(option), option) for option in options])
    head = b"*%d\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (3 + len(options), len(place), place, len(data))
    if len(data) > _COPIED:
        return head, data, b"\r\n" + tail
    return (b"%b%b\r\n%b" % (head, data, tail),)


def joined(commands: Iterable[Packed]) -> Packed:
    """Put commands together into few pieces.

    Args:
        commands: What is sent for each.

    Returns:
        What is sent for all; large values still stand by themselves.

    Raises:
        Nothing.
    """
    pieces: list[bytes] = []
    small: list[bytes] = []
    for command in commands:
        for part in command:
            if len(part) > _COPIED:
                pieces += [b"".join(small), part]
                small = []
            else:
                small.append(part)
    return (*pieces, b"".join(small))


def milliseconds(ttl: float) -> int:
    """Give the time to live that Redis is told.

    Redis keeps an entry through the millisecond in which it ends; here it is gone at its deadline, so one
    millisecond less is told, and added when it is read.

    Args:
        ttl: Seconds, > 0.

    Returns:
        Milliseconds, ≥ 1.

    Raises:
        Nothing.

    Example:
        >>> milliseconds(10), milliseconds(0.0001)
        (9999, 1)
    """
    whole = -(-round(ttl * 1_000_000) // 1000)
    return min(max(whole - 1, 1), _FOREVER_MS)


def seconds(reply: int) -> float | None:
    """Read the reply to PTTL.

    Args:
        reply: Milliseconds ≥ 0, or -1.

    Returns:
        Seconds; None is for ever.

    Raises:
        Nothing.

    Example:
        >>> seconds(milliseconds(10)), seconds(-1)
        (10.0, None)
    """
    return None if reply < 0 else (reply + 1) / 1000


@dataclass(frozen=True)
class Script:
    """A script in Lua on one key, which Redis runs with nobody coming between.

    Args:
        text: The script.

    Raises:
        Nothing.
    """

    text: str

    @cached_property
    def digest(self) -> bytes:
        """By what Redis knows a script that it ran before.

        Raises:
            Nothing.
        """
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest().encode()

    def known(self, place: bytes, *arguments: bytes) -> Packed:
        """Run it where Redis ran it before.

        Args:
            place: The key.
            arguments: For the script.

        Returns:
            What is sent; the reply may be the error NOSCRIPT.

        Raises:
            Nothing.
        """
        return packed(b"EVALSHA", self.digest, b"1", place, *arguments)

    def whole(self, place: bytes, *arguments: bytes) -> Packed:
        """Run it, sending its text.

        Args:
            place: The key.
            arguments: For the script.

        Returns:
            What is sent.

        Raises:
            Nothing.
        """
        return packed(b"EVAL", self.text.encode(), b"1", place, *arguments)


#: Replace a value if it is the expected one. Arguments: the expected and the new bytes; milliseconds, ``""``
#: for ever, ``"keep"``. Gives 1 when it did, else what is there.
SWAP: Final = Script(
    """local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then return found end
if ARGV[3] == 'keep' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
elseif ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1"""
)

#: Add to an integer that lives for so many milliseconds if it is new. The sum comes back as text, as Lua's
#: numbers hold 53 bits only.
COUNT: Final = Script(
    """local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if new then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])"""
)

#: Let an entry live for ever; gives whether it is there.
KEEP: Final = Script(
    """redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])"""
)

#: Take a lock for an owner and so many milliseconds; gives 1 if it is theirs, also when it was before, so
#: that who lost the reply may ask again.
TAKE: Final = Script(
    """if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0"""
)

#: Hold a lock for so many milliseconds from now if it is still the owner's.
EXTEND: Final = Script(
    """if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0"""
)

#: Free a lock if it is still the owner's.
RELEASE: Final = Script(
    """if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0"""
)
