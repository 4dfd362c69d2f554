"""Methods that stand behind others: what a class overrides for one key holds for many.

dogpile and zarr forward bulk calls past a subclass that overrides only the single ones; here the bulk
method becomes general again wherever the single one is written nearer to the class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pystorage._arguments import checked_ttl

#: Single-key method → the ones that a storage may write natively beside it. Where a subclass overrides
#: the first and not the second, the second is the general one again, so that no bulk call goes past it.
_DERIVED: Final[dict[str, tuple[str, ...]]] = {
    "__getitem__": ("get", "get_many", "pop", "popitem", "open_read", "_load", "setdefault"),
    "get": ("get_many", "setdefault"),
    "__setitem__": ("set", "set_many", "update", "open_write", "setdefault"),
    "set": ("__setitem__", "set_many", "update", "open_write", "setdefault"),
    "add": ("setdefault",),
    "__delitem__": ("delete_many", "clear", "pop", "popitem"),
    "pop": ("popitem",),
    "__iter__": ("scan", "__bool__", "clear", "popitem"),
    "ttl": ("expires_at",),
    "expire": ("touch",),
}


def derive(cls: Any, base: Any) -> None:
    """Make the general methods anew that a method of a class stands behind.

    Args:
        cls: The class.
        base: The class that has the general methods.

    Raises:
        Nothing.
    """
    made: set[str] = set()
    for single, others in _DERIVED.items():
        for other in others:
            if single in made or _depth(cls, single) >= _depth(cls, other):
                continue
            general = getattr(base, other)
            if other == "set":
                setattr(cls, other, _set_of_item(cls, general.__doc__))
            elif getattr(cls, other) is general:
                continue
            else:
                setattr(cls, other, _item_of_set(cls) if other == "__setitem__" else general)
            made.add(other)


# Either of set and [] is made of the other, and each may be changed by a class that calls what it changes:
# so what is made calls the one of the class it is made for, not that of the object, which may call it.


def _set_of_item(cls: Any, doc: str | None) -> Callable[..., None]:
    def set(self: Any, key: object, value: object, *, ttl: float | None = None) -> None:
        if checked_ttl(ttl) is not None:
            raise self._unsupported("keep an entry for a while", "TTL")
        cls.__setitem__(self, key, value)

    set.__doc__ = doc
    return set


def _item_of_set(cls: Any) -> Callable[..., None]:
    def __setitem__(self: Any, key: object, value: object) -> None:
        cls.set(self, key, value)

    return __setitem__


def _depth(cls: type, name: str) -> int:
    """Say how far up among the bases of a class a method is written; 0 is the class itself."""
    return next(depth for depth, base in enumerate(cls.__mro__) if name in vars(base))
