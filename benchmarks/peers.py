"""Other caches, by name: each is measured beside ours where it is installed."""

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


class Called:
    """A cache that is no mapping and is called by its own methods; what this adds is measured with it."""

    __slots__ = ("_get", "_set")

    def __init__(self, get: Callable[[Any, Any], Any], set: Callable[[Any, Any], object]) -> None:
        self._get = get
        self._set = set

    def get(self, key: Any, default: Any = None) -> Any:
        return self._get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._set(key, value)


def _theine(limit: int) -> Any:
    cache = importlib.import_module("theine").Cache(limit)

    def get(key: Any, default: Any) -> Any:
        value, found = cache.get(key)
        return value if found else default

    return Called(get, cache.set)


def _moka(policy: str) -> Callable[[int], Any]:
    def make(limit: int) -> Any:
        cache = importlib.import_module("moka_py").Moka(limit, policy=policy)
        return Called(cache.get, cache.set)

    return make


def _package(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    """Say which package a function needs, so that it is left out where that is absent."""
    make.needs = name  # type: ignore[attr-defined]
    return make


#: Name → module and attribute, or a function, that makes one of so many entries. These are mappings.
LRU: dict[str, tuple[str, str] | Callable[[int], Any]] = {
    "dict": _dict,
    "OrderedDict": OrderedLRU,
    "lru-dict": ("lru", "LRU"),
    "cachebox": ("cachebox", "LRUCache"),
    "cachetools": ("cachetools", "LRUCache"),
    "pylru": ("pylru", "lrucache"),
}

#: Other caches with a policy of their own, for hit ratios.
OTHER_POLICIES: dict[str, tuple[str, str] | Callable[[int], Any]] = {
    "theine": _package("theine", _theine),
    "moka-py tiny_lfu": _package("moka_py", _moka("tiny_lfu")),
    "moka-py lru": _package("moka_py", _moka("lru")),
    "cachebox LFU": ("cachebox", "LFUCache"),
    "cachetools LFU": ("cachetools", "LFUCache"),
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


def _theine_memoize(function: Any, size: int) -> Any:
    return importlib.import_module("theine").Memoize(size, None)(function)


def _joblib(function: Any, folder: str) -> Any:
    return importlib.import_module("joblib").Memory(folder, verbose=0).cache(function)


def _diskcache(function: Any, folder: str) -> Any:
    return importlib.import_module("diskcache").Cache(folder).memoize()(function)


def _moka_cached(function: Any, size: int) -> Any:
    return importlib.import_module("moka_py").cached(size)(function)


#: Module → a function that puts one of so many results before a function; those that threads may share.
CALLS: dict[str, Callable[[Any, int], Any]] = {
    "functools": _functools,
    "cachetools": _cachetools,
    "cachebox": _cachebox,
    "theine": _theine_memoize,
    "moka_py": _moka_cached,
}

#: The same with the results in a folder.
CALLS_ON_DISK: dict[str, Callable[[Any, str], Any]] = {"joblib": _joblib, "diskcache": _diskcache}


def installed(known: dict[str, Any]) -> dict[str, Any]:
    """Give those peers whose module is there."""
    return {name: one for name, one in known.items() if importlib.util.find_spec(name) is not None}


def missing() -> list[str]:
    """Give the names of all peers, in any table, that are not installed."""
    makers = {name for table in (LRU, OTHER_POLICIES, TTL) for name in absent(table)}
    calls = CALLS | CALLS_ON_DISK
    return sorted(makers | (calls.keys() - installed(calls).keys()))


def factory(known: tuple[str, str] | Callable[..., Any]) -> Callable[..., Any] | None:
    """Give the function that makes a peer; None where it is not installed."""
    module, name = known if isinstance(known, tuple) else (getattr(known, "needs", None), None)
    try:
        package = None if module is None else importlib.import_module(module)
    except ImportError:
        return None
    if name is None:
        assert not isinstance(known, tuple)
        return known
    made = getattr(package, name)
    assert callable(made)
    return made  # type: ignore[no-any-return]


def present(known: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Give those peers that are installed."""
    made = {name: factory(one) for name, one in known.items()}
    return {name: one for name, one in made.items() if one is not None}


def absent(known: dict[str, Any]) -> list[str]:
    """Give the names of those that are not."""
    return [name for name, one in known.items() if factory(one) is None]
