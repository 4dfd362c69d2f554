"""Storages in memory of which each breaks laws, those that it names."""

from __future__ import annotations

import io
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, BinaryIO

from pystorage.storage import KEEP, Capability, checked_ttl, pairs
from pystorage.testing import FakeClock
from tests.testing.breaking import conformance_of
from tests.testing.reference import Plain


class LosesTheLastOfMany(Plain):
    breaks = ("test_set_many_is_a_loop",)

    def set_many(self, items: Any, *, ttl: float | None = None) -> None:
        for key, value in list(pairs(items))[:-1]:
            self.set(key, value, ttl=ttl)


class CountsAbsentDeletions(Plain):
    breaks = ("test_delete_many_counts",)

    def delete_many(self, keys: Iterable[Any]) -> int:
        return sum(1 for key in keys if self.pop(key, None) or True)


class LoadsToLook(Plain):
    breaks = ("test_in_never_loads_a_value",)

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True


class TakesNoneForAMiss(Plain):
    breaks = ("test_false_values_are_values",)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if self.get(key) is None:
            self[key] = default
        return self[key]


class IteratesAlive(Plain):
    breaks = ("test_deleting_while_iterating", "test_adding_while_iterating")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.entries)


class ShowsRemovedItems(Plain):
    breaks = ("test_views_leave_out_what_was_removed",)

    def items(self) -> Any:
        return {key: value for key, (value, _) in self._alive().items()}.items()


class EqualsItselfOnly(Plain):
    breaks = ("test_passes_cpythons_own_tests[test_constructor]", "test_equality_with_a_dict")

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]


class ForgetsTheKeyOfAnError(Plain):
    breaks = ("test_an_absent_key_is_a_key_error",)

    def _value(self, key: Any) -> Any:
        try:
            return super()._value(key)
        except KeyError:
            raise KeyError(str(key)) from None


class BypassesOverriding(Plain):
    breaks = ("test_an_overridden_read_is_never_bypassed",)

    def __init_subclass__(cls, **_: Any) -> None:
        """Leave out what the base does for subclasses."""

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        alive = self._alive()
        return {key: alive[key][0] for key in keys if key in alive}


class ShowsContents(Plain):
    breaks = ("test_the_repr_shows_no_contents",)

    def __repr__(self) -> str:
        return f"Plain({self.entries!r})"


# ---------------------------------------------------------------------- keys


class Renames(Plain):
    """Looks under another key than the one that was given."""

    def rename(self, key: Any) -> Any:
        return key

    def _held(self, key: Any) -> Any:
        return self.rename(super()._held(key))

    def _value(self, key: Any) -> Any:
        return super()._value(self.rename(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self.rename(key))

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(self.rename(key))


class TakesNumbersForText(Renames):
    breaks = ("test_a_number_is_not_its_text", "test_all_keys_together", "test_each_key_alone")

    def rename(self, key: Any) -> Any:
        return str(key) if type(key) in (int, bool, float, type(None)) else key


class FoldsCase(Renames):
    breaks = ("test_all_keys_together",)

    def rename(self, key: Any) -> Any:
        return key.lower() if isinstance(key, str) else key


class NormalizesUnicode(Renames):
    breaks = ("test_all_keys_together",)

    def rename(self, key: Any) -> Any:
        return unicodedata.normalize("NFC", key) if isinstance(key, str) else key


class CutsLongKeys(Renames):
    breaks = ("test_all_keys_together",)

    def rename(self, key: Any) -> Any:
        return key[:255] if isinstance(key, str) else key


class ForgetsDeadlines(Plain):
    breaks = ("test_an_entry_knows_its_deadline", "test_what_has_expired_is_not_there")

    def _put(self, key: Any, value: Any, seconds: float | None) -> None:
        super()._put(key, value, None)


class CountsTheExpired(Plain):
    breaks = ("test_what_has_expired_is_not_there[len]", "test_others_live_on")

    def __len__(self) -> int:
        return len(self.entries)


class KeepsTheOldDeadline(Plain):
    breaks = ("test_a_plain_write_forgets_the_deadline",)

    def _put(self, key: Any, value: Any, seconds: float | None) -> None:
        left = self.ttl(key) if seconds is None and key in self else seconds
        super()._put(key, value, left)


class WritesBeforeItChecks(Plain):
    breaks = ("test_a_bad_ttl_is_refused",)

    def set(self, key: Any, value: Any, *, ttl: float | None = None) -> None:
        self._put(key, value, None)
        self.expire(key, checked_ttl(ttl))


class LooksMakeItLast(Plain):
    breaks = ("test_looking_keeps_the_deadline",)

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        if found and self.ttl(key) is not None:
            self.expire(key, 10)
        return found


class LooksChangeTheOrder(Plain):
    breaks = ("test_looking_keeps_the_order[in]",)

    def __contains__(self, key: object) -> bool:
        if key in self.entries:
            self.entries[key] = self.entries.pop(key)
        return super().__contains__(key)


# ---------------------------------------------------------------------- atomic


class AddsInTwoSteps(Plain):
    breaks = ("test_of_many_adds_one_wins",)

    def add(self, key: Any, value: Any, *, ttl: float | None = None) -> bool:
        absent = key not in self
        time.sleep(1e-4)
        if absent:
            self.set(key, value, ttl=ttl)
        return absent


class AddsOverNothingExpired(Plain):
    breaks = ("test_add_over_an_expired_key",)

    def add(self, key: Any, value: Any, *, ttl: float | None = None) -> bool:
        return key not in self.entries and super().add(key, value, ttl=ttl)


class CountsInTwoSteps(Plain):
    breaks = ("test_no_addition_is_lost",)

    def incr(self, key: Any, by: int = 1, *, ttl: float | None = None) -> int:
        total = int(self.get(key, 0)) + by
        time.sleep(1e-5)
        self[key] = total
        return total


class CountsWithAnything(Plain):
    breaks = ("test_incr_refuses_what_is_no_integer",)

    def incr(self, key: Any, by: int = 1, *, ttl: float | None = None) -> int:
        self[key] = int(self.get(key, 0)) + by
        return int(self[key])


class SwapsAlways(Plain):
    breaks = ("test_swap",)

    def swap(self, key: Any, old: Any, new: Any, *, ttl: Any = KEEP) -> bool:
        return super().swap(key, self.get(key, old), new, ttl=ttl)


class SwapsTheDeadlineAway(Plain):
    breaks = ("test_swap_keeps_the_deadline",)

    def swap(self, key: Any, old: Any, new: Any, *, ttl: Any = KEEP) -> bool:
        return super().swap(key, old, new, ttl=None if ttl is KEEP else ttl)


class PretendsToLock(Plain):
    breaks = ("test_a_lock_excludes", "test_one_at_a_time")

    def lock(self, key: Any, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Any]:
        return nullcontext()


class LocksForEver(Plain):
    breaks = ("test_a_lock_runs_out",)

    def lock(self, key: Any, ttl: float, *, timeout: float | None = None) -> AbstractContextManager[Any]:
        return super().lock(key, 1e9, timeout=timeout)


class LocksWithoutSayingSo(Plain):
    capabilities = Plain.capabilities & ~Capability.LOCK
    breaks = ("test_without_lock_it_is_refused",)


class PopsInTwoSteps(Plain):
    breaks = ("test_threads_may_remove_the_same", "test_threads_take_each_entry_once")

    def pop(self, key: Any, *default: Any) -> Any:
        value = self[key] if not default else self.get(key, *default)
        time.sleep(1e-5)
        self.entries.pop(key, None)
        return value


# ---------------------------------------------------------------------- scan, stream, figures


class ScansForParts(Plain):
    breaks = ("test_scan_is_a_filter",)

    def scan(self, prefix: str) -> Iterator[Any]:
        return (key for key in self if isinstance(key, str) and prefix in key)


class StreamsInTheOpen(Plain):
    breaks = ("test_a_stream_is_invisible_until_its_end", "test_an_exception_inside_writes_nothing")

    @contextmanager
    def _stream(self, key: Any, ttl: float | None) -> Iterator[BinaryIO]:
        buffer = io.BytesIO()
        self.set(key, b"", ttl=ttl)
        try:
            yield buffer
        finally:
            self.set(key, buffer.getvalue(), ttl=ttl)

    def open_write(self, key: Any, *, ttl: float | None = None) -> AbstractContextManager[BinaryIO]:
        checked_ttl(ttl)
        return self._stream(key, ttl)


class CountsLooks(Plain):
    breaks = ("test_each_is_counted",)

    def __contains__(self, key: object) -> bool:
        self.counted["hits"] += 1
        return super().__contains__(key)


class HangsInAFork(Plain):
    breaks = ("test_forking_beside_busy_threads",)

    def __init__(self, timer: FakeClock) -> None:
        super().__init__(timer)
        self.guard = threading.Lock()

    def _change(self, change: Any) -> Any:
        with self.guard:
            time.sleep(1e-3)
            return change(self.entries)


globals().update(conformance_of(globals()))
