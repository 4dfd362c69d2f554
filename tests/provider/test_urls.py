"""URLs in parts, and what of them may be shown."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pystorage.errors import StorageProviderError
from pystorage.urls import StorageURL, flag, loaded, octal, scheme_of, without_secrets

texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(texts, st.dictionaries(texts, texts, max_size=4))
def test_what_was_quoted_comes_back(path: str, options: dict[str, str]) -> None:
    path = path.replace("\0", "")
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='+')}" for name, value in options.items())
    url = StorageURL.parse(f"ab:/{quote(path, safe='')}?{query}")
    assert (url.scheme, url.host, url.path, url.options) == ("ab", "", f"/{path}", options)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        url = StorageURL.parse(text)
    except StorageProviderError:
        return
    assert url.text == text
    assert url.scheme == scheme_of(text)


def test_the_parts() -> None:
    url = StorageURL.parse("REDIS://me:word@host:6379/0?prefix=app%3A&codec=pickle+gzip")
    assert (url.scheme, url.host, url.path) == ("redis", "me:word@host:6379", "/0")
    assert url.options == {"prefix": "app:", "codec": "pickle+gzip"}


@pytest.mark.parametrize("text", ["", "cache", "/cache", "?a=b", "C:\\cache", "1ab:", "a b:c", ":", "//host"])
def test_what_has_no_scheme_is_no_url(text: str) -> None:
    assert scheme_of(text) is None
    with pytest.raises(StorageProviderError, match="no scheme"):
        StorageURL.parse(text)


def test_options_become_values() -> None:
    url = StorageURL.parse("ab:?size=5&deep=yes&mode=0640&name=x")
    converters = {"size": int, "deep": flag, "mode": octal, "name": str, "other": int}
    assert url.converted(converters) == {"size": 5, "deep": True, "mode": 0o640, "name": "x"}


@pytest.mark.parametrize("text, said", [("1", True), ("TRUE", True), ("off", False), ("No", False)])
def test_a_flag(text: str, said: bool) -> None:
    assert flag(text) is said


@pytest.mark.parametrize("text", ["", "2", "maybe", "truee"])
def test_what_is_no_flag(text: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        flag(text)


def test_what_is_loaded_already_is_given_back() -> None:
    assert loaded(StorageURL) is StorageURL
    assert loaded("pystorage.urls:StorageURL") is StorageURL


# -------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "text, shown",
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:secret@host:6379/0", "redis://…@host:6379/0"),
        ("redis://secret:secret@host", "redis://…@host"),
        ("redis://secret@secret@host/0", "redis://…@host/0"),
        ("redis://:se/cret@host/0", "redis://…@host/0"),
        ("redis://:se?cret@host/0", "redis://…"),
        ("redis://:se#cret@host/0", "redis://…"),
        ("redis:secret:secret@host", "redis:…@host"),
        ("redis://host/0?password=secret", "redis://host/0?…"),
        ("redis://host/0?password=secret@secret", "redis://…"),
        ("redis://host/0#secret", "redis://host/0#…"),
        ("s3://bucket/folder/", "s3://bucket/folder/"),
        ("secret:secret@host", "secret:…@host"),
        ("//secret@host/x", "//…@host/x"),
        ("x@y", "…@y"),
        ("", ""),
    ],
)
def test_what_may_be_secret_is_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@given(
    st.text("abc:/?#@%+&=[]é ", max_size=12),
    st.text("abc:/?#@%+&=[]é ", max_size=12),
    st.sampled_from(["redis://u:{}@host/0{}", "redis://{}@h{}", "s3:{}@b/{}", "redis://h/0?password={}{}"]),
)
def test_a_password_is_never_shown(before: str, after: str, form: str) -> None:
    assert "hunter2" not in without_secrets(form.format(f"{before}hunter2{after}", ""))


@pytest.mark.parametrize(
    "text", ["redis://:hunter2@host/0?password=hunter2", "redis:hunter2@host", "redis://host?secret=hunter2"]
)
def test_the_repr_of_a_url_keeps_secrets(text: str) -> None:
    url = StorageURL.parse(text)
    assert "hunter2" not in repr(url) + str(url) + f"{url}"
    assert "hunter2" in url.text
