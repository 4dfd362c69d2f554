"""Values that are encoded while they are written, into a raw file that can be told to drop them."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, cast

from pystorage.codecs import Codec

_BUFFER: Final = 1 << 17


class RawWriter(io.RawIOBase):
    """What an encoded value is written to.

    Raises:
        Nothing.
    """

    def writable(self) -> bool:
        return True

    def finish(self) -> None:
        """Complete what was written.

        Raises:
            UnavailableError: It cannot be written.
        """

    @abstractmethod
    def discard(self) -> None:
        """Drop what is still to be written.

        Raises:
            Nothing.
        """


@contextmanager
def encoded(raw: RawWriter, codec: Codec) -> Iterator[BinaryIO]:
    """Give a file that is encoded into a raw one; left by an exception, nothing more is written.

    Args:
        raw: The raw file.
        codec: How its value becomes bytes.

    Yields:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    buffer = io.BufferedWriter(raw, _BUFFER)
    file = codec.writer(cast(BinaryIO, buffer))
    try:
        yield file
        file.close()
        if not buffer.closed:
            buffer.flush()
        raw.finish()
    except BaseException:
        raw.discard()  # so that closing what is above it writes nothing more
        file.close()
        buffer.close()
        raise
