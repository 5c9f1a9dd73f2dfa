"""From facts to at most one open recommendation a workflow, and nothing twice on the same facts."""

from __future__ import annotations

import logging
from array import array
from dataclasses import replace

import pytest

from jobmend.brain import advising, recommendations
from jobmend.brain.brain import Brain
from jobmend.classifier.advice import Models
from jobmend.classifier.traces.model import TraceModel
from jobmend.jobs.actions import ActionKind, Recommendation, State
from jobmend.jobs.identity import SiteStatus, Workflow
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, OOM, Clock, ended, run_of, told

W1 = Workflow("c1", "w1")
RULES = Models(None, None)


def judge(brain: Brain) -> Recommendation | None:
    return advising.judge(brain.store, W1, RULES, brain.config.advice, brain.clock())


def states(brain: Brain) -> list[State]:
    with brain.store.read() as db:
        return [found.state for found in recommendations.newest(db, 10)]


def test_a_failed_workflow_gets_one_recommendation(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OOM), *ended(2, OOM), *ended(3, OK))
    found = judge(brain)
    assert found is not None
    assert (found.id, found.workflow, found.state) == (1, W1, State.PROPOSED)
    assert found.advice.cause == "memory"
    assert set(found.advice.runs) == {run_of(1), run_of(2)}
    assert abs(sum(found.advice.probabilities.values()) - 1) < 1e-6
    assert judge(brain) is None
    assert states(brain) == [State.PROPOSED]


def test_nothing_is_said_about_a_healthy_workflow(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OK))
    assert judge(brain) is None
    assert states(brain) == []


def test_a_rejected_advice_comes_back_only_with_new_facts(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, OOM))
    assert judge(brain)
    brain.acting.reject(1, "me", "known")
    clock.time += 60
    tell(told("end", 1, node="n1", exit=OOM))  # what is known already, by another teller
    assert judge(brain) is None
    tell(*ended(2, OOM))
    again = judge(brain)
    assert again is not None and again.id == 2
    assert states(brain) == [State.PROPOSED, State.REJECTED]


def test_a_proposal_whose_facts_changed_expires(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OOM))
    judge(brain)
    tell(*ended(2, OOM, time=NOW - 10, parent=run_of(1).key))
    assert judge(brain)
    assert states(brain) == [State.PROPOSED, State.EXPIRED]
    tell(*ended(3, OK, time=NOW - 5, parent=run_of(2).key))
    assert judge(brain) is None, "somebody else mended it"
    assert states(brain) == [State.EXPIRED, State.EXPIRED]


def test_while_one_is_applied_nothing_is_said_and_the_workflow_stays_due(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, OOM))
    judge(brain)
    brain.acting.apply(1, "me")
    clock.time += 60
    tell(*ended(1, OOM, number=1, time=clock.time))
    assert judge(brain) is None
    assert states(brain) == [State.APPLIED]


def test_the_record_holds_last_runs_site_status_and_what_was_tried(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, BUG), *ended(9, OK, workflow="w2"))
    judge(brain)
    with brain.store.read() as db:
        proposed = recommendations.newest(db, 1)[0]
    brain.acting.apply(1, "me")
    tell(*ended(1, BUG, number=1, time=NOW - 10))
    with brain.store.read() as db:
        record = advising.build_record(db, W1, None, brain.config.advice, clock.time)
    assert [run.run for run in record.runs] == [run_of(1, 1)]
    assert record.runs[0].site_status is SiteStatus.UNKNOWN, "one of three ended well"
    assert record.tried == ((proposed.advice.cause, proposed.advice.action.kind),)


def window_of(owner: str, level: float, start: float) -> TraceWindow:
    wobble = [level + 0.01 * ((step * 7 + int(start)) % 5) for step in range(4)]
    values = array("f", [value for value in wobble for _ in FEATURES])
    return TraceWindow("n1", start, 1.0, (0,), (owner,), values)


def test_windows_of_a_failed_run_are_scored(brain: Brain, tell: Tell, clock: Clock) -> None:
    healthy = [window_of(f"c1/memory/{job}/0", 0.5, NOW + job) for job in range(100)]
    model = TraceModel(reconstruction="pca").fit(healthy)
    odd, misshapen = window_of(run_of(1).key, 40.0, NOW), window_of(run_of(1).key, 0.5, NOW + 1)
    cut = TraceWindow("n1", NOW + 2, 1.0, (0,), (run_of(1).key,), misshapen.values[:10])
    coarse = replace(misshapen, start=NOW + 3, step_seconds=15.0)
    tell(*ended(1, BUG), *ended(2, OK), odd, cut, coarse)
    refused: list[int] = []
    with brain.store.read() as db:
        record = advising.build_record(
            db, W1, model, brain.config.advice, clock.time, refused.append
        )
    assert refused == [2]
    by_run = {run.run: run.anomaly_p for run in record.runs}
    p = by_run[run_of(1)]
    assert p is not None and p < 0.2
    assert by_run[run_of(2)] is None
    (words,) = [run.anomaly_words for run in record.runs if run.run == run_of(1)]
    assert words.startswith("compared with 20 healthy runs of any type")
    assert "an alarm at 1 % needs 99" in words
    assert "of it from second" in words, "what carries the error"


def test_a_model_of_another_step_length_scores_nothing_and_that_is_counted(
    brain: Brain, tell: Tell, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    told = [window_of(f"c1/memory/{job}/0", 0.5, NOW + job) for job in range(100)]
    coarse = TraceModel(reconstruction="pca").fit([replace(one, step_seconds=15.0) for one in told])
    coarse.save(brain.config.store.models / "traces")
    caplog.set_level(logging.INFO, "jobmend.brain.advising")
    tell(*ended(1, BUG), *(window_of(run_of(1).key, 40.0, NOW + n) for n in range(3)))
    assert "jobmend_brain_refused_windows_total 0.0" in brain.metrics.page().decode()
    clock.time += 60
    brain.watcher.round()
    assert "jobmend_brain_refused_windows_total 3.0" in brain.metrics.page().decode()
    words = "4 steps of 1 s, the model reads 4 steps of 15 s; set [sample] period_seconds and"
    assert "3 of 3 windows are not scored: window n1/" in caplog.text and words in caplog.text
    with brain.store.read() as db:
        (found,) = recommendations.newest(db, 9)
    assert "trace" not in {one.kind for one in found.advice.evidence}


def test_a_warned_running_run_is_judged(brain: Brain, tell: Tell) -> None:
    tell(told("start", 1, time=NOW - 900), told("stall", 1, node="n1"))
    found = judge(brain)
    assert found is not None
    assert found.advice.runs == (run_of(1),)
    assert found.advice.action.kind in (ActionKind.KILL, ActionKind.ASK, ActionKind.RECOVER)
