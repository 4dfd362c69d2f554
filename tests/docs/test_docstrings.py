"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

import pystorage
from pystorage.errors import MissingDependencyError

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


class Runner(doctest.DocTestRunner):
    """Tells what an installation lacks from what an example does wrong."""

    def __init__(self) -> None:
        super().__init__(optionflags=doctest.ELLIPSIS)
        self.missing: BaseException | None = None

    def report_unexpected_exception(
        self, out: Any, test: doctest.DocTest, example: doctest.Example, exc_info: Any
    ) -> None:
        if isinstance(exc_info[1], MissingDependencyError):
            self.missing = exc_info[1]
        super().report_unexpected_exception(out, test, example, exc_info)


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
    runner = Runner()
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=said.append)
    if runner.missing is not None:
        pytest.skip(str(runner.missing))
    assert not runner.failures, "".join(said)
