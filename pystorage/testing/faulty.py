"""FaultyStorage: a storage that fails when it is told to."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar, cast

from pystorage.errors import StorageError, UnavailableError
from pystorage.storage import ABSENT, Storage
from pystorage.testing.around import AroundStorage, checked_operations

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

Error = type[BaseException] | BaseException | Callable[[], BaseException]


class Fault:
    """When a storage fails, and how; made by ``FaultyStorage.fail``.

    Args:
        error: What is raised: an exception, a class of one, or a function that gives one.
        on: The operations that fail; empty are all.
        keys: The keys that fail, or a function that tells; None are all, and operations without a key.
        nth: Which of the calls that it applies to fails, from 1; None are all.
        times: How often it fails at most; None is any number.
        rate: How likely a call fails that would, 0 … 1.
        late: Whether the operation is done before the error is raised, as when only the answer is lost.

    Raises:
        ValueError: There is no such operation, or a number is out of its range.
    """

    def __init__(
        self,
        error: Error,
        *,
        on: Iterable[str] = (),
        keys: Collection[Any] | Callable[[Any], bool] | None = None,
        nth: int | None = None,
        times: int | None = None,
        rate: float = 1.0,
        late: bool = False,
    ) -> None:
        for name, number in (("nth", nth), ("times", times)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, not {number!r}")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be 0 … 1, not {rate!r}")
        self.error: Final = error
        self.on: Final = checked_operations([on] if isinstance(on, str) else on)
        self.keys: Final = keys
        self.nth: Final = nth
        self.times: Final = times
        self.rate: Final = rate
        self.late: Final = late
        self._met = count(1)
        self._failed = count(1)

    def strikes(self, operation: str, key: object, chance: random.Random) -> bool:
        """Tell whether a call fails, and count it.

        Args:
            operation: What is done.
            key: The key; ``ABSENT`` where there is none.
            chance: Where the luck comes from.

        Returns:
            Whether it fails.

        Raises:
            Exception: What the function raises that tells which keys fail.
        """
        if self.on and operation not in self.on:
            return False
        if self.keys is not None:
            if key is ABSENT:
                return False
            if not (self.keys(key) if callable(self.keys) else key in self.keys):
                return False
        if self.nth is not None and next(self._met) != self.nth:
            return False
        if self.rate < 1 and chance.random() >= self.rate:
            return False
        return self.times is None or next(self._failed) <= self.times


@dataclass(frozen=True)
class Failure:
    """What a ``FaultyStorage`` did.

    Args:
        operation: The operation that failed.
        key: Its key; ``ABSENT`` where it has none.
        error: What was raised.
        late: Whether the operation was done all the same.

    Raises:
        Nothing.
    """

    operation: str
    key: object
    error: BaseException
    late: bool


class FaultyStorage(AroundStorage[K, V]):
    """A storage that fails when it is told to, and says afterwards what it did.

    Args:
        storage: The inner storage.
        seed: What the luck of faults with a ``rate`` begins with: the same calls in the same order fail
            again.

    Raises:
        TypeError: The storage is none.

    Threads: as the inner storage; which call is the nth is up to them.
    Processes: as the inner storage; each process counts for itself, and so does a copy, which has no faults.

    Example:
        >>> from pystorage import MemoryStorage
        >>> storage = FaultyStorage(MemoryStorage())
        >>> storage.fail(on="set", keys=["a"], nth=2)
        >>> storage["a"] = 1
        >>> storage["a"] = 2
        Traceback (most recent call last):
        pystorage.errors.UnavailableError: could not set 'a' in FaultyStorage(MemoryStorage()): told to fail
        >>> storage["a"], [(one.operation, one.key, one.late) for one in storage.failures]
        (1, [('set', 'a', False)])
    """

    def __init__(self, storage: Storage[K, V], *, seed: int = 0) -> None:
        super().__init__(storage)
        self._seed = seed
        self._begin()

    def _begin(self) -> None:
        self._chance = random.Random(self._seed)
        self._faults: list[Fault] = []
        self._failures: list[Failure] = []

    def fail(
        self,
        error: Error = UnavailableError,
        *,
        on: Iterable[str] = (),
        keys: Collection[Any] | Callable[[Any], bool] | None = None,
        nth: int | None = None,
        times: int | None = None,
        rate: float = 1.0,
        late: bool = False,
    ) -> None:
        """Add a fault; where several apply to a call, the one that was added first strikes.

        Args:
            error: What is raised: an exception, a class of one, or a function that gives one. A class of
                ``StorageError`` gets a message, the key and the storage, as those of other storages have.
            on: The operations that fail, or one (``pystorage.testing.around.OPERATIONS``); empty are all.
            keys: The keys that fail, or a function that tells; None are all, and operations without a key.
            nth: Which of the calls that it applies to fails, from 1; None are all.
            times: How often it fails at most; None is any number.
            rate: How likely a call fails that would, 0 … 1.
            late: Whether the operation is done before the error is raised, as when only the answer is lost.

        Raises:
            ValueError: There is no such operation, or a number is out of its range.
        """
        fault = Fault(error, on=on, keys=keys, nth=nth, times=times, rate=rate, late=late)
        self._faults.append(fault)

    def heal(self) -> None:
        """Remove all faults; what they did stays known.

        Raises:
            Nothing.
        """
        self._faults.clear()

    @property
    def failures(self) -> list[Failure]:
        """What failed because it was told to, the first first: a list of its own.

        Raises:
            Nothing.
        """
        return self._failures.copy()

    def _around(self, operation: str, key: object, call: Callable[[], T], **given: Any) -> T:
        for fault in self._faults.copy():
            if fault.strikes(operation, key, self._chance):
                error = self._made(fault.error, operation, key)
                if fault.late:
                    call()
                self._failures.append(Failure(operation, key, error, fault.late))
                raise error
        return call()

    def _made(self, error: Error, operation: str, key: object) -> BaseException:
        if isinstance(error, BaseException):
            return error
        if isinstance(error, type) and issubclass(error, StorageError):
            return self._error(error, operation, key, "told to fail")
        return cast(BaseException, error())

    def _settings(self) -> Mapping[str, Any]:
        return {"seed": self._seed} if self._seed else {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_inner": self._inner, "_seed": self._seed}
