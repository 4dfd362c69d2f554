"""memoize_many: a function of many keys that is asked for those only whose results are not kept."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack, overload

from pystorage.memo.callkey import CallKey
from pystorage.memo.cleared import Cleared
from pystorage.memo.decorator import call_key_of, own_storage
from pystorage.memo.flight import Ask, Flight, Flights, wait_for
from pystorage.memo.keybykey import Many
from pystorage.memo.leading import is_async
from pystorage.memo.options import TTL, Copy, OnError, Options, at_least_one, checked
from pystorage.memo.place import Place
from pystorage.memo.refusals import check_function, check_storage, refuse_async_storage

if TYPE_CHECKING:
    from pystorage.aio import AsyncStorage
    from pystorage.memo.asyncmany import AsyncMemoizedMany
    from pystorage.memo.keywords import ManyKeywords

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class MemoizedMany(Cleared, Many[K, P, V]):
    """A function of many keys whose results are kept one by one: what ``memoize_many`` makes.

    Args:
        function: Takes the keys, a list, first, and gives a mapping of keys to results.
        storage: Where the results are kept.
        call_key: Makes the key of a call with one key.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        chunk: How many keys the function is asked for at a time, at most; None is all.

    Raises:
        Nothing.

    Threads: as the storage. A key is computed once at a time among the threads of a process.
    Processes: as the storage.
    """

    def __init__(
        self,
        function: Callable[Concatenate[list[K], P], Mapping[K, V]],
        storage: MutableMapping[Any, Any],
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
        chunk: int | None,
    ) -> None:
        super().__init__(function, storage, call_key, options=options, own=own, chunk=chunk)
        self._place = Place(storage, self._trouble)
        self._flights = Flights()

    def __call__(self, keys: Iterable[K], /, *args: P.args, **kwargs: P.kwargs) -> dict[K, V]:
        names = self._named(keys, args, kwargs)
        found = self._hit(names, self._place.read_many(list(names)))
        missing = {name: key for name, key in names.items() if key not in found}
        while missing:
            ahead: list[tuple[str, K, Flight]] = []
            for part in self._parts(missing):
                ahead += self._compute(part, found, args, kwargs)
            missing = {}
            for name, key, flight in ahead:
                if not wait_for(flight, -1):
                    found.update(self._called([key], args, kwargs))
                elif not self._takes(flight, key, found):
                    missing[name] = key
        return self._answer(names, found)

    def _compute(
        self, missing: dict[str, K], found: dict[K, Any], args: Any, kwargs: Any
    ) -> list[tuple[str, K, Flight]]:
        """Compute what nobody computes; give what others do."""
        flights = self._flights
        me, process = threading.get_ident(), os.getpid()
        mine: dict[str, Flight] = {
            name: Flight(Ask(name, args, kwargs, self._place.read), me, process) for name in missing
        }
        ahead: list[tuple[str, K, Flight]] = []
        try:
            todo: dict[str, K] = {}
            for name, key in missing.items():
                going = flights.begun(name, mine[name])
                if going is not mine[name]:
                    ahead.append((name, key, going))
                else:
                    todo[name] = key
            # Somebody may have kept some of it before this began.
            for name, value in self._place.read_many(list(todo)).items():
                found[todo.pop(name)] = mine[name].value = value
                self._hits.add()
            if todo:
                self._keep(todo, self._called(list(todo.values()), args, kwargs), mine, found)
        except Exception as error:
            for flight in mine.values():
                flight.traceback, flight.error = error.__traceback__, error
            raise
        finally:
            for name, flight in mine.items():
                flights.end(name, flight)
            mine.clear()
        return ahead

    def _called(self, keys: list[K], args: Any, kwargs: Any) -> Mapping[K, V]:
        for _ in keys:
            self._misses.add()
        return self._mapping(self.__wrapped__(keys, *args, **kwargs))

    def _keep(
        self, todo: dict[str, K], values: Mapping[K, V], mine: dict[str, Flight], found: dict[K, Any]
    ) -> None:
        made = {name: values[key] for name, key in todo.items() if key in values}
        kept = {name: value for name, value in made.items() if not mine[name].ask.forgotten}
        if self._one_by_one:
            for name, value in kept.items():
                self._place.write(name, value, self._life(value))
        else:
            self._place.write_many(kept, self._life(None))
        for name in kept:
            if mine[name].ask.forgotten:
                self._place.remove(name)
        # A miss gives what a hit will give.
        given = made if self._own else made | self._place.read_many(list(kept))
        for name, value in given.items():
            mine[name].value = found[todo[name]] = value

    def invalidate(self, keys: Iterable[K], /, *args: P.args, **kwargs: P.kwargs) -> int:
        """Forget the results of some keys.

        Args:
            keys: The keys.
            args: As for the function.
            kwargs: As for the function.

        Returns:
            How many were kept.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage refused.

        Threads: a result that is being computed goes to those who wait for it, and is not kept.
        """
        names = list(self._named(keys, args, kwargs))
        for name in names:
            self._flights.forget(name)
        return sum(self._place.remove(name) for name in names)


class ManyMemoizer(Protocol):
    """What ``memoize_many`` gives when it is called with options: a decorator.

    Raises:
        Nothing.
    """

    @overload  # an async def is a plain function of a coroutine, too: the first that fits is meant
    def __call__(
        self, function: Callable[Concatenate[list[K], P], Coroutine[Any, Any, Mapping[K, V]]], /
    ) -> AsyncMemoizedMany[K, P, V]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[list[K], P], Mapping[K, V]], /
    ) -> MemoizedMany[K, P, V]: ...


@overload
def memoize_many(
    function: Callable[Concatenate[list[K], P], Coroutine[Any, Any, Mapping[K, V]]],
    /,
    **options: Unpack[ManyKeywords],
) -> AsyncMemoizedMany[K, P, V]: ...
@overload
def memoize_many(
    function: Callable[Concatenate[list[K], P], Mapping[K, V]], /, **options: Unpack[ManyKeywords]
) -> MemoizedMany[K, P, V]: ...
@overload
def memoize_many(
    storage: MutableMapping[Any, Any] | AsyncStorage[Any, Any] | None = None,
    **options: Unpack[ManyKeywords],
) -> ManyMemoizer: ...
def memoize_many(
    storage: Any = None,
    *,
    ttl: TTL = None,
    jitter: float = 0.0,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
    on_error: OnError = "raise",
    copy: Copy | None = None,
    chunk: int | None = None,
) -> Any:
    """Keep the results of a function of many keys one by one, and ask it for those only that are not kept.

    The function takes a list of keys first, and gives a mapping of keys to results; a key that it leaves out
    has no result, is left out of the answer, and is asked for again next time. It may be called with any
    iterable of keys, and gives a dict in their order. An ``async def`` is awaited, under asyncio and trio.

    Args:
        storage: Where the results are kept, as for ``memoize``.
        ttl: Seconds that a result lives, > 0, or a function that gives them for a result; None is for ever.
        jitter: How much shorter a life may be at random, as a part of it, 0 ≤ jitter < 1.
        ignore: Parameters that make no difference to the results.
        typed: Whether equal arguments of different types are different calls.
        version: Part of every key, as for ``memoize``.
        on_error: What is done where the storage cannot be reached, as for ``memoize``.
        copy: ``"deep"`` or ``"shallow"``: each caller gets copies of the results.
        chunk: How many keys the function is asked for at a time, at most, ≥ 1; those of one time are kept
            before it is asked for the next. None is all at once.

    Returns:
        The function, memoized; or a decorator, where no function was given.

    Raises:
        TypeError: What is decorated is no function, or a plain one while the storage is async, or an option
            is of a wrong type.
        ValueError: An option is out of its range.
        UnsupportedOperation: ``ttl`` is given and the storage knows no deadlines.
        MissingDependencyError: An ``async def`` was given and anyio is not installed.

    Cost: one bulk read; for what is missing another one, the computation, one bulk write, and one more bulk
        read where the storage is no memory of its own; with ``chunk`` so for each chunk.
    Threads: safe where the storage is. A key is computed by one call at a time; others wait for it. So it is
        among tasks: where one is cancelled that computes, those who wait compute.
    Processes: as the storage; two that miss a key at the same moment both compute it.

    Example:
        >>> @memoize_many
        ... def lengths(words):
        ...     print("asked for", words)
        ...     return {word: len(word) for word in words}
        >>> lengths(["pear", "fig"])
        asked for ['pear', 'fig']
        {'pear': 4, 'fig': 3}
        >>> lengths(["fig", "apple", "pear"])
        asked for ['apple']
        {'fig': 3, 'apple': 5, 'pear': 4}
    """
    options = checked(ttl=ttl, jitter=jitter, on_error=on_error, copy=copy)
    named: dict[str, Any] = {"ignore": ignore, "typed": typed, "version": version}
    named["chunk"] = None if chunk is None else at_least_one(chunk, "chunk")
    if isinstance(storage, MutableMapping) or storage is None or is_async(storage):
        check_storage(storage, options)
        return functools.partial(_memoized, storage=storage, options=options, **named)
    if callable(storage) and not isinstance(storage, type):
        return _memoized(storage, storage=None, options=options, **named)
    raise TypeError(
        f"memoize_many() takes a storage or another mutable mapping, or the function itself, not {storage!r}"
    )


def _memoized(function: Any, *, storage: Any, options: Options, chunk: int | None, **named: Any) -> Any:
    check_function(function, "memoize_many")
    asynchronous = inspect.iscoroutinefunction(function)
    if not asynchronous:
        refuse_async_storage(storage, function, "memoize_many")
    call_key = call_key_of(function, storage, key=None, enveloped=False, **named)
    kept, kind = own_storage() if storage is None else storage, _kind(asynchronous)
    return kind(function, kept, call_key, options=options, own=storage is None, chunk=chunk)


def _kind(asynchronous: bool) -> Any:
    if not asynchronous:
        return MemoizedMany
    from pystorage.memo.asyncmany import AsyncMemoizedMany

    return AsyncMemoizedMany
