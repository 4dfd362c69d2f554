"""The run of the tour: what is found, what is measured, and what is remembered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pystorage.cli import measure, tour
from pystorage.errors import UnavailableError

MODULES = ["alpha.py", "beta.py", "broken.py", "package/__init__.py", "package/gamma.py"]


def names(root: Path, modules: list[Path]) -> list[str]:
    return [module.relative_to(root).as_posix() for module in modules]


def run(library: Path, tmp_path: Path) -> tour.Pass:
    return tour.measure_all(tour.find_modules(library), tmp_path / "figures", lambda: None)


def test_modules_and_nothing_else(library: Path) -> None:
    assert names(library, tour.find_modules(library)) == MODULES


def test_the_standard_library() -> None:
    root = tour.standard_library()
    found = names(root, tour.find_modules(root))
    assert {"argparse.py", "json/decoder.py", "collections/__init__.py"} <= set(found)
    assert not [name for name in found if "-packages" in name]


def test_no_modules(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="found no Python files in"):
        tour.find_modules(tmp_path)


def test_the_second_pass_measures_nothing(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(library, tmp_path)
    assert (first.hits, first.misses, first.unreadable) == (0, 5, 0)

    def never(source: bytes) -> measure.Figures:
        raise AssertionError("measured again")

    monkeypatch.setattr(measure, "measure", never)
    second = run(library, tmp_path)
    assert (second.hits, second.misses, second.unreadable) == (5, 0, 0)
    assert second.figures == first.figures
    problems = {Path(path).name: found["problem"] for path, found in second.figures.items()}
    assert {name for name, problem in problems.items() if problem} == {"broken.py"}


def test_a_changed_module_is_measured_anew(library: Path, tmp_path: Path) -> None:
    run(library, tmp_path)
    alpha = library / "alpha.py"
    alpha.write_text("import json\n")
    # As long as before, so that the time alone says that it changed.
    beta = library / "beta.py"
    beta.write_text(beta.read_text().replace("if", "or"))
    os.utime(beta, ns=(0, 0))
    again = run(library, tmp_path)
    assert (again.hits, again.misses) == (3, 2)
    assert again.figures[str(alpha)]["imports"] == ["json"]
    assert again.figures[str(beta)]["problem"] == "SyntaxError"


def test_another_way_to_count_makes_all_stale(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(library, tmp_path)
    monkeypatch.setattr(measure, "VERSION", measure.VERSION + 1)
    assert run(library, tmp_path).misses == 5


def test_a_module_that_cannot_be_read_is_counted(library: Path, tmp_path: Path) -> None:
    (library / "dangling.py").symlink_to(library / "nothing")
    (library / "folder.py").mkdir()
    modules = [*tour.find_modules(library), library / "folder.py", library / "gone.py"]
    found = tour.measure_all(modules, tmp_path / "figures", lambda: None)
    assert (found.hits, found.misses, found.unreadable) == (0, 5, 3)


def test_every_module_ticks(library: Path, tmp_path: Path) -> None:
    ticks: list[None] = []
    (library / "dangling.py").symlink_to(library / "nothing")
    tour.measure_all(tour.find_modules(library), tmp_path / "figures", lambda: ticks.append(None))
    assert len(ticks) == 6


def test_a_cold_pass_is_remembered_for_warm_runs(library: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    cold = tour.Pass(9.0, 0, 5, 0, {})
    warm = tour.Pass(0.1, 5, 0, 0, {})
    assert tour.remember_cold(runs, library, warm) is None
    assert tour.remember_cold(runs, library, cold) == tour.Cold(9.0, None)
    remembered = tour.remember_cold(runs, library, warm)
    assert remembered is not None
    assert remembered.seconds == 9.0
    assert remembered.when
    assert tour.remember_cold(runs, tmp_path, warm) is None


def test_summary(library: Path, tmp_path: Path) -> None:
    found = tour.summarize(run(library, tmp_path).figures)
    assert (found.lines, found.functions, found.classes, found.problems) == (12, 1, 1, 1)
    assert (found.deepest, Path(found.deepest_module).name) == (3, "beta.py")
    assert found.imports == ("os", "sys")
    assert found.documented == pytest.approx(0.5)


def test_summary_of_nothing() -> None:
    assert tour.summarize({}) == tour.Summary(0, 0, 0, 0.0, 0, "", (), 0)
