"""AsyncMemoized: an ``async def`` whose results are kept in a storage."""

from __future__ import annotations

import asyncio.coroutines
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from pystorage.engine import Cache, Front
from pystorage.memo.asyncbound import AsyncBoundMemoized
from pystorage.memo.asyncplace import AsyncPlace, DirectPlace
from pystorage.memo.envelope import Envelope, opened
from pystorage.memo.figures import CacheInfo, Counter
from pystorage.memo.flight import Ask
from pystorage.memo.fresh import PAUSE, Note, error_forms, sealed
from pystorage.memo.freshness import State, state_of
from pystorage.memo.kept_errors import Kinds, described, is_known, ttl_of, value_of
from pystorage.memo.leading import FIRST_PAUSE, LONGEST_PAUSE, can_lead, deadline, led
from pystorage.memo.memoized import OTHERS
from pystorage.memo.place import ANYTHING, Place, Trouble, refuse_once
from pystorage.memo.tags import Tags, tokens_async
from pystorage.storage import ABSENT, Capability, Storage

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


class AsyncMemoized(Front, Generic[P, R]):
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
        With ``stale``, ``early`` and ``ahead`` the task that asks first computes anew, and all others get the
        older result meanwhile.
    Processes: as for plain functions.
    """

    __name__: str
    __qualname__: str
    _call_key: CallKey

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
        from pystorage import aio
        from pystorage.aio._tasks import TaskFlights

        functools.update_wrapper(self, function)
        self.__wrapped__ = function
        _mark(self)
        self._storage = storage
        self._call_key = call_key
        self._options = options
        self._copied = options.copier
        self._own = own
        self._parameters = parameters
        self._keeps_objects = own or type(storage) is dict
        self._enveloped = options.needs_envelopes
        self._kinds: Kinds = options.errors or {}
        self._tags = Tags(options.tags, function)
        self._trouble = Trouble(f"{self.__module__}.{self.__qualname__}", options.on_error)
        self._face: AsyncStorage[Any, Any] | None = None
        self._place: AsyncPlace
        if isinstance(storage, aio.AsyncStorage):
            self._face = storage
        elif isinstance(storage, Storage) and Capability.NONBLOCKING not in storage.capabilities:
            self._face = aio.wrap(storage)
        if self._face is None:
            self._place = DirectPlace(Place(cast("MutableMapping[Any, Any]", storage), self._trouble))
        else:
            self._place = AsyncPlace(self._face, self._trouble)
        self._clock = storage.timer if isinstance(storage, (Storage, aio.AsyncStorage)) else time.time
        self._leads = options.lock is not False and can_lead(storage)
        self._flights = TaskFlights()
        self._resting: Cache[str, bool] = Cache(1024, ttl=PAUSE)
        if call_key.is_of_arguments:
            self._shorten(Cache(OTHERS, policy="sieve"), None)
        self._hits, self._misses = Counter(), Counter()
        self._refreshes, self._failed_refreshes = Counter(), Counter()

    # ------------------------------------------------------------------ calls

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...

    async def _given(self, key: str, args: Any, kwargs: Any) -> R:
        flights, timeout = self._flights, self._options.lock_timeout
        landed = flights.landed
        value, state, envelope = await self._seen(key)
        if state is State.OVER:
            ask = Ask(key, args, kwargs, self._find)
            value = await flights.run(ask, landed, self, timeout)
        else:
            self._hits.add()
            if state is not State.FRESH and not flights.is_going(key) and key not in self._resting:
                assert envelope is not None
                value = await self._refreshed(key, args, kwargs, envelope)
            elif envelope is not None:
                value = value_of(envelope, self._kinds)
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    async def _refreshed(self, key: str, args: Any, kwargs: Any, old: Envelope) -> Any:
        """Compute anew, and give the old result where that fails or another process is at it."""
        from pystorage.aio._tasks import Elsewhere

        ask = Ask(key, args, kwargs, partial(self._other_than, old.made), background=True)
        try:
            return await self._flights.run(ask, -1, self)
        except Elsewhere:
            return old.value
        except Exception as error:
            self._resting[key] = True
            self._failed_refreshes.add()
            self._trouble.not_refreshed(error)
            return old.value

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
        value, state, envelope = await self._seen(key, counted=False)
        return ABSENT if envelope is None or envelope.made == made or state is State.STALE else value

    # ------------------------------------------------------------------ computing

    def _count(self, ask: Ask, computed: bool) -> None:
        if not ask.background:
            (self._misses if computed else self._hits).add()

    async def _pass(self, ask: Ask) -> Any:
        outer = led.get().get((id(self._storage), ask.key))
        if outer is not None:
            outer.overwrites = True
        self._count(ask, True)
        return await self._computed(ask)

    async def _lead(self, ask: Ask) -> Any:
        if not self._leads:
            self._count(ask, True)
            return await self._computed(ask)
        from anyio import CancelScope, sleep

        from pystorage.aio._holds import taken
        from pystorage.aio._tasks import Elsewhere

        me, others = (id(self._storage), ask.key), led.get()
        if me in others:
            return await self._pass(ask)
        assert self._face is not None
        limit, pause, hold = deadline(self._options, bool(others)), FIRST_PAUSE, None
        while True:
            try:
                hold = await taken(self._face, ask.key, self._options.lock_ttl)
            except OSError as error:
                if self._trouble.raises:
                    raise
                self._trouble.not_reached(error)
                break
            if hold is not None:
                break
            if ask.background:
                raise Elsewhere
            left = min(pause, limit - time.monotonic())
            if left <= 0:
                break
            await sleep(left)
            pause = min(2 * pause, LONGEST_PAUSE)
            found = await ask.find(ask.key)
            if found is not ABSENT:
                self._count(ask, False)
                return found
        if hold is None:
            self._count(ask, True)
            return await self._computed(ask, await self._standing(ask.key))
        token = led.set({**others, me: ask})
        try:
            ask.hold = hold
            return await hold.renewed(partial(self._led, ask))
        finally:
            led.reset(token)
            ask.hold = None
            with CancelScope(shield=True):
                await self._release(hold)

    async def _led(self, ask: Ask) -> Any:
        found = await ask.find(ask.key)  # somebody may have kept it before the lease was free
        self._count(ask, found is ABSENT)
        return await self._computed(ask, await self._standing(ask.key)) if found is ABSENT else found

    async def _release(self, hold: Any) -> None:
        try:
            await hold.release()
        except OSError as error:
            if self._trouble.raises:
                raise
            self._trouble.not_reached(error)

    async def _standing(self, key: str) -> object:
        """Give what is stored although ``_find`` gave nothing."""
        return await self._place.read(key, counted=False) if self._enveloped else ABSENT

    async def _computed(self, ask: Ask, before: object = ANYTHING) -> Any:
        note = None
        if self._enveloped:
            tags = await self._tags.taken_async(ask.args, ask.kwargs, self._place)
            note = Note(time.monotonic(), tags)
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
        if self._keeps_objects:
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

    def key_for(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Give the key under which the result of a call is kept.

        Args:
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The key in ``storage``: the same in every process and on every machine.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
        """
        return self._call_key(args, kwargs)

    async def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
        """Give the result of a call if it is kept, without computing and without counting.

        Args:
            default: Given where it is not kept, or can't be decoded.
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The result or the default.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot be read.
        """
        value, _, envelope = await self._seen(self._call_key(args, kwargs), counted=False)
        if value is ABSENT or (envelope is not None and envelope.error is not None):
            return default
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    async def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep a result for a call without computing it.

        Args:
            value: The result.
            args: As for the function.
            kwargs: As for the function.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the value, or refused.
        """
        key = self._call_key(args, kwargs)
        self._flights.forget(key)
        await self._write(key, value if self._copied is None else self._copied(value))

    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of one call.

        Args:
            args: As for the function.
            kwargs: As for the function.

        Returns:
            Whether it was kept.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage refused.
        """
        key = self._call_key(args, kwargs)
        self._flights.forget(key)
        return await self._place.remove(key)

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute a call, whether its result is kept or not, and keep it anew.

        Args:
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The result, as the next call will give it.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the result, or refused.
            Exception: Whatever the function raises; what was kept before stays.
        """
        ask = Ask(self._call_key(args, kwargs), args, kwargs, self._find)
        self._flights.forget(ask.key)
        value = await self._computed(ask)
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    async def cache_clear(self) -> None:
        """Forget all results of this function, and its figures; nothing else in the storage is touched.

        Raises:
            StorageError: The storage refused.

        Cost: one scan of the storage for ``key_prefix`` and one bulk removal.
        """
        self._flights.forget()
        self._trouble.forget()
        await self._place.clear(self.key_prefix)
        self._hits, self._misses = Counter(), Counter()
        self._trouble.reset()

    @property
    def storage(self) -> MutableMapping[Any, Any] | AsyncStorage[Any, Any]:
        """Where the results are kept.

        Returns:
            The storage that was given, or the one of this function.

        Raises:
            Nothing.
        """
        return self._storage

    @property
    def key_prefix(self) -> str:
        """What the keys of this function begin with, and no others.

        Returns:
            Module, qualified name and version.

        Raises:
            Nothing.
        """
        return self._call_key.prefix

    @property
    def undecodable(self) -> int:
        """How many results were kept but could not be decoded, and so were computed anew.

        Returns:
            Their number in this process.

        Raises:
            Nothing.
        """
        return self._trouble.undecodable.value()

    @property
    def unavailable(self) -> int:
        """How often the storage could not be reached, and the function went on without it.

        Returns:
            The number in this process.

        Raises:
            Nothing.
        """
        return self._trouble.unavailable.value()

    @property
    def refreshes(self) -> int:
        """How many results were computed anew while older ones could be given.

        Returns:
            Their number in this process; they are no misses.

        Raises:
            Nothing.
        """
        return self._refreshes.value()

    @property
    def failed_refreshes(self) -> int:
        """How often computing anew failed, so that the old result was given.

        Returns:
            The number in this process.

        Raises:
            Nothing.
        """
        return self._failed_refreshes.value()

    def cache_info(self) -> CacheInfo:
        """Give the figures of this function in this process.

        Returns:
            Hits, misses, maxsize and currsize; what is unknown is None.

        Raises:
            Nothing.
        """
        maxsize = getattr(self._storage, "maxsize", None)
        return CacheInfo(
            self._hits.value(),
            self._misses.value(),
            maxsize if isinstance(maxsize, int) else None,
            len(cast("MutableMapping[Any, Any]", self._storage)) if self._own else None,
        )

    def cache_parameters(self) -> dict[str, object]:
        """Tell how the function was memoized.

        Returns:
            The keywords of ``memoize`` with their values, and ``maxsize``, in a new dict.

        Raises:
            Nothing.
        """
        return {"maxsize": self.cache_info().maxsize, **self._parameters}

    # ------------------------------------------------------------------ as a function

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: AsyncMemoized[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> AsyncBoundMemoized[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else AsyncBoundMemoized(cast("AsyncMemoized[Any, R]", self), instance)

    def __repr__(self) -> str:
        named = isinstance(self._storage, Storage) or self._storage is self._face
        place = repr(self._storage) if named else type(self._storage).__name__
        return f"<memoized async {self.__module__}.{self.__qualname__} in {place}>"

    def __reduce__(self) -> str:
        return self.__qualname__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self


def _mark(function: object) -> None:
    """Let ``iscoroutinefunction`` be true: of inspect from Python 3.12 on, of asyncio before."""
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
