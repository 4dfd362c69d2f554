"""What every codec does that binds bytes to key, audience and chain; the ones with keys do some more."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pystorage import FileStorage
from pystorage.codecs import (
    BytesCodec,
    ChainCodec,
    Codec,
    GzipCodec,
    JSONCodec,
    PickleCodec,
    TextCodec,
    VersionedCodec,
    ZlibCodec,
)
from pystorage.errors import DecodeError, EncodeError, IntegrityError
from pystorage.testing.parallel import in_threads
from tests.codecs.secrets_hidden import assert_hidden, fails_and_hides

NAMES = ["key", "", "a/b", "%i1", "x" * 5000, "é", "a\ud800"]
VALUES = [b"", b"a", b"\0", b"value", bytes(range(256)), b"long" * 20_000]


class BoundTests:
    """Inherited by the tests of each codec; ``make`` gives one."""

    #: What the message of an ``IntegrityError`` says of bytes that were changed.
    mismatch: ClassVar[str]

    def make(self, audience: str = "") -> Codec:
        raise NotImplementedError

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    @pytest.mark.parametrize("value", VALUES, ids=len)
    def test_what_is_written_is_read(self, value: bytes, name: str) -> None:
        assert self.make().decode(self.make().encode(value, name), name) == value

    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    def test_other_kinds_of_bytes_come_back_as_bytes(self, kind: Callable[[bytes], Any]) -> None:
        found = self.make().decode(self.make().encode(kind(b"value"), "key"), "key")
        assert (type(found), found) == (bytes, b"value")

    @pytest.mark.parametrize("value", ["text", 1, None, [1]])
    def test_what_is_no_bytes_is_refused(self, value: Any) -> None:
        with pytest.raises(EncodeError, match="must be bytes here, not"):
            self.make().encode(value, "key")

    @pytest.mark.parametrize("other", ["keys", "Key", "ke", "", "key\0", "\udcffkey"], ids=ascii)
    def test_bytes_moved_to_another_key(self, other: str) -> None:
        data = self.make().encode(b"value", "key")
        with pytest.raises(IntegrityError, match=self.mismatch):
            self.make().decode(data, other)

    def test_bytes_moved_between_a_name_and_the_value(self) -> None:
        # The boundary between the name and what follows it is bound as well.
        data = self.make().encode(b"bvalue", "a")
        with pytest.raises(IntegrityError, match=self.mismatch):
            self.make().decode(data[:-6] + data[-5:], "ab")

    @pytest.mark.parametrize(("mine", "theirs"), [("", "app"), ("app", ""), ("app", "apps"), ("a", "b")])
    def test_bytes_moved_to_another_audience(self, mine: str, theirs: str) -> None:
        data = self.make(theirs).encode(b"value", "key")
        with pytest.raises(IntegrityError, match=self.mismatch):
            self.make(mine).decode(data, "key")

    @pytest.mark.parametrize(
        ("mine", "theirs"),
        [
            ([JSONCodec()], [TextCodec()]),
            ([BytesCodec()], []),
            ([BytesCodec(), GzipCodec()], [BytesCodec()]),
            ([BytesCodec(), GzipCodec()], [BytesCodec(), ZlibCodec()]),
            ([BytesCodec(), GzipCodec(), ZlibCodec()], [BytesCodec(), ZlibCodec(), GzipCodec()]),
            ([JSONCodec()], [VersionedCodec(JSONCodec(), 1)]),
            ([JSONCodec()], [PickleCodec()]),
        ],
        ids=repr,
    )
    def test_bytes_moved_to_another_chain(self, mine: list[Codec], theirs: list[Codec]) -> None:
        reading = ChainCodec(*mine, self.make())
        for value in ("5", b"5"):
            try:
                data = ChainCodec(*theirs, self.make()).encode(value, "key")
            except EncodeError:
                continue
            with pytest.raises(IntegrityError, match=self.mismatch):
                reading.decode(data, "key")

    @pytest.mark.parametrize(
        ("mine", "theirs"),
        [
            (GzipCodec(9), GzipCodec(1)),
            (GzipCodec(max_size=10_000), GzipCodec()),
            (PickleCodec(allow=[]), PickleCodec(3)),
            (VersionedCodec(BytesCodec(), 2, {1: bytes}), VersionedCodec(BytesCodec(), 1)),
        ],
        ids=repr,
    )
    def test_settings_that_read_one_another_are_one_chain(self, mine: Codec, theirs: Codec) -> None:
        data = (theirs | self.make()).encode(b"value", "key")
        assert (mine | self.make()).decode(data, "key") == b"value"

    def test_the_same_codec_twice_in_a_chain_is_bound_twice(self) -> None:
        chain = BytesCodec() | self.make() | self.make()
        data = chain.encode(b"value", "key")
        assert chain.decode(data, "key") == b"value"
        with pytest.raises(IntegrityError):
            (BytesCodec() | self.make()).decode(data, "key")

    def test_a_codec_in_one_chain_is_not_changed_by_another(self) -> None:
        codec = self.make()
        first, second = JSONCodec() | codec, TextCodec() | codec
        assert first.decode(first.encode("a", "key"), "key") == "a"
        assert second.decode(second.encode("a", "key"), "key") == "a"
        assert codec.decode(codec.encode(b"a", "key"), "key") == b"a"

    def test_every_bit_counts(self) -> None:
        codec = self.make("app")
        data = codec.encode(b"value", "key")
        for position in range(len(data) * 8):
            changed = bytearray(data)
            changed[position // 8] ^= 1 << position % 8
            with pytest.raises(IntegrityError):
                codec.decode(bytes(changed), "key")

    def test_every_byte_counts(self) -> None:
        codec = self.make()
        data = codec.encode(b"value", "key")
        for end in range(len(data)):
            with pytest.raises(IntegrityError):
                codec.decode(data[:end], "key")
        for more in (b"\0", b"a", data):
            with pytest.raises(IntegrityError):
                codec.decode(data + more, "key")

    @pytest.mark.parametrize(
        "data", [b"", b"\1", b"\0" * 100, b"\1" * 100, b"\xff" * 100, b'{"a": 1}', b"value"]
    )
    def test_foreign_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(IntegrityError):
            self.make().decode(data, "key")

    def test_an_audience_is_a_text(self) -> None:
        with pytest.raises(TypeError, match="audience must be a str, not int"):
            self.make(5)  # type: ignore[arg-type]

    def test_threads_share_one(self) -> None:
        codec = JSONCodec() | self.make("app")

        def use(who: int) -> None:
            for number in range(200):
                name = f"{who} {number}"
                assert codec.decode(codec.encode([who, number], name), name) == [who, number]

        in_threads(*(lambda who=who: use(who) for who in range(4)))  # type: ignore[misc]

    def test_a_chain_with_it_in_the_wrong_order_says_what_to_put_first(self) -> None:
        with pytest.raises(
            TypeError, match=r"JSONCodec\(\) cannot stand behind .*: it takes values, not bytes; put it"
        ):
            self.make() | JSONCodec()

    def test_a_copy_is_the_same(self) -> None:
        chain = JSONCodec() | self.make("app")
        data = chain.encode([1], "key")
        for copied in (copy.copy(chain), copy.deepcopy(chain)):
            assert copied == chain
            assert copied.decode(data, "key") == [1]

    def test_a_storage_says_which_key_and_keeps_the_bytes(self, tmp_path: Path) -> None:
        storage = FileStorage(tmp_path, codec=JSONCodec() | self.make())
        storage["a"], storage["b"] = 1, 2
        moved = (tmp_path / "a.storage").read_bytes()
        (tmp_path / "b.storage").write_bytes(moved)
        with pytest.raises(IntegrityError, match="could not read 'b' in .*the bytes are left") as caught:
            storage["b"]
        assert (caught.value.key, caught.value.storage) == ("b", repr(storage))
        assert isinstance(caught.value, DecodeError)
        assert (tmp_path / "b.storage").read_bytes() == moved
        assert storage["a"] == 1

    def test_a_folder_can_be_moved(self, tmp_path: Path) -> None:
        FileStorage(tmp_path / "old", codec=JSONCodec() | self.make("app"))[("a", 1)] = "value"
        (tmp_path / "old").rename(tmp_path / "new")
        assert FileStorage(tmp_path / "new", codec=JSONCodec() | self.make("app"))[("a", 1)] == "value"


OLD, NEW, OTHER = bytes(range(32)), bytes(range(100, 132)), bytes(range(200, 232))


def fetched_keys() -> dict[str, bytes]:
    """What an application fetches its keys with, from a vault or so."""
    return {"2026": NEW, "2025": OLD}


class KeyedTests(BoundTests):
    """Besides, for the codecs that need keys; ``keyed`` gives one of certain keys."""

    def keyed(self, keys: Any, audience: str = "") -> Codec:
        raise NotImplementedError

    def make(self, audience: str = "") -> Codec:
        return self.keyed(NEW, audience)

    def test_the_first_key_writes_and_all_read(self) -> None:
        both = self.keyed({"new": NEW, "old": OLD})
        only_new, only_old = self.keyed({"new": NEW}), self.keyed({"old": OLD})
        assert only_new.decode(both.encode(b"value", "key"), "key") == b"value"
        assert both.decode(only_old.encode(b"value", "key"), "key") == b"value"
        assert both.decode(only_new.encode(b"value", "key"), "key") == b"value"

    def test_what_an_older_key_wrote_is_outdated(self) -> None:
        both, old = self.keyed({"new": NEW, "old": OLD}), self.keyed({"old": OLD})
        assert both.outdated(old.encode(b"value", "key"), "key")
        assert not both.outdated(both.encode(b"value", "key"), "key")
        assert not both.outdated(both.encode(b"", "key"), "key")
        assert (JSONCodec() | both).outdated((JSONCodec() | old).encode(1, "key"), "key")
        assert not (JSONCodec() | both).outdated((JSONCodec() | both).encode(1, "key"), "key")
        assert not both.writes_back

    def test_a_missing_key_id_names_it_and_what_to_do(self) -> None:
        data = self.keyed({"2024": OTHER}).encode(b"value", "key")
        error = fails_and_hides(
            IntegrityError,
            "by the key '2024', which is none of <keys 2026, 2025>: add that key behind the one in use",
            lambda: self.keyed({"2026": NEW, "2025": OLD}).decode(data, "key"),
            *(NEW, OLD, OTHER),
        )
        assert isinstance(error, DecodeError)

    def test_a_wrong_key_of_the_right_id(self) -> None:
        data = self.keyed({"2026": OTHER}).encode(b"value", "key")
        codec = self.keyed({"2026": NEW})
        fails_and_hides(IntegrityError, self.mismatch, lambda: codec.decode(data, "key"), NEW, OTHER)

    def test_a_wrong_key_without_an_id(self) -> None:
        data = self.keyed(OTHER).encode(b"value", "key")
        codec = self.keyed(NEW)
        fails_and_hides(
            IntegrityError, "which is none of <keys ", lambda: codec.decode(data, "key"), NEW, OTHER
        )

    def test_the_id_is_bound_too(self) -> None:
        data = self.keyed({"aaaa": NEW}).encode(b"value", "key")
        forged = data.replace(b"aaaa", b"bbbb", 1)
        assert forged != data
        with pytest.raises(IntegrityError, match=self.mismatch):
            self.keyed({"aaaa": NEW, "bbbb": NEW}).decode(forged, "key")

    def test_a_short_key_shows_nothing_of_it(self) -> None:
        short = b"correct horse battery"
        match = "make one by secrets.token_bytes"
        fails_and_hides(ValueError, match, lambda: self.keyed([NEW, short]), short, NEW)
        fails_and_hides(ValueError, match, lambda: self.keyed({"a": short}), short)

    def test_no_error_of_the_constructor_shows_a_key(self) -> None:
        text = "correct horse battery staple, as text"
        for keys, kind in (
            (text, TypeError),
            ([NEW, text], TypeError),
            ({"a\n": NEW}, ValueError),
            ([], ValueError),
        ):
            fails_and_hides(kind, "key", lambda keys=keys: self.keyed(keys), NEW, text.encode())  # type: ignore[misc]
        fails_and_hides(TypeError, "audience", lambda: self.keyed(NEW, 5), NEW)  # type: ignore[arg-type]

    def test_no_repr_shows_a_key(self, tmp_path: Path) -> None:
        chain = JSONCodec() | self.keyed({"2026": NEW, "2025": OLD}, "app")
        for shown in (repr(chain), repr(chain.codecs), str(chain), repr(FileStorage(tmp_path, codec=chain))):
            assert "<keys 2026, 2025>" in shown
            assert_hidden(shown, NEW, OLD)

    def test_errors_of_a_storage_show_no_key(self, tmp_path: Path) -> None:
        storage = FileStorage(tmp_path, codec=JSONCodec() | self.keyed([NEW, OLD]))
        storage["a"] = 1
        (tmp_path / "a.storage").write_bytes(b"torn")
        fails_and_hides(IntegrityError, "could not read 'a'", lambda: storage["a"], NEW, OLD)
        fails_and_hides(EncodeError, "could not write 'a'", lambda: storage.set("a", {1, 2}), NEW, OLD)

    def test_raw_keys_refuse_to_be_pickled(self, tmp_path: Path) -> None:
        codec = self.keyed(NEW)
        for pickled in (codec, JSONCodec() | codec, FileStorage(tmp_path, codec=JSONCodec() | codec)):
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                fails_and_hides(
                    TypeError,
                    "secret keys are not put into pickles: give the codec a function that fetches them",
                    lambda one=pickled, protocol=protocol: pickle.dumps(one, protocol),  # type: ignore[misc]
                    NEW,
                )

    def test_a_function_of_keys_is_pickled_by_reference(self, tmp_path: Path) -> None:
        storage = FileStorage(tmp_path, codec=JSONCodec() | self.keyed(fetched_keys, "app") | GzipCodec())
        storage["a"] = [1]
        pickled = pickle.dumps(storage)
        assert b"fetched_keys" in pickled
        assert not any(key in pickled for key in fetched_keys().values())
        again = pickle.loads(pickled)
        assert again["a"] == [1]
        again["b"] = 2
        assert storage["b"] == 2
        assert repr(again) == repr(storage)

    def test_a_codec_from_a_pickle_is_bound_to_its_chain(self) -> None:
        chain = JSONCodec() | self.keyed(fetched_keys, "app")
        again = pickle.loads(pickle.dumps(chain))
        assert again == chain
        assert again.decode(chain.encode([1], "key"), "key") == [1]
        alone = pickle.loads(pickle.dumps(chain.codecs[1]))
        assert alone.decode(chain.encode([1], "key"), "key") == b"[1]"

    def test_it_equals_one_of_the_same_keys(self) -> None:
        assert self.keyed({"a": NEW}) == self.keyed({"a": NEW})
        assert hash(self.keyed({"a": NEW})) == hash(self.keyed({"a": NEW}))
        assert self.keyed({"a": NEW}) != self.keyed({"a": OLD})
        assert JSONCodec() | self.keyed({"a": NEW}) != JSONCodec() | self.keyed({"a": OLD})
        assert self.keyed(NEW, "a") != self.keyed(NEW, "b")

    def test_it_vouches_for_a_pickle(self) -> None:
        chain = PickleCodec() | self.keyed(NEW)
        assert PickleCodec().runs_code
        assert not chain.runs_code
        assert not (chain | GzipCodec()).runs_code

    def test_a_planted_pickle_is_refused_before_it_is_looked_at(self, tmp_path: Path) -> None:
        mark = tmp_path / "it ran"
        planted = pickle.dumps(_Plant(str(mark)))
        folder = tmp_path / "storage"
        storage: FileStorage[str, Any] = FileStorage(folder, codec=PickleCodec() | self.keyed(NEW))
        storage["key"] = 1
        for data in (planted, (PickleCodec() | self.keyed(OTHER)).encode(_Plant(str(mark)), "key")):
            (folder / "key.storage").write_bytes(data)
            with pytest.raises(IntegrityError):
                storage["key"]
            assert not mark.exists()
        pickle.loads(planted)
        assert mark.exists()  # so it would have run


class _Plant:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, (self.path,)
