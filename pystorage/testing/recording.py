"""RecordingStorage: a storage that remembers what was asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pystorage.storage import ABSENT, Storage, pairs
from pystorage.testing.around import AroundStorage

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

# Their results are values; those of the others say little, or are to be used up by the caller.
_GIVE_VALUES: Final = frozenset({"get", "incr"})
_GIVE_NOTHING_TO_SHOW: Final = frozenset({"iter", "scan", "lock", "open_read", "open_write"})


@dataclass(frozen=True)
class Record:
    """One operation.

    Args:
        operation: Its name, of ``pystorage.testing.around.OPERATIONS``.
        key: Its key as it is shown; ``ABSENT`` where it has none.
        given: Its other arguments, values as they are shown.
        result: What it gave, as it is shown; None after an error, and for what is used up by the caller.
        error: The type of what it raised; None if nothing.

    Raises:
        Nothing.
    """

    operation: str
    key: object = ABSENT
    given: dict[str, Any] = field(default_factory=dict)
    result: object = None
    error: type[BaseException] | None = None


def kind_of(value: object) -> str:
    """Show a value as its type.

    Args:
        value: Any value.

    Returns:
        The name of its type in angle brackets.

    Raises:
        Nothing.

    Example:
        >>> kind_of("a secret")
        '<str>'
    """
    return f"<{type(value).__name__}>"


def unchanged(key: object) -> object:
    """Show something as it is.

    Args:
        key: Anything.

    Returns:
        The same.

    Raises:
        Nothing.
    """
    return key


class RecordingStorage(AroundStorage[K, V]):
    """A storage that remembers each operation, in the order in which they came to their end.

    Args:
        storage: The inner storage.
        show_key: How keys are remembered; as they are unless said otherwise.
        show_value: How values are remembered; by their types unless said otherwise, so that no secret of
            theirs gets into the report of a test.

    Raises:
        TypeError: The storage is none.

    Threads: as the inner storage; records are added one at a time.
    Processes: as the inner storage; each process has records of its own, and so has a copy.

    Example:
        >>> from pystorage import MemoryStorage
        >>> storage = RecordingStorage(MemoryStorage())
        >>> storage["a"] = "a secret"
        >>> storage.get("b")
        >>> [(one.operation, one.key, one.given, one.error) for one in storage.records]
        [('set', 'a', {'value': '<str>'}, None), ('get', 'b', {}, <class 'KeyError'>)]
    """

    def __init__(
        self,
        storage: Storage[K, V],
        *,
        show_key: Callable[[Any], object] = unchanged,
        show_value: Callable[[Any], object] = kind_of,
    ) -> None:
        super().__init__(storage)
        self._show_key = show_key
        self._show_value = show_value
        self._begin()

    def _begin(self) -> None:
        self._records: list[Record] = []

    @property
    def records(self) -> list[Record]:
        """What was asked, the first first: a list of its own.

        Raises:
            Nothing.
        """
        return self._records.copy()

    def forget(self) -> None:
        """Begin anew.

        Raises:
            Nothing.
        """
        self._records.clear()

    def count(self, operation: str) -> int:
        """Count an operation.

        Args:
            operation: Its name.

        Returns:
            How often it came to its end.

        Raises:
            Nothing.
        """
        return sum(one.operation == operation for one in self.records)

    def _around(self, operation: str, key: object, call: Callable[[], T], **given: Any) -> T:
        shown = {name: self._shown(name, one) for name, one in given.items()}
        shown_key = key if key is ABSENT else self._show_key(key)
        try:
            result = call()
        except BaseException as error:
            self._records.append(Record(operation, shown_key, shown, error=type(error)))
            raise
        self._records.append(Record(operation, shown_key, shown, self._shown_result(operation, result)))
        return result

    def _shown(self, name: str, given: Any) -> object:
        """Show an argument."""
        if given is ABSENT:
            return given
        if name in ("value", "old"):
            return self._show_value(given)
        if name == "items":
            return [(self._show_key(key), self._show_value(value)) for key, value in pairs(given)]
        if name == "keys":
            return [self._show_key(key) for key in given]
        return self._show_key(given) if name == "prefix" else given

    def _shown_result(self, operation: str, result: Any) -> object:
        if operation in _GIVE_NOTHING_TO_SHOW:
            return None
        if operation == "get_many":
            return {self._show_key(key): self._show_value(value) for key, value in result.items()}
        return self._show_value(result) if operation in _GIVE_VALUES else result

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_records"}
