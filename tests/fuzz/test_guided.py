"""A short run of the coverage-guided fuzzer, where it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed: pip install atheris")
def test_a_short_run_breaks_nothing(tmp_path: Path) -> None:
    for needed in ("cryptography", "msgspec"):
        pytest.importorskip(needed)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    runs = os.environ.get("PYSTORAGE_FUZZ_RUNS", "5000")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.guided", f"-runs={runs}", "-seed=1", "-rss_limit_mb=1024"),
            *("-timeout=20", f"-artifact_prefix={tmp_path}/", str(corpus)),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    covered = re.findall(r"cov: (\d+)", done.stderr)
    assert int(covered[-1]) > int(covered[0])  # it was guided by what it saw
