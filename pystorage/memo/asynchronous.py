"""AsyncMemoized: an ``async def`` whose results are kept in a storage."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from pystorage.engine import Cache
from pystorage.memo.asyncbound import AsyncBoundMemoized, mark_async
from pystorage.memo.asyncplace import face_of, place_of
from pystorage.memo.calls import AsyncCalls
from pystorage.memo.cleared import AsyncCleared
from pystorage.memo.envelope import Envelope, opened
from pystorage.memo.flight import Ask
from pystorage.memo.fresh import Note, error_forms, sealed
from pystorage.memo.freshness import State, state_of
from pystorage.memo.kept_errors import described, is_known, ttl_of, value_of
from pystorage.memo.leading import can_lead
from pystorage.memo.memoized import OTHERS
from pystorage.memo.methods import MayBeMethod
from pystorage.memo.options import at_least_one, each_call
from pystorage.memo.place import ANYTHING, refuse_once
from pystorage.memo.refreshing import Refreshing
from pystorage.memo.tags import tokens_async
from pystorage.storage import ABSENT

if TYPE_CHECKING:
    from typing import Self

    from pystorage.aio import AsyncStorage
    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
D = TypeVar("D")
S = TypeVar("S")


class AsyncMemoized(MayBeMethod, AsyncCleared, Refreshing[P, R], AsyncCalls[P, R]):
    """An ``async def`` whose results are kept in a storage: what ``memoize`` makes of one.

    It is called and awaited as the function is. The methods take the same arguments; what is no argument of
    the function comes before them.

    Args:
        function: The function.
        storage: Where the results are kept: a mapping, or a storage that is async itself.
        call_key: Makes the key of a call.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        TypeError: A tag names what is no parameter.
        MissingDependencyError: anyio is not installed.

    Threads: any number of event loops, of asyncio and trio, at the same time and one after the other. A key
        is computed by one task at a time, in that task; when it is cancelled, one of those who wait computes.
        What is given too old is computed anew in a task of its own, at most 64 of these in a process, which
        ends with the event loop.
    Processes: as for plain functions.
    """

    _kind = "memoized async"

    def __init__(
        self,
        function: Callable[P, Awaitable[R]],
        storage: MutableMapping[Any, Any] | AsyncStorage[Any, Any],
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
        parameters: dict[str, object],
    ) -> None:
        from pystorage.aio._tasks import TaskFlights
        from pystorage.memo.asyncleading import AsyncLeading

        super().__init__(function, storage, call_key, options=options, own=own, parameters=parameters)
        mark_async(self)
        self._enveloped = options.needs_envelopes
        face = face_of(storage)
        self._place = place_of(storage, face, self._trouble)
        self._leading = (
            AsyncLeading(face, storage, options, self._trouble)
            if options.lock is not False and face is not None and can_lead(storage)
            else None
        )
        self._flights = TaskFlights()
        if call_key.is_of_arguments:
            self._shorten(Cache(OTHERS, policy="sieve"), None)

    # ------------------------------------------------------------------ calls

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...

        @property
        def storage(self) -> MutableMapping[Any, Any] | AsyncStorage[Any, Any]: ...

    async def _given(self, key: str, args: Any, kwargs: Any) -> R:
        flights, timeout = self._flights, self._options.lock_timeout
        landed = flights.landed
        value, state, envelope = await self._seen(key)
        if state is State.OVER:
            ask = Ask(key, args, kwargs, self._find)
            value = await flights.run(ask, landed, self, timeout)
        else:
            self._hits.add()
            if envelope is not None:
                if state is not State.FRESH:
                    self._refresh_later(key, args, kwargs, envelope.made)
                value = value_of(envelope, self._kinds)
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    def _refresh_later(self, key: str, args: Any, kwargs: Any, made: float) -> None:
        """Compute anew in a task of its own, unless somebody is at it or it failed a moment ago."""
        from pystorage.memo.asyncbackground import ASYNC_BACKGROUND

        if key in self._resting:
            return
        ask = Ask(key, args, kwargs, partial(self._other_than, made), background=True)
        # Begun here and now, so that nobody else begins it before that task has its first turn.
        flight, ahead = self._flights.begun(ask)
        if ahead is None and not ASYNC_BACKGROUND.start(
            partial(self._flights.lead, flight, -1, self),
            partial(self._not_refreshed, key),
            partial(self._flights.end, flight),
            name=f"pystorage-refresh {self.__qualname__}",
        ):
            self._flights.end(flight)

    def _not_refreshed(self, key: str, error: BaseException) -> None:
        from pystorage.aio._tasks import Elsewhere

        self._resting[key] = True
        if not isinstance(error, Elsewhere):
            self._failed_refreshes.add()
            self._trouble.not_refreshed(error)

    async def _seen(self, key: str, *, counted: bool = True) -> tuple[Any, State, Envelope | None]:
        """Give what is kept, what it is good for, and its envelope."""
        stored = await self._place.read(key, counted=counted)
        if not self._enveloped:
            return stored, State.OVER if stored is ABSENT else State.FRESH, None
        envelope = None if stored is ABSENT else opened(stored)
        if envelope is None or not is_known(envelope, self._kinds):
            return ABSENT, State.OVER, None
        state = State.FRESH
        if not self._trouble.is_down or self._trouble.last is None:
            state = state_of(envelope, self._clock(), self._options)
            tags = {} if state is State.OVER else envelope.tags
            if tags and await tokens_async(tags, self._place) != tags:
                state = State.OVER
        return (ABSENT, state, None) if state is State.OVER else (envelope.value, state, envelope)

    async def _find(self, key: str) -> Any:
        value, state, envelope = await self._seen(key, counted=False)
        if state in (State.OVER, State.STALE):
            return ABSENT
        return value if envelope is None else value_of(envelope, self._kinds)

    async def _other_than(self, made: float, key: str) -> Any:
        """Give a result that somebody else computed since one was found too old."""
        value, state, envelope = await self._seen(key, counted=False)
        if envelope is None or envelope.made == made or envelope.error is not None:
            return ABSENT
        return ABSENT if state is State.STALE else value

    # ------------------------------------------------------------------ computing

    def _passed(self, args: Any) -> Any:
        """Give what the function is called with."""
        return args

    async def _lead(self, ask: Ask) -> Any:
        if self._leading is not None:
            return await self._leading.lead(ask, self)
        self._count(ask, True)
        return await self._computed(ask)

    async def _pass(self, ask: Ask) -> Any:
        if self._leading is not None:
            return await self._leading.lead_again(ask, self)
        self._count(ask, True)
        return await self._computed(ask)

    async def _standing(self, key: str) -> object:
        """Give what is stored although ``_find`` gave nothing."""
        return await self._place.read(key, counted=False) if self._enveloped else ABSENT

    async def _noted(self, args: Any, kwargs: Any) -> Note | None:
        """Give what is known of a result before it is there; None where it is kept bare."""
        if not self._enveloped:
            return None
        return Note(time.monotonic(), await self._tags.taken_async(args, kwargs, self._place))

    async def _computed(self, ask: Ask, before: object = ANYTHING) -> Any:
        note = await self._noted(ask.args, ask.kwargs)
        try:
            value = await self.__wrapped__(*ask.args, **ask.kwargs)
        except Exception as error:
            if note is not None and not ask.background and await self._is_wanted(ask):
                await self._keep_error(ask.key, error, note, before)
            raise
        if ask.background:
            self._refreshes.add()
        refuse_once(value, self.__qualname__)
        return await self._kept(ask, value, before, note)

    async def _kept(self, ask: Ask, value: Any, before: object, note: Note | None) -> Any:
        if ask.is_forgotten():
            return value
        wanted = await self._is_wanted(ask)
        before = ANYTHING if ask.overwrites else before
        if not wanted or not await self._write(ask.key, value, before, note):
            # Somebody else was faster, and what they kept is at least as new.
            found = await ask.find(ask.key)
            if found is not ABSENT or not wanted:
                return value if found is ABSENT else found
            if not await self._is_wanted(ask):
                return value
            await self._write(ask.key, value, ANYTHING, note)
        if ask.is_forgotten():
            await self._place.remove(ask.key)
            return value
        if self._keeps_objects or self._trouble.is_down:
            return value
        stored = await self._place.read(ask.key, counted=False)
        if stored is ABSENT or not self._enveloped:
            return value if stored is ABSENT else stored
        envelope = opened(stored)
        return value if envelope is None or envelope.error is not None else envelope.value

    async def _is_wanted(self, ask: Ask) -> bool:
        hold: Any = ask.hold
        return not ask.is_forgotten() and (hold is None or await hold.is_held())

    async def _write(self, key: str, value: Any, before: object = ANYTHING, note: Note | None = None) -> bool:
        stored, life = value, self._options.life(value, self.__qualname__)
        if self._enveloped:
            stored, life = sealed(value, life, self._options, self._clock(), note)
        return await self._place.write(key, stored, life, before)

    async def _keep_error(self, key: str, error: Exception, note: Note, before: object) -> None:
        found = ttl_of(error, self._kinds)
        written = None if found is None else described(error, self._kinds)
        if found is not None and written is not None:
            forms = error_forms(written, found[0], self._clock(), note)
            await self._place.write_any(key, forms, found[0], before)

    # ------------------------------------------------------------------ handling

    async def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
        value, _, envelope = await self._seen(self._call_key(args, kwargs), counted=False)
        if value is ABSENT or (envelope is not None and envelope.error is not None):
            return default
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    async def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        key = self._call_key(args, kwargs)
        self._flights.forget(key)
        note = await self._noted(self._passed(args), kwargs)
        await self._write(key, value if self._copied is None else self._copied(value), note=note)

    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        key = self._call_key(args, kwargs)
        self._flights.forget(key)
        return await self._place.remove(key)

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        ask = Ask(self._call_key(args, kwargs), self._passed(args), kwargs, self._find)
        self._flights.forget(ask.key)
        value = await self._computed(ask)
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    async def prefetch(self, calls: Iterable[tuple[Any, ...]], *, tasks: int = 10) -> int:
        tasks = at_least_one(tasks, "tasks")
        asked = {self._call_key(args, {}): args for args in each_call(calls)}
        landed = self._flights.landed
        kept = await self._kept_of(list(asked))
        missing = [(key, args) for key, args in asked.items() if key not in kept]
        left = iter(missing)

        async def compute() -> None:
            for key, args in left:
                ask = Ask(key, self._passed(args), {}, self._find)
                await self._flights.run(ask, landed, self, self._options.lock_timeout)

        await _together(compute, min(tasks, len(missing)))
        return len(missing)

    async def _kept_of(self, keys: list[str]) -> Collection[str]:
        """Give those keys whose results are good enough not to be computed."""
        if not self._enveloped:
            return await self._place.read_many(keys)
        return {key for key in keys if (await self._seen(key))[1] not in (State.STALE, State.OVER)}

    # ------------------------------------------------------------------ as a function

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: AsyncMemoized[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> AsyncBoundMemoized[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._bound(AsyncBoundMemoized, instance, owner)


async def _together(work: Callable[[], Awaitable[None]], tasks: int) -> None:
    """Await something in so many tasks; what the first raises that fails is raised as it is."""
    from anyio import create_task_group

    failures: list[Exception] = []

    async def one() -> None:
        try:
            await work()
        except Exception as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with create_task_group() as group:
        for _ in range(tasks):
            group.start_soon(one)
    if failures:
        try:
            raise failures[0]
        finally:
            failures.clear()
