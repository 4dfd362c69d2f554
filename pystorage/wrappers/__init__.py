"""Storages around storages: each adds one behaviour to whatever is inside.

Order reads from outside in: ``VolatileStorage(FileStorage(path))`` is a folder whose entries expire.
"""

from pystorage.wrappers.base import WrapperStorage
from pystorage.wrappers.volatile import VolatileStorage

__all__ = ["VolatileStorage", "WrapperStorage"]
