"""The least that a storage has to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pystorage import Storage


class Simple(Storage[Any, Any]):
    """The five methods of a mapping over a dict, and a record of what they were asked."""

    def __init__(self, **entries: Any) -> None:
        self.data: dict[Any, Any] = dict(entries)
        self.asked: list[tuple[Any, ...]] = []

    def __getitem__(self, key: Any) -> Any:
        self.asked.append(("read", key))
        return self.data[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.asked.append(("write", key, value))
        self.data[key] = value

    def __delitem__(self, key: Any) -> None:
        self.asked.append(("remove", key))
        del self.data[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self.data))

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return "Simple()"
