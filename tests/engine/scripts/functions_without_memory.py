"""Lets each allocation of each call of a cached function fail in turn, and sees that its cache stays whole.

A call that fails leaves what was there, or the result was filed and could not be given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

try:
    import _testcapi
except ImportError:
    print("this Python comes without _testcapi")
    sys.exit(77)

if not getattr(sys, "_is_gil_enabled", lambda: True)():
    # Where PyList_New gets no memory for the items it frees those of an older list a second time.
    print("CPython 3.13 without its lock does not itself stay whole without memory")
    sys.exit(77)

from pystorage.engine._engine import Cache, CachedFunction, Front

KEY = ("a", 1)
WIDE = tuple(range(1000, 1020))

CALLS: dict[str, Callable[[Any], object]] = {
    "none": lambda cached: cached(),
    "one": lambda cached: cached("a"),
    "one that is new": lambda cached: cached("new"),
    "a tuple": lambda cached: cached(KEY),
    "two": lambda cached: cached(KEY, 2),
    "two that are new": lambda cached: cached(KEY, 3),
    "by name": lambda cached: cached(a=1, b=KEY),
    "by name, new": lambda cached: cached(a=1, b=2.5),
    "many": lambda cached: cached(*WIDE),
    "equal, not the same": lambda cached: cached(1.5, ("a", 1)),
    "info": lambda cached: cached.cache_info(),
    "clear": lambda cached: cached.cache_clear(),
    "copy": lambda cached: cached.__copy__(),
    "make": lambda cached: CachedFunction(len, Cache(3), False, max),
}


def made(maxsize: int | None, typed: bool, ttl: float | None) -> tuple[Any, Any]:
    """Make a cached function that has some results, and give its cache too."""
    cache = Cache(maxsize, ttl=ttl)
    cached = CachedFunction(function, cache, typed, "{}".format)
    for call in ("one", "a tuple", "two", "by name", "equal, not the same"):
        CALLS[call](cached)
    return cached, cache


def function(*args: Any, **named: Any) -> int:
    """Need little memory itself."""
    return 1


class Kept(Front):
    """A memoized function that does nothing but give what is kept."""

    def __init__(self, results: Any) -> None:
        self.results = results

    def _call_key(self, args: Any, kwargs: Any) -> str:
        return "kept"

    def _given(self, key: str, args: Any, kwargs: Any) -> Any:
        return self.results.get(key)


def fronts() -> int:
    """Run each call of one with its first allocation failing, and so on; give how many failed."""
    failures = 0
    for direct in (False, True):
        for known in (1, 3, 7, 8):
            for label in ("none", "one", "a tuple", "two", "by name", "by name, new", "many"):
                for allocation in range(25):
                    results, calls = Cache(5), Cache(known)
                    results["kept"] = 1
                    kept = Kept(results)
                    kept._shorten(calls, results if direct else None)
                    CALLS["one"](kept), CALLS["two"](kept)
                    _testcapi.set_nomemory(allocation, allocation + 1)
                    try:
                        CALLS[label](kept)
                    except MemoryError:
                        failures += 1
                    finally:
                        _testcapi.remove_mem_hooks()
                    calls._check(), results._check()
                    if [CALLS[label](kept) for _ in range(3)] != [1] * 3:
                        raise AssertionError(label)
    return failures


def main() -> int:
    """Run each call with its first allocation failing, then its second, and so on."""
    failures = fronts()
    print(f"{failures} failures before functions")
    if failures < 50:
        return 1
    for maxsize in (None, 1, 5, 6, 7, 8, 9):
        for typed in (False, True):
            for ttl in (None, 60.0):
                for label, call in CALLS.items():
                    for allocation in range(25):
                        cached, cache = made(maxsize, typed, ttl)
                        before = len(cache)
                        failed = False
                        _testcapi.set_nomemory(allocation, allocation + 1)
                        try:
                            call(cached)
                        except MemoryError:
                            failed = True
                        finally:
                            _testcapi.remove_mem_hooks()
                        cache._check()
                        failures += failed
                        if failed and len(cache) < before and label != "clear":
                            print(f"{label} of {maxsize}, allocation {allocation}: lost")
                            return 1
                        if cached("later") != 1 or cached("later", KEY) != cached("later", KEY):
                            return 1
                        cache._check()
    print(f"{failures} failures")
    return failures < 200


if __name__ == "__main__":
    sys.exit(main())
