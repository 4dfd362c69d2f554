"""Any bytes at all, to every decoder: a value or one of our errors, and no code of theirs is run."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pystorage import FileStorage
from pystorage.codecs import PickleCodec, reencode
from pystorage.errors import DecodeError, StorageError
from tests.codecs.picklable import Color, Frozen, User, make_user

# It needs every extra that a codec needs.
decoders = pytest.importorskip("tests.fuzz.decoders", exc_type=ImportError)
ALL_SOUND, CODECS, DECODERS, SOUND = decoders.ALL_SOUND, decoders.CODECS, decoders.DECODERS, decoders.SOUND

names = st.sampled_from(sorted(DECODERS))
sound = st.sampled_from(ALL_SOUND)


@st.composite
def cut(draw: st.DrawFn) -> bytes:
    data = draw(sound)
    begin = draw(st.integers(0, len(data)))
    return data[begin : draw(st.integers(begin, len(data)))]


@st.composite
def flipped(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(sound))
    for position in draw(st.lists(st.integers(0, len(data) * 8 - 1), min_size=1, max_size=8)):
        data[position // 8] ^= 1 << position % 8
    return bytes(data)


@st.composite
def recombined(draw: st.DrawFn) -> bytes:
    pieces = draw(st.lists(cut() | sound | st.binary(max_size=10), min_size=2, max_size=4))
    return b"".join(pieces)


mutants = st.builds(decoders.mutated, st.randoms(use_true_random=False))

anything = st.binary(max_size=200) | cut() | flipped() | recombined() | mutants


@pytest.mark.parametrize("name", DECODERS)
def test_sound_bytes_are_read(name: str) -> None:
    for data in SOUND[name]:
        DECODERS[name](data)
    if name in CODECS:
        codec, value = CODECS[name]
        assert codec.decode(codec.encode(value, "key"), "key") == value


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=150)
@given(data=anything)
def test_any_bytes_are_a_value_or_our_error(name: str, data: bytes) -> None:
    decoders.check(name, data)


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "bytes"])
def test_every_cut_of_sound_bytes(name: str) -> None:
    for data in SOUND[name]:
        for end in range(len(data)):
            decoders.check(name, data[:end])


@pytest.mark.parametrize(
    "name", ["checksum", "signed", "encrypted", "json+zstd+signed", "versioned+encrypted"]
)
@given(data=anything)
def test_what_vouches_reads_nothing_but_what_it_wrote(name: str, data: bytes) -> None:
    try:
        DECODERS[name](data)
    except DecodeError:
        return
    assert data in SOUND[name]


# -------------------------------------------------------------------- pickles


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


_MODULE = User.__module__
_GLOBALS = [
    b"c" + module.encode() + b"\n" + name.encode() + b"\n"
    for module, name in [
        *(
            ("os", "mkdir"),
            ("os", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("posix", "mkdir"),
        ),
        *(
            (_MODULE, "User"),
            (_MODULE, "User.Inner"),
            (_MODULE, "Color"),
            (_MODULE, "make_user"),
            (_MODULE, "Frozen"),
        ),
        *(("builtins", "complex"), ("builtins", "slice"), ("builtins", "list"), ("builtins", "bytearray")),
    ]
]
_PUSHES = [
    b"N",
    b"K\x01",
    b"M\x00\x10",
    b")",
    b"]",
    b"}",
    b"\x8f",
    text("it ran"),
    text(_MODULE),
    text("User"),
    b"C\x01a",
]
_OPERATIONS = [
    *(
        b"(",
        b"0",
        b"1",
        b"2",
        b"t",
        b"l",
        b"d",
        b"\x85",
        b"\x86",
        b"\x87",
        b"\x91",
        b"a",
        b"e",
        b"s",
        b"u",
        b"\x90",
    ),
    *(
        b"R",
        b"\x81",
        b"\x92",
        b"b",
        b"o",
        b"\x93",
        b"\x94",
        b"h\x00",
        b"h\x01",
        b"q\x00",
        b"r\xff\xff\xff\x7f",
    ),
    *(b"Q", b"P1\n", b"\x82\x01", b"\x97", b"\x98", b"i" + _MODULE.encode() + b"\nUser\n", b"ios\nmkdir\n"),
]
programs = st.lists(
    st.sampled_from(_GLOBALS) | st.sampled_from(_PUSHES) | st.sampled_from(_OPERATIONS), max_size=25
).map(lambda pieces: b"\x80\x04" + b"".join(pieces) + b".")

_found: list[tuple[str, str]] = []
_watching = False


def _watch(event: str, arguments: Any) -> None:
    if _watching:
        if event == "pickle.find_class":
            _found.append(arguments)
        elif event in ("os.mkdir", "os.system", "exec", "compile", "subprocess.Popen"):
            _found.append(("", event))


sys.addaudithook(_watch)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What pickles find by name, and what code they might run, is noted while the test runs."""
    global _watching
    monkeypatch.chdir(tmp_path)
    _found.clear()
    yield
    _watching = False


def load_watched(data: bytes, codec: PickleCodec) -> set[str]:
    global _watching
    _found.clear()
    _watching = True
    try:
        with suppress(DecodeError):
            codec.decode(data, "key")
    finally:
        _watching = False
    return {f"{module}.{name}" for module, name in _found}


def test_the_watch_sees_what_a_pickle_runs(watched: None) -> None:
    evil = b"cos\nmkdir\n" + text("it ran") + b"\x85R."
    assert load_watched(evil, PickleCodec()) == {"os.mkdir", ".os.mkdir"}
    assert os.path.exists("it ran")


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=programs)
@example(data=b"\x80\x04" + _GLOBALS[5] + b"N}" + text("a") + b"K\x01s\x86b.")
def test_programs_of_opcodes_call_only_what_is_allowed(watched: None, data: bytes) -> None:
    before = [dict(vars(thing)) for thing in (User, Color, Color.RED, make_user, Frozen)]
    allowed = [User, Color, make_user, Frozen]
    found = load_watched(data, PickleCodec(allow=allowed))
    harmless = {"builtins.complex", "builtins.slice"}
    assert found <= {f"{thing.__module__}.{thing.__qualname__}" for thing in allowed} | harmless
    assert os.listdir() == []
    assert [dict(vars(thing)) for thing in (User, Color, Color.RED, make_user, Frozen)] == before


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=anything)
def test_mutated_pickles_find_nothing_that_is_not_allowed(watched: None, data: bytes) -> None:
    assert load_watched(data, PickleCodec(allow=[])) <= {"builtins.complex", "builtins.slice"}


# -------------------------------------------------------------------- a whole storage


def read(storage: FileStorage[Any, Any]) -> bytes:
    with storage.open_read("key") as file:
        return file.read()


@pytest.mark.parametrize(
    "codec", ["json", "bytes", "json+zstd+signed", "versioned", "allowed", "typed msgpack"]
)
@settings(max_examples=60)
@given(data=anything)
def test_a_planted_file_is_a_value_or_our_error_for_every_operation(codec: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage: FileStorage[Any, Any] = FileStorage(folder, codec=CODECS[codec][0])
        storage.set("lives", CODECS[codec][1], ttl=60)
        places = ["key", "lives", "x" * 100 + "%~" + "0" * 32, "%tx%v", "%i1"]
        for place in places:
            Path(folder, f"{place}.storage").write_bytes(data)
        uses: list[Any] = [
            *(lambda key=key: storage[key] for key in ("key", "lives", ("x",), 1)),
            lambda: list(storage.items()),
            lambda: (len(storage), list(storage), list(storage.scan("k")), bool(storage)),
            lambda: [(key in storage, storage.ttl(key), storage.expires_at(key)) for key in list(storage)],
            lambda: storage.expire("key", 5),
            lambda: storage.swap("key", 1, 2),
            lambda: storage.add("key", CODECS[codec][1]),
            lambda: read(storage),
            lambda: reencode(storage, CODECS[codec][0], "json+checksum", skip=lambda error: None),
            lambda: storage.stats(),
            lambda: storage.purge(),
            lambda: storage.popitem(),
            lambda: storage.clear(),
        ]
        for use in uses:
            with suppress(StorageError, KeyError):
                use()
        storage["key"] = CODECS[codec][1]
        assert storage["key"] == CODECS[codec][1]


def test_a_planted_pickle_stays_data(tmp_path: Path, watched: None) -> None:
    evil = pickle.dumps(Plant())
    for name, (codec, _) in CODECS.items():
        for data in (evil, CODECS["gzip"][0].encode(evil, "key"), CODECS["zstd"][0].encode(evil, "key")):
            with suppress(DecodeError):
                codec.decode(data, "key")
            assert not os.path.exists("it ran"), name


class Plant:
    def __reduce__(self) -> Any:
        return os.mkdir, ("it ran",)
