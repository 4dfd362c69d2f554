"""Traces from files, in the formats that the papers' traces are found in."""

from __future__ import annotations

import csv
import gzip
import struct
from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from pystorage.errors import DecodeError

#: time, object, size, next access
_RECORD: Final = struct.Struct("<IQIq")


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        if stripped := line.decode().strip():
            yield number, stripped


def _keys(file: BinaryIO) -> Iterator[str]:
    for _, line in _lines(file):
        yield line


def _arc(file: BinaryIO) -> Iterator[int]:
    for number, line in _lines(file):
        try:
            start, count = map(int, line.split()[:2])
        except ValueError:
            raise ValueError(
                f"line {number} is {line[:80]!r}: the first block and how many were expected"
            ) from None
        if count < 0:
            raise ValueError(f"line {number} asks for {count} blocks")
        yield from range(start, start + count)


def _lirs(file: BinaryIO) -> Iterator[int]:
    for number, line in _lines(file):
        if line != "*":  # which parts one process from the next
            try:
                yield int(line)
            except ValueError:
                raise ValueError(
                    f"line {number} is {line[:80]!r}: the number of a block, or * was expected"
                ) from None


def _oracle_csv(file: BinaryIO) -> Iterator[str]:
    rows = csv.reader((line.decode() for line in file), skipinitialspace=True)
    for row in rows:
        if not row:
            continue
        if len(row) < 2:
            raise ValueError(f"line {rows.line_num} is {row[0][:80]!r}: time, object, size, … were expected")
        if rows.line_num == 1 and not row[0].strip().lstrip("-").replace(".", "", 1).isdigit():
            continue  # the names of the columns
        yield row[1].strip()


def _oracle(file: BinaryIO) -> Iterator[int]:
    count = 0
    while block := file.read(_RECORD.size * 4096):
        whole = len(block) - len(block) % _RECORD.size
        for _, key, _, _ in _RECORD.iter_unpack(block[:whole]):
            yield key
        count += whole // _RECORD.size
        if whole != len(block):
            raise ValueError(f"record {count + 1} is cut off: each has {_RECORD.size} bytes")


#: The formats by name: a function that gives the keys in a file.
FORMATS: Final[Mapping[str, Callable[[BinaryIO], Iterator[Hashable]]]] = MappingProxyType(
    {"keys": _keys, "arc": _arc, "lirs": _lirs, "oracle": _oracle, "oracle-csv": _oracle_csv}
)

_SUFFIXES: Final = {
    ".lis": "arc",
    ".trc": "lirs",
    ".csv": "oracle-csv",
    ".oraclegeneral": "oracle",
    ".bin": "oracle",
}


def read_trace(path: str | Path, *, format: str | None = None) -> Sequence[Hashable]:
    """Read the keys of a trace.

    ================  ==================  ================================================================
    format            by its suffix       what it holds
    ================  ==================  ================================================================
    ``keys``          any other           one key a line
    ``arc``           ``.lis``            the ARC paper's: first block, how many blocks, and more, a line
    ``lirs``          ``.trc``            the LIRS paper's: the number of a block a line
    ``oracle-csv``    ``.csv``            time, object, size, … a line; names of columns may stand above
    ``oracle``        ``.oracleGeneral``  libCacheSim's records of 24 bytes; also ``.bin``
    ================  ==================  ================================================================

    Args:
        path: The file; one that ends with ``.gz`` is decompressed.
        format: One of these names, or None to go by the suffix.

    Returns:
        The keys in order: numbers, or texts.

    Raises:
        ValueError: There is no such format.
        DecodeError: The file has something else than the format says, or no request; the message says where.
        OSError: The file cannot be read.

    Cost: all keys in memory: 8 bytes each where they are numbers.

    Example:
        >>> _ = Path("blocks.lis").write_text("8 3 0 0\\n2 1 0 1\\n")
        >>> list(read_trace("blocks.lis"))
        [8, 9, 10, 2]
    """
    path = Path(path)
    zipped = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix if zipped else path.suffix
    name = _SUFFIXES.get(suffix.lower(), "keys") if format is None else format
    if name not in FORMATS:
        raise ValueError(f"there is no format {name!r} of traces; there are {', '.join(FORMATS)}")
    if suffix.lower() == ".zst":
        raise DecodeError(f"{path} is compressed with zstd: decompress it first, by zstd -d", key=str(path))
    with (gzip.open if zipped else open)(path, "rb") as file:
        try:
            trace = _compact(FORMATS[name](file))  # type: ignore[arg-type]
        except (ValueError, EOFError, gzip.BadGzipFile, csv.Error, OverflowError) as error:
            raise DecodeError(
                f"{path} was read as a trace in the format {name!r}: {error}. "
                f"Give another format if it has one: {', '.join(FORMATS)}",
                key=str(path),
            ) from error
    if not trace:
        raise DecodeError(
            f"{path} was read as a trace in the format {name!r}: it has no request", key=str(path)
        )
    return trace


def _compact(keys: Iterator[Hashable]) -> Sequence[Hashable]:
    """Number texts by the order in which they come, and keep numbers."""
    numbers: dict[Hashable, int] = {}
    trace = array("Q")
    texts: list[Hashable] = []
    for key in keys:
        if isinstance(key, int):
            trace.append(key)
        else:
            # One object for all requests of a key.
            at = numbers.setdefault(key, len(texts))
            if at == len(texts):
                texts.append(key)
            trace.append(at)
    return trace if not texts else [texts[at] for at in trace]
