"""What all laws stand on: the storage that is tried, sample values, and which law applies where."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final, TypeVar

import pytest

from pystorage.storage import Capability, Storage
from pystorage.testing.clock import FakeClock
from pystorage.testing.parallel import FORKS
from pystorage.testing.samples import HOSTILE_KEYS, JSON_VALUES

F = TypeVar("F", bound=Callable[..., Any])

AnyStorage = Storage[Any, Any]
Opener = Callable[[], AnyStorage]

#: What no storage holds; not None, which many do.
MISSING: Final = object()


@dataclass(frozen=True)
class Terms:
    """Where a law applies.

    Args:
        needs: Capabilities that the storage declares, all of them.
        lacks: Capabilities that it does not declare, none of them.
        when: A condition on the test class; its name is the reason given where the law is left out.

    Raises:
        Nothing.
    """

    needs: Capability = Capability.NONE
    lacks: Capability = Capability.NONE
    when: Callable[[type[Laws]], bool] | None = None

    def excluded(self, laws: type[Laws], capabilities: Capability | None) -> str | None:
        """Say why a law does not apply.

        Args:
            laws: The test class.
            capabilities: What the storage declares; None while that is unknown.

        Returns:
            The reason; None where the law applies, or may apply.

        Raises:
            Nothing.
        """
        if self.when is not None and not self.when(laws):
            return f"only {self.when.__name__.replace('_', ' ')}"
        if capabilities is None:
            return None
        missing = self.needs & ~capabilities
        if missing:
            return f"the storage does not declare {_names(missing)}"
        present = self.lacks & capabilities
        return f"the storage declares {_names(present)}" if present else None


def law(
    *,
    needs: Capability = Capability.NONE,
    lacks: Capability = Capability.NONE,
    when: Callable[[type[Laws]], bool] | None = None,
) -> Callable[[F], F]:
    """Say where a test applies; without it a test applies to every storage.

    Args:
        needs: Capabilities that the storage declares, all of them.
        lacks: Capabilities that it does not declare, none of them.
        when: A condition on the test class.

    Returns:
        A decorator of test methods.

    Raises:
        Nothing.
    """

    def marked(test: F) -> F:
        test.__dict__["law"] = Terms(needs, lacks, when)
        return test

    return marked


class Laws:
    """The base of all laws: a test class says how its storage is made, and what it can hold.

    Raises:
        Nothing.
    """

    #: What the storage should declare. Where a test class says it, laws of other capabilities are not even
    #: collected, and a storage that declares anything else fails; where it is None they are skipped.
    capabilities: ClassVar[Capability | None] = None

    #: Values that the storage can hold and gives back equal and of the same type; text or bytes among them.
    values: ClassVar[Sequence[Any]] = JSON_VALUES

    #: A value that cannot be stored; None if there is none.
    bad_value: ClassVar[Any] = object()

    #: Keys that the storage can hold.
    keys: ClassVar[Sequence[Hashable]] = HOSTILE_KEYS

    #: Whether whatever is hashable can be a key, and comes back as it was given: so in memory.
    any_hashable_key: ClassVar[bool] = False

    #: Seconds that an entry lives when nobody says how long; None is for ever.
    default_ttl: ClassVar[float | None] = None

    #: Whether what has expired goes by itself, so that ``purge`` cannot count it.
    expires_by_itself: ClassVar[bool] = False

    #: Whether ``len``, iteration and ``scan`` show what has expired until ``purge``; reads never give it.
    lists_expired: ClassVar[bool] = False

    #: Whether it was made with a codec that loads pickles, from where nobody else can write.
    loads_pickles: ClassVar[bool] = False

    #: How many random histories are compared with those of a dict.
    histories: ClassVar[int] = 15

    #: How often the durability laws kill a writer.
    kills: ClassVar[int] = 20

    #: Whether what was written is there after a power cut.
    survives_power_cuts: ClassVar[bool] = False

    #: How often the power is cut.
    power_cuts: ClassVar[int] = 5

    def make_storage(self, place: Path, timer: FakeClock) -> AnyStorage:
        """Make the storage that is tried.

        Args:
            place: An empty folder, another for each test. A storage that is PERSISTENT or SHARED and made
                with the same place again is another handle on the same contents.
            timer: The clock for the storage to use.

        Returns:
            The storage.

        Raises:
            NotImplementedError: The test class did not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method make_storage(self, place, timer)")

    def value(self, number: int) -> Any:
        """Give a short value that tells its number.

        Args:
            number: A number, 0 … 99,999,999.

        Returns:
            A text, or bytes where the storage holds no text.

        Raises:
            NotImplementedError: ``values`` has neither text nor bytes.
        """
        return self._numbered(number, 1)

    def large_value(self, number: int) -> Any:
        """Give a value that tells its number all through, too long to be written at once.

        Args:
            number: A number, 0 … 99,999,999.

        Returns:
            A text or bytes of 9 kB to 180 kB.

        Raises:
            NotImplementedError: ``values`` has neither text nor bytes.
        """
        return self._numbered(number, 1_000 * (1 + number * 7 % 20))

    def number_of(self, value: Any) -> int:
        """Read the number that a value tells, and see that the value is whole.

        Args:
            value: What was made by ``value`` or ``large_value``, if the storage is right.

        Returns:
            The number.

        Raises:
            AssertionError: It is not one whole value.
        """
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        found = re.match(r"(\d{8});", text) if isinstance(text, str) else None
        assert found, f"this is not a value that was stored: {value!r:.80}"
        number = int(found[1])
        assert value in (self.value(number), self.large_value(number)), f"value {number} is not whole"
        return number

    def settle(self, storage: AnyStorage) -> None:
        """Let what has expired vanish from listings, where that is not so at once.

        Args:
            storage: The storage.

        Raises:
            StorageError: The storage refused.
        """
        if self.lists_expired:
            storage.purge()

    def _numbered(self, number: int, times: int) -> Any:
        text = f"{number:08d};" * times
        if holds_text(type(self)):
            return text
        if holds_bytes(type(self)):
            return text.encode()
        raise NotImplementedError(f"{type(self).__name__}.values needs a text or bytes")

    # ------------------------------------------------------------------ fixtures

    @pytest.fixture
    def timer(self) -> FakeClock:
        """The clock of the storage.

        Raises:
            Nothing.
        """
        return FakeClock()

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """An empty folder for the storage, in another of its own; removed after the test.

        Raises:
            Nothing.
        """
        # pytest's own tmp_path looks at all folders that it made before: with thousands of laws that is slow.
        with TemporaryDirectory(prefix="pystorage-law-") as folder:
            place = Path(folder, "place")
            place.mkdir(mode=0o700)
            yield place

    @pytest.fixture
    def open_storage(self, place: Path, timer: FakeClock) -> Iterator[Opener]:
        """A function that makes the storage, and further handles on it; all are closed in the end.

        Raises:
            Nothing.
        """
        opened: list[AnyStorage] = []

        def open_one() -> AnyStorage:
            opened.append(self.make_storage(place, timer))
            return opened[-1]

        yield open_one
        for storage in reversed(opened):
            storage.close()

    @pytest.fixture
    def storage(self, open_storage: Opener, request: pytest.FixtureRequest) -> AnyStorage:
        """The storage that is tried; the test is skipped where its law does not apply.

        Raises:
            Nothing.
        """
        storage = open_storage()
        terms = getattr(request.function, "law", Terms())
        reason = terms.excluded(type(self), storage.capabilities)
        if reason is not None:
            pytest.skip(reason)
        return storage

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = {name for base in cls.__mro__ for name in vars(base) if name.startswith("test_")}
        for name in names - set(vars(cls)):
            # pytest collects what is callable, so a law that cannot apply is hidden by None; a class further
            # down may declare more, so the law itself is looked for behind it.
            test = next(filter(None, (vars(base).get(name) for base in cls.__mro__)))
            terms = getattr(test, "law", Terms())
            hidden = terms.excluded(cls, cls.capabilities) is not None
            if hidden or getattr(cls, name) is None:
                setattr(cls, name, None if hidden else test)


def holds_text(laws: type[Laws]) -> bool:
    """Tell whether the storage can hold text.

    Args:
        laws: The test class.

    Returns:
        Whether text is among its values.

    Raises:
        Nothing.
    """
    return any(isinstance(value, str) for value in laws.values)


def holds_bytes(laws: type[Laws]) -> bool:
    """Tell whether the storage can hold bytes.

    Args:
        laws: The test class.

    Returns:
        Whether bytes are among its values.

    Raises:
        Nothing.
    """
    return any(isinstance(value, bytes) for value in laws.values)


def where_bytes_cannot_be_stored(laws: type[Laws]) -> bool:
    """Tell whether the storage refuses bytes.

    Args:
        laws: The test class.

    Returns:
        Whether there is something that it refuses, and no bytes are among its values.

    Raises:
        Nothing.
    """
    return laws.bad_value is not None and not holds_bytes(laws)


def where_the_expired_waits(laws: type[Laws]) -> bool:
    """Tell whether what has expired stays until something removes it.

    Args:
        laws: The test class.

    Returns:
        Whether it does.

    Raises:
        Nothing.
    """
    return not laws.expires_by_itself


def where_some_value_cannot_be_stored(laws: type[Laws]) -> bool:
    """Tell whether there is a value that the storage refuses.

    Args:
        laws: The test class.

    Returns:
        Whether it names one.

    Raises:
        Nothing.
    """
    return laws.bad_value is not None


def where_some_hashable_cannot_be_a_key(laws: type[Laws]) -> bool:
    """Tell whether there are hashable keys that the storage refuses.

    Args:
        laws: The test class.

    Returns:
        Whether there are.

    Raises:
        Nothing.
    """
    return not laws.any_hashable_key


def where_any_hashable_is_a_key(laws: type[Laws]) -> bool:
    """Tell whether whatever is hashable can be a key.

    Args:
        laws: The test class.

    Returns:
        Whether it can.

    Raises:
        Nothing.
    """
    return laws.any_hashable_key


def where_no_place_is_trusted(laws: type[Laws]) -> bool:
    """Tell whether the storage loads no pickles, whoever wrote them.

    Args:
        laws: The test class.

    Returns:
        Whether it does not.

    Raises:
        Nothing.
    """
    return not laws.loads_pickles


def where_power_cuts_are_survived(laws: type[Laws]) -> bool:
    """Tell whether the storage promises to survive a power cut.

    Args:
        laws: The test class.

    Returns:
        Whether it does.

    Raises:
        Nothing.
    """
    return laws.survives_power_cuts and FORKS


def where_processes_fork(laws: type[Laws]) -> bool:
    """Tell whether this system can fork a process.

    Args:
        laws: The test class, which does not matter.

    Returns:
        Whether it can.

    Raises:
        Nothing.
    """
    return FORKS


def subclassed(storage: AnyStorage, methods: dict[str, Any]) -> bool:
    """Turn a storage into one of a subclass that overrides methods.

    Args:
        storage: The storage.
        methods: Name → method.

    Returns:
        False where Python does not allow it for this class.

    Raises:
        Nothing.
    """
    subclass = type(type(storage).__name__, (type(storage),), {"__slots__": (), **methods})
    with suppress(TypeError):
        storage.__class__ = subclass
        return True
    return False


def _names(capabilities: Capability) -> str:
    return ", ".join(str(one.name) for one in capabilities)
