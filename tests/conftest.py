"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.servers.redis import redis_clock, redis_cluster, redis_guarded, redis_server

__all__ = ["redis_clock", "redis_cluster", "redis_guarded", "redis_server"]

# How long an example takes says more about what else the machine does than about the code; the time limit of
# each whole test stays.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
