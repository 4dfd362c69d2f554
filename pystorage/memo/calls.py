"""Calls: what is asked of a memoized function about one call, said once for all that can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Calls(Generic[P, R]):
    """What every memoized function answers about one of its calls; of an ``async def`` it is awaited.

    Raises:
        Nothing.
    """

    __slots__ = ()

    def key_for(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Give the key under which the result of a call is kept.

        Args:
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The key in ``storage``: the same in every process and on every machine. Where each object has
            results of its own, it is the same for all objects.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.

        Example:
            >>> import string
            >>> from pystorage import memoize
            >>> capwords = memoize({})(string.capwords)
            >>> capwords.key_for("a b") == capwords.key_for(s="a b", sep=None)
            True
        """
        raise NotImplementedError

    def peek(self, default: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Give the result of a call if it is kept, without computing and without counting.

        Args:
            default: Given where it is not kept, or can't be decoded.
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The result or the default.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot be read.

        Cost: one read.
        """
        raise NotImplementedError

    def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Keep a result for a call without computing it.

        Args:
            value: The result.
            args: As for the function.
            kwargs: As for the function.

        Returns:
            None.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the value, or refused.

        Cost: one write.
        """
        raise NotImplementedError

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Forget the result of one call.

        Args:
            args: As for the function.
            kwargs: As for the function.

        Returns:
            Whether it was kept.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage refused.

        Cost: one removal.
        Threads: a result that is being computed goes to those who wait for it, and is not kept.
        """
        raise NotImplementedError

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Compute a call, whether its result is kept or not, and keep it anew.

        Args:
            args: As for the function.
            kwargs: As for the function.

        Returns:
            The result, as the next call will give it.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot hold the result, or refused.
            Exception: Whatever the function raises; what was kept before stays.

        Cost: one computation and one write.
        """
        raise NotImplementedError

    def prefetch(self, calls: Iterable[tuple[Any, ...]]) -> Any:
        """Compute the results of several calls that are not kept yet.

        Args:
            calls: The arguments of each call by position, in a tuple.

        Returns:
            How many were not kept.

        Raises:
            TypeError: The function cannot be called so, or an argument has no fingerprint.
            ValueError: An argument holds itself, or is nested too deeply.
            StorageError: The storage cannot be read, cannot hold a result, or refused.
            Exception: What the function raises; the calls before are kept.

        Cost: one bulk read, and as a miss for each that is not kept.

        Example:
            >>> from pystorage import memoize
            >>> @memoize
            ... def square(number):
            ...     return number * number
            >>> square.prefetch((number,) for number in range(10)), square.prefetch([(4,), (11,)])
            (10, 1)
            >>> square(11), square.cache_info().hits
            (121, 1)
        """
        raise NotImplementedError


class AsyncCalls(Calls[P, R]):
    """What every memoized ``async def`` answers about its calls, some of them at the same time.

    Raises:
        Nothing.
    """

    __slots__ = ()

    async def prefetch(self, calls: Iterable[tuple[Any, ...]], *, tasks: int = 10) -> int:
        """Compute the results of several calls that are not kept yet, some at a time.

        Args:
            calls: The arguments of each call by position, in a tuple.
            tasks: How many are computed at the same time, at most, ≥ 1.

        Returns:
            How many were not kept.

        Raises:
            TypeError: The function cannot be called so, an argument has no fingerprint, or ``tasks`` is no
                int.
            ValueError: An argument holds itself, or is nested too deeply; ``tasks`` is less than 1.
            StorageError: The storage cannot be read, cannot hold a result, or refused.
            Exception: What the function raises first; what is computed besides is cancelled, and what was
                computed before is kept.

        Cost: one bulk read, and as a miss for each that is not kept.
        """
        raise NotImplementedError


class PassedOn(Calls[P, R]):
    """Calls that a memoized function of somebody else's answers.

    Raises:
        Nothing.
    """

    __slots__ = ()

    def _target(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """Give what keeps the results, and what it takes by position."""
        raise NotImplementedError

    def key_for(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        target, passed = self._target(args, kwargs)
        return target.key_for(*passed, **kwargs)  # type: ignore[no-any-return]

    def peek(self, default: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        target, passed = self._target(args, kwargs)
        return target.peek(default, *passed, **kwargs)

    def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        target, passed = self._target(args, kwargs)
        return target.set(value, *passed, **kwargs)

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        target, passed = self._target(args, kwargs)
        return target.invalidate(*passed, **kwargs)

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        target, passed = self._target(args, kwargs)
        return target.refresh(*passed, **kwargs)
