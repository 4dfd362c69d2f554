"""``python -m pystorage`` is the ``pystorage`` command."""

from __future__ import annotations

from pystorage.cli import main

if __name__ == "__main__":
    main()
