"""The doubles fail, wait and remember as they are told to."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pystorage.testing
from pystorage import ABSENT, FileStorage, LRUStorage, MemoryStorage, VolatileStorage, memoize
from pystorage.errors import ConflictError, StorageError, UnavailableError
from pystorage.storage import Capability, Storage
from pystorage.testing import FakeClock, FaultyStorage, LatencyStorage, RecordingStorage
from pystorage.testing.around import OPERATIONS, AroundStorage, checked_operations
from pystorage.testing.parallel import in_threads

#: Operation → every call that is one, on a storage that holds "key" and "other".
CALLS: dict[str, list[Callable[[Storage[Any, Any]], Any]]] = {
    "get": [
        lambda s: s["key"],
        lambda s: s.get("key"),
        lambda s: dict(s.items()),
        lambda s: list(s.values()),
    ],
    "set": [lambda s: s.__setitem__("key", 2), lambda s: s.set("key", 2, ttl=5)],
    "delete": [lambda s: s.__delitem__("key"), lambda s: s.pop("key"), lambda s: s.popitem()],
    "contains": [lambda s: "key" in s],
    "iter": [lambda s: [*s], lambda s: bool(s), lambda s: s.popitem(), lambda s: set(s.keys())],
    "len": [len],
    "get_many": [lambda s: s.get_many(["key"])],
    "set_many": [lambda s: s.set_many({"key": 2}), lambda s: s.update(key=2)],
    "delete_many": [lambda s: s.delete_many(["key"])],
    "clear": [lambda s: s.clear()],
    "ttl": [lambda s: s.ttl("key")],
    "expires_at": [lambda s: s.expires_at("key")],
    "expire": [lambda s: s.expire("key", 5)],
    "touch": [lambda s: s.touch("key", 5)],
    "purge": [lambda s: s.purge()],
    "add": [lambda s: s.add("key", 2)],
    "swap": [lambda s: s.swap("key", 1, 2)],
    "incr": [lambda s: s.incr("key")],
    "lock": [lambda s: s.lock("key", 5)],
    "scan": [lambda s: list(s.scan("k"))],
    "open_read": [lambda s: s.open_read("bytes").close()],
    "open_write": [lambda s: s.open_write("key")],
    "stats": [lambda s: s.stats()],
    "flush": [lambda s: s.flush()],
    "close": [lambda s: s.close()],
}
EACH = [(operation, call) for operation, calls in CALLS.items() for call in calls]


def filled() -> LRUStorage[str, Any]:
    inner: LRUStorage[str, Any] = LRUStorage(100)
    inner.update({"key": 1, "bytes": b"bytes"})
    return inner


def test_every_operation_has_a_name() -> None:
    assert CALLS.keys() == OPERATIONS
    own = {name for name, method in vars(AroundStorage).items() if callable(method)}
    inherited = {"get", "pop", "popitem", "setdefault", "update", "keys", "values", "items"}
    public = {name for name in dir(Storage) if not name.startswith("_")} - inherited
    assert public - own == {"capabilities", "timer", "from_url", "url_options"}


def test_an_unknown_operation_is_told_of_the_near_ones() -> None:
    for use in (
        lambda: checked_operations(["gett"]),
        lambda: FaultyStorage(MemoryStorage()).fail(on=["gett"]),
        lambda: LatencyStorage(MemoryStorage(), {"gett": 1}),
    ):
        with pytest.raises(ValueError, match="there is no operation 'gett'; did you mean 'get'"):
            use()


def test_the_doubles_need_no_extra() -> None:
    code = (
        "import sys; sys.modules.update(pytest=None, hypothesis=None);"
        "from pystorage.testing import FakeClock, FaultyStorage, LatencyStorage, RecordingStorage"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(pystorage.testing.__file__).parents[2],
        timeout=60,
        check=True,
    )


# -------------------------------------------------------------------- FaultyStorage


@pytest.mark.parametrize(("operation", "call"), EACH)
def test_each_operation_fails_when_it_is_told_to(
    operation: str, call: Callable[[Storage[Any, Any]], Any]
) -> None:
    storage = FaultyStorage(filled())
    call(storage)
    storage = FaultyStorage(filled())
    storage.fail(on=[operation])
    with pytest.raises(UnavailableError, match=f"could not {operation} .*: told to fail") as caught:
        call(storage)
    assert caught.value.storage == repr(storage)
    assert [failure.operation for failure in storage.failures] == [operation]
    assert storage.failures[0].error is caught.value
    storage.heal()
    call(storage)
    assert len(storage.failures) == 1


@pytest.mark.parametrize(("operation", "call"), EACH)
def test_other_operations_do_not_fail(operation: str, call: Callable[[Storage[Any, Any]], Any]) -> None:
    storage = FaultyStorage(filled())
    made_of = {"get", "set", "delete", "iter", "len", "set_many", "get_many"}
    storage.fail(on=OPERATIONS - made_of - {operation})
    call(storage)
    assert storage.failures == []


def test_an_error_may_be_a_class_an_exception_or_a_function() -> None:
    own = TimeoutError("too late")
    cases: list[tuple[Any, type[BaseException]]] = [
        (ConflictError, ConflictError),
        (own, TimeoutError),
        (OSError, OSError),
        (lambda: ConnectionResetError("gone"), ConnectionResetError),
    ]
    for error, kind in cases:
        storage = FaultyStorage(MemoryStorage())
        storage.fail(error)
        with pytest.raises(kind) as caught:
            storage["a"] = 1
        assert caught.type is kind
        assert (caught.value is own) is (error is own)


def test_an_error_of_ours_has_key_and_storage_and_nothing_was_written() -> None:
    storage: FaultyStorage[str, int] = FaultyStorage(MemoryStorage())
    storage["a"] = 1
    storage.fail(ConflictError, on="set")
    with pytest.raises(
        ConflictError, match=r"could not set 'a' in FaultyStorage\(MemoryStorage\(\)\): told"
    ) as caught:
        storage["a"] = 2
    assert (caught.value.key, caught.value.storage) == ("a", "FaultyStorage(MemoryStorage())")
    assert storage["a"] == 1


def test_a_late_fault_does_the_work_and_loses_the_answer() -> None:
    storage: FaultyStorage[str, int] = FaultyStorage(MemoryStorage())
    storage.fail(on="set", late=True)
    with pytest.raises(UnavailableError):
        storage["a"] = 1
    assert storage["a"] == 1
    assert storage.failures[0].late


def test_only_some_keys_fail() -> None:
    for keys in ({"a", "b"}, ["a", "b"], lambda key: key < "c"):
        storage: FaultyStorage[str, int] = FaultyStorage(MemoryStorage())
        storage.fail(on="set", keys=keys)
        for key in "abcd":
            try:
                storage[key] = 1
            except UnavailableError:
                continue
        assert list(storage) == ["c", "d"]
        assert [failure.key for failure in storage.failures] == ["a", "b"]


def test_a_fault_of_keys_leaves_operations_without_a_key() -> None:
    storage: FaultyStorage[str, int] = FaultyStorage(MemoryStorage())
    storage.fail(keys=lambda key: True)
    assert (len(storage), list(storage), storage.get_many(["a"])) == (0, [], {})
    with pytest.raises(UnavailableError):
        storage.get("a")


def outcomes(storage: FaultyStorage[Any, Any], calls: int) -> str:
    """Write to a storage and give a letter for each call: f failed, a dot did not."""
    said = ""
    for number in range(calls):
        try:
            storage[number] = number
            said += "."
        except UnavailableError:
            said += "f"
    return said


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({}, "ffffff"),
        ({"nth": 1}, "f....."),
        ({"nth": 3}, "..f..."),
        ({"times": 2}, "ff...."),
        ({"rate": 0}, "......"),
        ({"keys": [1, 2, 4], "nth": 2}, "..f..."),
        ({"on": "get"}, "......"),
        ({"on": ["get", "set"], "keys": [5]}, ".....f"),
    ],
    ids=str,
)
def test_which_calls_fail(fault: dict[str, Any], said: str) -> None:
    storage: FaultyStorage[int, int] = FaultyStorage(MemoryStorage())
    storage.fail(**fault)
    assert outcomes(storage, 6) == said
    assert len(storage.failures) == said.count("f")


def test_of_several_faults_the_first_strikes_and_the_others_wait() -> None:
    storage: FaultyStorage[int, int] = FaultyStorage(MemoryStorage())
    storage.fail(ConflictError, nth=1)
    storage.fail(times=1)
    with pytest.raises(ConflictError):
        storage[0] = 0
    assert outcomes(storage, 3) == "f.."


def test_a_rate_is_the_same_luck_for_the_same_seed() -> None:
    def lucky(seed: int, rate: float = 0.3) -> str:
        storage: FaultyStorage[int, int] = FaultyStorage(MemoryStorage(), seed=seed)
        storage.fail(rate=rate)
        return outcomes(storage, 500)

    assert lucky(1) == lucky(1) != lucky(2)
    assert 100 < lucky(1).count("f") < 200
    assert lucky(1, 1.0) == "f" * 500


@pytest.mark.parametrize(
    "fault", [{"nth": 0}, {"times": 0}, {"rate": -0.1}, {"rate": 1.1}, {"rate": float("nan")}]
)
def test_numbers_of_a_fault_are_checked(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        FaultyStorage(MemoryStorage()).fail(**fault)


def test_a_copy_and_a_pickle_have_no_faults_and_no_past(tmp_path: Path) -> None:
    storage: FaultyStorage[str, int] = FaultyStorage(FileStorage(tmp_path), seed=7)
    storage.fail(on="set", keys=lambda key: True, times=1)
    with pytest.raises(UnavailableError):
        storage["a"] = 1
    for other in (copy.copy(storage), copy.deepcopy(storage), pickle.loads(pickle.dumps(storage))):
        assert other.failures == []
        other["a"] = 2
        assert repr(other) == repr(storage)
    assert len(storage.failures) == 1


def test_faults_may_strike_in_threads() -> None:
    storage: FaultyStorage[int, int] = FaultyStorage(MemoryStorage())
    storage.fail(times=100)
    said = in_threads(*[lambda: outcomes(storage, 200)] * 4)
    assert "".join(said).count("f") == 100 == len(storage.failures)


def test_a_memoizer_on_a_faulty_storage() -> None:
    storage: FaultyStorage[Any, Any] = FaultyStorage(MemoryStorage())
    calls: list[int] = []

    @memoize(storage)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert double(2) == double(2) == 4
    storage.fail(on="get")
    with pytest.raises(StorageError):
        double(2)
    assert calls == [2]


# -------------------------------------------------------------------- LatencyStorage


@pytest.mark.parametrize(("operation", "call"), EACH)
def test_each_operation_waits_as_long_as_it_is_told(
    operation: str, call: Callable[[Storage[Any, Any]], Any]
) -> None:
    waited: list[float] = []
    call(LatencyStorage(filled(), {operation: 0.25}, sleep=waited.append))
    assert waited
    assert set(waited) == {0.25}
    made_of = {"get", "set", "delete", "iter", "len", "set_many"}
    others = dict.fromkeys(OPERATIONS - made_of - {operation}, 1.0)
    waited.clear()
    call(LatencyStorage(filled(), others, sleep=waited.append))
    assert waited == []


def test_one_time_is_for_all_operations() -> None:
    clock = FakeClock(0)
    storage = LatencyStorage(filled(), 0.5, sleep=clock.advance)
    assert ("key" in storage, storage["key"], len(storage)) == (True, 1, 2)
    assert clock() == 1.5
    assert LatencyStorage(filled(), 0, sleep=clock.advance)["key"] == 1
    assert clock() == 1.5


def test_it_waits_before_the_operation() -> None:
    inner = filled()
    seen: list[Any] = []
    storage = LatencyStorage(inner, {"set": 1}, sleep=lambda seconds: seen.append(inner["key"]))
    storage["key"] = 2
    assert (seen, inner["key"]) == ([1], 2)


def test_a_ttl_may_run_out_while_it_waits() -> None:
    clock = FakeClock()
    storage = LatencyStorage(VolatileStorage(expiration=5, timer=clock), {"get": 5}, sleep=clock.advance)
    storage["a"] = 1
    assert "a" in storage
    assert storage.get("a") is None


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), {"get": -1}, {"get": float("inf")}])
def test_times_are_checked(seconds: Any) -> None:
    with pytest.raises(ValueError, match="waits for at least 0 seconds"):
        LatencyStorage(MemoryStorage(), seconds)


def test_it_does_not_claim_never_to_wait() -> None:
    assert Capability.NONBLOCKING in MemoryStorage().capabilities
    assert Capability.NONBLOCKING not in LatencyStorage(MemoryStorage(), 1).capabilities
    assert (
        repr(LatencyStorage(MemoryStorage(), {"get": 1}))
        == "LatencyStorage(MemoryStorage(), seconds={'get': 1})"
    )


# -------------------------------------------------------------------- RecordingStorage


@pytest.mark.parametrize(("operation", "call"), EACH)
def test_each_operation_is_remembered(operation: str, call: Callable[[Storage[Any, Any]], Any]) -> None:
    storage = RecordingStorage(filled())
    call(storage)
    assert storage.count(operation) >= 1
    assert operation in {record.operation for record in storage.records}


def test_what_was_given_and_what_came_of_it() -> None:
    storage: RecordingStorage[str, Any] = RecordingStorage(filled(), show_value=repr)
    storage.set("a", [1], ttl=5)
    storage.swap("a", [1], [2])
    storage.add("a", 3)
    storage.incr("n", 2)
    storage.get_many(["a", "z"])
    storage.set_many(iter([("b", 4)]))
    storage.delete_many(iter("bz"))
    set(storage.scan("a"))
    set(storage)
    storage.swap("c", ABSENT, 1)
    with pytest.raises(KeyError):
        storage["z"]
    assert [(one.operation, one.key, one.given, one.result, one.error) for one in storage.records] == [
        ("set", "a", {"value": "[1]", "ttl": 5}, None, None),
        ("swap", "a", {"old": "[1]", "value": "[2]", "ttl": storage.records[1].given["ttl"]}, True, None),
        ("add", "a", {"value": "3", "ttl": None}, False, None),
        ("incr", "n", {"by": 2, "ttl": None}, "2", None),
        ("get_many", ABSENT, {"keys": ["a", "z"]}, {"a": "[2]"}, None),
        ("set_many", ABSENT, {"items": [("b", "4")], "ttl": None}, None, None),
        ("delete_many", ABSENT, {"keys": ["b", "z"]}, 1, None),
        ("scan", ABSENT, {"prefix": "a"}, None, None),
        ("iter", ABSENT, {}, None, None),
        ("swap", "c", {"old": ABSENT, "value": "1", "ttl": storage.records[1].given["ttl"]}, True, None),
        ("get", "z", {}, None, KeyError),
    ]


def test_no_value_is_remembered_unless_asked_for() -> None:
    storage: RecordingStorage[str, Any] = RecordingStorage(LRUStorage(10), show_key=lambda key: "a key")
    for use in CALLS.values():
        for call in use:
            storage.inner.update({"key": 76543210, "bytes": b"76543210"})
            with suppress(StorageError, TypeError):
                call(storage)
    storage.set("key", 76543210)
    storage.set_many({"key": 76543210})
    storage.swap("key", 76543210, 76543210)
    shown = repr(storage.records) + repr(storage)
    assert "76543210" not in shown
    assert "'key'" not in shown
    assert "bytes" not in shown.replace("<bytes>", "").replace("bytes=None", "")
    assert "a key" in shown


def test_records_are_forgotten_when_asked() -> None:
    storage: RecordingStorage[str, int] = RecordingStorage(MemoryStorage())
    storage["a"] = 1
    before = storage.records
    storage.forget()
    assert (len(before), storage.records) == (1, [])


def test_a_copy_remembers_nothing(tmp_path: Path) -> None:
    storage: RecordingStorage[str, int] = RecordingStorage(FileStorage(tmp_path))
    storage["a"] = 1
    for other in (copy.copy(storage), copy.deepcopy(storage), pickle.loads(pickle.dumps(storage))):
        assert other.records == []
        assert other["a"] == 1
        assert other.count("get") == 1
    assert storage.count("get") == 0


def test_doubles_nest() -> None:
    faulty: FaultyStorage[str, int] = FaultyStorage(MemoryStorage())
    recording = RecordingStorage(LatencyStorage(faulty, 0.1, sleep=lambda seconds: None))
    faulty.fail(on="set", nth=2)
    recording["a"] = 1
    with pytest.raises(UnavailableError):
        recording["a"] = 2
    assert [record.error for record in recording.records] == [None, UnavailableError]
    assert recording["a"] == 1
