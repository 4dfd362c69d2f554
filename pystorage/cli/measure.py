"""What a Python source file looks like in figures: pure, from bytes to a dict that JSON can hold."""

from __future__ import annotations

import ast
import warnings
from typing import TypedDict

#: Rises when a figure is added or counted in another way, so that what was stored before is not taken for it.
VERSION = 1

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (
    *_DEFINITIONS,
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


class Figures(TypedDict):
    """The figures of one module.

    Raises:
        Nothing.
    """

    lines: int
    #: Methods and nested ones too.
    functions: int
    classes: int
    #: Blocks inside blocks; 0 for a module with none.
    deepest: int
    #: The share of module, classes and functions that have a docstring, 0.0 to 1.0.
    documented: float
    #: The top-level packages that it names, sorted; relative imports are not counted.
    imports: list[str]
    #: Why this interpreter cannot parse it; the other figures but ``lines`` are 0 then.
    problem: str | None


def measure(source: bytes) -> Figures:
    """Count what the source of one module holds.

    Args:
        source: The bytes of a Python file, in whatever encoding it declares.

    Returns:
        Its figures.

    Raises:
        Nothing.

    Cost:
        One parse and one walk of the tree: O(length of the source).

    Example:
        >>> figures = measure(b'import os.path\\ndef f(x):\\n    "Says."\\n    if x:\\n        return os\\n')
        >>> figures["functions"], figures["deepest"], figures["documented"], figures["imports"]
        (1, 2, 0.5, ['os'])
        >>> measure(b"def")["problem"]
        'SyntaxError'
    """
    figures = Figures(
        lines=len(source.splitlines()),
        functions=0,
        classes=0,
        deepest=0,
        documented=0.0,
        imports=[],
        problem=None,
    )
    try:
        with warnings.catch_warnings():
            # Old modules hold escapes that newer Pythons warn of: their authors' business, not the reader's.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        figures["problem"] = type(error).__name__
        return figures
    documented = int(_has_docstring(tree))
    imports: set[str] = set()
    # A walk with a list of our own: the depth is known at every node, and none is too deep for it.
    todo: list[tuple[ast.AST, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if isinstance(node, _BLOCKS):
            depth += 1
            figures["deepest"] = max(figures["deepest"], depth)
        if isinstance(node, _DEFINITIONS):
            figures["classes" if isinstance(node, ast.ClassDef) else "functions"] += 1
            documented += _has_docstring(node)
        elif isinstance(node, ast.Import):
            imports.update(name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module.partition(".")[0])
        todo.extend((child, depth - _is_elif(child, node)) for child in _statements(node))
    figures["documented"] = round(documented / (figures["functions"] + figures["classes"] + 1), 3)
    figures["imports"] = sorted(imports)
    return figures


def _statements(node: ast.AST) -> list[ast.AST]:
    # Blocks, definitions and imports are statements and stand in these fields only: expressions, most of
    # a tree, need no visit.
    found: list[ast.AST] = []
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        children = getattr(node, field, None)
        if isinstance(children, list):
            found.extend(children)
    return found


def _is_elif(child: ast.AST, node: ast.AST) -> bool:
    # To the parser an `elif` is an `if` inside the else of the one before; to the reader it is beside it.
    return (
        isinstance(child, ast.If)
        and isinstance(node, ast.If)
        and child in node.orelse
        and child.col_offset == node.col_offset
    )


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
