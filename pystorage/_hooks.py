"""The hooks of a storage beyond those of a mapping: those with a correct general default have one.

A hook whose default would race raises ``UnsupportedOperation`` until a storage has a native one and
declares it in ``capabilities``.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar, cast

from pystorage._arguments import checked_prefix, checked_ttl, shown
from pystorage._terms import ABSENT, KEEP, Capability, Sentinel, Stats, Timer
from pystorage.errors import StorageError, UnsupportedOperation

if TYPE_CHECKING:
    from typing import Self

    from pystorage._sync import Lease

K = TypeVar("K")
V = TypeVar("V")
E = TypeVar("E", bound=StorageError)


class Hooks(MutableMapping[K, V]):
    """What a storage does besides being a mapping: lives, atomic changes, scans, streams, figures.

    Raises:
        Nothing.
    """

    __slots__ = ()

    #: What is native here.
    capabilities: Capability = Capability.NONE

    # ------------------------------------------------------------------ life

    @property
    def timer(self) -> Timer:
        """The clock that deadlines are counted on: a function that gives seconds.

        Raises:
            Nothing.
        """
        return time.time

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        """Write an entry that lives for a while.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds that it lives, > 0; None is for ever. A deadline that was there before is gone.

        Raises:
            InvalidKeyError: The storage cannot hold such a key.
            EncodeError: The value cannot be stored; the old one stands.
            CapacityError: It is larger than the storage may hold; the old one stands.
            UnsupportedOperation: A ttl was given and the storage lacks ``Capability.TTL``.
            UnavailableError: The place behind the storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: one write.
        """
        if checked_ttl(ttl) is not None:
            raise self._unsupported("keep an entry for a while", "TTL")
        self[key] = value

    def ttl(self, key: K) -> float | None:
        """Give the seconds that an entry still lives.

        Args:
            key: The key.

        Returns:
            Seconds, > 0; None is for ever.

        Raises:
            KeyError: The key is absent.
            StorageError: The storage cannot be read.
        """
        if key not in self:
            raise KeyError(key)
        return None

    def _left(self, key: K, deadline: float | None) -> float | None:
        """Give the seconds until a deadline that was just read."""
        if deadline is None:
            return None
        left = deadline - self.timer()
        if left <= 0:  # it ran out between the two looks at the clock
            raise KeyError(key)
        return left

    def expires_at(self, key: K) -> float | None:
        """Give the deadline of an entry.

        Args:
            key: The key.

        Returns:
            A time on the storage's ``timer``, in seconds; None is for ever.

        Raises:
            KeyError: The key is absent.
            StorageError: The storage cannot be read.
        """
        left = self.ttl(key)
        return None if left is None else self.timer() + left

    def expire(self, key: K, ttl: float | None) -> None:
        """Give an entry another deadline.

        Args:
            key: The key.
            ttl: Seconds from now, > 0; None is for ever.

        Raises:
            KeyError: The key is absent.
            UnsupportedOperation: The storage lacks ``Capability.TTL``.
            StorageError: The storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        checked_ttl(ttl)
        raise self._unsupported("give an entry a deadline", "TTL")

    def touch(self, key: K, ttl: float | None) -> bool:
        """Give an entry another deadline if it is there; it counts as used.

        Args:
            key: The key.
            ttl: Seconds from now, > 0; None is for ever.

        Returns:
            Whether the key was there.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.TTL``.
            StorageError: The storage refused.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.
        """
        try:
            self.expire(key, ttl)
        except KeyError:
            return False
        return True

    def purge(self) -> int:
        """Remove what has expired.

        Returns:
            How many entries that were.

        Raises:
            StorageError: The storage refused.
        """
        return 0

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        """Write an entry if its key is absent.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds that it lives, > 0; None is for ever.

        Returns:
            Whether it was written.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.ADD``.
            StorageError: As ``set`` does.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Threads: of several calls one wins.
        """
        raise self._unsupported("add an entry only if it is absent", "ADD")

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        """Replace a value if it is still the old one.

        Args:
            key: The key.
            old: The value that must be there, compared by ``==``; ``ABSENT`` makes it ``add``.
            new: The value to write.
            ttl: Seconds that it lives, > 0; None is for ever; ``KEEP`` leaves the deadline as it is.

        Returns:
            Whether it was replaced.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.SWAP``.
            StorageError: As reading and ``set`` do.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Threads: the write happens only if nothing was written since the old value was read.
        """
        raise self._unsupported("replace a value only if it is unchanged", "SWAP")

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        """Add to an integer.

        Args:
            key: The key; an absent one counts from 0.
            by: What to add; may be negative.
            ttl: Seconds that the entry lives if this call makes it, > 0; None is for ever. An entry
                that is there keeps its deadline.

        Returns:
            The sum.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.INCR``.
            TypeError: The value there, or ``by``, is no integer, or the ttl no number.
            ValueError: The ttl is not more than 0.
            StorageError: As reading and ``set`` do.

        Threads: no addition is lost.
        """
        raise self._unsupported("count", "INCR")

    def lock(self, key: K, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Lease]:
        """Hold a lock that nobody else holds, named by a key; the entry of that key does not matter.

        Args:
            key: The name of the lock.
            ttl: Seconds after which others may take it although it was not released, > 0.
            timeout: Seconds to wait for it, ≥ 0; None waits for as long as it takes.

        Returns:
            A context manager; entering waits and gives the ``Lease``.

        Raises:
            UnsupportedOperation: The storage lacks ``Capability.LOCK``.
            TimeoutError: When entering: it was not free in time.
            ConflictError: When leaving: it had run out, and somebody else may have held it.
            TypeError: The ttl or the timeout is no number.
            ValueError: The ttl is not more than 0, or the timeout less than 0.
        """
        raise self._unsupported("lock", "LOCK")

    # ------------------------------------------------------------------ scan, stream

    def scan(self, prefix: str) -> Iterator[K]:
        """Iterate over the text keys that begin with a prefix.

        Args:
            prefix: The beginning; ``""`` gives all text keys.

        Returns:
            The keys.

        Raises:
            TypeError: The prefix is no text.
            StorageError: The storage cannot be read.

        Cost: a whole iteration, unless the storage has ``Capability.SCAN``.
        """
        checked_prefix(prefix)
        return (key for key in self if isinstance(key, str) and key.startswith(prefix))

    def open_read(self, key: K) -> BinaryIO:
        """Open a value of bytes for reading.

        Args:
            key: The key.

        Returns:
            A binary file, to be closed.

        Raises:
            KeyError: The key is absent.
            UnsupportedOperation: The value is not bytes.
            StorageError: The value cannot be read.

        Cost: memory of the whole value, unless the storage has ``Capability.STREAM``.
        """
        value = self[key]
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise self._unsupported(f"stream a value of type {type(value).__name__}: a stream carries bytes")
        return io.BytesIO(value)

    def open_write(self, key: K, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        """Open a value of bytes for writing; it is visible only after a clean exit.

        Args:
            key: The key.
            ttl: Seconds that it lives, > 0; None is for ever.

        Returns:
            A context manager that gives a binary file. Left by an exception, nothing is written.

        Raises:
            StorageError: As ``set`` does, on leaving.
            TypeError: The ttl is no number.
            ValueError: The ttl is not more than 0.

        Cost: memory of the whole value, unless the storage has ``Capability.STREAM``.
        """
        checked_ttl(ttl)
        return self._buffered_write(key, ttl)

    @contextmanager
    def _buffered_write(self, key: K, ttl: float | None) -> Iterator[BinaryIO]:
        buffer = _Buffer()
        yield buffer
        buffer.close()
        self.set(key, cast(V, buffer.written), ttl=ttl)

    # ------------------------------------------------------------------ figures, lifecycle

    def stats(self) -> Stats:
        """Give the figures of this storage.

        Returns:
            The figures; what is unknown is None.

        Raises:
            StorageError: The storage cannot be read.

        Cost: that of ``len``.
        """
        return Stats(size=len(self))

    def flush(self) -> None:
        """Bring what is held back to its place.

        Raises:
            StorageError: The storage refused.
        """

    def close(self) -> None:
        """Release what the storage holds open; closing twice is fine.

        A persistent storage is unusable afterwards (``ClosedError``); one in memory goes on.

        Raises:
            StorageError: What was held back could not be written.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ errors

    def _error(self, kind: type[E], tried: str, key: object, why: object, todo: str = "") -> E:
        """Make an error that says what was tried, on which key, where, why it failed and what to do."""
        at = "" if key is ABSENT else f" {shown(key)}"
        end = f"; {todo}" if todo else ""
        where = repr(self)
        return kind(
            f"could not {tried}{at} in {where}: {why}{end}",
            storage=where,
            key=None if key is ABSENT else key,
        )

    def _unsupported(self, what: str, capability: str | None = None) -> UnsupportedOperation:
        where = repr(self)
        lacks = f"; it lacks Capability.{capability}" if capability else ""
        return UnsupportedOperation(f"{where} cannot {what}{lacks}", storage=where)


class _Buffer(io.BytesIO):
    """A file in memory that may be closed by whoever writes to it, as a text file above it does."""

    written = b""

    def close(self) -> None:
        if not self.closed:
            self.written = self.getvalue()
        super().close()
