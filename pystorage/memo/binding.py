"""Binding: the arguments of a call in the order of the parameters, however they were passed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

EMPTY: Final = inspect.Parameter.empty


class Binding:
    """What ``inspect.Signature.bind`` and ``apply_defaults`` do, for one function and many calls.

    Args:
        function: Any callable whose signature is known.
        bound: Whether its first parameter is passed by somebody else, as that of a method is.

    Raises:
        TypeError: Its signature is not known, as that of some built-in functions.

    Threads: safe.

    Example:
        >>> def function(a, b=2, *args, c=3, **others): ...
        >>> binding = Binding(function)
        >>> binding.names
        ('a', 'b', 'args', 'c', 'others')
        >>> binding.values((1,), {"c": 4, "d": 5})
        [1, 2, (), 4, {'d': 5}]
    """

    __slots__ = (
        "_keyword_only",
        "_positional",
        "_signature",
        "by_keyword",
        "defaults",
        "more",
        "name",
        "others",
        "spelled",
    )

    def __init__(self, function: Callable[..., Any], *, bound: bool = False) -> None:
        #: What the function is called in messages.
        self.name: str = getattr(function, "__qualname__", repr(function))
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"the signature of {self.name} is not known ({error}): wrap it in a function made by def"
            ) from error
        if bound:
            others = list(self._signature.parameters.values())[1:]
            self._signature = self._signature.replace(parameters=others)
        parameters = self._signature.parameters
        #: Parameter → its default, or EMPTY, in their order.
        self.defaults: dict[str, object] = {name: each.default for name, each in parameters.items()}
        kinds = {name: each.kind for name, each in parameters.items()}
        #: Parameter → how a signature has it: ``a``, ``*args``, ``**others``.
        self.spelled = {
            name: str(each.replace(default=EMPTY, annotation=EMPTY)) for name, each in parameters.items()
        }
        #: The parameters by position that can be passed by keyword too.
        self.by_keyword = frozenset(
            name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        self._positional = tuple(
            (name, name in self.by_keyword, self.defaults[name])
            for name, kind in kinds.items()
            if kind is inspect.Parameter.POSITIONAL_ONLY or name in self.by_keyword
        )
        self._keyword_only = tuple(
            (name, self.defaults[name])
            for name, kind in kinds.items()
            if kind is inspect.Parameter.KEYWORD_ONLY
        )
        #: Whether it takes any number of arguments by position (``*args``), and by name (``**others``).
        self.more = inspect.Parameter.VAR_POSITIONAL in kinds.values()
        self.others = inspect.Parameter.VAR_KEYWORD in kinds.values()

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, in their order.

        Returns:
            Their names.

        Raises:
            Nothing.
        """
        return tuple(self.defaults)

    @property
    def is_plain(self) -> bool:
        """Whether as many arguments by position as there are parameters are the bound call.

        Returns:
            False where a parameter is keyword-only, ``*args`` or ``**others``.

        Raises:
            Nothing.
        """
        return len(self._positional) == len(self.defaults)

    def values(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> list[object]:
        """Bind one call.

        Args:
            args: What is passed by position.
            kwargs: What is passed by name.

        Returns:
            One value for each of ``names``: defaults where nothing was passed, a tuple for ``*args``, a dict
            for ``**others``.

        Raises:
            TypeError: The function cannot be called with these.

        Cost: O(parameters).
        """
        given, count = len(args), len(self._positional)
        if given > count and not self.more:
            self._refuse(args, kwargs)
        values = list(args[:count])
        left = dict(kwargs)
        for name, by_keyword, default in self._positional[given:]:
            if by_keyword and name in left:
                values.append(left.pop(name))
            elif default is not EMPTY:
                values.append(default)
            else:
                self._refuse(args, kwargs)
        if self.more:
            values.append(args[count:])
        for name, default in self._keyword_only:
            if name in left:
                values.append(left.pop(name))
            elif default is not EMPTY:
                values.append(default)
            else:
                self._refuse(args, kwargs)
        # What is left and has the name of a parameter was passed by position as well.
        if left and not (self.others and self.by_keyword.isdisjoint(left)):
            self._refuse(args, kwargs)
        if self.others:
            values.append(left)
        return values

    def as_passed(self, values: list[object]) -> tuple[list[object], dict[str, object]]:
        """Turn bound values into arguments again.

        Args:
            values: One for each of ``names``.

        Returns:
            Arguments by position and by name, with which the function can be called.

        Raises:
            Nothing.
        """
        count = len(self._positional)
        args = values[:count]
        rest: Iterator[Any] = iter(values[count:])
        if self.more:
            args.extend(next(rest))
        kwargs = {name: next(rest) for name, _ in self._keyword_only}
        if self.others:
            kwargs.update(next(rest))
        return args, kwargs

    def _refuse(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> NoReturn:
        why = "cannot be called with these arguments"
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            why = str(error)
        raise TypeError(f"{self.name}(): {why}")
