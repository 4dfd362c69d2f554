"""Uses caches in several interpreters at once, each with a lock of its own."""

from __future__ import annotations

import sys
import threading

CODE = """
import sys
sys.path[:] = {path!r}
from pystorage.engine._engine import Cache, CachedFunction, Front
told = []
cache = Cache(50, ttl=60.0, on_evict=lambda key, value, cause: told.append(cause))
for number in range(20_000):
    cache[number] = [number]
    cache.get(number // 2)
    cache["me"] = cache
assert len(cache) == 50
assert set(told) == {{"evicted"}}, set(told)
cache._check()
cached = CachedFunction(lambda *args, **named: [args], Cache(50, ttl=60.0), False, tuple)
for number in range(20_000):
    cached(number % 60), cached(number % 7, cached), cached(a=number % 70)
assert cached(1, cached) is cached(1, cached)
class Kept(Front):
    def _call_key(self, args, kwargs):
        return "{{}}".format((args, kwargs))
    def _given(self, key, args, kwargs):
        results[key] = [key]
        return results[key]
results, kept = Cache(50), Kept()
kept._shorten(Cache(30), results)
for number in range(20_000):
    kept(number % 60), kept(number % 7, a="b"), kept((number % 70, "c"))
assert kept(1) is kept(1)
try:
    cache["absent"]
except KeyError:
    pass
try:
    Cache(-1)
except ValueError:
    pass
else:
    raise AssertionError("a limit below nothing was taken")
"""


def run(code: str, errors: list[object]) -> None:
    """Run code in a new interpreter."""
    try:
        if sys.version_info >= (3, 13):
            import _interpreters

            interpreter = _interpreters.create("isolated")
            try:
                errors.append(_interpreters.exec(interpreter, code))
            finally:
                _interpreters.destroy(interpreter)
        else:
            import _xxsubinterpreters

            interpreter = _xxsubinterpreters.create(isolated=True)
            try:
                errors.append(_xxsubinterpreters.run_string(interpreter, code))
            finally:
                _xxsubinterpreters.destroy(interpreter)
    except BaseException as error:
        errors.append(error)


def main() -> int:
    """Run the code in four interpreters at once, twice, with the engine in use here as well."""
    from pystorage.engine._engine import Cache

    here = Cache(3)
    here["a"] = 1
    for _ in range(2):
        errors: list[object] = []
        threads = [threading.Thread(target=run, args=(CODE.format(path=sys.path), errors)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(errors)
        if errors != [None] * 4:
            return 1
    return here["a"] != 1


if __name__ == "__main__":
    sys.exit(main())
