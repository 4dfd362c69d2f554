"""Storages in memory whose entries live for a while, beside other caches that can do that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from benchmarks.conftest import Compare
from benchmarks.peers import TTL, present
from benchmarks.test_memory import N, filled, in_turns, keys_of, put_down, read, shuffled, write
from pystorage import LRUStorage, engine

pytestmark = pytest.mark.skipif(engine.IMPLEMENTATION != "c", reason="the bars are those of the engine in C")

#: Longer than a run takes: none expires, and what is timed is to look whether it did.
LIFE = 600.0


def contenders(keys: Iterable[Any]) -> dict[str, Any]:
    made = {"ours": LRUStorage(N, ttl=LIFE), **{name: make(N, LIFE) for name, make in present(TTL).items()}}
    return {name: filled(cache, keys) for name, cache in made.items()}


@pytest.mark.parametrize("kind", ["str", "int"])
@pytest.mark.parametrize(
    "what, loop, new, bar",
    [("hit", read, 0, 0.85), ("set existing", write, 0, 0.5), ("set with eviction", write, N, 0.8)],
)
def test_ttl(what: str, loop: Any, new: int, bar: float, kind: str, compare: Compare, benchmark: Any) -> None:
    keys = keys_of(kind, N)
    made = contenders(keys)
    asked = keys_of(kind, 2 * N, N) if new else shuffled(keys)  # each new one is gone when its turn comes
    bars = {"cachebox.TTLCache": bar} if kind == "str" else {}
    put_down(compare, f"{what} with a ttl, {kind}", in_turns(loop, made, asked, 30), bars)
    benchmark.pedantic(loop, (made["ours"], asked), rounds=3)


def test_a_hit_with_a_ttl_beside_one_without(compare: Compare, benchmark: Any) -> None:
    keys = keys_of("str", N)
    made = {"ours": filled(LRUStorage(N, ttl=LIFE), keys), "ours without": filled(LRUStorage(N), keys)}
    put_down(compare, "hit with a ttl", in_turns(read, made, shuffled(keys), 30), {})
    benchmark.pedantic(read, (made["ours"], keys), rounds=3)
