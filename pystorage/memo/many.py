"""memoize_many: a function of many keys that is asked for those only whose results are not kept."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from pystorage.memo.callkey import CallKey
from pystorage.memo.decorator import call_key_of, check_function, check_storage, own_storage
from pystorage.memo.figures import CacheInfo, Counter
from pystorage.memo.flight import Ask, Flight, Flights, wait_for
from pystorage.memo.options import TTL, Copy, OnError, Options, checked
from pystorage.memo.place import Place, Trouble
from pystorage.storage import ABSENT, Storage

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class MemoizedMany(Generic[K, P, V]):
    """A function of many keys whose results are kept one by one: what ``memoize_many`` makes.

    Args:
        function: Takes the keys, a list, first, and gives a mapping of keys to results.
        storage: Where the results are kept.
        call_key: Makes the key of a call with one key.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.

    Raises:
        Nothing.

    Threads: as the storage. A key is computed once at a time among the threads of a process.
    Processes: as the storage.
    """

    __name__: str
    __qualname__: str

    def __init__(
        self,
        function: Callable[Concatenate[list[K], P], Mapping[K, V]],
        storage: MutableMapping[Any, Any],
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
    ) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped__ = function
        self._storage = storage
        self._call_key = call_key
        self._options = options
        self._own = own
        self._trouble = Trouble(f"{self.__module__}.{self.__qualname__}", options.on_error)
        self._place = Place(storage, self._trouble)
        self._flights = Flights()
        self._hits, self._misses = Counter(), Counter()

    def __set_name__(self, owner: type, name: str) -> None:
        raise TypeError(
            f"memoize_many() takes functions, and {owner.__qualname__}.{name} is a method, whose first "
            "argument is no list of keys: put @staticmethod above, or memoize a function of the module"
        )

    def __call__(self, keys: Iterable[K], /, *args: P.args, **kwargs: P.kwargs) -> dict[K, V]:
        asked = list(dict.fromkeys(keys))
        names = {self._call_key((key, *args), kwargs): key for key in asked}
        found: dict[K, Any] = {
            names[name]: value for name, value in self._place.read_many(list(names)).items()
        }
        for _ in found:
            self._hits.add()
        missing = {name: key for name, key in names.items() if key not in found}
        while missing:
            ahead = self._compute(missing, found, args, kwargs)
            missing = {}
            for name, key, flight in ahead:
                if not wait_for(flight, -1):
                    found.update(self._called([key], args, kwargs))
                elif flight.error is not None:
                    raise flight.error.with_traceback(flight.traceback)
                elif flight.value is not ABSENT:
                    found[key] = flight.value
                    self._hits.add()
                else:
                    missing[name] = key
        copied = self._options.copier or _as_it_is
        return {key: copied(found[key]) for key in asked if key in found}

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
        values = self.__wrapped__(keys, *args, **kwargs)
        if not isinstance(values, Mapping):
            raise TypeError(
                f"{self.__qualname__}() must give a mapping of keys to results, and gave one "
                f"{type(values).__qualname__}"
            )
        return values

    def _keep(
        self, todo: dict[str, K], values: Mapping[K, V], mine: dict[str, Flight], found: dict[K, Any]
    ) -> None:
        kept = {name: values[key] for name, key in todo.items() if key in values}
        if callable(self._options.ttl) or self._options.jitter or not isinstance(self._storage, Storage):
            for name, value in kept.items():
                self._place.write(name, value, self._options.life(value, self.__qualname__))
        else:
            self._place.write_many(kept, self._options.life(None, self.__qualname__))
        # A miss gives what a hit will give.
        given = kept if self._own else kept | self._place.read_many(list(kept))
        for name, value in given.items():
            mine[name].value = found[todo[name]] = value

    def key_for(self, key: K, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Give the key under which the result of one key is kept.

        Args:
            key: The key.
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The key in ``storage``.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
        """
        return self._call_key((key, *args), kwargs)

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
        """
        return sum(self._place.remove(self._call_key((key, *args), kwargs)) for key in keys)

    @property
    def storage(self) -> MutableMapping[Any, Any]:
        """Where the results are kept.

        Returns:
            The storage that was given, or the one of this function.

        Raises:
            Nothing.
        """
        return self._storage

    def cache_info(self) -> CacheInfo:
        """Give the figures of this function in this process, by keys.

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
            len(self._storage) if self._own else None,
        )

    def __repr__(self) -> str:
        place = repr(self._storage) if isinstance(self._storage, Storage) else type(self._storage).__name__
        return f"<memoized {self.__module__}.{self.__qualname__}, key by key, in {place}>"

    def __reduce__(self) -> str:
        return self.__qualname__


class ManyMemoizer(Protocol):
    """What ``memoize_many`` gives when it is called with options: a decorator.

    Raises:
        Nothing.
    """

    def __call__(
        self, function: Callable[Concatenate[list[K], P], Mapping[K, V]], /
    ) -> MemoizedMany[K, P, V]: ...


@overload
def memoize_many(
    function: Callable[Concatenate[list[K], P], Mapping[K, V]],
    /,
    *,
    ttl: TTL = None,
    jitter: float = 0.0,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
    on_error: OnError = "raise",
    copy: Copy | None = None,
) -> MemoizedMany[K, P, V]: ...
@overload
def memoize_many(
    storage: MutableMapping[Any, Any] | None = None,
    *,
    ttl: TTL = None,
    jitter: float = 0.0,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
    on_error: OnError = "raise",
    copy: Copy | None = None,
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
) -> Any:
    """Keep the results of a function of many keys one by one, and ask it for those only that are not kept.

    The function takes a list of keys first, and gives a mapping of keys to results; a key that it leaves out
    has no result, is left out of the answer, and is asked for again next time. It may be called with any
    iterable of keys, and gives a dict in their order.

    Args:
        storage: Where the results are kept, as for ``memoize``.
        ttl: Seconds that a result lives, > 0, or a function that gives them for a result; None is for ever.
        jitter: How much shorter a life may be at random, as a part of it, 0 ≤ jitter < 1.
        ignore: Parameters that make no difference to the results.
        typed: Whether equal arguments of different types are different calls.
        version: Part of every key, as for ``memoize``.
        on_error: What is done where the storage cannot be reached, as for ``memoize``.
        copy: ``"deep"`` or ``"shallow"``: each caller gets copies of the results.

    Returns:
        The function, memoized; or a decorator, where no function was given.

    Raises:
        TypeError: What is decorated is no plain function, or an option is of a wrong type.
        ValueError: An option is out of its range.
        UnsupportedOperation: ``ttl`` is given and the storage knows no deadlines.

    Cost: one bulk read; for what is missing another one, the computation, one bulk write, and one more bulk
        read where the storage is no memory of its own.
    Threads: safe where the storage is. A key is computed by one call at a time; others wait for it.
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
    named = {"ignore": ignore, "typed": typed, "version": version}
    if isinstance(storage, MutableMapping) or storage is None:
        check_storage(storage, options)
        return functools.partial(_memoized, storage=storage, options=options, **named)
    if callable(storage) and not isinstance(storage, type):
        return _memoized(storage, storage=None, options=options, **named)
    raise TypeError(
        f"memoize_many() takes a storage or another mutable mapping, or the function itself, not {storage!r}"
    )


def _memoized(
    function: Any, *, storage: MutableMapping[Any, Any] | None, options: Options, **named: Any
) -> Any:
    check_function(function, "memoize_many")
    call_key = call_key_of(function, storage, key=None, enveloped=False, **named)
    kept = own_storage() if storage is None else storage
    return MemoizedMany(function, kept, call_key, options=options, own=storage is None)


def _as_it_is(value: Any) -> Any:
    return value
