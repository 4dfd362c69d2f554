"""ByteStorage: keys, codec, deadlines and errors, once, above four primitives on names and bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal, TypeVar, cast

from pystorage._arguments import added, check_addend
from pystorage._byteentries import ByteEntries
from pystorage.codecs import header
from pystorage.errors import ConflictError, DecodeError, EncodeError
from pystorage.storage import ABSENT, KEEP, Capability, Sentinel, Timer, checked_ttl

K = TypeVar("K")
V = TypeVar("V")

# A conditional write fails only because another one succeeded; so many in a row mean that something
# else is wrong, such as a place that ignores conditions.
_ATTEMPTS: Final = 1000


class ByteStorage(ByteEntries[K, V]):
    """A storage of bytes: a subclass writes four primitives on names and bytes and has all the rest.

    The primitives are ``_read(name)``, ``_write(name, data)``, ``_remove(name)`` and ``_names(prefix)``.
    They raise ``OSError`` when the place fails. A store that can write on condition adds
    ``_write_if(name, expected, data)`` and declares ``ADD | SWAP | INCR``.

    Args:
        codec: How values become bytes.
        naming: How keys become names.
        timer: The clock of the deadlines, in seconds; wall-clock time where they outlive the process.

    Raises:
        Nothing.

    Example:
        >>> class Shelf(ByteStorage):
        ...     def __init__(self):
        ...         super().__init__(JSONCodec(), Naming(), time.time)
        ...         self.data = {}
        ...     def _read(self, name):
        ...         return self.data.get(name)
        ...     def _write(self, name, data):
        ...         self.data[name] = data
        ...     def _remove(self, name):
        ...         return self.data.pop(name, None) is not None
        ...     def _names(self, prefix):
        ...         return list(self.data)
        >>> import time
        >>> from pystorage.codecs import JSONCodec
        >>> from pystorage.naming import Naming
        >>> shelf = Shelf()
        >>> shelf.set("a/b", [1, 2], ttl=60)
        >>> list(shelf.items()), shelf.ttl("a/b") <= 60
        ([('a/b', [1, 2])], True)
    """

    __slots__ = ()

    # ------------------------------------------------------------------ life

    @property
    def timer(self) -> Timer:
        return self._timer

    def expires_at(self, key: K) -> float | None:
        name, place = self._read_name(key)
        try:
            return self._live_header(key, name, place).deadline
        except OSError as error:
            self._fail("read the deadline of", key, error)

    def ttl(self, key: K) -> float | None:
        return self._left(key, self.expires_at(key))

    def expire(self, key: K, ttl: float | None) -> None:
        seconds = checked_ttl(ttl)
        name, place = self._read_name(key)
        if seconds is not None:
            try:
                self._expect_deadline()
            except OSError as error:
                self._fail("give a deadline to", key, error)

        def later(data: bytes | None) -> bytes:
            if data is None:
                raise KeyError(key)
            head, body = self._opened(key, name, place, data)
            return header.pack(body, deadline=self._deadline(seconds), name=head.name)

        self._rewrite("give a deadline to", key, place, later)

    def purge(self) -> int:
        self._check_open()
        removed = 0
        if self._may_expire():
            for place in self._listed(""):
                try:
                    found = self._header(place)
                    if found is not None and found[0].deadline is not None:
                        head, data = found
                        if self._timer() >= cast(float, head.deadline):
                            self._remove_if(place, data[: header.USUAL_SIZE])
                            removed += 1
                except OSError as error:
                    self._fail("purge: remove", place, error)
        return removed

    # ------------------------------------------------------------------ atomic

    def add(self, key: K, value: V, *, ttl: float | None = None) -> bool:
        seconds = checked_ttl(ttl)
        if Capability.ADD not in self.capabilities:
            return super().add(key, value, ttl=ttl)
        name, place = self._write_name(key)
        packed = self._packed(key, value, name, place, self._deadline(seconds))

        def unless_there(data: bytes | None) -> bytes | None:
            if data is not None:
                with suppress(KeyError):  # one that has expired is not there
                    self._opened(key, name, place, data)
                    return None
            return packed

        return self._rewrite("add", key, place, unless_there)

    def swap(
        self,
        key: K,
        old: V | Literal[Sentinel.ABSENT],
        new: V,
        *,
        ttl: float | None | Literal[Sentinel.KEEP] = KEEP,
    ) -> bool:
        if Capability.SWAP not in self.capabilities:
            return super().swap(key, old, new, ttl=ttl)
        if old is ABSENT:
            return self.add(key, new, ttl=None if ttl is KEEP else ttl)
        seconds = None if ttl is KEEP else checked_ttl(ttl)
        name, place = self._write_name(key)

        def replaced(data: bytes | None) -> bytes | None:
            if data is None:
                return None
            try:
                head, body = self._opened(key, name, place, data)
            except KeyError:
                return None
            if self._decoded(key, body, name) != old:
                return None
            deadline = head.deadline if ttl is KEEP else self._deadline(seconds)
            return self._packed(key, new, name, place, deadline)

        return self._rewrite("swap", key, place, replaced)

    def incr(self, key: K, by: int = 1, *, ttl: float | None = None) -> int:
        if Capability.INCR not in self.capabilities:
            return super().incr(key, by, ttl=ttl)
        check_addend(by)
        seconds = checked_ttl(ttl)
        name, place = self._write_name(key)
        total = 0

        def changed(data: bytes | None) -> bytes:
            nonlocal total
            total, deadline = by, self._deadline(seconds)
            if data is not None:
                with suppress(KeyError):
                    head, body = self._opened(key, name, place, data)
                    total, deadline = added(key, self._decoded(key, body, name), by), head.deadline
            return self._packed(key, total, name, place, deadline)

        self._rewrite("add to", key, place, changed)
        return total

    def _decoded(self, key: object, body: bytes, name: str) -> Any:
        try:
            return self._decode(body, name)
        except DecodeError as error:
            raise self._error(type(error), "read", key, error, "the bytes are left where they are") from error

    def _rewrite(
        self, tried: str, key: object, place: str, change: Callable[[bytes | None], bytes | None]
    ) -> bool:
        """Replace an entry by what is made of it, on condition that it is still the one that was read.

        Nothing is locked while ``change`` runs; it gives None to leave all as it is.
        """
        try:
            for _ in range(_ATTEMPTS):
                data = self._read(place)
                changed = change(data)
                if changed is None:
                    return False
                if self._write_if(place, data, changed):
                    return True
        except OSError as error:
            self._fail(tried, key, error)
        raise self._error(
            ConflictError, tried, key, f"others wrote it {_ATTEMPTS} times meanwhile", "try again"
        )

    # ------------------------------------------------------------------ another codec

    def _places(self) -> list[str]:
        """Give the names there are of keys; nobody else's."""
        return [
            place
            for place in self._listed("")
            if self._naming.is_shortened(place) or self._key_at(place) is not ABSENT
        ]

    def _recode(self, place: str, change: Callable[[bytes, str], bytes | None]) -> bool:
        """Replace an encoded value by what is made of it and the name of its key, if nobody wrote meanwhile.

        The key and the deadline stay; what has expired or is gone is left out. ``change`` gives None to
        leave the value as it is, and runs again when somebody wrote meanwhile. Says whether it was replaced.
        """
        self._check_open()
        key = place if self._naming.is_shortened(place) else self._key(place)

        def changed(data: bytes | None) -> bytes | None:
            nonlocal key
            if data is None:
                return None
            name = place
            if self._naming.is_shortened(place):
                name = self._whole_name(place, data)
            key = self._key(name)
            try:
                head, body = self._opened(key, name, place, data)
            except KeyError:
                return None  # expired
            try:
                value = change(body, name)
            except (DecodeError, EncodeError) as error:
                raise self._error(
                    type(error), "reencode", key, error, "the bytes are left where they are"
                ) from error
            if value is None:
                return None
            return header.pack(value, deadline=head.deadline, name=None if name == place else name)

        return self._rewrite("reencode", key, place, changed)

    def _whole_name(self, place: str, data: bytes) -> str:
        """Give the name of an entry whose name in the place lacks its end."""
        try:
            name = header.read(data).name
        except DecodeError as error:
            raise self._error(
                DecodeError, "read", place, error, "the bytes are left where they are"
            ) from error
        if name is None or self._naming.shortened(name) != place or self._key(name) is ABSENT:
            raise self._error(DecodeError, "read", place, "its header does not name its key")
        return name
