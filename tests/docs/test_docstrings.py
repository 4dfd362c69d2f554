"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import tempfile
from pathlib import Path

import pytest

import pystorage

#: What only some installations have; a module that needs one of these cannot be imported without it.
OPTIONAL = {
    "backports",
    "boto3",
    "botocore",
    "click",
    "cryptography",
    "fsspec",
    "hypothesis",
    "lmdb",
    "msgspec",
    "platformdirs",
    "pytest",
    "redis",
    "rich",
}

MODULES = sorted(
    ["pystorage", *(module.name for module in pkgutil.walk_packages(pystorage.__path__, "pystorage."))]
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in OPTIONAL:
            raise
        pytest.skip(f"{name} needs {package}, which is not installed")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
