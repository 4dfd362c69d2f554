"""Options: what can be asked of a memoized function, checked when it is decorated."""

from __future__ import annotations

import copy as _copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from pystorage.memo.freshness import jittered
from pystorage.storage import checked_ttl

#: Seconds that a lease lasts which is not renewed.
LEASE: Final = 10.0

OnError = Literal["raise", "recompute", "stale"]
Copy = Literal["deep", "shallow"]
#: A ttl, or what gives one for a value.
TTL = float | Callable[[Any], float | None] | None

_COPIES: Final[dict[str, Callable[[Any], Any]]] = {"deep": _copy.deepcopy, "shallow": _copy.copy}


@dataclass(frozen=True, slots=True)
class Options:
    """How results live and how they are handed out, as ``checked`` makes it.

    Args:
        ttl: Seconds, a function of the value that gives seconds, or None.
        stale: Seconds after its life in which a result is given while it is computed anew.
        jitter: How much shorter a life may be, as a part of it.
        early: The factor of XFetch; 0 is never.
        ahead: Seconds before the end of a life in which it is computed anew.
        errors: Exception → seconds that it is kept; None is for ever.
        tags: Texts with the names of parameters in braces.
        lock: Whether processes wait for one another; None where the storage can make them.
        lock_ttl: Seconds that a lease lasts which is not renewed.
        lock_timeout: Seconds to wait for others at most.
        on_error: What is done when the storage cannot be reached.
        copy: How values are copied that are handed out.

    Raises:
        Nothing.
    """

    ttl: TTL = None
    stale: float | None = None
    jitter: float = 0.0
    early: float = 0.0
    ahead: float | None = None
    errors: Mapping[type[Exception], float | None] | None = None
    tags: tuple[str, ...] = ()
    lock: bool | None = None
    lock_ttl: float = LEASE
    lock_timeout: float | None = None
    on_error: OnError = "raise"
    copy: Copy | None = None

    def given(self) -> dict[str, object]:
        """Give the options by their names.

        Returns:
            All of them, in a new dict.

        Raises:
            Nothing.
        """
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def needs_deadlines(self) -> bool:
        """Whether entries must end by themselves.

        Returns:
            True where a ttl may be given.

        Raises:
            Nothing.
        """
        return self.ttl is not None or bool(self.errors)

    @property
    def needs_envelopes(self) -> bool:
        """Whether more is to be kept than the bare value.

        Returns:
            True where an option says when a result is still good.

        Raises:
            Nothing.
        """
        return bool(self.stale or self.early or self.ahead or self.errors or self.tags)

    @property
    def copier(self) -> Callable[[Any], Any] | None:
        """What copies a value that is handed out.

        Returns:
            A function, or None where nothing is copied.

        Raises:
            Nothing.
        """
        return None if self.copy is None else _COPIES[self.copy]

    def life(self, value: object, name: str) -> float | None:
        """Give the life of a value.

        Args:
            value: The result.
            name: The function, for messages.

        Returns:
            Seconds, > 0; None is for ever.

        Raises:
            TypeError: The function that was given as ``ttl`` gave no number.
            ValueError: It gave a number that is not more than 0.
        """
        ttl = self.ttl
        if callable(ttl):
            ttl = checked_ttl(ttl(value), name=f"what ttl= of {name}() gave")
        return jittered(ttl, self.jitter)


def checked(
    *,
    ttl: Any = None,
    stale: Any = None,
    jitter: Any = 0.0,
    early: Any = 0.0,
    ahead: Any = None,
    errors: Any = None,
    tags: Any = (),
    lock: Any = None,
    lock_ttl: Any = LEASE,
    lock_timeout: Any = None,
    on_error: Any = "raise",
    copy: Any = None,
) -> Options:
    """Check options, whatever is decorated.

    Args:
        ttl: As for ``memoize``.
        stale: As for ``memoize``.
        jitter: As for ``memoize``.
        early: As for ``memoize``.
        ahead: As for ``memoize``.
        errors: As for ``memoize``.
        tags: As for ``memoize``.
        lock: As for ``memoize``.
        lock_ttl: As for ``memoize``.
        lock_timeout: As for ``memoize``.
        on_error: As for ``memoize``.
        copy: As for ``memoize``.

    Returns:
        The options.

    Raises:
        TypeError: One is of a wrong type.
        ValueError: One is out of its range, or needs another one that is not given.
    """
    if callable(ttl):
        if isinstance(ttl, type) or inspect.iscoroutinefunction(ttl):
            raise TypeError(f"ttl is seconds, or a plain function of the value that gives them, not {ttl!r}")
        seconds: TTL = ttl
    else:
        seconds = checked_ttl(ttl)
    options = Options(
        ttl=seconds,
        stale=_seconds(stale, "stale"),
        jitter=_part(jitter),
        early=_factor(early),
        ahead=_seconds(ahead, "ahead"),
        errors=_errors(errors),
        tags=_tags(tags),
        lock=_lock(lock),
        lock_ttl=_seconds(lock_ttl, "lock_ttl") or LEASE,
        lock_timeout=_seconds(lock_timeout, "lock_timeout"),
        on_error=_one_of(on_error, "on_error", ("raise", "recompute", "stale")),
        copy=None if copy is None else _one_of(copy, "copy", tuple(_COPIES)),
    )
    for name in ("stale", "ahead", "early", "jitter") if ttl is None else ():
        if getattr(options, name):
            raise ValueError(f"{name}= is about the end of a life: give ttl=, too")
    return options


def at_least_one(value: Any, name: str) -> int:
    """Check a count.

    Args:
        value: What was given.
        name: The argument, for messages.

    Returns:
        The count.

    Raises:
        TypeError: It is no int.
        ValueError: It is less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return value


def each_call(calls: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Give the arguments of calls.

    Args:
        calls: The arguments of each call by position, in a tuple.

    Returns:
        The tuples.

    Raises:
        TypeError: One is none, as a text that was meant to be the only argument.
    """
    for call in calls:
        if not isinstance(call, (tuple, list)):
            raise TypeError(
                "prefetch() takes the arguments of each call in a tuple, as in [(1,), (2,)], "
                f"and found one {type(call).__qualname__}"
            )
        yield tuple(call)


def _seconds(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        seconds = checked_ttl(value, name=name)
    except ValueError:  # which says what None is for a ttl
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}") from None
    if seconds is None:
        raise ValueError(f"{name} is a finite number of seconds, not {value!r}")
    return seconds


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    return float(value)


def _part(jitter: Any) -> float:
    number = _number(jitter, "jitter")
    if not 0 <= number < 1:
        raise ValueError(f"jitter must be at least 0 and less than 1, not {jitter!r}")
    return number


def _factor(early: Any) -> float:
    number = _number(early, "early")
    if not 0 <= number < float("inf"):
        raise ValueError(f"early must be at least 0, and 1 is usual, not {early!r}")
    return number


def _errors(errors: Any) -> Mapping[type[Exception], float | None] | None:
    if errors is None:
        return None
    if not isinstance(errors, Mapping):
        raise TypeError("errors= says which exceptions are kept and for how long, as {LookupError: 5.0}")
    for kind in errors:
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise TypeError(f"errors= names exceptions, and {kind!r} is none")
    return {kind: checked_ttl(ttl, name=f"errors[{kind.__name__}]") for kind, ttl in errors.items()}


def _tags(tags: Any) -> tuple[str, ...]:
    found: Iterable[Any] = (tags,) if isinstance(tags, str) else tags
    try:
        texts = tuple(found)
    except TypeError:
        raise TypeError(f"tags= is texts such as 'user:{{user_id}}', not {type(tags).__name__}") from None
    for text in texts:
        if not isinstance(text, str) or not text:
            raise TypeError(f"tags= is texts such as 'user:{{user_id}}', and {text!r} is none")
    return texts


def _lock(lock: Any) -> bool | None:
    if lock is not None and not isinstance(lock, bool):
        raise TypeError(f"lock is True, False or None, not {lock!r}")
    return lock


def _one_of(value: Any, name: str, known: tuple[str, ...]) -> Any:
    if value not in known:
        kind = ValueError if isinstance(value, str) else TypeError
        raise kind(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")
    return value
