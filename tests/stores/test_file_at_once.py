"""Files that are read in one call of C: the same bytes as step by step, and nothing decided there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pystorage import DiskLRUStorage, FileStorage
from pystorage.errors import UnavailableError
from pystorage.stores import _folder
from pystorage.stores._disk import READ_FLAGS
from pystorage.stores._folder import Folder
from tests.stores.files import open_files

SIZES = [1, 100, 16_383, 16_384, 16_385, 16_386, 100_000, 1 << 20]
needs_c = pytest.mark.skipif(_folder._quick_read is None, reason="the part in C was not compiled, or is off")


@pytest.fixture(params=["c", "python"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    if request.param == "python":
        monkeypatch.setattr(_folder, "_quick_read", None)
    elif _folder._quick_read is None:
        pytest.skip("the part in C was not compiled, or is off")
    return Folder(str(tmp_path / "entries"), "bin", 0o600, False)


@pytest.mark.parametrize("size", SIZES)
def test_all_of_a_file_is_read(folder: Folder, size: int) -> None:
    data = os.urandom(size)
    folder.write("name", data)
    before = open_files()
    assert folder.read("name") == folder.read("name", True) == data
    assert open_files() == before


def test_an_empty_file_is_no_bytes_and_an_absent_one_is_none(folder: Folder) -> None:
    folder.write("empty", b"")
    assert folder.read("empty") == b""
    assert folder.read("absent") is None


@pytest.mark.parametrize(
    "plant, kind",
    [
        (lambda path: path.mkdir(), IsADirectoryError),
        (lambda path: path.symlink_to("/etc/hostname"), OSError),
        (lambda path: os.mkfifo(path), OSError),
    ],
    ids=["folder", "link", "pipe"],
)
def test_what_is_no_file_is_refused(folder: Folder, plant: Callable[[Path], object], kind: type) -> None:
    plant(Path(folder.file("name")))
    before = open_files()
    with pytest.raises(kind):
        folder.read("name")
    assert open_files() == before


def test_a_pipe_with_much_in_it_is_refused(folder: Folder) -> None:
    path = folder.file("name")
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    try:
        os.write(pipe, b"x" * 40_000)
        with pytest.raises(OSError, match="plain"):
            folder.read("name")
    finally:
        os.close(pipe)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of folders are text")
def test_any_folder_will_do(folder: Folder, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/f\xffo\xc3\xa9")
    other = Folder(odd, "bin", 0o600, False)
    other.write("name", b"data")
    assert other.read("name") == b"data"


def test_a_folder_that_is_gone_is_said(folder: Folder) -> None:
    folder.own.close()
    os.rename(folder.path, f"{folder.path}.away")
    with pytest.raises(FileNotFoundError):
        folder.read("name")


@needs_c
def test_what_is_not_usual_is_left_to_the_other_way(tmp_path: Path) -> None:
    read = _folder._quick_read
    assert read is not None
    start = os.fsencode(tmp_path) + b"/"
    (tmp_path / "name.bin").write_bytes(b"data")
    assert read(start, b".bin", READ_FLAGS, "name") == b"data"
    for name in ("absent", "nul\0", "\ud800", "x" * 5000, "x" * 300, "", "."):
        assert read(start, b".bin", READ_FLAGS, name) is None
    wrong: tuple[object, ...]
    for wrong in ((), (start, b"", READ_FLAGS), ("a", b"", 0, "n"), (b"", "a", 0, "n"), (b"", b"", "0", "n")):
        with pytest.raises(TypeError):
            read(*wrong)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        read(start, b"", 1 << 70, "name")


@needs_c
def test_whoever_looks_on_at_open_sees_it(tmp_path: Path) -> None:
    storage: FileStorage[str, bytes] = FileStorage(tmp_path / "é", codec="bytes")
    storage["key"] = b"value"
    script = f"""
import sys
from pystorage import FileStorage
storage = FileStorage({str(tmp_path / "é")!r}, codec="bytes")
seen = []
sys.addaudithook(lambda event, about: event == "open" and seen.append(about))
assert storage["key"] == b"value"
assert [about[:2] for about in seen] == [({storage._folder.file("key")!r}, None)], seen
def refuse(event, about):
    if event == "open":
        raise PermissionError("not here")
sys.addaudithook(refuse)
try:
    storage["key"]
except Exception as error:
    print("refused", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused")
    assert "not here" in done.stdout


def test_readers_meet_whole_values_while_they_are_replaced(folder: Folder) -> None:
    values = [b"a" * 16_384, b"b" * 40_000, b"c" * 5]
    folder.write("name", values[0])
    done = threading.Event()

    def replace() -> None:
        for number in range(300):
            folder.write("name", values[number % 3])
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    while not done.is_set():
        assert folder.read("name") in values
    writer.join()


def test_a_file_that_cannot_be_read_is_unavailable_from_a_bounded_storage_too(tmp_path: Path) -> None:
    storage: DiskLRUStorage[str, bytes] = DiskLRUStorage(tmp_path, codec="bytes")
    storage["key"] = b"value"
    path = Path(storage._folder.file("key"))
    path.unlink()
    path.mkdir()
    with pytest.raises(UnavailableError):
        storage["key"]
