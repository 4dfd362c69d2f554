"""The rest of the kit: the clock, the samples, the machine, CPython's tests, and what is not installed."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

import pystorage.testing
from pystorage.testing import HOSTILE_KEYS, REFUSED_KEYS, FakeClock, mapping_tests, storage_machine
from pystorage.testing.mapping_protocol import PROTOCOL
from pystorage.testing.samples import UNHASHABLE, returned
from tests.testing.reference import Plain


class LosesEntries(Plain):
    """Loses an entry now and then."""

    def _put(self, key: Any, value: Any, seconds: float | None) -> None:
        super()._put(key, value, seconds)
        if len(self.entries) > 3:
            self.entries.popitem()


def results(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def run_alone(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(pystorage.testing.__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout.strip()


# ---------------------------------------------------------------------- the clock


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(5)
    assert clock() == clock() == 5
    clock.advance(0)
    clock.advance(2.5)
    assert clock() == clock.now == 7.5


def test_a_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="not back"):
        FakeClock().advance(-1)


def test_a_clock_can_be_copied_and_pickled() -> None:
    clock = FakeClock(3)
    for other in (copy.deepcopy(clock), pickle.loads(pickle.dumps(clock))):
        clock.advance(1)
        assert other() == 3


# ---------------------------------------------------------------------- samples


def test_the_hostile_keys_all_differ() -> None:
    assert len(set(HOSTILE_KEYS)) == len(HOSTILE_KEYS)
    assert len(set(map(returned, HOSTILE_KEYS))) == len(HOSTILE_KEYS)


def test_the_refused_keys_are_hashable_and_the_others_are_not() -> None:
    assert len({hash(key) for key in REFUSED_KEYS.values()}) == len(REFUSED_KEYS)
    for key in UNHASHABLE.values():
        with pytest.raises(TypeError):
            hash(key)


# ---------------------------------------------------------------------- the machine, CPython's tests


def test_the_machine_accepts_what_agrees_with_a_dict() -> None:
    case = storage_machine(lambda place, timer: Plain(timer), max_examples=5)
    assert results(case).wasSuccessful()


def found_is_enough(case: Any) -> Any:
    """Let it not look for a shorter history once it has found one: that takes longer, and tells no more."""
    case.settings = settings(case.settings, phases=[Phase.generate])
    return case


def test_the_machine_finds_what_does_not() -> None:
    case = storage_machine(lambda place, timer: LosesEntries(timer), max_examples=100)
    result = results(found_is_enough(case))
    assert len(result.failures) + len(result.errors) == 1


def test_the_machine_knows_a_default_life() -> None:
    class ADay(Plain):
        def _put(self, key: Any, value: Any, seconds: float | None) -> None:
            super()._put(key, value, 2.0 if seconds is None else seconds)

    case = storage_machine(lambda place, timer: ADay(timer), max_examples=100)
    assert not results(found_is_enough(case)).wasSuccessful()


def test_cpythons_tests_pass_on_what_is_right() -> None:
    pytest.importorskip("test.mapping_tests")
    result = results(mapping_tests(lambda place, timer: Plain(timer)))
    assert result.wasSuccessful()
    assert result.testsRun == len(PROTOCOL)
    assert not result.skipped


def test_cpythons_tests_fail_on_what_is_wrong() -> None:
    pytest.importorskip("test.mapping_tests")

    class Unequal(Plain):
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    assert not results(mapping_tests(lambda place, timer: Unequal(timer))).wasSuccessful()


def test_cpythons_tests_are_skipped_where_python_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "test.mapping_tests", None)
    result = results(mapping_tests(lambda place, timer: Plain(timer)))
    assert len(result.skipped) == result.testsRun == len(PROTOCOL)
    assert {reason for _, reason in result.skipped} == {"this Python ships without its own tests"}


# ---------------------------------------------------------------------- what is not installed


def test_the_clock_needs_nothing() -> None:
    code = (
        "import sys; from pystorage.testing import FakeClock; FakeClock()\n"
        "print(sorted({'pytest', 'hypothesis'} & set(sys.modules)))"
    )
    assert run_alone(code) == "[]"


@pytest.mark.parametrize("package", ["pytest", "hypothesis"])
def test_a_missing_package_names_the_extra(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from pystorage.errors import MissingDependencyError\n"
        "try:\n"
        "    from pystorage.testing import StorageConformance\n"
        "except MissingDependencyError as error:\n"
        "    print(error.name, error)"
    )
    said = run_alone(code)
    assert said.startswith(f"{package} pystorage.testing.StorageConformance needs {package}")
    assert "pip install 'pystorage[testing]'" in said


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="Nothing"):
        _ = pystorage.testing.Nothing


def test_all_names_are_there() -> None:
    assert set(pystorage.testing.__all__) <= set(dir(pystorage.testing))
    for name in pystorage.testing.__all__:
        assert getattr(pystorage.testing, name) is not None
