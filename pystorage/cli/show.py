"""What the tour prints: plain in a log, coloured in a terminal, and at home in 80 columns."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pystorage.cli import folder, scenes
from pystorage.cli import tour as run
from pystorage.errors import StorageError

_SNIPPET = """\
from pystorage import FileStorage, memoize

@memoize(FileStorage("answers"))
def answer(question):
    return len(question)       # slow, the first time
"""


def tour(place: Path, words: Sequence[str], source: Path | None) -> None:
    """Give the whole tour.

    Args:
        place: An absolute path: the one folder that is written to.
        words: The options that name this place on a command line.
        source: The folder to measure; None is the standard library.

    Raises:
        StorageError: The place cannot be used, or there is nothing to measure.
    """
    screen = Screen()
    root = source.resolve() if source else run.standard_library()
    modules = run.find_modules(root)
    folder.claim(place)

    screen.title("pystorage tour")
    whose = "the files below" if source else f"the standard library of Python {platform.python_version()}"
    screen.say(f"Measuring {len(modules):,} modules: {whose}, tests too, site-packages left out.")
    screen.line(str(root), indent=2)
    first = screen.watch("first pass", modules, place)
    if not first.misses:
        screen.say("Every figure was in the storage: this run is warm from the start.")
    second = screen.watch("second pass", modules, place)
    if first.figures != second.figures:
        raise StorageError(f"a module in {root} changed during the tour; run it again")
    cold = run.remember_cold(place / "runs", root, first)
    _say_summary(screen, run.summarize(second.figures), root)

    for number, scene in enumerate(scenes.SCENES, 1):
        screen.title(f"{number}. {scene.title}")
        screen.say(scene.says)
        screen.session(scenes.play(scene, place))

    screen.title("What it came to")
    again = shlex.join(["pystorage", "tour", *words])
    screen.table(_rows(first, second, cold, folder.usage(place), place, f"{again} --clean"))
    screen.title("What to try next")
    screen.line(f"{again:<30}  # again: warm from the start", indent=2)
    screen.line("pystorage tour --source FOLDER  # your own code instead of Python's", indent=2)
    screen.line(f"{again} --clean", indent=2)
    screen.say("And in a script of yours, which will remember from one run to the next:")
    for line in _SNIPPET.splitlines():
        screen.line(line, indent=2)


def clean(place: Path) -> None:
    """Remove what the tour made, and say what that was.

    Args:
        place: The folder that the tour was given.

    Raises:
        StorageError: No tour made this folder, or something in it cannot be removed.
    """
    screen = Screen()
    removed = folder.clean(place)
    if removed is None:
        screen.line(f"Nothing to remove: there is no {place}")
        return
    screen.line(f"Removed {removed.files:,} files, {_amount(removed.size)}, from {place}")
    if place.exists():
        screen.line("The folder itself stays: the tour did not make it, or it holds something else.")


class Screen:
    """Where the tour prints: standard output, as it is when this is made.

    Raises:
        Nothing.
    """

    def __init__(self) -> None:
        # Paths and values are shown as they are: nothing in them is markup, a number to colour or an emoji.
        self._console = Console(markup=False, highlight=False, emoji=False)

    def title(self, words: str) -> None:
        """Begin a part.

        Args:
            words: Its title.

        Raises:
            Nothing.
        """
        self._console.print()
        self._console.print(self._text(words, "bold cyan"))

    def say(self, words: str) -> None:
        """Print a sentence, folded to the width of the screen.

        Args:
            words: The sentence.

        Raises:
            Nothing.
        """
        self._console.print(self._text(words))

    def line(self, words: str, *, indent: int = 0) -> None:
        """Print a line that is never folded: a path or a command, to be copied.

        Args:
            words: The line.
            indent: The spaces before it.

        Raises:
            Nothing.
        """
        self._console.print(self._text(" " * indent + words, "green"), soft_wrap=True)

    def session(self, lines: Iterable[tuple[str, str | None]]) -> None:
        """Print lines of Python and what each gave, as an interpreter does.

        Args:
            lines: Pairs of a line and what it gave; None is nothing.

        Raises:
            Nothing.
        """
        for line, gave in lines:
            self._console.print(self._text("  >>> ").append_text(self._text(line, "bold")), soft_wrap=True)
            if gave is not None:
                self._console.print(self._text(f"  {gave}", "green"), soft_wrap=True)

    def table(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print a table of two columns.

        Args:
            rows: A name and a value each.

        Raises:
            Nothing.
        """
        table = Table(show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(self._text(name, "bold"), self._text(value))
        self._console.print(table)

    def watch(self, name: str, modules: Sequence[Path], place: Path) -> run.Pass:
        """Measure all modules under a progress bar.

        Args:
            name: What stands before the bar.
            modules: The files.
            place: The tour's folder.

        Returns:
            What the pass gave.

        Raises:
            StorageError: The storage cannot be read or written.
        """
        columns = (
            TextColumn("{task.description:<11}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(name, total=len(modules))
            return run.measure_all(modules, place / "figures", lambda: bar.advance(task))

    def _text(self, words: str, style: str = "") -> Text:
        # A file name may hold what the terminal cannot show, and even what is no text at all.
        encoding = self._console.encoding
        return Text(words.encode(encoding, "backslashreplace").decode(encoding), style)


def _say_summary(screen: Screen, summary: run.Summary, root: Path) -> None:
    screen.say(
        f"They hold {summary.lines:,} lines, {summary.functions:,} functions, {summary.classes:,} classes. "
        f"On average {summary.documented:.0%} of a module's definitions have a docstring. "
        f"Most imported: {', '.join(summary.imports) or 'nothing'}."
    )
    if summary.deepest:
        deepest = Path(summary.deepest_module).relative_to(root)
        screen.say(f"The deepest nesting is {summary.deepest} blocks, in {deepest}.")
    if summary.problems:
        screen.say(
            f"{summary.problems:,} of them this Python cannot parse (most libraries have such test data); "
            "that is remembered, too."
        )


def _rows(
    first: run.Pass, second: run.Pass, cold: run.Cold | None, usage: folder.Usage, place: Path, remove: str
) -> list[tuple[str, str]]:
    modules = f"{len(second.figures):,}"
    if second.unreadable:
        modules += f" (and {second.unreadable:,} that could not be read)"
    rows = [("modules", modules)]
    if cold is None:
        rows.append(("cold", "not known: an earlier run was cut short; --clean, then run again"))
    else:
        when = f" (the run of {cold.when})" if cold.when else ""
        rows.append(("cold", f"{cold.seconds:.3g} seconds{when}"))
    if first.hits:
        came = f"{first.hits:,} hits, {first.misses:,} misses"
        rows.append(("first pass", f"{first.seconds:.3g} seconds, {came}"))
    rows.append(("warm", f"{second.seconds:.3g} seconds"))
    if cold is not None:
        rows.append(("ratio", f"{cold.seconds / second.seconds:,.0f} times as fast from the storage"))
    blocks = f"{_amount(usage.allocated)} of disk blocks"
    return [
        *rows,
        ("hits", f"{second.hits:,} of {len(second.figures):,}"),
        ("on disk", f"{usage.files:,} files, {_amount(usage.size)} ({blocks})"),
        ("lies in", str(place)),
        ("remove with", remove),
    ]


def _amount(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} GB"
