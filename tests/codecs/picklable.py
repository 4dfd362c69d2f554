"""Classes of all kinds, for pickles that name them."""

from __future__ import annotations

import collections
import dataclasses
import enum
from typing import Any


@dataclasses.dataclass
class User:
    name: str
    tags: list[str] = dataclasses.field(default_factory=list)

    class Inner:
        pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    number: int


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self, left: object, right: object) -> None:
        self.left, self.right = left, right

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and (self.left, self.right) == (other.left, other.right)

    __hash__ = None  # type: ignore[assignment]


class Listed(list):  # type: ignore[type-arg]
    pass


class Mapped(dict):  # type: ignore[type-arg]
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = 2


Pair = collections.namedtuple("Pair", "left right")


def make_user(name: str) -> User:
    return User(name)


class Made:
    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return make_user, (self.name,), {"tags": ["from a state"]}


class Evil:
    """Its pickle calls what it is told to."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call
