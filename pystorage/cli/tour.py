"""The run of the tour: find the modules, measure them through a storage, twice, and say what came of it."""

from __future__ import annotations

import os
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pystorage import FileStorage, memoize
from pystorage.cli import measure
from pystorage.cli.measure import Figures
from pystorage.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over all modules: how long it took, and where the figures came from.

    Args:
        seconds: How long it took.
        hits: The modules whose figures were in the storage.
        misses: Those that were measured.
        unreadable: Files that could not be read, and have no figures.
        figures: The figures of each file, by its path.

    Raises:
        Nothing.
    """

    seconds: float
    hits: int
    misses: int
    unreadable: int
    figures: dict[str, Figures]


@dataclass(frozen=True, slots=True)
class Cold:
    """How long a pass took that found nothing in the storage.

    Args:
        seconds: How long it took.
        when: When it was, for people; None in this run.

    Raises:
        Nothing.
    """

    seconds: float
    when: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the figures of all modules say together.

    Args:
        lines: All lines.
        functions: All functions, methods too.
        classes: All classes.
        documented: The mean share of definitions with a docstring, 0.0 to 1.0.
        deepest: How many blocks are inside one another at most.
        deepest_module: The path of the module where that is; empty where there is none.
        imports: The packages that most modules import, those first.
        problems: The modules that this Python cannot parse.

    Raises:
        Nothing.
    """

    lines: int
    functions: int
    classes: int
    documented: float
    deepest: int
    deepest_module: str
    imports: tuple[str, ...]
    problems: int


def standard_library() -> Path:
    """Find the standard library of the running interpreter.

    Returns:
        Its folder.

    Raises:
        Nothing.
    """
    return Path(sysconfig.get_path("stdlib"))


def find_modules(root: Path) -> list[Path]:
    """Find every Python file that can be imported from a folder.

    Folders whose name no import statement can spell are passed over: ``site-packages`` and ``dist-packages``,
    which are not the standard library's, and the likes of ``lib-dynload``; so is ``__pycache__``.

    Args:
        root: Where to look, in the folders below it too.

    Returns:
        Their paths, sorted.

    Raises:
        UnavailableError: There is none.

    Example:
        >>> names = {module.name for module in find_modules(standard_library())}
        >>> "argparse.py" in names
        True
    """
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        found.extend(Path(folder, name) for name in names if name.endswith(".py"))
    if not found:
        raise UnavailableError(f"found no Python files in {root}; name a folder of some with --source")
    return sorted(found)


def figures_of(path: str, size: int, mtime_ns: int) -> Figures:
    """Measure one file; what makes an answer stale is an argument, and so a part of what it is known by.

    Args:
        path: The file.
        size: Its length in bytes.
        mtime_ns: When it was changed, in nanoseconds.

    Returns:
        Its figures.

    Raises:
        OSError: The file cannot be read.
    """
    return measure.measure(Path(path).read_bytes())


def measure_all(modules: Sequence[Path], folder: Path, tick: Callable[[], None]) -> Pass:
    """Get the figures of every module from a storage, which measures those that it does not have.

    The storage is opened anew, as another process would: nothing is remembered from one pass to the next but
    what lies on disk.

    Args:
        modules: The files.
        folder: Where the storage keeps the figures.
        tick: Called after each module.

    Returns:
        The figures and what they cost.

    Raises:
        StorageError: The storage cannot be read or written.
    """
    figures: dict[str, Figures] = {}
    unreadable = 0
    with FileStorage[str, Figures](folder) as storage:
        remembered = memoize(storage, version=measure.VERSION)(figures_of)
        begin = time.perf_counter()
        for module in modules:
            try:
                status = module.stat()
                found = remembered(str(module), status.st_size, status.st_mtime_ns)
            except UnavailableError:
                # An OSError too, but of the storage's own.
                raise
            except OSError:
                unreadable += 1
            else:
                figures[str(module)] = found
            tick()
        seconds = time.perf_counter() - begin
        hits = remembered.cache_info().hits
    return Pass(seconds, hits, len(figures) - hits, unreadable, figures)


def remember_cold(folder: Path, root: Path, first: Pass) -> Cold | None:
    """Keep how long a cold pass took, for the runs that will not have one.

    Args:
        folder: Where earlier runs are kept.
        root: What was measured.
        first: The first pass of this run.

    Returns:
        This pass where it was cold, else the last cold one of the same root; None where there is no such.

    Raises:
        StorageError: The storage cannot be read or written.
    """
    with FileStorage[str, dict[str, Any]](folder) as runs:
        if not first.hits:
            runs[str(root)] = {"seconds": first.seconds, "when": f"{datetime.now():%Y-%m-%d %H:%M}"}
            return Cold(first.seconds, None)
        earlier = runs.get(str(root))
    return Cold(earlier["seconds"], earlier["when"]) if earlier else None


def summarize(figures: Mapping[str, Figures]) -> Summary:
    """Add up the figures of many modules.

    Args:
        figures: What each file holds, by its path.

    Returns:
        The sums, and where the deepest nesting is.

    Raises:
        Nothing.
    """
    parsed = {path: found for path, found in figures.items() if found["problem"] is None}
    deepest = max(parsed, key=lambda path: parsed[path]["deepest"], default=None)
    imported = Counter(name for found in parsed.values() for name in found["imports"])
    return Summary(
        lines=sum(found["lines"] for found in figures.values()),
        functions=sum(found["functions"] for found in parsed.values()),
        classes=sum(found["classes"] for found in parsed.values()),
        documented=sum(found["documented"] for found in parsed.values()) / max(len(parsed), 1),
        deepest=parsed[deepest]["deepest"] if deepest else 0,
        deepest_module=deepest or "",
        imports=tuple(name for name, _ in imported.most_common(5)),
        problems=len(figures) - len(parsed),
    )
