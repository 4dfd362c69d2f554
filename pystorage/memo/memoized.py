"""Memoized: a function whose results are kept in a storage."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, MutableMapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from pystorage.engine import Cache, Front
from pystorage.errors import DecodeError
from pystorage.memo.bound import BoundMemoized
from pystorage.memo.figures import CacheInfo, Counter
from pystorage.memo.flight import Flights
from pystorage.storage import ABSENT, Storage

if TYPE_CHECKING:
    from typing import Self

    from pystorage.memo.callkey import CallKey

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
D = TypeVar("D")
S = TypeVar("S")

# How many calls are known by their keys, at most, and where the storage is no memory of ours.
MANY: Final = 16384
OTHERS: Final = 1024

_log = logging.getLogger("pystorage.memo")


class Memoized(Front, Generic[P, R]):
    """A function whose results are kept in a storage: what ``memoize`` makes.

    It is called as the function is. The methods take the same arguments; what is no argument of the
    function comes before them.

    Args:
        function: The function.
        storage: Where the results are kept.
        call_key: Makes the key of a call.
        ttl: Seconds that a result lives, > 0; None is for ever.
        own: Whether nobody else uses the storage.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        Nothing.

    Threads: as the storage. A key is computed once at a time: who asks for it meanwhile waits, and gets the
        result or the error. One that computes may call itself, and others that call it; a pool of threads
        that it hands its own key to and waits for is the one thing that never ends.
    Processes: as the storage; all of them find the same results, and each computes what it misses.
    """

    # Those of the function.
    __name__: str
    __qualname__: str
    _call_key: CallKey

    def __init__(
        self,
        function: Callable[P, R],
        storage: MutableMapping[Any, Any],
        call_key: CallKey,
        *,
        ttl: float | None,
        own: bool,
        parameters: dict[str, object],
    ) -> None:
        # First, since it copies whatever attributes the function has.
        functools.update_wrapper(self, function)
        self.__wrapped__ = function
        self._storage = storage
        self._call_key = call_key
        self._ttl = ttl
        self._own = own
        self._parameters = parameters
        # A dict gives back the very object, so there is nothing to read again; and so does our own memory.
        self._keeps_objects = own or type(storage) is dict
        self._told = False
        self._flights = Flights()
        if call_key.is_of_arguments:
            kind: Any = type(storage)
            # One with a ``get`` of its own is asked by that.
            results = storage if isinstance(storage, Cache) and kind.get is Cache.get else None
            known = OTHERS if results is None else min(results.maxsize or MANY, MANY)
            self._shorten(Cache(known), results)
        self._hits, self._misses, self._undecodable = Counter(), Counter(), Counter()
        self._quick_hits = 0

    # ------------------------------------------------------------------ calls

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def _given(self, key: str, args: Any, kwargs: Any) -> R:
        flights = self._flights
        landed = flights.landed
        found = self._find(key)
        if found is ABSENT:
            return flights.run(key, landed, self, args, kwargs)  # type: ignore[no-any-return]
        self._hits.add()
        return found  # type: ignore[no-any-return]

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

        Example:
            >>> import string
            >>> from pystorage import memoize
            >>> capwords = memoize({})(string.capwords)
            >>> capwords.key_for("a b") == capwords.key_for(s="a b", sep=None)
            True
        """
        return self._call_key(args, kwargs)

    def peek(self, default: D, /, *args: P.args, **kwargs: P.kwargs) -> R | D:
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

        Cost: one read.
        """
        try:
            return self._storage.get(self._call_key(args, kwargs), default)  # type: ignore[no-any-return]
        except DecodeError:
            return default

    def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep a result for a call without computing it.

        Args:
            value: The result.
            args: As for the function.
            kwargs: As for the function.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the value, or refused.

        Cost: one write.
        """
        self._keep(self._call_key(args, kwargs), value)

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
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

        Cost: one removal.
        """
        try:
            del self._storage[self._call_key(args, kwargs)]
        except KeyError:
            return False
        return True

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
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

        Cost: one computation and one write.
        """
        return self._kept(self._call_key(args, kwargs), self.__wrapped__(*args, **kwargs))

    # ------------------------------------------------------------------ the whole

    @property
    def storage(self) -> MutableMapping[Any, Any]:
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
            Module, qualified name and version: for ``storage.scan``.

        Raises:
            Nothing.
        """
        return self._call_key.prefix

    @property
    def undecodable(self) -> int:
        """How many results were kept but could not be decoded, and so were computed anew.

        Returns:
            Their number in this process, since the last ``cache_clear``; each is counted as a miss, too.

        Raises:
            Nothing.
        """
        return self._undecodable.value()

    def cache_info(self) -> CacheInfo:
        """Give the figures of this function in this process.

        Returns:
            Hits, misses, maxsize and currsize; what is unknown is None.

        Raises:
            Nothing.

        Cost: O(1); the storage is not searched.
        """
        maxsize = getattr(self._storage, "maxsize", None)
        return CacheInfo(
            self._hits.value() + self._quick_hits,
            self._misses.value(),
            maxsize if isinstance(maxsize, int) else None,
            len(self._storage) if self._own else None,
        )

    def cache_parameters(self) -> dict[str, object]:
        """Tell how the function was memoized.

        Returns:
            The keywords of ``memoize`` with their values, and ``maxsize``, in a new dict.

        Raises:
            Nothing.
        """
        return {"maxsize": self.cache_info().maxsize, **self._parameters}

    def cache_clear(self) -> None:
        """Forget all results of this function, and its figures; nothing else in the storage is touched.

        Raises:
            StorageError: The storage refused.

        Cost: one scan of the storage for ``key_prefix`` and one bulk removal; its own storage is emptied.
        """
        if self._own:
            self._storage.clear()
        elif isinstance(self._storage, Storage):
            self._storage.delete_many(list(self._storage.scan(self.key_prefix)))
        else:
            for key in [key for key in self._storage if _begins(key, self.key_prefix)]:
                self._storage.pop(key, None)
        self._hits, self._misses, self._undecodable = Counter(), Counter(), Counter()
        self._quick_hits = 0

    # ------------------------------------------------------------------ as a function

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: Memoized[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> BoundMemoized[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else BoundMemoized(cast("Memoized[Any, R]", self), instance)

    def __repr__(self) -> str:
        # The repr of a mapping that is no storage shows what it holds.
        place = repr(self._storage) if isinstance(self._storage, Storage) else type(self._storage).__name__
        return f"<memoized {self.__module__}.{self.__qualname__} in {place}>"

    def __reduce__(self) -> str:
        return self.__qualname__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    # ------------------------------------------------------------------ one result

    def _find(self, key: str) -> Any:
        try:
            return self._storage.get(key, ABSENT)
        except DecodeError as error:
            self._undecodable.add()
            if not self._told:
                self._told = True
                _log.warning(
                    "a kept result of %s.%s() cannot be decoded (%s) and is computed anew; this is said once",
                    self.__module__,
                    self.__qualname__,
                    type(error).__name__,
                )
            return ABSENT

    def _count(self, computed: bool) -> None:
        (self._misses if computed else self._hits).add()

    def _kept(self, key: str, value: R) -> R:
        if isinstance(value, (CoroutineType, GeneratorType, AsyncGeneratorType)):
            self._refuse(value)
        self._keep(key, value)
        if self._keeps_objects:
            return value
        # What a storage gives may differ from what it was given, as a tuple that JSON makes a list.
        try:
            return self._storage.get(key, value)  # type: ignore[no-any-return]
        except DecodeError:
            return value

    def _keep(self, key: str, value: R) -> None:
        if self._ttl is None:
            self._storage[key] = value
        else:
            self._storage.set(key, value, ttl=self._ttl)  # type: ignore[attr-defined]

    def _refuse(self, value: object) -> None:
        if not isinstance(value, AsyncGeneratorType):
            value.close()  # type: ignore[attr-defined]
        raise TypeError(
            f"{self.__qualname__}() gave one {type(value).__name__}, which can be used once and so is no "
            "result to keep: memoize a function that gives the values"
        )


def _begins(key: object, prefix: str) -> bool:
    return isinstance(key, str) and key.startswith(prefix)
