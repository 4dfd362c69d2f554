"""Handled: what memoized functions have in common, async or not, that touches no result."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar, cast

from pystorage.engine import Front
from pystorage.memo.figures import CacheInfo, Counter
from pystorage.memo.flight import Ask
from pystorage.memo.leading import is_async
from pystorage.memo.place import Trouble
from pystorage.storage import Storage

if TYPE_CHECKING:
    from typing import Self

    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options

P = ParamSpec("P")
R = TypeVar("R")


class Handled(Front, Generic[P, R]):
    """A memoized function as it is looked at: its keys, its figures and how it was made.

    Args:
        function: The function.
        storage: Where the results are kept.
        call_key: Makes the key of a call.
        options: How results live and how they are handed out.
        own: Whether nobody else uses the storage.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        Nothing.
    """

    # Those of the function.
    __name__: str
    __qualname__: str
    _call_key: CallKey

    #: What ``repr`` calls it.
    _kind: ClassVar[str] = "memoized"

    def __init__(
        self,
        function: Callable[..., Any],
        storage: Any,
        call_key: CallKey,
        *,
        options: Options,
        own: bool,
        parameters: dict[str, object],
    ) -> None:
        # First, since it copies whatever attributes the function has.
        functools.update_wrapper(cast("Callable[..., Any]", self), function)
        self.__wrapped__: Callable[..., Any] = function
        self._storage = storage
        self._call_key = call_key
        self._options = options
        self._copied = options.copier
        self._own = own
        self._parameters = parameters
        # A dict gives back the very object, so there is nothing to read again; and so does our own memory.
        self._keeps_objects = own or type(storage) is dict
        self._trouble = Trouble(f"{self.__module__}.{self.__qualname__}", options.on_error)
        self._hits, self._misses = Counter(), Counter()

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

    @property
    def refreshes(self) -> int:
        """How many results were computed anew in the background, by this process.

        Returns:
            Their number, 0 where no option asks for it; they are no misses.

        Raises:
            Nothing.
        """
        return 0

    @property
    def failed_refreshes(self) -> int:
        """How often computing anew in the background failed, so that the old result stayed.

        Returns:
            The number, in this process.

        Raises:
            Nothing.
        """
        return 0

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

    def _count(self, ask: Ask, computed: bool) -> None:
        if not ask.background:
            (self._misses if computed else self._hits).add()

    def _reset(self) -> None:
        """Count from nothing again."""
        self._hits, self._misses = Counter(), Counter()
        self._trouble.reset()
        self._quick_hits = 0

    def __repr__(self) -> str:
        # The repr of a mapping that is no storage shows what it holds.
        named = isinstance(self._storage, Storage) or is_async(self._storage)
        place = repr(self._storage) if named else type(self._storage).__name__
        return f"<{self._kind} {self.__module__}.{self.__qualname__} in {place}>"

    def __reduce__(self) -> str:
        return self.__qualname__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self


class Refreshing:
    """The figures of a memoized function that computes anew in the background.

    Args:
        args: What the class beside it takes by position.
        options: What that takes by name.

    Raises:
        Nothing.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refreshes, self._failed_refreshes = Counter(), Counter()

    @property
    def refreshes(self) -> int:
        """How many results were computed anew in the background, by this process.

        Returns:
            Their number; they are no misses.

        Raises:
            Nothing.
        """
        return self._refreshes.value()

    @property
    def failed_refreshes(self) -> int:
        """How often computing anew in the background failed, so that the old result stayed.

        Returns:
            The number, in this process.

        Raises:
            Nothing.
        """
        return self._failed_refreshes.value()
