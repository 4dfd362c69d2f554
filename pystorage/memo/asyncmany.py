"""AsyncMemoizedMany: an ``async def`` of many keys is asked for those only whose results are not kept."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from pystorage.aio._tasks import TaskFlight, TaskFlights, part_of, wait_for
from pystorage.memo.asyncbound import mark_async
from pystorage.memo.asyncplace import face_of, place_of
from pystorage.memo.cleared import AsyncCleared
from pystorage.memo.flight import Ask
from pystorage.memo.keybykey import Many

if TYPE_CHECKING:
    from collections.abc import Callable

    from pystorage.aio import AsyncStorage
    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class AsyncMemoizedMany(AsyncCleared, Many[K, P, V]):
    """An ``async def`` of many keys whose results are kept one by one: what ``memoize_many`` makes of one.

    Args:
        function: Takes the keys, a list, first, and gives a mapping of keys to results.
        storage: Where the results are kept: a mapping, or a storage that is async itself.
        call_key: Makes the key of a call with one key.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        chunk: How many keys the function is asked for at a time, at most; None is all.

    Raises:
        MissingDependencyError: anyio is not installed.

    Threads: any number of event loops, of asyncio and trio. A key is computed by one task at a time, in that
        task; when it is cancelled, those who wait compute.
    Processes: as the storage.
    """

    def __init__(
        self,
        function: Callable[Concatenate[list[K], P], Coroutine[Any, Any, Mapping[K, V]]],
        storage: MutableMapping[Any, Any] | AsyncStorage[Any, Any],
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
        chunk: int | None,
    ) -> None:
        super().__init__(function, storage, call_key, options=options, own=own, chunk=chunk)
        mark_async(self)
        self._place = place_of(storage, face_of(storage), self._trouble)
        self._flights = TaskFlights()

    async def __call__(self, keys: Iterable[K], /, *args: P.args, **kwargs: P.kwargs) -> dict[K, V]:
        names = self._named(keys, args, kwargs)
        found = self._hit(names, await self._place.read_many(list(names)))
        missing = {name: key for name, key in names.items() if key not in found}
        while missing:
            ahead: list[tuple[str, K, TaskFlight]] = []
            for part in self._parts(missing):
                ahead += await self._compute(part, found, args, kwargs)
            missing = {}
            for name, key, flight in ahead:
                if not await wait_for(flight, None):
                    found.update(await self._called([key], args, kwargs))
                elif not self._takes(flight, key, found):
                    missing[name] = key
        return self._answer(names, found)

    async def _compute(
        self, missing: dict[str, K], found: dict[K, Any], args: Any, kwargs: Any
    ) -> list[tuple[str, K, TaskFlight]]:
        """Compute what nobody computes; give what others do."""
        mine: dict[str, TaskFlight] = {}
        ahead: list[tuple[str, K, TaskFlight]] = []
        try:
            for name, key in missing.items():
                flight, going = self._flights.begun(Ask(name, args, kwargs, self._place.read))
                if going is None:
                    mine[name] = flight
                else:
                    ahead.append((name, key, going))
            with part_of(mine.values()):
                todo = {name: missing[name] for name in mine}
                # Somebody may have kept some of it before this began.
                for name, value in (await self._place.read_many(list(todo))).items():
                    found[todo.pop(name)] = mine[name].value = value
                    self._hits.add()
                if todo:
                    values = await self._called(list(todo.values()), args, kwargs)
                    await self._keep(todo, values, mine, found)
        except Exception as error:
            for flight in mine.values():
                flight.traceback, flight.error = error.__traceback__, error
            raise
        finally:
            for flight in mine.values():
                self._flights.end(flight)
            mine.clear()
        return ahead

    async def _called(self, keys: list[K], args: Any, kwargs: Any) -> Mapping[K, V]:
        for _ in keys:
            self._misses.add()
        return self._mapping(await self.__wrapped__(keys, *args, **kwargs))

    async def _keep(
        self, todo: dict[str, K], values: Mapping[K, V], mine: dict[str, TaskFlight], found: dict[K, Any]
    ) -> None:
        made = {name: values[key] for name, key in todo.items() if key in values}
        kept = {name: value for name, value in made.items() if not mine[name].ask.forgotten}
        if self._one_by_one:
            for name, value in kept.items():
                await self._place.write(name, value, self._life(value))
        else:
            await self._place.write_many(kept, self._life(None))
        for name in kept:
            if mine[name].ask.forgotten:
                await self._place.remove(name)
        # A miss gives what a hit will give.
        given = made if self._own else made | await self._place.read_many(list(kept))
        for name, value in given.items():
            mine[name].value = found[todo[name]] = value

    async def invalidate(self, keys: Iterable[K], /, *args: P.args, **kwargs: P.kwargs) -> int:
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
        return sum([await self._place.remove(name) for name in names])
