from __future__ import annotations

import shelve
from collections.abc import Iterator
from pathlib import Path

import pytest

from pystorage import MemoryStorage
from pystorage.testing import FakeClock
from tests.wrappers.inners import FOREIGN, Mapping


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=FOREIGN)
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping]:
    mapping = FOREIGN[request.param](tmp_path)
    yield mapping
    if isinstance(mapping, shelve.Shelf):
        mapping.close()


@pytest.fixture(params=["native", *FOREIGN])
def inner(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Mapping]:
    mapping = MemoryStorage(timer=clock) if request.param == "native" else FOREIGN[request.param](tmp_path)
    yield mapping
    if isinstance(mapping, shelve.Shelf):
        mapping.close()
