"""Reading docstrings: what they say, and what they should have said."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SECTION = re.compile(
    r"(Args|Returns|Yields|Raises|Cost|Threads|Processes|Example|Examples|Source|Note|See also):", re.ASCII
)
_PROPERTIES = (property, functools.cached_property)
_ARGUMENT = re.compile(r" {4}\*{0,2}(\w+): \S")


@dataclass(frozen=True)
class Callable:
    """Something public that can be called or read: its dotted path, and the class it was found on."""

    path: str
    what: Any
    owner: type | None = None

    @property
    def text(self) -> str:
        """Its docstring; a method that overrides another has that one's, a class only its own."""
        if isinstance(self.what, type):
            return inspect.cleandoc(vars(self.what).get("__doc__") or "")
        return inspect.getdoc(self.what) or _inherited(self) or ""

    @property
    def is_documented_itself(self) -> bool:
        if isinstance(self.what, type):
            return bool(vars(self.what).get("__doc__"))
        return bool(self.what.__doc__)


def _inherited(one: Callable) -> str | None:
    name = one.path.rpartition(".")[2]
    for base in one.owner.__mro__ if one.owner else ():
        text = getattr(vars(base).get(name), "__doc__", None)
        if text:
            return inspect.cleandoc(text)
    return None


def public(module: types.ModuleType, package: str = "pystorage") -> Iterator[Callable]:
    """Give what a module defines for others: functions, classes, and the methods and properties of these."""
    for name, what in vars(module).items():
        if name.startswith("_") or getattr(what, "__module__", None) != module.__name__:
            continue
        if isinstance(what, type):
            yield from _of_class(f"{module.__name__}.{name}", what, package)
        elif inspect.isroutine(what):
            yield Callable(f"{module.__name__}.{name}", inspect.unwrap(what))


def _of_class(path: str, cls: type, package: str) -> Iterator[Callable]:
    yield Callable(path, cls)
    seen = set()
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != package:
            continue
        for name, what in vars(base).items():
            if name.startswith(("_", "test_")) or name in seen:
                continue
            seen.add(name)
            if isinstance(what, (staticmethod, classmethod)):
                what = what.__func__
            if isinstance(what, type) and what.__qualname__.startswith(f"{base.__qualname__}."):
                yield from _of_class(f"{path}.{name}", what, package)
            elif isinstance(what, _PROPERTIES) or (
                isinstance(what, types.FunctionType) and not _is_rule(what)
            ):
                yield Callable(f"{path}.{name}", what, cls)


def _is_rule(function: types.FunctionType) -> bool:
    """Tell whether Hypothesis calls it, as pytest calls a test."""
    return any(name.startswith("hypothesis_stateful") for name in vars(function))


def faults(one: Callable) -> Iterator[str]:
    """Say what is missing or wrong in a docstring."""
    text = one.text
    if not text:
        yield "has no docstring"
        return
    first, _, rest = text.partition("\n")
    if not first.endswith(".") or re.search(r"[.!?] [A-Z]", first) or (rest and not rest.startswith("\n")):
        yield "does not begin with a sentence of its own"
    if "\nRaises:\n" not in text:
        yield "does not say what it raises"
    yield from _argument_faults(one, documented_arguments(text))


def documented_arguments(text: str) -> list[str]:
    """Give the names in the section of arguments."""
    lines = iter(text.splitlines())
    for line in lines:
        if line == "Args:":
            break
    names = []
    for line in lines:
        if _SECTION.match(line) or (line and not line.startswith(" ")):
            break
        if found := _ARGUMENT.match(line):
            names.append(found[1])
    return names


def arguments(one: Callable) -> list[str] | None:
    """Give the names of the arguments that a caller passes; None where nobody calls it by these."""
    what = one.what
    if isinstance(what, _PROPERTIES):
        return []
    if isinstance(what, type) and (
        issubclass(what, enum.Enum) or typing.is_typeddict(what) or getattr(what, "_is_protocol", False)
    ):
        return None
    try:
        names = list(inspect.signature(what).parameters)
    except ValueError:
        return None
    is_method = one.owner is not None and not isinstance(what, type)
    static = is_method and isinstance(
        inspect.getattr_static(one.owner, one.path.rpartition(".")[2]), staticmethod
    )
    return names[1:] if is_method and not static else names


def _argument_faults(one: Callable, documented: list[str]) -> Iterator[str]:
    names = arguments(one)
    if names is None:
        return
    for name in documented:
        if name not in names:
            yield f"documents an argument {name}, which it does not have"
    own = not isinstance(one.what, type) or bool({"__init__", "__new__"} & set(vars(one.what)))
    if not one.is_documented_itself or not own:
        return
    for name in names:
        if name not in documented and not name.startswith("_"):
            yield f"does not document its argument {name}"
    if dataclasses.is_dataclass(one.what) and len(set(documented)) != len(documented):
        yield "documents an argument twice"
