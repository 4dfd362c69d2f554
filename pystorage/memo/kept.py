"""Kept: a function whose results are kept, of one key or of many, async or not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pystorage.memo.figures import CacheInfo, Counter
from pystorage.memo.leading import is_async
from pystorage.memo.trouble import Trouble
from pystorage.storage import Storage

if TYPE_CHECKING:
    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options


class Kept:
    """A function whose results are kept: its name, the place of its results, and its figures.

    Args:
        function: The function.
        storage: Where the results are kept.
        call_key: Makes the key of a call.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.

    Raises:
        Nothing.
    """

    # Those of the function.
    __name__: str
    __qualname__: str
    _call_key: CallKey

    #: What ``repr`` calls it, before and after its name.
    _kind: ClassVar[str] = "memoized"
    _manner: ClassVar[str] = ""
    #: Hits that are counted elsewhere.
    _quick_hits: int = 0

    def __init__(
        self, function: Callable[..., Any], storage: Any, call_key: CallKey, *, options: Options, own: bool
    ) -> None:
        # First, since it copies whatever attributes the function has.
        functools.update_wrapper(cast("Callable[..., Any]", self), function)
        self.__wrapped__: Callable[..., Any] = function
        self._storage = storage
        self._call_key = call_key
        self._options = options
        self._own = own
        self._trouble = Trouble(f"{self.__module__}.{self.__qualname__}", options.on_error)
        self._hits, self._misses = Counter(), Counter()

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
        """Give the figures of this function in this process; those of many keys are by keys.

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

    def _reset(self) -> None:
        """Count from nothing again."""
        self._hits, self._misses = Counter(), Counter()
        self._trouble.reset()
        self._quick_hits = 0

    def __repr__(self) -> str:
        # The repr of a mapping that is no storage shows what it holds.
        named = isinstance(self._storage, Storage) or is_async(self._storage)
        place = repr(self._storage) if named else type(self._storage).__name__
        return f"<{self._kind} {self.__module__}.{self.__qualname__}{self._manner} in {place}>"

    def __reduce__(self) -> str:
        return self.__qualname__
