"""``mode=``: what several users share on purpose, and what is nobody else's business without it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pystorage.errors import UnavailableError
from pystorage.stores.file import FileStorage
from pystorage.testing.parallel import Child, in_processes
from tests.stores.files import ANN, BOB, TEAM, as_user, becomes, needs_root, own, writing


def modes(place: Path) -> dict[str, int]:
    """The permissions of everything in a folder and below, and of the folder itself."""
    paths = [place, *place.rglob("*")]
    return {str(path.relative_to(place)): stat.S_IMODE(path.stat().st_mode) for path in paths}


def use(storage: FileStorage[str, Any]) -> None:
    """Make every kind of file there is."""
    storage["key"] = 1
    storage.set("life", 1, ttl=1000)
    storage.incr("count")
    with storage.lock("name", 10):
        pass


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_without_a_mode_all_is_ours_alone(tmp_path: Path, umask: int, layout: Any) -> None:
    """Files are 0600 and folders 0700 whatever the umask, but for the folders above, which are as usual."""
    place = tmp_path / "above" / "place"

    def make() -> None:
        os.umask(umask)
        storage = FileStorage[str, Any](place, layout=layout)
        use(storage)
        if layout == "tree":
            storage["a/b/c"] = 1

    with Child(make) as child:
        child.result()
    found = modes(place)
    assert {mode for path, mode in found.items() if (place / path).is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if not (place / path).is_dir()} == {0o600}
    assert modes(place.parent)["."] == 0o777 & ~umask


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(
    "mode, folders", [(0o660, 0o770), (0o640, 0o750), (0o666, 0o777), (0o644, 0o755), (0o604, 0o705)]
)
def test_a_mode_is_kept_exactly(tmp_path: Path, umask: int, mode: int, folders: int) -> None:
    """Files have exactly the mode, and folders the one that goes with it, whatever the umask."""
    place = tmp_path / "place"

    def make() -> None:
        os.umask(umask)
        storage = FileStorage[str, Any](place, mode=mode, layout="tree")
        use(storage)
        storage["a/b/c"] = 1

    with Child(make) as child:
        child.result()
    found = modes(place)
    assert {shown for path, shown in found.items() if (place / path).is_dir()} == {folders}
    assert {shown for path, shown in found.items() if not (place / path).is_dir()} == {mode}


def test_a_folder_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    """A folder that somebody made stays as it is."""
    for mode in (0o755, 0o700, 0o2770):
        tmp_path.chmod(mode)
        use(FileStorage[str, Any](tmp_path))
        assert modes(tmp_path)["."] == mode


def test_sharing_a_storage_later(tmp_path: Path) -> None:
    """What was made before it was shared is opened to the others by the next write of its owner."""
    use(FileStorage[str, Any](tmp_path))
    storage = FileStorage[str, Any](tmp_path, mode=0o660)
    use(storage)
    found = modes(own(tmp_path))
    assert {found[path] for path in (".", "temporary", "locks", "leases")} == {0o770}
    storage.update({f"key {number}": 1 for number in range(100)})
    assert {mode for path, mode in modes(own(tmp_path)).items() if path.startswith("locks/")} == {0o660}


@needs_root
@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("made_by", ["ann", "the superuser, with the bit that hands on the group"])
def test_two_users_of_a_group_work_together(commons: Path, umask: int, made_by: str) -> None:
    """With ``mode=0o660`` two users read, write, count, lock, remove and sweep what the other made."""
    place = commons / "place"
    if made_by == "ann":
        commons.chmod(0o777)
        groups = {ANN: [TEAM], BOB: [TEAM]}
    else:
        place.mkdir()
        os.chown(place, 0, TEAM)
        place.chmod(0o2770)
        groups = {ANN: [ANN, TEAM], BOB: [BOB, TEAM]}

    def work(uid: int, other: int) -> None:
        becomes(uid, groups[uid], umask)
        for number in range(40):
            storage = FileStorage[str, Any](place, mode=0o660)
            storage["both"] = uid
            storage[f"{uid} {number}"] = number
            storage.incr("count")
            storage.set("life", uid, ttl=1000)
            with storage.lock("name", 30, timeout=30):
                storage["locked"] = storage.get("locked", 0) + 1
            assert storage["both"] in (uid, other)
            assert storage["life"] in (uid, other)
            storage.pop(f"{other} {number}", None)
            storage["taken in turns"] = number
            storage.pop("taken in turns", None)

    if made_by == "ann":
        as_user(ANN, lambda: FileStorage(place, mode=0o660), groups=[TEAM], umask=umask)
    in_processes(lambda: work(ANN, BOB), lambda: work(BOB, ANN))
    groups[0] = [0]
    storage = FileStorage[str, Any](place, mode=0o660)
    assert (storage["count"], storage["locked"]) == (80, 80)
    gids = {path.stat().st_gid for path in place.rglob("*") if path.is_file()}
    assert gids == {TEAM}


@needs_root
def test_two_users_make_the_own_folders_at_the_same_time(commons: Path) -> None:
    """Who comes second never finds a folder or a lock that the first has not opened to him yet."""
    commons.chmod(0o777)

    def write(uid: int, place: Path) -> None:
        becomes(uid, [TEAM], 0o077)
        storage = FileStorage[str, Any](place, mode=0o660)
        storage[f"{uid}"] = 1
        storage.incr("count")
        with storage.lock("name", 10, timeout=10):
            pass

    for number in range(40):
        place = commons / f"place {number}"
        place.mkdir()
        os.chown(place, 0, TEAM)
        place.chmod(0o2770)
        in_processes(*(lambda uid=uid, place=place: write(uid, place) for uid in (ANN, BOB)))
        assert dict(FileStorage[str, Any](place)) == {f"{ANN}": 1, f"{BOB}": 1, "count": 2}


@needs_root
def test_a_user_sweeps_what_the_other_left(commons: Path) -> None:
    """What a killed process of one user was writing is removed when the other opens the folder."""
    place = commons / "place"
    commons.chmod(0o777)

    def die() -> None:
        storage = FileStorage[str, Any](place, mode=0o660, codec="bytes")
        with storage.open_write("key") as file:
            file.write(b"x" * 1_000_000)
            os._exit(0)

    with pytest.raises(AssertionError, match="killed"):
        as_user(ANN, die, groups=[TEAM], umask=0o077)
    assert len(writing(place)) == 2
    as_user(BOB, lambda: FileStorage(place, mode=0o660), groups=[TEAM])
    assert writing(place) == []


@needs_root
def test_somebody_outside_the_group_has_no_part(commons: Path) -> None:
    """Who is not of the group cannot even open it."""
    place = commons / "place"
    commons.chmod(0o777)
    as_user(ANN, lambda: use(FileStorage(place, mode=0o660)), groups=[TEAM])

    def try_it() -> None:
        with pytest.raises(UnavailableError):
            FileStorage(place)

    as_user(BOB, try_it)
