"""The version of a function's code: another one as soon as what it does is written otherwise."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any

from pystorage.memo.callkey import CallKey
from pystorage.memo.names import label


def code_version(function: Callable[..., Any]) -> str:
    """Give a text that changes with the code of a function, and of the functions that it uses.

    It sees the function's own source, without comments, layout and docstrings, its defaults among it; what
    decorators put around it; and the same of every function that it names as a global or has captured, and
    of those that these name, as long as they are of the same top-level package. It does not see methods,
    classes, what is found by ``getattr`` or in a container, values of globals, other packages and data. Where
    there is no source, the compiled code is taken, which is another one in each version of Python.

    Args:
        function: The function.

    Returns:
        ``auto-`` and twelve hexadecimal digits.

    Raises:
        TypeError: It is not written in Python.

    Cost: reads the sources, once.
    """
    home = _package(getattr(function, "__module__", None))
    todo: list[Callable[..., Any]] = [function]
    seen: dict[str, None] = {}
    known: set[int] = set()
    while todo:
        one = todo.pop()
        for layer in _layers(one):
            if id(layer.__code__) in known:
                continue
            known.add(id(layer.__code__))
            seen[f"{label(layer)}\0{_written(layer)}"] = None
            todo.extend(each for each in _used(layer) if _package(each.__module__) == home)
    if not known:
        raise TypeError(
            f"version='auto' reads the code of a function, and {function!r} is not written in Python: "
            "give a version of your own"
        )
    digest = blake2b("\0".join(sorted(seen)).encode("utf-8", "surrogatepass"), digest_size=6)
    return f"auto-{digest.hexdigest()}"


class AutoCallKey:
    """Makes the keys of a function whose version is that of its code, which is read at the first call.

    Not before, since what the function uses may be defined below it.

    Args:
        function: The function.
        options: The other arguments of ``CallKey``.

    Raises:
        TypeError: As ``CallKey`` does.
        ValueError: As ``CallKey`` does.

    Threads: safe.
    """

    __slots__ = ("_function", "_made", "_options", "is_of_arguments", "typed")

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        first = CallKey(function, **options, version="auto-")  # refuses what is wrong at once
        self._function = function
        self._options = options
        self._made: CallKey | None = None
        self.typed, self.is_of_arguments = first.typed, first.is_of_arguments

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        made = self._made or self._make()
        return made(args, kwargs)

    @property
    def prefix(self) -> str:
        """What the keys of all calls begin with, and no other function's.

        Returns:
            Module, qualified name and version.

        Raises:
            Nothing.
        """
        return (self._made or self._make()).prefix

    def _make(self) -> CallKey:
        made = self._made = CallKey(self._function, **self._options, version=code_version(self._function))
        return made


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _layers(function: object) -> Iterator[FunctionType]:
    """Give a function and what it wraps, those that are written in Python."""
    passed: set[int] = set()
    while function is not None and id(function) not in passed:
        passed.add(id(function))
        if isinstance(function, FunctionType):
            yield function
        function = getattr(function, "__wrapped__", None)


def _used(function: FunctionType) -> Iterator[Callable[..., Any]]:
    """Give the functions that one names as globals or has captured."""
    for name in sorted(_names(function.__code__)):
        yield from _functions(function.__globals__.get(name))
    for cell in function.__closure__ or ():
        try:
            yield from _functions(cell.cell_contents)
        except ValueError:  # it is empty
            continue


def _functions(value: object) -> Iterator[Callable[..., Any]]:
    if isinstance(value, FunctionType) or isinstance(getattr(value, "__wrapped__", None), FunctionType):
        yield value  # type: ignore[misc]


def _names(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found |= _names(each)
    return found


def _written(function: FunctionType) -> str:
    """Give the source, in one layout; the compiled code where there is none."""
    code = function.__code__
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError):
        return _compiled(code)
    if len(tree.body) != 1 or not isinstance(tree.body[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        return _compiled(code)  # a lambda, which has no lines of its own
    found = tree.body[0]
    found.decorator_list = []
    for node in ast.walk(found):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.body = _without_docstring(node.body)
    return ast.unparse(found)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest or [ast.Pass()]
    return body


def _compiled(code: CodeType) -> str:
    parts = [
        sys.implementation.cache_tag or "",
        code.co_code.hex(),
        repr(code.co_names),
        repr(code.co_varnames),
    ]
    parts += [_compiled(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return "\0".join(parts)
