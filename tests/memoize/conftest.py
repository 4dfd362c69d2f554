"""Processes for the tests of several, and the kinds of functions and event loops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.memoize.counting import Counting

LONG = 20.0


class Crew:
    """Processes that wait for something to do."""

    def __init__(self, members: int) -> None:
        jobs, answers = ([os.pipe() for _ in range(members)] for _ in range(2))
        theirs = [each for job, answer in zip(jobs, answers, strict=True) for each in (job[0], answer[1])]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "crew.py"), *map(str, theirs)], pass_fds=theirs
        )
        for each in theirs:
            os.close(each)
        self._jobs = [os.fdopen(job[1], "w") for job in jobs]
        self._answers = [os.fdopen(answer[0]) for answer in answers]

    def run(self, script: str, kind: str, place: Path) -> list[Any]:
        """Run a script in all of them at once, with plain functions or async ones; give what they said."""
        for word in ("async ", "await "):
            script = script.replace(f"[{word.strip()}] ", "" if kind == "plain" else word)
        job = {"place": str(place), "script": script, "members": len(self._jobs), "backend": kind}
        for each in self._jobs:
            print(json.dumps(job), file=each, flush=True)
        said = [json.loads(each.readline()) for each in self._answers]
        return [one[0] if len(one) == 1 else one for one in said]

    def close(self) -> None:
        for each in (*self._jobs, *self._answers):
            each.close()
        self._process.wait(LONG)


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    crew = Crew(5)
    yield crew
    crew.close()


@pytest.fixture(params=["plain", "asyncio", "trio"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns far more often than they do."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)
