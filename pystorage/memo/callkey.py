"""Call keys: the text under which the result of one call is stored, the same in every process.

``module.qualname-digest``, or ``module.qualname@version-digest``. The readable part is the same for all
calls of one function, so that its entries can be found by a prefix; the digest is blake2b (RFC 7693) of
the function's name and version and of the bound call, written as in ``kinds``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from copy import deepcopy
from hashlib import blake2b
from types import CellType, FunctionType
from typing import Any, Final

from pystorage.memo.binding import EMPTY, Binding
from pystorage.memo.fingerprint import canonical
from pystorage.memo.kinds import DEFAULT, Bottomless, Unfingerprintable
from pystorage.memo.names import is_importable, label

#: The number of the layout that the digest is made of: another one makes every key another.
LAYOUT: Final = 1

_DIGEST_SIZE: Final = 16
# From Python 3.13 on what a classmethod gives passes the class in a call alone, so that
# ``Class.method.invalidate(1)`` would take the 1 for the class.
_NO_CLASS_IS_BOUND: Final = sys.version_info >= (3, 13)
# What separates the parts of a key is none of these.
_SPECIAL: Final = re.compile(r"[^\w.<>]")


class CallKey:
    """Makes the keys of one function's calls.

    Args:
        function: The function.
        key: Takes some of the function's parameters, by their names, and gives what stands for the call;
            None for all arguments. One that takes ``*args`` is called as the function was, defaults
            filled in.
        ignore: Parameters that are not part of the key.
        typed: Whether equal arguments of different types are different calls.
        version: Anything that tells this function from an earlier one of its name.
        enveloped: Whether the results are kept in envelopes: none is to be found where bare ones are
            looked for, before or after a change of the options.
        bound: Whether the first parameter is no part of the call, as that of a method of one object.

    Raises:
        TypeError: The function has no name or no known signature; ``key`` is no function, or takes what the
            function has not; ``ignore`` or ``version`` is of a wrong type.
        ValueError: ``ignore`` names what is no parameter, or is given beside ``key``; the version is empty,
            or ``"auto"``.

    Threads: safe.

    Example:
        >>> from string import capwords
        >>> call_key = CallKey(capwords)
        >>> call_key(("a b",), {})
        'string.capwords-22ea0b9253810d87daa0139a7d264728'
        >>> call_key(("a b",), {}) == call_key((), {"sep": None, "s": "a b"})
        True
    """

    __slots__ = (
        "_binding",
        "_choose",
        "_names",
        "_of_class",
        "_plain",
        "_start",
        "is_of_arguments",
        "prefix",
        "typed",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        key: Callable[..., object] | None = None,
        ignore: str | Iterable[str] = (),
        typed: bool = False,
        version: str | int | None = None,
        enveloped: bool = False,
        bound: bool = False,
    ) -> None:
        binding = Binding(function, bound=bound)
        name = label(function)
        if name is None:
            raise TypeError(
                f"{function!r} has no name to store results under: wrap it in a function made by def"
            )
        version = _checked_version(version)
        ignored = _checked_ignore(ignore, binding)
        self.typed = bool(typed)
        #: Whether the key depends on the arguments alone; what ``key=`` does nobody knows.
        self.is_of_arguments = key is None
        self._binding = binding
        self._choose: Callable[[list[object]], Iterable[object]] | None
        if key is not None:
            if ignored:
                raise ValueError("key= says what a call is known by, so ignore= has nothing to leave out")
            self._choose = _Asked(key, binding)
            self._names: tuple[str, ...] = ("what key= gave",)
        else:
            self._names = tuple(each for each in binding.names if each not in ignored)
            kept = _Kept(binding, ignored)
            self._choose = None if kept.keeps_all else kept
        self._of_class = _NO_CLASS_IS_BOUND and not bound and _is_of_class(function, binding)
        # Where this many arguments by position are the whole call, there is nothing to bind.
        self._plain = len(binding.names) if binding.is_plain and self._choose is None else -1
        # A value under *args is another thing than one under a parameter that is called args.
        spelled = tuple(binding.spelled.get(each, each) for each in self._names)
        head: tuple[object, ...] = (
            LAYOUT,
            name,
            version,
            self.typed,
            key is not None,
            spelled,
            _captured(function),
        )
        if enveloped:
            head = (*head, "enveloped")
        self._start = blake2b(_encoded(canonical(head, typed=True)), digest_size=_DIGEST_SIZE)
        #: What the keys of all calls begin with, and no other function's.
        self.prefix = (
            _escaped(name.replace(":", ".")) + ("" if version is None else f"@{_escaped(version)}") + "-"
        )

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """Make the key of one call.

        Args:
            args: What is passed by position.
            kwargs: What is passed by name.

        Returns:
            The key.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.

        Cost: O(size of the arguments); about 2 µs for three plain ones.
        """
        if self._of_class and args and not isinstance(args[0], type):
            name = self._binding.name
            raise TypeError(
                f"{name}() is a class method, and in this version of Python what is asked beside a call "
                f"takes the class first: {name}.invalidate({name.rpartition('.')[0]}, …), not one "
                f"{type(args[0]).__qualname__}"
            )
        values: Iterable[object]
        if len(args) == self._plain and not kwargs:
            values = args
        else:
            values = self._binding.values(args, kwargs)
            if self._choose is not None:
                values = self._choose(values)
        try:
            text = canonical(values, self.typed)
        except (Unfingerprintable, Bottomless) as error:
            raise self._explained(error, values) from None
        digest = self._start.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        return self.prefix + digest.hexdigest()

    def _explained(self, error: Unfingerprintable | Bottomless, values: Iterable[object]) -> Exception:
        for name, value in zip(self._names, values, strict=True):
            try:
                canonical((value,), self.typed)
            except (Unfingerprintable, Bottomless) as found:
                argument = name if name not in self._binding.defaults else f"the argument {name!r}"
                leave = f", name it in ignore= ({name!r}), or give key=" if argument != name else ""
                return type(found)(
                    f"could not make the key of a call of {self._binding.name}(): {argument}, of type "
                    f"{type(value).__qualname__}, has no fingerprint, because {found.why}",
                    f"{found.todo}{leave}",
                )
        return error


class _Kept:
    """Chooses the values that are part of the key, and puts others in the place of some defaults.

    Those that have no fingerprint are marked; and those that a call may change, as in ``def f(a, seen=[])``,
    are what they were at first, so that the call without them is one call for ever.
    """

    __slots__ = ("_dropped", "_kept", "_marked", "_others", "keeps_all")

    def __init__(self, binding: Binding, ignored: frozenset[str]) -> None:
        names = binding.names
        self._kept = [index for index, name in enumerate(names) if name not in ignored]
        self._dropped = ignored.difference(names)
        self._others = len(names) - 1
        self._marked: dict[int, tuple[object, object]] = {}
        for index, default in enumerate(binding.defaults.values()):
            if index not in self._kept or default is EMPTY:
                continue
            if not _has_fingerprint(default):
                self._marked[index] = (default, DEFAULT)
            elif isinstance(default, (list, dict, set, bytearray)):
                self._marked[index] = (default, deepcopy(default))
        self.keeps_all = not ignored and not self._marked

    def __call__(self, values: list[object]) -> list[object]:
        for index, (default, stands_for_it) in self._marked.items():
            if values[index] is default:
                values[index] = stands_for_it
        if self._dropped:
            others = values[self._others]
            assert isinstance(others, dict)
            values[self._others] = {
                name: value for name, value in others.items() if name not in self._dropped
            }
        return [values[index] for index in self._kept]


class _Asked:
    """Asks a function of the caller's what stands for the call."""

    __slots__ = ("_binding", "_by_name", "_by_position", "_function", "_whole")

    def __init__(self, function: Callable[..., object], binding: Binding) -> None:
        if not callable(function):
            raise TypeError(f"key= is a function of some parameters of {binding.name}(), not {function!r}")
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"key= of {binding.name}() is async, and keys are made without waiting: use def")
        self._function = function
        self._binding = binding
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
            self._whole = True
        else:
            self._whole = any(each.kind is each.VAR_POSITIONAL for each in parameters)
        place = {name: index for index, name in enumerate(binding.names)}
        self._by_position: list[int] = []
        self._by_name: dict[str, int] = {}
        if self._whole:
            return
        for index, each in enumerate(parameters):
            if each.kind is each.POSITIONAL_ONLY and index < len(place):
                self._by_position.append(index)
            elif each.kind is each.VAR_KEYWORD:
                used = {*self._by_name, *binding.names[: len(self._by_position)]}
                self._by_name.update({name: at for name, at in place.items() if name not in used})
            elif each.kind is not each.POSITIONAL_ONLY and each.name in place:
                self._by_name[each.name] = place[each.name]
            elif each.default is each.empty:
                raise TypeError(
                    f"key= takes {each.name!r}, which is no parameter of {binding.name}(): "
                    f"it has {_listed(binding.names)}"
                )

    def __call__(self, values: list[object]) -> tuple[object]:
        if self._whole:
            args, kwargs = self._binding.as_passed(values)
            return (self._function(*args, **kwargs),)
        named = {name: values[index] for name, index in self._by_name.items()}
        return (self._function(*[values[index] for index in self._by_position], **named),)


def _checked_version(version: object) -> str | None:
    if version is None:
        return None
    if isinstance(version, bool) or not isinstance(version, (str, int)):
        raise TypeError(f"version is a str or an int, not {type(version).__name__}")
    if version == "auto":
        raise ValueError("version='auto' is what memoize() makes of the code: here it is a text or a number")
    if version == "":
        raise ValueError("version is empty: give a text or leave it out")
    return str(version)


def _checked_ignore(ignore: str | Iterable[str], binding: Binding) -> frozenset[str]:
    try:
        names = [ignore] if isinstance(ignore, str) else list(ignore)
    except TypeError:
        raise TypeError(f"ignore= is the names of parameters, not {type(ignore).__name__}") from None
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"ignore= is the names of parameters, and {name!r} is no name")
        if name not in binding.defaults and not binding.others:
            raise ValueError(
                f"ignore= names {name!r}, which is no parameter of {binding.name}(): "
                f"it has {_listed(binding.names)}"
            )
    return frozenset(names)


def _is_of_class(function: Callable[..., Any], binding: Binding) -> bool:
    """Tell whether a function is a class method by how it is written: what is above it, it does not know."""
    where = getattr(function, "__qualname__", "").rpartition(".")[0]
    return bool(where) and not where.endswith("<locals>") and binding.names[:1] == ("cls",)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _has_fingerprint(value: object) -> bool:
    try:
        canonical((value,))
    except (Unfingerprintable, Bottomless):
        return False
    return True


def _captured(function: Callable[..., Any]) -> tuple[tuple[str, object], ...]:
    """Give what tells two functions apart that one ``def`` inside another function made.

    That is what they captured and cannot change. What can change, such as a list of results, is state;
    and what is at the top of a module has its name for itself. A function without one is known by its code.
    """
    if "<locals>" not in getattr(function, "__qualname__", ""):
        return ()
    found: list[tuple[str, object]] = []
    layer: object = function
    while layer is not None:
        for name, cell in _cells(layer):
            try:
                content = cell.cell_contents
                if isinstance(content, FunctionType) and content is not layer and not is_importable(content):
                    content = _code_of(content)
                hash(content)
                canonical((content,), typed=True)
            except (TypeError, ValueError):  # an empty cell is a ValueError too
                continue
            found.append((name, content))
        layer = getattr(layer, "__wrapped__", None)
    return tuple(found)


def _cells(layer: object) -> Iterable[tuple[str, CellType]]:
    if not isinstance(layer, FunctionType):  # others may have a code as well, and no cells
        return ()
    return zip(layer.__code__.co_freevars, layer.__closure__ or (), strict=True)


def _code_of(function: FunctionType) -> tuple[str | None, str]:
    from pystorage.memo.codeversion import code_version

    return label(function), code_version(function)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
