"""Every import of the package points downward."""

from __future__ import annotations

import graphlib

import pytest

from tests.architecture.imports import LAYER, PACKAGE, WITHIN, fault_of, imports_of, modules, unit_of

MODULES = modules()


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downward(module: str) -> None:
    path = MODULES[module]
    found = imports_of(path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py")
    assert [fault for one in found if (fault := fault_of(one))] == []


def test_every_part_of_the_package_has_a_layer() -> None:
    parts = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
    }
    assert parts - {"__init__", "__main__"} <= set(LAYER)


def test_what_is_allowed_within_a_layer_has_no_cycle() -> None:
    assert {LAYER[one] - LAYER[other] for one, other in WITHIN} == {0}
    above: dict[str, set[str]] = {}
    for one, other in WITHIN:
        above.setdefault(one, set()).add(other)
    assert len(list(graphlib.TopologicalSorter(above).static_order())) == len(
        {unit for pair in WITHIN for unit in pair}
    )


# -------------------------------------------------------------------- the checker itself


@pytest.mark.parametrize(
    "module, source, way",
    [
        ("pystorage.errors", "import pystorage.keys", "upward"),
        ("pystorage.codecs.base", "from pystorage.storage import Storage", "upward"),
        ("pystorage.codecs.base", "from pystorage import storage", "upward"),
        ("pystorage.naming", "def f():\n    from pystorage.urls import SCHEMES", "upward"),
        ("pystorage.engine._table", "import pystorage.codecs as codecs", "sideways"),
        ("pystorage.codecs.base", "from pystorage.keys import Key", "sideways"),
        ("pystorage.urls", "from pystorage._sync import FileLock", "sideways"),
        (
            "pystorage.storage",
            "if TYPE_CHECKING:\n    from pystorage.stores.file import FileStorage",
            "upward",
        ),
        ("pystorage.stores.file", "from pystorage.wrappers.base import WrapperStorage", "sideways"),
        (
            "pystorage.wrappers.volatile",
            "class A:\n    def f(self):\n        import pystorage.stores",
            "sideways",
        ),
        ("pystorage.wrappers.volatile", "from ..stores.memory import MemoryStorage", "sideways"),
        ("pystorage.wrappers", "from ..services import StorageService", "upward"),
        ("pystorage.stores.file", "importlib.import_module('pystorage.memo')", "upward"),
        ("pystorage.memo.names", "from pystorage.storage_provider import StorageProvider", "sideways"),
        ("pystorage.storage_provider", "from pystorage.services import JSONStorageService", "sideways"),
        ("pystorage.services", "from pystorage.cli import main", "upward"),
        ("pystorage.lab.traces", "from pystorage.cli import main", "sideways"),
        ("pystorage.testing.clock", "from pystorage.lab import traces", "sideways"),
        ("pystorage.memo.names", "from pystorage import FileStorage", "above its parts"),
        ("pystorage.stores.file", "def f():\n    import pystorage", "above its parts"),
        ("pystorage", "from pystorage.storage import Storage", "when they are used"),
        ("pystorage", "from .storage import Storage", "when they are used"),
        ("pystorage.__main__", "from pystorage.stores.file import FileStorage", "only starts the command"),
        ("pystorage.helpers", "from pystorage.errors import StorageError", "in no layer"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str, way: str) -> None:
    is_package = module in ("pystorage", "pystorage.wrappers")
    (fault,) = filter(None, map(fault_of, imports_of(source, module, is_package=is_package)))
    assert way in fault
    assert module in fault


@pytest.mark.parametrize(
    "module, source",
    [
        (
            "pystorage.storage",
            "from pystorage.errors import StorageError\nfrom pystorage.urls import SCHEMES",
        ),
        ("pystorage.stores.file", "from ._folder import Folder\nfrom pystorage.codecs import Codec"),
        ("pystorage.services", "from pystorage.stores.file import FileStorage\nimport pystorage.wrappers"),
        ("pystorage.services", "from pystorage.storage_provider import StorageProvider"),
        ("pystorage.cli.tour", "from pystorage import FileStorage, memoize\nimport pystorage.lab"),
        ("pystorage", "def __getattr__(name):\n    from pystorage.storage import Storage"),
        ("pystorage", "if TYPE_CHECKING:\n    from pystorage.storage import Storage"),
        ("pystorage.__main__", "from pystorage.cli import main"),
        ("pystorage.errors", "import difflib, pystoragelike"),
    ],
)
def test_a_right_import_is_not(module: str, source: str) -> None:
    assert (
        list(filter(None, map(fault_of, imports_of(source, module, is_package=module == "pystorage")))) == []
    )


def test_every_import_is_seen() -> None:
    source = """
import a.b
from . import c
from .. import d
from ..e import f as g, h
if TYPE_CHECKING:
    import i
class J:
    import k
    def l(self):
        import m
        return __import__("n"), lambda: importlib.import_module("o")
try:
    import p
except ImportError:
    import q
async def r():
    import s
"""
    found = {one.target: one.at_once for one in imports_of(source, "top.middle.module")}
    at_once = {target for target, now in found.items() if now}
    assert at_once == {"a.b", "top.middle", "top", "top.e", "k", "p", "q"}
    assert set(found) - at_once == {"i", "m", "n", "o", "s"}


@pytest.mark.parametrize(
    "module, unit",
    [("pystorage", ""), ("pystorage.stores.file", "stores"), ("pystorage.open", ""), ("os.path", None)],
)
def test_the_unit_of_a_module(module: str, unit: str | None) -> None:
    assert unit_of(module) == unit
