"""Memoized: a function whose results are kept in a storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, MutableMapping
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from pystorage.engine import Cache
from pystorage.memo.bound import BoundMemoized
from pystorage.memo.cleared import Cleared
from pystorage.memo.flight import Ask, Flights
from pystorage.memo.handled import Handled
from pystorage.memo.leading import Leading, can_lead
from pystorage.memo.methods import MayBeMethod
from pystorage.memo.options import each_call
from pystorage.memo.place import ANYTHING, Place, refuse_once
from pystorage.storage import ABSENT, Storage

if TYPE_CHECKING:
    from typing import Self

    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
D = TypeVar("D")
S = TypeVar("S")

# How many calls are known by their keys, at most, and where the storage is no memory of ours.
MANY: Final = 16384
OTHERS: Final = 1024


class Memoized(MayBeMethod, Cleared, Handled[P, R]):
    """A function whose results are kept in a storage: what ``memoize`` makes.

    It is called as the function is. The methods take the same arguments; what is no argument of the
    function comes before them.

    Args:
        function: The function.
        storage: Where the results are kept.
        call_key: Makes the key of a call.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        Nothing.

    Threads: as the storage. A key is computed once at a time: who asks for it meanwhile waits, and gets the
        result or the error. One that computes may call itself, and others that call it; a pool of threads
        that it hands its own key to and waits for is the one thing that never ends.
    Processes: as the storage; all of them find the same results, and where it is shared and has locks one
        computes at a time what all miss.
    """

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
        self._place = Place(storage, self._trouble)
        self._flights = Flights()
        self._leading = (
            Leading(cast("Storage[Any, Any]", storage), options, self._trouble)
            if options.lock is not False and can_lead(storage)
            else None
        )
        if call_key.is_of_arguments:
            # One with a ``get`` of its own is asked by that.
            results = storage if isinstance(storage, Cache) and storage._has_this_get() else None
            if self._copied is not None or not self._gives_what_is_stored:
                results = None
            known = OTHERS if results is None else min(results.maxsize or MANY, MANY)
            self._shorten(Cache(known, policy="sieve"), results)
        self._quick_hits = 0

    # ------------------------------------------------------------------ calls

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

        @property
        def storage(self) -> MutableMapping[Any, Any]: ...

    def _given(self, key: str, args: Any, kwargs: Any) -> R:
        flights = self._flights
        landed = flights.landed
        value = self._place.read(key)
        if value is ABSENT:
            ask = Ask(key, self._passed(args), kwargs, self._find)
            value = flights.run(ask, landed, self, self._options.lock_timeout)
        else:
            self._hits.add()
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
        value = self._peeked(self._call_key(args, kwargs))
        if value is ABSENT:
            return default
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        key = self._call_key(args, kwargs)
        self._flights.forget(key)
        note = self._noted(self._passed(args), kwargs)
        self._write(key, value if self._copied is None else self._copied(value), note=note)

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        key = self._call_key(args, kwargs)
        self._flights.forget(key)
        return self._place.remove(key)

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        ask = Ask(self._call_key(args, kwargs), self._passed(args), kwargs, self._find)
        self._flights.forget(ask.key)
        value = self._computed(ask)
        return value if self._copied is None else self._copied(value)  # type: ignore[no-any-return]

    def prefetch(self, calls: Iterable[tuple[Any, ...]]) -> int:
        asked = {self._call_key(args, {}): args for args in each_call(calls)}
        landed = self._flights.landed
        kept = self._kept_of(list(asked))
        for key, args in asked.items():
            if key not in kept:
                ask = Ask(key, self._passed(args), {}, self._find)
                self._flights.run(ask, landed, self, self._options.lock_timeout)
        return len(asked) - len(kept)

    # ------------------------------------------------------------------ as a function

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: Memoized[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> BoundMemoized[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._bound(BoundMemoized, instance, owner)

    # ------------------------------------------------------------------ one result

    # What is stored is the result itself.
    _gives_what_is_stored = True

    def _passed(self, args: Any) -> Any:
        """Give what the function is called with."""
        return args

    def _noted(self, args: Any, kwargs: Any) -> Any:
        """Give what is known of a result before it is there; None where it is kept bare."""
        return None

    def _find(self, key: str) -> Any:
        """Give a result that is good enough not to be computed, or ABSENT: looked for once more."""
        return self._place.read(key, counted=False)

    def _peeked(self, key: str) -> Any:
        return self._place.read(key, counted=False)

    def _standing(self, key: str) -> object:
        """Give what is stored although ``_find`` gave nothing."""
        return ABSENT

    def _kept_of(self, keys: list[str]) -> Collection[str]:
        """Give those keys whose results are good enough not to be computed."""
        return self._place.read_many(keys)

    def _lead(self, ask: Ask) -> Any:
        if self._leading is not None:
            return self._leading.lead(ask, self)
        self._count(ask, True)
        return self._computed(ask)

    def _pass(self, ask: Ask) -> Any:
        if self._leading is not None:
            return self._leading.lead_again(ask, self)
        self._count(ask, True)
        return self._computed(ask)

    def _computed(self, ask: Ask, before: object = ANYTHING) -> Any:
        """Compute a result and keep it, if ``before`` is still what is stored."""
        return self._kept(ask, self.__wrapped__(*ask.args, **ask.kwargs), before)

    def _kept(self, ask: Ask, value: Any, before: object, note: Any = None) -> Any:
        refuse_once(value, self.__qualname__)
        if ask.is_forgotten():
            return value
        wanted = ask.is_wanted()
        if not wanted or not self._write(ask.key, value, ANYTHING if ask.overwrites else before, note):
            # Somebody else was faster, and what they kept is at least as new.
            found = ask.find(ask.key)
            if found is not ABSENT or not wanted:
                return value if found is ABSENT else found
            # Or what is there cannot be read.
            if not ask.is_wanted():
                return value
            self._write(ask.key, value, ANYTHING, note)
        if ask.is_forgotten():
            self._place.remove(ask.key)
            return value
        if self._keeps_objects or self._trouble.is_down:
            return value
        # What a storage gives may differ from what it was given, as a tuple that JSON makes a list.
        found = self._place.read(ask.key, counted=False)
        return value if found is ABSENT else self._unpacked(found, value)

    def _unpacked(self, stored: Any, default: Any) -> Any:
        return stored

    def _write(self, key: str, value: Any, before: object = ANYTHING, note: Any = None) -> bool:
        return self._place.write(key, value, self._options.life(value, self.__qualname__), before)
