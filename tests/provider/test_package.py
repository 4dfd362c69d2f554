"""The public names of the package, loaded when they are used."""

from __future__ import annotations

import ast
import builtins
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import pystorage

SOURCE = Path(pystorage.__file__)
NAMES = sorted({*pystorage.__all__, "open"})


def run(code: str) -> str:
    said = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"import sys\nsys.path.insert(0, {str(SOURCE.parents[1])!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return said.stdout


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_can_be_had(name: str) -> None:
    what = getattr(pystorage, name)
    assert getattr(pystorage, name) is what
    assert vars(pystorage)[name] is what


def test_each_public_name_can_be_had_first() -> None:
    # In any order: one name must not depend on another having been asked for.
    code = "import pystorage, importlib\nfor name in {names}:\n    print(getattr(pystorage, name).__class__)"
    assert len(run(code.format(names=NAMES)).splitlines()) == len(NAMES)
    assert len(run(code.format(names=NAMES[::-1])).splitlines()) == len(NAMES)


def test_the_package_lists_what_it_has() -> None:
    listed = dir(pystorage)
    assert listed == sorted(listed)
    assert {*NAMES, "__version__", "__doc__", "__all__"} <= set(listed)


def test_type_checkers_see_the_same_names() -> None:
    (block,) = [
        node
        for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    seen = {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in block.body:
        if isinstance(node, ast.Assign):
            seen[ast.unparse(node.targets[0])] = seen.pop(ast.unparse(node.value))
    assert sorted(seen) == NAMES
    for name, (module, original) in seen.items():
        assert getattr(pystorage, name) is getattr(importlib.import_module(module), original)


def test_a_star_import_does_not_hide_the_builtin_open() -> None:
    names: dict[str, object] = {}
    exec("from pystorage import *", names)
    assert "open" not in names
    assert set(names) - {"__builtins__"} == set(pystorage.__all__)
    assert pystorage.open is not builtins.open


def test_the_package_itself_uses_the_builtin_open() -> None:
    assert pystorage.open.__module__ == "pystorage.storage_provider"
    assert pystorage.open.__name__ == "open_storage"


@pytest.mark.parametrize("name", ["absent", "opener", "_absent", "Storag"])
def test_another_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'pystorage' has no attribute {name!r}"):
        getattr(pystorage, name)


def test_the_version_is_that_of_the_installed_package() -> None:
    try:
        installed = importlib.metadata.version("pystorage")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed, only on the path")
    assert pystorage.__version__ == installed


def test_one_name_does_not_load_the_others() -> None:
    loaded = run("import pystorage\npystorage.StorageError\nprint(*sorted(sys.modules))").split()
    assert [name for name in loaded if name.startswith("pystorage")] == ["pystorage", "pystorage.errors"]


def test_the_import_of_the_original_works() -> None:
    assert run(
        "from pystorage.storage_provider import StorageProvider\nprint(StorageProvider.STORAGE_LRU)"
    ) == ("storage.lru\n")
