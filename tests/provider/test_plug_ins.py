"""Storages of other packages, found because these are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pystorage

_MODULE = """
from pystorage import MemoryStorage

class Shelf(MemoryStorage):
    def __init__(self, size=1):
        super().__init__()
        self.size = size

def failing(**options):
    raise KeyError("from inside")
"""

_ENTRY_POINTS = """
[pystorage.storages]
shop.shelf = shop_storages:Shelf
shop.failing = shop_storages:failing
shop.gone = shop_storages_gone:Shelf
shop.nameless = shop_storages:Absent
shop.needy = shop_needy:Needy
storage.json = shop_storages:Shelf

[pystorage.others]
shop.other = shop_storages:Shelf
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed a package with storages."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("there is no pip to install a package with")
    folder = tmp_path_factory.mktemp("plug-in")
    wheel = folder / "shop_storages-1.0-py3-none-any.whl"
    files = {
        "shop_storages.py": _MODULE,
        "shop_needy.py": "import a_package_that_nobody_has\n",
        "shop_storages-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop-storages\nVersion: 1.0\n",
        "shop_storages-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "shop_storages-1.0.dist-info/entry_points.txt": _ENTRY_POINTS,
    }
    files["shop_storages-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    target = folder / "target"
    options = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(wheel)],
        check=True,
        capture_output=True,
        timeout=100,
        env=os.environ | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1"},
    )
    return target


def run(installed: Path, code: str) -> str:
    """Run code where the package is installed, and give what it printed."""
    places = [str(installed), str(Path(pystorage.__file__).parents[1])]
    said = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"from pystorage import *\nprovider = StorageProvider()\n{code}",
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stderr == ""
    return said.stdout


def raised(installed: Path, call: str) -> str:
    code = f"try:\n    {call}\nexcept Exception as error:\n    print(type(error).__name__, error, sep='|')"
    return run(installed, code)


def test_an_installed_storage_is_known_by_name(installed: Path) -> None:
    names = run(installed, "print(*provider.names(), sep='\\n')").split()
    assert names == sorted(names)
    assert {"shop.shelf", "shop.failing", "storage.lru"} <= set(names)
    assert "shop.other" not in names
    assert "shop.shelf" not in pystorage.StorageProvider().names()


def test_an_installed_storage_is_made_with_its_arguments(installed: Path) -> None:
    assert run(installed, "print(provider.create('shop.shelf', 5).size)") == "5\n"
    assert run(installed, "print(provider.from_config({'storage': 'shop.shelf', 'size': 7}).size)") == "7\n"
    nested = "print(provider.from_config({'storage': 'volatile', 'inner': {'storage': 'shop.shelf'}}))"
    assert run(installed, nested) == "VolatileStorage(Shelf(), expiration=3600.0)\n"


def test_an_installed_storage_is_not_loaded_before_it_is_used(installed: Path) -> None:
    code = "import sys\nprovider.names()\nprint('shop_storages' in sys.modules)"
    assert run(installed, code) == "False\n"


def test_an_installed_storage_does_not_replace_one_of_ours(installed: Path) -> None:
    code = "import tempfile\nprint(type(provider.create('storage.json', tempfile.mkdtemp())).__name__)"
    assert run(installed, code) == "JSONStorageService\n"


def test_the_name_of_an_installed_storage_is_taken(installed: Path) -> None:
    assert "'shop.shelf' is taken" in raised(installed, "provider.register('shop.shelf', dict)")
    code = "print(provider.register('shop.shelf', dict, replace=True).create('shop.shelf', a=1))"
    assert run(installed, code) == "{'a': 1}\n"


def test_what_its_constructor_raises_comes_through(installed: Path) -> None:
    assert raised(installed, "provider.create('shop.failing')") == "KeyError|'from inside'\n"
    assert raised(installed, "provider.create('shop.shelf', colour=1)").startswith("TypeError|")


@pytest.mark.parametrize(
    "name, kind, why",
    [
        ("shop.gone", "MissingDependencyError", "No module named 'shop_storages_gone'"),
        ("shop.needy", "MissingDependencyError", "No module named 'a_package_that_nobody_has'"),
        ("shop.nameless", "StorageProviderError", "no attribute 'Absent'"),
    ],
)
def test_one_that_cannot_be_loaded_says_why(installed: Path, name: str, kind: str, why: str) -> None:
    said = raised(installed, f"provider.create({name!r})")
    assert said.startswith(f"{kind}|the storage {name!r} cannot be loaded from 'shop_")
    assert why in said


def test_a_near_miss_names_it(installed: Path) -> None:
    assert "did you mean 'shop.shelf'" in raised(installed, "provider.create('shop.shelv')")
