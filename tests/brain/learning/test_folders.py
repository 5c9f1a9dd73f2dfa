"""Folders of turns: what makes room, and what never does."""

from __future__ import annotations

import os
from pathlib import Path

from jobmend.brain.learning import folders

DAY = 86400.0


def turn(models: Path, day: int, size: int = 1000) -> str:
    name = folders.new_id(day * DAY)
    folder = folders.turn_of(models, "toy", name)
    folder.mkdir(parents=True)
    (folder / "examples").write_bytes(b"x" * size)
    return name


def there(models: Path) -> set[str]:
    return {path.name for path in folders.subject_of(models, "toy").iterdir()}


def test_the_oldest_go_first(tmp_path: Path) -> None:
    names = [turn(tmp_path, day) for day in range(5)]
    folders.prune(tmp_path, "toy", keep=2, room=1e9, spared={names[0]})
    assert there(tmp_path) == {names[0], names[3], names[4]}


def test_room_counts_all_that_stays(tmp_path: Path) -> None:
    names = [turn(tmp_path, day) for day in range(5)]
    folders.prune(tmp_path, "toy", keep=9, room=2500, spared=set())
    assert there(tmp_path) == set(names[3:])
    folders.prune(tmp_path, "toy", keep=9, room=1, spared={names[4]})
    assert there(tmp_path) == {names[4]}


def test_only_folders_of_turns_are_touched(tmp_path: Path) -> None:
    name = turn(tmp_path, 1)
    subject = folders.subject_of(tmp_path, "toy")
    for other in ("replay", "shadow", "unregistered"):
        (subject / other).mkdir()
    (subject / "20200101T000000-00000000").symlink_to(tmp_path)
    folders.prune(tmp_path, "toy", keep=0, room=1e9, spared=set())
    assert name not in there(tmp_path)
    assert {"replay", "shadow", "unregistered", "20200101T000000-00000000"} == there(tmp_path)
    folders.prune(tmp_path, "nobody", keep=0, room=0, spared=set())


def test_beginnings_of_dead_processes_are_swept(tmp_path: Path) -> None:
    (tmp_path / "arm").mkdir()
    dead, mine = tmp_path / "arm" / ".file.999999999", tmp_path / f".file.{os.getpid()}"
    alive, kept = tmp_path / f".file.{os.getppid()}", tmp_path / "arm" / "file"
    for path in (dead, mine, alive, kept):
        path.write_text("x")
    folders.sweep(tmp_path)
    assert not dead.exists() and not mine.exists()
    assert alive.exists() and kept.exists()
