"""What another user plants in a folder that all may write to is not followed or trusted, and hangs nobody."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import DecodeError, UnavailableError
from pystorage.stores.file import FileStorage
from tests.stores.files import ANN, BOB, as_user, entries, needs_root, own, writing

pytestmark = needs_root


@pytest.fixture
def shared(commons: Path) -> Path:
    """A folder like the system's temporary one: all may make files, none may touch those of others."""
    commons.chmod(0o1777)
    return commons


@pytest.fixture
def treasure(commons: Path) -> Path:
    """A file and a folder of Bob's that he would not like to lose, and Ann would like to change."""
    folder = commons / "home of bob"
    folder.mkdir()
    (folder / "thesis").write_text("years of work")
    (folder / "0123456789abcdef-0").write_text("years of work")
    for path in (folder, *folder.iterdir()):
        os.chown(path, BOB, BOB)
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def own_of(place: Path, uid: int) -> Path:
    """The own folder of somebody who does not own the shared folder."""
    return place / f"{own(place).name}-{uid}"


def write_stream(storage: FileStorage[str, Any], data: bytes) -> None:
    with storage.open_write("key") as file:
        file.write(data)


def lock(storage: FileStorage[str, Any]) -> None:
    with storage.lock("key", 10, timeout=0):
        pass


def use_everything(place: Path, **options: Any) -> list[int | None]:
    """Use a storage in every way; give the numbers of the errors, which must all be ``UnavailableError``."""
    numbers = []
    uses: list[Callable[[FileStorage[str, Any]], object]] = [
        lambda storage: storage["key"],
        lambda storage: storage.__setitem__("key", b"new"),
        lambda storage: storage.__setitem__("a/key", b"new"),
        lambda storage: storage.set("key", b"new", ttl=10),
        lambda storage: storage.add("key", b"new"),
        lambda storage: storage.expire("key", 10),
        lambda storage: write_stream(storage, b"new"),
        lambda storage: storage.open_read("key").close(),
        lock,
        lambda storage: storage.pop("key"),
        lambda storage: storage.pop("a/key"),
        lambda storage: ("key" in storage, len(storage), list(storage.items()), storage.stats()),
        lambda storage: storage.purge(),
        lambda storage: storage.adopt(),
        lambda storage: storage.clear(),
    ]
    for use in uses:
        try:
            use(FileStorage(place, codec="bytes", **options))
        except KeyError:
            pass
        except UnavailableError as error:
            numbers.append(error.errno)
    return numbers


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


TREASURE = {"thesis": "years of work", "0123456789abcdef-0": "years of work"}


@pytest.mark.parametrize("layout", ["flat", "tree"])
@pytest.mark.parametrize("theirs", [BOB, 0])
@pytest.mark.parametrize(
    "name",
    [
        "key.storage",
        "%pystorage.storage.settings",
        "%pystorage.storage.own",
        "%pystorage.storage.own-61002",
        "%pystorage.storage.own-61002/settings",
        "%pystorage.storage.own-61002/temporary",
        "%pystorage.storage.own-61002/locks",
        "%pystorage.storage.own/locks",
        "%pystorage.storage.own/temporary",
        "a",
        "a/key.storage",
    ],
)
def test_a_link_is_never_followed(shared: Path, treasure: Path, layout: Any, theirs: int, name: str) -> None:
    """A link that Ann plants under any name lets neither Bob nor the folder's owner touch what is behind."""

    def plant() -> None:
        path = shared / name
        path.parent.mkdir(exist_ok=True)
        for target in (treasure / "thesis" if name.endswith(("key.storage", "settings")) else treasure,):
            path.symlink_to(target)

    as_user(ANN, plant)
    if theirs == BOB:
        as_user(BOB, lambda: use_everything(shared, layout=layout))
    else:
        use_everything(shared, layout=layout)
    assert contents(treasure) == TREASURE
    assert sorted(path.name for path in treasure.iterdir()) == sorted(TREASURE)


@pytest.mark.parametrize("target", ["a folder", "a link"])
def test_an_own_folder_of_somebody_else_is_refused(shared: Path, treasure: Path, target: str) -> None:
    """Where Ann made what should be Bob's own folder, he is told so as he opens the storage."""

    def plant() -> None:
        for path in (own_of(shared, BOB), own(shared)):
            if target == "a link":
                path.symlink_to(treasure)
            else:
                path.mkdir()
                path.chmod(0o777)

    as_user(ANN, plant)

    def open_it() -> None:
        with pytest.raises(UnavailableError, match="could not open") as caught:
            FileStorage(shared)
        assert caught.value.errno == (errno.ELOOP if target == "a link" else errno.EPERM)
        if target == "a folder":
            assert "made this folder of ours" in str(caught.value)
            assert "have it removed, or choose another folder" in str(caught.value)

    as_user(BOB, open_it)
    open_it()  # the owner of the folder, whose own folder has no number


def test_an_own_folder_planted_after_the_opening_is_refused(shared: Path, treasure: Path) -> None:
    """Who opened before Ann planted the folder is not fooled by it either."""

    def bob() -> None:
        storage = FileStorage[str, Any](shared)
        as_child_of_root.append(storage)

    as_child_of_root: list[FileStorage[str, Any]] = []
    os.seteuid(BOB)
    try:
        bob()
    finally:
        os.seteuid(0)
    as_user(ANN, lambda: own_of(shared, BOB).symlink_to(treasure))
    (storage,) = as_child_of_root

    def use() -> None:
        for change in (
            lambda: storage.__setitem__("key", "new"),
            lambda: storage.set("key", "new", ttl=10),
            lambda: lock(storage),
        ):
            with pytest.raises(UnavailableError) as caught:
                change()
            assert caught.value.errno == errno.ELOOP

    as_user(BOB, use)
    assert contents(treasure) == TREASURE


def test_settings_of_somebody_else_are_refused(shared: Path) -> None:
    """Settings that Ann wrote do not tell the owner of the folder how his files are to be read."""
    path = shared / "%pystorage.storage.settings"
    as_user(ANN, lambda: path.write_text('{"format": 1, "fold_case": true}'))
    with pytest.raises(UnavailableError, match=f"user {ANN} made this file of ours"):
        FileStorage(shared)
    as_user(BOB, lambda: len(FileStorage(shared)))  # whose settings are in his own folder


def test_a_pipe_under_the_name_of_the_settings_hangs_nobody(shared: Path) -> None:
    """Neither does one under the name of an entry."""
    as_user(ANN, lambda: os.mkfifo(shared / "%pystorage.storage.settings"))
    as_user(ANN, lambda: os.mkfifo(shared / "key.storage"))
    with pytest.raises(UnavailableError, match="no plain file"):
        FileStorage(shared)
    as_user(BOB, lambda: use_everything(shared))


def test_users_of_one_temporary_folder_do_not_meet(shared: Path) -> None:
    """Two users with the same storage in the system's temporary folder each have locks, deadlines, debris."""

    def use(uid: int) -> None:
        storage = FileStorage[str, Any](shared, mode=0o644)
        storage[f"plain of {uid}"] = uid
        storage.set(f"life of {uid}", uid, ttl=1000)
        assert storage.incr(f"count of {uid}") == 1
        with storage.lock("one name", 100, timeout=0):
            with pytest.raises(TimeoutError), storage.lock("one name", 100, timeout=0):
                pass
            assert storage[f"life of {uid}"] == uid
        assert storage.ttl(f"life of {uid}") is not None

    for uid in (ANN, BOB):
        as_user(uid, lambda uid=uid: use(uid))
    use(0)
    for uid in (ANN, BOB):
        found = as_user(uid, lambda: dict(FileStorage[str, Any](shared)))
        assert found == {f"{what} of {u}": u for u in (ANN, BOB, 0) for what in ("plain", "life")} | {
            f"count of {u}": 1 for u in (ANN, BOB, 0)
        }
    assert not own_of(shared, 0).exists()

    def change() -> None:
        storage = FileStorage[str, Any](shared)
        for use in (
            lambda: storage.__setitem__(f"plain of {ANN}", 1),
            lambda: storage.__delitem__(f"plain of {ANN}"),
        ):
            with pytest.raises(UnavailableError) as caught:
                use()
            assert caught.value.errno in (errno.EPERM, errno.EACCES)

    as_user(BOB, change)
    assert len(writing(shared)) <= 1


def test_a_data_file_of_somebody_else_is_data(shared: Path) -> None:
    """What Ann writes under the name of an entry is read as JSON or is ``DecodeError``, and no more."""
    as_user(ANN, lambda: (shared / "key.storage").write_text('{"from": "ann"}'))
    as_user(ANN, lambda: (shared / "bad.storage").write_text("{"))
    for path in shared.iterdir():
        path.chmod(0o644)
    storage = FileStorage[str, Any](shared)
    assert storage["key"] == {"from": "ann"}
    with pytest.raises(DecodeError):
        storage["bad"]
    assert entries(shared) == ["bad.storage", "key.storage"]
