"""PickleCodec(allow=…) refuses what is not named, what changes the program, and what fills the memory."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from pystorage.codecs import PickleCodec
from pystorage.errors import DecodeError, EncodeError
from tests.codecs.picklable import Color, Evil, Frozen, User, make_user

HERE = User.__module__


def loads(data: bytes, *allow: Any) -> Any:
    return PickleCodec(allow=allow).decode(data, "key")


def text(value: str) -> bytes:
    """The opcode that pushes a text."""
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.mkdir, "it ran"),
        Evil(eval, "__import__('os').mkdir('it ran')"),
        Evil(exec, "import os; os.mkdir('it ran')"),
        Evil(getattr, User, "mro"),
        Evil(print, "it ran"),
        Evil(list, range(3)),
        Evil(bytearray, 10**10),
        Evil(__import__, "this"),
        Evil(User, "an allowed class, but not here"),
    ],
    ids=lambda evil: repr(evil.call)[:50],
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_call_of_anything_else_never_runs(
    evil: Evil, protocol: int, deep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps([(1, {"a": evil})] if deep else evil, protocol)
    with pytest.raises(DecodeError, match="is not allowed; add it to allow= if it is to be called"):
        loads(data, Frozen)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("allow", [[User], [f"{HERE}.User"], ["os.path.join"]])
@pytest.mark.parametrize(
    "name", ["User.Inner", "User.__init__", "User.__init__.__globals__", "Inner", "user", "User "]
)
def test_a_part_of_what_is_allowed_is_not(allow: list[Any], name: str) -> None:
    data = b"\x80\x04" + text(HERE) + text(name) + b"\x93."
    with pytest.raises(DecodeError, match="is not allowed"):
        loads(data, *allow)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_class_is_not_changed_by_a_state(protocol: int) -> None:
    for thing, names in ((User, [User]), (make_user, [make_user])):
        pickled = with_state(pickle.dumps(thing, protocol), (None, {"is_admin": True}))
        assert_changes(pickled)
        with pytest.raises(DecodeError, match="it changes what is not its own"):
            loads(pickled, *names)
        assert not hasattr(thing, "is_admin")


def with_state(pickled: bytes, state: Any) -> bytes:
    """Add a state to the object that a pickle ends with."""
    protocol = pickle.dumps(state, 2)
    return pickled[:-1] + protocol[2:-1] + b"b."


def assert_changes(pickled: bytes) -> None:
    """See that a loader without a list would be fooled."""
    thing = pickle.loads(pickled)
    assert thing.is_admin
    del thing.is_admin


def test_a_member_of_an_enum_is_not_changed_by_a_state() -> None:
    pickled = with_state(pickle.dumps(Color.RED), {"is_admin": True})
    assert_changes(pickled)
    with pytest.raises(DecodeError, match="it changes what is not its own: a class, a function or an enum"):
        loads(pickled, Color)
    assert not hasattr(Color.RED, "is_admin")


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(Nt" + b"b",
        b"K\x01a",
        b"(K\x01e",
        b"K\x01K\x02s",
        b"(K\x01K\x02u",
        b"(K\x01\x90",
    ],
    ids=["BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"],
)
def test_no_opcode_changes_what_was_found_by_name(opcodes: bytes) -> None:
    name = b"\x80\x04" + text(HERE) + text("User") + b"\x93"
    for remembered in (b"", b"\x94h\x00", b"2", b"q\x05h\x05"):  # from the memo, or doubled
        with pytest.raises(DecodeError, match="it changes what is not its own"):
            loads(name + remembered + opcodes + b".", User)


def test_a_member_made_by_any_opcode_is_shared() -> None:
    name = HERE.encode() + b"\nColor\n"
    ways = [b"c%sK\x01\x85R", b"c%sK\x01\x85\x81", b"(c%sK\x01o", b"(K\x01i%s"]
    for way in ways:
        made = way % name
        pickled = with_state(b"\x80\x04" + made + b".", {"is_admin": True})
        assert_changes(pickled)
        with pytest.raises(DecodeError, match="it changes what is not its own"):
            loads(pickled, Color)


def frame(data: bytes, length: int | None = None) -> bytes:
    return b"\x95" + struct.pack("<Q", len(data) if length is None else length) + data


def test_opcodes_across_the_end_of_a_frame_hide_nothing() -> None:
    """The loader in C skips bytes there, and so runs what others take for a text."""
    evil = pickle.dumps(User)[:-1] + b"N}" + text("is_admin") + b"\x88s\x86b."
    evil = evil[evil.index(b"\x8c") :]
    hidden = b"\x80\x04" + frame(b"J\0\0") + b"\0\0" + b"C" + bytes([len(evil)]) + evil + b"."
    with pytest.raises(DecodeError, match="its frames do not hold whole opcodes"):
        loads(hidden, User)
    assert not hasattr(User, "is_admin")


@pytest.mark.parametrize(
    "data",
    [
        frame(frame(b"N.")),
        frame(b"N", 5) + frame(b"N."),
        frame(b"N.", 50) + bytes(48),
        frame(b"N.N."),
        frame(b"N", 3) + b"M\0\0.",
        frame(b"N", 2) + b"I1\n.",
    ],
)
def test_frames_hold_whole_opcodes(data: bytes) -> None:
    with pytest.raises(DecodeError, match="its frames do not hold whole opcodes"):
        loads(b"\x80\x04" + data)


def test_large_values_lie_between_frames() -> None:
    value = [b"x" * 100_000, "y" * 100_000, list(range(100_000)), bytearray(100_000), "end"]
    for protocol in (4, 5):
        codec = PickleCodec(protocol, allow=[bytearray])
        assert codec.decode(codec.encode(value, ""), "") == value


@pytest.mark.parametrize("opcodes", [b"N(\x85.", b"N(0K\x01a.", b"]N(a.", b"NN(\x86.", b"NN(\x93."])
def test_nothing_is_taken_from_below_a_mark(opcodes: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(b"\x80\x04" + opcodes)


def test_the_name_of_a_class_cannot_be_computed() -> None:
    joined = b"\x80\x04" + text("nt") + text("x") + b"\x86" + text("User") + b"\x93."
    with pytest.raises(DecodeError, match="it computes the name of a class"):
        loads(joined, User)


def test_extension_codes_are_refused() -> None:
    copyreg.add_extension(HERE, "User", 240)
    try:
        data = pickle.dumps(User("Ada"))
        assert pickle.loads(data) == User("Ada")
        with pytest.raises(DecodeError, match="it names a class by a number"):
            loads(data, User)
    finally:
        copyreg.remove_extension(HERE, "User", 240)


def test_references_to_outside_are_refused() -> None:
    class Referring(pickle.Pickler):
        def persistent_id(self, thing: object) -> str | None:
            return "outside" if thing == 5 else None

    file = io.BytesIO()
    Referring(file).dump([5])
    with pytest.raises(DecodeError, match="it refers to objects outside it"):
        loads(file.getvalue())


BOMBS = {
    "a place in the memo": b"\x80\x04N" + b"r" + struct.pack("<I", 2**31 - 1) + b".",
    "a place in text": b"Np99999999999\n.",
    "a negative place": b"Np-1\n.",
    "a text of 2 GiB": b"\x80\x04X\xff\xff\xff\x7fabc.",
    "a text of 2**62": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.",
    "bytes of 2 GiB": b"\x80\x04B\xff\xff\xff\x7fabc.",
    "bytes of 2**62": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
    "a bytearray of 2**40": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
    "a frame of 2**40": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "an integer of 2 GiB": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
    "an integer in text": b"L" + b"9" * 10_000 + b"L\n.",
    "a buffer from outside": b"\x80\x05\x97.",
    "depth": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "depth by pairs": b"\x80\x02)" + b"2\x86" * 50_000 + b".",
    "depth by frozensets": b"\x80\x04" + b"(" * 5000 + b"N" + b"\x91" * 5000 + b".",
    "nothing to pop": b"\x80\x020.",
    "no mark": b"\x80\x02t.",
    "nothing doubled": b"\x80\x022.",
    "nothing memoized": b"\x80\x04\x94.",
    "nothing to stop with": b".",
    "no end": b"\x80\x04N",
    "two values": b"\x80\x04N.N.",
    "nothing": b"",
    "text": b"hello",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_bombs_are_decode_errors(data: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(data)


def test_nesting_that_would_overflow_the_stack_of_the_process() -> None:
    # The hash of a tuple recurses in C without a limit; plain loading of this kills the interpreter.
    bomb = b"\x80\x02})" + b"\x85" * 5_000_000 + b"Ns."
    with pytest.raises(DecodeError, match="it nests more than 1000 deep"):
        loads(bomb)


def test_deep_nesting_is_refused_when_it_is_written_too() -> None:
    value: Any = ()
    for _ in range(600):
        value = (value,)
    codec = PickleCodec(allow=[])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        assert codec.decode(codec.encode(value, ""), "") == value
        for _ in range(600):
            value = (value,)
        with pytest.raises(EncodeError, match="it nests more than 1000 deep"):
            codec.encode(value, "")
    finally:
        sys.setrecursionlimit(limit)


def test_what_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(EncodeError, match=r"could not read it back: .*User is not allowed"):
        PickleCodec(allow=[Frozen]).encode(User("Ada"), "key")
