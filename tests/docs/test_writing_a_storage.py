"""The storage that the guide writes passes the suite as the guide says, in a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pystorage
from tests.docs.test_blocks import ROOT, blocks

GUIDE = ROOT / "docs" / "writing-a-storage.md"


def test_the_storage_of_the_guide_passes_the_suite(tmp_path: Path) -> None:
    written = [
        block.code for block in blocks(GUIDE) if block.language == "python" and ">>>" not in block.code
    ]
    (tmp_path / "test_the_guide.py").write_text("\n\n".join(written), encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(pystorage.__file__).parents[1]), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    (passed,) = re.findall(r"(\d+) passed", said.stdout)
    assert int(passed) > 100
