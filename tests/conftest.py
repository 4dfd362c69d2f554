"""What holds for all tests."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings

from tests.servers.redis import redis_clock, redis_cluster, redis_guarded, redis_server

__all__ = ["redis_clock", "redis_cluster", "redis_guarded", "redis_server"]

# How long an example takes says more about what else the machine does than about the code; the time limit of
# each whole test stays.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end which servers were missing, and how many tests were left out for it."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if " is missing: " in reason:
            reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"tests left out: {count}, as {reason}")
