"""Traces from files: each format, and what is wrong with a file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from pystorage.errors import DecodeError
from pystorage.lab import read_trace

ORACLE = b"".join(struct.pack("<IQIq", time, key, 100, -1) for time, key in enumerate([7, 2**63, 7]))

FILES = [
    ("trace.txt", b"user:1\nuser 2\n\n  user:1  \n", ["user:1", "user 2", "user:1"]),
    ("no_suffix", "ä\n日\n".encode(), ["ä", "日"]),
    ("windows.txt", b"a\r\nb\r\na\r\n", ["a", "b", "a"]),
    ("P1.lis", b"10 3 0 0\n4 1 0 1\n10 1 0 2\n", [10, 11, 12, 4, 10]),
    ("P1.LIS", b"10 2\n", [10, 11]),
    ("cs.trc", b"5\n*\n6\n5\n", [5, 6, 5]),
    ("a.csv", b"time, object, size, next\n0, x, 10, 2\n1, y, 10, -1\n2, x, 10, -1\n", ["x", "y", "x"]),
    ("b.csv", b"1,17,10,-1\n2,18,10,-1\n", ["17", "18"]),
    ("c.csv", b'0.5,"a,b",1\n', ["a,b"]),
    ("w.oracleGeneral", ORACLE, [7, 2**63, 7]),
    ("w.oracleGeneral.bin", ORACLE, [7, 2**63, 7]),
]


@pytest.mark.parametrize("name, data, keys", FILES)
@pytest.mark.parametrize("zipped", [False, True])
def test_formats(name: str, data: bytes, keys: list[object], zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(data) if zipped else data)
    assert list(read_trace(path)) == list(read_trace(str(path))) == keys


def test_the_format_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    path.write_text("1 2\n")
    assert list(read_trace(path, format="arc")) == [1, 2]
    assert list(read_trace(path)) == ["1 2"]


def test_many_records(tmp_path: Path) -> None:
    path = tmp_path / "many.oracleGeneral"
    path.write_bytes(b"".join(struct.pack("<IQIq", 0, key, 1, -1) for key in range(10_000)))
    assert list(read_trace(path)) == list(range(10_000))


@pytest.mark.parametrize(
    "name, data, says",
    [
        ("a.lis", b"1 2 0 0\nx y\n", "line 2 is 'x y'"),
        ("a.lis", b"1\n", "line 1 is '1'"),
        ("a.lis", b"1 -2\n", "line 1 asks for -2 blocks"),
        ("a.trc", b"1\n\nb\n", "line 3 is 'b'"),
        ("a.trc", b"-1\n", "trace in the format 'lirs'"),
        ("a.csv", b"t,o\n5\n", "line 2 is '5'"),
        ("a.oracleGeneral", ORACLE[:-1], "record 3 is cut off"),
        ("a.txt", b"\xff\xfe\n", "can't decode"),
        ("a.txt", b"\n\n", "has no request"),
        ("a.csv", b"time,object\n", "has no request"),
        ("a.txt.gz", b"no gzip", "gzip"),
        ("a.txt.gz", gzip.compress(b"abc\n" * 1000)[:-9], "ended before"),
        ("a.oracleGeneral.zst", b"", "zstd -d"),
    ],
)
def test_what_is_wrong_is_said(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=says) as caught:
        read_trace(path)
    assert str(path) in str(caught.value)
    assert caught.value.key == str(path)


def test_unknown_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no format 'arcs'.* keys, arc, lirs"):
        read_trace(tmp_path / "x", format="arcs")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_trace(tmp_path / "absent")
