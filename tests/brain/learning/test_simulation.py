"""A few simulated days: the loop recovers from the change and learns nothing of the false day."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobmend.brain.cli import learning as cli_learning
from jobmend.brain.cli.program import main
from jobmend.brain.learning import simulation
from jobmend.brain.learning.simulated.outcome import Simulated, poisoned_day, recovery
from jobmend.brain.learning.simulated.scenario import Scenario
from jobmend.brain.models.shelf import TRACES

SCENARIO = Scenario(days=7, change=4, new_type=8, poison=6, runs=130, tasks=100)
PLAYED = simulation.Played(
    arms_traces=("autoencoder",),
    arms_failures=("majority", "logistic"),
    first_turn=2,
    shadow_turns=0,
)


def quietly(*_: object) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulation.run(SCENARIO, tmp_path_factory.mktemp("played") / "here", quietly, PLAYED)


def test_every_day_has_its_turn_from_the_first_on(played: Simulated) -> None:
    for subject in played.subjects:
        states = [one.state for one in played.of(subject)]
        assert states[0] == "" and states[1] == "promoted" and "failed" not in states
        assert all(one.learning is not None for one in played.of(subject)[2:])


def test_the_poisoned_day_is_quarantined_and_no_champion_comes_of_it(played: Simulated) -> None:
    assert set(poisoned_day(played).values()) == {"quarantined"}
    assert all(change.day != SCENARIO.poison for change in played.changes)
    assert all(one.answered > 0 for one in played.days if one.day == SCENARIO.poison + 1)


def test_traces_recover_with_learning_and_not_without(played: Simulated) -> None:
    found = recovery(played, TRACES)
    assert found is not None
    assert found.turns is not None and found.turns <= 2 and not found.frozen_recovers


def test_every_change_of_champion_has_its_reason(played: Simulated) -> None:
    assert all(change.why for change in played.changes)
    firsts = [change for change in played.changes if change.number == 1]
    assert [(one.day, one.before, one.gain) for one in firsts] == [(2, "-", None)] * 2
    assert any(change.gain and change.gain > 0 for change in played.changes)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("kept")
    with pytest.raises(ValueError, match="is not empty"):
        simulation.run(SCENARIO, tmp_path, quietly, PLAYED)


def test_the_command_tells_it_and_draws_it(
    played: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(scenario: Scenario, folder: Path, _tell: object) -> Simulated:
        assert scenario.days == 7
        folder.mkdir()
        return played

    monkeypatch.setattr(simulation, "run", run)
    out = tmp_path / "out"
    told = CliRunner().invoke(main, ["learn", "--simulate-days", "7", "--out", str(out)])
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    found = json.loads(lines[-1])
    assert found == json.loads(json.dumps(cli_learning.summary(played)))
    assert found["synthetic"] and found["poisoned_day"] == "quarantined"
    assert len(found["errors"]["traces"]["learning"]) == 7
    assert lines[0].startswith("SUBJECT") and "synthetic" in told.stdout
    assert {path.name for path in out.iterdir()} == set(cli_learning.PICTURES)
