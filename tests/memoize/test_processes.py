"""Keys are the same in every process, whatever its hash seed and its Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pystorage
from tests.memoize import sample_calls

HERE = Path(__file__).parent
PACKAGE = Path(pystorage.__file__).parents[1]
SUPPORTED = ("3.11", "3.12", "3.13")


def run(*command, seed="random", path=(), **options):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(each) for each in command],
        env={
            **inherited,
            "PYTHONHASHSEED": seed,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(str(each) for each in (*path, PACKAGE)),
        },
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def sampled(python, seed):
    return json.loads(run(python, HERE / "sample_calls.py", seed=seed, path=[HERE]))


def interpreters():
    """Find one interpreter for each supported version: on the path, or made by pyenv."""
    found = {}
    for version in SUPPORTED:
        candidates = [shutil.which(f"python{version}")]
        pyenv = shutil.which("pyenv")
        if pyenv:
            root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
            candidates += sorted(Path(root, "versions").glob(f"{version}.*/bin/python"))
        for python in filter(None, candidates):
            probe = subprocess.run(
                [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
            if probe.returncode == 0 and probe.stdout.strip() == version:
                found[version] = python
                break
    return found


@pytest.fixture(scope="module")
def expected():
    keys = sampled(sys.executable, "0")
    assert len(set(keys)) == len(keys)
    assert len(keys) > 4 * len(sample_calls.VALUES)
    return keys


@pytest.mark.parametrize("seed", ["1", "12345", "random"])
def test_whatever_the_hash_seed(expected, seed):
    assert sampled(sys.executable, seed) == expected


@pytest.mark.parametrize("version", SUPPORTED)
def test_whatever_the_python(expected, version):
    python = interpreters().get(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    assert sampled(python, "random") == expected


# -------------------------------------------------------------------- scripts

SCRIPT = """
import dataclasses, multiprocessing, sys
from pystorage.memo import memoize

@dataclasses.dataclass
class Point:
    x: int

@memoize({})
def load(value):
    return value

def ask(_):
    return load.key_for(Point(1))

def main():
    print(load.key_for(Point(1)))
    if "spawn" in sys.argv:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(ask, [0])[0])

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def script(tmp_path):
    for folder in ("one", "two", "package"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "job.py").write_text(SCRIPT)
    (tmp_path / "package" / "__init__.py").touch()
    return tmp_path


def test_a_script_keeps_its_name_while_it_stays_where_it_is(script):
    one = run(sys.executable, script / "one" / "job.py")
    assert run(sys.executable, "job.py", cwd=script / "one") == one
    assert one.startswith("__main__.job_")


def test_two_scripts_share_nothing(script):
    one = run(sys.executable, script / "one" / "job.py")
    assert run(sys.executable, script / "two" / "job.py") != one


def test_a_module_that_runs_as_a_script_keeps_its_name(script):
    started = run(sys.executable, "-m", "package.job", cwd=script, path=[script])
    imported = run(sys.executable, "-c", "from package import job; job.main()", path=[script])
    assert started == imported
    assert started.startswith("package.job.load-")


@pytest.mark.parametrize("start", [["one/job.py"], ["-m", "package.job"]])
def test_processes_that_a_script_spawns(script, start):
    own, spawned = run(sys.executable, *start, "spawn", cwd=script, path=[script]).split()
    assert own == spawned


def test_without_a_file():
    program = f"{SCRIPT}\nprint(load.key_for(Point(1)))"
    assert run(sys.executable, "-c", program).startswith("__main__.load-")


# -------------------------------------------------------------------- results


def test_another_process_finds_the_results(tmp_path):
    program = """
import sys
from pystorage import FileStorage, memoize

def slow(number, factor=2):
    print("computed", end=" ")
    return number * factor

slow.__module__ = "app"
print(memoize(FileStorage(sys.argv[1]))(slow)(21))
"""
    assert run(sys.executable, "-c", program, tmp_path / "kept", seed="1") == "computed 42\n"
    assert run(sys.executable, "-c", program, tmp_path / "kept", seed="2") == "42\n"
