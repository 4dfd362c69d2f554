"""Reading what a module imports, wherever in it, and judging that by the layers of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pystorage

PACKAGE = Path(pystorage.__file__).parent

# Functions that import the module of which they are given the name.
_LOADERS = ("import_module", "__import__", "library")

#: The units of the package, from the ground up: a file or a folder right below it.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "_typevars"}),
    frozenset({"keys", "naming", "codecs", "engine"}),
    frozenset(
        {
            "storage",
            "_hooks",
            "_derive",
            "_terms",
            "_arguments",
            "bytestorage",
            "_byteentries",
            "_sync",
            "urls",
        }
    ),
    frozenset({"stores", "wrappers"}),
    frozenset({"storage_provider", "services", "aio", "memo", "datastore", "content", "versioned"}),
    frozenset({"cli", "testing", "integrations", "lab"}),
)
LAYER = {unit: number for number, units in enumerate(LAYERS) for unit in units}
TOP = len(LAYERS) - 1

#: Who may import whom within a layer; together these have no cycle.
WITHIN = frozenset(
    {
        ("naming", "keys"),
        ("bytestorage", "_arguments"),
        ("bytestorage", "_byteentries"),
        ("bytestorage", "storage"),
        ("bytestorage", "_sync"),
        ("bytestorage", "urls"),
        ("_byteentries", "storage"),
        ("storage", "_hooks"),
        ("storage", "_derive"),
        ("storage", "_terms"),
        ("storage", "_arguments"),
        ("storage", "_sync"),
        ("storage", "urls"),
        ("_sync", "_arguments"),
        ("_hooks", "_terms"),
        ("_hooks", "_arguments"),
        ("_hooks", "_sync"),
        ("_derive", "_arguments"),
        ("services", "storage_provider"),
        ("memo", "aio"),
        ("datastore", "aio"),
        ("content", "aio"),
        ("versioned", "content"),
        ("versioned", "storage_provider"),
        ("cli", "lab"),
    }
)


@dataclass(frozen=True)
class Import:
    """One imported module: where it is asked for, and whether loading the importer loads it."""

    importer: str
    target: str
    line: int
    at_once: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: {self.target}"


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Give every module of the package by its dotted name; one of a folder is the folder's."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """Give every import in a source, those in functions and for type checkers only among them."""
    tree = ast.parse(source)
    later = {id(node) for part in _not_at_once(tree) for node in ast.walk(part)}
    package = module if is_package else module.rpartition(".")[0]
    return [
        Import(module, target, node.lineno, id(node) not in later)
        for node in ast.walk(tree)
        for target in _targets(node, package)
    ]


def _not_at_once(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from node.body


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parents, base] if base else parents)
        for alias in node.names:
            # What is imported from the package itself may be one of its modules.
            yield f"{base}.{alias.name}" if base == "pystorage" else base
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(_LOADERS):
        match node.args:
            case [ast.Constant(value=str(name)), *_]:
                yield name


def unit_of(module: str) -> str | None:
    """Give the unit that a module of the package is in; "" is the package itself, None is elsewhere."""
    top, _, rest = module.partition(".")
    if top != "pystorage":
        return None
    unit = rest.partition(".")[0]
    return unit if unit in LAYER else ""


def fault_of(found: Import) -> str | None:
    """Say what is wrong with an import by the layers; None where nothing is."""
    target = unit_of(found.target)
    if target is None:
        return None
    source = unit_of(found.importer)
    if source == "":
        if found.importer == "pystorage.__main__":
            return None if target == "cli" else f"{found}: the entry only starts the command"
        if found.importer != "pystorage":
            return f"{found}: the importer is in no layer"
        return f"{found}: the package loads its parts when they are used" if found.at_once else None
    assert source is not None
    if target == "":
        return None if LAYER[source] == TOP else f"{found}: the package stands above its parts"
    if source == target or LAYER[source] > LAYER[target] or (source, target) in WITHIN:
        return None
    way = "upward" if LAYER[source] < LAYER[target] else "sideways"
    return f"{found}: this points {way}, from {source} to {target}"
