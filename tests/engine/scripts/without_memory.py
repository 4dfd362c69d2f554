"""Lets each allocation of each operation of a cache fail in turn, and sees that the cache stays whole.

An operation that fails leaves what was there, or it was done and could not say so.
"""

from __future__ import annotations

import contextlib
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

from pystorage.engine._checks import POLICIES
from pystorage.engine._engine import Cache

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ttl": {"ttl": 60.0},
    "weigher": {"weigher": lambda key, value: 1},
    "on_evict": {"on_evict": "".format},  # in C, so that it needs little memory itself
    **{policy: {"policy": policy} for policy in POLICIES[1:]},
}

KEY = ("a", 1)
KEYS = [KEY, "b", "x"]
PAIRS = [(f"new {number}", number) for number in range(6)]

OPERATIONS: dict[str, Callable[[Any], object]] = {
    "read": lambda cache: cache[KEY],
    "read absent": lambda cache: cache["absent"],
    "get": lambda cache: cache.get("b"),
    "in": lambda cache: KEY in cache,
    "insert": lambda cache: cache.__setitem__("x", 1),
    "replace": lambda cache: cache.__setitem__(KEY, 2),
    "insert for a while": lambda cache: cache._write("x", 1, 5.0),
    "replace for a while": lambda cache: cache._write(KEY, 1, 5.0),
    "add": lambda cache: cache._write("x", 1, None, True),
    "write many": lambda cache: cache._write_many(PAIRS, None),
    "write many for a while": lambda cache: cache._write_many(PAIRS, 7.0),
    "read many": lambda cache: cache._read_many(KEYS),
    "delete many": lambda cache: cache._delete_many(KEYS),
    "swap": lambda cache: cache._swap("b", 1, 2, 5.0, False),
    "incr": lambda cache: cache._incr("b", 2**70, None),
    "incr absent": lambda cache: cache._incr("x", 1, None),
    "redate": lambda cache: cache._redate(KEY, 9.0, True),
    "expiry": lambda cache: cache._expiry("c"),
    "delete": lambda cache: cache.__delitem__(KEY),
    "pop": lambda cache: cache.pop("b"),
    "popitem": lambda cache: cache.popitem(),
    "clear": lambda cache: cache.clear(),
    "resize": lambda cache: cache.resize(1),
    "len": len,
    "iterate": list,
    "backwards": lambda cache: list(reversed(cache)),
    "contents": lambda cache: cache._contents(),
    "settings": lambda cache: cache._settings(),
    "figures": lambda cache: cache._figures(),
    "fill": lambda cache: cache._fill([("x", 1, 1, 5.0, 0), ("y", 1, 1, None, 1)]),
    "make anew": lambda cache: cache.__init__(3),
}

#: What takes out more than a key or two on purpose.
REMOVES = {"write many", "write many for a while", "resize", "clear", "make anew"}


def made(settings: dict[str, Any], count: int) -> Any:
    """Make a cache that has so many entries; how many there are decides where it has to grow."""
    cache = Cache(count, **settings)
    for number in range(count - 3):
        cache[number] = number
    cache[KEY] = 1
    cache._write("b", 1, None)
    cache._write("c", 1, 50.0) if count % 2 else cache._write("c", 1, None)
    return cache


def shrink(settings: dict[str, Any]) -> None:
    """Lower the limit of a larger cache, with each allocation failing in its turn."""
    for allocation in range(6):
        cache = made(settings, 300)
        _testcapi.set_nomemory(allocation, allocation + 1)
        try:
            cache.resize(20)
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
        cache._check()
        cache["later"] = 1
        cache.resize(10)
        cache._check()


def main(name: str) -> int:
    """Run each operation with its first allocation failing, then its second, and so on."""
    settings, failures = SETTINGS[name], 0
    shrink(settings)
    for operation in OPERATIONS.values():
        with contextlib.suppress(KeyError):
            operation(made(settings, 11))  # what is imported or kept the first time is not looked at
    for label, operation in OPERATIONS.items():
        for count in (3, 6, 7, 10, 11, 12):
            for allocation in range(60):
                cache = made(settings, count)
                before = dict(entry[:2] for entry in cache._contents())
                failed = False
                _testcapi.set_nomemory(allocation, allocation + 1)
                try:
                    operation(cache)
                except MemoryError:
                    failed = True
                except KeyError:
                    pass
                finally:
                    _testcapi.remove_mem_hooks()
                cache._check()
                after = dict(entry[:2] for entry in cache._contents())
                if failed:
                    failures += 1
                    lost = set(before) - set(after) - {KEY, "b", 0, 1}
                    if lost and label not in REMOVES:
                        print(f"{label} of {count}, allocation {allocation}: lost {lost}")
                        return 1
                cache["later"] = 1
                if cache.maxsize and cache["later"] != 1:
                    return 1
                cache._check()
    print(f"{failures} failures")
    return failures < 20


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
