"""The command as a person runs it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import pystorage
from pystorage import cli, engine
from pystorage.cli import app, folder
from tests.cli.conftest import Run


def files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if not path.is_dir())


def test_version(pystorage_command: Run) -> None:
    said = pystorage_command("--version")
    versions = f"pystorage {pystorage.__version__}, Python {platform.python_version()}"
    assert said.stdout == f"{versions}, engine: {engine.IMPLEMENTATION}\n"
    assert said.returncode == 0


def test_the_installed_script() -> None:
    script = shutil.which("pystorage", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("pystorage is not installed in this environment, it only lies in the path")
    said = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60)
    assert said.stdout.startswith(f"pystorage {pystorage.__version__}, ")


def test_help_names_the_tour() -> None:
    for words in ([], ["--help"], ["-h"]):
        assert "tour" in CliRunner().invoke(app.command, words).output
    said = CliRunner().invoke(app.command, ["tour", "--help"])
    assert all(option in said.output for option in ("--path", "--source", "--clean"))


def test_two_tours_and_a_clean(pystorage_command: Run, home: Path, library: Path) -> None:
    cold = pystorage_command("tour", "--source", str(library))
    assert cold.stderr == ""
    assert cold.returncode == 0
    place = app_folder(cold.stdout)
    assert place.is_relative_to(home)
    assert all(path.is_relative_to(place) for path in files(home))
    assert "warm from the start" not in cold.stdout.partition("What to try next")[0]
    for said in ("5 modules", "cold", "warm", "ratio", "5 of 5", "on disk", "pystorage tour --clean"):
        assert said in cold.stdout

    warm = pystorage_command("tour", "--source", str(library))
    assert "this run is warm from the start" in warm.stdout
    assert "(the run of 2" in warm.stdout
    assert warm.returncode == 0

    clean = pystorage_command("tour", "--clean")
    assert clean.stdout.startswith("Removed ")
    assert list(home.iterdir()) == []
    assert pystorage_command("tour", "--clean").stdout.startswith("Nothing to remove")


def app_folder(output: str) -> Path:
    """The folder that holds the file of the first scene, which is printed whole."""
    line = next(line for line in output.splitlines() if "hello.storage.json'" in line and ">>>" not in line)
    return Path(line.strip().strip("'")).parents[1]


def test_a_place_of_ones_own(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["tour", "--path", "my place", "--source", "library"]
    said = CliRunner().invoke(app.command, words)
    place = tmp_path / "my place"
    assert said.exit_code == 0
    assert f"pystorage tour --path '{place}' --clean" in said.output
    assert {path.name for path in place.iterdir()} == {folder.MARKER, *folder.PARTS}
    said = CliRunner().invoke(app.command, ["tour", "--path", "my place", "--clean"])
    assert said.output.startswith("Removed ")
    assert not place.exists()


def test_it_fits_eighty_columns_and_a_log(pystorage_command: Run, library: Path, tmp_path: Path) -> None:
    output = pystorage_command("tour", "--source", str(library)).stdout
    assert "\x1b" not in output
    assert [line for line in output.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []


def test_a_screen_that_knows_ascii_only(pystorage_command: Run, library: Path) -> None:
    (library / "naïve.py").write_text("if x:\n  if y:\n    if z:\n      if t: pass\n")
    said = pystorage_command("tour", "--source", str(library), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert said.stderr == ""
    assert "na\\xefve.py" in said.stdout


def test_warnings_are_errors_and_there_are_none(pystorage_command: Run, library: Path) -> None:
    said = pystorage_command("tour", "--source", str(library), PYTHONWARNINGS="error")
    assert (said.returncode, said.stderr) == (0, "")


def test_a_module_that_changes_meanwhile_is_said(library: Path, tmp_path: Path) -> None:
    words = ["tour", "--path", str(tmp_path / "tour"), "--source", str(library)]
    CliRunner().invoke(app.command, words)
    (library / "alpha.py").write_text("import json\n")
    said = CliRunner().invoke(app.command, words)
    assert "4 hits, 1 misses" in said.output


def test_an_error_is_one_line(tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    somebodys = str(library)
    for words in (["--path", somebodys], ["--path", somebodys, "--clean"], ["--source", str(empty)]):
        with pytest.raises(SystemExit) as left:
            cli.main(["tour", *words])
        captured = capsys.readouterr()
        assert left.value.code == 1
        assert captured.err.startswith("pystorage: ")
        assert captured.err.count("\n") == 1
        assert captured.out == ""


def test_a_mistake_in_the_words_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["tuor"])
    assert left.value.code == 2
    assert "tuor" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["click", "rich", "platformdirs"])
def test_a_missing_package_is_named_with_the_extra(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(sys.modules):
        if name == package or name.startswith((f"{package}.", "pystorage.cli.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as left:
        cli.main(["tour", "--clean"])
    captured = capsys.readouterr()
    assert left.value.code == 1
    assert captured.err == (
        f"pystorage: the command line needs {package}, which is not installed: pip install 'pystorage[cli]'\n"
    )


def test_a_fault_of_ours_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pystorage.cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"pystorage\.cli\.app"):
        cli.main(["--version"])


def test_the_command_costs_no_package_before_it_runs() -> None:
    code = "import sys, pystorage.cli; print({'click', 'rich', 'platformdirs'} & set(sys.modules))"
    settings = os.environ | {"PYTHONPATH": str(Path(pystorage.__file__).parents[1])}
    said = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=60
    )
    assert said.stdout == "set()\n"


def test_the_real_library(pystorage_command: Run, home: Path) -> None:
    cold = pystorage_command("tour")
    assert (cold.returncode, cold.stderr) == (0, "")
    assert f"the standard library of Python {platform.python_version()}" in cold.stdout.replace("\n", " ")
    warm = pystorage_command("tour")
    assert "this run is warm from the start" in warm.stdout
    pystorage_command("tour", "--clean")
    assert list(home.iterdir()) == []
