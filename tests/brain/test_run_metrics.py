"""What Prometheus is told of runs: who they are, what failures cost, what actions won back."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobmend.brain import recommendations
from jobmend.brain.brain import Brain
from jobmend.brain.metrics import runs as run_metrics
from jobmend.jobs.actions import Action, ActionKind, Advice, State
from jobmend.jobs.identity import Run, Workflow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, ended, run_of, told

RUN_SECONDS = 50.0  # of `ended`


def lost(brain: Brain) -> float:
    with brain.store.read() as db:
        return run_metrics.lost(db, NOW)["c1"]


def won_back(brain: Brain) -> float:
    with brain.store.read() as db:
        return run_metrics.won_back(db, NOW)["c1"]


def apply(brain: Brain, workflow: str, *follow_ups: Run, moved: float = NOW) -> None:
    action = Action(ActionKind.RESUBMIT)
    advice = Advice("bug", action, (), {ActionKind.RESUBMIT: 1.0}, ())
    with brain.store.write() as db:
        new = recommendations.propose(db, Workflow("c1", workflow), advice, "", moved)
        recommendations.move(db, new, State.APPROVED, now=moved, who="ada")
        recommendations.add_follow_ups(db, new.id, follow_ups)
        recommendations.move(db, new, State.APPLIED, now=moved, who="brain")


def shown(brain: Brain) -> list[dict[str, str]]:
    families = text_string_to_metric_families(brain.metrics.page().decode())
    (found,) = (one for one in families if one.name == "jobmend_brain_run_info")
    return [sample.labels for sample in found.samples]


def test_lost_is_what_failed_within_a_day(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OK), *ended(2, BUG), *ended(3, BUG), *ended(4, BUG, time=NOW - 90_000))
    assert lost(brain) == 2 * RUN_SECONDS


def test_nothing_lost_is_0_once_a_cluster_is_known(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OK))
    assert (lost(brain), won_back(brain)) == (0.0, 0.0)


def test_won_back_is_what_actions_brought_to_a_good_end(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, BUG), *ended(1, OK, number=1), *ended(2, OK, number=1), *ended(3, BUG, number=1))
    tell(*ended(4, OK, number=1, time=NOW - 90_000), told("start", 5, number=1), *ended(6, OK))
    followed = [run_of(job, 1) for job in (1, 3, 4, 5)]
    apply(brain, "w1", *followed, run_of(77, 1))  # one that nobody has told of
    assert won_back(brain) == RUN_SECONDS, "of run 1 alone; nobody's action brought 2 and 6 about"
    apply(brain, "w2", run_of(1, 1))
    assert won_back(brain) == RUN_SECONDS, "a run counts once"
    apply(brain, "w3", run_of(2, 1), moved=NOW - 30 * 86400)
    assert won_back(brain) == RUN_SECONDS, "the action was long before"


def test_runs_are_shown_while_active_and_an_hour_after(brain: Brain, tell: Tell) -> None:
    tell(told("start", 1, time=NOW - 900_000), *ended(2, BUG), *ended(3, OK, time=NOW - 4000))
    by_job = {one["jobid"]: one for one in shown(brain)}
    assert {job: one["verdict"] for job, one in by_job.items()} == {"1": "active", "2": "failed"}
    assert by_job["2"] == {
        "cluster": "c1",
        "scheduler": "memory",
        "jobid": "2",
        "run": "0",
        "workflow": "w1",
        "site": "s1",
        "verdict": "failed",
    }


def test_the_newest_runs_are_shown_and_no_more(
    brain: Brain, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_metrics, "NEWEST_RUNS", 3)
    for job in range(5):
        brain.clock.time += 1  # type: ignore[attr-defined]
        tell(told("start", job))
    assert sorted(one["jobid"] for one in shown(brain)) == ["2", "3", "4"]


def test_names_of_strangers_are_labels_and_nothing_else(brain: Brain, tell: Tell) -> None:
    hostile = 'w"} 1 \\ evil{x="\u202e' + "w" * 195
    assert not tell(*ended(1, BUG, workflow=hostile)).rejected
    (one,) = shown(brain)
    assert one["workflow"].startswith('w"} 1 \\ evil{x="\ufffd')
    assert len(one["workflow"]) == 200


def test_a_day_is_summed_once_a_minute(brain: Brain, tell: Tell) -> None:
    gauges = run_metrics.RunGauges()

    def lost_at(now: float) -> float:
        with brain.store.read() as db:
            (found,) = (one for one in gauges.families(db, now) if "lost" in one.name)
        return float(sum(sample.value for sample in found.samples))

    tell(*ended(1, BUG))
    assert lost_at(NOW) == RUN_SECONDS
    tell(*ended(2, BUG))
    assert lost_at(NOW + 59) == RUN_SECONDS
    assert lost_at(NOW + 60) == 2 * RUN_SECONDS
    tell(*ended(3, BUG))
    assert lost_at(NOW + 1) == 3 * RUN_SECONDS, "a clock that was set back"
