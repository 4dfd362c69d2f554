"""Servers whose clock tests can turn, and the clock of tests that turns it."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from typing import ClassVar

from pystorage.testing import FakeClock
from pystorage.testing.servers import require

_SOURCE = Path(__file__).with_name("clock.c")
_MICROSECONDS = struct.Struct("=q")


class ServerClock:
    """The clock of a server, by a library that is loaded before it.

    Args:
        folder: For the library, and the file that it reads the time from.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        require("a server whose clock can be turned", None if compiler else "there is no C compiler")
        library, file = folder / "clock.so", folder / "clock"
        command = [str(compiler), "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        file.write_bytes(_MICROSECONDS.pack(0))
        with file.open("r+b") as opened:
            self._told = mmap.mmap(opened.fileno(), _MICROSECONDS.size)
        self.env = {"LD_PRELOAD": str(library), "PYSTORAGE_TEST_CLOCK": str(file)}
        self.set(FakeClock()())

    def set(self, seconds: float) -> None:
        """Tell the server the time, for it and for processes that were forked from this one."""
        self._told[:] = _MICROSECONDS.pack(round(seconds * 1e6))

    def follow(self, timer: FakeClock) -> None:
        """Let the server's clock go with a clock of a test, from now on."""
        if type(timer) is FakeClock:
            timer.__class__ = _Turning
        assert isinstance(timer, _Turning)
        _Turning.server = self
        self.set(timer.now)


class _Turning(FakeClock):
    """A clock that turns a server's with itself."""

    __slots__ = ()

    server: ClassVar[ServerClock]

    def __setattr__(self, name: str, value: float) -> None:
        super().__setattr__(name, value)
        if name == "now":
            self.server.set(value)
