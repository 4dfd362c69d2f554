"""ChecksumCodec: finds what was damaged or moved."""

from __future__ import annotations

import pickle

from pystorage.codecs import ChecksumCodec, Codec, JSONCodec, PickleCodec, resolve_codec
from tests.codecs.bound import BoundTests


class TestChecksumCodec(BoundTests):
    mismatch = "its checksum does not match: it is damaged, or was moved from another key, audience or chain"

    def make(self, audience: str = "") -> Codec:
        return ChecksumCodec(audience)


def test_it_has_a_name() -> None:
    assert resolve_codec("json+checksum") == JSONCodec() | ChecksumCodec()


def test_it_costs_17_bytes() -> None:
    assert len(ChecksumCodec().encode(b"value", "key")) == 17 + 5


def test_it_does_not_vouch_for_a_pickle() -> None:
    # Anybody can compute it.
    assert (PickleCodec() | ChecksumCodec()).runs_code


def test_it_is_pickled_with_its_chain() -> None:
    chain = JSONCodec() | ChecksumCodec("app")
    again = pickle.loads(pickle.dumps(chain))
    assert again == chain
    assert again.decode(chain.encode([1], "key"), "key") == [1]


def test_the_repr_shows_an_audience() -> None:
    assert repr(ChecksumCodec()) == "ChecksumCodec()"
    assert repr(ChecksumCodec("app")) == "ChecksumCodec('app')"
    assert ChecksumCodec("a") != ChecksumCodec("b")
