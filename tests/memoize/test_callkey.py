"""Call keys: one for each call, however its arguments were passed, and none for two."""

from __future__ import annotations

import functools
import operator
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.memo.binding import Binding
from pystorage.memo.callkey import CallKey


def nothing():
    return locals()


def one(a):
    return locals()


def two(a, b=2):
    return locals()


def renamed(a, c=2):
    return locals()


def swapped(b, a=2):
    return locals()


def positional(a, b=2, /):
    return locals()


def mixed(a, /, b, *, c=3):
    return locals()


def keywords(*, a, b=2):
    return locals()


def more(a, *args, b=2):
    return locals()


def others(a, /, b=1, **kwargs):
    return locals()


def everything(a, /, b=2, *args, c=3, **kwargs):
    return locals()


def named_so(self, args, kwargs=3, *, key=4, default=5, value=6):
    return locals()


FUNCTIONS = [
    nothing,
    one,
    two,
    renamed,
    swapped,
    positional,
    mixed,
    keywords,
    more,
    others,
    everything,
    named_so,
]

SENTINEL = object()


def with_sentinel(a, b=SENTINEL): ...


def key(function, *args, **kwargs):
    return CallKey(function)(args, kwargs)


small = st.sampled_from([0, 1, 1.0, True, 2, 3, None, "a", (1,), [1], {}, ()])
passed = st.tuples(
    st.lists(small, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", "c", "args", "kwargs", "x"]), small, max_size=3),
)
functions = st.sampled_from(FUNCTIONS)


def bound(function, args, kwargs):
    """Say which value each parameter gets; None where that is no call."""
    try:
        return function(*args, **kwargs)
    except TypeError:
        return None


# -------------------------------------------------------------------- binding


@given(functions, passed)
def test_binds_as_a_call_does(function, call):
    expected = bound(function, *call)
    binding = Binding(function)
    if expected is None:
        with pytest.raises(TypeError, match=rf"{function.__name__}\(\): "):
            binding.values(*call)
        return
    values = binding.values(*call)
    assert dict(zip(binding.names, values, strict=True)) == expected
    args, kwargs = binding.as_passed(values)
    assert function(*args, **kwargs) == expected


@given(functions, passed, functions, passed)
def test_one_key_exactly_where_function_and_bound_call_are_one(function, call, other, other_call):
    if bound(function, *call) is None or bound(other, *other_call) is None:
        return
    same = function is other and bound(function, *call) == bound(other, *other_call)
    assert (key(function, *call[0], **call[1]) == key(other, *other_call[0], **other_call[1])) == same


@pytest.mark.parametrize(
    "function, args, kwargs, why",
    [
        (one, (), {}, "missing a required"),
        (one, (1, 2), {}, "too many positional"),
        (one, (1,), {"a": 1}, "multiple values"),
        (one, (1,), {"b": 1}, "unexpected keyword"),
        (positional, (), {"a": 1}, "a"),
        (keywords, (1,), {}, "too many positional"),
        (others, (1, 2), {"b": 3}, "multiple values"),
    ],
)
def test_calls_that_are_none(function, args, kwargs, why):
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\): .*{why}"):
        CallKey(function)(args, kwargs)


def test_one_call_in_many_forms():
    assert key(two, 1) == key(two, a=1) == key(two, 1, 2) == key(two, b=2, a=1) == key(two, 1.0, b=True + 1)
    assert key(others, 1, x=1, y=2) == key(others, 1, 1, y=2, x=1)
    assert key(others, 1, a=2) == key(others, 1, b=1, a=2)
    assert key(named_so, 1, 2) == key(named_so, self=1, args=2, kwargs=3, key=4, default=5, value=6)


def test_parameters_are_told_apart():
    assert key(two, 1, 2) != key(two, 2, 1)
    assert key(two, 1, 2).partition("-")[2] != key(renamed, 1, 2).partition("-")[2]
    assert key(more, 1, 2, 3) != key(more, 1, (2, 3))
    assert key(others, 1, b=2) != key(others, 1, c=2)


# -------------------------------------------------------------------- what the key looks like


def test_prefix():
    call_key = CallKey(two)
    assert call_key.prefix == f"{__name__}.two-"
    assert re.fullmatch(rf"{re.escape(__name__)}\.two-[0-9a-f]{{32}}", call_key((1,), {}))
    assert CallKey(two, version="1.2-beta/é:@%").prefix == f"{__name__}.two@1.2%2Dbeta%2Fé%3A%40%25-"
    assert CallKey(two, version=7).prefix == f"{__name__}.two@7-"


def test_no_prefix_begins_another():
    prefixes = [
        CallKey(function, version=version).prefix
        for function in (*FUNCTIONS, with_sentinel, string.capwords)
        for version in (None, 1, 11, "1-1", "-", "@")
    ]
    for prefix in prefixes:
        assert [each for each in prefixes if each.startswith(prefix)] == [prefix]


def test_the_key_is_pinned():
    # What was stored under it is found by it, in every later release.
    assert key(string.capwords, "a b") == "string.capwords-22ea0b9253810d87daa0139a7d264728"
    assert (
        CallKey(string.capwords, version=2, typed=True)(("a b",), {})
        == "string.capwords@2-76f7ba1301dbc587b93bdaaf136b264f"
    )


def test_version():
    keys = {CallKey(one, version=version)((1,), {}) for version in (None, 1, 2, "a", "None")}
    assert len(keys) == 5
    assert CallKey(one, version=1)((1,), {}) == CallKey(one, version="1")((1,), {})


@pytest.mark.parametrize(
    "version, error",
    [(1.5, TypeError), (True, TypeError), (("a",), TypeError), ("", ValueError), ("auto", ValueError)],
)
def test_what_is_no_version(version, error):
    with pytest.raises(error, match="version"):
        CallKey(one, version=version)


def test_typed():
    typed = CallKey(two, typed=True)
    assert typed((1,), {}) == typed((), {"a": 1})
    assert len({typed((value,), {}) for value in (1, 1.0, True)}) == 3
    assert len({typed(([value],), {}) for value in (1, 1.0, True)}) == 3
    assert typed((1,), {}) != CallKey(two)((1,), {})


# -------------------------------------------------------------------- ignore=


def test_ignore():
    for ignore in ("b", ["b"], ("b", "b"), {"b"}, iter("b")):
        call_key = CallKey(two, ignore=ignore)
        assert call_key((1,), {}) == call_key((1, object()), {})
        assert call_key((1,), {}) != call_key((2,), {})
    assert CallKey(two, ignore="b")((1,), {}) != CallKey(one)((1,), {})


def test_ignore_everything():
    call_key = CallKey(two, ignore=("a", "b"))
    assert call_key((object(),), {}) == call_key((), {"a": 1, "b": 2})


def test_ignore_more_and_others():
    call_key = CallKey(everything, ignore=("args", "c"))
    assert call_key((1, 2, 3, 4), {"c": 5, "x": 6}) == call_key((1, 2), {"x": 6})
    assert call_key((1, 2), {"x": 6}) != call_key((1, 2), {"x": 7})
    call_key = CallKey(everything, ignore="kwargs")
    assert call_key((1,), {"x": 6}) == call_key((1,), {})


def test_ignore_a_name_that_others_may_hold():
    call_key = CallKey(everything, ignore="session")
    assert call_key((1,), {"session": object(), "x": 1}) == call_key((1,), {"x": 1})
    assert call_key((1,), {"x": 1}) != call_key((1,), {})


@pytest.mark.parametrize(
    "ignore, error, why",
    [
        ("c", ValueError, r"'c', which is no parameter of two\(\): it has a, b"),
        (("a", "bb"), ValueError, "'bb'"),
        (1, TypeError, "names of parameters, not int"),
        ((1,), TypeError, "1 is no name"),
    ],
)
def test_what_cannot_be_ignored(ignore, error, why):
    with pytest.raises(error, match=why):
        CallKey(two, ignore=ignore)


# -------------------------------------------------------------------- key=


def test_key_by_name():
    call_key = CallKey(two, key=lambda b: b % 10)
    assert call_key((object(), 11), {}) == call_key((), {"b": 1, "a": 5})
    assert call_key((0, 11), {}) != call_key((0, 12), {})
    assert call_key((0,), {}) == call_key((1, 2), {})
    assert CallKey(two, key=lambda b, unused=1: b)((0, 1), {}) == CallKey(two, key=lambda *, b: b)((9, 1), {})


def test_key_of_all():
    for asked in (lambda **given: given["a"], lambda *args, **kwargs: args[0], lambda a, **_: a):
        call_key = CallKey(two, key=asked)
        assert call_key((1, 2), {}) == call_key((1, 3), {})
        assert call_key((1, 2), {}) != call_key((2, 2), {})
    assert CallKey(everything, key=lambda *args, **kwargs: (args, kwargs))((1, 2, 3), {"x": 4}) == CallKey(
        everything, key=lambda a, b, args, c, kwargs: ((a, b, *args), {"c": c, **kwargs})
    )((1, 2, 3), {"x": 4})


def test_key_by_position():
    def asked(first, /):
        return first

    assert CallKey(two, key=asked)((1, 2), {}) == CallKey(two, key=asked)((1, 3), {})
    assert CallKey(one, key=len)(("ab",), {}) == CallKey(one, key=len)(("cd",), {})
    assert CallKey(one, key=operator.attrgetter("real"))((1,), {}) == CallKey(
        one, key=functools.partial(abs)
    )((1,), {})


def test_key_and_arguments_are_told_apart():
    assert CallKey(one, key=lambda a: a)((1,), {}) != CallKey(one)((1,), {})


def test_key_typed():
    call_key = CallKey(one, key=lambda a: [a], typed=True)
    assert call_key((1,), {}) != call_key((1.0,), {})


def test_errors_of_key_come_through():
    with pytest.raises(ZeroDivisionError):
        CallKey(one, key=lambda a: 1 / a)((0,), {})


@pytest.mark.parametrize(
    "asked, error, why",
    [
        (lambda user: user, TypeError, r"key= takes 'user', which is no parameter of two\(\): it has a, b"),
        (lambda a, b, c: 0, TypeError, "'c'"),
        ("a", TypeError, r"key= is a function of some parameters of two\(\), not 'a'"),
    ],
)
def test_what_is_no_key(asked, error, why):
    with pytest.raises(error, match=why):
        CallKey(two, key=asked)((1,), {})


def test_key_and_ignore_exclude_each_other():
    with pytest.raises(ValueError, match="key= says what a call is known by"):
        CallKey(two, key=lambda a: a, ignore="b")


# -------------------------------------------------------------------- defaults without a fingerprint


def test_a_default_is_known_as_itself():
    call_key = CallKey(with_sentinel)
    assert call_key((1,), {}) == call_key((1, SENTINEL), {}) == call_key((), {"b": SENTINEL, "a": 1})
    assert call_key((1,), {}) != call_key((1, None), {})
    with pytest.raises(TypeError, match="argument 'b', of type object, has no fingerprint"):
        call_key((1, object()), {})
    assert CallKey(with_sentinel, ignore="b")((1,), {}) == CallKey(with_sentinel, ignore="b")(
        (1, object()), {}
    )


# -------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "function, call, name, kind",
    [
        (two, ((1, object()), {}), "'b'", "object"),
        (two, (([{"x": object()}],), {}), "'a'", "list"),
        (more, ((1, 2, object()), {}), "'args'", "tuple"),
        (others, ((1,), {"session": object()}), "'kwargs'", "dict"),
        (everything, ((1,), {"c": lambda: 0}), "'c'", "function"),
    ],
)
def test_the_argument_is_named(function, call, name, kind):
    with pytest.raises(
        TypeError, match=rf"{function.__name__}\(\): the argument {name}, of type {kind}, "
    ) as caught:
        CallKey(function)(*call)
    for way_out in ("ignore=", "key="):
        assert way_out in str(caught.value)


def test_what_key_gave_is_named():
    with pytest.raises(TypeError, match="what key= gave, of type object, has no fingerprint"):
        CallKey(one, key=lambda a: object())((1,), {})


def test_an_argument_that_holds_itself_is_named():
    row = []
    row.append(row)
    with pytest.raises(ValueError, match="the argument 'b', of type list, .* a list holds itself"):
        CallKey(two)((1, row), {})


def test_without_a_name():
    with pytest.raises(TypeError, match="has no name to store results under"):
        CallKey(functools.partial(two, 1))


def test_without_a_signature():
    with pytest.raises(TypeError, match="the signature of .* is not known"):
        CallKey(max)


# -------------------------------------------------------------------- functions made inside functions


def make(step, state):
    def stepped(number):
        state.append(number)
        return number + step

    return stepped


def make_wrapped(step):
    def outer(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)

        return wrapper

    @outer
    def inner(number):
        return number + step

    return inner


def make_late():
    def early():
        return late

    call_key = CallKey(early)
    late = 1
    return call_key, early


@pytest.mark.parametrize("maker", [lambda step: make(step, []), make_wrapped])
def test_what_they_captured_is_part_of_the_key(maker):
    assert key(maker(1), 1) == key(maker(1), 1)
    assert key(maker(1), 1) != key(maker(2), 1)
    assert key(maker(1), 1) != key(maker(1.0), 1)


def test_what_can_change_is_not():
    assert key(make(1, []), 1) == key(make(1, [1, 2]), 1)
    assert key(make(1, object()), 1) == key(make(1, object()), 1)


def test_what_is_not_there_yet_is_not():
    call_key, early = make_late()
    assert call_key((), {}) != CallKey(early)((), {})
