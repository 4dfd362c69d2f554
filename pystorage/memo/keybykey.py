"""Many: functions of many keys whose results are kept one by one, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar

from pystorage.memo.callkey import CallKey
from pystorage.memo.kept import Kept
from pystorage.memo.leading import is_async
from pystorage.memo.options import Options
from pystorage.storage import ABSENT, Storage

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class Many(Kept, Generic[K, P, V]):
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

    _manner = ", key by key,"

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
        super().__init__(function, storage, call_key, options=options, own=own)
        self._copied = options.copier or _as_it_is
        self._chunk = chunk
        # Whether each result has a life of its own, or they can be written together.
        alike = isinstance(storage, Storage) or is_async(storage)
        self._one_by_one = callable(options.ttl) or bool(options.jitter) or not alike

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

    def _hit(self, names: dict[str, K], kept: Mapping[str, Any]) -> dict[K, Any]:
        """Count what is kept, and give it by the keys."""
        for _ in kept:
            self._hits.add()
        return {names[name]: value for name, value in kept.items()}

    def _takes(self, flight: Any, key: K, found: dict[K, Any]) -> bool:
        """Take what somebody else computed, value or error; tell whether there is any."""
        if flight.error is not None:
            raise flight.error.with_traceback(flight.traceback)
        if flight.value is ABSENT:
            return False
        found[key] = flight.value
        self._hits.add()
        return True

    def _answer(self, names: dict[str, K], found: dict[K, Any]) -> dict[K, V]:
        return {key: self._copied(found[key]) for key in names.values() if key in found}

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


def _as_it_is(value: Any) -> Any:
    return value
