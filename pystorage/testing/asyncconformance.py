"""AsyncStorageConformance: the laws that every async storage keeps, under asyncio and under trio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from pystorage.aio import AsyncStorage
from pystorage.testing.blocking import OF_HANDLES, BlockingStorage
from pystorage.testing.clock import FakeClock
from pystorage.testing.laws.atomic import AddLaws, IncrLaws, RefusingLaws, SwapLaws
from pystorage.testing.laws.base import AnyStorage, Laws
from pystorage.testing.laws.bulk import BulkLaws
from pystorage.testing.laws.errors import AbsentKeyLaws, BadValueLaws
from pystorage.testing.laws.figures import FigureLaws
from pystorage.testing.laws.keys import KeyLaws, RefusedKeyLaws, UnhashableKeyLaws
from pystorage.testing.laws.life import BadLifeLaws, LifeLaws, NoLifeLaws
from pystorage.testing.laws.lifecycle import ClosingLaws, CopyLaws
from pystorage.testing.laws.locks import LeaseLaws, LockLaws
from pystorage.testing.laws.mapping import IterationLaws, MappingLaws
from pystorage.testing.laws.model import ModelLaws
from pystorage.testing.laws.order import OrderLaws
from pystorage.testing.laws.scan import ScanLaws
from pystorage.testing.laws.stream import NoStreamLaws, StreamLaws
from pystorage.testing.laws.tasks import TaskLaws
from pystorage.testing.laws.threads import ThreadLaws

# An event loop in another thread does not outlive a fork.
_OF_FORKS: Final = ("test_a_large_stream_takes_little_memory",)
# What changes after a batch was read is not seen in it.
_OF_EACH_ENTRY: Final = (
    "test_views_leave_out_what_was_removed",
    "test_an_entry_that_expires_during_an_iteration",
)


class AsyncLaws(Laws):
    """The base of laws that are tried on an async storage, through a handle that blocks.

    Raises:
        Nothing.
    """

    #: Whether items and values are read ahead of those that are iterated.
    reads_ahead: ClassVar[bool] = False

    def make_async_storage(self, place: Path, timer: FakeClock) -> AsyncStorage[Any, Any]:
        """Make the storage that is tried.

        Args:
            place: An empty folder, another for each test.
            timer: The clock for the storage to use.

        Returns:
            The storage.

        Raises:
            NotImplementedError: The test class did not say how.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a method make_async_storage(self, place, timer)"
        )

    def make_storage(self, place: Path, timer: FakeClock) -> AnyStorage:
        return BlockingStorage(self._portal, self.make_async_storage(place, timer))

    def __init_subclass__(cls, **options: Any) -> None:
        if cls.capabilities is not None:
            cls.capabilities &= ~OF_HANDLES
        super().__init_subclass__(**options)
        for name in _OF_FORKS + (_OF_EACH_ENTRY if cls.reads_ahead else ()):
            if hasattr(cls, name):
                setattr(cls, name, None)

    @pytest.fixture(autouse=True)
    def _in_an_event_loop(self, event_loop_portal: BlockingPortal) -> None:
        self._portal = event_loop_portal

    @pytest.fixture(scope="class", params=["asyncio", "trio"])
    @classmethod
    def event_loop_portal(cls, request: pytest.FixtureRequest) -> Iterator[BlockingPortal]:
        """The way into an event loop that runs in a thread of its own.

        Raises:
            Nothing.
        """
        with start_blocking_portal(request.param) as portal:
            yield portal


class AsyncStorageConformance(
    AsyncLaws,
    TaskLaws,
    MappingLaws,
    IterationLaws,
    KeyLaws,
    RefusedKeyLaws,
    UnhashableKeyLaws,
    BulkLaws,
    BadLifeLaws,
    NoLifeLaws,
    LifeLaws,
    RefusingLaws,
    AddLaws,
    SwapLaws,
    IncrLaws,
    LockLaws,
    LeaseLaws,
    ScanLaws,
    OrderLaws,
    NoStreamLaws,
    StreamLaws,
    FigureLaws,
    AbsentKeyLaws,
    BadValueLaws,
    ClosingLaws,
    CopyLaws,
    ThreadLaws,
    ModelLaws,
):
    """The laws that every async storage keeps; a test class inherits it and says how its storage is made.

    They are those of storages, tried through a handle that blocks, and those of tasks. What belongs to the
    files and processes behind a storage is for ``StorageConformance``.

    Raises:
        Nothing.

    Example:
        ::

            class TestFiles(AsyncStorageConformance):
                capabilities = FileStorage.capabilities

                def make_async_storage(self, place, timer):
                    return aio.wrap(FileStorage(place, timer=timer))
    """
