"""The ``pystorage`` command: a tour of the library on real input.

``measure`` counts, ``folder`` owns what is left on disk, ``tour`` and ``scenes`` run, ``show`` prints,
``app`` reads the command line; this file is the door, and needs nothing but the standard library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from pystorage.errors import MissingDependencyError, StorageError

_PACKAGES = frozenset({"click", "platformdirs", "rich"})


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process; an error of a storage is one line, never a traceback.

    Args:
        args: The words after the command's name; None takes those of the process.

    Raises:
        SystemExit: Always. 0 when all went well, 1 after an error, 2 when the words make no sense.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
        pystorage 0.1.0, Python 3.11.7, engine: python
    """
    try:
        _run(args)
    except StorageError as error:
        # One line, whatever the message holds: this is read in logs, too.
        print("pystorage:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def _run(args: Sequence[str] | None) -> None:
    try:
        from pystorage.cli.app import command

        command.main(args)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise MissingDependencyError(
            f"the command line needs {package}, which is not installed: pip install 'pystorage[cli]'"
        ) from error
