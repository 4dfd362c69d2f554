"""Other caches on disk, by name: each is measured beside ours where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import shelve
from collections.abc import Callable
from typing import Any, NamedTuple


class OnDisk(NamedTuple):
    """A cache on disk: how a text key is read and written, and how it is closed."""

    get: Callable[[str], Any]
    set: Callable[[str, Any], Any]
    close: Callable[[], Any] = lambda: None


def _diskcache(folder: str) -> OnDisk:
    cache = importlib.import_module("diskcache").Cache(folder)
    return OnDisk(cache.__getitem__, cache.__setitem__, cache.close)


def _sqlitedict(folder: str) -> OnDisk:
    # It writes in a thread of its own, so committing is what makes its writes comparable.
    found = importlib.import_module("sqlitedict").SqliteDict(os.path.join(folder, "db"), autocommit=True)
    return OnDisk(found.__getitem__, found.__setitem__, found.close)


def _shelve(folder: str) -> OnDisk:
    found = shelve.open(os.path.join(folder, "shelf"))  # noqa: SIM115  closed by whoever opened it

    def put(key: str, value: Any) -> None:
        found[key] = value
        found.sync()

    return OnDisk(found.__getitem__, put, found.close)


def _joblib(folder: str) -> OnDisk:
    joblib = importlib.import_module("joblib")
    return OnDisk(
        lambda key: joblib.load(os.path.join(folder, key)),
        lambda key, value: joblib.dump(value, os.path.join(folder, key)),
    )


def _lmdb(folder: str) -> OnDisk:
    environment = importlib.import_module("lmdb").open(folder, map_size=1 << 30, sync=False)

    def get(key: str) -> Any:
        with environment.begin() as transaction:
            return transaction.get(key.encode())

    def put(key: str, value: Any) -> None:
        with environment.begin(write=True) as transaction:
            transaction.put(key.encode(), value)

    return OnDisk(get, put, environment.close)


def _rocksdict(folder: str) -> OnDisk:
    found = importlib.import_module("rocksdict").Rdict(os.path.join(folder, "rocks"))
    return OnDisk(found.__getitem__, found.__setitem__, found.close)


def _pickle_files(folder: str) -> OnDisk:
    def get(key: str) -> Any:
        with open(os.path.join(folder, key), "rb") as file:
            return pickle.load(file)

    def put(key: str, value: Any) -> None:
        path = os.path.join(folder, key)
        with open(path + ".new", "wb") as file:
            pickle.dump(value, file)
        os.replace(path + ".new", path)

    return OnDisk(get, put)


#: Name → the module that it needs, and a function that opens one in a folder.
DISK: dict[str, tuple[str, Callable[[str], OnDisk]]] = {
    "diskcache": ("diskcache", _diskcache),
    "sqlitedict": ("sqlitedict", _sqlitedict),
    "shelve": ("shelve", _shelve),
    "joblib": ("joblib", _joblib),
    "lmdb": ("lmdb", _lmdb),
    "rocksdict": ("rocksdict", _rocksdict),
    "pickle files": ("pickle", _pickle_files),
}


def on_disk(name: str, folder: str) -> OnDisk | None:
    """Open a peer in a folder; None where it is not installed."""
    module, opener = DISK[name]
    return None if importlib.util.find_spec(module) is None else opener(folder)
