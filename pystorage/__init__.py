"""One dict for every cache: storages that are mutable mappings, and what is built of them.

Everything is loaded when it is first used, so that importing the package costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pystorage.bytestorage import ByteStorage as ByteStorage
    from pystorage.errors import CapacityError as CapacityError
    from pystorage.errors import ClosedError as ClosedError
    from pystorage.errors import ConflictError as ConflictError
    from pystorage.errors import DecodeError as DecodeError
    from pystorage.errors import EncodeError as EncodeError
    from pystorage.errors import IntegrityError as IntegrityError
    from pystorage.errors import InvalidKeyError as InvalidKeyError
    from pystorage.errors import MissingDependencyError as MissingDependencyError
    from pystorage.errors import NotFoundError as NotFoundError
    from pystorage.errors import ReadOnlyError as ReadOnlyError
    from pystorage.errors import StorageError as StorageError
    from pystorage.errors import StorageProviderError as StorageProviderError
    from pystorage.errors import UnavailableError as UnavailableError
    from pystorage.errors import UnsupportedOperation as UnsupportedOperation
    from pystorage.keys import Key as Key
    from pystorage.keys import Namespace as Namespace
    from pystorage.memo import invalidate_tags as invalidate_tags
    from pystorage.memo import lru_cache as lru_cache
    from pystorage.memo import memoize as memoize
    from pystorage.memo import memoize_many as memoize_many
    from pystorage.memo import register_fingerprint as register_fingerprint
    from pystorage.services import DiskLRUStorageService as DiskLRUStorageService
    from pystorage.services import GZipPickleStorageService as GZipPickleStorageService
    from pystorage.services import JSONStorageService as JSONStorageService
    from pystorage.services import LRUStorageService as LRUStorageService
    from pystorage.services import PickleStorageService as PickleStorageService
    from pystorage.services import RedisJSONStorageService as RedisJSONStorageService
    from pystorage.services import RedisStorageService as RedisStorageService
    from pystorage.services import S3StorageService as S3StorageService
    from pystorage.services import StorageService as StorageService
    from pystorage.services import VolatileStorageService as VolatileStorageService
    from pystorage.storage import ABSENT as ABSENT
    from pystorage.storage import KEEP as KEEP
    from pystorage.storage import Capability as Capability
    from pystorage.storage import Stats as Stats
    from pystorage.storage import Storage as Storage
    from pystorage.storage_provider import StorageProvider as StorageProvider
    from pystorage.storage_provider import open_storage
    from pystorage.stores._network import NetworkFilesystemWarning as NetworkFilesystemWarning
    from pystorage.stores._verify import VerifyReport as VerifyReport
    from pystorage.stores.diskcache import DiskCacheStorage as DiskCacheStorage
    from pystorage.stores.disklru import DiskLRUStorage as DiskLRUStorage
    from pystorage.stores.file import FileStorage as FileStorage
    from pystorage.stores.filesystem import FilesystemStorage as FilesystemStorage
    from pystorage.stores.lmdb import LMDBStorage as LMDBStorage
    from pystorage.stores.memory import CacheStorage as CacheStorage
    from pystorage.stores.memory import LRUStorage as LRUStorage
    from pystorage.stores.memory import MemoryStorage as MemoryStorage
    from pystorage.stores.redis import RedisStorage as RedisStorage
    from pystorage.stores.s3 import S3Storage as S3Storage
    from pystorage.stores.sqlite import SQLiteStorage as SQLiteStorage
    from pystorage.wrappers.base import WrapperStorage as WrapperStorage
    from pystorage.wrappers.volatile import VolatileStorage as VolatileStorage

    # Not "open_storage as open" above, which type checkers take for a name of this module's own.
    open = open_storage

    __version__: str

_ERRORS = (
    "CapacityError ClosedError ConflictError DecodeError EncodeError IntegrityError InvalidKeyError "
    "MissingDependencyError NotFoundError ReadOnlyError StorageError StorageProviderError "
    "UnavailableError UnsupportedOperation"
)
_SERVICES = (
    "DiskLRUStorageService GZipPickleStorageService JSONStorageService LRUStorageService "
    "PickleStorageService RedisJSONStorageService RedisStorageService S3StorageService StorageService "
    "VolatileStorageService"
)

#: Public name → module, and the name there where it differs.
_PLACES = {
    **dict.fromkeys(_ERRORS.split(), "errors"),
    **dict.fromkeys(_SERVICES.split(), "services"),
    **dict.fromkeys(("ABSENT", "KEEP", "Capability", "Stats", "Storage"), "storage"),
    **dict.fromkeys(("Key", "Namespace"), "keys"),
    **dict.fromkeys(("CacheStorage", "LRUStorage", "MemoryStorage"), "stores.memory"),
    "ByteStorage": "bytestorage",
    "DiskLRUStorage": "stores.disklru",
    "DiskCacheStorage": "stores.diskcache",
    "FileStorage": "stores.file",
    "NetworkFilesystemWarning": "stores._network",
    "SQLiteStorage": "stores.sqlite",
    "LMDBStorage": "stores.lmdb",
    "RedisStorage": "stores.redis",
    "FilesystemStorage": "stores.filesystem",
    "S3Storage": "stores.s3",
    "StorageProvider": "storage_provider",
    "VerifyReport": "stores._verify",
    "VolatileStorage": "wrappers.volatile",
    "WrapperStorage": "wrappers.base",
    "invalidate_tags": "memo.tags",
    "lru_cache": "memo.lru",
    "memoize": "memo",
    "memoize_many": "memo",
    "register_fingerprint": "memo.fingerprint",
    "open": "storage_provider:open_storage",
}

# Not "open": a star import must not hide the builtin.
__all__ = [*sorted({*_PLACES} - {"open"})]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("pystorage")
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'pystorage' has no attribute {name!r}")
    from importlib import import_module

    module, _, other = place.partition(":")
    value = getattr(import_module(f"pystorage.{module}"), other or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, "__version__"})
