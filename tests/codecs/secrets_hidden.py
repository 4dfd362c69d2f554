"""How a test sees that a secret is nowhere to be seen."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable

import pytest


def shown_by(error: BaseException) -> str:
    """Give all that a log, a crash report or a debugger shows of an error, the variables of each frame too.

    The frames of the tests themselves are left out: these hold the keys on purpose.
    """
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    waiting, lines = [report], [repr(error), str(error), repr(error.args)]
    while waiting:
        one = waiting.pop()
        lines.extend(one.format_exception_only())
        lines.extend(
            f"{frame.filename}:{frame.lineno} {frame.line} {frame.locals}"
            for frame in one.stack
            if "/tests/" not in frame.filename.replace("\\", "/")
        )
        waiting.extend(other for other in (one.__cause__, one.__context__) if other is not None)
    return "\n".join(lines)


def forms(secret: bytes) -> list[str]:
    """Give the ways in which bytes may be shown."""
    return [
        repr(secret)[2:-1],
        secret.hex(),
        base64.b64encode(secret).decode().rstrip("="),
        repr(list(secret))[1:-1],
    ]


def assert_hidden(shown: str, *hidden: bytes) -> None:
    for secret in hidden:
        assert [form for form in forms(secret) if form in shown] == []


def fails_and_hides(
    kind: type[BaseException], match: str, do: Callable[[], object], *hidden: bytes
) -> BaseException:
    """See that a call fails with an error that says what to do and shows no secret anywhere."""
    with pytest.raises(kind, match=match) as caught:
        do()
    shown = shown_by(caught.value)
    assert "pystorage" in shown  # the frames of the package itself were looked at
    assert_hidden(shown, *hidden)
    return caught.value
