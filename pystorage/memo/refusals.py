"""What is refused when a function is decorated: what cannot be memoized, or not in that storage."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pystorage.errors import UnsupportedOperation
from pystorage.memo.leading import can_lead, capabilities_of, is_async
from pystorage.storage import Capability, Storage

if TYPE_CHECKING:
    from pystorage.memo.options import Options


def check_storage(storage: object, options: Options) -> None:
    """Refuse a storage that cannot do what the options ask for.

    Args:
        storage: The storage; None is one of the function's own.
        options: The options.

    Raises:
        UnsupportedOperation: It cannot.
    """
    capabilities = capabilities_of(storage)
    # The repr of a mapping that is no storage shows what it holds.
    named = isinstance(storage, Storage) or is_async(storage)
    where = repr(storage) if named else f"a {type(storage).__qualname__}"
    if storage is not None and options.needs_deadlines and Capability.TTL not in capabilities:
        option = "errors" if options.ttl is None else f"ttl={options.ttl!r}"
        raise UnsupportedOperation(
            f"memoize({option}) needs a storage with deadlines, and {where} has none: "
            "wrap it, as in VolatileStorage(storage), or leave it out",
            storage=where,
        )
    if options.lock and not can_lead(storage):
        raise UnsupportedOperation(
            f"memoize(lock=True) needs a storage that processes share, with locks or with an add that is "
            f"atomic, and {'its own memory' if storage is None else where} is none: keep the results in a "
            "FileStorage, or leave lock out",
            storage=where,
        )


def refuse_async_storage(storage: object, function: Callable[..., Any], decorator: str) -> None:
    """Refuse to keep the results of a plain function where only an ``async def`` can.

    Args:
        storage: Where they are to be kept.
        function: The function.
        decorator: What decorates it, for messages.

    Raises:
        TypeError: The storage is async.
    """
    if is_async(storage):
        raise TypeError(
            f"{decorator}() cannot keep the results of {function.__qualname__}() in {storage!r}, which is "
            "async: decorate an async def, or take a storage that is not"
        )


def check_function(function: object, decorator: str = "memoize") -> None:
    """Refuse what cannot be memoized.

    Args:
        function: What was decorated.
        decorator: By what, for messages.

    Raises:
        TypeError: It is no function, neither plain nor async.
    """
    if isinstance(function, (classmethod, staticmethod)):
        kind = type(function).__name__
        raise TypeError(f"{decorator}() takes the function inside a {kind}: write @{kind} above @{decorator}")
    if not callable(function):
        raise TypeError(f"{decorator}() decorates a function, not {function!r}")
    name = getattr(function, "__qualname__", None)
    if not isinstance(name, str) or not isinstance(getattr(function, "__module__", None), str):
        raise TypeError(
            f"{decorator}() needs a function with a name to store results under, and {function!r} has none: "
            "wrap it in a function made by def"
        )
    if isinstance(function, type):
        raise TypeError(
            f"{decorator}() decorates functions, and {name} is a class: its calls would share one object; "
            "memoize a function that makes it"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{decorator}() cannot decorate {name}: it is a generator function, whose values can be taken "
            "once; memoize a function that gives a list"
        )
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        raise TypeError(
            f"{decorator}() cannot decorate {name}: it is bound to one {type(owner).__qualname__}, which "
            "would be no part of the key; decorate the function in its class"
        )
