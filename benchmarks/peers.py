"""Other caches in memory, by name: each is measured beside ours where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class OrderedLRU(OrderedDict[Any, Any]):
    """The LRU that one writes by hand."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        self.move_to_end(key)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self.limit:
            self.popitem(last=False)


def _dict(limit: int) -> Any:
    return {}


#: Name → module and attribute, or a function, that makes one of so many entries.
LRU: dict[str, tuple[str, str] | Callable[[int], Any]] = {
    "dict": _dict,
    "OrderedDict": OrderedLRU,
    "lru-dict": ("lru", "LRU"),
    "cachebox": ("cachebox", "LRUCache"),
    "cachetools": ("cachetools", "LRUCache"),
}

#: The same with a time to live, in seconds.
TTL: dict[str, tuple[str, str]] = {
    "cachebox.TTLCache": ("cachebox", "TTLCache"),
    "cachetools.TTLCache": ("cachetools", "TTLCache"),
}


def _functools(function: Any, size: int) -> Any:
    return importlib.import_module("functools").lru_cache(size)(function)


def _cachetools(function: Any, size: int) -> Any:
    cachetools = importlib.import_module("cachetools")
    return cachetools.cached(cachetools.LRUCache(size), lock=threading.Lock())(function)


def _cachebox(function: Any, size: int) -> Any:
    cachebox = importlib.import_module("cachebox")
    return cachebox.cached(cachebox.LRUCache(size))(function)


def _theine(function: Any, size: int) -> Any:
    return importlib.import_module("theine").Memoize(size, None)(function)


def _joblib(function: Any, folder: str) -> Any:
    return importlib.import_module("joblib").Memory(folder, verbose=0).cache(function)


def _diskcache(function: Any, folder: str) -> Any:
    return importlib.import_module("diskcache").Cache(folder).memoize()(function)


#: Module → a function that puts one of so many results before a function; those that threads may share.
CALLS: dict[str, Callable[[Any, int], Any]] = {
    "functools": _functools,
    "cachetools": _cachetools,
    "cachebox": _cachebox,
    "theine": _theine,
}

#: The same with the results in a folder.
CALLS_ON_DISK: dict[str, Callable[[Any, str], Any]] = {"joblib": _joblib, "diskcache": _diskcache}


def installed(known: dict[str, Any]) -> dict[str, Any]:
    """Give those peers whose module is there."""
    return {name: one for name, one in known.items() if importlib.util.find_spec(name) is not None}


def factory(known: tuple[str, str] | Callable[..., Any]) -> Callable[..., Any] | None:
    """Give the function that makes a peer; None where it is not installed."""
    if not isinstance(known, tuple):
        return known
    module, name = known
    try:
        made = getattr(importlib.import_module(module), name)
    except ImportError:
        return None
    assert callable(made)
    return made  # type: ignore[no-any-return]


def present(known: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Give those peers that are installed."""
    made = {name: factory(one) for name, one in known.items()}
    return {name: one for name, one in made.items() if one is not None}


def absent(known: dict[str, Any]) -> list[str]:
    """Give the names of those that are not."""
    return [name for name, one in known.items() if factory(one) is None]
