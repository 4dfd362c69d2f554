"""Which laws apply to which storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pystorage.storage import Capability, Storage
from pystorage.testing import FakeClock, StorageConformance, law
from pystorage.testing.laws.base import Laws, Terms, where_some_value_cannot_be_stored
from tests.testing.reference import Plain


class OfPlain(StorageConformance):
    def make_storage(self, place: Path, timer: FakeClock) -> Storage[Any, Any]:
        return Plain(timer)


class OfPlainThatSaysSo(OfPlain):
    capabilities = Plain.capabilities


class OfMore(OfPlainThatSaysSo):
    capabilities = Plain.capabilities | Capability.SHARED
    bad_value = None


class OfItsOwn(OfPlainThatSaysSo):
    def test_processes_lose_nothing(self) -> None:  # type: ignore[override]
        """A law of one's own in the place of one that does not apply."""


def test_all_laws_may_apply_where_nothing_is_said() -> None:
    assert callable(OfPlain.test_processes_lose_nothing)
    assert callable(OfPlain.test_without_add_it_is_refused)
    assert callable(OfPlain.test_a_bad_value_leaves_the_old_one)


def test_a_law_that_cannot_apply_is_not_collected() -> None:
    assert vars(OfPlainThatSaysSo)["test_processes_lose_nothing"] is None
    assert vars(OfPlainThatSaysSo)["test_without_add_it_is_refused"] is None
    assert callable(OfPlainThatSaysSo.test_add)


def test_a_class_further_down_may_declare_more() -> None:
    assert callable(OfMore.test_processes_lose_nothing)
    assert vars(OfMore)["test_a_bad_value_leaves_the_old_one"] is None
    assert callable(OfPlainThatSaysSo.test_a_bad_value_leaves_the_old_one)


def test_a_law_of_ones_own_stays() -> None:
    assert callable(OfItsOwn.test_processes_lose_nothing)


def test_the_reasons() -> None:
    terms = Terms(Capability.ADD | Capability.TTL, Capability.LOCK, where_some_value_cannot_be_stored)
    assert terms.excluded(OfMore, None) == "only where some value cannot be stored"
    assert terms.excluded(OfPlain, None) is None
    assert terms.excluded(OfPlain, Capability.TTL) == "the storage does not declare ADD"
    everything = Capability.ADD | Capability.TTL | Capability.LOCK
    assert terms.excluded(OfPlain, everything) == "the storage declares LOCK"
    assert terms.excluded(OfPlain, Capability.ADD | Capability.TTL) is None


def test_a_storage_must_declare_what_its_test_class_says() -> None:
    with pytest.raises(AssertionError):
        OfMore().test_declares_its_capabilities(Plain(FakeClock()))
    OfPlainThatSaysSo().test_declares_its_capabilities(Plain(FakeClock()))
    OfPlain().test_declares_its_capabilities(Plain(FakeClock()))


def test_a_storage_must_be_made() -> None:
    with pytest.raises(NotImplementedError, match="needs a method make_storage"):
        StorageConformance().make_storage(Path(), FakeClock())


def test_laws_can_be_added() -> None:
    class Mine(Laws):
        capabilities = Capability.ADD

        @law(needs=Capability.ADD)
        def test_add(self) -> None:
            """It adds."""

        @law(needs=Capability.SWAP)
        def test_swap(self) -> None:
            """It swaps."""

    class Inherited(Mine):
        pass

    assert callable(Inherited.test_add)
    assert vars(Inherited)["test_swap"] is None


@pytest.mark.parametrize("value", ["00000003;", b"00000003;", 3, "", "00000003;00000003;", "3;"])
def test_a_number_is_read_from_whole_values_only(value: object) -> None:
    laws = OfPlain()
    if value == laws.value(3):
        assert laws.number_of(value) == 3
    else:
        with pytest.raises(AssertionError):
            laws.number_of(value)


def test_large_values_tell_their_number() -> None:
    laws = OfPlain()
    assert [laws.number_of(laws.large_value(number)) for number in range(30)] == list(range(30))
    assert len({len(laws.large_value(number)) for number in range(30)}) == 20
