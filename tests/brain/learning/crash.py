"""Turns that kill themselves at a point, each in a process of its own: ``crash.py ROOT POINT...``.

The folder ROOT/base is copied for each point; what the dead process left is ROOT/<number of the
point>. Prints how each ended, as JSON, and stops behind the first that did not die. A point that is
a number N is the N-th file that is put in its place, just before that.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from jobmend.brain.config import BrainConfig, parse_config
from jobmend.brain.learning.course import Reached
from jobmend.brain.learning.loop import Loop, Turned
from jobmend.brain.store import Store
from tests.brain.learning.toy import Toy, days
from tests.brain.scene import Clock

DAY = 86400.0


def config_of(root: Path) -> BrainConfig:
    learning = {"shadow_turns": 1, "novel_share": 1.0}
    files = {"path": str(root / "brain.db"), "models": str(root / "models")}
    return parse_config({"store": files, "learning": learning})


def toy_of(last: int) -> Toy:
    """Numbers that change on day 3."""
    toy = days(Toy(), 0, 3, centre=2.0)
    for day in range(3, last):
        days(toy, day, day + 1, centre=2.5, seed=day)
    return toy


def turn(root: Path, day: int, reached: Reached = lambda point: None) -> Turned:
    config = config_of(root)
    store = Store(config.store.path)
    try:
        loop = Loop(store, config, Clock(day * DAY), reached=reached)
        return loop.learn([toy_of(day)])[0]
    finally:
        store.close()


def killed(root: Path, day: int, point: str) -> int:
    """The wait status of a process that goes a turn and kills itself at ``point``."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        if point.isdigit():
            kill_before_file(int(point))
        turn(root, day, lambda here: die() if here == point else None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_before_file(number: int) -> None:
    """Die before the ``number``-th file or folder is renamed to its name."""
    left = [number]
    for name in ("replace", "rename"):
        real = getattr(os, name)

        def counted(*given: Any, real: Any = real, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                die()
            return real(*given, **named)

        setattr(os, name, counted)


def main(root: Path, day: int, points: list[str]) -> None:
    statuses = []
    for place, point in enumerate(points):
        copy = root / str(place)
        shutil.copytree(root / "base", copy)
        statuses.append(killed(copy, day, point))
        if statuses[-1] == 0:
            break
    print(json.dumps(statuses))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
