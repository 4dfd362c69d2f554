"""Handled: what memoized functions have in common, async or not, that touches no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pystorage.engine import Front
from pystorage.memo.calls import Calls
from pystorage.memo.flight import Ask
from pystorage.memo.kept import Kept

if TYPE_CHECKING:
    from pystorage.memo.callkey import CallKey
    from pystorage.memo.options import Options

P = ParamSpec("P")
R = TypeVar("R")


class Handled(Front, Kept, Calls[P, R]):
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

    _call_key: CallKey

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
        super().__init__(function, storage, call_key, options=options, own=own)
        self._copied = options.copier
        self._parameters = parameters
        # A dict gives back the very object, so there is nothing to read again; and so does our own memory.
        self._keeps_objects = own or type(storage) is dict

    def key_for(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        return self._call_key(args, kwargs)

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
