"""What ``import pystorage`` costs beside starting the interpreter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import pystorage
from benchmarks.conftest import Compare

ROUNDS = 60
PLACE = f"import sys; sys.path.insert(0, {str(Path(pystorage.__file__).parents[1])!r})"

VARIANTS = {
    "as usual": [],
    "isolated, -I": ["-I"],
    "without site, -S": ["-S"],
    "isolated and without site, -I -S": ["-I", "-S"],
}


def cpu(options: list[str], statement: str) -> float:
    """Give the CPU seconds of an interpreter that runs a statement: its own, not those of starting it."""
    arguments = [sys.executable, *options, "-c", f"{PLACE}; {statement}"]
    process = os.posix_spawn(sys.executable, arguments, {"PATH": os.environ.get("PATH", "")})
    _, status, usage = os.wait4(process, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(
    not hasattr(os, "posix_spawn"), reason="this system does not tell the CPU time of a child"
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_import(variant: str, compare: Compare) -> None:
    options = VARIANTS[variant]
    times = []
    for turn in range(ROUNDS + 2):
        if turn % 2:
            bare, ours = cpu(options, "pass"), cpu(options, "import pystorage")
        else:
            ours, bare = cpu(options, "import pystorage"), cpu(options, "pass")
        times.append((bare, ours))
    # The first two write bytecode.
    compare.put_down(
        f"import pystorage, {variant}", times[2:], lambda: cpu(options, "import pystorage"), bar=1.25
    )


@pytest.mark.parametrize(
    "statement",
    ["from pystorage import FileStorage", "from pystorage import StorageProvider", "from pystorage import *"],
)
def test_what_is_used_costs_when_it_is_used(statement: str, compare: Compare) -> None:
    times = [(cpu(["-I"], "pass"), cpu(["-I"], statement)) for _ in range(ROUNDS // 3)]
    compare.put_down(f"{statement}, -I", times[2:], lambda: cpu(["-I"], statement))
