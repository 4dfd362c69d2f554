"""Refreshing: what memoized functions have in common, async or not, that compute anew in the background."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from pystorage.engine import Cache
from pystorage.memo.figures import Counter
from pystorage.memo.handled import Handled
from pystorage.memo.kept_errors import Kinds
from pystorage.memo.leading import is_async
from pystorage.memo.tags import Tags
from pystorage.storage import Storage

if TYPE_CHECKING:
    from pystorage.memo.options import Options

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds for which a result is not computed anew in the background after that failed.
PAUSE: Final = 1.0


class Refreshing(Handled[P, R]):
    """A memoized function that tells how good its results still are, and computes anew in the background.

    Args:
        function: The function.
        storage: Where the results are kept.
        args: What else a memoized function takes by position.
        options: How results live and how they are handed out.
        named: What else that takes by name.

    Raises:
        TypeError: A tag names what is no parameter.
    """

    def __init__(
        self, function: Callable[..., Any], storage: Any, *args: Any, options: Options, **named: Any
    ) -> None:
        super().__init__(function, storage, *args, options=options, **named)
        self._kinds: Kinds = options.errors or {}
        self._tags = Tags(options.tags, function)
        self._clock = storage.timer if isinstance(storage, Storage) or is_async(storage) else time.time
        # What failed in the background a moment ago.
        self._resting: Cache[str, bool] = Cache(1024, ttl=PAUSE)
        self._refreshes, self._failed_refreshes = Counter(), Counter()

    @property
    def refreshes(self) -> int:
        return self._refreshes.value()

    @property
    def failed_refreshes(self) -> int:
        return self._failed_refreshes.value()
