"""reencode beside others that write, and killed at any moment."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from pystorage import FileStorage
from pystorage.codecs import Codec, JSONCodec, SignedCodec, header, reencode
from pystorage.errors import IntegrityError
from pystorage.testing.parallel import FORKS, Child, Line, in_background, in_threads
from tests.codecs.shelf import Shelf

OLD, NEW = b"o" * 32, b"n" * 32

OLD_KEY = JSONCodec() | SignedCodec({"old": OLD}, "app")
BOTH_KEYS = JSONCodec() | SignedCodec({"new": NEW, "old": OLD}, "app")
NEW_KEY = JSONCodec() | SignedCodec({"new": NEW}, "app")


def files(path: Path, codec: Codec | str) -> FileStorage[Any, Any]:
    return FileStorage(path, codec=codec)


def test_what_somebody_writes_meanwhile_is_reencoded_instead() -> None:
    data = {"a": OLD_KEY.encode(1, "a")}
    storage = Shelf(OLD_KEY, data)
    written = iter([2, 3])

    def write(name: str) -> None:
        for value in written:
            data["a"] = OLD_KEY.encode(value, "a")
            return

    storage.meanwhile = write
    assert reencode(storage, OLD_KEY, NEW_KEY) == 1
    assert storage.writes == 3
    assert NEW_KEY.decode(data["a"], "a") == 3


def test_what_somebody_reencodes_meanwhile_is_left_alone() -> None:
    data = {"a": OLD_KEY.encode(1, "a")}
    storage = Shelf(OLD_KEY, data)
    storage.meanwhile = lambda name: data.update(a=NEW_KEY.encode(2, "a"))
    assert reencode(storage, OLD_KEY, NEW_KEY) == 0
    assert data == {"a": NEW_KEY.encode(2, "a")}


def test_what_somebody_deletes_meanwhile_stays_deleted() -> None:
    data = {"a": OLD_KEY.encode(1, "a"), "b": OLD_KEY.encode(2, "b")}
    storage = Shelf(OLD_KEY, data)
    storage.meanwhile = lambda name: data.pop("a", None)
    assert reencode(storage, OLD_KEY, NEW_KEY) == 1
    assert data == {"b": NEW_KEY.encode(2, "b")}


def test_what_somebody_makes_expire_meanwhile_is_left_out() -> None:
    data: dict[str, bytes] = {}
    storage = Shelf(OLD_KEY, data)
    storage.set("a", 1, ttl=5)
    clock: Any = storage.timer

    def expire(name: str) -> None:
        data["a"] += b""
        clock.advance(5)

    places = storage._places
    storage._places = lambda: [expire("a"), places()][1]  # type: ignore[method-assign, func-returns-value, return-value]
    assert reencode(storage, OLD_KEY, NEW_KEY) == 0
    assert data == {}


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    storage = files(tmp_path, BOTH_KEYS)
    old = files(tmp_path, OLD_KEY)
    old.update({f"key {number}": 0 for number in range(20)})
    counted = [0] * 20

    def write() -> None:
        for number in range(20):
            counted[number] = storage.incr(f"key {number}")

    with in_background(write):
        for _ in range(10):
            reencode(files(tmp_path, BOTH_KEYS), OLD_KEY, BOTH_KEYS)
    reencode(files(tmp_path, BOTH_KEYS), OLD_KEY, BOTH_KEYS)
    assert dict(files(tmp_path, NEW_KEY)) == {f"key {number}": counted[number] for number in range(20)}
    assert min(counted) > 1


def test_two_at_the_same_time_do_the_work_once(tmp_path: Path) -> None:
    files(tmp_path, OLD_KEY).update({f"key {number}": number for number in range(100)})
    done = in_threads(*[lambda: reencode(files(tmp_path, NEW_KEY), OLD_KEY, NEW_KEY)] * 3)
    assert sum(done) == 100
    assert dict(files(tmp_path, NEW_KEY)) == {f"key {number}": number for number in range(100)}


@pytest.mark.skipif(not FORKS, reason="processes are forked here to be killed")
def test_killed_at_any_moment_nothing_is_lost_and_it_goes_on(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    values = {**{f"key {number}": [number] * 10 for number in range(60)}, "x" * 3000: ["long"]}
    files(tmp_path, OLD_KEY).update(values)
    files(tmp_path, OLD_KEY).set("lives", ["for a while"], ttl=1e9)
    values["lives"] = ["for a while"]
    now, then = OLD_KEY, NEW_KEY
    killed_midway = resumed = 0
    for _ in range(40):
        with Line() as line:

            def work(before: Codec = now, after: Codec = then, line: Line = line) -> None:
                line.say()
                reencode(files(tmp_path, after), before, after)

            with Child(work) as child:
                assert line.hear()
                end = time.perf_counter() + chance.random() / 60
                while time.perf_counter() < end:
                    pass
                child.kill()
        both = files(tmp_path, BOTH_KEYS)
        assert dict(both) == values
        assert both.ttl("lives") is not None
        written = sum(_reads(then, path, both) for path in tmp_path.glob("*.storage"))
        if 0 < written < len(values):
            killed_midway += 1
            resumed += reencode(both, now, then) == len(values) - written
        else:
            reencode(both, now, then)
        assert dict(files(tmp_path, then)) == values
        now, then = then, now
    assert killed_midway >= 5
    assert resumed == killed_midway


def _reads(codec: Codec, path: Path, storage: FileStorage[Any, Any]) -> bool:
    head, body = header.unpack(path.read_bytes())
    try:
        codec.decode(body, head.name or path.name.removesuffix(".storage"))
    except IntegrityError:
        return False
    return True
