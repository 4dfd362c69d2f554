"""The keywords of ``memoize`` and ``memoize_many``, as type checkers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

from pystorage.memo.options import TTL, Copy, OnError


class Keywords(TypedDict, total=False):
    """What both take.

    Raises:
        Nothing.
    """

    ttl: TTL
    jitter: float
    ignore: str | Iterable[str]
    typed: bool
    version: str | int | None
    on_error: OnError
    copy: Copy | None


class OneKeywords(Keywords, total=False):
    """What ``memoize`` takes.

    Raises:
        Nothing.
    """

    stale: float | None
    key: Callable[..., object] | None
    tags: str | Iterable[str]
    lock: bool | None
    lock_ttl: float
    lock_timeout: float | None
    early: float
    ahead: float | None
    errors: Mapping[type[Exception], float | None] | None


class ManyKeywords(Keywords, total=False):
    """What ``memoize_many`` takes.

    Raises:
        Nothing.
    """

    chunk: int | None
