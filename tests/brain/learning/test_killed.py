"""kill -9 at each point of a turn: the champion is there all the time, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobmend.brain.learning import turns
from jobmend.brain.learning.turns import TurnState
from jobmend.brain.models import champions
from jobmend.brain.store import Store
from jobmend.classifier import artifact
from tests.brain.learning import crash
from tests.brain.learning.toy import Toy

ROOT = Path(__file__).parents[3]
STEPS = (
    "gather",
    "vet",
    "split",
    "train/zero",
    "train/mean",
    "train/picky",
    "evaluate",
    "compare",
    "promote",
    "publish",
    "register",
)
MOMENTS = ("before", "unwritten", "after")
POINTS = [*(f"{step}:{moment}" for step in STEPS for moment in MOMENTS), "end:before", "end:after"]
FILES = 60  # more than a turn puts in place
KILLED = signal.SIGKILL  # as a wait status


def play(root: Path, day: int, points: list[str]) -> list[int]:
    command = [sys.executable, "-m", "tests.brain.learning.crash", str(root), str(day), *points]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def promoting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies in which a turn was killed that promotes the model in shadow."""
    root = tmp_path_factory.mktemp("promoting")
    assert crash.turn(root / "base", 3).record.state is TurnState.PROMOTED
    assert crash.turn(root / "base", 4).record.state is TurnState.SHADOW
    assert play(root, 5, POINTS) == [KILLED] * len(POINTS)
    return root


def numbers(root: Path) -> list[int]:
    store = Store(root / "brain.db")
    with store.read() as db:
        rows = champions.history(db, "toy")
        newest = champions.newest(db, "toy")
    store.close()
    assert newest is not None
    used = artifact.digest(root / "models" / "toy")
    assert used in {one.digest for one in rows}
    Toy().load(root / "models" / "toy")
    return [one.number for one in rows]


def left_over(root: Path) -> list[str]:
    return [
        str(path.relative_to(root))
        for path in (root / "models").rglob(".*")
        if path.name != ".publishing"
    ]


@pytest.mark.parametrize("place", range(len(POINTS)), ids=POINTS)
def test_a_turn_killed_at_each_point_goes_on(promoting: Path, place: int) -> None:
    root, ended = promoting / str(place), POINTS[place] == "end:after"
    assert numbers(root) in ([1], [2, 1])
    if not ended:
        resumed = crash.turn(root, 5).record
        assert resumed.state is TurnState.PROMOTED, resumed.body
    assert numbers(root) == [2, 1]
    assert artifact.digest(root / "models" / "toy") == artifact.digest(
        root / "models" / "champions" / "toy" / "2"
    )
    store = Store(root / "brain.db")
    with store.read() as db:
        states = [one.state.value for one in turns.history(db, "toy")]
        steps = turns.steps(db, turns.history(db, "toy")[0].id)
    store.close()
    assert states == ["promoted", "shadow", "promoted"]
    assert set(steps) == set(STEPS)
    assert left_over(root) == []


@pytest.mark.parametrize(("day", "first"), [(4, 16), (5, 0)], ids=["shadow", "promoted"])
def test_a_turn_killed_before_any_file_goes_on(tmp_path: Path, day: int, first: int) -> None:
    """Wherever it dies, the next turn ends as the undisturbed one would have."""
    for before in range(3, day):
        crash.turn(tmp_path / "base", before)
    statuses = play(tmp_path, day, [str(number) for number in range(first, FILES)])
    assert set(statuses[:-1]) == {KILLED} and statuses[-1] == 0
    expected = numbers(tmp_path / str(len(statuses) - 1))
    for place in range(len(statuses) - 1):
        root = tmp_path / str(place)
        turned = crash.turn(root, day).record
        assert turned.state is not TurnState.FAILED, turned.body
        assert numbers(root) == expected, place
        assert left_over(root) == [], place
