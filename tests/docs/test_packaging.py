"""What an installation says of itself is true."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pystorage

ROOT = Path(__file__).parents[2]
PACKAGE = Path(pystorage.__file__).parent
EXTRA = re.compile(r"pystorage\[([\w,]+)\]")


def test_the_version_stands_in_one_place() -> None:
    said = re.findall(r"^version = (.+)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    assert said == [pystorage.__version__]


def test_the_core_needs_nothing() -> None:
    assert [need for need in distribution("pystorage").requires or [] if "extra ==" not in need] == []


def test_every_extra_that_is_named_exists() -> None:
    extras = set(distribution("pystorage").metadata.get_all("Provides-Extra") or [])
    named = {
        extra
        for path in (*PACKAGE.rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for extras_there in EXTRA.findall(path.read_text(encoding="utf-8"))
        for extra in extras_there.split(",")
    }
    assert named
    assert named <= extras


def test_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
