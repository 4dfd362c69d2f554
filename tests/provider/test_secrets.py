"""No error and no repr shows what a URL holds in secret."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pystorage
from pystorage import MemoryStorage, StorageProvider
from pystorage.errors import StorageProviderError
from pystorage.urls import StorageURL

SECRET = "hunter2"


def everything_said(error: BaseException) -> Iterator[str]:
    """Give all that a log might take from an error: the message, the repr, the traceback, its pickle."""
    yield str(error)
    yield repr(error)
    yield repr(vars(error))
    # The source lines of a traceback are the test's own, which does hold the secret.
    yield "".join(traceback.format_exception_only(error))
    yield pickle.dumps(error).decode("latin-1")
    for other in (error.__cause__, None if error.__suppress_context__ else error.__context__):
        if other is not None:
            yield from everything_said(other)


@pytest.fixture(autouse=True)
def _a_scheme_with_secrets() -> None:
    class Server(MemoryStorage[str, str], prefix="server"):
        url_options = {"password": str, "size": int}  # noqa: RUF012

        def __init__(self, place: str, password: str = "", size: int = 1) -> None:
            super().__init__()

        @classmethod
        def _url_place(cls, url: StorageURL) -> tuple[Any, ...]:
            return (url.host,)


@pytest.mark.parametrize(
    "url",
    [
        f"sever://me:{SECRET}@host/0",
        f"sever:me:{SECRET}@host",
        f"sever:{SECRET}@host?password={SECRET}",
        f"sever:?password={SECRET}",
        f"server://me:{SECRET}@host/0#top",
        f"server://me:{SECRET}@host/0?password={SECRET}&password={SECRET}",
        f"server://me:{SECRET}@host/0?size&password={SECRET}",
        f"server://me:{SECRET}@host/0?password=%ff{SECRET}",
        f"server://me:{SECRET}@host/0?passwort={SECRET}",
        f"server://me:{SECRET}@host/0?size=x&password={SECRET}",
        f"server://me:{SECRET}@host/%00?password={SECRET}",
        f"server://me:{SECRET}@host\n/0",
        f"server://me:{SECRET}@[half/0",
        f"server://me:{SECRET}@a\N{ACCOUNT OF}b/0",
        f"server://me:{SECRET}#{SECRET}@host/0",
        f"server://me:{SECRET}?{SECRET}@host/0",
        f"memory://me:{SECRET}@host",
        f"lru://me:{SECRET}@host?maxsize=1",
        f"file://me:{SECRET}@host/cache",
    ],
)
def test_no_error_shows_a_secret_of_its_url(url: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: pystorage.open(url),
        lambda: StorageProvider().from_config({"url": url}),
        lambda: StorageProvider().from_config({"storage": "volatile", "inner": url}),
    ]
    for call in calls:
        with pytest.raises(StorageProviderError) as caught:
            call()
        said = list(everything_said(caught.value))
        assert [text for text in said if SECRET in text] == []


@pytest.mark.parametrize("overrides", [{"colour": 1}, {"password": SECRET, "colour": SECRET}])
def test_an_argument_that_does_not_fit_shows_no_other(overrides: dict[str, Any]) -> None:
    with pytest.raises(StorageProviderError) as caught:
        pystorage.open(f"server://me:{SECRET}@host/0?password={SECRET}", **overrides)
    assert "'colour'" in str(caught.value)
    assert [text for text in everything_said(caught.value) if SECRET in text] == []


def test_a_configuration_that_does_not_fit_shows_no_value() -> None:
    provider = StorageProvider().register("my.server", lambda place, password: None)
    for config in (
        {"storage": "my.server", "place": SECRET, "password": SECRET, "colour": SECRET},
        {"storage": "my.server", "password": SECRET},
        {"storage": "my.sever", "password": SECRET},
        {"password": SECRET},
        {"storage": {"url": "memory:"}, "password": SECRET},
    ):
        with pytest.raises(StorageProviderError) as caught:
            provider.from_config(config)
        assert [text for text in everything_said(caught.value) if SECRET in text] == []


def test_a_good_url_is_opened_and_forgotten() -> None:
    storage = pystorage.open(f"server://me:{SECRET}@host/0?password={SECRET}")
    assert SECRET not in repr(storage)
