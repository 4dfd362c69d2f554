"""Trouble: what a memoized function counts, says and remembers of a storage that fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pystorage.engine import Cache
from pystorage.memo.figures import Counter
from pystorage.storage import ABSENT

if TYPE_CHECKING:
    from pystorage.errors import DecodeError
    from pystorage.memo.options import OnError

#: How many of the values given last are remembered for when the storage is down.
LAST: Final = 1024

_log = logging.getLogger("pystorage.memo")


class Trouble:
    """Counts what went wrong with a storage, and says each kind once.

    Args:
        name: The function, for messages.
        on_error: What is done when the storage cannot be reached.

    Raises:
        Nothing.

    Threads: any number.
    """

    def __init__(self, name: str, on_error: OnError) -> None:
        self._name = name
        self.raises = on_error == "raise"
        # What was read or written last, by key.
        self.last: Cache[str, Any] | None = Cache(LAST) if on_error == "stale" else None
        self._told = self._told_of_refreshes = False
        #: Whether the storage could not be reached when it was last tried.
        self.is_down = False
        self.undecodable, self.unavailable = Counter(), Counter()

    def reset(self) -> None:
        """Begin to count anew.

        Raises:
            Nothing.
        """
        self.undecodable, self.unavailable = Counter(), Counter()

    def not_decoded(self, error: DecodeError) -> None:
        """Count a result that cannot be decoded.

        Args:
            error: Why.

        Raises:
            Nothing.
        """
        self.undecodable.add()
        if not self._told:
            self._told = True
            _log.warning(
                "a kept result of %s() cannot be decoded (%s) and is computed anew; this is said once",
                self._name,
                type(error).__name__,
            )

    def not_refreshed(self, error: BaseException) -> None:
        """Say that a result could not be computed anew.

        Args:
            error: Why.

        Raises:
            Nothing.
        """
        if not self._told_of_refreshes:
            self._told_of_refreshes = True
            _log.warning(
                "a result of %s() could not be computed anew (%s), and the old one stays while it may be "
                "given; this is said once",
                self._name,
                type(error).__name__,
                exc_info=error,
            )

    def bear(self, error: OSError) -> None:
        """Count that the storage could not be reached, where that is to be borne.

        Args:
            error: Why.

        Raises:
            OSError: That very one, where it is not.
        """
        if self.raises:
            raise error
        self.unavailable.add()
        if not self.is_down:
            self.is_down = True
            _log.warning(
                "the storage of the results of %s() cannot be reached (%s), and it goes on without; "
                "this is said once until it is back",
                self._name,
                type(error).__name__,
            )

    def remember(self, key: str, stored: object) -> None:
        """Note what was read or written.

        Args:
            key: The key.
            stored: What is stored there.

        Raises:
            Nothing.
        """
        self.is_down = False
        if self.last is not None:
            self.last[key] = stored

    def remember_many(self, found: Mapping[str, object]) -> None:
        """Note what was read together.

        Args:
            found: Key → what is stored there.

        Raises:
            Nothing.
        """
        self.is_down = False
        self.note(found)

    def note(self, items: Mapping[str, object]) -> None:
        """Note what was to be written, whether the storage has it or not.

        Args:
            items: Key → what was to be stored there.

        Raises:
            Nothing.
        """
        if self.last is not None:
            for key, stored in items.items():
                self.last[key] = stored

    def remembered(self, key: str) -> Any:
        """Give what was last read or written here.

        Args:
            key: The key.

        Returns:
            What is remembered, or ABSENT.

        Raises:
            Nothing.
        """
        return ABSENT if self.last is None else self.last.get(key, ABSENT)

    def forget(self, key: str | None = None) -> None:
        """Remember a key no more.

        Args:
            key: The key; None is all of them.

        Raises:
            Nothing.
        """
        if self.last is not None:
            if key is None:
                self.last.clear()
            else:
                self.last.pop(key, None)
