"""Laws of streams: values of bytes in pieces, visible when they are whole, of any size."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pystorage.errors import StorageError, UnsupportedOperation
from pystorage.storage import Capability
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.base import (
    AnyStorage,
    Laws,
    Opener,
    holds_bytes,
    holds_text,
    law,
    where_bytes_cannot_be_stored,
    where_processes_fork,
)
from pystorage.testing.parallel import Child, in_background

_MEGABYTE = 1 << 20
_SIZE = 64 * _MEGABYTE
# Of a process that handles 64 MiB: room for buffers and for what is imported on the way, far below the whole.
_ROOM = 16 * _MEGABYTE


class _Oops(Exception):
    """What a test raises inside a stream."""


class NoStreamLaws(Laws):
    """A value that is not bytes is not read as a stream, and a storage without bytes takes none.

    Raises:
        Nothing.
    """

    @law(when=holds_text)
    def test_a_text_is_no_stream(self, storage: AnyStorage) -> None:
        """Reading a value that is not bytes as a stream raises ``UnsupportedOperation``."""
        storage["key"] = self.value(1)
        with pytest.raises(UnsupportedOperation):
            storage.open_read("key")

    @law(when=where_bytes_cannot_be_stored)
    def test_a_stream_is_refused_where_bytes_are(self, storage: AnyStorage) -> None:
        """Writing a stream to a storage that holds no bytes raises one of our errors, and writes nothing."""
        storage["key"] = self.value(1)
        for key in ("key", "new"):
            with pytest.raises(StorageError):
                _write(storage, key, b"bytes")
        assert dict(storage) == {"key": self.value(1)}


class StreamLaws(Laws):
    """``open_read`` and ``open_write`` on a storage that can hold bytes.

    Raises:
        Nothing.
    """

    @law(when=holds_bytes)
    def test_a_stream_is_a_value(self, storage: AnyStorage) -> None:
        """What was written as a stream is read as a value, and the other way round."""
        for value in (value for value in self.values if isinstance(value, bytes)):
            _write(storage, "stream", value)
            assert storage["stream"] == value
            storage["value"] = value
            assert _read(storage, "value") == _read(storage, "stream") == value
        assert sorted(storage) == ["stream", "value"]

    @law(when=holds_bytes)
    def test_a_stream_is_written_in_pieces(self, storage: AnyStorage) -> None:
        """A stream takes bytes, bytearrays and memoryviews, and says how many bytes it took."""
        with storage.open_write("key") as file:
            assert file.writable()
            assert file.write(b"one") == 3
            assert file.write(bytearray(b"two")) == 3
            assert file.write(memoryview(b"three")) == 5
            assert file.write(b"") == 0
            file.writelines([b"four", b"five"])
            file.flush()
        assert storage["key"] == b"onetwothreefourfive"

    @law(when=holds_bytes)
    def test_a_stream_is_read_in_pieces(self, storage: AnyStorage) -> None:
        """A stream gives the bytes asked for, then the rest, then none."""
        storage["key"] = b"one\ntwo\nthree"
        with storage.open_read("key") as file:
            assert file.readable()
            assert file.read(2) == b"on"
            assert file.readline() == b"e\n"
            assert file.read() == b"two\nthree"
            assert file.read() == file.read(5) == b""
        assert file.closed
        with storage.open_read("key") as file:
            assert list(file) == [b"one\n", b"two\n", b"three"]

    @law(when=holds_bytes)
    def test_an_empty_stream(self, storage: AnyStorage) -> None:
        """A stream that nothing was written to is an empty value."""
        with storage.open_write("key"):
            pass
        assert storage["key"] == b""
        assert _read(storage, "key") == b""

    @law(when=holds_bytes)
    def test_an_absent_key_cannot_be_streamed(self, storage: AnyStorage) -> None:
        """Reading an absent key as a stream raises ``KeyError`` at once."""
        with pytest.raises(KeyError) as caught:
            storage.open_read("absent")
        assert caught.value.args == ("absent",)

    @law(when=holds_bytes)
    def test_a_stream_is_invisible_until_its_end(self, storage: AnyStorage) -> None:
        """Until the clean exit a reader sees nothing of a new value, and the old one whole."""
        storage["old"] = b"old"
        for key in ("old", "new"):
            with storage.open_write(key) as file:
                file.write(b"new" * 100_000)
                file.flush()
                assert storage.get("old") in (b"old", b"new" * 100_000)
                assert storage.get(key) == (b"old" if key == "old" else None)
                assert (key in storage) is (key == "old")
                assert len(storage) == len(list(storage)) == 1
            assert storage[key] == b"new" * 100_000

    @law(when=holds_bytes)
    @pytest.mark.parametrize("error", [_Oops, KeyboardInterrupt, KeyError])
    def test_an_exception_inside_writes_nothing(
        self, storage: AnyStorage, place: Path, error: type[BaseException]
    ) -> None:
        """Where the body raises, the error comes through, the old value stands and no file is left behind."""
        storage.update({"old": b"old", "other": b"other"})
        _write(storage, "other", b"streamed")
        before = _files(place)
        for key in ("old", "new"):
            with pytest.raises(error):
                _write(storage, key, b"new" * 100_000, then=error)
        assert dict(storage) == {"old": b"old", "other": b"streamed"}
        assert _files(place) == before

    @law(when=holds_bytes)
    def test_a_reader_is_not_disturbed(self, storage: AnyStorage) -> None:
        """Who reads a stream while it is replaced or deleted reads the old value to its end."""
        changes: list[Callable[[], object]] = [
            lambda: storage.__setitem__("key", b"new"),
            lambda: _write(storage, "key", b"new"),
            lambda: storage.__delitem__("key"),
            storage.clear,
        ]
        old = b"old" * 300_000
        for change in changes:
            storage["key"] = old
            with storage.open_read("key") as file:
                head = file.read(10)
                change()
                assert head + file.read() == old

    @law(when=holds_bytes)
    def test_of_two_writers_the_later_wins(self, storage: AnyStorage) -> None:
        """Two streams to one key do not mix; who leaves last wins."""
        with storage.open_write("key") as first:
            first.write(b"first")
            with storage.open_write("key") as second:
                second.write(b"second" * 1_000)
            assert storage["key"] == b"second" * 1_000
            first.write(b" end")
        assert storage["key"] == b"first end"

    @law(when=holds_bytes)
    def test_values_are_read_whole_while_they_are_replaced(self, storage: AnyStorage) -> None:
        """Readers beside writers always meet one whole value."""
        sizes = [10, 100_000, 1_000]
        wholes = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
        storage["key"] = wholes[0]

        def write() -> None:
            for whole in wholes:
                _write(storage, "key", whole)

        with in_background(write):
            for _ in range(100):
                assert _read(storage, "key") in wholes

    @law(when=holds_bytes, needs=Capability.TTL)
    def test_a_stream_has_a_life(self, storage: AnyStorage, timer: FakeClock) -> None:
        """A stream may be given a ttl; what has expired cannot be read; a reader is not cut off."""
        _write(storage, "key", b"streamed", ttl=10)
        assert storage.ttl("key") == 10
        _write(storage, "plain", b"streamed")
        assert storage.ttl("plain") == self.default_ttl
        with storage.open_read("key") as file:
            timer.advance(10)
            assert file.read() == b"streamed"
        assert "key" not in storage
        with pytest.raises(KeyError):
            storage.open_read("key")

    @law(needs=Capability.STREAM, when=where_processes_fork)
    def test_a_large_stream_takes_little_memory(self, storage: AnyStorage, open_storage: Opener) -> None:
        """64 MiB are written and read back in constant memory."""
        piece = bytes(range(256)) * (_MEGABYTE // 256)

        def handle() -> int:
            mine, before = open_storage(), _peak()
            with mine.open_write("key") as file:
                for _ in range(_SIZE // _MEGABYTE):
                    file.write(piece)
            digest, size = hashlib.blake2b(), 0
            with mine.open_read("key") as file:
                while read := file.read(_MEGABYTE):
                    digest.update(read)
                    size += len(read)
            assert size == _SIZE
            expected = hashlib.blake2b()
            for _ in range(_SIZE // _MEGABYTE):
                expected.update(piece)
            assert digest.digest() == expected.digest()
            return _peak() - before

        with Child(handle) as child:
            assert child.result() < _ROOM


def _write(storage: AnyStorage, key: object, data: bytes, then: Any = None, **options: Any) -> None:
    with storage.open_write(key, **options) as file:
        file.write(data)
        if then is not None:
            raise then


def _read(storage: AnyStorage, key: object) -> bytes:
    file: BinaryIO
    with storage.open_read(key) as file:
        return file.read()


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def _peak() -> int:
    """Give the most memory that this process has had so far, in bytes."""
    import resource  # Windows has none, and does not fork either

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
