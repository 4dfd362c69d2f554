"""Somebody else's package: installed, found by every provider, and proved by the suite from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pystorage

STORAGE = '''
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from pystorage import ByteStorage, Capability
from pystorage.codecs import resolve_codec
from pystorage.naming import Naming


class DrawerStorage(ByteStorage, prefix="drawer"):
    """A folder of files."""

    capabilities = Capability.TTL | Capability.PERSISTENT | Capability.SHARED

    def __init__(self, path, *, codec=None, timer=time.time):
        super().__init__(resolve_codec(codec), Naming(), timer)
        self.path = Path(path)
        self.path.mkdir(mode=0o700, exist_ok=True)
        for left in self.path.glob("%new-*"):
            try:
                os.kill(int(left.name.split("-")[1]), 0)
            except ProcessLookupError:  # its writer is dead
                left.unlink(missing_ok=True)

    @classmethod
    def _url_place(cls, url):
        return (url.path,)

    def _read(self, name):
        with suppress(FileNotFoundError):
            return (self.path / name).read_bytes()

    def _write(self, name, data):
        new = self.path / f"%new-{os.getpid()}-{threading.get_ident()}"
        new.write_bytes(data)
        new.replace(self.path / name)

    def _remove(self, name):
        with suppress(FileNotFoundError):
            (self.path / name).unlink()
            return True
        return False

    def _names(self, prefix):
        return os.listdir(self.path)

    def __repr__(self):
        return f"DrawerStorage({str(self.path)!r})"
'''

TEST = """
from drawers import DrawerStorage

from pystorage.testing import StorageConformance


class TestDrawerStorage(StorageConformance):
    capabilities = DrawerStorage.capabilities
    kills = 5

    def make_storage(self, place, timer):
        return DrawerStorage(place / "drawer", timer=timer)
"""

BROKEN = """
class ForgetfulStorage(DrawerStorage, prefix="forgetful"):
    def _write(self, name, data):
        if not name.startswith("b"):
            super()._write(name, data)


class TestForgetfulStorage(TestDrawerStorage):
    def make_storage(self, place, timer):
        return ForgetfulStorage(place / "drawer", timer=timer)
"""

ENTRY_POINTS = "[pystorage.storages]\nstorage.drawer = drawers:DrawerStorage\n"

# The suite is another installation's as well, so it is found by its path alone.
PACKAGE = str(Path(pystorage.__file__).parents[1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, as pip installs it."""
    folder = tmp_path_factory.mktemp("package")
    info = "drawers-1.0.dist-info"
    files = {
        "drawers.py": STORAGE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: drawers\nVersion: 1.0\nRequires-Dist: pystorage\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": ENTRY_POINTS,
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files)
    wheel = folder / "drawers-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    target = folder / "target"
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
        timeout=100,
        env=os.environ
        | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"},
    )
    return target


def outside(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder of its own, where the package and this one are installed."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), PACKAGE]), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_every_provider_finds_it(installed: Path, tmp_path: Path) -> None:
    code = """
from pystorage import StorageProvider
provider = StorageProvider()
print("storage.drawer" in provider.names())
storage = provider.create("storage.drawer", "drawer")
storage["a"] = [1]
print(repr(storage), provider.open("drawer:drawer")["a"])
print(provider.from_config({"storage": "drawer", "path": "drawer"})["a"])
print(provider.from_config({"storage": "volatile", "inner": "drawer:drawer", "expiration": 60})["a"])
"""
    said = outside(installed, tmp_path, "-c", code)
    assert said.stderr == ""
    assert said.stdout.splitlines() == ["True", "DrawerStorage('drawer') [1]", "[1]", "[1]"]


def test_it_is_not_known_where_it_is_not_installed(tmp_path: Path) -> None:
    code = "from pystorage import StorageProvider; StorageProvider().create('storage.drawer', 'x')"
    said = outside(tmp_path, tmp_path, "-c", code)
    assert "StorageProviderError" in said.stderr


def test_its_own_tests_inherit_the_suite_and_pass(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_drawers.py").write_text(TEST)
    said = outside(installed, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert said.returncode == 0, said.stdout + said.stderr
    (passed,) = re.findall(r"(\d+) passed", said.stdout)
    assert int(passed) > 150


def test_a_fault_of_it_is_found_and_both_sides_are_shown(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_forgetful.py").write_text(TEST + BROKEN)
    options = ["-q", "-p", "no:cacheprovider", "-k", "Forgetful and (test_a_dict_of_it or bulk or many)"]
    said = outside(installed, tmp_path, "-m", "pytest", *options)
    assert said.returncode == 1, said.stdout + said.stderr
    assert re.search(
        r"E +(At index|assert|Full diff|Left contains|Right contains|Omitting|Differing)", said.stdout
    )
