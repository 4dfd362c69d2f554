"""Many: functions of many keys whose results are kept one by one, and what they have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar, cast

from pystorage.memo.callkey import CallKey
from pystorage.memo.figures import CacheInfo, Counter
from pystorage.memo.leading import is_async
from pystorage.memo.options import Options
from pystorage.memo.place import Trouble
from pystorage.storage import Storage

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class Many(Generic[K, P, V]):
    """What functions of many keys have in common whose results are kept one by one, async or not.

    Args:
        function: Takes the keys, a list, first, and gives a mapping of keys to results.
        storage: Where the results are kept.
        call_key: Makes the key of a call with one key.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        chunk: How many keys the function is asked for at a time, at most; None is all.

    Raises:
        Nothing.
    """

    __name__: str
    __qualname__: str

    def __init__(
        self,
        function: Callable[..., Any],
        storage: Any,
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
        chunk: int | None,
    ) -> None:
        functools.update_wrapper(cast("Callable[..., Any]", self), function)
        self.__wrapped__: Callable[..., Any] = function
        self._storage = storage
        self._call_key = call_key
        self._options = options
        self._copied = options.copier or _as_it_is
        self._own = own
        self._chunk = chunk
        self._trouble = Trouble(f"{self.__module__}.{self.__qualname__}", options.on_error)
        # Whether each result has a life of its own, or they can be written together.
        alike = isinstance(storage, Storage) or is_async(storage)
        self._one_by_one = callable(options.ttl) or bool(options.jitter) or not alike
        self._hits, self._misses = Counter(), Counter()

    def __set_name__(self, owner: type, name: str) -> None:
        raise TypeError(
            f"memoize_many() takes functions, and {owner.__qualname__}.{name} is a method, whose first "
            "argument is no list of keys: put @staticmethod above, or memoize a function of the module"
        )

    def _named(self, keys: Iterable[K], args: Any, kwargs: Any) -> dict[str, K]:
        """Give the keys by the names that their results have in the storage, each once."""
        return {self._call_key((key, *args), kwargs): key for key in dict.fromkeys(keys)}

    def _parts(self, missing: dict[str, K]) -> Iterator[dict[str, K]]:
        names, size = iter(missing), self._chunk or len(missing)
        while part := list(islice(names, size)):
            yield {name: missing[name] for name in part}

    def _mapping(self, values: Any) -> Mapping[K, V]:
        if not isinstance(values, Mapping):
            raise TypeError(
                f"{self.__qualname__}() must give a mapping of keys to results, and gave one "
                f"{type(values).__qualname__}"
            )
        return values

    def _life(self, value: object) -> float | None:
        return self._options.life(value, self.__qualname__)

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
    def storage(self) -> Any:
        """Where the results are kept.

        Returns:
            The storage that was given, or the one of this function.

        Raises:
            Nothing.
        """
        return self._storage

    @property
    def undecodable(self) -> int:
        """How many results were kept but could not be decoded, and so were computed anew.

        Returns:
            Their number in this process, since the last ``cache_clear``; each is counted as a miss, too.

        Raises:
            Nothing.
        """
        return self._trouble.undecodable.value()

    @property
    def unavailable(self) -> int:
        """How often the storage could not be reached, and the function went on without it.

        Returns:
            The number in this process, since the last ``cache_clear``; 0 where ``on_error`` is "raise".

        Raises:
            Nothing.
        """
        return self._trouble.unavailable.value()

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

    def _reset(self) -> None:
        """Count from nothing again."""
        self._hits, self._misses = Counter(), Counter()
        self._trouble.reset()

    def __repr__(self) -> str:
        place = repr(self._storage) if isinstance(self._storage, Storage) else type(self._storage).__name__
        return f"<memoized {self.__module__}.{self.__qualname__}, key by key, in {place}>"

    def __reduce__(self) -> str:
        return self.__qualname__


def _as_it_is(value: Any) -> Any:
    return value
