"""Each test here runs on every implementation of the engine that is there."""

from __future__ import annotations

import pytest

from pystorage.testing import FakeClock
from tests.engine.implementations import CACHES, on
from tests.engine.whole import Implementation


@pytest.fixture(params=sorted(CACHES))
def memory(request: pytest.FixtureRequest) -> Implementation:
    """The storages in memory, on one implementation of the engine."""
    return on(request.param)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that is moved by hand."""
    return FakeClock()
