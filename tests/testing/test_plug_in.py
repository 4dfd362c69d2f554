"""A package of somebody else plugs in by its entry point, and passes the suite from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pystorage

PACKAGE = '''
"""A storage that the world has waited for."""

import threading
import time

from pystorage import ByteStorage, Capability
from pystorage.codecs import JSONCodec
from pystorage.naming import Naming


class ShelfStorage(ByteStorage):
    """A shelf in memory."""

    capabilities = Capability.TTL | Capability.ADD | Capability.SWAP | Capability.INCR

    def __init__(self, timer=time.time):
        super().__init__(JSONCodec(), Naming(), timer)
        self._shelf, self._lock = {}, threading.Lock()

    def _read(self, name):
        return self._shelf.get(name)

    def _write(self, name, data):
        with self._lock:
            self._shelf[name] = data

    def _write_if(self, name, expected, data):
        with self._lock:
            if self._shelf.get(name) != expected:
                return False
            self._shelf[name] = data
            return True

    def _remove(self, name):
        with self._lock:
            return self._shelf.pop(name, None) is not None

    def _names(self, prefix):
        return list(self._shelf)
'''

TESTS = """
from pystorage import StorageProvider
from pystorage.testing import StorageConformance
from shelf_package import ShelfStorage


class TestShelf(StorageConformance):
    capabilities = ShelfStorage.capabilities

    def make_storage(self, place, timer):
        return StorageProvider().create("storage.shelf", timer=timer)
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """An installed package, as pip leaves one, and a test file beside it."""
    (tmp_path / "shelf_package.py").write_text(PACKAGE)
    info = tmp_path / "shelf_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent("""\
            [pystorage.storages]
            storage.shelf = shelf_package:ShelfStorage
        """)
    )
    (tmp_path / "test_shelf.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return tmp_path


def run(outside: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python beside the package, which finds our own package where this one does."""
    path = os.pathsep.join([str(outside), str(Path(pystorage.__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *command],
        cwd=outside,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_it_is_found_by_its_entry_point(outside: Path) -> None:
    script = "import pystorage as p; print(type(p.StorageProvider().create('storage.shelf')).__name__)"
    done = run(outside, "-c", script)
    assert (done.stdout, done.stderr, done.returncode) == ("ShelfStorage\n", "", 0)


def test_it_passes_the_suite_from_outside(outside: Path) -> None:
    done = run(outside, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_one_that_loses_entries_does_not_pass(outside: Path) -> None:
    package = outside / "shelf_package.py"
    package.write_text(
        package.read_text().replace("return list(self._shelf)", "return sorted(self._shelf)[1:]")
    )
    done = run(outside, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "views or iteration or length")
    assert done.returncode == 1
    assert "FAILED test_shelf.py" in done.stdout
