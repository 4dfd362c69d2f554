"""Front: what is called before a memoized function, and knows the keys of recent calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pystorage.engine._cache import Cache


class Front:
    """The base of memoized functions: a call is its key, and then what ``_given`` makes of that.

    In C, a call whose arguments are plain and small (str, bytes, int, float, bool, None, and tuples of them)
    is known again without making its key, and where the results are in a cache of the engine they are read
    right there. This one makes the key each time; both give the same.

    Raises:
        Nothing.

    Threads: any number.
    """

    #: Makes the key of a call of its arguments by position and by name: a function that gives a str.
    _call_key: Any

    #: How many calls were answered without ``_given``.
    _quick_hits = 0

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._given(self._call_key(args, kwargs), args, kwargs)

    def _given(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Give the result of a call whose key is known."""
        raise NotImplementedError

    def _shorten(self, calls: Cache[Any, Any], results: Cache[str, Any] | None) -> None:
        """Remember the keys of calls in one cache, and read results from another one directly.

        The key must depend on the arguments alone, and ``get`` of the other be that of the engine.
        """
