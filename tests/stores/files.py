"""What the tests of FileStorage share: looking at a folder, being somebody else, and strace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from pystorage.testing.parallel import Child, Line

T = TypeVar("T")

_NUMBERS = count()

#: Two users that nobody is, and a group of theirs.
ANN, BOB, TEAM = 61_001, 61_002, 61_100

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can be somebody else"
)


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be listed here")


def own(place: Path | str, suffix: str = "storage") -> Path:
    """The folder of the storage's own files."""
    return Path(place, f"%pystorage.{suffix}.own")


def writing(place: Path | str, suffix: str = "storage") -> list[str]:
    """What lies among the files being written."""
    folder = own(place, suffix) / "temporary"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def entries(place: Path | str) -> list[str]:
    """Everything in a folder and below but the storage's own, as paths."""
    root = Path(place)
    found = (path.relative_to(root) for path in root.rglob("*"))
    return sorted(str(path) for path in found if not path.parts[0].startswith("%pystorage"))


def open_at(path: Path) -> int:
    """How many files this process has open whose paths begin so."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found += os.readlink(f"/proc/self/fd/{number}").startswith(str(path))
    return found


def open_files() -> int:
    """How many files this process has open; found out without opening one."""
    found = 0
    for descriptor in range(1024):
        with suppress(OSError):
            os.fstat(descriptor)
            found += 1
    return found


def becomes(uid: int, groups: Sequence[int] = (), umask: int = 0o022) -> None:
    """Become another user for good, in a child."""
    os.setgroups(list(groups))
    gid = groups[0] if groups else uid
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(umask)


def as_user(uid: int, function: Callable[[], T], groups: Sequence[int] = (), umask: int = 0o022) -> T:
    """Run a function as another user, in a child."""

    def run() -> T:
        becomes(uid, groups, umask)
        return function()

    with Child(run) as child:
        return child.result()


# ---------------------------------------------------------------------- programs under strace


@cache
def why_no_strace() -> str:
    """Why no program can be run under strace here; empty if one can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() and scope.is_file() and scope.read_text().strip() != "0":
        return "strace may only trace what it started itself"
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, timeout=30)
    return "" if done.returncode == 0 else "strace may not trace here"


needs_strace = pytest.mark.skipif(sys.platform != "linux" or bool(why_no_strace()), reason=why_no_strace())


@dataclass
class Traced(Generic[T]):
    """What a function did under strace."""

    result: T | None
    killed: bool
    calls: list[tuple[str, str]]


def under_strace(
    folder: Path, function: Callable[[], T], calls: Iterable[str], injection: str = ""
) -> Traced[T]:
    """Run a function in a child under strace, which tells its system calls and may spoil one of them.

    ``injection`` is what strace takes, as ``rename:error=EIO:when=2``; calls are counted from the beginning.
    """
    log = folder / f"strace {next(_NUMBERS)}"
    with Line() as line:

        def run() -> T:
            # Until strace has been heard of: what comes then is sure to be traced from its very beginning.
            while not line.hear(0.001):
                with suppress(FileNotFoundError):
                    os.rmdir("/no folder/ping")
            return function()

        names = ",".join({*calls, "rmdir"})
        words = ["-qq", "-y", "-s", "300", "-o", str(log), f"-etrace={names}"]
        words += [f"-einject={injection}"] if injection else []
        with Child(run) as child:
            tracer = subprocess.Popen(
                ["strace", *words, "-p", str(child.pid)], stderr=subprocess.PIPE, text=True
            )
            end = time.monotonic() + 30
            while not (log.exists() and "ping" in log.read_text()):
                assert tracer.poll() is None, tracer.communicate()[1]
                assert time.monotonic() < end, "strace does not begin"
                time.sleep(0.002)
            line.say()
            result = None
            try:
                result, killed = child.result(), False
            except AssertionError as error:
                if "killed" not in str(error):
                    raise
                killed = True
            tracer.communicate(timeout=30)
    lines = [one.strip().partition("(") for one in log.read_text().splitlines()]
    made = [
        (name, rest)
        for name, bracket, rest in lines
        if bracket and name.isidentifier() and "ping" not in rest
    ]
    return Traced(result, killed, made)
