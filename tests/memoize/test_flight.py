"""Each key is computed once at a time among threads, whatever happens to the one that computes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, memoize
from pystorage.engine import IMPLEMENTATION
from pystorage.errors import EncodeError

LONG = 20.0


class Gate:
    """Where a computation stands until it is let on."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()

    def wait(self) -> None:
        self.inside.release()
        assert self.open.wait(LONG)

    def until_inside(self) -> None:
        assert self.inside.acquire(timeout=LONG)


class Caller(threading.Thread):
    """Calls a function, and keeps what it gave or raised."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        super().__init__(daemon=True)
        self.function, self.args = function, args
        self.value: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self.function(*self.args)
        except BaseException as error:
            self.error = error

    def ended(self) -> Any:
        self.join(LONG)
        assert not self.is_alive(), "it hangs"
        return self.value


def waiting_for(function: Any, count: int) -> None:
    """Wait until so many threads wait for the flights of a function."""
    from pystorage.memo import flight

    end = time.monotonic() + LONG
    while True:
        going = set(map(id, function._flights._going.values()))
        if sum(id(one) in going for one in list(flight._waiting.values())) >= count:
            return
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture(params=["own", "dict", "LRUStorage", "MemoryStorage", "FileStorage"])
def storage(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "own": lambda: None,
        "dict": dict,
        "LRUStorage": lambda: LRUStorage(100),
        "MemoryStorage": MemoryStorage,
        "FileStorage": lambda: FileStorage(tmp_path / "results"),
    }
    return makers[request.param]()


@pytest.fixture(autouse=True)
def nobody_is_left_waiting() -> Iterator[None]:
    from pystorage.memo import flight

    yield
    assert not flight._waiting


# -------------------------------------------------------------------- one computation


def test_a_thousand_threads_at_a_cold_key_compute_once(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def slow(number: int) -> list[int]:
        made.append(number)
        time.sleep(0.002)
        return [number]

    count, rounds = 1000, 1 if isinstance(storage, FileStorage) else 3
    before = threading.stack_size(256 * 1024)
    try:
        for number in range(rounds):
            start = threading.Event()

            def ask(number: int = number, start: threading.Event = start) -> list[int]:
                start.wait()
                return slow(number)

            threads = [Caller(ask) for _ in range(count)]
            start.set()
            assert all(thread.ended() == [number] for thread in threads)
    finally:
        threading.stack_size(before)
    assert made == list(range(rounds))
    assert slow.cache_info()[:2] == ((count - 1) * rounds, rounds)
    assert not slow._flights._going


def test_few_threads_at_many_cold_keys_compute_each_once() -> None:
    """What comes between the look at the storage and the flight is met here, too."""
    made: list[int] = []

    @memoize
    def quick(number: int) -> int:
        made.append(number)
        return number

    together = threading.Barrier(4)

    def work() -> list[int]:
        together.wait()
        return [quick(number) for number in range(1000)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Caller(work) for _ in range(4)]
        assert all(thread.ended() == list(range(1000)) for thread in threads)
    finally:
        sys.setswitchinterval(interval)
    assert sorted(made) == list(range(1000))
    assert quick.cache_info()[:2] == (3000, 1000)


def test_waiters_get_the_very_value_of_the_leader() -> None:
    gate = Gate()

    @memoize
    def slow() -> list[int]:
        gate.wait()
        return []

    threads = [Caller(slow) for _ in range(5)]
    gate.until_inside()
    waiting_for(slow, 4)
    gate.open.set()
    values = [thread.ended() for thread in threads]
    assert all(value is values[0] for value in values)
    assert slow() is values[0]
    assert slow.cache_info()[:2] == (5, 1)


def test_none_is_a_value_for_waiters() -> None:
    gate = Gate()
    slow = memoize({})(lambda_named(gate.wait))
    threads = [Caller(slow) for _ in range(3)]
    waiting_for(slow, 2)
    gate.open.set()
    assert [thread.ended() for thread in threads] == [None] * 3
    assert slow.cache_info()[:2] == (2, 1)


def lambda_named(act: Callable[[], Any]) -> Callable[[], Any]:
    def acting() -> Any:
        return act()

    return acting


def test_other_keys_are_not_waited_for() -> None:
    gate = Gate()

    @memoize
    def slow(number: int) -> int:
        if number == 0:
            gate.wait()
        return number

    first = Caller(slow, 0)
    gate.until_inside()
    assert [slow(number) for number in range(1, 20)] == list(range(1, 20))
    gate.open.set()
    assert first.ended() == 0


def test_the_same_arguments_of_two_functions_are_two_keys() -> None:
    gate, results = Gate(), {}  # type: ignore[var-annotated]

    @memoize(results)
    def one(number: int) -> str:
        gate.wait()
        return "one"

    @memoize(results)
    def two(number: int) -> str:
        return "two"

    first = Caller(one, 1)
    gate.until_inside()
    assert two(1) == "two"
    gate.open.set()
    assert first.ended() == "one"


def test_nothing_is_kept_of_a_flight() -> None:
    class Value:
        pass

    kept = memoize({})(lambda_named(Value))
    reference = weakref.ref(kept())
    kept.storage.clear()
    assert reference() is None
    assert not kept._flights._going


# -------------------------------------------------------------------- errors


def test_the_error_goes_to_those_who_waited_and_the_next_call_tries_again() -> None:
    gate = Gate()
    made: list[int] = []

    @memoize
    def failing() -> int:
        made.append(1)
        gate.wait()
        if len(made) == 1:
            raise ValueError("once")
        return 5

    threads = [Caller(failing) for _ in range(6)]
    gate.until_inside()
    waiting_for(failing, 5)
    gate.open.set()
    for thread in threads:
        thread.ended()
    assert {str(thread.error) for thread in threads} == {"once"}
    assert len(made) == 1
    assert failing() == 5


def test_an_error_shows_where_it_was_raised_and_holds_nobody() -> None:
    gate = Gate()

    def broken() -> None:
        gate.wait()
        raise ValueError("here")

    failing = memoize({})(broken)
    threads = [Caller(failing) for _ in range(3)]
    waiting_for(failing, 2)
    gate.open.set()
    for thread in threads:
        thread.ended()
        assert thread.error is not None
        names, traceback = [], thread.error.__traceback__
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert names[-1] == "broken"
        assert len(names) < 12

    class Error(ValueError):
        pass

    @memoize
    def alone() -> None:
        raise Error

    gc.disable()
    try:
        with pytest.raises(Error) as found:
            alone()
        reference = weakref.ref(found.value)
        found.value.__traceback__ = None
        del found
        assert reference() is None
    finally:
        gc.enable()


def test_a_storage_that_refuses_is_an_error_for_all(tmp_path: Any) -> None:
    gate = Gate()

    @memoize(FileStorage(tmp_path / "results"))
    def unkept() -> object:
        gate.wait()
        return object()

    threads = [Caller(unkept) for _ in range(3)]
    waiting_for(unkept, 2)
    gate.open.set()
    for thread in threads:
        thread.ended()
        assert isinstance(thread.error, EncodeError)
    assert not unkept._flights._going


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_who_waited_takes_over_when_the_leader_is_stopped(stop: type[BaseException]) -> None:
    gate = Gate()
    made: list[int] = []

    @memoize
    def stopped() -> int:
        made.append(threading.get_ident())
        if len(made) == 1:
            gate.wait()
            raise stop
        return 7

    leader = Caller(stopped)
    gate.until_inside()
    threads = [Caller(stopped) for _ in range(5)]
    waiting_for(stopped, 5)
    gate.open.set()
    leader.ended()
    assert type(leader.error) is stop
    assert [thread.ended() for thread in threads] == [7] * 5
    assert len(made) == 2
    assert stopped.cache_info()[:2] == (4, 2)


# -------------------------------------------------------------------- the same key again


@pytest.mark.timeout(30)
def test_a_call_of_itself_computes_through(storage: Any) -> None:
    depth: list[int] = []

    @memoize(storage)
    def nested(number: int) -> int:
        depth.append(number)
        return nested(number) + 1 if len(depth) < 3 else 0

    assert nested(1) == 2
    assert nested.cache_info()[1] == 3


def test_recursion(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage)
    def fib(number: int) -> int:
        made.append(number)
        return number if number < 2 else fib(number - 1) + fib(number - 2)

    threads = [Caller(fib, 90) for _ in range(4)]
    assert [thread.ended() for thread in threads] == [2880067194370816120] * 4
    assert sorted(made) == list(range(91))


def test_recursion_may_be_deep() -> None:
    @memoize({})
    def down(number: int) -> int:
        return 0 if number == 0 else down(number - 1)

    # Python allows a thousand frames; where the engine is not compiled, one more at each call is ours.
    assert down(150 if IMPLEMENTATION == "c" else 100) == 0


@pytest.mark.timeout(30)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_threads_that_wait_in_a_ring_do_not_hang(size: int) -> None:
    """Each computes a key and asks for the next one's, which closes the ring."""
    for _ in range(20):
        together = threading.Barrier(size)
        starts: dict[int, int] = {}

        @memoize({}, ignore=("together", "starts"))
        def ring(number: int, together: Any = together, starts: Any = starts) -> int:
            me = threading.get_ident()
            if me not in starts:
                starts[me] = number
                together.wait(LONG)
            elif number == starts[me]:
                return 0  # all the way round
            return int(ring((number + 1) % size, together, starts)) + 1

        def begin(number: int, ring: Any = ring) -> int:
            return int(ring(number))

        threads = [Caller(begin, number) for number in range(size)]
        for thread in threads:
            assert isinstance(thread.ended(), int), thread.error
        assert not ring._flights._going


def test_two_functions_that_need_one_another_do_not_hang() -> None:
    inside = threading.Barrier(2)
    met = threading.local()

    def meet() -> None:
        if not hasattr(met, "once"):
            met.once = True
            inside.wait(LONG)

    @memoize
    def one(depth: int) -> int:
        meet()
        return two(depth) + 1 if getattr(met, "depth", 0) < 2 and not bump() else 0

    @memoize
    def two(depth: int) -> int:
        meet()
        return one(depth) + 1 if getattr(met, "depth", 0) < 2 and not bump() else 0

    def bump() -> None:
        met.depth = getattr(met, "depth", 0) + 1

    threads = [Caller(one, 1), Caller(two, 1)]
    for thread in threads:
        assert isinstance(thread.ended(), int), thread.error


# -------------------------------------------------------------------- other calls meanwhile


def test_refresh_and_set_do_not_wait() -> None:
    gate = Gate()
    made: list[int] = []

    @memoize
    def slow() -> int:
        made.append(1)
        if len(made) == 1:
            gate.wait()
        return len(made)

    first = Caller(slow)
    gate.until_inside()
    assert slow.refresh() == 2
    assert slow() == 2
    slow.set(9)
    assert slow() == 9
    gate.open.set()
    assert first.ended() == 2


# -------------------------------------------------------------------- processes


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def ended(child: int) -> int:
    """Give the status of a child, or end it when it hangs."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_computes() -> None:
    gate = Gate()

    @memoize
    def slow(number: int) -> int:
        if not free:
            gate.wait()
        return number

    free: list[int] = []
    threads = [Caller(slow, 3) for _ in range(3)]
    waiting_for(slow, 2)
    child = os.fork()
    if child == 0:
        free.append(1)
        others = [Caller(slow, 3) for _ in range(3)]
        right = slow(3) == 3 and [one.ended() for one in others] == [3] * 3
        os._exit(10 + right if slow.cache_info().misses == 2 else 1)
    status = ended(child)
    gate.open.set()
    assert [thread.ended() for thread in threads] == [3] * 3
    assert status == 11


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_the_computation() -> None:
    children: list[int] = []

    @memoize
    def forking(number: int) -> int:
        if children:
            return number
        children.append(os.fork())
        return forking(number) + (100 if children[0] == 0 else 0)

    value = forking(4)
    if children[0] == 0:
        os._exit(value if forking(4) == value and not forking._flights._going else 1)
    assert (value, forking(4)) == (4, 4)
    assert ended(children[0]) == 104


INTERRUPTED = """
import random, signal, sys, threading
from pystorage import memoize
from pystorage.memo import flight

class Stop(BaseException):
    pass

def stop(*_):
    raise Stop

@memoize
def compute(number):
    return number

signal.signal(signal.SIGALRM, stop)
chance, stopped = random.Random(int(sys.argv[1])), 0
for number in range(3000):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(2e-6, 40e-6))
        while True:
            for at in range(3):
                compute((number, at))
            compute.cache_clear()
    except Stop:
        stopped += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = []
    threads = [
        threading.Thread(target=lambda at: found.append(compute((number, at))), args=(at,), daemon=True)
        for at in range(3)
    ] if number % 10 == 0 or compute._flights._going else []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        if thread.is_alive():
            sys.exit("it hangs")
    for one in compute._flights._going.values():
        if not one.over:
            sys.exit("a flight goes on without a leader")
print(stopped)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
def test_an_interrupt_at_any_moment_leaves_nobody_waiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert int(done.stdout) > 2000
