"""Each way of being broken is caught by the law that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pystorage.testing import StorageConformance
from tests.testing import broken_in_memory, broken_on_disk

PAIRS = [
    (module, name, law)
    for module in (broken_in_memory, broken_on_disk)
    for name, case in vars(module).items()
    if name.startswith("Test") and issubclass(case, StorageConformance)
    for law in case.breaks
]


#: A law that the storage does not declare the capability for, in a test class that does not say so either.
SKIPPED = f"{broken_in_memory.__file__}::TestLocksWithoutSayingSo::test_a_lock_excludes"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run all these laws in one other pytest, and give what it says."""
    laws = [*(f"{module.__file__}::{case}::{law}" for module, case, law in PAIRS), SKIPPED]
    options = ["-q", "--tb=no", "-rfs", "--timeout=60", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={tmp_path_factory.mktemp('broken')}", *laws],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize("case, law", [pair[1:] for pair in PAIRS])
def test_it_is_caught(said: list[str], case: str, law: str) -> None:
    """The law fails on the storage that breaks it."""
    wanted = f"::{case}::{law}"
    failed = [line.split()[1] for line in said if line.startswith("FAILED ")]
    assert any(one.endswith(wanted) or f"{wanted}[" in one for one in failed)


def test_a_law_of_what_is_not_declared_is_skipped(said: list[str]) -> None:
    """Where the test class does not say what the storage declares, such a law is skipped with its reason."""
    (skipped,) = (line for line in said if line.startswith("SKIPPED "))
    assert skipped.endswith("the storage does not declare LOCK")
