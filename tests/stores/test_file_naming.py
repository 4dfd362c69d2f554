"""Key ↔ name: every key has one name, every name one key, and every file system can hold the names."""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pystorage.errors import InvalidKeyError
from pystorage.keys import Key
from pystorage.naming import Naming, TreeNaming
from pystorage.testing.samples import HOSTILE_KEYS, REFUSED_KEYS, returned

NAMINGS: dict[str, Naming] = {
    "flat": Naming(),
    "flat, folding": Naming(fold_case=True),
    "flat, short": Naming(max_length=150),
    "tree": TreeNaming("storage"),
    "tree, folding": TreeNaming("storage", fold_case=True),
    "tree of capitals": TreeNaming("TXT", fold_case=True),
    "tree of hexadecimals": TreeNaming("2E"),
}

#: Characters and words that a careless naming confuses.
odd = st.sampled_from(
    [
        *'aAkKbBß./%~_- \0\n\\:*?"<>|',
        *("é", "e\u0301", "ı", "\u212a", "\U0001f4a9", "\ufeff", "\u2028", ".storage", ".STORAGE", ".txt"),
        *(".2E", "con", "NUL", "lpt1", "aux.", "..", "//", "%s", "%n", "%i5", "%t", "%v", "%2F", "%u", "%y"),
        *("%p", "%~", "%pystorage", "0" * 32, "x" * 100, "x" * 199, "é" * 70),
    ]
)
texts = st.lists(odd, max_size=6).map("".join) | st.text(max_size=12) | st.text(alphabet="a/.", max_size=8)
large = st.integers(2_000, 20_000).map(lambda bits: -(1 << bits))
numbers = st.integers() | st.floats(allow_nan=False) | st.booleans() | large
leaves = texts | numbers | st.none() | st.binary(max_size=8) | st.builds(Key, texts)
keys = st.recursive(leaves, lambda items: st.lists(items, max_size=4).map(tuple), max_leaves=8)

#: What names are made of; ``%`` begins an escape or a mark, as ``%~``.
SAFE = frozenset(string.ascii_letters + string.digits + "._-%~")
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z")


def holdable(key: object) -> bool:
    try:
        NAMINGS["flat"].name(key)
    except InvalidKeyError:
        return False
    return True


def check_name(naming: Naming, name: str) -> None:
    """See that a name, as it stands in the place, is one that every file system holds and gives back."""
    assert len(name) <= 1000
    tree = isinstance(naming, TreeNaming)
    for part in name.split("/") if tree else [name]:
        assert part
        assert len(part) <= naming.max_length
        assert SAFE.issuperset(part), part
        assert not part.startswith(".")
        assert not part.endswith((".", " "))
        assert not DEVICE.match(part)
        assert not part.startswith("%p")
        if naming.fold_case and "%~" not in part:
            # The only capitals are digits of escapes, and no mark has small letters in their place.
            assert re.fullmatch(r"(?:[a-z0-9._\-]|%[0-9A-F]{2}|%[g-z])+", part)
    if tree:
        ending = f".{naming.suffix}".lower()  # type: ignore[attr-defined]
        assert not any(part.lower().endswith(ending) for part in name.split("/")[:-1])


@pytest.mark.parametrize("which", NAMINGS)
@settings(max_examples=150)
@given(key=keys)
@example(key=(b"",))
@example(key=(b"", 1, b""))
@example(key=("", ("",), ((), b"")))
@example(key=-0.0)
@example(key="a.storage/b")
@example(key="a.STORAGE/b")
@example(key="a.sToRaGe")
@example(key=10**650)
@example(key=("a" * 300, b"\xff" * 100))
def test_a_key_is_found_by_its_name(which: str, key: Any) -> None:
    """The key of a key's name is the key; the name is safe, and the same however often it is asked for."""
    assume(holdable(key))
    naming = NAMINGS[which]
    name = naming.name(key)
    assert naming.key(name) == returned(key)
    assert type(naming.key(name)) is type(returned(key))
    assert naming.name(key) == naming.name(returned(key)) == name
    check_name(naming, naming.shortened(name))
    assert naming.is_shortened(naming.shortened(name)) is (naming.shortened(name) != name)


@pytest.mark.parametrize("which", NAMINGS)
@settings(max_examples=80)
@given(some=st.lists(keys, min_size=2, max_size=30))
def test_two_keys_never_share_a_name(which: str, some: list[Any]) -> None:
    """Keys that a dict takes for two have two names, also where the disk folds case."""
    naming = NAMINGS[which]
    distinct = {(type(returned(key)), returned(key)) for key in some if holdable(key)}
    names = [naming.shortened(naming.name(key)) for _, key in distinct]
    assert len(set(names)) == len({key for _, key in distinct})
    if naming.fold_case:
        assert len({name.casefold() for name in names}) == len(set(names))


@pytest.mark.parametrize("which", NAMINGS)
@settings(max_examples=200)
@given(
    name=st.lists(
        st.sampled_from(
            [
                *"aAbB.-/%0 ",
                *("%2F", "%2f", "%41", "%61", "%C3%A9", "%c3", "con", "1_0", "%t", "%u", "%v", "%s", "%n"),
                *("%i", "%i5", "%i05", "%r", "%r0.5", "%r1.0", "%rnan", "%rinf", "%x", "%x1f", "%y", "%k"),
                *("%k%2F", "%~", "%p"),
            ]
        ),
        max_size=8,
    ).map("".join)
    | st.text(max_size=10)
)
@example(name="%ta%u%v")
@example(name="%t" * 200)
@example(name="%i" + "9" * 5000)
@example(name="%i1_0")
@example(name="%i ٣")
@example(name="%r1e400")
def test_a_name_has_one_key_or_none(which: str, name: str) -> None:
    """A name that is found is that of one key, whose name it is, or of none: no two names give one key."""
    naming = NAMINGS[which]
    try:
        key = naming.key(name)
    except ValueError:
        return
    assert naming.name(key) == name


@pytest.mark.parametrize("which", NAMINGS)
def test_hostile_keys(which: str) -> None:
    """All hostile keys have names of their own, by which they are found."""
    naming = NAMINGS[which]
    names: dict[str, Hashable] = {}
    for key in HOSTILE_KEYS:
        name = naming.name(key)
        check_name(naming, naming.shortened(name))
        folded = naming.shortened(name).casefold() if naming.fold_case else naming.shortened(name)
        assert names.setdefault(folded, returned(key)) == returned(key)
        assert naming.key(name) == returned(key)


@pytest.mark.parametrize("which", REFUSED_KEYS)
def test_what_is_no_key_has_no_name(which: str) -> None:
    """What cannot be a key is ``InvalidKeyError``."""
    for naming in NAMINGS.values():
        with pytest.raises(InvalidKeyError):
            naming.name(REFUSED_KEYS[which])


def test_tuples_nest_fifty_deep_and_no_deeper() -> None:
    """A tuple in a tuple has an end, both as a key and in a name that somebody made up."""
    naming, key = NAMINGS["flat"], ()
    for _ in range(49):
        key = (key,)
    assert naming.key(naming.name(key)) == key
    with pytest.raises(InvalidKeyError, match="nest at most 50 deep"):
        naming.name(((key,),))
    for depth in (52, 100, 100_000):
        with pytest.raises(ValueError, match="not the name of a key"):
            naming.key("%t" * depth + "%v" * depth)


def test_long_integers_do_not_depend_on_the_limit_of_the_interpreter() -> None:
    """The name of an integer is the same whatever Python was told of long ones."""
    naming, number = NAMINGS["flat"], 10**639 - 1
    usual = sys.get_int_max_str_digits()
    names = [naming.name(key) for key in (number, number * 10, -number, 10**3000)]
    try:
        for limit in (640, 0):
            sys.set_int_max_str_digits(limit)
            assert [naming.name(key) for key in (number, number * 10, -number, 10**3000)] == names
            assert [naming.key(name) for name in names] == [number, number * 10, -number, 10**3000]
            with pytest.raises(ValueError, match="not the name of a key|integer string"):
                naming.key("%i" + "9" * 641)
    finally:
        sys.set_int_max_str_digits(usual)


# ---------------------------------------------------------------------- many at once


@settings(max_examples=1000)
@given(
    found=st.lists(
        st.text(alphabet="aAcCoOnN19._-", max_size=6)
        | st.sampled_from(
            ["con", "COM1", "lpt9x", "nul.a", "", ".", "a.", "a\n", "x" * 200, "x" * 201, "a%2F", "é", "aux"]
        ),
        max_size=6,
    ),
    ending=st.sampled_from(["", ".storage", ".a"]),
)
def test_many_names_at_once(found: list[str], ending: str) -> None:
    """``all_plain`` says of many names what is true of each: that it is plain, and has the ending."""
    naming = NAMINGS["flat"]
    names = [name + ending for name in found]
    assert naming.all_plain(names, ending) == (all(map(naming.plain, found)) and bool(found))
    if ending:
        assert naming.all_plain([*names, "other"], ending) is False


def test_many_names_at_once_where_it_is_not_so_easy() -> None:
    """Where letters fold or a tree is laid out, the answer is that it does not know."""
    for which, naming in NAMINGS.items():
        assert naming.all_plain(["a", "b"]) is (which in ("flat", "flat, short"))


# ---------------------------------------------------------------------- trees


@pytest.mark.parametrize(
    "key, name",
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("", "%s"),
        ("/", "%s/%s"),
        ("/a", "%s/a"),
        ("a/", "a/%s"),
        ("a//b", "a/%s/b"),
        (".", "%2E"),
        ("../a", "%2E%2E/a"),
        ("a/../b", "a/%2E%2E/b"),
        ("a.storage/b", "a.storag%65/b"),
        ("a.STORAGE/b", "a.STORAG%45/b"),
        ("a/b.storage", "a/b.storage"),
        ("con/nul.txt/x", "%63on/%6Eul.txt/x"),
        (("a/b", "c"), "%ta%2Fb%uc%v"),
        (Key("/a/b"), "%k%2Fa%2Fb"),
        (b"a/b", "%ya%2Fb"),
    ],
)
def test_how_a_tree_is_laid_out(key: Any, name: str) -> None:
    """Folders are those of a text key; all else is one name."""
    assert NAMINGS["tree"].name(key) == name
    assert NAMINGS["tree"].key(name) == key


@settings(max_examples=300)
@given(some=st.lists(texts, max_size=20))
def test_no_folder_of_a_tree_is_the_file_of_a_key(some: list[str]) -> None:
    """The file of one key never lies where another needs a folder, also where the disk folds case."""
    for which in ("tree", "tree, folding", "tree of capitals", "tree of hexadecimals"):
        naming: Any = NAMINGS[which]
        shown: Callable[[str], str] = str.casefold if naming.fold_case else str
        names = [naming.shortened(naming.name(key)) for key in some if holdable(key)]
        files = {shown(f"{name}.{naming.suffix}") for name in names}
        folders = {shown(name.rpartition("/")[0]) for name in names if "/" in name}
        folders |= {"/".join(folder.split("/")[:depth]) for folder in folders for depth in range(1, 20)}
        assert files.isdisjoint(folders)


def test_arguments_of_a_naming() -> None:
    """What cannot work is refused."""
    for wrong in ({"max_length": 149}, {"safe": "%"}, {"safe": "é"}, {"safe": "\n"}):
        with pytest.raises(ValueError, match="at least 150|only printable ASCII"):
            Naming(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a tree needs a suffix"):
        TreeNaming("")
