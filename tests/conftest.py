"""What holds for all tests."""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.servers.redis import GuardedServer, RedisClusterServers, RedisServer, TurnedServer
    from tests.servers.s3 import S3Server

# How long an example takes says more about what else the machine does than about the code; the time limit of
# each whole test stays.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For a run that comes after another: what the code does was looked for there, and here is whether it does it
# on this Python, too. Tests that name a number of examples keep it.
settings.register_profile("again", parent=settings.get_profile("patient"), max_examples=25)
settings.load_profile("patient")


def _set_aside() -> None:
    """Have the garbage collector look no more at what lives now.

    Tens of thousands of tests and their reports are millions of objects, which live to the end. Looking
    through them whenever a test or Python itself collects would take longer than the tests.
    """
    with warnings.catch_warnings():
        # Whose socket it was cannot be told here. What is to leave nothing open has tests that look for it.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Set the tests aside."""
    _set_aside()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Set the reports on a file's tests aside, too."""
    if nextitem is None or nextitem.path != item.path:
        _set_aside()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end which servers were missing, and how many tests were left out for it."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if " is missing: " in reason:
            reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"tests left out: {count}, as {reason}")


# Servers that many tests share, each with a prefix of its own. What starts them is imported when it is
# needed, so that tests of other things need no client of theirs.


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server."""
    from tests.servers.redis import redis_at

    with redis_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnedServer]:
    """A server whose clock stands still until a test turns it."""
    from tests.servers.redis import turned_at

    with turned_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedServer]:
    """A server with TLS; Ann may do all with keys below ``ann:``, Bob may read them."""
    from tests.servers.redis import guarded_at

    with guarded_at(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisClusterServers]:
    """A cluster, for tests that leave it well."""
    from tests.servers.redis import cluster_at

    with cluster_at(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server of S3, with its credentials in the environment."""
    from tests.servers.s3 import shared

    with shared() as server, server.environment():
        yield server


@pytest.fixture(scope="session")
def s3_client(s3_server: S3Server) -> Iterator[Any]:
    """A client of that server."""
    client = s3_server.client(attempts=2)
    yield client
    client.close()


# -------------------------------------------------------------------- what need not run on each Python

#: Tests of what disks, servers and other processes do, of other packages, and of the source itself: a second
#: Python shows nothing new there.
_OF_THE_WORLD = (
    *("architecture", "benchmarks", "lab", "stores", "testing"),
    *("aio/test_databases.py", "aio/test_objects.py", "aio/test_redis.py", "aio/test_redis_connections.py"),
    *(f"conformance/test_{name}.py" for name in ("codecs", "diskcache", "disklru", "filesystem")),
    *(f"conformance/test_{name}.py" for name in ("lmdb", "redis", "s3", "services")),
    *(f"memoize/test_{name}.py" for name in ("crowd", "leases", "libraries", "processes")),
)


#: Where most processes are begun. These tests come first, while this process is small: the system copies its
#: page tables for each child, and the pages that either writes to.
_EARLY = ("stores", "conformance", "testing", "storage")


def _name_of(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).as_posix()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let the files alone of which no test would be left: to read them takes as long as many tests."""
    without = config.option.markexpr == "not world"
    return True if without and _name_of(collection_path).startswith(_OF_THE_WORLD) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that one Python is enough for, and order all of them."""
    for item in items:
        if _name_of(item.path).startswith(_OF_THE_WORLD):
            item.add_marker("world")
    places = {folder: place for place, folder in enumerate(_EARLY)}
    items.sort(key=lambda item: places.get(_name_of(item.path).partition("/")[0], len(_EARLY)))
