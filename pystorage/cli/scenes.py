"""Small scenes of the tour, played for real: what is shown after a line is what the line gave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pystorage


@dataclass(frozen=True, slots=True)
class Scene:
    """A few lines of Python that show one thing.

    Args:
        title: What it is about.
        says: A sentence on what happens.
        lines: The lines, which share their names.

    Raises:
        Nothing.
    """

    title: str
    says: str
    lines: tuple[str, ...]


class Clock:
    """A clock that can be moved on, so that nobody has to wait for an expiry.

    Raises:
        Nothing.

    Example:
        >>> clock = Clock()
        >>> before = clock()
        >>> clock.advance(60)
        >>> clock() - before >= 60
        True
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock on.

        Args:
            seconds: How far.

        Raises:
            Nothing.
        """
        self._ahead += seconds


SCENES = (
    Scene(
        "A dict in a folder of JSON files",
        "One file a key, plain JSON: any program can read it.",
        (
            "notes = JSONStorageService(folder / 'notes')",
            "notes['hello'] = {'text': 'Hello World!'}",
            "notes['hello']['text']",
            "file = folder / 'notes' / 'hello.storage.json'",
            "str(file)",
            "file.read_text()",
        ),
    ),
    Scene(
        "A value that expires",
        "Every storage knows time to live; here the clock is moved, so that nobody has to wait.",
        (
            "tokens = FileStorage(folder / 'tokens', timer=clock)",
            "tokens.set('token', 'a1b2c3', ttl=30)",
            "'token' in tokens",
            "clock.advance(31)",
            "'token' in tokens, len(tokens)",
            "tokens['token']",
        ),
    ),
    Scene(
        "An LRU in memory",
        "Room for three: the least recently used makes room for the fourth.",
        (
            "recent = LRUStorage(3)",
            "recent.update(a=1, b=2, c=3)",
            "recent['a']",
            "recent['d'] = 4",
            "sorted(recent)",
        ),
    ),
    Scene(
        "A storage inside a storage",
        "Expiry around pickle files: what has expired is gone from the disk, too.",
        (
            "files = FileStorage(folder / 'sessions', codec='pickle', timer=clock)",
            "sessions = VolatileStorage(files, expiration=60)",
            "sessions['ann'] = {'visits', 'are', 'sets'}",
            "[file.name for file in (folder / 'sessions').glob('ann*')]",
            "clock.advance(61)",
            "sessions.get('ann')",
            "[file.name for file in (folder / 'sessions').glob('ann*')]",
        ),
    ),
)


def play(scene: Scene, folder: Path) -> Iterator[tuple[str, str | None]]:
    """Run the lines of a scene.

    Args:
        scene: What to run.
        folder: The ``folder`` of its lines.

    Yields:
        Each line with what Python would show after it: a value's ``repr``, the last line of a traceback where
        the key is absent, or None.

    Raises:
        StorageError: A storage cannot do what the line asks.

    Example:
        >>> list(play(Scene("", "", ("x = LRUStorage(1)", "x['a'] = 1", "x['a']", "x['b']")), Path()))[2:]
        [("x['a']", '1'), ("x['b']", "KeyError: 'b'")]
    """
    names: dict[str, object] = {
        name: getattr(pystorage, name)
        for name in ("FileStorage", "JSONStorageService", "LRUStorage", "VolatileStorage")
    }
    names |= {"folder": folder, "clock": Clock()}
    for line in scene.lines:
        yield line, _run(line, names)


def _run(line: str, names: dict[str, object]) -> str | None:
    try:
        code = compile(line, "<tour>", "eval")
    except SyntaxError:
        exec(compile(line, "<tour>", "exec"), names)
        return None
    try:
        value = eval(code, names)
    except KeyError as error:
        return f"KeyError: {error}"
    return None if value is None else repr(value)
