"""The same call for many keys, several at a time, for stores where most of a call is waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


def at_once(function: Callable[[T], R], items: Sequence[T], threads: int) -> list[R]:
    """Call a function for each item, in this thread and others that end with this call.

    Args:
        function: What to call.
        items: What to call it with.
        threads: How many calls run at the same time at most, ≥ 1.

    Returns:
        What it returned, in the order of the items.

    Raises:
        Exception: What the first item that failed raised; calls that had not begun are left out.
    """
    results: list[Any] = [None] * len(items)
    errors: dict[int, BaseException] = {}
    waiting = iter(range(len(items)))
    lock = threading.Lock()

    def work() -> None:
        # Each takes the next item when it is done with one, which costs far less than a future for each.
        while not errors:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            try:
                results[number] = function(items[number])
            except BaseException as error:
                errors[number] = error

    others = [
        threading.Thread(target=work, name="pystorage", daemon=True)
        for _ in range(min(threads, len(items)) - 1)
    ]
    for thread in others:
        thread.start()
    work()
    for thread in others:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return cast("list[R]", results)
