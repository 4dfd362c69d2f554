"""Keys of one storage are never those of another, nor of another program."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pystorage import RedisStorage
from pystorage.storage import shown
from pystorage.stores._redisnames import (
    RedisNaming,
    checked_prefix_bytes,
    lock_place,
    names_of,
    pattern,
)
from pystorage.testing.samples import HOSTILE_KEYS
from tests.servers.redis import RedisServer

HOSTILE_PREFIXES = (
    *(
        "*",
        "?",
        "[a-z]",
        "[",
        "]",
        "\\",
        "^",
        "a*",
        "\\*",
        "**:",
        "[^a]:",
        "{tag}:",
        "{",
        "}",
        "%",
        "%pystorage",
    ),
    *(
        "app",
        "app:",
        "app:x",
        "app:x:",
        "app::",
        "app/",
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "new\nline",
    ),
    *(" ", "\0", "$HOME", "-", "a-b:", "\N{PILE OF POO}"),
)
TEXTS = st.text(alphabet="ab:*[]\\%-./\n\N{LATIN SMALL LETTER E WITH ACUTE}", max_size=8)


@settings(max_examples=300)
@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_two_prefixes_share_no_key(one: str, other: str, keys: list[str], others: list[str]) -> None:
    heads = checked_prefix_bytes(one), checked_prefix_bytes(other)
    naming = RedisNaming()
    places = [
        {head + naming.name(key).encode() for key in names}
        | {lock_place(head, naming.name(key)) for key in names}
        for head, names in zip(heads, (keys, others), strict=True)
    ]
    assert heads[0] == heads[1] or not places[0] & places[1]


@settings(max_examples=300)
@given(TEXTS, st.lists(TEXTS | st.integers() | st.binary(max_size=3) | st.none(), max_size=5, unique=True))
def test_names_lead_back_to_keys(prefix: str, keys: list[object]) -> None:
    naming, head = RedisNaming(), checked_prefix_bytes(prefix)
    names, plain = names_of([head + naming.name(key).encode() for key in keys], head)
    assert [naming.key(name) for name in names] == keys
    assert not plain or names == keys


@settings(max_examples=300)
@given(TEXTS, TEXTS)
def test_a_name_begins_as_its_beginning_does(key: str, rest: str) -> None:
    naming = RedisNaming()
    beginning = naming.beginning(key)
    assert beginning is not None
    assert naming.name(key + rest).startswith(beginning) or not key + rest


def test_names_that_are_none_of_ours() -> None:
    naming = RedisNaming()
    names, plain = names_of([b"p:a:b", b"p:", b"p:\xff", b"p:%pystorage.lock.a", b"p:a\nb", b"p:ok"], b"p:")
    assert not plain
    assert [name for name in names if _is_key(naming, name)] == ["ok"]
    assert naming.beginning("a\ud800") is None
    assert pattern(b"a^b-[c]*?\\:") == rb"a\^b\-\[c\]\*\?\\:*"


def _is_key(naming: RedisNaming, name: str) -> bool:
    try:
        naming.key(name)
    except ValueError:
        return False
    return True


def test_hostile_prefixes_stay_apart(redis_server: RedisServer) -> None:
    client = redis_server.client(db=1)
    client.flushdb()
    url = redis_server.url.removesuffix("0") + "1"
    storages = [RedisStorage(url=url, prefix=prefix) for prefix in HOSTILE_PREFIXES]
    # "app" and "app:" are one place, as are "app:x" and "app:x:".
    places = {checked_prefix_bytes(prefix) for prefix in HOSTILE_PREFIXES}
    entries = {key: number for number, key in enumerate(HOSTILE_KEYS) if len(shown(key)) < 60}
    for storage in storages:
        storage.set_many(entries)
    assert client.dbsize() == len(places) * len(entries)
    foreign = {f"{prefix}{name}": "theirs" for prefix in places for name in ("", "a:b")}
    foreign = {key: value for key, value in foreign.items() if not client.exists(key)}
    for key in (*foreign, "plain", "app", "other:key"):
        client.set(key, "theirs")
    theirs = client.dbsize() - len(places) * len(entries)
    for number, storage in enumerate(storages):
        assert dict(storage) == entries or HOSTILE_PREFIXES[number] in ("app:", "app:x:")
        assert sorted(storage.scan("a")) == sorted(
            key for key in entries if isinstance(key, str) and key.startswith("a") and storage
        )
        with storage.lock("a", 5):
            storage.clear()
        assert len(storage) == 0
    assert client.dbsize() == theirs
    client.flushdb()


def test_the_whole_database_may_be_ones_own(redis_server: RedisServer) -> None:
    """With an empty prefix; other programs' keys that could be no key of ours stay."""
    client = redis_server.client(db=2)
    client.flushdb()
    client.mset({"session:1": "theirs", "plain": "1"})
    storage: RedisStorage[str, int] = RedisStorage(url=redis_server.url.removesuffix("0") + "2", prefix="")
    storage["a/b"] = 2
    assert dict(storage) == {"plain": 1, "a/b": 2}
    assert client.get("a%2Fb") == b"2"
    storage.clear()
    assert client.keys() == [b"session:1"]
    client.flushdb()


def test_keys_and_values_are_what_other_programs_read(redis_server: RedisServer) -> None:
    client = redis_server.client()
    storage: RedisStorage[str, object] = RedisStorage(client, prefix="readable:")
    storage["news"] = {"a": 1}
    storage.incr("count", 5)
    assert client.get("readable:news") == b'{"a": 1}'
    assert client.incrby("readable:count", 2) == 7
    assert storage["count"] == 7
    client.set("readable:theirs", '"ours too"')
    assert storage["theirs"] == "ours too"
    storage.clear()


@pytest.mark.parametrize("prefix", ["a\ud800", 5, None])
def test_a_prefix_is_a_text(prefix: str) -> None:
    with pytest.raises((TypeError, ValueError), match="prefix"):
        RedisStorage(url="redis://localhost", prefix=prefix)
