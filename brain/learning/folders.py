"""Where a turn keeps its files, and how old ones make room."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

LEARNING = "learning"  # below [store] models
SHADOW = "shadow"  # below the subject: models that wait to win once more
Chance = Callable[[int], bytes]  # so many random bytes
_TURN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")


def lock_of(models: Path) -> Path:
    """The file of the lock of all turns."""
    return models / LEARNING / "lock"


def subject_of(models: Path, subject: str) -> Path:
    """The folder of all turns of a subject."""
    return models / LEARNING / subject


def turn_of(models: Path, subject: str, turn: str) -> Path:
    """The folder of one turn."""
    return subject_of(models, subject) / turn


def shadow_of(models: Path, subject: str, turn: str) -> Path:
    """The folder of the model that a turn put into shadow."""
    return subject_of(models, subject) / SHADOW / turn


def new_id(now: float, chance: Chance = os.urandom) -> str:
    """The id of a turn: when it began, and eight digits of chance."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S}-{chance(4).hex()}"


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except FileNotFoundError:
                continue
    return total


def prune(models: Path, subject: str, keep: int, room: float, spared: Collection[str]) -> None:
    """Remove the oldest folders of turns beyond ``keep`` or ``room`` bytes, but not ``spared``.

    The newest ``keep`` are counted without those that are spared.
    """
    folder = subject_of(models, subject)
    names = sorted(path.name for path in _folders(folder) if _TURN.fullmatch(path.name))[::-1]
    used, kept = 0, 0
    for name in names:
        used += size(folder / name)
        if name in spared:
            continue
        if kept >= keep or used > room:
            used -= size(folder / name)
            shutil.rmtree(folder / name, ignore_errors=True)
        else:
            kept += 1


def prune_shadows(models: Path, subject: str, spared: Collection[str]) -> None:
    """Remove all models in shadow but ``spared``, and what a killed turn left beside them."""
    for path in _folders(subject_of(models, subject) / SHADOW):
        if path.name not in spared:
            shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove the beginnings of files that a killed process left below ``folder``.

    They are hidden, and end with the number of the process that wrote them; those of one that
    lives stay.
    """
    for where, below, names in os.walk(folder):
        for name in [one for one in below if _left_over(one)]:
            shutil.rmtree(os.path.join(where, name), ignore_errors=True)
            below.remove(name)
        for name in names:
            if _left_over(name):
                Path(where, name).unlink(missing_ok=True)


def _left_over(name: str) -> bool:
    number = name.rpartition(".")[2]
    alive = number.isdigit() and int(number) != os.getpid() and Path("/proc", number).exists()
    return name.startswith(".") and not alive


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []
