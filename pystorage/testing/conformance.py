"""StorageConformance: all laws in one class, for a test class to inherit."""

from __future__ import annotations

from pystorage.testing.laws.atomic import AddLaws, IncrLaws, RefusingLaws, SwapLaws
from pystorage.testing.laws.bulk import BulkLaws, OverridingLaws
from pystorage.testing.laws.durability import DurabilityLaws
from pystorage.testing.laws.errors import AbsentKeyLaws, BadValueLaws
from pystorage.testing.laws.figures import FigureLaws
from pystorage.testing.laws.keys import KeyLaws, RefusedKeyLaws, UnhashableKeyLaws
from pystorage.testing.laws.life import BadLifeLaws, LifeLaws, NoLifeLaws
from pystorage.testing.laws.lifecycle import ClosingLaws, CopyLaws, ForkLaws
from pystorage.testing.laws.locks import LeaseLaws, LockLaws
from pystorage.testing.laws.mapping import IterationLaws, MappingLaws
from pystorage.testing.laws.model import ModelLaws
from pystorage.testing.laws.order import OrderLaws
from pystorage.testing.laws.power import PowerLaws
from pystorage.testing.laws.processes import ProcessLaws
from pystorage.testing.laws.safety import SafetyLaws
from pystorage.testing.laws.scan import ScanLaws
from pystorage.testing.laws.stream import NoStreamLaws, StreamLaws
from pystorage.testing.laws.threads import ThreadLaws


class StorageConformance(
    MappingLaws,
    IterationLaws,
    KeyLaws,
    RefusedKeyLaws,
    UnhashableKeyLaws,
    BulkLaws,
    OverridingLaws,
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
    ForkLaws,
    SafetyLaws,
    ThreadLaws,
    ProcessLaws,
    DurabilityLaws,
    PowerLaws,
    ModelLaws,
):
    """The laws that every storage keeps; a test class inherits it and says how its storage is made.

    What the storage declares as its ``capabilities`` is tried; what it does not declare must be refused. The
    class attributes of ``Laws`` say the rest: what values and keys it can hold, and how long an entry lives.

    Raises:
        Nothing.

    Example:
        ::

            class TestFileStorage(StorageConformance):
                capabilities = FileStorage.capabilities

                def make_storage(self, place, timer):
                    return FileStorage(place, timer=timer)
    """
