"""Key and Namespace: what py-datastore promised of them, and what it got wrong."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.keys import Key, Namespace

ROOT = Key("/")
JOHN = Key("/Comedy/MontyPython/Actor:JohnCleese")

texts = st.text(alphabet=st.sampled_from("ab:/. é\ud800"), max_size=12)
names = st.text(alphabet=st.sampled_from("ab:. é"), min_size=1, max_size=4)
keys = st.builds(Key, texts)


# -------------------------------------------------------------------- made of


@pytest.mark.parametrize(
    "given_, text",
    [
        ("", "/"),
        ("/", "/"),
        ("///", "/"),
        ("a", "/a"),
        ("/a", "/a"),
        ("//a///b//", "/a/b"),
        ([], "/"),
        (["a", "b"], "/a/b"),
        (("a", "", "b/c"), "/a/b/c"),
        (Key("/a/b"), "/a/b"),
        (Namespace("a:b"), "/a:b"),
        ("/a/./../b", "/a/./../b"),
        (" a /b ", "/ a /b "),
    ],
)
def test_is_written_one_way(given_, text):
    assert str(Key(given_)) == text


@pytest.mark.parametrize("given_", [None, 1, b"a", bytearray(b"a"), {"a"}, {"a": 1}, object(), iter("ab")])
def test_is_made_of_texts_only(given_):
    with pytest.raises(TypeError, match="is made of a str, a Key or a sequence"):
        Key(given_)


@pytest.mark.parametrize("given_", [[1], ["a", None], ["a", b"b"], [Key("/a")]])
def test_namespaces_are_texts(given_):
    with pytest.raises(TypeError, match="namespaces of a Key are str"):
        Key(given_)


def test_text_is_plain():
    assert type(str(Key(Namespace("/a")))) is str


def test_random_keys_differ():
    made = {Key.random_key() for _ in range(100)}
    assert len(made) == 100
    assert all(key.is_top_level() and len(key.name) == 32 for key in made)


def test_remove_duplicate_slashes():
    assert Key.remove_duplicate_slashes("//a///b/") == "/a/b"
    assert Key.remove_duplicate_slashes("") == "/"


# -------------------------------------------------------------------- the parts


def test_namespaces():
    assert JOHN.list == JOHN.namespaces == list(JOHN) == ["Comedy", "MontyPython", "Actor:JohnCleese"]
    assert all(type(part) is Namespace for part in JOHN)
    assert len(JOHN) == 3
    assert "Comedy" in JOHN
    assert "Actor" not in JOHN


def test_list_is_a_copy():
    JOHN.list.clear()
    assert len(JOHN) == 3


@pytest.mark.parametrize(
    "text, kind, name",
    [
        ("x:y:z", "x", "z"),
        ("x", "", "x"),
        ("x:", "x", ""),
        (":x", "", "x"),
        ("", "", ""),
        (":", "", ""),
    ],
)
def test_type_and_name(text, kind, name):
    assert (Namespace(text).type, Namespace(text).name) == (kind, name)
    key = Key(["a", text]) if text else ROOT
    assert (key.type, key.name) == (kind, name)


def test_namespace_is_a_text():
    assert Namespace("a:b") == "a:b"
    assert hash(Namespace("a:b")) == hash("a:b")
    assert eval(repr(Namespace("it's"))) == "it's"
    assert repr(Namespace("a")) == "Namespace('a')"


def test_instance():
    assert Key("/A/B").instance("c") == Key("/A/B:c")
    assert Key("/A/B:c").instance("d") == Key("/A/B:c:d")
    assert ROOT.instance("directory") == Key("/:directory")
    with pytest.raises(ValueError, match="holds no '/'"):
        JOHN.instance("a/b")
    with pytest.raises(TypeError, match="not int"):
        JOHN.instance(1)


@pytest.mark.parametrize(
    "text, path", [("/A/B:c", "/A/B"), ("/A/b", "/A"), ("/b", "/"), ("/B:c", "/B"), ("/", "/")]
)
def test_path(text, path):
    assert Key(text).path == Key(path)


def test_reverse():
    assert JOHN.reverse == Key("/Actor:JohnCleese/MontyPython/Comedy")
    assert ROOT.reverse == ROOT


def test_child():
    assert JOHN.child("a//b/") == JOHN / "a" / Key("b") == Key(f"{JOHN}/a/b")
    assert str(ROOT / "a") == "/a"
    assert JOHN / "" == JOHN / ROOT == JOHN
    for bad in (1, None, ["a"], b"a"):
        with pytest.raises(TypeError, match="a str or a Key"):
            JOHN.child(bad)
        with pytest.raises(TypeError, match="a str or a Key"):
            JOHN / bad


# -------------------------------------------------------------------- where it stands


def test_the_root():
    assert len(ROOT) == 0
    assert not ROOT
    assert ROOT.list == []
    assert (ROOT.name, ROOT.type) == ("", "")
    assert not ROOT.is_top_level()
    assert ROOT.is_ancestor_of(Key("/a"))
    assert ROOT.is_ancestor_of(JOHN)
    assert not ROOT.is_ancestor_of(Key(""))
    assert not ROOT.is_descendant_of(ROOT)
    with pytest.raises(ValueError, match="has no parent"):
        _ = ROOT.parent


def test_parent_and_top_level():
    assert JOHN.parent.parent == Key("/Comedy")
    assert Key("/Comedy").is_top_level()
    assert Key("/Comedy").parent == ROOT
    assert not JOHN.is_top_level()


def test_ancestors_stand_on_boundaries():
    assert Key("/a").is_ancestor_of(Key("/a/b"))
    assert Key("/a/b").is_descendant_of(Key("/a"))
    assert not Key("/a").is_ancestor_of(Key("/ab"))
    assert not Key("/a").is_ancestor_of(Key("/a:b"))
    assert not Key("/a").is_ancestor_of(Key("/a"))
    assert not Key("/a/b").is_ancestor_of(Key("/a"))
    for bad in ("/a/b", None, ["a"]):
        with pytest.raises(TypeError, match="Key"):
            JOHN.is_ancestor_of(bad)
        with pytest.raises(TypeError, match="Key"):
            JOHN.is_descendant_of(bad)


# -------------------------------------------------------------------- as a value


def test_never_equals_a_text():
    assert Key("/a") != "/a"
    assert Key("/a") != ["a"]
    assert Namespace("/a") != Key("/a")
    assert {Key("/a"): 1, "/a": 2} == {"/a": 2, Key("a"): 1}


def test_order_is_that_of_the_namespaces():
    ordered = [ROOT, Key("a"), Key("a/b"), Key("a/b/c"), Key("a-b"), Key("b")]
    assert sorted([*ordered[3:], *ordered[:3]]) == ordered
    assert Key("a") < Key("a/b") <= Key("a/b")
    assert Key("b") > Key("a/b") >= Key("a/b")
    with pytest.raises(TypeError):
        _ = JOHN < "/z"


def test_cannot_be_changed():
    for name in ("_text", "name", "other"):
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(JOHN, name, "x")
    with pytest.raises(AttributeError, match="cannot be changed"):
        del JOHN._text
    JOHN.__init__("/other")
    assert str(JOHN) == "/Comedy/MontyPython/Actor:JohnCleese"
    assert not hasattr(JOHN, "__dict__")


def test_repr():
    assert repr(Key("/a/b")) == "Key('/a/b')"


def test_hash_is_pinned():
    # Places are chosen by it, on every machine: it must never change.
    assert hash(Key("/a/b")) == 599000506151829971
    assert hash(ROOT) == 8241510338803903


def test_hash_is_the_same_in_every_process():
    root = Path(__file__).parents[2]
    program = "from pystorage.keys import Key; print(hash(Key('/a/é')))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "random")
    }
    assert seen == {f"{hash(Key('/a/é'))}\n"}


@given(keys)
def test_round_trips(key):
    assert Key(str(key)) == Key(key) == Key(key.list) == eval(repr(key)) == key
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(key, protocol)) == key
    assert copy.deepcopy(key) == copy.copy(key) == key
    assert key.reverse.reverse == key


@given(keys)
def test_parts_make_the_whole(key):
    assert len(key) == len(key.list) == len(list(key))
    assert all(part and "/" not in part for part in key)
    if key:
        assert key.parent / key.list[-1] == key
        assert key.parent.is_ancestor_of(key)
        assert len(key.parent) == len(key) - 1
        assert key.is_top_level() == (key.parent == ROOT)
    assert ROOT.is_ancestor_of(key) == (key != ROOT)


@given(keys, keys)
def test_equality_order_and_hash_agree(one, two):
    assert (one == two) == (str(one) == str(two)) == (one.list == two.list)
    assert (one < two) == (one.list < two.list)
    assert (one < two) + (one == two) + (one > two) == 1
    if one == two:
        assert hash(one) == hash(two)
    assert 0 <= hash(one) < 2**60


@given(keys, keys)
def test_ancestry_is_that_of_the_lists(one, two):
    assert one.is_ancestor_of(two) == (len(one) < len(two) and two.list[: len(one)] == one.list)
    assert one.is_ancestor_of(two) == two.is_descendant_of(one)
    assert one.is_ancestor_of(one / two) == bool(two)


@given(keys, names)
def test_instance_belongs_to_its_path(key, name):
    made = key.instance(name)
    assert made.name == name.rpartition(":")[2]
    assert made.parent == (key.parent if key else ROOT)
    assert made.path == made.parent / made.type
