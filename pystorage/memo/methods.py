"""What tells that a function is a method, and makes a memoized one a method where it turns out to be one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pystorage.memo.perobject import MemoizedMethod

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def first_parameter(function: Callable[..., Any]) -> str | None:
    """Give the parameter that is the object, if the function is a method.

    Args:
        function: The function.

    Returns:
        The name of its first parameter; None where nothing can be passed first by position.

    Raises:
        Nothing.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    return parameters[0].name if parameters and parameters[0].kind in _POSITIONAL else None


def looks_like_a_method(function: Callable[..., Any]) -> bool:
    """Tell whether a function is a method by how it is written, as a property inside knows no class.

    Args:
        function: The function.

    Returns:
        True where it is defined in the body of a class, and its first parameter is called ``self``.

    Raises:
        Nothing.
    """
    where = getattr(function, "__qualname__", "").rpartition(".")[0]
    return bool(where) and not where.endswith("<locals>") and first_parameter(function) == "self"


class MayBeMethod:
    """What a memoized function is that may turn out to be a method, when it is found in a class.

    Raises:
        Nothing.
    """

    #: Makes the method; None where all objects share what is kept, by a key of theirs.
    _as_method: Callable[[], MemoizedMethod[Any, Any]] | None = None
    _is_in_class = False

    def __set_name__(self, owner: type, name: str) -> None:
        self._is_in_class = True

    def _bound(self, kind: Any, instance: object, owner: type | None) -> Any:
        # A classmethod binds what it holds to the class, in Python before 3.13: a class is no object here,
        # and known by its name.
        if self._as_method is None or (not self._is_in_class and (instance is None or instance is owner)):
            return self if instance is None else kind(self, instance)
        made = self.__dict__.get("_method") or self.__dict__.setdefault("_method", self._as_method())
        return made.__get__(instance, owner)
