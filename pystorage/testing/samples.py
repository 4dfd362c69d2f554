"""Keys and values that storages are tried with."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from pystorage.keys import Key

_NFC = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
_NFD = "cafe\N{COMBINING ACUTE ACCENT}"

#: Texts that a file system, a shell, a URL or a listing would take for something else than a name.
_TEXTS: Final[tuple[str, ...]] = (
    # what a path means by itself
    *("", ".", "..", "...", "/", "//", "../x", "../../etc/passwd", "/abs", "a/b", "a//b", "a/", "/a", "./a"),
    *("a/./b", "a/../b", "a\\b", "..\\x", "C:\\x", "C:x", "\\\\host\\share", "~", "~root", "file:///x"),
    # control characters and separators of other formats
    *("nul\0byte", "new\nline", "return\r", "tab\t", "\x1b[31m", "\x7f", "\N{LINE SEPARATOR}", " ", "  "),
    # names that Windows keeps for itself, changes, or refuses
    *("CON", "con", "nul", "NUL.txt", "com1", "LPT9.storage", "aux.", "dot.", "dots...", "blank ", " first"),
    *('a"b', "a<b>", "a|b", "a:b", "a*b", "a?b", "[ab]", "{x}"),
    # what looks like a file of the storage's own, or like its way of writing a name
    *(".hidden", ".tmp", "x.tmp", "tmp", "x~", "key.storage", "key.json", "key.storage.json", "key.pkl.gz"),
    *("key.lock", "%", "%%", "%2F", "%2f", "%i5", "%s", "%n", "%tx%v", "%~", "%pystorage", "%p", "a%2Fb"),
    # twins by letter case and by Unicode
    *("case", "Case", "CASE", "\N{LATIN SMALL LETTER SHARP S}", "ss", "SS"),
    *("i", "I", "\N{LATIN SMALL LETTER DOTLESS I}"),
    *(_NFC, _NFD, "\N{LATIN SMALL LIGATURE FI}", "fi", "\N{KELVIN SIGN}", "K", "k"),
    *("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "A", "a\N{ZERO WIDTH SPACE}b", "ab", "\uffff", "\ufeffbom"),
    *("\N{RIGHT-TO-LEFT OVERRIDE}abc", "\N{PILE OF POO}"),
    # twins of other types
    *("1", "1.0", "True", "None", "b'1'", "('a', 'b')", "nan", "-1", "0", "00", "/a/b"),
    # too long for a file name, with twins that differ at the end only
    *("x" * 255, "x" * 256, "x" * 1_000, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 300, "x/" * 400),
    *("long" * 16_000, "long" * 16_000 + "a", "long" * 16_000 + "b", "." * 64_000),
    # options and queries
    *("--help", "-", "_", "a=b&c=d", "a+b", "a;b", "a,b", "$HOME", "`ls`", "a'b", "#", "@", "^", "!"),
)

#: Keys that every storage can hold, among them many pairs that a careless one takes for the same; all differ.
HOSTILE_KEYS: Final[tuple[Hashable, ...]] = (
    *_TEXTS,
    *(1, 0, -1, 2**63, -(2**64), 10**30, 10**5_000, 2**53 + 1),
    *(1.5, -1.5, 0.1, 1e-300, float("inf"), float("-inf"), 2.0**53),
    None,
    *(b"", b"1", b"a/b", b"\xff\0", b"case", b"CASE", b"x" * 1_000),
    *((), ("",), ("", ""), (1,), ("1",), (None,), (b"1",)),
    *(("a", "b"), ("a/b",), (("a",), "b"), ("a", ("b",)), ((),)),
    (("x" * 100,) * 10),
    *(Key("/a/b"), Key("/"), Key("/A:b"), (Key("/a/b"),)),
)

#: Keys that are hashable and that no storage of bytes can hold.
REFUSED_KEYS: Final[dict[str, Hashable]] = {
    "an object": object(),
    "a function": len,
    "a frozenset": frozenset({1}),
    "a complex number": 1j,
    "NaN": float("nan"),
    "half a surrogate pair": "a\ud800",
    "a tuple with an object": ("a", object()),
    "a tuple with NaN": (float("nan"),),
    "a tuple with half a surrogate pair": ("\udfff", 1),
}

#: Things that no dict takes for a key.
UNHASHABLE: Final[dict[str, Any]] = {
    "a list": [],
    "a dict": {},
    "a set": set(),
    "a bytearray": bytearray(b"a"),
    "a tuple with a list": ("a", []),
}

#: Values that JSON can hold and give back as they were.
JSON_VALUES: Final[tuple[Any, ...]] = (
    *("text", "", "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{PILE OF POO}\0\n", "x" * 20_000),
    *(None, True, False, 0, 1, -1, 2**70, 0.5, -1e300, float("inf")),
    *([], [1, [2, [None]]], {}, {"a": {"b": [True, "c"]}, "": 1}),
)

#: Values that only a storage of bytes can be made for.
BYTES_VALUES: Final[tuple[bytes, ...]] = (
    *(b"bytes", b"", b"\0\xff\r\n", bytes(range(256)) * 100, b"\x8fPyS", b"\x8fPyS\x01", b"{}"),
)

#: Values that pickle can hold besides.
PICKLE_VALUES: Final[tuple[Any, ...]] = (
    *JSON_VALUES,
    *BYTES_VALUES,
    *((1, (2,)), {1, 2}, frozenset({"a"}), {1: 2, (3,): None}, 1j, range(3), bytearray(b"ab"), Key("/a")),
)


def returned(key: Hashable) -> Hashable:
    """Give the key that a storage of bytes gives back for one.

    Args:
        key: A key that it can hold.

    Returns:
        The same for a plain one; the plain value that a subclass equals; the integer that a number equals.

    Raises:
        Nothing.

    Example:
        >>> returned(True), returned((2.0, "a"))
        (1, (2, 'a'))
    """
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, float) and key.is_integer():
        return int(key)
    if isinstance(key, int):
        return int.__int__(key)
    if isinstance(key, tuple):
        return tuple(map(returned, key))
    return key
