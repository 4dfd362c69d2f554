"""Unpickling that calls only what is allowed, changes nothing outside the value, and stays in bounds."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Iterable
from enum import EnumMeta
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

# What pickle names for plain values, and cannot be made to fill the memory, as list(range(10**10)) would.
_HARMLESS: Final = frozenset({"builtins.complex", "builtins.slice"})

# Opcodes that make the loader reserve room for as many objects as their number says, whatever follows.
_PLACES: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})

_GETS: Final = frozenset({"GET", "BINGET", "LONG_BINGET"})
_MEMOIZES: Final = frozenset({*_PLACES, "MEMOIZE"})
_NAMES: Final = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
_CALLS: Final = frozenset({"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ"})
# Opcodes that change an object further down in the stack, by its methods unless it is a list, dict or set.
_CHANGES: Final = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
# What cannot be hashed is never followed by the hash function, which no recursion limit stops.
_UNHASHABLE: Final = frozenset({"LIST", "DICT"})

# As deep as Python's own recursion goes; the hash of a tuple so deep takes some 80 kB of stack.
_DEEPEST: Final = 1000


class _AllowedUnpickler(pickle.Unpickler):
    """An unpickler that finds only what is allowed.

    Args:
        file: The pickle.
        allow: Names ``module.name``.

    Raises:
        Nothing.
    """

    def __init__(self, file: io.BytesIO, allow: tuple[str, ...]) -> None:
        super().__init__(file)
        self._allow = allow

    def find_class(self, module: str, name: str) -> Any:
        self.check(module, name)
        return super().find_class(module, name)

    def check(self, module: str, name: str) -> None:
        """Refuse a name that is not allowed.

        Raises:
            UnpicklingError: It is not.
        """
        # The whole dotted name must be allowed: a part of an allowed class is not.
        full = f"{module}.{name}"
        if full not in self._allow and full not in _HARMLESS:
            raise pickle.UnpicklingError(f"{full} is not allowed; add it to allow= if it is to be called")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside it")


def allowed_names(allow: Iterable[Any]) -> tuple[str, ...]:
    """Give the names of what a pickle may call.

    Args:
        allow: Classes, functions, or texts ``"module.name"``.

    Returns:
        The names, sorted.

    Raises:
        TypeError: One is neither text nor has a name, or it is all one text.
        ValueError: A text is not of that form.

    Example:
        >>> import decimal
        >>> allowed_names([decimal.Decimal, "datetime.date"])
        ('datetime.date', 'decimal.Decimal')
    """
    if isinstance(allow, str):
        raise TypeError(f"allow= takes several names, as in allow=[{allow!r}]")
    names = set()
    for item in allow:
        if isinstance(item, str):
            module, dot, name = item.rpartition(".")
            if not (module and dot and name):
                raise ValueError(f"what is allowed is written as 'module.name', not {item!r}")
            names.add(item)
        elif hasattr(item, "__module__") and hasattr(item, "__qualname__"):
            names.add(f"{item.__module__}.{item.__qualname__}")
        else:
            raise TypeError(f"what is allowed is a class, a function or its name, not {type(item).__name__}")
    return tuple(sorted(names))


def load_allowed(file: io.BytesIO, allow: tuple[str, ...]) -> Any:
    """Load a pickle that may call only what is allowed.

    Args:
        file: The pickle.
        allow: Names ``module.name``.

    Returns:
        The value.

    Raises:
        Exception: It is broken, names something else, or what it calls fails.
    """
    unpickler = _AllowedUnpickler(file, allow)
    _look_through(file, unpickler)
    file.seek(0)
    return unpickler.load()


class _Item(NamedTuple):
    """What is known of an object on the stack of the loader without making it."""

    depth: int = 0
    text: str | None = None
    #: What was found by name, and so is not the pickle's own.
    found: object = None
    #: Whether it is shared with the rest of the program, which a pickle must not change.
    shared: bool = False


def _look_through(file: io.BytesIO, unpickler: _AllowedUnpickler) -> None:
    """Refuse a pickle that lies about sizes, nests too deep, or changes what it found by name.

    The loader believes sizes before it has seen the bytes; ``genops`` finds every such lie.
    """
    length = len(file.getbuffer())
    stack: list[_Item] = []
    marks: list[int] = []
    memo: dict[int, _Item] = {}
    frame_end = 0
    for opcode, argument, start in pickletools.genops(file):
        name, end = opcode.name, file.tell()
        # Where an opcode lies across the end of a frame, the loader skips bytes, and so reads other opcodes.
        crosses = end > frame_end or name == "FRAME" or (name == "STOP" and end < frame_end)
        if crosses and cast(int, start) < frame_end:
            raise pickle.UnpicklingError("its frames do not hold whole opcodes")
        if name == "FRAME":
            frame_end = end + cast(int, argument)
        if name in _MEMOIZES:
            place = len(memo) if name == "MEMOIZE" else argument
            if not isinstance(place, int) or place > length:
                raise pickle.UnpicklingError(f"it puts an object in place {place} of at most {length}")
            memo[place] = _top(stack)
        elif name in ("EXT1", "EXT2", "EXT4"):
            raise pickle.UnpicklingError("it names a class by a number")
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "POP" and marks and marks[-1] == len(stack):
            marks.pop()
        elif name in _GETS:
            stack.append(memo.get(argument, _Item()))  # type: ignore[arg-type]
        elif name == "DUP":
            stack.append(_top(stack))
        else:
            taken = _taken(opcode, stack, marks)
            if opcode.stack_after:
                stack.append(_made(name, argument, taken, unpickler))


def _top(stack: list[_Item]) -> _Item:
    if not stack:
        raise pickle.UnpicklingError("it takes an object that is not there")
    return stack[-1]


def _taken(opcode: pickletools.OpcodeInfo, stack: list[_Item], marks: list[int]) -> list[_Item]:
    """Take off the stack what an opcode does."""
    count = len(opcode.stack_before)
    start = len(stack)
    if pickletools.markobject in opcode.stack_before:
        if not marks:
            raise pickle.UnpicklingError("it takes objects up to a mark that is not there")
        start = marks.pop()
        count = opcode.stack_before.index(pickletools.markobject)
    start -= count
    if start < (marks[-1] if marks else 0):
        raise pickle.UnpicklingError("it takes an object that is not there")
    taken = stack[start:]
    del stack[start:]
    return taken


def _found(module: str, name: str) -> object:
    """Give what has an allowed name; None if there is nothing, which the loader will say."""
    try:
        return attrgetter(name)(import_module(module))
    except (ImportError, AttributeError):
        return None


def _made(name: str, argument: object, taken: list[_Item], unpickler: _AllowedUnpickler) -> _Item:
    """Say what an opcode puts on the stack."""
    if name in _NAMES:
        if name != "STACK_GLOBAL":
            module, _, attribute = str(argument).partition(" ")
        elif taken[0].text is not None and taken[1].text is not None:
            module, attribute = taken[0].text, taken[1].text
        else:
            raise pickle.UnpicklingError("it computes the name of a class")
        unpickler.check(module, attribute)
        item = _Item(found=_found(module, attribute), shared=True)
        if name != "INST":
            return item
        name, taken = "OBJ", [item, *taken]
    if name in _CHANGES and taken:
        if taken[0].shared:
            raise pickle.UnpicklingError("it changes what is not its own: a class, a function or an enum")
        return taken[0]
    if name in _UNHASHABLE:
        return _Item()
    if not taken:
        return _Item(text=argument if isinstance(argument, str) else None)
    depth = 1 + max(item.depth for item in taken)
    if depth > _DEEPEST:
        raise pickle.UnpicklingError(f"it nests more than {_DEEPEST} deep")
    # A call of an enum gives a member, which everybody shares.
    return _Item(depth, shared=name in _CALLS and isinstance(taken[0].found, EnumMeta))
