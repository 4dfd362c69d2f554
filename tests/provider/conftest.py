from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pystorage.urls import SCHEMES


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder and an empty temporary one, of the test's own."""
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return here


@pytest.fixture(autouse=True)
def _schemes_as_before() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(SCHEMES)
    yield
    SCHEMES.clear()
    SCHEMES.update(before)
