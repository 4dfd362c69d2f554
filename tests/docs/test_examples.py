"""The scripts in ``examples/`` run, and the second run finds what the first one left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pystorage

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_it_runs_twice(example: Path, tmp_path: Path) -> None:
    package = str(Path(pystorage.__file__).parents[1])
    for _ in range(2):
        said = subprocess.run(
            [sys.executable, "-W", "error", str(example)],
            env=os.environ | {"PYTHONPATH": package, "TMPDIR": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout
