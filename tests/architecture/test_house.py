"""What every file of the package keeps to: whom it needs, what it touches, how long it is."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import sys
from pathlib import Path

import pytest

from tests.architecture.imports import LAYERS, PACKAGE, imports_of, modules, unit_of

ROOT = Path(__file__).parents[2]
MODULES = modules()
SOURCES = {module: path.read_text(encoding="utf-8") for module, path in MODULES.items()}

#: Units whose files may import packages as they are loaded: nobody loads them who does not want these.
WITH_PACKAGES = frozenset({"aio", "cli", "testing", "integrations"})
#: What comes with a package under another name.
COMES_WITH = {"botocore": "boto3"}

#: Modules by which a program meets files, other machines, threads and time.
_WORLD = (
    "_thread asyncio concurrent dbm fcntl fileinput ftplib glob http logging mmap msvcrt multiprocessing os"
    " pathlib queue sched select selectors shelve shutil signal smtplib socket socketserver sqlite3 ssl"
    " subprocess tempfile threading time"
)
IMPURE = frozenset(_WORLD.split())
#: What the pure units may use of them all the same: a default for a timer, a lock, randomness and a secret.
USED = {
    ("engine", "time"): {"monotonic"},
    ("engine", "threading"): {"Lock", "RLock"},
    ("engine", "os"): {"environ"},
    ("codecs", "os"): {"environ", "urandom"},
}


def impurities(module: str, source: str) -> list[str]:
    """Say by what a module of a pure unit would meet the world."""
    unit = unit_of(module) or ""
    found = []
    for one in imports_of(source, module):
        top = one.target.partition(".")[0]
        if (top in IMPURE and (unit, top) not in USED) or one.target in ("urllib.request", "urllib.error"):
            found.append(f"line {one.line}: imports {one.target}")
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input" as name), lineno=line):
                found.append(f"line {line}: calls {name}")
            case ast.Attribute(
                value=ast.Name(id="io"), attr="open" | "FileIO" | "open_code" as name, lineno=line
            ):
                found.append(f"line {line}: uses io.{name}")
            case ast.Attribute(value=ast.Name(id=base), attr=name, lineno=line):
                if name not in USED.get((unit, base), {name}):
                    found.append(f"line {line}: uses {base}.{name}")
            case ast.ImportFrom(module=str(base), names=names, lineno=line):
                wrong = {alias.name for alias in names} - USED.get(
                    (unit, base), {alias.name for alias in names}
                )
                found.extend(f"line {line}: uses {base}.{name}" for name in sorted(wrong))
    return found


@pytest.mark.parametrize("module", [one for one in MODULES if unit_of(one) in LAYERS[0] | LAYERS[1]])
def test_the_ground_is_pure(module: str) -> None:
    assert impurities(module, SOURCES[module]) == []


@pytest.mark.parametrize(
    "module, source, fault",
    [
        ("pystorage.naming", "import os.path", "imports os.path"),
        ("pystorage.codecs.base", "def f():\n    import socket", "imports socket"),
        ("pystorage.codecs.base", "from urllib.request import urlopen", "imports urllib.request"),
        ("pystorage.codecs.base", "with open('x') as file:\n    pass", "calls open"),
        ("pystorage.codecs.base", "import io\nio.FileIO('x')", "uses io.FileIO"),
        ("pystorage.codecs.encrypt", "import os\nos.unlink('x')", "uses os.unlink"),
        ("pystorage.engine._core", "import time\ntime.sleep(1)", "uses time.sleep"),
        ("pystorage.engine._core", "from threading import Thread", "uses threading.Thread"),
        ("pystorage.keys", "import threading", "imports threading"),
    ],
)
def test_what_is_not_pure_is_found(module: str, source: str, fault: str) -> None:
    (found,) = impurities(module, source)
    assert found.endswith(fault)


def test_what_is_pure_is_not() -> None:
    source = "import io, os, zlib\nfrom urllib.parse import quote\nio.BytesIO(os.urandom(3))\nself.open('x')"
    assert impurities("pystorage.codecs.base", source) == []


# -------------------------------------------------------------------- other packages


def third_party(module: str, *, at_once: bool | None = None) -> list[str]:
    return sorted(
        {
            one.target.partition(".")[0]
            for one in imports_of(SOURCES[module], module, is_package=MODULES[module].name == "__init__.py")
            if at_once in (None, one.at_once)
        }
        - sys.stdlib_module_names
        # A newer Python's own, its tests, and what type checkers bring with them for themselves.
        - {"pystorage", "compression", "test", "typing_extensions"}
    )


@pytest.mark.parametrize("module", [one for one in MODULES if unit_of(one) not in WITH_PACKAGES])
def test_other_packages_are_imported_when_they_are_used(module: str) -> None:
    assert third_party(module, at_once=True) == []


@pytest.mark.parametrize("module", [one for one in MODULES if third_party(one)])
def test_an_extra_names_every_package_that_is_used(module: str) -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = settings["options.extras_require"]
    declared = {
        re.match(r"\w+", line)[0]  # type: ignore[index]
        for extra in extras.values()
        for line in extra.split("\n")
        if line.strip()
    }
    assert {COMES_WITH.get(name, name) for name in third_party(module)} <= declared


# -------------------------------------------------------------------- files


@pytest.mark.parametrize("module", [one for one in MODULES if MODULES[one].name == "__init__.py"])
def test_no_public_name_is_that_of_a_module_beside_it(module: str) -> None:
    # Importing the module would put it in the place of what the name stands for.
    folder = MODULES[module].parent
    beside = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert beside & set(getattr(importlib.import_module(module), "__all__", ())) == set()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    first = (ast.get_docstring(ast.parse(SOURCES[module])) or "").partition("\n")[0]
    assert first.endswith(".") or MODULES[module].name == "__main__.py"


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def lines_to_read(source: str) -> int:
    """Count the lines that are neither empty nor of a docstring, which is read elsewhere too."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Module(body=[ast.Expr(value=ast.Constant(value=str())) as text, *_])
                | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str())) as text, *_])
                | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str())) as text, *_])
                | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str())) as text, *_])
            ):
                told.update(range(text.lineno, (text.end_lineno or 0) + 1))
    return sum(1 for number, line in enumerate(source.splitlines(), 1) if line.strip() and number not in told)


@pytest.mark.parametrize("module", MODULES)
def test_a_file_reads_in_one_sitting(module: str) -> None:
    assert lines_to_read(SOURCES[module]) <= 400


def test_docstrings_and_empty_lines_do_not_count() -> None:
    assert (
        lines_to_read(
            '"""One.\n\nTwo."""\n\nx = 1\n\ndef f():\n    """Three."""\n    # four\n    return "five"\n'
        )
        == 4
    )


def text_files() -> list[Path]:
    found = [*PACKAGE.rglob("*.py"), PACKAGE / "py.typed"]
    if (ROOT / "setup.py").is_file():
        for folder in ("tests", "docs", "examples", "benchmarks", ".ci"):
            found += [
                path for path in (ROOT / folder).rglob("*") if path.suffix in ("", ".py", ".md", ".toml")
            ]
        found += [path for path in ROOT.iterdir() if path.suffix in (".md", ".cfg", ".toml", ".txt", ".py")]
    return sorted(path for path in set(found) if path.is_file())


@pytest.mark.parametrize("path", text_files(), ids=lambda path: path.name)
def test_no_file_knows_the_machine_it_was_written_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    here = "|".join(
        re.escape(str(place)) for place in {Path.home(), ROOT, PACKAGE.parent} if len(place.parts) > 1
    )
    assert re.findall(rf"(?:{here})(?![\w-])|/(?:home|Users)/[a-z]\w*", text) == []
