"""Deadlines in files: seen by every handle and process, listed by nobody once they are over."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.stores.file import FileStorage
from pystorage.testing import FakeClock
from pystorage.testing.parallel import Child, in_processes
from tests.stores.files import entries, needs_strace, under_strace


def test_deadlines_set_by_another_handle_are_seen(tmp_path: Path) -> None:
    """A handle that was opened, and used, before there were any deadlines hides what expired since."""
    clock = FakeClock()
    mine = FileStorage[str, int](tmp_path, timer=clock)
    mine["stays"] = 1
    assert (len(mine), list(mine)) == (1, ["stays"])
    FileStorage[str, int](tmp_path, timer=clock).set("goes", 2, ttl=10)
    assert (len(mine), sorted(mine)) == (2, ["goes", "stays"])
    clock.advance(10)
    assert (len(mine), list(mine), dict(mine), list(mine.scan(""))) == (1, ["stays"], {"stays": 1}, ["stays"])


def test_deadlines_set_by_another_process_are_seen(tmp_path: Path) -> None:
    """The same among processes, with the real clock, and the one that expires in the middle of it all."""
    mine = FileStorage[str, int](tmp_path)
    mine["stays"] = 1
    assert len(mine) == 1

    def write() -> float:
        storage = FileStorage[str, int](tmp_path)
        storage.set("short", 2, ttl=0.05)
        storage.set("long", 3, ttl=1000)
        return storage.expires_at("short") or 0.0

    with Child(write) as child:
        deadline = child.result()
    while time.time() < deadline:
        assert len(mine) in (2, 3)
    assert sorted(mine) == ["long", "stays"]
    assert "short" not in mine
    with pytest.raises(KeyError):
        mine["short"]
    assert 990 < (mine.ttl("long") or 0) <= 1000
    assert entries(tmp_path) == ["long.storage", "stays.storage"]


def test_what_has_expired_is_gone_for_every_use(tmp_path: Path) -> None:
    """From the deadline on, to the instant, the entry is absent whatever is asked of it."""
    uses: dict[str, Callable[[FileStorage[str, Any]], Any]] = {
        "get": lambda one: one.get("key"),
        "in": lambda one: "key" in one or None,
        "pop": lambda one: one.pop("key", None),
        "get_many": lambda one: one.get_many(["key"]) or None,
        "delete_many": lambda one: one.delete_many(["key"]) or None,
        "touch": lambda one: one.touch("key", 10) or None,
        "swap": lambda one: one.swap("key", b"old", b"new") or None,
        "list": lambda one: list(one) or None,
        "scan": lambda one: list(one.scan("k")) or None,
        "items": lambda one: dict(one) or None,
        "len": lambda one: len(one) or None,
        "bool": lambda one: bool(one) or None,
    }
    failing: dict[str, Callable[[FileStorage[str, Any]], Any]] = {
        "[]": lambda one: one["key"],
        "del": lambda one: one.__delitem__("key"),
        "ttl": lambda one: one.ttl("key"),
        "expires_at": lambda one: one.expires_at("key"),
        "expire": lambda one: one.expire("key", 10),
        "open_read": lambda one: one.open_read("key").close(),
    }
    clock = FakeClock()
    for name in ("key", "k" * 1000):
        storage = FileStorage[str, Any](tmp_path / name[:5], codec="bytes", timer=clock)
        if name == "key":
            for use in uses.values():
                storage.set("key", b"old", ttl=10)
                clock.advance(9.75)
                assert "key" in storage
                clock.advance(0.25)
                assert use(storage) is None
            for use in failing.values():
                storage.set("key", b"old", ttl=10)
                clock.advance(10)
                with pytest.raises(KeyError) as caught:
                    use(storage)
                assert caught.value.args == ("key",)
        storage.set(name, b"old", ttl=10)
        clock.advance(10)
        assert storage.purge() == 1
        storage.set(name, b"old", ttl=10)
        clock.advance(10)
        assert storage.add(name, b"new")
        assert (storage[name], storage.ttl(name)) == (b"new", None)


def test_an_entry_that_was_renewed_is_not_removed(tmp_path: Path) -> None:
    """Who removes an expired entry removes that one only, not what another wrote in its place meanwhile."""
    clock = FakeClock()
    storage = FileStorage[str, bytes](tmp_path, codec="bytes", timer=clock)
    for size in (1, 1000, 100_000):
        old, new = b"a" * size, b"b" * size
        storage.set("key", old, ttl=10)
        expired = storage._folder.read("key")
        assert expired is not None
        for renew in (
            lambda new=new: storage.set("key", new),
            lambda new=new: storage.set("key", new, ttl=20),
            lambda old=old: storage.set("key", old, ttl=20),
        ):
            renew()
            clock.advance(10)
            storage._expire("key", expired)
            assert "key" in storage
        storage._expire("key", storage._folder.read("key") or b"")
        assert "key" not in storage


def test_many_purge_at_once(tmp_path: Path) -> None:
    """Processes that purge, read and write expired keys at the same time agree, and nobody fails."""
    clock = FakeClock()
    storage = FileStorage[str, int](tmp_path, timer=clock)
    for number in range(60):
        storage.set(f"key {number}", number, ttl=10)
    clock.advance(10)

    def work() -> None:
        mine = FileStorage[str, int](tmp_path, timer=clock)
        for number in range(60):
            assert mine.get(f"key {number}") is None or number % 3 == 0
            if number % 3 == 0:
                mine[f"key {number}"] = number
        mine.purge()
        assert len(mine) == 20

    in_processes(*[work] * 3)
    assert dict(storage) == {f"key {number}": number for number in range(0, 60, 3)}
    assert len(entries(tmp_path)) == 20


def test_a_clock_may_give_anything_finite(tmp_path: Path) -> None:
    """Times before the beginning of the clock, and far after it, are deadlines like others."""
    for now in (-1e9, 0.0, 1e18):
        clock = FakeClock(now)
        storage = FileStorage[str, int](tmp_path / str(now), timer=clock)
        storage.set("key", 1, ttl=1e6)
        assert storage.expires_at("key") == now + 1e6
        assert storage["key"] == 1
        clock.now += 1e6
        assert "key" not in storage


@needs_strace
def test_a_folder_without_deadlines_is_listed_without_opening_files(tmp_path: Path) -> None:
    """``len`` and iteration open the folder only, until there is an entry with a deadline."""
    storage = FileStorage[str, int](tmp_path)
    for prefix in ("plain", "not plain "):
        storage.clear()
        storage.update({f"{prefix}{number}": number for number in range(20)})
        assert opens(tmp_path, lambda: len(storage)) == (0, 1)
        assert opens(tmp_path, lambda: [*iter(storage)]) == (0, 1)
    storage.set("not plain 1", 1, ttl=10)
    assert opens(tmp_path, lambda: len(storage)) == (20, 1)
    assert opens(tmp_path, lambda: [*iter(storage)]) == (20, 1)


def opens(place: Path, look: Callable[[], object]) -> tuple[int, int]:
    """How many entries, and how many folders, a look at a place opens."""
    calls = [rest for _, rest in under_strace(place, look, ["openat"]).calls if str(place) in rest]
    return sum('.storage"' in rest for rest in calls), sum("O_DIRECTORY" in rest for rest in calls)
