"""Envelopes: a result together with what says how fresh it is, in a form that every codec can hold.

An envelope is of the kind of its value, so that a codec which holds the one holds the other: a text begins
with a line that says the rest, bytes begin with the same line, and anything else is a list of that line and
the value. The line is ``pystorage.memo.1`` and a JSON object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

#: What the line begins with; a later form has another number, so that none is taken for the other.
MAGIC: Final = "pystorage.memo.1 "
_BYTES: Final = MAGIC.encode()

_as_text = json.JSONEncoder(separators=(",", ":")).encode
_as_object = json.JSONDecoder().decode


@dataclass(frozen=True, slots=True)
class Envelope:
    """A result, and what is known of it.

    Args:
        value: The result; None where there is an error.
        made: When it was computed, by the clock of the storage.
        until: Until when it is fresh, by that clock; None is for ever.
        cost: Seconds that the computation took.
        tags: Tag → its token when the computation began.
        error: The exception that was raised instead: its class by name, and its arguments.

    Raises:
        Nothing.
    """

    value: Any
    made: float = 0.0
    until: float | None = None
    cost: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    error: tuple[str, list[Any]] | None = None


def packed(envelope: Envelope) -> object:
    """Give what is stored.

    Args:
        envelope: The envelope.

    Returns:
        A text, bytes, or a list.

    Raises:
        Nothing.

    Example:
        >>> packed(Envelope("a", made=5.0, until=7.0))
        'pystorage.memo.1 {"made":5.0,"cost":0.0,"until":7.0}\\na'
        >>> packed(Envelope({"a": 1}))
        ['pystorage.memo.1 {"made":0.0,"cost":0.0}', {'a': 1}]
    """
    said: dict[str, object] = {"made": envelope.made, "cost": envelope.cost}
    if envelope.until is not None:
        said["until"] = envelope.until
    if envelope.tags:
        said["tags"] = envelope.tags
    if envelope.error is not None:
        said["error"] = envelope.error
    line, value = MAGIC + _as_text(said), envelope.value
    if type(value) is str:
        return f"{line}\n{value}"
    if type(value) is bytes:
        return line.encode() + b"\n" + value
    return [line, value]


def opened(stored: object) -> Envelope | None:
    """Open what was stored.

    Args:
        stored: What a storage gave.

    Returns:
        The envelope; None where it is none, or one of a later form.

    Raises:
        Nothing.

    Example:
        >>> opened(packed(Envelope(b"a", until=7.0))).value
        b'a'
        >>> opened(["a", "b"]) is None
        True
    """
    line: object
    value: object
    if isinstance(stored, str):
        line, _, value = stored.partition("\n")
    elif isinstance(stored, bytes):
        if not stored.startswith(_BYTES):
            return None
        head, _, value = stored.partition(b"\n")
        line = head.decode("utf-8", "replace")
    elif isinstance(stored, (list, tuple)) and len(stored) == 2:
        line, value = stored
    else:
        return None
    if not isinstance(line, str) or not line.startswith(MAGIC):
        return None
    try:
        said = _as_object(line[len(MAGIC) :])
        error = said.get("error")
        return Envelope(
            value,
            float(said["made"]),
            said.get("until"),
            float(said["cost"]),
            said.get("tags") or {},
            None if error is None else (error[0], error[1]),
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
