"""memoize: keep the results of a function in any storage."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, MutableMapping
from types import ModuleType
from typing import Any, Final, ParamSpec, Protocol, TypeVar, overload

from pystorage.errors import UnsupportedOperation
from pystorage.memo.callkey import CallKey
from pystorage.memo.memoized import Memoized
from pystorage.storage import Capability, Storage, checked_ttl

P = ParamSpec("P")
R = TypeVar("R")

#: How many results a function keeps that is given no storage.
OWN_SIZE: Final = 1024


class Memoizer(Protocol):
    """What ``memoize`` gives when it is called with options: a decorator.

    Raises:
        Nothing.
    """

    def __call__(self, function: Callable[P, R], /) -> Memoized[P, R]: ...


@overload
def memoize(
    function: Callable[P, R],
    /,
    *,
    ttl: float | None = None,
    key: Callable[..., object] | None = None,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
) -> Memoized[P, R]: ...
@overload
def memoize(
    storage: MutableMapping[Any, Any] | None = None,
    *,
    ttl: float | None = None,
    key: Callable[..., object] | None = None,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
) -> Memoizer: ...
def memoize(
    storage: Any = None,
    *,
    ttl: float | None = None,
    key: Callable[..., object] | None = None,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
) -> Any:
    """Keep the results of a function in a storage, and compute only what is not there.

    A call is known by the function's module and qualified name, its version, and its arguments bound to
    its parameters: ``f(1)`` is ``f(a=1)``, and defaults count as passed. So all processes that open the
    same storage find the same results, also those of a run long ago. A changed body finds them too: change
    ``version`` with it.

    Arguments are known by their value, whatever their place in memory: numbers, texts, bytes, containers,
    enums, dataclasses, dates, paths, UUIDs, and functions and classes by name; ``register_fingerprint`` adds
    types of your own. Equal arguments are one call, so ``f(1)``, ``f(1.0)`` and ``f(True)`` are, unless
    ``typed``. A method's ``self`` is an argument as any other.

    A result is what the storage gives back, at the first call too: with JSON a tuple is a list from the
    start. ``None`` is a result. Exceptions are not kept. A kept result that can't be decoded is computed
    anew and overwritten.

    Args:
        storage: Any storage or mutable mapping, which may be shared by many functions, and by many programs
            as long as no two functions there have the same module and name. None: an ``LRUStorage`` of this
            function's own, in memory, of 1024 results; a dict or ``MemoryStorage()`` has no bound.
        ttl: Seconds that a result lives, > 0; None is for ever.
        key: Says what a call is known by instead of all its arguments: a function of some of the parameters,
            by their names, as ``lambda user: user.id``.
        ignore: Parameters that make no difference to the result, as ``("session",)``.
        typed: Whether equal arguments of different types are different calls, at every depth.
        version: Part of every key; change it to leave all results behind.

    Returns:
        The function, memoized; or a decorator, where no function was given.

    Raises:
        TypeError: What is decorated is no plain function (``async def``, generators and classes are none),
            is a lambda without ``version`` in a storage that others may use, or an option is of a wrong type;
            ``key`` takes what the function has not.
        ValueError: ``ttl`` is not more than 0, ``ignore`` names no parameter or is given beside ``key``, or
            ``version`` is empty.
        UnsupportedOperation: ``ttl`` is given and the storage knows no deadlines.

    Cost: a hit costs the key, about 2 µs for three plain arguments, and one read of the storage; a miss one
        read, the computation, one write and, but in memory, another read.
    Threads: safe where the storage is. Of calls that miss one key at the same time one computes; the others
        wait for its result, or for its error. Calls of different keys never wait for one another.
    Processes: as the storage.

    Example:
        >>> @memoize
        ... def square(number):
        ...     print("computed")
        ...     return number * number
        >>> square(4), square(number=4)
        computed
        (16, 16)
        >>> square.cache_info()
        CacheInfo(hits=1, misses=1, maxsize=1024, currsize=1)

        >>> results = {}
        >>> @memoize(results, ignore="verbose")
        ... def double(number, verbose=False):
        ...     return 2 * number
        >>> double(1), double(1, verbose=True), len(results)
        (2, 2, 1)
    """
    options: dict[str, Any] = {"ttl": ttl, "key": key, "ignore": ignore, "typed": typed, "version": version}
    if isinstance(storage, MutableMapping) or storage is None:
        _check_storage(storage, checked_ttl(ttl))
        return functools.partial(_memoized, storage=storage, **options)
    if isinstance(storage, type) and issubclass(storage, MutableMapping):
        raise TypeError(
            f"memoize() takes a storage, and {storage.__qualname__} is a class: call it to make one"
        )
    if callable(storage) or isinstance(storage, classmethod):
        return _memoized(storage, storage=None, **options)
    raise TypeError(
        f"memoize() takes a storage or another mutable mapping, or the function itself, not {storage!r}"
    )


def _memoized(
    function: Callable[P, R],
    *,
    storage: MutableMapping[Any, Any] | None,
    ttl: float | None,
    key: Callable[..., object] | None,
    ignore: str | Iterable[str],
    typed: bool,
    version: str | int | None,
) -> Memoized[P, R]:
    seconds = checked_ttl(ttl)
    _check_function(function)
    if storage is not None and version is None and getattr(function, "__name__", "") == "<lambda>":
        raise TypeError(
            "a lambda has no name of its own to store results under, so that another lambda would find them: "
            "use def, or name it by version="
        )
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    call_key = CallKey(function, key=key, ignore=ignore, typed=typed, version=version)
    kept = _own_storage() if storage is None else storage
    return Memoized(
        function,
        kept,
        call_key,
        ttl=seconds,
        own=storage is None,
        parameters={"typed": typed, "ttl": ttl, "key": key, "ignore": ignore, "version": version},
    )


def _own_storage() -> MutableMapping[Any, Any]:
    from pystorage.stores.memory import LRUStorage

    return LRUStorage(OWN_SIZE)


def _check_storage(storage: object, ttl: float | None) -> None:
    if ttl is None or storage is None:
        return
    if not isinstance(storage, Storage) or Capability.TTL not in storage.capabilities:
        # The repr of a mapping that is no storage shows what it holds.
        where = repr(storage) if isinstance(storage, Storage) else f"a {type(storage).__qualname__}"
        raise UnsupportedOperation(
            f"memoize(ttl={ttl!r}) needs a storage with deadlines, and {where} has none: "
            "wrap it, as in VolatileStorage(storage), or leave ttl out",
            storage=where,
        )


def _check_function(function: object) -> None:
    if isinstance(function, (classmethod, staticmethod)):
        kind = type(function).__name__
        raise TypeError(f"memoize() takes the function inside a {kind}: write @{kind} above @memoize")
    if not callable(function):
        raise TypeError(f"memoize() decorates a function, not {function!r}")
    name = getattr(function, "__qualname__", None)
    if not isinstance(name, str) or not isinstance(getattr(function, "__module__", None), str):
        raise TypeError(
            f"memoize() needs a function with a name to store results under, and {function!r} has none: "
            "wrap it in a function made by def"
        )
    if isinstance(function, type):
        raise TypeError(
            f"memoize() decorates functions, and {name} is a class: its calls would share one object; "
            "memoize a function that makes it"
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"memoize() cannot decorate {name} yet: it is async; memoize a plain function")
    if inspect.isgeneratorfunction(function):
        raise TypeError(
            f"memoize() cannot decorate {name}: it is a generator function, whose values can be taken once; "
            "memoize a function that gives a list"
        )
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        raise TypeError(
            f"memoize() cannot decorate {name}: it is bound to one {type(owner).__qualname__}, which would "
            "be no part of the key; decorate the function in its class"
        )
