"""Runs the tests of what is written in C with a build of it that watches its own memory and arithmetic.

    python tests/engine/scripts/sanitize.py [arguments for pytest]

The build has AddressSanitizer and UndefinedBehaviorSanitizer in it, and lies in a temporary folder together
with a copy of the package. It needs GCC, and the packages that the tests need. What it finds ends the run.
Leaks are not looked for here: the interpreter itself leaves some at its end, and ``leaks.py`` does that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULES = ["engine/_engine", "stores/_quick"]
FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-O1", "-g"]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror"]


def library(name: str) -> str:
    """Give the path of one of GCC's libraries."""
    done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main(arguments: list[str]) -> int:
    """Build and run; give pytest's status."""
    if shutil.which("gcc") is None:
        print("there is no gcc here")
        return 77
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        for part in ("pystorage", "tests"):
            shutil.copytree(ROOT / part, place / part, ignore=ignored)
        for file in ("setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / file, place)
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        include = f"-I{sysconfig.get_paths()['include']}"
        for module in MODULES:
            source = f"{place}/pystorage/{module}"
            command = ["gcc", "-shared", "-fPIC", *WARNINGS, *FLAGS, include, f"{source}.c"]
            subprocess.run([*command, "-o", f"{source}{suffix}"], check=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": " ".join(library(f"lib{one}.so") for one in ("asan", "ubsan", "stdc++")),
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": str(place),
        }
        environment.pop("PYSTORAGE_PURE", None)
        arguments = [
            "-q",
            "-p",
            "no:cacheprovider",
            *(arguments or ["tests/engine", "tests/stores/test_file_at_once.py"]),
        ]
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, cwd=place, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
