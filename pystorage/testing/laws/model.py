"""Laws by comparison: with a dict over random histories, and by the tests that CPython has for mappings."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pystorage.testing.laws.base import AnyStorage, Laws
from pystorage.testing.machine import machine_class
from pystorage.testing.mapping_protocol import PROTOCOL, mapping_tests


class ModelLaws(Laws):
    """A storage agrees with a dict, whatever is done to it in whatever order.

    Raises:
        Nothing.
    """

    def test_agrees_with_a_dict(self, storage: AnyStorage) -> None:
        """Random operations on a storage and on a dict give the same results, deadlines included."""
        values = [value for value in type(self).values if len(repr(value)) < 100]
        default_ttl = type(self).default_ttl
        run_state_machine_as_test(
            machine_class(
                self.make_storage,
                values=values,
                default_ttl=default_ttl,
                lists_expired=type(self).lists_expired,
            ),
            settings=settings(
                max_examples=type(self).histories,
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    @pytest.mark.parametrize("name", PROTOCOL)
    def test_passes_cpythons_own_tests(self, storage: AnyStorage, name: str) -> None:
        """The tests that CPython has for mappings pass."""
        values = [self.value(number) for number in range(3)]
        mapping_tests(self.make_storage, values=values)(name).debug()
