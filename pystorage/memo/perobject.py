"""MemoizedMethod: a memoized method each of whose objects has results of its own.

An object is known by being that very one, whatever it equals, and is referred to weakly: its results go when
it goes, nothing is written into it, and another one that comes to lie at its address finds nothing of it.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, ParamSpec, TypeVar

from pystorage.memo.asyncbound import AsyncObjectMemoized, mark_async
from pystorage.memo.bound import ObjectMemoized
from pystorage.memo.calls import AsyncCalls, PassedOn
from pystorage.memo.figures import CacheInfo
from pystorage.memo.methods import first_parameter

P = ParamSpec("P")
R = TypeVar("R")


class OneObject:
    """What makes a memoized function that of one object, which is passed first.

    Raises:
        Nothing.
    """

    _object: weakref.ref[Any]

    def _passed(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        # Whoever calls holds it; from here on the computation does, also one in the background.
        return (self._object(), *args)


class OneAsyncObject(OneObject):
    """The same of an ``async def``: what is to be awaited holds the object, as nobody else may.

    Raises:
        Nothing.
    """

    def _given(self, key: str, args: Any, kwargs: Any) -> Any:
        return super()._given(key, self._passed(args), kwargs)  # type: ignore[misc]


@functools.cache
def of_one_object(kind: type) -> Any:
    """Make the class of the memoized functions of one object.

    Args:
        kind: That of those which know no object.

    Returns:
        The class.

    Raises:
        Nothing.
    """
    base = OneAsyncObject if inspect.iscoroutinefunction(getattr(kind, "_given", None)) else OneObject
    return type(f"{kind.__name__}OfOneObject", (base, kind), {})


class _Kept(weakref.ref[Any]):
    """A weak reference to an object, with what is kept of it."""

    __slots__ = ("member",)

    member: Any


class MemoizedMethod(PassedOn[P, R]):
    """A memoized method each of whose objects has results of its own: what ``memoize`` makes of a method.

    It is called with the object first, and so are its methods; ``object.method`` is called without.

    Args:
        function: The method.
        make: Makes what keeps the results of one object.
        prefix: Gives what all keys begin with.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        Nothing.

    Threads: any number.
    Processes: each has its own.
    """

    __name__: str
    __qualname__: str

    _kind: Any = ObjectMemoized

    def __init__(
        self,
        function: Callable[..., Any],
        make: Callable[[], Any],
        prefix: Callable[[], str],
        parameters: dict[str, object],
    ) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped__ = function
        self._make = make
        self._prefix = prefix
        self._parameters = parameters
        self._first = first_parameter(function)
        self._kept: dict[int, _Kept] = {}

    # ------------------------------------------------------------------ objects

    def of(self, instance: object, /) -> Any:
        """Give what keeps the results of one object.

        Args:
            instance: The object.

        Returns:
            A memoized function that takes what the method takes after the object.

        Raises:
            TypeError: The object cannot be referred to weakly.
        """
        kept = self._kept.get(id(instance))
        return kept.member if kept is not None and kept() is instance else self._made(instance)

    def _made(self, instance: object) -> Any:
        every, number = self._kept, id(instance)

        # It runs before the address is free for another object. No lock: it may run within any step.
        def forget(gone: weakref.ref[Any]) -> None:
            if every.get(number) is gone:
                every.pop(number, None)

        try:
            kept = _Kept(instance, forget)
        except TypeError:
            kind = type(instance).__qualname__
            raise TypeError(
                f"could not keep the results of {self.__qualname__}() for one {kind}: it cannot be referred "
                "to weakly, so that its results would outlive it: add '__weakref__' to its __slots__ "
                "(weakref_slot=True of a dataclass), or say by key= what tells one from another; and where "
                "it takes no object, write @staticmethod above @memoize"
            ) from None
        kept.member = self._make()
        kept.member._object = weakref.ref(instance)
        while True:
            found = every.setdefault(number, kept)
            if found is kept or found() is instance:
                return found.member
            # Of an object that is gone, and whose end is being told just now.
            if every.get(number) is found:
                every.pop(number, None)

    def _members(self) -> list[Any]:
        return [kept.member for kept in list(self._kept.values())]

    def _target(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """Give what keeps the results, and the arguments after the object."""
        if args:
            return self.of(args[0]), args[1:]
        if self._first in kwargs:
            return self.of(kwargs.pop(self._first)), ()
        raise TypeError(f"{self.__qualname__}() is a method, and takes its object first")

    # ------------------------------------------------------------------ calls

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        member, args = self._target(args, kwargs)
        return member(*args, **kwargs)

    def prefetch(self, calls: Iterable[tuple[Any, ...]]) -> int:
        return sum(self.of(instance).prefetch([tuple(args)]) for instance, *args in calls)

    # ------------------------------------------------------------------ the whole

    @property
    def storage(self) -> MutableMapping[Any, Any]:
        """There is none of all objects: ask the method of one.

        Returns:
            Nothing, ever.

        Raises:
            AttributeError: Each object has a storage of its own.
        """
        raise AttributeError(
            f"{self.__qualname__} keeps the results of each object in a storage of its own: "
            f"ask object.{self.__name__}.storage"
        )

    @property
    def key_prefix(self) -> str:
        """What the keys of this method begin with, whatever the object.

        Returns:
            Module, qualified name and version.

        Raises:
            Nothing.
        """
        return self._prefix()

    @property
    def undecodable(self) -> int:
        """How many results could not be decoded, of the objects there are.

        Returns:
            Their number in this process.

        Raises:
            Nothing.
        """
        return sum(member.undecodable for member in self._members())

    @property
    def unavailable(self) -> int:
        """How often the storage could not be reached, of the objects there are.

        Returns:
            The number in this process.

        Raises:
            Nothing.
        """
        return sum(member.unavailable for member in self._members())

    @property
    def refreshes(self) -> int:
        """How many results were computed anew in the background, by this process.

        Returns:
            Their number, of the objects there are; they are no misses.

        Raises:
            Nothing.
        """
        return sum(member.refreshes for member in self._members())

    @property
    def failed_refreshes(self) -> int:
        """How often computing anew in the background failed, so that the old result stayed.

        Returns:
            The number in this process, of the objects there are.

        Raises:
            Nothing.
        """
        return sum(member.failed_refreshes for member in self._members())

    def cache_info(self) -> CacheInfo:
        """Give the figures of the objects there are, added up.

        Returns:
            Hits, misses, None, since each object has a bound of its own, and how many results are kept.

        Raises:
            Nothing.

        Cost: O(objects).
        """
        found = [member.cache_info() for member in self._members()]
        return CacheInfo(
            sum(each.hits for each in found),
            sum(each.misses for each in found),
            None,
            sum(each.currsize for each in found),
        )

    def cache_parameters(self) -> dict[str, object]:
        """Tell how the method was memoized.

        Returns:
            The keywords of ``memoize`` with their values, and ``maxsize``, in a new dict.

        Raises:
            Nothing.
        """
        return {"maxsize": None, **self._parameters}

    def cache_clear(self) -> Any:
        """Forget the results of all objects, and their figures.

        Returns:
            None; what is awaited, where the method is async.

        Raises:
            Nothing.

        Cost: O(objects).
        """
        for member in self._members():
            member.cache_clear()

    # ------------------------------------------------------------------ as a method

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self._kind(self, instance)

    def __repr__(self) -> str:
        return f"<memoized {self.__module__}.{self.__qualname__}, object by object>"

    def __reduce__(self) -> str:
        return self.__qualname__


class AsyncMemoizedMethod(AsyncCalls[P, R], MemoizedMethod[P, R]):
    """The same of an ``async def``: what has results to give is awaited.

    Args:
        function: The method.
        make: Makes what keeps the results of one object.
        prefix: Gives what all keys begin with.
        parameters: How it was made, for ``cache_parameters``.

    Raises:
        Nothing.
    """

    _kind = AsyncObjectMemoized

    def __init__(
        self,
        function: Callable[..., Any],
        make: Callable[[], Any],
        prefix: Callable[[], str],
        parameters: dict[str, object],
    ) -> None:
        super().__init__(function, make, prefix, parameters)
        mark_async(self)

    async def prefetch(  # type: ignore[override]
        self, calls: Iterable[tuple[Any, ...]], *, tasks: int = 10
    ) -> int:
        asked: dict[int, tuple[Any, list[tuple[Any, ...]]]] = {}
        for instance, *args in calls:
            asked.setdefault(id(instance), (instance, []))[1].append(tuple(args))
        return sum([await self.of(one).prefetch(each, tasks=tasks) for one, each in asked.values()])

    async def cache_clear(self) -> None:
        for member in self._members():
            await member.cache_clear()
