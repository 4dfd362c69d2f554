"""The small scenes of the tour give what their sentences say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pystorage.cli import folder, scenes


def played(title: str, place: Path) -> list[tuple[str, str | None]]:
    scene = next(scene for scene in scenes.SCENES if title in scene.title)
    return list(scenes.play(scene, place))


def test_a_json_file(tmp_path: Path) -> None:
    lines = played("JSON", tmp_path)
    file = tmp_path / "notes" / "hello.storage.json"
    assert [gave for _, gave in lines[-2:]] == [repr(str(file)), repr('{"text": "Hello World!"}')]
    assert file.read_text() == '{"text": "Hello World!"}'


def test_an_expiring_value(tmp_path: Path) -> None:
    gave = [gave for _, gave in played("expires", tmp_path)]
    assert gave == [None, None, "True", None, "(False, 0)", "KeyError: 'token'"]


def test_an_lru(tmp_path: Path) -> None:
    assert played("LRU", tmp_path)[-1][1] == "['a', 'c', 'd']"


def test_a_nesting(tmp_path: Path) -> None:
    lines = played("inside", tmp_path)
    assert [gave for _, gave in lines] == [None, None, None, "['ann.storage']", None, None, "[]"]


@pytest.mark.parametrize("scene", scenes.SCENES, ids=lambda scene: scene.title)
def test_they_can_be_played_again_and_fit_the_screen(scene: scenes.Scene, tmp_path: Path) -> None:
    first = list(scenes.play(scene, tmp_path))
    assert list(scenes.play(scene, tmp_path)) == first
    assert all(len(line) <= 74 for line in scene.lines)
    assert {path.name for path in tmp_path.iterdir()} <= set(folder.PARTS)
