"""Streams of values in a database: in memory while they are small, in a file beside it from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pystorage.stores._disk import write_all
from pystorage.stores._encoded import RawWriter
from pystorage.stores._own import NewFile
from pystorage.stores._valuefiles import ValueFiles


class ValueWriter(RawWriter):
    """Takes the bytes of one value.

    Args:
        files: Where large ones lie.
        large: The most bytes that are kept in memory.
        grown: Called with the size so far, to refuse what is too much.
        failed: Called when a file cannot be written, to raise what that is to the caller.

    Raises:
        Nothing.
    """

    def __init__(
        self,
        files: ValueFiles,
        large: int,
        grown: Callable[[int], object],
        failed: Callable[[OSError], Any],
    ) -> None:
        self._files = files
        self._large = large
        self._grown = grown
        self._failed = failed
        self._discarded = False
        self.size = 0
        self.held = bytearray()
        self.file: NewFile | None = None

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            size = view.nbytes
            if self._discarded:
                return size
            self._grown(self.size + size)
            if self.file is None and self.size + size <= self._large:
                self.held += view
            else:
                self._put(view.cast("B"))
            self.size += size
        return size

    def _put(self, view: memoryview) -> None:
        try:
            if self.file is None:
                self.file = self._files.new()
                held, self.held = self.held, bytearray()
                self._write(memoryview(held))
            self._write(view)
        except OSError as error:
            self._failed(error)

    def _write(self, view: memoryview) -> None:
        assert self.file is not None
        write_all(self.file.descriptor, view)

    def discard(self) -> None:
        """Drop all of it, and what is still to be written.

        Raises:
            Nothing.
        """
        self._discarded = True
        if self.file is not None:
            self.file.discard()
