"""FreshMemoized: a memoized function that keeps more than the bare result, to tell how good it still is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from pystorage.memo.background import BACKGROUND
from pystorage.memo.envelope import Envelope, opened, packed
from pystorage.memo.flight import Ask
from pystorage.memo.freshness import State, state_of
from pystorage.memo.kept_errors import described, is_known, ttl_of, value_of
from pystorage.memo.memoized import Memoized
from pystorage.memo.place import ANYTHING
from pystorage.memo.refreshing import Refreshing
from pystorage.storage import ABSENT

if TYPE_CHECKING:
    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options

P = ParamSpec("P")
R = TypeVar("R")


class Note(NamedTuple):
    """What is known of a computation when it begins.

    Args:
        began: When, in seconds of the monotonic clock.
        tags: Tag → its token.

    Raises:
        Nothing.
    """

    began: float
    tags: dict[str, str]


class FreshMemoized(Refreshing[P, R], Memoized[P, R]):
    """A memoized function whose results are kept in envelopes, as for ``stale``, ``errors`` and ``tags``.

    Args:
        function: The function.
        storage: Where the results are kept.
        call_key: Makes the key of a call.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        TypeError: A tag names what is no parameter.

    Threads: as any memoized function; what is given too old is computed anew in a thread of its own, at most
        eight of these in a process.
    """

    _gives_what_is_stored = False

    def __init__(
        self,
        function: Callable[P, R],
        storage: MutableMapping[Any, Any],
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
        parameters: dict[str, object],
    ) -> None:
        super().__init__(function, storage, call_key, options=options, own=own, parameters=parameters)
        # What is being computed in the background, by process and key.
        self._asked: dict[tuple[int, str], object] = {}

    # ------------------------------------------------------------------ calls

    def _given(self, key: str, args: Any, kwargs: Any) -> R:
        flights = self._flights
        landed = flights.landed
        envelope, state = self._seen(key)
        if envelope is None:
            ask = Ask(key, self._passed(args), kwargs, self._find)
            value = flights.run(ask, landed, self, self._options.lock_timeout)
        else:
            self._hits.add()
            if state is not State.FRESH:
                self._refresh_later(key, self._passed(args), kwargs, envelope.made)
            value = self._value(envelope)
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    def _seen(self, key: str, *, counted: bool = True) -> tuple[Envelope | None, State]:
        """Give what is kept and what it is good for; None where it is not to be given."""
        stored = self._place.read(key, counted=counted)
        envelope = None if stored is ABSENT else opened(stored)
        if envelope is None or not is_known(envelope, self._kinds):
            return None, State.OVER
        if self._trouble.is_down and self._trouble.last is not None:
            return envelope, State.FRESH  # the last that is known here, as on_error="stale" asks for
        state = state_of(envelope, self._clock(), self._options)
        if state is State.OVER or not self._tags.hold(envelope.tags, self._place):
            return None, State.OVER
        return envelope, state

    def _value(self, envelope: Envelope) -> Any:
        return value_of(envelope, self._kinds)

    # ------------------------------------------------------------------ in the background

    def _refresh_later(self, key: str, args: Any, kwargs: Any, made: float) -> None:
        me = (os.getpid(), key)
        if key in self._resting or me in self._asked:
            return
        ask = Ask(key, args, kwargs, partial(self._other_than, made), background=True)
        if self._asked.setdefault(me, ask) is ask and not BACKGROUND.start(partial(self._refresh, me, ask)):
            self._asked.pop(me, None)

    def _refresh(self, me: tuple[int, str], ask: Ask) -> None:
        try:
            self._flights.run(ask, -1, self)
        except BaseException as error:  # of this thread nobody else hears
            self._resting[ask.key] = True
            self._failed_refreshes.add()
            self._trouble.not_refreshed(error)
        finally:
            self._asked.pop(me, None)

    def _other_than(self, made: float, key: str) -> Any:
        """Give a result that somebody else computed since one was found too old."""
        envelope, state = self._seen(key, counted=False)
        if envelope is None or envelope.made == made or envelope.error is not None:
            return ABSENT
        return ABSENT if state is State.STALE else envelope.value

    # ------------------------------------------------------------------ one result

    def _noted(self, args: Any, kwargs: Any) -> Note:
        return Note(time.monotonic(), self._tags.taken(args, kwargs, self._place))

    def _find(self, key: str) -> Any:
        envelope, state = self._seen(key, counted=False)
        return ABSENT if envelope is None or state is State.STALE else self._value(envelope)

    def _standing(self, key: str) -> object:
        return self._place.read(key, counted=False)

    def _kept_of(self, keys: list[str]) -> set[str]:
        return {key for key in keys if self._seen(key)[1] not in (State.STALE, State.OVER)}

    def _peeked(self, key: str) -> Any:
        envelope, _ = self._seen(key, counted=False)
        return ABSENT if envelope is None or envelope.error is not None else envelope.value

    def _computed(self, ask: Ask, before: object = ANYTHING) -> Any:
        note = self._noted(ask.args, ask.kwargs)
        try:
            value = self.__wrapped__(*ask.args, **ask.kwargs)
        except Exception as error:
            if not ask.background and ask.is_wanted():
                self._keep_error(ask.key, error, note, before)
            raise
        if ask.background:
            self._refreshes.add()
        return self._kept(ask, value, before, note)

    def _unpacked(self, stored: Any, default: Any) -> Any:
        envelope = opened(stored)
        return default if envelope is None or envelope.error is not None else envelope.value

    def _write(self, key: str, value: Any, before: object = ANYTHING, note: Note | None = None) -> bool:
        life = self._options.life(value, self.__qualname__)
        stored, kept_for = sealed(value, life, self._options, self._clock(), note)
        return self._place.write(key, stored, kept_for, before)

    def _keep_error(self, key: str, error: Exception, note: Note, before: object) -> None:
        found = ttl_of(error, self._kinds)
        written = None if found is None else described(error, self._kinds)
        if found is not None and written is not None:
            forms = error_forms(written, found[0], self._clock(), note)
            self._place.write_any(key, forms, found[0], before)


def sealed(
    value: Any, life: float | None, options: Options, now: float, note: Note | None
) -> tuple[object, float | None]:
    """Put a value into an envelope.

    Args:
        value: The result.
        life: Seconds that it is fresh; None is for ever.
        options: How the function was memoized.
        now: The time, by the clock of the storage.
        note: What was known when the computation began; None where there was none.

    Returns:
        What is stored, and the seconds that it is kept.

    Raises:
        Nothing.
    """
    cost, tags = (0.0, {}) if note is None else (time.monotonic() - note.began, note.tags)
    envelope = Envelope(value, now, None if life is None else now + life, cost, tags)
    return packed(envelope), None if life is None else life + (options.stale or 0.0)


def error_forms(written: tuple[str, list[Any]], life: float | None, now: float, note: Note) -> list[object]:
    """Put an exception into envelopes, one of which is held by every codec.

    Args:
        written: The exception, as ``described`` gives it.
        life: Seconds that it is kept; None is for ever.
        now: The time, by the clock of the storage.
        note: What was known when the computation began.

    Returns:
        What may be stored.

    Raises:
        Nothing.
    """
    until, cost = None if life is None else now + life, time.monotonic() - note.began
    empty: tuple[Any, ...] = (None, "", b"")
    return [packed(Envelope(value, now, until, cost, note.tags, written)) for value in empty]
