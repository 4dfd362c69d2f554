"""How long results live, what is given while they are computed anew, and what is handed out."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, memoize
from pystorage.errors import DecodeError, UnavailableError, UnsupportedOperation
from pystorage.memo.background import BACKGROUND, Background
from pystorage.memo.envelope import MAGIC, Envelope, opened, packed
from pystorage.memo.freshness import State, jittered, state_of
from pystorage.memo.options import Options
from pystorage.testing import FakeClock, FaultyStorage
from tests.memoize.counting import Counting

LONG = 20.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "json", "pickle"])
def storage(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Any) -> Any:
    if request.param == "memory":
        return LRUStorage(100, timer=clock)
    return FileStorage(tmp_path / "results", codec=request.param, timer=clock)


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    yield
    settled()


def settled() -> None:
    """Wait until nothing is computed in the background."""
    end = time.monotonic() + LONG
    while BACKGROUND._running:
        assert time.monotonic() < end
        time.sleep(0.001)


# -------------------------------------------------------------------- ttl


def test_a_ttl_made_of_the_value(counting: Counting, storage: Any, clock: FakeClock) -> None:
    function = counting.under(storage, ttl=lambda value: 5 if value[0] == 1 else None)
    assert (function(1), function(2)) == ([1, 1], [2, 2])
    clock.advance(5)
    assert (function(1), function(2)) == ([1, 3], [2, 2])


@pytest.mark.parametrize("given, error", [(0, ValueError), (-1, ValueError), ("5", TypeError)])
def test_a_ttl_made_of_the_value_is_checked(
    given: Any, error: type[Exception], counting: Counting, storage: Any
) -> None:
    with pytest.raises(error, match=r"what ttl= of .*function\(\) gave"):
        counting.under(storage, ttl=lambda value: given)()
    assert len(storage) == 0


def test_jitter(counting: Counting, clock: FakeClock) -> None:
    storage = LRUStorage[str, Any](1000, timer=clock)
    function = counting.under(storage, ttl=100, jitter=0.5)
    for number in range(200):
        function(number)
    lives = [storage.ttl(key) or 0.0 for key in storage]
    assert 50 <= min(lives) < 60
    assert 90 < max(lives) <= 100
    assert jittered(None, 0.5) is None


@pytest.mark.parametrize(
    "options, error, why",
    [
        ({"ttl": 0}, ValueError, "ttl must be more than 0"),
        ({"ttl": int}, TypeError, "a plain function of the value"),
        ({"stale": 5}, ValueError, "stale= is about the end of a life: give ttl="),
        ({"ttl": 5, "stale": 0}, ValueError, "stale must be more than 0 seconds, not 0$"),
        ({"ttl": 5, "stale": float("inf")}, ValueError, "stale is a finite number"),
        ({"ahead": 5}, ValueError, "ahead= is about"),
        ({"early": 1}, ValueError, "early= is about"),
        ({"ttl": 5, "early": -1}, ValueError, "early must be at least 0"),
        ({"ttl": 5, "jitter": 1}, ValueError, "jitter must be at least 0 and less than 1"),
        ({"ttl": 5, "jitter": "1"}, TypeError, "jitter must be a number"),
        ({"errors": LookupError}, TypeError, "as {LookupError: 5.0}"),
        ({"errors": {KeyboardInterrupt: 5}}, TypeError, "KeyboardInterrupt.* is none"),
        ({"errors": {LookupError: 0}}, ValueError, r"errors\[LookupError\] must be more than 0"),
        ({"tags": 5}, TypeError, "tags= is texts"),
        ({"tags": ("",)}, TypeError, "tags= is texts"),
        ({"lock": "yes"}, TypeError, "lock is True, False or None"),
        ({"lock": True}, UnsupportedOperation, "needs a storage that processes share"),
        ({"lock_ttl": 0}, ValueError, "lock_ttl must be more than 0"),
        ({"lock_timeout": -1}, ValueError, "lock_timeout must be more than 0"),
        ({"on_error": "ignore"}, ValueError, "on_error must be one of 'raise', 'recompute', 'stale'"),
        ({"on_error": None}, TypeError, "on_error must be one of"),
        ({"copy": "frozen"}, ValueError, "copy must be one of 'deep', 'shallow'"),
    ],
)
def test_options_are_checked_when_they_are_given(options: Any, error: Any, why: str) -> None:
    with pytest.raises(error, match=why):
        memoize(LRUStorage(5), **options)
    with pytest.raises(error, match=why):
        memoize(**options)


# -------------------------------------------------------------------- stale


def test_a_stale_result_is_given_while_one_thread_computes(
    counting: Counting, storage: Any, clock: FakeClock
) -> None:
    function = counting.under(storage, ttl=10, stale=5)
    assert function(1) == [1, 1]
    clock.advance(12)
    counting.gate = threading.Event()
    assert [function(1) for _ in range(50)] == [[1, 1]] * 50
    counting.gate.set()
    settled()
    assert (counting.calls, function.refreshes) == (2, 1)
    assert function(1) == [1, 2]
    assert function.cache_info()[:2] == (51, 1)
    clock.advance(15)
    assert function(1) == [1, 3]  # too old to be given
    assert function.cache_info()[:2] == (51, 2)


def test_a_failed_refresh_keeps_the_old_value_and_rests(
    counting: Counting, storage: Any, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    function = counting.under(storage, ttl=10, stale=5)
    function(1)
    clock.advance(12)
    counting.error = OSError("the database is away")
    with caplog.at_level(logging.WARNING, "pystorage.memo"):
        assert function(1) == [1, 1]
        settled()
        for _ in range(20):
            assert function(1) == [1, 1]
        settled()
    assert (counting.calls, function.failed_refreshes, function.refreshes) == (2, 1, 0)
    assert [record.message[:11] for record in caplog.records] == ["a result of"]
    clock.advance(5)
    with pytest.raises(OSError, match="away"):
        function(1)


def test_a_function_that_ends_its_thread_is_a_failure(counting: Counting, clock: FakeClock) -> None:
    function = counting.under(LRUStorage(5, timer=clock), ttl=10, stale=5)
    function(1)
    clock.advance(12)
    counting.error = SystemExit(3)
    for _ in range(3):
        assert function(1) == [1, 1]
        settled()
    assert (counting.calls, function.failed_refreshes) == (2, 1)


def test_what_another_process_computes_anew_is_not_computed_beside_it(
    counting: Counting, clock: FakeClock, tmp_path: Any
) -> None:
    """However short a time the callers of this one would wait for another."""
    storage = FileStorage[str, Any](tmp_path / "results", timer=clock)
    function = counting.under(storage, ttl=10, stale=5, lock_timeout=0.001)
    function()
    clock.advance(12)
    with storage.lock(function.key_for(), 5):  # as one that computes holds it
        assert function() == [0, 1]
        time.sleep(0.02)
        assert counting.calls == 1
    settled()
    assert (function(), function.refreshes) == ([0, 2], 1)


def test_refresh_ahead(counting: Counting, storage: Any, clock: FakeClock) -> None:
    function = counting.under(storage, ttl=10, ahead=2)
    function()
    clock.advance(7.9)
    function()
    settled()
    assert counting.calls == 1
    clock.advance(0.2)
    assert function() == [0, 1]
    settled()
    assert function() == [0, 2]
    clock.advance(7.9)
    assert function() == [0, 2]
    settled()
    assert counting.calls == 2


def test_early_recomputation_is_likelier_the_nearer_the_end() -> None:
    """Source: Vattani, Chierichetti, Lowenstein, VLDB 2015: with beta 1, the chance is exp(-left / cost)."""
    options = Options(ttl=100.0, early=1.0)
    envelope = Envelope(1, 0.0, 100.0, cost=2.0)

    def share(now: float) -> float:
        return sum(state_of(envelope, now, options) is State.EARLY for _ in range(4000)) / 4000

    assert share(50) == 0
    assert 0.32 < share(98) < 0.42  # exp(-1) is 0.37
    assert 0.10 < share(96) < 0.17  # exp(-2) is 0.14
    assert share(99.999) > 0.98
    assert state_of(envelope, 99.9, Options(ttl=100.0)) is State.FRESH
    assert state_of(envelope, 100.0, options) is State.OVER
    assert state_of(Envelope(1), 1e9, options) is State.FRESH


def test_early_recomputation(counting: Counting, clock: FakeClock) -> None:
    function = counting.under(LRUStorage(10, timer=clock), ttl=10, early=1e9)
    assert function() == [0, 1]
    clock.advance(9.999)
    assert function() == [0, 1]  # given, and computed anew meanwhile
    settled()
    assert function.refreshes == 1


def test_no_more_threads_than_said() -> None:
    background, gate = Background(2), threading.Event()
    inside = threading.Semaphore(0)

    def work() -> None:
        inside.release()
        gate.wait(LONG)

    assert [background.start(work) for _ in range(3)] == [True, True, False]
    assert inside.acquire(timeout=LONG)
    assert inside.acquire(timeout=LONG)
    gate.set()
    end = time.monotonic() + LONG
    while background._running and time.monotonic() < end:
        time.sleep(0.001)
    assert background.start(work)


# -------------------------------------------------------------------- envelopes


@pytest.mark.parametrize("value", ["", "a\nb", b"", b"a\nb", None, 1, [1, "a"], ["a", "b"], {"a": [1]}, True])
def test_an_envelope_is_opened_as_it_was_packed(value: Any) -> None:
    for envelope in (
        Envelope(value),
        Envelope(value, 5.0, 7.5, 0.25, {"user:ä\n": "token"}),
        Envelope(value, error=("builtins:KeyError", ["a", 1])),
    ):
        assert opened(packed(envelope)) == envelope
        if type(value) is not bytes:
            assert opened(json.loads(json.dumps(packed(envelope)))) == envelope


@pytest.mark.parametrize(
    "stored", [None, 5, "text", b"bytes", [], [1, 2], [MAGIC, 1], [MAGIC + "[]", 1], MAGIC + "{}\nvalue"]
)
def test_what_is_no_envelope_is_a_miss(stored: Any) -> None:
    assert opened(stored) is None


@pytest.mark.parametrize("codec, value", [("text", "a text"), ("bytes", b"bytes"), ("json", [1, None])])
def test_every_codec_holds_the_envelopes_of_its_values(
    codec: str, value: Any, tmp_path: Any, clock: FakeClock
) -> None:
    storage = FileStorage[str, Any](tmp_path / "results", codec=codec, timer=clock)
    made: list[int] = []

    @memoize(storage, ttl=10, stale=5, tags="all", errors={LookupError: 5})
    def function(fails: bool = False) -> Any:
        made.append(1)
        if fails:
            raise LookupError("no such thing")
        return value

    assert [function(), function()] == [value, value]
    for _ in range(2):
        with pytest.raises(LookupError, match="no such thing"):
            function(fails=True)
    assert len(made) == 2


def test_bare_results_and_envelopes_do_not_meet(counting: Counting, storage: Any) -> None:
    plain, fresh = counting.under(storage, ttl=10), counting.under(storage, ttl=10, stale=5)
    assert (plain(1), fresh(1), plain(1), fresh(1)) == ([1, 1], [1, 2], [1, 1], [1, 2])
    fresh.cache_clear()
    assert len(storage) == 0


def test_what_somebody_else_wrote_there_is_computed_anew(counting: Counting, storage: Any) -> None:
    function = counting.under(storage, ttl=10, stale=5)
    storage[function.key_for(1)] = "no envelope"
    assert function(1) == [1, 1]
    assert function.peek(None, 1) == [1, 1]


def test_set_peek_invalidate_and_refresh(counting: Counting, storage: Any, clock: FakeClock) -> None:
    function = counting.under(storage, ttl=10, stale=5)
    assert function.peek("none", 1) == "none"
    function.set([7], 1)
    assert (function(1), function.peek("none", 1), counting.calls) == ([7], [7], 0)
    assert function.refresh(1) == [1, 1]
    assert function(1) == [1, 1]
    assert function.invalidate(1)
    assert not function.invalidate(1)
    assert function(1) == [1, 2]


def test_methods_and_threads(clock: FakeClock) -> None:
    class Shop:
        @memoize(LRUStorage(10, timer=clock), ttl=5, stale=5, ignore="self")
        def price(self, fruit: str) -> list[str]:
            time.sleep(0.01)
            return [fruit]

    shop, found = Shop(), []
    threads = [threading.Thread(target=lambda: found.append(shop.price("pear"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert found == [["pear"]] * 20
    assert shop.price.cache_info()[:2] == (19, 1)


def test_none_is_kept(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage, ttl=5, stale=5)
    def nothing() -> None:
        made.append(1)

    nothing()
    nothing()
    assert len(made) == 1


# -------------------------------------------------------------------- exceptions


def test_exceptions_are_kept_for_their_own_time(counting: Counting, storage: Any, clock: FakeClock) -> None:
    function = counting.under(storage, ttl=100, errors={LookupError: 5})
    counting.error = KeyError("pear")
    for _ in range(3):
        with pytest.raises(KeyError) as found:
            function(1)
        assert found.value.args == ("pear",)
    assert counting.calls == 1
    assert function.peek("none", 1) == "none"
    clock.advance(5)
    counting.error = None
    assert function(1) == [1, 2]


def test_other_exceptions_are_not_kept(counting: Counting, storage: Any) -> None:
    function = counting.under(storage, errors={LookupError: None})
    for error in (ValueError("a"), KeyError(object()), OwnError(1, 2)):
        before, counting.error = counting.calls, error
        for _ in range(2):
            with pytest.raises(type(error)):
                function()
        assert counting.calls == before + 2


class OwnError(LookupError):
    """One that cannot be made of its arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} {b}")


def test_only_classes_that_were_named_are_made_of_what_was_stored(counting: Counting, storage: Any) -> None:
    function = counting.under(storage, errors={LookupError: None})
    for name in ("os:_exit", "builtins:SystemExit", "builtins:ValueError"):
        storage[function.key_for(1)] = packed(Envelope(None, error=(name, [])))
        assert function(1)[0] == 1
        function.invalidate(1)


def test_an_error_in_the_background_does_not_take_the_place_of_a_value(
    counting: Counting, storage: Any, clock: FakeClock
) -> None:
    function = counting.under(storage, ttl=10, stale=10, errors={LookupError: 5})
    function()
    clock.advance(12)
    counting.error = LookupError("gone")
    assert function() == [0, 1]
    settled()
    assert function() == [0, 1]


# -------------------------------------------------------------------- copies


@pytest.mark.parametrize("options", [{}, {"ttl": 100, "stale": 5}])
def test_a_caller_that_changes_its_copy_changes_nothing(options: Any) -> None:
    """Peers hand out the very object that they keep."""
    gate = threading.Event()

    @memoize(MemoryStorage(), copy="deep", **options)
    def rows(number: int) -> list[list[int]]:
        gate.wait(LONG)
        return [[number]]

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(rows(1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(LONG)
    for one in found:
        assert one == [[1]]
        one[0].append(5)
    given = rows(1)
    assert given == [[1]]
    given[0].append(6)
    assert rows.peek(None, 1) == rows.refresh(1) == rows(1) == [[1]]
    mine = [[2]]
    rows.set(mine, 2)
    mine[0].append(7)
    assert rows(2) == [[2]]


def test_a_shallow_copy() -> None:
    rows = memoize(copy="shallow")(made_of_lists)
    rows(1).append(5)
    rows(1)[0].append(6)
    assert rows(1) == [[1, 6]]


def made_of_lists(number: int) -> list[list[int]]:
    return [[number]]


def test_without_copy_memory_gives_the_very_object() -> None:
    rows = memoize(made_of_lists)
    assert rows(1) is rows(1)


# -------------------------------------------------------------------- a storage that is down


@pytest.fixture(params=[{}, {"ttl": 100, "stale": 5}])
def faulty(request: pytest.FixtureRequest) -> tuple[FaultyStorage[str, Any], dict[str, Any]]:
    return FaultyStorage(MemoryStorage[str, Any]()), request.param


def down(storage: FaultyStorage[str, Any]) -> None:
    storage.fail(UnavailableError("the server is away"), on=["get", "set", "add", "swap", "get_many"])


def test_a_storage_that_is_down_is_an_error(faulty: Any, counting: Counting) -> None:
    storage, options = faulty
    function = counting.under(storage, **options)
    down(storage)
    with pytest.raises(UnavailableError, match="away"):
        function(1)
    assert counting.calls == 0


def test_a_storage_that_is_down_is_done_without(
    faulty: Any, counting: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    storage, options = faulty
    function = counting.under(storage, on_error="recompute", **options)
    function(1)
    down(storage)
    with caplog.at_level(logging.WARNING, "pystorage.memo"):
        assert [function(1), function(1)] == [[1, 2], [1, 3]]
    assert function.unavailable > 0
    assert ["cannot be reached" in record.message for record in caplog.records] == [True]


def test_the_last_known_value_of_a_storage_that_is_down(faulty: Any, counting: Counting) -> None:
    storage, options = faulty
    function = counting.under(storage, on_error="stale", **options)
    function(1)
    down(storage)
    assert [function(1), function(1)] == [[1, 1], [1, 1]]
    assert function(2) == [2, 2]  # nobody knows it
    assert function.cache_info().misses == 2


def test_a_call_tries_a_storage_that_is_down_to_read_and_to_write_and_no_more(
    counting: Counting, tmp_path: Any
) -> None:
    storage = FaultyStorage(FileStorage[str, Any](tmp_path / "results"))
    function = counting.under(storage, on_error="recompute")
    assert function.cache_parameters()["leases"] == "lock"
    storage.fail(UnavailableError("each try takes its time"))
    assert function(1) == [1, 1]
    assert function.unavailable == 2


def test_the_functions_own_error_is_no_outage(counting: Counting) -> None:
    function = counting.under(LRUStorage(5), on_error="recompute")
    counting.error = UnavailableError("mine")
    with pytest.raises(UnavailableError, match="mine"):
        function()
    assert (counting.calls, function.unavailable) == (1, 0)


# -------------------------------------------------------------------- invalidated meanwhile


@pytest.mark.parametrize("options", [{}, {"ttl": 100, "stale": 5}])
@pytest.mark.parametrize("act", ["invalidate", "cache_clear", "set"])
def test_what_was_invalidated_while_it_was_computed_is_not_kept(
    options: Any, act: str, counting: Counting
) -> None:
    function = counting.under(MemoryStorage(), **options)
    counting.gate = threading.Event()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function(1)))
    thread.start()
    end = time.monotonic() + LONG
    while not counting.calls:
        assert time.monotonic() < end
        time.sleep(0.001)
    acts: dict[str, Callable[[], Any]] = {
        "invalidate": lambda: function.invalidate(1),
        "cache_clear": function.cache_clear,
        "set": lambda: function.set("newer", 1),
    }
    acts[act]()
    counting.gate.set()
    thread.join(LONG)
    assert found == [[1, 1]]
    assert function(1) == ("newer" if act == "set" else [1, 2])


def test_a_waiter_goes_on_alone_after_lock_timeout(counting: Counting) -> None:
    gate = threading.Event()
    made: list[int] = []

    @memoize(lock_timeout=0.05)
    def slow() -> int:
        made.append(1)
        if len(made) == 1:
            gate.wait(LONG)
        return len(made)

    thread = threading.Thread(target=slow)
    thread.start()
    while not made:
        time.sleep(0.001)
    assert slow() == 2
    gate.set()
    thread.join(LONG)


@pytest.mark.parametrize("options", [{}, {"tags": "slow"}])
@pytest.mark.parametrize("kind", ["own", "dict", "file"])
def test_a_late_leader_does_not_replace_the_newer_result(kind: str, options: Any, tmp_path: Any) -> None:
    storage: Any = {"own": None, "dict": {}, "file": FileStorage(tmp_path)}[kind]
    gate, begun = threading.Event(), threading.Event()
    made: list[int] = []

    @memoize(storage, lock_timeout=0.02, **options)
    def slow() -> int:
        made.append(1)
        if len(made) == 1:
            begun.set()
            gate.wait(LONG)
            return 1
        return len(made)

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(LONG)
    assert slow() == 2
    gate.set()
    thread.join(LONG)
    assert slow() == 2


def test_undecodable_envelopes_are_counted(counting: Counting, tmp_path: Any) -> None:
    storage = FileStorage[str, Any](tmp_path / "results")
    function = counting.under(storage, ttl=5, stale=5)
    function(1)
    (file,) = (tmp_path / "results").glob("*.storage")
    file.write_bytes(b"{")
    with pytest.raises(DecodeError):
        storage[function.key_for(1)]
    assert function(1) == [1, 2]
    assert function.undecodable == 1


def test_an_exception_is_raised_again_with_all_its_arguments(storage: Any) -> None:
    @memoize(storage, ttl=100, errors={OSError: 10})
    def missing(number: int) -> int:
        made.append(number)
        raise FileNotFoundError(2, "no such file", "/the/name")

    made: list[int] = []
    for _ in range(2):
        with pytest.raises(FileNotFoundError) as caught:
            missing(1)
        assert (caught.value.errno, caught.value.filename) == (2, "/the/name")
    assert made == [1]


def test_a_kept_exception_holds_no_frame() -> None:
    import gc
    import weakref

    class Big:
        pass

    references: list[Any] = []

    @memoize(ttl=100, errors={ValueError: 10})
    def fails(number: int) -> int:
        big = Big()
        references.append(weakref.ref(big))
        raise ValueError("no")

    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                fails(1)
        assert [reference() for reference in references] == [None]
    finally:
        gc.enable()
