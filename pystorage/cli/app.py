"""The command line, read by click."""

from __future__ import annotations

import platform
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _option, wanted: _show_version(context) if wanted else None,
    help="Show the version, the Python and the engine in use.",
)
def command() -> None:
    """One dict for every cache."""


@command.command()
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    help="Where the tour may write; nothing is written elsewhere. [default: your cache folder]",
)
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Measure the Python files below this folder. [default: Python's standard library]",
)
@click.option("--clean", is_flag=True, help="Remove everything that the tour made, and stop.")
def tour(path: Path | None, source: Path | None, clean: bool) -> None:
    """Measure a thousand modules twice, the second time from a storage, and see what storages do.

    Takes under a minute. Run it again: it is warm from the start.
    """
    from pystorage.cli import show

    place = Path.cwd() / path if path else default_path()
    # The words that name this place again, for the commands which the tour suggests.
    words = [] if path is None else ["--path", str(place)]
    if clean:
        show.clean(place)
    else:
        show.tour(place, words, source)


def default_path() -> Path:
    """Say where the tour writes unless it is told.

    Returns:
        ``pystorage/tour`` in the cache folder of this user on this system.

    Raises:
        ModuleNotFoundError: platformdirs is not installed.
    """
    from platformdirs import user_cache_path

    return user_cache_path("pystorage", appauthor=False) / "tour"


def _show_version(context: click.Context) -> None:
    import pystorage
    from pystorage import engine

    python = platform.python_version()
    click.echo(f"pystorage {pystorage.__version__}, Python {python}, engine: {engine.IMPLEMENTATION}")
    context.exit()
