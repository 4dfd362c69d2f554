"""What an import of the package brings along."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pystorage

#: Written for the interpreter alone: no site, so nothing is imported before that the package might need.
_REPORT = """
import sys
sys.path.append({path!r})
before = set(sys.modules)
{statement}
after = set(sys.modules) - before
import json
print(json.dumps(sorted(after)))
"""


def imported_by(statement: str) -> set[str]:
    code = _REPORT.format(path=str(Path(pystorage.__file__).parents[1]), statement=statement)
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(said.stdout))


def test_the_package_alone_imports_next_to_nothing() -> None:
    found = imported_by("import pystorage")
    assert "pystorage" in found
    assert found <= {"pystorage", "__future__"}


def test_all_public_names_need_the_standard_library_only() -> None:
    found = {name.partition(".")[0] for name in imported_by("from pystorage import *")}
    assert found - sys.stdlib_module_names == {"pystorage"}
