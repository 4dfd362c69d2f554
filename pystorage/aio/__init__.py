"""Storages under asyncio and trio: an async face for every storage, and storages that are async themselves.

`wrap` gives the face; what it needs besides the standard library is anyio (extra ``aio``).
"""

from typing import TYPE_CHECKING

from pystorage.errors import MissingDependencyError

try:
    import anyio as _anyio  # noqa: F401 - only to say what is missing
except ModuleNotFoundError as error:
    if error.name != "anyio":
        raise
    raise MissingDependencyError(
        "pystorage.aio needs the package anyio, which is not installed: pip install 'pystorage[aio]'"
    ) from error

from pystorage.aio.faces import wrap
from pystorage.aio.lease import AsyncLease
from pystorage.aio.storage import AsyncStorage
from pystorage.aio.streams import ReadStream, WriteStream
from pystorage.aio.volatile import VolatileStorage

if TYPE_CHECKING:
    from pystorage.aio.redis import RedisStorage

__all__ = [
    "AsyncLease",
    "AsyncStorage",
    "ReadStream",
    "RedisStorage",
    "VolatileStorage",
    "WriteStream",
    "wrap",
]


def __getattr__(name: str) -> object:
    if name != "RedisStorage":  # the one that is not always wanted, and takes long to import
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pystorage.aio.redis import RedisStorage

    return RedisStorage
