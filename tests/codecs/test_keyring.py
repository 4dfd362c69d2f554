"""Secret keys: ids, order, and that nothing shows them."""

from __future__ import annotations

import base64
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from pystorage.codecs import EnvironmentKeys
from pystorage.codecs.keyring import GivenKeys, KeyRing, Secret
from tests.codecs.secrets_hidden import assert_hidden, fails_and_hides

OLD, NEW = bytes(range(32)), bytes(range(100, 132))


def ring(keys: Any, **limits: int) -> KeyRing:
    return KeyRing(keys, **{"shortest": 32, **limits})


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


# -------------------------------------------------------------------- how keys are given


@pytest.mark.parametrize(
    "keys",
    [NEW, bytearray(NEW), [NEW], (NEW,), lambda: NEW, lambda: [NEW]],
    ids=["bytes", "a bytearray", "a list", "a tuple", "a function", "a function of a list"],
)
def test_a_key_without_an_id_has_the_same_one_however_it_is_given(keys: Any) -> None:
    made = ring(keys)
    assert made.first == ring(NEW).first
    assert len(made.first) == 8
    assert made.secrets[made.first].value == NEW


def test_the_first_key_is_the_one_in_use_and_the_order_is_kept() -> None:
    assert ring({"b": NEW, "a": OLD}).first == "b"
    assert list(ring({"b": NEW, "a": OLD}).secrets) == ["b", "a"]
    assert ring([NEW, OLD]).first == ring(NEW).first
    assert list(ring([NEW, OLD]).secrets) == [ring(NEW).first, ring(OLD).first]


def test_keys_that_differ_have_ids_that_differ() -> None:
    assert ring(OLD).first != ring(NEW).first


def test_the_same_key_twice_is_one_key() -> None:
    assert len(ring([NEW, NEW]).secrets) == 1


def test_two_keys_of_one_digest_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pystorage.codecs.keyring._digest", lambda secret: "same")
    fails_and_hides(ValueError, "two keys have the id 'same': name them", lambda: ring([NEW, OLD]), NEW, OLD)


def test_a_ring_equals_one_of_the_same_keys_in_the_same_order() -> None:
    assert ring({"a": OLD, "b": NEW}) == ring({"a": OLD, "b": NEW})
    assert hash(ring({"a": OLD, "b": NEW})) == hash(ring({"a": OLD, "b": NEW}))
    assert ring({"a": OLD, "b": NEW}) != ring({"b": NEW, "a": OLD})
    assert ring({"a": OLD}) != ring({"a": NEW})
    assert ring({"a": OLD}) != "a"


# -------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("keys", "kind", "match"),
    [
        ([], ValueError, "at least one key"),
        ({}, ValueError, "at least one key"),
        (None, TypeError, "not NoneType"),
        ("text, which is no key but long enough", TypeError, "not str"),
        (memoryview(OLD), TypeError, "not memoryview"),
        (5, TypeError, "not int"),
        (["text, which is no key but long enough"], TypeError, "a key must be bytes, not str"),
        ({"a": 5}, TypeError, "a key must be bytes, not int"),
        ({5: OLD}, TypeError, "a key id must be text, not int"),
        ({b"a": OLD}, TypeError, "a key id must be text, not bytes"),
    ],
)
def test_what_is_no_key_is_refused(keys: Any, kind: type[Exception], match: str) -> None:
    error = fails_and_hides(kind, match, lambda: ring(keys), OLD)
    assert "text, which" not in str(error)


@pytest.mark.parametrize("name", ["", "x" * 33, "é", "a\nb", "\x00"])
def test_an_id_is_short_and_printable(name: str) -> None:
    fails_and_hides(ValueError, "must be 1 … 32 printable ASCII", lambda: ring({name: OLD}), OLD)


def test_an_id_of_32_characters_is_fine() -> None:
    assert ring({"x" * 32: OLD}).first == "x" * 32


@pytest.mark.parametrize("size", [0, 1, 16, 31])
def test_a_short_key_says_how_to_make_a_good_one(size: int) -> None:
    short = b"hunter2 hunter2 hunter2 hunter2"[:size]
    match = r"the key 'mine' has \d+ bytes, and must have at least 32: make one by secrets.token_bytes\(32\)"
    fails_and_hides(ValueError, match, lambda: ring({"mine": short}), *[short] * (size > 4))


def test_a_short_key_without_an_id_is_named_by_its_place() -> None:
    # A digest would let anybody who reads the log try out passwords.
    short = b"correct horse"
    error = fails_and_hides(ValueError, "key 2 of 2 has 13 bytes", lambda: ring([OLD, short]), short, OLD)
    assert ring(short, shortest=1).first not in str(error)


def test_a_long_key_is_refused_where_the_size_is_fixed() -> None:
    match = "has 33 bytes, and must have exactly 32"
    fails_and_hides(ValueError, match, lambda: ring(OLD + b"x", longest=32), OLD)
    assert ring(OLD + b"x").first


# -------------------------------------------------------------------- hidden


@pytest.mark.parametrize(
    "make",
    [
        lambda: Secret(NEW),
        lambda: GivenKeys({"a": NEW, "b": OLD}),
        lambda: ring({"a": NEW, "b": OLD}),
        lambda: ring([NEW, OLD]),
    ],
    ids=["Secret", "GivenKeys", "KeyRing", "KeyRing without ids"],
)
def test_no_repr_shows_a_key(make: Callable[[], object]) -> None:
    for shown in (repr(make()), str(make()), f"{make()}", repr([make()])):
        assert_hidden(shown, NEW, OLD)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("make", [lambda: Secret(NEW), lambda: ring(NEW)], ids=["Secret", "KeyRing"])
def test_no_pickle_holds_a_key(make: Callable[[], object], copied: Callable[[Any], Any]) -> None:
    fails_and_hides(TypeError, "not put into pickles", lambda: copied(make()), NEW)


def test_the_source_of_keys_is_the_function_that_gave_them() -> None:
    def fetch() -> dict[str, bytes]:
        return {"a": NEW}

    assert ring(fetch).source() is fetch


def test_keys_that_came_as_bytes_say_how_to_give_them_instead() -> None:
    fails_and_hides(TypeError, r"such as EnvironmentKeys\('APP_KEYS'\)", ring(NEW).source, NEW)


def test_an_error_of_the_function_that_gives_keys_passes() -> None:
    def fetch() -> dict[str, bytes]:
        raise ConnectionError("the vault is closed")

    with pytest.raises(ConnectionError, match="the vault is closed"):
        ring(fetch)


# -------------------------------------------------------------------- from the environment


def test_keys_from_the_environment_are_in_the_order_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_KEYS", f"2026:{encoded(NEW)}, 2025:{encoded(OLD)}")
    made = ring(EnvironmentKeys("APP_KEYS"))
    assert repr(made) == "<keys 2026, 2025>"
    assert [secret.value for secret in made.secrets.values()] == [NEW, OLD]


@pytest.mark.parametrize("value", [None, ""])
def test_an_environment_without_keys_says_what_to_set(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("APP_KEYS", raising=False)
    else:
        monkeypatch.setenv("APP_KEYS", value)
    with pytest.raises(ValueError, match="APP_KEYS holds no keys: set it to id:base64,…"):
        ring(EnvironmentKeys("APP_KEYS"))


@pytest.mark.parametrize(
    "form",
    ["{0}", ":{0}", "a:{0},", "a:{0},{1}", "a:{0},a:{1}", "a;{0}", "a:{0}!", "a:{0}x", "a: {0}"],
)
def test_a_malformed_variable_is_refused_without_showing_it(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_KEYS", form.format(encoded(NEW), encoded(OLD)))
    fails_and_hides(
        ValueError,
        "APP_KEYS is not of the form id:base64,… with an id of its own for each key",
        lambda: ring(EnvironmentKeys("APP_KEYS")),
        NEW,
        OLD,
    )


def test_keys_from_the_environment_pickle_as_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_KEYS", f"2026:{encoded(NEW)}")
    pickled = pickle.dumps(EnvironmentKeys("APP_KEYS"))
    assert b"APP_KEYS" in pickled
    assert NEW not in pickled
    assert encoded(NEW).encode() not in pickled
    assert pickle.loads(pickled)() == {"2026": NEW}
