"""What the tests of the command share: a library to measure, and the command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pystorage

Run = Callable[..., subprocess.CompletedProcess[str]]

_FILES = {
    "alpha.py": '"""Alpha."""\nimport os\nimport sys\n',
    "beta.py": "def f():\n    for x in y:\n        if x:\n            pass\n",
    "package/__init__.py": "",
    "package/gamma.py": '"""Gamma."""\nfrom os import path\nclass C:\n    """See."""\n',
    "broken.py": "def f(:\n",
    "site-packages/other.py": "x = 1\n",
    "dist-packages/other.py": "x = 1\n",
    "lib-dynload/other.py": "x = 1\n",
    "package/__pycache__/other.py": "x = 1\n",
    "README.txt": "no module\n",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder like that of a standard library: five modules, one of them broken, and what is none."""
    root = tmp_path / "library"
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def pystorage_command(home: Path) -> Run:
    """Runs ``python -m pystorage`` with an empty home folder, away from the source, as a pipe sees it."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "XDG_CACHE_HOME"}
        }
        package = Path(pystorage.__file__).parents[1]
        settings = {"HOME": str(home), "LOCALAPPDATA": str(home), "PYTHONPATH": str(package), **environment}
        return subprocess.run(
            [sys.executable, "-m", "pystorage", *words],
            env=inherited | settings,
            cwd=home,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
        )

    return run
