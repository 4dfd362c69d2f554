"""memoize: keep the results of a function in any storage."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar, Unpack, overload

from pystorage.memo.callkey import CallKey
from pystorage.memo.codeversion import AutoCallKey
from pystorage.memo.fresh import FreshMemoized
from pystorage.memo.leading import is_async, leases_of
from pystorage.memo.memoized import Memoized
from pystorage.memo.methods import first_parameter, looks_like_a_method
from pystorage.memo.options import LEASE, TTL, Copy, OnError, Options, checked
from pystorage.memo.perobject import AsyncMemoizedMethod, MemoizedMethod, of_one_object
from pystorage.memo.refusals import check_function, check_storage, refuse_async_storage
from pystorage.memo.tags import Tags

if TYPE_CHECKING:
    from pystorage.aio import AsyncStorage
    from pystorage.memo.asynchronous import AsyncMemoized
    from pystorage.memo.keywords import OneKeywords

P = ParamSpec("P")
R = TypeVar("R")

#: How many results a function keeps that is given no storage.
OWN_SIZE: Final = 1024


class Memoizer(Protocol):
    """What ``memoize`` gives when it is called with options: a decorator.

    Raises:
        Nothing.
    """

    @overload  # an async def is a plain function of a coroutine, too: the first that fits is meant
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncMemoized[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Memoized[P, R]: ...


@overload
def memoize(  # type: ignore[overload-overlap]
    function: Callable[P, Coroutine[Any, Any, R]], /, **options: Unpack[OneKeywords]
) -> AsyncMemoized[P, R]: ...
@overload
def memoize(function: Callable[P, R], /, **options: Unpack[OneKeywords]) -> Memoized[P, R]: ...
@overload
def memoize(
    storage: MutableMapping[Any, Any] | AsyncStorage[Any, Any] | None = None,
    **options: Unpack[OneKeywords],
) -> Memoizer: ...
def memoize(
    storage: Any = None,
    *,
    ttl: TTL = None,
    stale: float | None = None,
    jitter: float = 0.0,
    key: Callable[..., object] | None = None,
    ignore: str | Iterable[str] = (),
    typed: bool = False,
    version: str | int | None = None,
    tags: str | Iterable[str] = (),
    lock: bool | None = None,
    lock_ttl: float = LEASE,
    lock_timeout: float | None = None,
    on_error: OnError = "raise",
    copy: Copy | None = None,
    early: float = 0.0,
    ahead: float | None = None,
    errors: Mapping[type[Exception], float | None] | None = None,
) -> Any:
    """Keep the results of a function in a storage, and compute only what is not there.

    A call is known by the function's module and qualified name, its version, and its arguments bound to
    its parameters: ``f(1)`` is ``f(a=1)``, and defaults count as passed. So all processes that open the
    same storage find the same results, also those of a run long ago. A changed body finds them too: change
    ``version`` with it, or let ``version="auto"`` read the code.

    Arguments are known by their value, whatever their place in memory: numbers, texts, bytes, containers,
    enums, dataclasses, dates, paths, UUIDs, and functions and classes by name; ``register_fingerprint`` adds
    types of your own. Equal arguments are one call, so ``f(1)``, ``f(1.0)`` and ``f(True)`` are, unless
    ``typed``.

    A method without a storage has results for each object, whatever that equals, which go when the object
    goes: it is referred to weakly, and nothing is written into it. A result that refers to its object keeps
    it alive. With a storage, or with ``key``, objects share what is kept: then ``self`` is an argument as any
    other, with a fingerprint of its class or named by ``key`` or ``ignore``. Write ``@classmethod``,
    ``@staticmethod`` and ``@property`` above.

    A result is what the storage gives back, at the first call too: with JSON a tuple is a list from the
    start. ``None`` is a result. Exceptions are kept only as ``errors`` says. A kept result that can't be
    decoded is computed anew and overwritten.

    Args:
        storage: Any storage or mutable mapping, which may be shared by many functions, and by many programs
            as long as no two functions there have the same module and name. None: an ``LRUStorage`` of this
            function's own, in memory, of 1024 results, and one for each object of a method; a dict or
            ``MemoryStorage()`` has no bound.
        ttl: Seconds that a result lives, > 0, or a function that gives them for a result; None is for ever.
        stale: Seconds after the end of its life, > 0, in which a result is still given at once, while it is
            computed anew once in the background: in a thread, or for an ``async def`` in a task of the event
            loop that is nobody's child. Where that fails, the old one stays. It needs ``ttl``.
        jitter: How much shorter a life may be at random, as a part of it, 0 ≤ jitter < 1, so that not all
            results expire at once.
        key: Says what a call is known by instead of all its arguments: a function of some of the parameters,
            by their names, as ``lambda user: user.id``.
        ignore: Parameters that make no difference to the result, as ``("session",)``.
        typed: Whether equal arguments of different types are different calls, at every depth.
        version: Part of every key; change it to leave all results behind. ``"auto"`` is made of the source of
            the function and of the functions that it names, those of its own package.
        tags: Groups to invalidate results by, with the names of parameters in braces, as
            ``("user:{user_id}", "users")``; see ``invalidate_tags``.
        lock: Whether processes and hosts that miss one key wait for one another. None: where the storage is
            shared, and has locks, or else deadlines and an atomic ``add``, as ``leases`` of
            ``cache_parameters`` tells. True: that is refused where it cannot. False: only threads wait.
        lock_ttl: Seconds, > 0, after which the key of a process that died while it computed is free. Whoever
            computes for longer renews it.
        lock_timeout: Seconds, > 0, to wait for whoever computes at most; then a call computes for itself.
            None waits for as long as it takes.
        on_error: What is done where the storage cannot be reached: ``"raise"``, ``"recompute"`` as if
            nothing were kept, or ``"stale"``, which gives what this process read or wrote last (of the 1024
            keys used last), however old, and computes where it has nothing.
        copy: ``"deep"`` or ``"shallow"``: each caller gets a copy of the result, so that changing it changes
            nothing that is kept. None gives what the storage gives, which is one object in memory.
        early: The factor of XFetch, ≥ 0, where 1 is usual: the nearer the end of its life and the longer the
            computation took, the likelier one who asks has the result computed anew in the background
            before it expires. 0 is never. It needs ``ttl``.
        ahead: Seconds before the end of a life, > 0: whoever asks then has it computed anew in the
            background. It needs ``ttl``.
        errors: Exceptions that are kept, as ``{LookupError: 5.0}``: class → seconds, > 0, or None for ever.
            A call that is answered so raises one of the same class with the same arguments, which must be
            texts or numbers; others are not kept. Only classes that are named here or below these are
            ever made of what was stored.

    Returns:
        The function, memoized; or a decorator, where no function was given.

    Raises:
        TypeError: What is decorated is no function (generators, classes and bound methods are none), is a
            lambda without ``version`` in a storage that others may use, or is a plain function while the
            storage is async; an option is of a wrong type; ``key`` or ``ttl`` is async; ``key`` takes what
            the function has not; a tag names no parameter.
        ValueError: A number is out of its range, ``ignore`` names no parameter or is given beside ``key``,
            ``version`` is empty, or an option lacks the ``ttl`` that it needs.
        UnsupportedOperation: ``ttl`` or ``errors`` is given and the storage knows no deadlines, or
            ``lock=True`` and processes cannot wait for one another there.
        MissingDependencyError: An ``async def`` was given and anyio is not installed.

    Cost: a hit costs the key, about 2 µs for three plain arguments, and one read of the storage; a miss one
        read, the computation, one write and, but in memory, another read.
    Threads: safe where the storage is. Of calls that miss one key at the same time one computes; the others
        wait for its result, or for its error. Calls of different keys never wait for one another.
    Processes: as the storage. Where ``cache_parameters()["leases"]`` is not None, one process computes a key
        at a time, and the others wait for its result; that of one that dies is free after ``lock_ttl`` at the
        latest. One that lost its lease writes nothing. Whoever computes another key meanwhile waits no longer
        than ``lock_ttl``, since two could wait for one another.

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
    names: dict[str, Any] = {"key": key, "ignore": ignore, "typed": typed, "version": version}
    options = checked(
        ttl=ttl,
        stale=stale,
        jitter=jitter,
        early=early,
        ahead=ahead,
        errors=errors,
        tags=tags,
        lock=lock,
        lock_ttl=lock_ttl,
        lock_timeout=lock_timeout,
        on_error=on_error,
        copy=copy,
    )
    if storage is None or isinstance(storage, MutableMapping) or is_async(storage):
        check_storage(storage, options)
        return functools.partial(_memoized, storage=storage, options=options, **names)
    if isinstance(storage, type) and issubclass(storage, MutableMapping):
        raise TypeError(
            f"memoize() takes a storage, and {storage.__qualname__} is a class: call it to make one"
        )
    if callable(storage) or isinstance(storage, classmethod):
        check_storage(None, options)
        return _memoized(storage, storage=None, options=options, **names)
    raise TypeError(
        f"memoize() takes a storage or another mutable mapping, or the function itself, not {storage!r}"
    )


def _memoized(
    function: Callable[P, R],
    *,
    storage: MutableMapping[Any, Any] | None,
    options: Options,
    key: Callable[..., object] | None,
    ignore: str | Iterable[str],
    typed: bool,
    version: str | int | None,
) -> Memoized[P, R]:
    asynchronous = inspect.iscoroutinefunction(function)
    check_function(function)
    if not asynchronous:
        refuse_async_storage(storage, function, "memoize")
    if not isinstance(ignore, Iterable):
        raise TypeError(f"ignore= is the names of parameters, not {type(ignore).__name__}")
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    named: dict[str, Any] = {"key": key, "ignore": ignore, "typed": typed, "version": version}
    enveloped = options.needs_envelopes
    kind: Any = FreshMemoized if enveloped else Memoized
    if asynchronous:
        from pystorage.memo.asynchronous import AsyncMemoized

        kind = AsyncMemoized
    leases = None if options.lock is False else leases_of(storage)
    parameters = {**options.given(), **named, "leases": leases}
    as_method: Callable[[], Any] | None = None
    if storage is None and key is None and first_parameter(function) not in (None, *ignore):
        as_method = functools.partial(_method, function, kind, options, parameters, enveloped, named)
        if looks_like_a_method(function):
            method: Any = as_method()  # what can be asked of it is the same
            return method  # type: ignore[no-any-return]
    memoized = kind(
        function,
        own_storage() if storage is None else storage,
        call_key_of(function, storage, enveloped=enveloped, **named),
        options=options,
        own=storage is None,
        parameters=parameters,
    )
    memoized._as_method = as_method
    return memoized  # type: ignore[no-any-return]


def _method(
    function: Callable[..., Any],
    kind: type,
    options: Options,
    parameters: dict[str, object],
    enveloped: bool,
    named: dict[str, Any],
) -> MemoizedMethod[Any, Any]:
    """Make a method each of whose objects has results of its own."""
    call_key = call_key_of(function, None, enveloped=enveloped, bound=True, **named)
    Tags(options.tags, function)  # what is wrong is refused now, not when there is an object

    def of_one() -> Any:
        return of_one_object(kind)(
            function, own_storage(), call_key, options=options, own=True, parameters=parameters
        )

    made = AsyncMemoizedMethod if inspect.iscoroutinefunction(function) else MemoizedMethod
    return made(function, of_one, lambda: call_key.prefix, parameters)


def call_key_of(
    function: Callable[..., Any], storage: object, *, version: str | int | None, **named: Any
) -> Any:
    """Give what makes the keys of a function.

    Args:
        function: The function.
        storage: Where the results are to be kept; None is where nobody else looks.
        version: The version, or ``"auto"``.
        named: What else ``CallKey`` takes.

    Returns:
        A ``CallKey`` or what stands for one.

    Raises:
        TypeError: It is a lambda whose results others may find, or ``CallKey`` refuses it.
        ValueError: ``CallKey`` refuses it.
    """
    if storage is not None and version is None and getattr(function, "__name__", "") == "<lambda>":
        raise TypeError(
            "a lambda has no name of its own to store results under, so that another lambda would find them: "
            "use def, or name it by version="
        )
    if version == "auto":
        return AutoCallKey(function, **named)
    return CallKey(function, version=version, **named)


def own_storage() -> MutableMapping[Any, Any]:
    """Make the storage of one function.

    Returns:
        An ``LRUStorage``.

    Raises:
        Nothing.
    """
    from pystorage.stores.memory import LRUStorage

    return LRUStorage(OWN_SIZE)
